"""Runs command lines in the process of the tests: no start-up each."""

from __future__ import annotations

import contextlib
import io
from typing import TYPE_CHECKING

import pytest

from revvlink_cli.cli.app import run
from tests.conftest import Ran

if TYPE_CHECKING:
    from collections.abc import Sequence


class TerminalText(io.StringIO):
    """A stream that says that it is a terminal."""

    def isatty(self) -> bool:
        """Yes."""
        return True


def run_in_process(arguments: Sequence[str], stdout: io.StringIO | None = None, **environment: str) -> Ran:
    """Run a command line with this stdout, or through a pipe."""
    out, err = stdout if stdout is not None else io.StringIO(), io.StringIO()
    with (
        pytest.MonkeyPatch.context() as patch,
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        for name, value in {"COLUMNS": "80", "TERM": "xterm", **environment}.items():
            patch.setenv(name, value)
        code = run(arguments)
    return Ran(code, out.getvalue(), err.getvalue())
