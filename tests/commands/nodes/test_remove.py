"""`nodes remove`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.fake_terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.conftest import Ran

MORE = """
# the others
[[nodes]]
identifier = "eu-1"
uri = "http://h:1"  # h
password_env = "A"
[nodes.check]
skip = ["uptime"]

[[nodes]]
identifier = "eu-2"
uri = "http://h:2"
password_env = "A"
"""


@pytest.fixture
def more(path: Path, text: str) -> Path:
    """The configuration, with two more nodes."""
    path.write_text(text + MORE, encoding="utf-8")
    return path


def test_nodes_are_removed(line: Callable[..., Ran], more: Path, text: str) -> None:
    """A name or a pattern takes the whole table with its own tables; comments around it stay."""
    ran = line("nodes", "remove", "eu-1", "--yes", "-o", "json")
    assert (ran.code, ran.rows) == (0, [{"node": "eu-1", "uri": "http://h:1"}])
    assert (
        more.read_text(encoding="utf-8")
        == text + "\n# the others\n" + MORE[MORE.index('\n[[nodes]]\nidentifier = "eu-2') :]
    )

    more.write_text(text + MORE, encoding="utf-8")
    assert line("nodes", "remove", "eu-*", "--yes").out == "eu-1\thttp://h:1\neu-2\thttp://h:2\n"
    assert more.read_text(encoding="utf-8") == f"{text}\n# the others\n"


def test_what_is_refused(line: Callable[..., Ran], more: Path, text: str) -> None:
    """Without a terminal --yes is needed; all nodes, and none, are not removed."""
    for arguments, message in (
        (("eu-1",), "needs a confirmation (add --yes)"),
        (("*", "--yes"), "a configuration has at least one"),
        (("eu-3", "--yes"), "did you mean eu-"),
        (("one", "us-*", "--yes"), "no node named us-* is configured"),
    ):
        ran = line("nodes", "remove", *arguments)
        assert (ran.code, ran.err.count("\n")) == (2, 1)
        assert message in ran.err
    assert more.read_text(encoding="utf-8") == text + MORE


@pytest.mark.parametrize(("answer", "code"), [("y\n", 0), ("\n", 130), ("\x03", 130)])
def test_a_person_is_asked(answer: str, code: int, more: Path, text: str) -> None:
    """The question names the nodes and the file; anything but yes leaves both."""
    terminal = Terminal(None, "nodes", "remove", "eu-1", "eu-2", columns=200)
    deadline = time.monotonic() + 20
    while "[y/N]" not in terminal.seen and time.monotonic() < deadline:
        terminal.read(0.1)
    terminal.press(answer)

    assert terminal.end() == code, terminal.seen
    assert f"Remove eu-1, eu-2 from {more}?" in terminal.seen
    assert (more.read_text(encoding="utf-8") == text + MORE) is (code != 0)
