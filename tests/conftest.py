"""What every test gets: an environment of its own, and the command line as a person would run it."""

from __future__ import annotations

import atexit
import gc
import json
import logging
import os
import signal
from collections import Counter
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings

from tests.example_counts import examples
from tests.warm_command_line import RunningCommand, WarmCommandLine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

# `make test-all` tries more examples. Fixed times for one example fail on a machine that is busy with other tests.
settings.register_profile("revvlink", max_examples=examples(100, 1000), deadline=None)
settings.load_profile("revvlink")


def pytest_collection_finish() -> None:
    """Take what is loaded by now out of the search for garbage, which takes a quarter of a second with it."""
    gc.collect()
    gc.freeze()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show what was skipped as one table: the reason, and how many tests have it.

    ``REVVLINK_TEST_SKIPPED`` names a file that passes the figures on to the next of several runs.
    """
    counts: Counter[str] = Counter()
    for report in terminalreporter.stats.get("skipped", []):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        counts[" ".join(reason.removeprefix("Skipped: ").split())] += 1
    name = os.environ.get("REVVLINK_TEST_SKIPPED")
    file = terminalreporter.config.rootpath / name if name else None
    if file is not None:
        if file.is_file():
            counts.update(json.loads(file.read_text(encoding="utf-8")))
        file.write_text(json.dumps(counts), encoding="utf-8")
    if counts:
        terminalreporter.section(f"skipped: {counts.total()}", sep="-")
        for reason, count in counts.most_common():
            terminalreporter.write_line(f"{count:>5}  {reason}")


@pytest.fixture(autouse=True, scope="session")
def interruptible() -> None:
    """Let Ctrl-C reach the processes of tests: a run in the background of a shell inherits a SIGINT that is ignored."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def isolated(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Folders of its own for configuration, state and cache; nothing from the caller's environment."""
    home = tmp_path_factory.mktemp("home")
    for name in tuple(os.environ):
        if name.startswith("REVVLINK_") and not name.startswith("REVVLINK_TEST_"):
            monkeypatch.delenv(name)
    for name in ("NO_COLOR", "FORCE_COLOR", "GITHUB_ACTIONS", "HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    for name, folder in (
        ("HOME", "."),
        ("XDG_CONFIG_HOME", "config"),
        ("XDG_CONFIG_DIRS", "site"),
        ("XDG_STATE_HOME", "state"),
        ("XDG_CACHE_HOME", "cache"),
    ):
        (home / folder).mkdir(exist_ok=True)
        monkeypatch.setenv(name, str(home / folder))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(home)
    return home


@pytest.fixture(autouse=True)
def commands_end() -> Iterator[None]:
    """A command line that a test started does not outlive the test: its socket would be a warning in a later one."""
    yield
    if warm_command_line.cache_info().currsize:
        warm_command_line().end_all()


@pytest.fixture(autouse=True)
def log_as_before() -> Iterator[None]:
    """A command line that runs in this process with ``-v`` shows the log; later tests must not."""
    loggers = [logging.getLogger(name) for name in ("revvlink_cli", "asyncio")]
    before = [(logger.level, list(logger.handlers)) for logger in loggers]
    yield
    for logger, (level, handlers) in zip(loggers, before, strict=True):
        logger.setLevel(level)
        logger.handlers[:] = handlers


@dataclass(frozen=True)
class Ran:
    """How one run of the command line ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The envelope."""
        return json.loads(self.out)

    @property
    def rows(self) -> Any:
        """The envelope's data."""
        return self.json["data"]


@cache
def warm_command_line() -> WarmCommandLine:
    """The process that this run's command lines are forked off."""
    warm = WarmCommandLine()
    atexit.register(warm.close)
    return warm


def run_cli(
    *arguments: str, stdin: str | None = None, timeout: float = 60.0, interrupt_after: float | None = None,
    **environment: str,
) -> Ran:  # fmt: skip
    """Run the command line in a process of its own; one that runs on is interrupted after this many seconds."""
    done = warm_command_line().run(arguments, stdin, timeout, {**os.environ, **environment}, interrupt_after)
    assert "Traceback" not in done.stderr, done.stderr
    assert "Unclosed" not in done.stderr, done.stderr
    return Ran(done.returncode, done.stdout, done.stderr)


def start_cli(
    *arguments: str, stdout: int | None = None, stderr: int | None = None, stderr_to_stdout: bool = False
) -> RunningCommand:
    """Start a command line that goes on; its output goes to pipes, or to these descriptors."""
    output, output_there = os.pipe()
    errors, errors_there = os.pipe()
    for given, there in ((stdout, output_there), (stderr, errors_there)):
        if given is not None:
            os.dup2(given, there)
    if stderr_to_stdout:
        os.dup2(output_there, errors_there)
    streams = (os.open(os.devnull, os.O_RDONLY), output_there, errors_there)
    return RunningCommand(warm_command_line().start(arguments, streams, dict(os.environ)), output, errors)


@pytest.fixture
def cli() -> Callable[..., Ran]:
    """`run_cli`."""
    return run_cli


@pytest.fixture
def write_config(isolated: Path) -> Callable[..., Path]:
    """Writes a configuration of these nodes and returns its path."""

    def write(*nodes: dict[str, Any], **sections: Any) -> Path:
        import tomli_w

        path = isolated / "nodes.toml"
        path.touch(mode=0o600)
        path.write_text(tomli_w.dumps({**sections, "nodes": list(nodes)}), encoding="utf-8")
        return path

    return write
