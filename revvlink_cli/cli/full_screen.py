"""Runs a command that fills the terminal and reads keys."""

from __future__ import annotations

import sys
from contextlib import aclosing
from typing import TYPE_CHECKING

from revvlink_cli.cli.result_writer import show_messages
from revvlink_cli.output import diagnostics
from revvlink_cli.output.formats import Format
from revvlink_cli.output.keys import REDRAW, Keys
from revvlink_cli.output.result import CommandError, ExitCode, Failure, Result
from revvlink_cli.output.screen import Screen
from revvlink_cli.output.streams import held_messages, is_terminal

if TYPE_CHECKING:
    from revvlink_cli.commands.shared.command import Options
    from revvlink_cli.output.result import FullScreen
    from revvlink_cli.output.streams import Output


async def show_full_screen(outcome: FullScreen, options: Options, output: Output) -> int:
    """Show pictures until a key or a signal ends the command; returns the exit code."""
    if options.export is not None:
        message, hint = "a full screen cannot be exported", "use `nodes status --watch --export FILE`"
        raise CommandError(Failure("usage", message, hint=hint), exit_code=ExitCode.USAGE)
    if options.view.chooses:
        message, hint = "a full screen shows all rows and columns", "press / to filter, or use `nodes status --watch`"
        raise CommandError(Failure("usage", message, hint=hint), exit_code=ExitCode.USAGE)
    result = Result()
    with held_messages(), Screen(output, no_color=options.no_color) as screen, Keys(outcome.press) as keys:

        def resume() -> None:
            keys.listen()
            outcome.press(REDRAW)

        screen.on_suspend, screen.on_resume = keys.release, resume
        async with aclosing(outcome.pictures(screen.size, keys.are_read)) as pictures:
            async for picture in pictures:
                if isinstance(picture, Result):
                    result = picture
                    break
                screen.draw(picture)
    show_messages(result, Format.TABLE, options)
    return int(result.exit_code)


def explain_stream(options: Options) -> None:
    """Say in one line why a command that fills a terminal prints a stream, if a person sees it."""
    if options.quiet or options.output is not None:
        return
    if is_terminal(sys.stdout):
        reason = "this terminal cannot move its cursor (TERM is dumb or not set): one table follows the other"
        diagnostics.notes([f"{reason}; with another terminal, set TERM, such as TERM=xterm-256color"])
    elif is_terminal(sys.stderr):
        diagnostics.notes(["stdout is not a terminal: one JSON object a line, as `nodes status --watch` prints it"])
