"""The file of ``--ready-file``, which says that all is up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from revvlink_cli.output.result import CommandError, ExitCode, Failure

if TYPE_CHECKING:
    from collections.abc import Callable


def write_ready_file(name: str, text: str) -> Callable[[], None]:
    """Write the file at once and whole; returns what deletes it.

    Raises:
        CommandError: The file cannot be written.
    """
    from pathlib import Path

    from revvlink_cli.output.streams import write_file

    try:
        write_file(name, text)
    except OSError as error:
        failure = Failure("output", f"--ready-file {name}: cannot be written: {error.strerror or error}")
        raise CommandError(failure, exit_code=ExitCode.FAILED) from None
    return lambda: Path(name).unlink(missing_ok=True)
