"""Every command line of the README and the documentation, typed on the fleet of `revvlink demo`."""

from __future__ import annotations

import contextlib
import re
import shlex
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from revvlink_cli.cli.app import COMMANDS
from revvlink_cli.services.demo import DemoFleet
from tests.run_in_process import run_forked, run_in_process

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]

NOT_HERE = {
    "revvlink demo": "it starts a fleet of its own, and has its own tests",
    "revvlink exporter": "it does not end",
    "revvlink play": "it takes the seconds that it plays",
    "revvlink check --canary-play": "it takes the seconds that it plays",
    "revvlink record": "it takes hours",
    "revvlink nodes add": "it asks for a password",
    "revvlink nodes import": "it reads the list of another program, and changes the configuration of the fleet",
}
"""Beginning of a command line -> why it is not run here. The examples in the help of these commands are run."""

OTHER_CODES = {
    "revvlink check --uri": {2},  # there is no such host
    "revvlink nodes info --uri": {3},
    "/run/secrets/": {2},  # there is no such file
    "--all-contexts": {0, 2},  # one of the contexts is a starter, whose node does not exist
    "'playing>100": {0, 1},  # no node of the fleet may be so busy
    "--notify": {3},  # the fleet has no webhook
    "revvlink alert test": {2},
    "websocket=": {0, 1},  # a busy machine is slow
    "load=": {0, 1},
    "--canary": {0, 1},
    "--since 22:00": {0, 1, 2},  # depends on the time of the day
}
"""Part of a command line -> its exit codes, if they are not 0 alone."""

ONE_AFTER_THE_OTHER = {
    "cache", "config", "context", "events", "record", "report", "search", "silence",
    "add", "edit", "export", "remove", "rename", "test", "--context", "--all-contexts",
}  # fmt: skip
"""Commands and options whose lines read or change what others have written; all other lines run together."""

RECORDINGS = {"monday.jsonl", "tuesday.jsonl", "night.jsonl"}
"""Files that `record` has written before a page summarises them."""

FOLDERS = {"HOME": ".", "XDG_CONFIG_HOME": "config", "XDG_STATE_HOME": "state", "XDG_CACHE_HOME": "cache"}
"""Variable -> its folder below that in which lines run one after the other."""


class Line(NamedTuple):
    """A command line of a page."""

    page: str
    text: str


def read_lines(path: Path) -> Iterator[Line]:
    """The command lines in the blocks of a page, without prompt and comment."""
    text = re.sub(r"\\\n\s*", "", path.read_text(encoding="utf-8"))
    for block in re.finditer(r"^```console\n(.*?)^```|((?:^ {4}.*\n)+)", text, re.MULTILINE | re.DOTALL):
        for line in (block[1] or block[2]).splitlines():
            typed = re.sub(r"\s+#\s.*", "", line.strip().removeprefix("$ "))
            command = re.match(r"(?:[A-Z_]+=\S+ )*revvlink (\S+)", typed)
            if command is not None and command[1] in COMMANDS:
                yield Line(path.name, typed)


LINES = [line for path in PAGES for line in read_lines(path)]

RUN = [line for line in LINES if not line.text.startswith(tuple(NOT_HERE))]


class Typed(NamedTuple):
    """A command line, split.

    Attributes:
        variables: Variables that are set before it.
        arguments: Its arguments.
        target: File that stdout goes to, or None.
    """

    variables: dict[str, str]
    arguments: list[str]
    target: str | None

    @classmethod
    def split(cls, text: str) -> Typed:
        """Split a line as a shell does."""
        words = shlex.split(text)
        variables = {}
        while "=" in words[0]:
            name, _, variables[name] = words.pop(0).partition("=")
        end = next((index for index, word in enumerate(words) if word in (">", "|")), len(words))
        return cls(variables, words[1:end], words[end + 1] if words[end : end + 1] == [">"] else None)

    @property
    def runs_together(self) -> bool:
        """Whether it needs no other line."""
        return not self.variables and ONE_AFTER_THE_OTHER.isdisjoint(self.arguments)


def run_in_order(lines: dict[Line, Typed], config: Path) -> dict[Line, tuple[int, str]]:
    """Run the lines of a page one after the other in a folder, with the files and the search that they speak of."""
    found = {}
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        Path("queries.txt").write_text("night\npaper lanterns\n", encoding="utf-8")
        environment = {"VISUAL": "true", "EU_PASSWORD": "x", "LAVALINK_PASSWORD": "x"}
        for name, inner in FOLDERS.items():
            (Path(folder) / inner).mkdir(exist_ok=True)
            environment[name] = str(Path(folder) / inner)
        for name in ("revvlink.toml", "staging.toml"):
            Path(name).write_text(config.read_text(encoding="utf-8"), encoding="utf-8")
            Path(name).chmod(0o600)
        environment["REVVLINK_CONFIG"] = str(Path(folder) / "revvlink.toml")
        if any("cache" in typed.arguments for typed in lines.values()):
            assert run_in_process(["search", "night", "garden"], None, **environment).code == 0
        for name in RECORDINGS & {word for typed in lines.values() for word in typed.arguments}:
            assert run_in_process(["record", name, "--count", "1"], None, **environment).code == 0
        for line, typed in lines.items():
            ran = run_in_process(typed.arguments, None, **environment, **typed.variables)
            if typed.target is not None:
                Path(typed.target).write_text(ran.out, encoding="utf-8")
            found[line] = (ran.code, ran.out + ran.err)
    return found


@pytest.mark.skipif(sys.platform == "win32", reason="forks")
def test_command_lines_work(tmp_path: Path) -> None:
    """Each ends with a documented exit code: 0, but for what needs another machine."""
    typed = {line: Typed.split(line.text) for line in RUN}
    together = [line for line in typed if typed[line].runs_together]
    jobs = [
        {"arguments": typed[line].arguments, "home": str(tmp_path / str(number))}
        for number, line in enumerate(together)
    ]
    with DemoFleet(moves=False).running() as config:
        variables = {"REVVLINK_CONFIG": str(config), "NODE_PASSWORD": "x", "REVVLINK_PASSWORD": "x", "VISUAL": "true"}
        outcomes = dict(zip(together, run_forked(jobs, **variables), strict=True))
        for page in dict.fromkeys(line.page for line in RUN):
            outcomes |= run_in_order(
                {line: typed[line] for line in RUN if line.page == page and line not in outcomes}, config
            )

    failed = {line: outcome for line, outcome in outcomes.items() if not is_documented(line, *outcome)}
    assert failed == {}


def is_documented(line: Line, code: int, said: str) -> bool:
    """Whether a line has ended with one of its exit codes, and without a traceback."""
    expected = next((codes for part, codes in OTHER_CODES.items() if part in line.text), {0})
    return code in expected and "Traceback" not in said


def test_exceptions_are_needed() -> None:
    """Each exception above is for a line that exists."""
    for start in NOT_HERE:
        assert any(line.text.startswith(start) for line in LINES), start
    for part in OTHER_CODES:
        assert any(part in line.text for line in RUN), part


def test_commands_in_the_text_exist() -> None:
    """Each `revvlink COMMAND` in the text of a page names a command."""
    for path in PAGES:
        for name in re.findall(r"`revvlink ([a-z][\w-]*)", path.read_text(encoding="utf-8")):
            assert name in COMMANDS, path.name
