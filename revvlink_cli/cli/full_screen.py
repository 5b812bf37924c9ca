"""Runs a command that fills the terminal and reads keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

from revvlink_cli.cli.result_writer import show_messages
from revvlink_cli.output.formats import Format
from revvlink_cli.output.keys import Keys
from revvlink_cli.output.result import CommandError, ExitCode, Failure, Result
from revvlink_cli.output.screen import Screen

if TYPE_CHECKING:
    from revvlink_cli.commands.shared.command import Options
    from revvlink_cli.output.result import FullScreen
    from revvlink_cli.output.streams import Output


async def show_full_screen(outcome: FullScreen, options: Options, output: Output) -> int:
    """Show frames until a key or a signal ends the command; returns the exit code."""
    if options.export is not None:
        message, hint = "a full screen cannot be exported", "use `nodes status --watch --export FILE`"
        raise CommandError(Failure("usage", message, hint=hint), exit_code=ExitCode.USAGE)
    result = Result()
    with Screen(output, no_color=options.no_color) as screen, Keys(outcome.press) as keys:

        def resume() -> None:
            keys.listen()
            screen.redraw()

        screen.on_resume = resume
        frames = outcome.frames(screen.size)
        try:
            async for frame in frames:
                if isinstance(frame, Result):
                    result = frame
                    break
                screen.show(frame)
        finally:
            await frames.aclose()
    show_messages(result, Format.TABLE, options)
    return int(result.exit_code)
