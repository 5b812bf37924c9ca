"""`nodes edit` and `nodes rename`."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from revvlink_cli.config import schema

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.conftest import Ran


def test_keys_change_in_place(line: Callable[..., Ran], path: Path, text: str, isolated: Path) -> None:
    """Each option changes its key; tags are added and removed; one source of the password replaces another."""
    ran = line("nodes", "edit", "one", "--uri", "http://h:1", "--tag", "new", "--untag", "old", "--region", "eu",
               "--password-file", "secret", "-o", "json")  # fmt: skip

    assert ran.code == 0, ran.err
    assert [(row["key"], row["before"], row["after"]) for row in ran.rows][1:] == [
        ("nodes.one.password", "********", None),
        ("nodes.one.password_file", None, str(isolated / "secret")),
        ("nodes.one.region", None, "eu"),
        ("nodes.one.tags", ["prod", "old"], ["prod", "new"]),
    ]
    lines = path.read_text(encoding="utf-8").splitlines()
    assert lines[7:] == [
        'uri = "http://h:1"',
        'tags = ["prod", "new"]',
        f'password_file = "{isolated / "secret"}"',
        'region = "eu"',
        "# end",
    ]
    assert lines[:7] == text.splitlines()[:7]
    assert line("nodes", "edit", "one", "--unset", "region", "--untag", "prod", "--untag", "new").code == 0
    left = path.read_text(encoding="utf-8")
    assert "region" not in left
    assert "tags" not in left
    assert "no change" in line("nodes", "edit", "one", "--unset", "region", "-o", "table").err


def test_a_secret_is_asked_through_a_pipe_only(line: Callable[..., Ran], path: Path) -> None:
    """No option takes a secret or a table; the password comes through standard input."""
    shown = line("nodes", "edit", "--help").out
    assert not [key.name for key in schema.NODE if key.secret and f"--{key.name} " in shown]
    assert "--user-id" in shown

    assert line("nodes", "edit", "one", "--password-stdin", stdin="another-password\n").code == 0
    assert 'password = "another-password"' in path.read_text(encoding="utf-8")


def test_rename(line: Callable[..., Ran], path: Path, text: str) -> None:
    """The name changes, and the comment beside it stays."""
    assert line("nodes", "rename", "one", "uno").out == "nodes.one.identifier\tone\tuno\n"
    assert path.read_text(encoding="utf-8") == text.replace('"one"', '"uno"')


def test_wrong_command_lines(line: Callable[..., Ran], path: Path, text: str) -> None:
    """Each is one line, with the nearest name where there is one."""
    for arguments, message in (
        (("edit", "one"), "nothing to change (add an option"),
        (("edit", "onee", "--region", "eu"), "onee: no node named onee is configured (did you mean one?)"),
        (("edit", "one", "--unset", "regio"), "nodes.one has no key regio (did you mean region?)"),
        (("edit", "one", "--unset", "uri"), "has no uri"),
        (("edit", "one", "--uri", "ftp://h"), "must begin with http"),
        (("rename", "one", "a b"), "must not have spaces"),
        (("rename", "none", "b"), "did you mean one?"),
    ):
        ran = line("nodes", *arguments)
        assert (ran.code, ran.err.count("\n")) == (2, 1), ran
        assert message in ran.err
    assert path.read_text(encoding="utf-8") == text


def test_two_names_that_are_the_same(line: Callable[..., Ran], path: Path, text: str) -> None:
    """A name that stands for two nodes changes neither."""
    double = f'{text}[[nodes]]\nidentifier = "one"\nuri = "http://h"\npassword_env = "A"\n'
    path.write_text(double, encoding="utf-8")

    for arguments in (("edit", "one", "--region", "eu"), ("rename", "one", "two"), ("remove", "one", "--yes")):
        assert line("nodes", *arguments).err.startswith("error: one: 2 nodes have this name (")
    assert path.read_text(encoding="utf-8") == double


def test_two_runs_at_once(path: Path) -> None:
    """Each adds a tag: neither tag is lost."""
    runs = [
        subprocess.Popen([sys.executable, "-m", "revvlink_cli", "nodes", "edit", "one", "--tag", f"t{number}"])
        for number in range(3)
    ]

    assert [run.wait(60) for run in runs] == [0, 0, 0]
    assert all(f'"t{number}"' in path.read_text(encoding="utf-8") for number in range(3))
