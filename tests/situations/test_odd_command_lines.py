"""Command lines and places that nobody means and somebody has."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.conftest import Ran


@pytest.mark.parametrize(
    "arguments", [("--bogus",), ("nodes", "statsu"), ("nodes", "status", "--bogus"), ("frobnicate",)]
)
def test_json_for_what_is_no_command(arguments: tuple[str, ...], cli: Callable[..., Ran]) -> None:
    """A program that asked for JSON by the environment gets JSON also when its command line is wrong."""
    ran = cli(*arguments, REVVLINK_OUTPUT="json")

    assert ran.code == 2
    assert ran.json["exit_code"] == 2
    assert ran.json["errors"][0]["code"] == "usage"


def test_a_folder_that_is_gone(tmp_path: Path, write_config: Callable[..., Path]) -> None:
    """In a deleted folder a command works with a configuration named in full, and says what is missing without."""
    path = write_config({"identifier": "n", "uri": "http://127.0.0.1:1", "password": "x"})
    gone = tmp_path / "gone"
    leave = "import os, sys; os.chdir(sys.argv[1]); os.rmdir(sys.argv[1])"
    code = f"{leave}; os.execv(sys.executable, [sys.executable, *sys.argv[2:]])"

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        gone.mkdir()
        command = [sys.executable, "-c", code, str(gone), "-m", "revvlink_cli", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, env=os.environ.copy())

    assert run("nodes", "list", "--config", str(path)).returncode == 0
    without = run("nodes", "list")
    assert without.returncode == 2
    assert "there is no configuration" in without.stderr
    named = run("nodes", "list", "--config", "nodes.toml")
    assert named.returncode == 2
    assert "defect" not in named.stderr


@pytest.mark.parametrize("inner", [("demo",), ("-q", "demo"), ("demo", "--", "demo")])
def test_a_demo_in_a_demo(inner: tuple[str, ...], cli: Callable[..., Ran]) -> None:
    """It is a usage error, in one line."""
    ran = cli("demo", "--", *inner)

    assert ran.code == 2
    assert "not itself again" in ran.err


def test_init_writes_where_the_configuration_is_looked_for(cli: Callable[..., Ran], tmp_path: Path) -> None:
    """REVVLINK_CONFIG names the file for init as for every other command."""
    path = tmp_path / "here.toml"

    assert cli("init", REVVLINK_CONFIG=str(path)).code == 0
    assert path.is_file()


def test_a_node_named_by_its_ipv6_address(cli: Callable[..., Ran]) -> None:
    """A node without a name has that of its address, which can be asked for although it looks like a pattern."""
    ran = cli("nodes", "list", "[::1]:2333", REVVLINK_URI="http://[::1]:2333", REVVLINK_PASSWORD="x")

    assert ran.code == 0, ran.err
    assert ran.out.startswith("[::1]:2333\t")
