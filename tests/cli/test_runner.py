"""Ctrl-C at every moment, and output that nobody takes: an exit code, one line at most, and no traceback."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.conftest import run_cli

if TYPE_CHECKING:
    from pathlib import Path

CONFIG = '[[nodes]]\nidentifier = "n"\nuri = "http://127.0.0.1:1"\npassword = "x"\n'


@pytest.fixture(autouse=True)
def config(isolated: Path) -> Path:
    """A configuration of a node that is down."""
    path = isolated / "revvlink.toml"
    path.write_text(CONFIG, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("command", "module"),
    [
        (("nodes", "status"), "typing"),
        (("nodes", "status"), "revvlink_cli.output.result"),
        (("nodes", "status"), "typer._click"),
        (("nodes", "status"), "revvlink_cli.commands.shared.command"),
        (("nodes", "status"), "revvlink_cli.commands.nodes.status"),
        (("nodes", "status"), "asyncio.events"),
        (("nodes", "status"), "aiohttp.helpers"),
        (("nodes", "list"), "tomllib._parser"),
        (("check",), "revvlink_cli.health.catalogue"),
        (("--version",), "typer._click"),
        (("demo",), "revvlink_cli.simulator.node"),
        (("search", "x"), "sqlite3"),
    ],
)
def test_interrupted_while_modules_are_loaded(command: tuple[str, ...], module: str) -> None:
    """Whatever was being loaded, the exit code is that of an interruption, and nothing is printed."""
    told = []
    is_sent = False
    with subprocess.Popen(
        [sys.executable, "-X", "importtime", "-m", "revvlink_cli", *command],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if not line.startswith("import time:"):
                told.append(line)
            elif not is_sent and line.rpartition("|")[2].strip() == module:
                process.send_signal(signal.SIGINT)
                is_sent = True
        code = process.wait(30)

    assert is_sent
    assert code == 130
    assert len(told) <= 1, told


def test_interrupted_inside_exec(tmp_path: Path) -> None:
    """`dataclass` runs code with `exec`. After Ctrl-C there, `python -m` ends with the exit code, not by a signal."""
    (tmp_path / "interrupted.py").write_text(
        "from revvlink_cli import __main__ as command\n"
        "command._run = lambda: exec('raise KeyboardInterrupt')\n"
        "command.main()\n"
    )
    done = subprocess.run([sys.executable, "-m", "interrupted"], cwd=tmp_path, check=False, timeout=60)
    assert done.returncode == 130


def test_an_interruption_that_is_ignored() -> None:
    """A command in the background of a script does not end with what Ctrl-C is meant for."""
    process = subprocess.Popen(
        ["bash", "-c", f"trap '' INT; echo ready; exec {sys.executable} -m revvlink_cli nodes list"],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    for _ in range(20):
        process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=30)

    assert process.returncode == 0
    assert out.startswith("n\t")


EVERY_KIND = [
    ("--version",),
    ("--help",),
    ("nodes",),
    ("nodes", "--help"),
    ("nodes", "list"),
    ("nodes", "list", "--help"),
    ("nodes", "list", "-o", "json"),
    ("nodes", "status", "--timeout", "2"),
    ("nodes", "status", "--watch", "--count", "1", "--timeout", "2"),
    ("connect", "--timeout", "2"),
    ("wait", "--timeout", "1"),
    ("doctor", "--only", "program"),
    ("check", "--list"),
    ("config", "schema"),
    ("config", "path"),
    ("region", "us-east1"),
    ("cache", "stats"),
    ("help",),
    ("help", "exit-codes"),
]


@pytest.mark.parametrize("command", EVERY_KIND, ids=" ".join)
def test_output_that_a_full_disk_does_not_take(command: tuple[str, ...]) -> None:
    """It is an error of one line that says so, and no defect."""
    with open("/dev/full", "w", encoding="utf-8") as full:  # noqa: PTH123 - a device
        done = subprocess.run(
            [sys.executable, "-m", "revvlink_cli", *command],
            stdout=full, stderr=subprocess.PIPE, text=True, check=False, timeout=60,
        )  # fmt: skip

    assert done.returncode in (1, 2, 3)
    told = [line for line in done.stderr.splitlines() if not line.startswith("error: n: ")]
    assert told == ["error: cannot write the output: No space left on device (make room, or write elsewhere)"]


@pytest.mark.parametrize("command", EVERY_KIND, ids=" ".join)
def test_a_reader_who_has_gone(command: tuple[str, ...]) -> None:
    """It is not an error: the exit code is that of the command, and nothing is said of it."""
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as pipe:
        done = subprocess.run(
            [sys.executable, "-m", "revvlink_cli", *command],
            stdout=pipe, stderr=subprocess.PIPE, text=True, check=False, timeout=60,
        )  # fmt: skip

    whole = run_cli(*command)
    assert done.returncode == whole.code or (done.returncode == 0 and "--watch" in command)
    assert "Broken pipe" not in done.stderr
    assert "Traceback" not in done.stderr
    assert "Exception" not in done.stderr
