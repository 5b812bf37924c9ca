"""Every command line of the README and the documentation, typed on the fleet of `revvlink demo`.

A page is typed from top to bottom, as a reader does. What it shows that a command prints is compared with what the
command prints, times and figures aside. ``REVVLINK_TEST_GOLDEN=write`` writes the output into the pages anew.
"""

from __future__ import annotations

import contextlib
import getpass
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest
import tomli_w

from revvlink_cli.cli.app import COMMANDS as NAMES
from revvlink_cli.cli.app import run
from revvlink_cli.services.demo import TAGS, DemoFleet
from revvlink_cli.services.simulator_admin.server import AdminServer
from tests.conftest import start_cli
from tests.docs.pages import COMMANDS, PAGES, ROOT, Step, is_same, steps_of, with_output
from tests.run_in_process import TerminalText, log_kept

if TYPE_CHECKING:
    from collections.abc import Iterator

IS_WRITING = os.environ.get("REVVLINK_TEST_GOLDEN") == "write"

ENDLESS = (
    "revvlink exporter",
    "revvlink top",
    "revvlink events",
    "revvlink demo --keep",
    "revvlink demo -- exporter",
    "revvlink simulate",
)
"""Beginnings of command lines that run until they are interrupted; so do those with ``--watch`` and ``--hold``."""

NOT_COMPARED = (
    *ENDLESS, "--since 22:00", "revvlink demo", "revvlink doctor", "revvlink version", "revvlink config show",
    "revvlink config schema",
)  # fmt: skip
"""Parts of command lines whose output depends on the machine or the moment, or has a test of its own."""

VERDICTS = ("OK", "WARNING", "CRITICAL", "UNKNOWN")
"""What `check` prints first -> its exit code."""

CHANGES = "players destroy|routeplanner free|simulate ctl"
"""Part of a command line that changes the fleet."""

ADDED = {
    "revvlink play ": ["--for", "100ms"],
    "revvlink record": ["--count", "1"],
    "revvlink nodes add": ["--password-stdin"],
}
"""Beginning of a command line -> what is added, so that it takes no seconds, and asks no terminal."""

OTHER_CODES = {
    "example.com": {0, 2, 3},  # there is no such host
    "192.0.2.7:2333": {2},
    "--cert voice.pem": {2},  # there is no such file
    "--tag public": {0, 3},
    "simulate ctl advance": {1},  # the clock of the fleet is real
    "curl": {2},  # there is no such list
    "--all-contexts": {0, 2},  # one of the contexts is a starter, whose node does not exist
    "'playing>100": {0, 1},  # no node of the fleet may be so busy
    "--notify": {3},  # the fleet has no webhook
    "revvlink alert test": {2},
    "websocket=": {0, 1},  # a busy machine is slow
    "load=": {0, 1},
    "uptime=": {0, 1},  # a node was started again for an example above
    "--canary": {0, 1},
    "--since 22:00": {0, 1, 2},  # depends on the time of the day
    "revvlink doctor": {0, 1},  # what it says of the machine depends on the machine
}
"""Part of a command line -> its exit codes, if they are not 0 alone."""

TYPED = [(path, step) for path in PAGES for step in steps_of(path)]
"""Every step of every page."""


BEFORE = {
    "revvlink cache": ["revvlink search night"],
    "revvlink cache import": ["revvlink cache export > cache.jsonl"],
    "revvlink context": [
        "revvlink context add prod --from revvlink.toml",
        "revvlink context add staging --from revvlink.toml",
    ],
    "revvlink context add": ["revvlink context remove prod --yes", "revvlink context remove staging --yes"],
    "revvlink context show": ["revvlink context use prod"],
    "revvlink simulate ctl end-fault": ["revvlink simulate ctl fault delay"],
    "revvlink simulate ctl start": ["revvlink simulate ctl kill us-2"],
    "revvlink init": ["rm .config/revvlink/revvlink.toml"],
    "revvlink silence remove": ["revvlink silence add us-1 --for 1h --reason 'new disk'"],
    "revvlink silence list": ["revvlink silence add us-1 --for 1h --reason 'new disk'"],
    "revvlink report": ["revvlink record night.jsonl --count 1"],
    "revvlink events --from": ["revvlink record night.jsonl --count 1"],
}
"""Beginning of a command line -> what is typed before the first one of a page that begins so."""

FILES = {
    "bot.toml": '[[nodes]]\nname = "us-1"\n',
    "pw.txt": "password-of-eu-3\n",
    "queries.txt": "night\npaper lanterns\n",
    "application.yml": "server:\n  port: 2333\nlavalink:\n  server:\n    password: example-password\n",
    "nodes.json": '[{"identifier": "x", "host": "lava.example.com", "port": 443, "password": "pw", "secure": true}]',
    "config.js": """export const nodes = [
  { id: "us-1", host: "us-1.example.com", port: 443, authorization: "a-password", secure: true, regions: ["us"] },
  { id: "eu-9", host: "eu-9.example.com", port: 2333, authorization: "another-password", secure: false },
];
""",
    "lists.json": '[{"identifier": "free", "host": "lava.example.com", "port": 443, "password": "pw", "secure": true}]',
    "tracks.txt": "QAAAUAMABkRlbW8gMwALRGVtbyBBdXRob3J//////////wAGZGVtby0zAQEAFmh0dHBzOi8vZGVtby5pbnZhbGlkLzMAAAAE"
    "ZGVtbwAAAAAAAAAA\n",
}
"""Files in the folder in which a page is typed."""


class Outcome(NamedTuple):
    """What a command line did: its exit code, and the lines that it printed."""

    code: int
    printed: list[str]


class Desk:
    """A folder of its own in which a page is typed, with the fleet of the documentation and the files it speaks of."""

    def __init__(self, home: Path, fleet: DemoFleet) -> None:
        self.home, self.fleet = home, fleet
        self.ports = {str(2333 + index): str(node.port) for index, node in enumerate(fleet.simulator)}
        self.password = fleet.simulator["us-1"].password
        self.environment = {
            "HOME": str(home),
            "XDG_CONFIG_HOME": str(home / ".config"),
            "XDG_STATE_HOME": str(home / ".local/state"),
            "XDG_CACHE_HOME": str(home / ".cache"),
            "PATH": f"{home}/bin{os.pathsep}{os.environ['PATH']}",
            "COLUMNS": "100",
            "TERM": "xterm",
            "NO_COLOR": "1",
            "CI": "1",
            "VISUAL": "true",
            "NODE_PASSWORD": self.password,
            "REVVLINK_PASSWORD": self.password,
            "EU_PASSWORD": self.password,
            "LAVALINK_PASSWORD": self.password,
        }
        program = home / "bin" / "revvlink"
        program.parent.mkdir()
        program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m revvlink_cli "$@"\n', encoding="utf-8")
        program.chmod(0o755)
        self.config = home / ".config/revvlink/revvlink.toml"
        self.config.parent.mkdir(parents=True)
        nodes = [
            {"identifier": name, "uri": node.uri, "password": node.password, "region": node.profile.region,
             "tags": list(TAGS[name])}
            for node in fleet.simulator for name in [node.profile.identifier]
        ]  # fmt: skip
        self.config.touch(mode=0o600)
        self.config.write_text(tomli_w.dumps({"play": {"duration": "1s"}, "nodes": nodes}), encoding="utf-8")
        (home / ".config/fish/completions").mkdir(parents=True)
        for name, content in FILES.items():
            (home / name).write_text(content, encoding="utf-8")
        (home / "staging.toml").touch(mode=0o600)
        (home / "staging.toml").write_bytes(self.config.read_bytes())

    def prepare(self, order: str) -> None:
        """Do what a comment of the page asks for."""
        verb, _, rest = order.partition(" ")
        match verb:
            case "kill":
                self.fleet.simulator[rest].kill()
            case "start":
                self.fleet.simulator[rest].start()
            case "run":
                assert self.type(rest).code == 0, rest
            case "rm":
                (self.home / rest).unlink()
            case _:
                raise ValueError(order)

    def type(self, text: str) -> Outcome:
        """Run a command line in this folder."""
        found_here = self.home / "revvlink.toml"
        if re.search(r"(?<!/)\brevvlink\.toml|\./revvlink\.toml|config trust", text):
            found_here.touch(mode=0o600)
            found_here.write_bytes(self.config.read_bytes())
        else:
            found_here.unlink(missing_ok=True)
        added = next((more for start, more in ADDED.items() if text.startswith(start)), [])
        text = " ".join([text, *(word for word in added if word not in text)])
        if text.startswith("revvlink simulate"):
            text = text.replace(":2333", ":0").replace("--admin 2400", "--admin 0")  # free ports
        if "exporter" in text:
            text = re.sub(r"(?<=127\.0\.0\.1:)98\d\d", "0", text)
        for port, real in self.ports.items():
            text = text.replace(f"127.0.0.1:{port}", f"127.0.0.1:{real}")
        if is_endless(text):
            code, printed = self._interrupted(text)
        elif re.search(r"[|<>;&]", re.sub(r"'[^']*'", "", text)):
            code, printed = self._in_a_shell(text)
        else:
            code, printed = self._in_process(text)
        return Outcome(code, [self._as_shown(line) for line in printed.splitlines()])

    @contextlib.contextmanager
    def _at_home(self, words: list[str]) -> Iterator[pytest.MonkeyPatch]:
        """The environment of the reader, with the variables that stand before a command line, which are taken off."""
        with pytest.MonkeyPatch.context() as patch:
            for name, value in self.environment.items():
                patch.setenv(name, value)
            while "=" in words[0]:
                patch.setenv(*words.pop(0).split("=", 1))
            patch.chdir(self.home)
            yield patch

    def _in_process(self, text: str) -> tuple[int, str]:
        words = shlex.split(text)
        with self._at_home(words) as patch:
            out = TerminalText()
            patch.setattr(sys, "stdin", _Typed(f"{self.password}\n"))
            with log_kept(), contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
                code = run(words[1:])
        return code, out.getvalue()

    def _in_a_shell(self, text: str) -> tuple[int, str]:
        done = subprocess.run(
            ["/bin/bash", "-c", text], input=f"{self.password}\n", stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, cwd=self.home, env={**os.environ, **self.environment}, check=False,
        )  # fmt: skip
        return done.returncode, done.stdout

    def _interrupted(self, text: str) -> tuple[int, str]:
        words = shlex.split(text)
        with self._at_home(words):
            assert words[0] == "revvlink", text
            with start_cli(*words[1:], stderr_to_stdout=True) as process:
                shown = process.stdout.readline()
                if text.startswith("revvlink demo --"):  # its note comes before the command that runs on it
                    shown += process.stdout.readline()
                process.send_signal(signal.SIGINT)
                shown += process.communicate()[0]
        return 0 if process.returncode == 130 else process.wait(), shown

    def _as_shown(self, line: str) -> str:
        for port, real in self.ports.items():
            line = line.replace(f"127.0.0.1:{real}", f"127.0.0.1:{port}")
        me = f"{getpass.getuser()}@{socket.gethostname()}"
        return line.replace(str(self.home), "/home/ada").replace(me, "ada@ops").rstrip()


class _Typed(TerminalText):
    """Standard input that is not a terminal."""

    def isatty(self) -> bool:
        return False


def is_endless(text: str) -> bool:
    """Whether a command line runs until it is interrupted."""
    has_end = re.search(r"--(count|duration|from|help|schema)\b| simulate (record|ctl)\b", text)
    return not has_end and (text.startswith(ENDLESS) or re.search(r" --(watch|hold)\b", text) is not None)


def is_run(step: Step) -> bool:
    """Whether a line is one of this program; the others are those of the reader's shell."""
    return re.search(r"\brevvlink (\S+)", step.text) is not None


@pytest.fixture(scope="module")
def shared_fleet() -> Iterator[DemoFleet]:
    """A fleet for the pages that change nothing on it."""
    fleet = DemoFleet(moves=False)
    with fleet.running():
        yield fleet


@pytest.fixture
def desk(path: Path, isolated: Path, shared_fleet: DemoFleet) -> Iterator[Desk]:  # noqa: ARG001 - clears variables
    """A folder, whose path is short as that of a reader, and a fleet."""
    with tempfile.TemporaryDirectory(prefix="ada-") as folder, ExitStack() as stack:
        fleet = shared_fleet
        if any(step.before or re.search(CHANGES, step.text) for step in steps_of(path)):
            fleet = DemoFleet(moves=False)
            stack.enter_context(fleet.running())
        desk = Desk(Path(folder), fleet)
        if any("simulate ctl" in step.text for step in steps_of(path)):
            server = AdminServer(fleet.simulator.simulation, "token", host="127.0.0.1", port=0)
            fleet.simulator.call(server.start())
            stack.callback(lambda: fleet.simulator.call(server.close()))
            desk.environment |= {"REVVLINK_SIMULATE_ADMIN": server.uri, "REVVLINK_SIMULATE_ADMIN_TOKEN": "token"}
        yield desk


@pytest.mark.skipif(sys.platform == "win32", reason="the lines are typed in a POSIX shell")
@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_page(path: Path, desk: Desk) -> None:
    """Each of its command lines works, and prints what the page shows."""
    wrong: dict[str, object] = {}
    outputs: dict[int, list[str]] = {}
    prepared: set[str] = set()
    for step in steps_of(path):
        for start, lines in BEFORE.items():
            if step.text.startswith(start) and start not in prepared and path.parent == COMMANDS:
                prepared.add(start)
                for line in lines:
                    desk.prepare(line if line.startswith("rm ") else f"run {line}")
        for order in step.before:
            desk.prepare(order)
        if not is_run(step):
            continue
        code, printed = desk.type(step.text)
        expected = next((codes for part, codes in OTHER_CODES.items() if part in step.text), {0})
        if "check" in step.text and step.shown and (verdict := step.shown[0].partition(":")[0]) in VERDICTS:
            expected = {VERDICTS.index(verdict)}
        if code not in expected or any("Traceback" in line for line in printed):
            wrong[step.text] = (code, printed)
        elif (step.shown or path.parent == COMMANDS) and "--watch" not in step.text and not is_endless(step.text):
            shown = [line for line in step.shown if not line.startswith("Password of ")]
            is_compared = code == min(expected) and not any(part in step.text for part in NOT_COMPARED)
            if is_compared and not is_same(shown, printed):
                outputs[step.first] = printed
                wrong[step.text] = {"shown": step.shown, "printed": printed}
    if IS_WRITING and outputs:
        path.write_text(with_output(path, outputs), encoding="utf-8")
    assert wrong == {}


def test_exceptions_are_needed() -> None:
    """Each exception above is for a line that exists."""
    texts = [step.text for _, step in TYPED]
    for start in (*ENDLESS, *ADDED):
        assert any(text.startswith(start) for text in texts), start
    for part in (*NOT_COMPARED, *OTHER_CODES):
        assert any(part in text for text in texts), part


def test_commands_in_the_text_exist() -> None:
    """Each `revvlink COMMAND` in the text of a page names a command."""
    for path in PAGES:
        for name in re.findall(r"`revvlink ([a-z][\w-]*)", path.read_text(encoding="utf-8")):
            assert name in NAMES, path.name
