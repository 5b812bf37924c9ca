"""Completions, in the very shells they are for."""

from __future__ import annotations

import os
import pty
import re
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
import tomli_w

from revvlink_cli.cli.completion import candidates
from revvlink_cli.commands.completion import SCRIPTS
from tests.cli.test_app_start_up import SLOW
from tests.conftest import run_cli

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "completions"

CONFIG = """
[[nodes]]
identifier = "us-1"
uri = "http://127.0.0.1:1"
password = "x"
region = "us"
tags = ["prod"]

[[nodes]]
identifier = "127.0.0.1:2333"
uri = "http://127.0.0.1:2333"
password = "x"
region = "home"
tags = ["prod", "canary"]
"""


@pytest.fixture
def config(isolated: Path) -> Path:
    """A configuration where commands look for one."""
    path = isolated / "revvlink.toml"
    path.write_text(CONFIG, encoding="utf-8")
    return path


def values(line: str) -> list[str]:
    """What may follow, without the help."""
    return [candidate.partition("\t")[0] for candidate in candidates(line)]


def test_commands_and_options() -> None:
    """Commands with what they are for, their subcommands, their options, and formats."""
    assert "nodes\tList, test and change the nodes, and show their status." in candidates("revvlink ")
    assert values("revvlink rou") == ["route", "routeplanner"]
    assert values("revvlink nodes st") == ["status"]
    assert "--sort" in values("revvlink nodes status --")
    assert values("revvlink nodes status -o ") == [
        "table", "wide", "plain", "csv", "name", "json", "jsonl", "yaml",
    ]  # fmt: skip
    assert values("revvlink -o jsonl nodes list --output=js") == ["json", "jsonl"]
    assert values("revvlink search x --cache-mode o") == ["only"]


def test_a_group_with_a_default_command() -> None:
    """Its commands, the options of the default one, and what that takes where no command begins so."""
    assert "run" in values("revvlink simulate ")
    assert values("revvlink simulate ru") == ["run"]
    assert values("revvlink simulate --see") == ["--seed"]
    assert values("revvlink simulate --seed 1 --rea") == ["--ready-file"]
    assert candidates("revvlink simulate ./bot") == candidates("revvlink simulate run ./bot") == ["files"]


@pytest.mark.usefixtures("config")
def test_values_from_the_configuration() -> None:
    """Nodes, regions, tags and sources are the configured ones."""
    assert values("revvlink nodes status ") == ["us-1", "127.0.0.1:2333"]
    assert values("revvlink nodes status us-1 12") == ["127.0.0.1:2333"]
    assert values("revvlink nodes info u") == ["us-1"]
    assert values("revvlink search x --node u") == ["us-1"]
    assert values("revvlink nodes status --node u") == ["us-1"]
    assert values("revvlink players list --node=u") == ["us-1"]
    assert values("revvlink nodes status --region h") == ["home"]
    assert values("revvlink nodes status --region=")[:2] == ["us", "home"]
    assert values("revvlink nodes status --tag ") == ["canary", "prod"]
    assert values("revvlink search --source sc") == ["scsearch"]
    assert values("revvlink route --without 'us") == ["us-1"]


def test_the_configuration_on_the_line(isolated: Path) -> None:
    """One that the line names counts, and one that is wrong or missing offers nothing."""
    path = isolated / "other.toml"
    path.write_text(CONFIG.replace("us-1", "eu-7"), encoding="utf-8")

    assert values(f"revvlink --config {path} nodes status e") == ["eu-7"]
    assert values(f"revvlink nodes status --config {path} e") == ["eu-7"]
    path.write_text("nonsense", encoding="utf-8")
    assert values(f"revvlink --config {path} nodes status ") == []
    assert values("revvlink nodes status ") == []


@pytest.mark.parametrize(
    "line",
    [
        "",
        "revvlink",
        "revvlink nonsense x ",
        "revvlink 'unfinished",
        "revvlink \\",
        "x" * 9999,
        "revvlink nodes status --nope ",
        "revvlink -o nonsense nodes ",
    ],
)
def test_lines_that_make_no_sense(line: str) -> None:
    """Nothing is offered, and nothing is raised."""
    assert isinstance(candidates(line), list)


def test_nothing_is_done(capsys: pytest.CaptureFixture[str]) -> None:
    """Options that print something print nothing while a line is completed."""
    assert "nodes" in values("revvlink --version ")
    assert "status" in values("revvlink --help nodes ")
    assert capsys.readouterr().out == ""


def test_file_names() -> None:
    """Where a file is wanted the shell offers files."""
    assert candidates("revvlink --config ") == ["files"]
    assert candidates("revvlink cache warm ") == ["files"]
    assert candidates("revvlink cache import ") == ["files"]


def test_no_drift() -> None:
    """The scripts in the repository are those of the program; `make completions` writes them."""
    for script in SCRIPTS.values():
        assert (SCRIPT / script.name).read_text(encoding="utf-8") == script.text


@pytest.mark.usefixtures("config")
@pytest.mark.parametrize("line", ["revvlink ", "revvlink nodes status u", "revvlink search --source ", "revvlink -o "])
def test_nothing_slow_is_loaded(line: str) -> None:
    """A TAB loads neither asyncio, aiohttp, msgspec nor Rich."""
    code = (
        "import sys; from revvlink_cli.cli.completion import answer; answer('fish', sys.argv[1:]); print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code, line], capture_output=True, text=True, check=True)

    assert set(done.stdout.split()).isdisjoint(SLOW)


@pytest.fixture
def command(isolated: Path) -> dict[str, str]:
    """An environment in which ``revvlink`` is this program."""
    folder = isolated / "bin"
    folder.mkdir()
    (folder / "revvlink").write_text(f'#!/bin/sh\nexec {sys.executable} -m revvlink_cli "$@"\n', encoding="utf-8")
    (folder / "revvlink").chmod(0o755)
    path = f"{folder}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), "TERM": "dumb", "PS1": "> "}


def needed(shell: str) -> str:
    """The shell, or a skip where it is not installed; CI installs them all."""
    found = shutil.which(shell)
    if found is None:
        if os.environ.get("REVVLINK_TEST_SHELLS"):
            pytest.fail(f"{shell} is not installed")
        pytest.skip(f"{shell} is not installed")
    return found


class Terminal:
    """An interactive shell on a terminal of its own."""

    def __init__(self, arguments: list[str], environment: dict[str, str]) -> None:
        self._pid, self._file = pty.fork()
        if self._pid == 0:
            os.execve(arguments[0], arguments, environment)

    def type(self, text: str, until: str) -> str:
        """Type, and read until a pattern shows."""
        os.write(self._file, text.encode())
        seen, deadline = "", time.monotonic() + 30
        while not re.search(until, seen):
            assert time.monotonic() < deadline, f"{until!r} does not show in {seen!r}"
            if select.select([self._file], [], [], 0.1)[0]:
                seen += os.read(self._file, 65536).decode(errors="replace")
        return seen

    def end(self) -> None:
        """Close it."""
        os.close(self._file)
        os.waitpid(self._pid, 0)


LINES = [
    ("revvlink nodes sta", r"nodes status "),
    ("revvlink nodes status us", r"status us-1 "),
    ("revvlink nodes status 127.0.0.1:2", r"127\.0\.0\.1:2333 "),
    ("revvlink nodes status --region=ho", r"--region=home ?"),
    ("revvlink nodes status --region ho", r"--region home "),
    ("revvlink search --source scs", r"scsearch "),
    ("revvlink nodes list -o jsonl --config nod", r"nodes\.toml"),
    ("revvlink cache warm nod", r"nodes\.toml"),
]


@pytest.mark.usefixtures("config")
def test_bash(command: dict[str, str], isolated: Path) -> None:
    """TAB in an interactive bash."""
    (isolated / "nodes.toml").touch()
    terminal = Terminal([needed("bash"), "--norc", "--noprofile", "-i"], command)
    try:
        terminal.type(f"source {SCRIPT}/revvlink.bash; echo rea''dy\n", "ready")
        for typed, wanted in LINES:
            terminal.type(f"{typed}\t", wanted)
            terminal.type("\x15echo ne''xt\n", "next")
    finally:
        terminal.end()


@pytest.mark.usefixtures("config")
def test_zsh(command: dict[str, str], isolated: Path) -> None:
    """TAB in an interactive zsh, from a folder of its path for functions."""
    (isolated / "nodes.toml").touch()
    terminal = Terminal([needed("zsh"), "-f", "-i"], command)
    try:
        terminal.type(f"fpath=({SCRIPT} $fpath); autoload -U compinit; compinit -u -D; echo rea''dy\n", "ready")
        for typed, wanted in LINES:
            terminal.type(f"{typed}\t", wanted)
            terminal.type("\x15echo ne''xt\n", "next")
    finally:
        terminal.end()


@pytest.mark.usefixtures("config")
def test_fish(command: dict[str, str], isolated: Path) -> None:
    """What fish itself says it would offer."""
    (isolated / "nodes.toml").touch()
    fish = needed("fish")

    def offered(line: str) -> list[str]:
        code = f"source {SCRIPT}/revvlink.fish; complete -C {line!r}"
        done = subprocess.run([fish, "-N", "-c", code], capture_output=True, text=True, check=True, env=command)
        return done.stdout.splitlines()

    assert offered("revvlink nodes sta")[0].startswith("status")
    assert offered("revvlink nodes status us") == ["us-1\tus"]
    assert offered("revvlink nodes status 127.0.0.1:2") == ["127.0.0.1:2333\thome"]
    assert offered("revvlink nodes status --region=ho") == ["--region=home"]
    assert offered("revvlink cache warm nod") == ["nodes.toml"]
    assert offered("revvlink nodes status nobody") == []


@pytest.mark.parametrize(
    ("tag", "typed"),
    [
        ("plain-1", "plain-1"),
        ("two words", "'two words'"),
        ("$HOME", "'$HOME'"),
        ("$(Remove-Item x)", "'$(Remove-Item x)'"),
        ("a`b", "'a`b'"),
        ("it's", "'it''s'"),
        ("\u2018curly\u2019", "'\u2018\u2018curly\u2019\u2019'"),
        ('"quoted"', "'\"quoted\"'"),
        ("a;b|c&d", "'a;b|c&d'"),
        ("@splat", "'@splat'"),
        ("#comment", "'#comment'"),
    ],
)
def test_powershell_is_given_what_it_can_insert(isolated: Path, tag: str, typed: str) -> None:
    """What means something to it stands in quotes; what is shown and its help follow as they are."""
    path = isolated / "revvlink.toml"
    node = {"identifier": "a", "uri": "http://h", "password": "x", "tags": [tag]}
    path.write_text(tomli_w.dumps({"nodes": [node]}), encoding="utf-8")

    for line in ("revvlink nodes list --tag ", "revvlink nodes list --tag="):
        ran = run_cli(line, _REVVLINK_COMPLETE="powershell")
        option = "--tag=" if line.endswith("=") else ""
        wanted = typed if not option else f"{option}{typed}" if typed == tag else f"'{option}{typed[1:]}"
        assert ran.out == f"{wanted}\t{option}{tag}\n"
