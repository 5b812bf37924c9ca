"""`nodes add`: a node is written, then tested."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING

import pytest

from tests.fake_terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from revvlink_cli.simulator import Simulator
    from tests.conftest import Ran

PASSWORD = "sound-of-silence"


def test_a_node_that_works(line: Callable[..., Ran], path: Path, text: str, pair: Simulator) -> None:
    """It is written with its keys, behind all that is there; its test passes; the password is shown nowhere."""
    uri = pair["two"].uri
    more = ("--region", "eu", "--tag", "a", "--tag", "b", "--request-timeout", "3", "--trust-env")

    ran = line("nodes", "add", "two", uri, *more, "--password-stdin", "-o", "json", stdin=f"{PASSWORD}\n")

    assert ran.code == 0, ran.err
    row = {"node": "two", "uri": uri, "region": "eu", "tags": ["a", "b"], "password_from": "inline", "test": "ok"}
    assert ran.rows == [row]
    assert PASSWORD not in ran.out + ran.err
    assert path.read_text(encoding="utf-8") == (
        f'{text}\n[[nodes]]\nidentifier = "two"\nuri = "{uri}"\npassword = "{PASSWORD}"\ntags = ["a", "b"]\n'
        'region = "eu"\ntimeout = 3\ntrust_env = true\n'
    )
    shown = line("nodes", "add", "three", uri, "--password-stdin", "-o", "table", stdin=f"{PASSWORD}\n").err
    assert shown.startswith(f"note: added to {path}\nnote: three answers: Lavalink ")


def test_a_failed_test_is_a_warning(line: Callable[..., Ran], path: Path, pair: Simulator) -> None:
    """The node is written and the exit code is 0; the warning says at which stage it failed, why, and what to do."""
    uri = pair["two"].uri
    ran = line("nodes", "add", "two", uri, "--password-stdin", stdin="wrong-password\n")
    assert (ran.code, ran.out.rstrip("\n").rpartition("\t")[2]) == (0, "failed")
    assert ran.err.startswith("warning: two is added, but its test failed: auth: ")
    assert "then run `revvlink nodes test two`)\n" in ran.err
    assert "wrong-password" not in ran.out + ran.err

    missing = line("nodes", "add", "three", uri, "--password-env", "NOT_SET", "-o", "json")
    assert (missing.code, missing.rows[0]["test"]) == (0, None)
    assert "warning: the environment variable NOT_SET is not set (export the variable" in missing.err
    untested = line("nodes", "add", "four", "http://127.0.0.1:1", "--password-env", "HOME", "--no-test")
    assert (untested.code, untested.err) == (0, "")
    assert path.read_text(encoding="utf-8").count("[[nodes]]") == 4


def test_wrong_command_lines(line: Callable[..., Ran], path: Path, text: str) -> None:
    """No password, two, a taken name and a wrong value of a key are one line, and nothing is written."""
    for more, message in (
        ((), "two needs a password (add --password-env, --password-file or --password-stdin)"),
        (("--password-stdin",), "it is empty (add --password-env"),
        (("--password-env", "A", "--password-file", "b"), "give one of --password-env"),
        (("--password-env", "A", "--user-id", "1"), "--user-id: must be a Discord id"),
        (("--password-env", "A", "--retries", "many"), "--retries: must be a whole number"),
    ):
        ran = line("nodes", "add", "two", "http://h", *more)
        assert (ran.code, ran.err.count("\n")) == (2, 1)
        assert message in ran.err
    taken = line("nodes", "add", "one", "http://h", "--password-env", "A")
    assert (
        taken.err == f"error: {path}: nodes[1].identifier: one is taken by the node on line 7 (give it another name)\n"
    )
    assert path.read_text(encoding="utf-8") == text


def test_the_first_node_makes_the_file(line: Callable[..., Ran], isolated: Path) -> None:
    """Without any configuration, the user's file is written, and only the user can read it."""
    assert line("nodes", "add", "a", "http://h", "--password-stdin", "--no-test", stdin="pw-of-a\n").code == 0

    file = isolated / "config" / "revvlink" / "revvlink.toml"
    assert file.read_text(encoding="utf-8").startswith('[[nodes]]\nidentifier = "a"\n')
    assert file.stat().st_mode & 0o777 == 0o600
    assert line("nodes", "add", "b", "http://h", "--password-env", "B", "--config", "none.toml").code == 2


def test_a_file_with_a_mark_windows_lines_and_an_inline_array(line: Callable[..., Ran], path: Path) -> None:
    """The new node is written the way the file is; one that others can read gets a warning about the password."""
    before = '\ufeff# all\r\nnodes = [\r\n  { identifier = "a", uri = "http://h", password_env = "A" }, # a\r\n]\r\n'
    path.write_bytes(before.encode())
    path.chmod(0o644)

    ran = line("nodes", "add", "b", "http://h:2", "--password-stdin", "--no-test", stdin="pw-of-b\n")

    assert ran.code == 0, ran.err
    assert "nodes[1].password: others can read this password (chmod 600" in ran.err
    new = '  {identifier = "b", uri = "http://h:2", password = "pw-of-b"},\r\n]\r\n'
    assert path.read_bytes().decode() == before.replace("]\r\n", new)


def test_a_file_that_is_not_trusted(line: Callable[..., Ran], isolated: Path, text: str, pair: Simulator) -> None:
    """The node is written; its password is not sent before the file is trusted."""
    (isolated / "revvlink.toml").write_text(text, encoding="utf-8")

    ran = line("nodes", "add", "two", pair["two"].uri, "--password-env", "HOME", "-o", "json")

    assert (ran.code, ran.rows[0]["test"]) == (0, None)
    assert "is not trusted with this; run `revvlink config trust" in ran.err


@pytest.mark.parametrize("key", ["answer", "ctrl-c", "ctrl-d"])
def test_the_password_is_asked_for(key: str, path: Path, text: str, pair: Simulator) -> None:
    """A terminal does not show it; Ctrl-C and an end of input write nothing."""
    terminal = Terminal(None, "nodes", "add", "two", pair["two"].uri, columns=200)
    deadline = time.monotonic() + 20
    while "Password of two: " not in terminal.seen and time.monotonic() < deadline:
        terminal.read(0.1)
    if key == "ctrl-c":
        os.kill(terminal.pid, signal.SIGINT)
    else:
        terminal.press(f"{PASSWORD}\n" if key == "answer" else "\x04")
    code = terminal.end()

    assert PASSWORD not in terminal.seen
    if key == "answer":
        assert code == 0, terminal.seen
        assert f'password = "{PASSWORD}"' in path.read_text(encoding="utf-8")
        assert "two answers: Lavalink" in terminal.seen
    else:
        assert code == {"ctrl-c": 130, "ctrl-d": 2}[key], terminal.seen
        assert path.read_text(encoding="utf-8") == text
