"""Messages on stderr: one line each for programs, wrapped and grouped for people."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING

from revvlink_cli.output import diagnostics
from revvlink_cli.output.result import Failure

if TYPE_CHECKING:
    import pytest

HINT = "start the node, or correct the port in uri"
FAILURES = [
    *(Failure("refused", "nothing listens on 127.0.0.1:1", f"eu-{i}", "connect", HINT) for i in range(30)),
    Failure("auth", "it refused the password", "us-1", "auth", "correct the password"),
    Failure("usage", "--filter: a value is missing after >", hint="see the help", excerpt="  a>\n    ^"),
]


class TerminalStream(io.StringIO):
    """A stream that is a terminal of 60 columns."""

    def isatty(self) -> bool:
        """It is one."""
        return True


def test_a_pipe_has_one_line_for_each_error(capsys: pytest.CaptureFixture[str]) -> None:
    """Programs find each node's error, with its hint, on one line; only an excerpt has lines of its own."""
    diagnostics.errors(FAILURES)

    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == len(FAILURES) + 2
    assert lines[0] == f"error: eu-0: connect: nothing listens on 127.0.0.1:1 ({HINT})"


def test_a_terminal_shows_shared_errors_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nodes with the same trouble share a message, no word is broken, and each hint has a line of its own."""
    terminal = TerminalStream()
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("LINES", "24")
    monkeypatch.setattr(sys, "stderr", terminal)

    diagnostics.errors(FAILURES)
    diagnostics.notes(["30 of 31 nodes have a problem: 30 failed; --problems shows only these"])

    assert terminal.getvalue().splitlines() == [
        "error: eu-0, eu-1, eu-2, and 27 more: connect: nothing",
        "  listens on 127.0.0.1:1",
        "  hint: start the node, or correct the port in uri",
        "error: us-1: auth: it refused the password",
        "  hint: correct the password",
        "error: --filter: a value is missing after >",
        "  a>",
        "    ^",
        "  hint: see the help",
        "note: 30 of 31 nodes have a problem: 30 failed; --problems",
        "  shows only these",
    ]
