"""Text from elsewhere never acts on a terminal, whichever command shows it and in whichever format."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import re
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from revvlink_cli.output.formats import COMMON, REPORTS, Format
from revvlink_cli.output.text import clean
from tests.conftest import run_cli
from tests.fake_terminal import Terminal
from tests.run_in_process import run_forked
from tests.situations import hostile_server as hostile
from tests.situations.every_command import commands
from tests.situations.hostile_server import (
    FORMULA,
    GUILD,
    HOSTILE,
    LABEL,
    NAME,
    PASSWORD,
    SESSION,
    offences,
    without_screen,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PLACE = ("--node", NAME, "--session", SESSION)
LOST = "\udcff\udc9b"
"""Bytes of an argument or a file's name that are not characters."""

LINES: dict[str, tuple[tuple[str, ...], ...]] = {
    "alert test": ((),),
    "cache clear": (("one", "--node", NAME), (HOSTILE,), ()),
    "cache export": ((),),
    "cache import": (("export.jsonl",), (f"{HOSTILE[:40]}",)),
    "cache list": ((),),
    "cache path": ((),),
    "cache show": ((HOSTILE,), ("list",), ("nothing", "--node", NAME)),
    "cache stats": ((),),
    "cache warm": (("queries", "--rate", "100"),),
    "check": (("--timeout", "3"), ("-v", "--timeout", "3", "--canary", HOSTILE), ("--list",), ("--warning", HOSTILE)),
    "config edit": ((),),
    "config get": ((f"nodes[{NAME}].tags",), (f"nodes.{HOSTILE}.uri",)),
    "config path": ((),),
    "config schema": ((),),
    "config set": ((f"nodes[{NAME}].region={LABEL}x",), (f"check.skip={HOSTILE}",)),
    "config show": ((),),
    "config trust": (("nodes.toml",), (HOSTILE,)),
    "config unset": ((f"nodes[{NAME}].tags",), (HOSTILE,)),
    "config validate": ((),),
    "connect": ((), ("--hold",)),
    "completion": ((), (HOSTILE,)),
    "context add": (("new",), (HOSTILE, "--from", HOSTILE)),
    "context list": ((),),
    "context remove": (("prod", "--yes"), (HOSTILE, "--yes")),
    "context rename": (("prod", "new"), ("prod", HOSTILE)),
    "context show": (("prod",), (HOSTILE,)),
    "context use": (("broken",), (HOSTILE,)),
    "demo": (("--", "region", HOSTILE, LOST),),
    "doctor": (("--timeout", "3"), ("--only", HOSTILE)),
    "drill": (
        ("all", "--seed", "1"),
        ("node-loss", "--per-node", "--seed", "1"),
        (HOSTILE,),
        ("node-loss", HOSTILE),
        ("node-loss", "--from", "looks.jsonl"),
    ),
    "events": ((),),
    "exporter": (("--listen", "127.0.0.1:0"), ("--listen", HOSTILE)),
    "healthcheck": ((NAME,), ("nobody\x1b[2J",)),
    "help": ((HOSTILE,), ("output",)),
    "init": (("starter\x1b[2J\n.toml",), (f"{HOSTILE}/x",)),
    "nodes add": (
        (f"new{NAME}", "http://h", "--password-file", "secret", "--tag", LABEL, "--region", LABEL, "--timeout", "1"),
        (HOSTILE, HOSTILE, "--password-env", HOSTILE),
    ),
    "nodes edit": ((NAME, "--tag", LABEL), (NAME, "--unset", HOSTILE)),
    "nodes export": (("--for", "json"), ("--for", "lavalink-client"), ("--for", HOSTILE)),
    "nodes import": (("list.json", "--dry-run"), ("list.json", "--region", HOSTILE), (HOSTILE,)),
    "nodes info": ((NAME,), (LOST,)),
    "nodes list": ((), ("--tag", LABEL)),
    "nodes penalties": ((), ("--watch", "--count", "2", "--interval", "1s")),
    "nodes remove": ((NAME, "--yes"), (HOSTILE, "--yes")),
    "nodes rename": ((NAME, f"new{NAME}"), (HOSTILE, HOSTILE)),
    "nodes status": ((), ("--watch", "--count", "2", "--interval", "1s"), ("--sort", HOSTILE)),
    "nodes test": ((NAME, "--timeout", "1"), (HOSTILE,)),
    "play": (("list", "--for", "1s"), (HOSTILE, "--node", NAME), ("fails", "--node", HOSTILE)),
    "players destroy": ((GUILD, *PLACE, "--yes"), (HOSTILE, *PLACE, "--yes")),
    "players list": (PLACE, ("--node", NAME, "--session", HOSTILE)),
    "players show": ((GUILD, *PLACE),),
    "record": (("recording\x1b[2J", "--count", "1", "--interval", "0.2s"),),
    "region": ((HOSTILE, LOST), (HOSTILE, "--route")),
    "report": (("looks.jsonl", "--html", "page.html"), ("export.jsonl",)),
    "route": ((HOSTILE,), ("--region", LABEL), ("--explain",), ("--explain", "--without", NAME)),
    "routeplanner free": ((NAME, HOSTILE), (NAME, "--all")),
    "routeplanner status": ((),),
    "search": (
        ("list", "--encoded"),
        ("list",),
        (HOSTILE,),
        ("fails",),
        ("list", "--all-nodes"),
        ("--cache-mode", "only", HOSTILE),
    ),
    "simulate ctl": (("wait", HOSTILE), ("kill", HOSTILE), ("event", HOSTILE, HOSTILE), ("fault", HOSTILE)),
    "simulate record": (("--for", "500ms", "--search", "list", "--search", HOSTILE), ("--for", HOSTILE)),
    "simulate run": ((HOSTILE,), ("--listen", HOSTILE), ("--schema",)),
    "top": ((),),
    "silence add": (
        (NAME, "--for", "1h", "--reason", HOSTILE),
        (HOSTILE, "--until", HOSTILE, "--reason", HOSTILE),
    ),
    "silence list": ((), ("--expired",)),
    "silence remove": (("--all", "--yes"), (HOSTILE,)),
    "track decode": ((hostile.track()["encoded"],), (HOSTILE, LOST), ("x", "--node", NAME)),
    "version": ((), (HOSTILE,)),
    "wait": (("--timeout", "3"), ("--for", "healthy", "--timeout", "3")),
}
"""Of every command, lines that make it show what comes from elsewhere: from servers, files, and the line itself."""

ENDLESS = ("connect --hold", "events", "exporter", "top")
"""Those that somebody has to end."""

RUNNING = 2.5
"""Seconds for which an endless command runs: the hostile server closes its websocket after 1.5."""

REPORT_FORMATS = ("nagios", "prometheus", "junit", "github", "markdown")

OTHER_FORMATS = (Format.TABLE, Format.WIDE, Format.CSV, Format.NAME, Format.YAML)

FORMATS = (("plain", "md"), ("json", "csv"), ("jsonl", "html"))


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """A hostile server's."""
    with hostile.serving() as found:
        yield found


@pytest.fixture
def config(port: int, isolated: Path, write_config: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> Path:
    """A hostile configuration, and files of the same kind in the working directory."""
    monkeypatch.setenv("VISUAL", "true")  # an editor that changes nothing
    (isolated / "secret").write_text("x\n", encoding="utf-8")
    (isolated / "secret").chmod(0o600)
    (isolated / "queries").write_text(f"one\n{HOSTILE}\nfails\n", encoding="utf-8")
    payload = {"loadType": "search", "data": [hostile.track()]}
    entries = ({"identifier": HOSTILE, "node": HOSTILE, "result": payload}, {"identifier": HOSTILE, "uses": HOSTILE})
    (isolated / "export.jsonl").write_text("".join(f"{json.dumps(entry)}\n" for entry in entries) + HOSTILE)
    listed = {"identifier": HOSTILE, "host": "h.example.com", "port": 1, "password": HOSTILE[:9], "region": HOSTILE}
    listed |= {"tags": [LABEL, FORMULA], HOSTILE: HOSTILE}
    bad = {"host": HOSTILE, "port": HOSTILE, "password": "x", "secure": HOSTILE}
    (isolated / "list.json").write_text(json.dumps({HOSTILE: [listed, bad, HOSTILE, listed]}), encoding="utf-8")
    row = {"node": HOSTILE, "region": HOSTILE, "state": "connected", "penalty": 1.5}
    look = {"time": "2026-01-01T00:00:00+00:00", "nodes": [row]}
    (isolated / "looks.jsonl").write_text(f"{json.dumps(look)}\n{json.dumps(look)}\n{HOSTILE}\n", encoding="utf-8")
    more = {"password": PASSWORD, "tags": [LABEL, FORMULA], "region": LABEL}
    uri = f"http://127.0.0.1:{port}"
    return write_config(
        {"identifier": NAME, "uri": uri, **more},
        {"identifier": "broken\u3164", "uri": f"{uri}/broken", **more},
        {"identifier": "dead\u17b4", "uri": "http://127.0.0.1:1", **more},
    )


def test_every_command_is_tried() -> None:
    """A new command, or a new format, has to be tried with hostile text, too."""
    assert set(LINES) == set(commands())
    assert {*OTHER_FORMATS, *(form for form, _ in FORMATS)} == set(COMMON)
    assert set(REPORT_FORMATS) == set(REPORTS)


@pytest.mark.parametrize("command", LINES)
def test_through_a_pipe_and_in_files(command: str, config: Path, isolated: Path) -> None:
    """No format and no exported file has a character that acts; plain keeps its columns, CSV has no formula."""
    prepare(command, config)
    for number, line in enumerate(LINES[command]):
        words = command.split()
        for form, ending in FORMATS if number == 0 else FORMATS[number % 3 :][:1]:
            file = isolated / f"out-{number}.{ending}"
            wants_file = not is_endless(command, line) and "--watch" not in line
            more = ("--export", str(file)) if wants_file and command != "cache export" else ()
            arguments = ["--config", str(config), "-v", "-o", form, *more, *words, *line]
            interrupt_after = RUNNING if is_endless(command, line) else None
            ran = run_cli(*arguments, stdin="", interrupt_after=interrupt_after)
            out, err = ran.out, ran.err
            assert "Traceback" not in err, err
            assert "internal_error" not in out + err, (line, out, err)
            assert offences(out, "\n\t" if form == "plain" else "\n") == [], (line, form, out)
            assert offences(err) == [], (line, form, err)
            if form == "plain" and command not in ("config schema", "help"):
                fields = {row.count("\t") for row in out.splitlines()}
                assert len(fields) <= 1, (line, out)
            if file.exists():
                check_file(file)
    if command == "report":
        check_file(isolated / "page.html")


@pytest.mark.skipif(sys.platform == "win32", reason="forks")
def test_every_other_format(config: Path, isolated: Path, tmp_path: Path) -> None:
    """Each command in each format that the tests above leave out; `play` also has Markdown, `check` has more below."""
    for command in ("cache list", "context list"):
        prepare(command, config)
    jobs: list[dict[str, Any]] = []
    for command, lines in LINES.items():
        if is_endless(command, lines[0]):
            continue
        for form in (*OTHER_FORMATS, *((Format.MARKDOWN,) if command == "play" else ())):
            home = tmp_path / f"{len(jobs)}"
            shutil.copytree(isolated, home)
            arguments = ["--config", str(home / config.name), "-v", "--timeout", "6", "-o", form]
            jobs.append({"arguments": [*arguments, *command.split(), *lines[0]], "home": str(home)})
    found = run_forked(jobs, COLUMNS="100")
    for job, (_, said) in zip(jobs, found, strict=True):
        assert "Traceback" not in said, (job, said)
        assert "internal_error" not in said, (job, said)
        assert offences(said.replace("\r\n", "\n"), "\n\t") == [], (job, said)
        assert PASSWORD not in said, (job, said)
    wanted = {"check", "nodes status", "nodes list", "search", "players list", "cache list", "region", "track decode"}
    shown = {command for command in wanted for job, (_, said) in zip(jobs, found, strict=True)
             if said and " ".join(job["arguments"][7:]).startswith(command)}  # fmt: skip
    assert shown == wanted


def prepare(command: str, config: Path) -> None:
    """What a command needs to have something to show."""
    if command.startswith("cache"):
        assert run_cli("--config", str(config), "search", "list").code == 0
    if command.startswith("context"):
        folder = Path(os.environ["XDG_CONFIG_HOME"]) / "revvlink" / "contexts"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "prod.toml").write_text(config.read_text(encoding="utf-8"), encoding="utf-8")
        for name in ("broken", "x\x1b[2Jx"):
            (folder / f"{name}.toml").write_text(json.dumps(HOSTILE) + " = 1\n", encoding="utf-8")


def is_endless(command: str, line: tuple[str, ...]) -> bool:
    """Whether somebody has to end it."""
    return " ".join((command, *line)).startswith(ENDLESS)


def check_file(path: Path) -> None:
    """A file that was exported."""
    text = path.read_bytes().decode()
    assert offences(text.replace("\r\n", "\n")) == [], path
    match path.suffix:
        case ".csv":
            rows = list(csv.reader(text.splitlines()))
            assert len({len(row) for row in rows}) == 1, text
            cells = [cell for row in rows for cell in row]
            assert not any(re.match(r"\s*[=@+-](?![0-9.e+-]*$)", cell) for cell in cells), cells
        case ".md":
            lines = [line for line in text.splitlines() if line.startswith("|")]
            assert len({len(re.findall(r"(?<!\\)\|", line)) for line in lines}) == 1, text
        case ".html":
            assert "<b>" not in text


@pytest.mark.parametrize("command", LINES)
def test_on_a_terminal(command: str, config: Path, isolated: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All that reaches the terminal is text, and the sequences with which this program draws; SVG is as safe."""
    monkeypatch.setenv("NO_COLOR", "1")
    prepare(command, config)
    for number, line in enumerate(LINES[command]):
        file = isolated / f"out-{number}.svg"
        goes_on = is_endless(command, line)
        more = () if goes_on or command == "cache export" else ("--export", str(file))
        terminal = Terminal(config, "-v", *more, *command.split(), *line, lines=30, columns=100)
        if goes_on:
            deadline = time.monotonic() + RUNNING
            while time.monotonic() < deadline and terminal.read(0.2):
                pass
            with contextlib.suppress(ProcessLookupError):  # it has refused its command line
                os.kill(terminal.pid, signal.SIGINT)
        terminal.end()
        assert "internal_error" not in terminal.seen, terminal.seen
        assert offences(without_screen(terminal.seen)) == [], (line, terminal.seen)
        if file.exists():
            check_file(file)


def test_what_is_shown_is_what_there_is(config: Path) -> None:
    """Nothing is lost: people see the characters written out, and programs get them as they are."""
    assert run_cli("--config", str(config), "config", "validate").code == 0
    arguments = ("--config", str(config), "players", "list", *PLACE)
    (row,) = run_cli(*arguments, "-o", "json").rows
    assert row["track"] == HOSTILE
    assert row["filters"] == [HOSTILE]
    assert clean(HOSTILE) in run_cli(*arguments, "-o", "plain").out
    assert clean(HOSTILE)[:20] in run_cli(*arguments, "-o", "table").out


def test_a_question_is_clean(config: Path) -> None:
    """What is asked before a player is destroyed names the node as safely as everything else."""
    terminal = Terminal(config, "players", "destroy", GUILD, *PLACE)
    deadline = time.monotonic() + 20
    while "[y/N]" not in terminal.seen and time.monotonic() < deadline:
        terminal.read(0.1)
    terminal.press("n\n")
    assert terminal.end() == 130
    assert "Destroy the player" in terminal.seen
    assert offences(without_screen(terminal.seen)) == [], terminal.seen


def test_reports_of_checks_are_clean(config: Path, isolated: Path) -> None:
    """The formats of monitoring systems, too."""
    blank = (
        "\u115f\u17b4\u3164\ufe0f"  # letters and marks to Prometheus, whose labels are as they are but for what acts
    )
    for form in REPORT_FORMATS:
        allowed = f"\n{blank}" if form == "prometheus" else "\n"
        arguments = ("--config", str(config), "check", "--timeout", "3", "-o", form, "--report", f"{form}={form}.out")
        ran = run_cli(*arguments, GITHUB_STEP_SUMMARY=str(isolated / "summary"))
        assert offences(ran.out, allowed) == [], ran.out
        assert offences(ran.err) == [], ran.err
        assert offences((isolated / f"{form}.out").read_text(encoding="utf-8"), allowed) == []
    assert offences((isolated / "summary").read_text(encoding="utf-8")) == []
    wrong = isolated / f"{HOSTILE[7:30].replace('/', '')}.toml"
    wrong.write_text(json.dumps(HOSTILE), encoding="utf-8")
    for form in ("table", "nagios", "prometheus", "junit", "github", "markdown", "jsonl"):
        ran = run_cli("--config", str(wrong), "check", "-o", form)
        assert ran.code == 3
        assert offences(ran.out) == [], ran.out
        assert offences(ran.err) == [], ran.err


def test_configurations_with_mistakes(isolated: Path) -> None:
    """What is wrong in a file is named without doing what it says."""
    path = isolated / "wrong.toml"
    quoted = json.dumps(HOSTILE)
    path.write_text(
        f"{quoted} = 1\n[defaults]\n{quoted} = {quoted}\n[search]\nsource = {quoted}\n[cache]\nbackend = {quoted}\n"
        f"[regions]\n{quoted} = {quoted}\n[check]\nwarning = {{ {quoted} = {quoted} }}\n[[nodes]]\n"
        f"identifier = {quoted}\nuri = {quoted}\npassword_env = {quoted}\n{quoted} = 1\n[[nodes]]\nuri = {quoted}\n"
        f"password_file = {quoted}\n",
        encoding="utf-8",
    )
    path.chmod(0o600)
    for command in ("config validate", "nodes list", "check", "doctor", "config show", "top"):
        for form in ("table", "plain", "json", "jsonl"):
            ran = run_cli("--config", str(path), *command.split(), "-o", form, "--timeout", "3")
            assert ran.code != 0
            assert offences(ran.out, "\n\t") == [], ran.out
            assert offences(ran.err) == [], ran.err


def test_completion_is_clean(config: Path) -> None:
    """Names of nodes, tags and regions that a shell offers hold nothing that it or its terminal acts on."""
    for shell in ("bash", "zsh", "fish", "powershell"):
        for line in ("nodes status ", "nodes status --tag ", "nodes status --region ", "search --node "):
            whole = f"revvlink --config {config} {line}"
            ran = run_cli(*(("=:", whole) if shell == "bash" else (whole,)), _REVVLINK_COMPLETE=shell)
            assert ran.out
            assert offences(ran.out, "\n\t") == [], (shell, line, ran.out)
