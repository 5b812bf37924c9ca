"""A simulated fleet that stays for other programs: how they use it, and the file that says that all is up."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, NamedTuple

from revvlink_cli.commands.shared.saved_file import save_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from revvlink_cli.commands.shared.command import Options


class Words(NamedTuple):
    """What is said around the lines that name the configuration.

    Attributes:
        first: What runs, and where to type the line below.
        last: What to type after it, and how to end the fleet.
    """

    first: str
    last: str


@contextmanager
def kept_fleet(
    options: Options,
    running: AbstractContextManager[Path],
    words: Words,
    *,
    ready_file: str | None,
    ready_text: Callable[[Path], str],
    on_hang_up: Callable[[], object],
) -> Iterator[Path]:
    """Run a fleet in the running event loop; gives the path of a configuration for it.

    Args:
        options: The global options.
        running: Runs the fleet, and gives that path.
        words: What to say, unless with ``--quiet``.
        ready_file: Is written once all is up, and deleted at the end; None for no file.
        ready_text: Makes its text.
        on_hang_up: Is called when the terminal is closed.

    Raises:
        CommandError: The file cannot be written.
    """
    import asyncio
    import signal
    import sys

    from revvlink_cli.output import diagnostics

    with ExitStack() as stack:
        path = stack.enter_context(running)
        if sys.platform != "win32":
            asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, on_hang_up)
        if not options.quiet:
            diagnostics.lines(_instructions(path, words))
        if ready_file is not None:
            stack.callback(_write_ready_file(ready_file, ready_text(path)))
        yield path


def _instructions(path: Path, words: Words) -> tuple[str, ...]:
    quoted = str(path).replace("'", "''")
    return (
        words.first,
        "",
        f"  export REVVLINK_CONFIG={path}",
        "",
        "In PowerShell:",
        "",
        f"  $env:REVVLINK_CONFIG = '{quoted}'",
        "",
        words.last,
        "",
    )


def _write_ready_file(name: str, text: str) -> Callable[[], None]:
    """Write the file at once and whole; returns what deletes it."""
    from pathlib import Path

    save_file(name, text, subject=f"--ready-file {name}:", hint=None)
    return lambda: Path(name).unlink(missing_ok=True)
