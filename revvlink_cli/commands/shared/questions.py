"""Questions to the person at the terminal."""

from __future__ import annotations

import sys

import typer

from revvlink_cli.output.result import CommandError, ExitCode, Failure
from revvlink_cli.output.streams import end_line, write_error
from revvlink_cli.output.text import clean


def confirm(question: str, *, yes: bool) -> None:
    """Ask the user to confirm what cannot be undone.

    Args:
        question: The question on a terminal.
        yes: Whether `--yes` was given.

    Raises:
        CommandError: stdin is not a terminal.
        typer.Abort: The answer is no, or Ctrl-C.
    """
    if yes:
        return
    if sys.stdin is None or not sys.stdin.isatty():
        raise CommandError(
            Failure("usage", "this cannot be undone and needs a confirmation", hint="add --yes"),
            exit_code=ExitCode.USAGE,
        )
    if not ask(question):
        raise typer.Abort


def ask(question: str, *, default: bool = False) -> bool:
    """Ask the user a question on the terminal, until the answer is yes or no.

    Raises:
        typer.Abort: Ctrl-C, or the end of the input; what follows begins on a line of its own.
    """
    choices = "Y/n" if default else "y/N"
    while True:
        try:
            write_error(f"{clean(question)} [{choices}]: ")
            answer = _read_line().strip().lower()
        except (KeyboardInterrupt, EOFError):
            end_line()
            raise typer.Abort from None
        if answer in ("y", "yes", "n", "no", ""):
            return answer.startswith("y") if answer else default
        write_error("Answer y or n.\n")


def _read_line() -> str:
    """Read a line from the terminal.

    Raises:
        EOFError: The input has ended.
    """
    if sys.platform != "win32":  # there a read of the console does not miss Ctrl-C
        _wait_for_line(sys.stdin.fileno())
    line = sys.stdin.readline()
    if not line:
        raise EOFError
    return line


def _wait_for_line(terminal: int) -> None:
    """Wait until the terminal has a line, or until a signal raises an exception, such as KeyboardInterrupt.

    A read that blocks, as in `input`, misses a Ctrl-C that comes just before it: Python handles the signal only after
    the read. Here the signal writes to a socket, which ends the wait also where the byte is older than the wait.
    """
    import select
    import signal
    from socket import socketpair

    signals, there = socketpair()
    with signals, there:
        there.setblocking(False)
        before = signal.set_wakeup_fd(there.fileno(), warn_on_full_buffer=False)
        try:
            while terminal not in select.select([terminal, signals.fileno()], [], [])[0]:
                signals.recv(1)  # of a signal whose handler has raised nothing
        finally:
            signal.set_wakeup_fd(before)
