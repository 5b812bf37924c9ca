"""Runs command lines without a start-up each: in the process of the tests, or together in forks of one process."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from revvlink_cli.cli.app import run
from tests.conftest import Ran

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class TerminalText(io.StringIO):
    """A stream that says that it is a terminal."""

    def isatty(self) -> bool:
        """Yes."""
        return True


@contextlib.contextmanager
def log_kept() -> Iterator[None]:
    """A command line that runs in this process with ``-v`` shows the log; later ones must not."""
    loggers = [logging.getLogger(name) for name in ("revvlink_cli", "asyncio")]
    before = [(logger.level, list(logger.handlers)) for logger in loggers]
    try:
        yield
    finally:
        for logger, (level, handlers) in zip(loggers, before, strict=True):
            logger.setLevel(level)
            logger.handlers[:] = handlers


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


def run_forked(jobs: Sequence[dict[str, Any]], **environment: str) -> list[tuple[int, str]]:
    """Run command lines at the same time, see `fork_command_lines`; gives the exit code and the output of each."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "tests.fork_command_lines"],
        input=json.dumps(jobs),
        capture_output=True,
        encoding="utf-8",
        check=False,
        cwd=Path(__file__).parents[1],
        env={**os.environ, **environment},
    )
    assert done.returncode == 0, done.stderr
    return [(result["code"], result["said"]) for result in json.loads(done.stdout)]
