"""Files that a command writes beside its output, as with ``--save``."""

from __future__ import annotations

from revvlink_cli.output.result import CommandError, Failure


def save_file(name: str, text: str, *, subject: str | None = None, hint: str | None = "name another file") -> None:
    """Write a file at once and whole.

    Args:
        name: The file.
        text: What it holds afterwards.
        subject: What an error names, the file if left out.
        hint: What an error advises.

    Raises:
        CommandError: It cannot be written.
    """
    from revvlink_cli.output.streams import write_file

    try:
        write_file(name, text)
    except OSError as error:
        message = f"{subject or name} cannot be written: {error.strerror or error}"
        raise CommandError(Failure("output", message, hint=hint)) from None
