"""Runs that change one file at the same time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from revvlink_cli.config.load import load
from revvlink_cli.config.locking import locked
from revvlink_cli.config.source import find
from revvlink_cli.config.trust import is_trusted, trust
from tests.conftest import run_cli

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def path(isolated: Path) -> Path:
    """A configuration of one node."""
    file = isolated / "nodes.toml"
    file.write_text('[[nodes]]\nidentifier = "first"\nuri = "http://h"\npassword = "x"\n', encoding="utf-8")
    return file


ADD = (
    "import sys; from pathlib import Path; from revvlink_cli.config.editing import append_node\n"
    "sys.stdin.readline()\n"
    "for part in 'abc':\n"
    "    name = sys.argv[2] + part\n"
    "    append_node(Path(sys.argv[1]), {'identifier': name, 'uri': 'http://h', 'password_env': 'P'})\n"
)


def test_sixteen_runs_add_nodes_at_once(path: Path, isolated: Path) -> None:
    """Every node of each of them is in the file, and the file is still trusted."""
    trust(path, path.read_text(encoding="utf-8"))
    runs = [
        subprocess.Popen([sys.executable, "-c", ADD, str(path), f"n{number}"], stdin=subprocess.PIPE, text=True)
        for number in range(16)
    ]
    for run in runs:
        run.communicate("go\n", timeout=120)

    assert [run.returncode for run in runs] == [0] * 16
    names = [node.identifier for node in load(find(str(path), {}, isolated)).nodes]
    assert sorted(names) == sorted(["first", *(f"n{number}{part}" for number in range(16) for part in "abc")])
    assert is_trusted(path, path.read_text(encoding="utf-8"))
    assert not [file for file in isolated.iterdir() if "lock" in file.name or file.name.startswith(".nodes")]


TRUST = (
    "import sys; from pathlib import Path; from revvlink_cli.config.trust import trust\n"
    "sys.stdin.readline()\n"
    "for part in 'abcdefgh': trust(Path(sys.argv[1] + part), 'text')\n"
)


def test_files_that_are_trusted_at_once(isolated: Path) -> None:
    """None of the approvals is lost."""
    runs = [
        subprocess.Popen([sys.executable, "-c", TRUST, str(isolated / f"f{n}")], stdin=subprocess.PIPE, text=True)
        for n in range(6)
    ]
    for run in runs:
        run.communicate("go\n", timeout=120)

    assert all(is_trusted(isolated / f"f{n}{part}", "text") for n in range(6) for part in "abcdefgh")


HOLD = (
    "import sys; from pathlib import Path; from revvlink_cli.config.locking import locked\n"
    "with locked(Path(sys.argv[1])) as ours: print(ours, flush=True); sys.stdin.readline()\n"
)


def test_a_run_that_dies_frees_its_lock(tmp_path: Path) -> None:
    """While it lives no other run gets the lock; once it was killed the next one does."""
    lock = tmp_path / "lock"
    other = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(lock)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert other.stdout is not None
    assert other.stdout.readline() == "True\n"

    with locked(lock) as is_ours:
        assert not is_ours
    other.send_signal(signal.SIGKILL)
    other.communicate()
    begun = time.monotonic()
    with locked(lock, patience=10) as is_ours:
        assert is_ours
    assert time.monotonic() - begun < 5


def test_where_no_lock_can_be_kept(path: Path, isolated: Path) -> None:
    """A folder for state that cannot be made, as in a container without a home, keeps nobody from adding a node."""
    (isolated / "file").touch()

    ran = run_cli(
        "--config", str(path), "nodes", "add", "b", "http://h", "--password-env", "HOME",
        XDG_STATE_HOME=os.fspath(isolated / "file"),
    )  # fmt: skip

    assert ran.code == 0, ran.err
    assert len(load(find(str(path), {}, isolated)).nodes) == 2
