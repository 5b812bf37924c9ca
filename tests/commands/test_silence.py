"""`silence` as it is typed, and what `check` makes of silenced nodes."""

from __future__ import annotations

import json
import sys
import time
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest

from revvlink_cli.cli.app import run
from revvlink_cli.cli.completion import candidates
from revvlink_cli.commands.shared.moments import read_deadline
from tests.conftest import Ran
from tests.fake_terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Typed = Callable[..., Ran]


@pytest.fixture
def config(isolated: Path) -> Path:
    """A context with three nodes at which nothing listens."""
    nodes = "".join(
        f'[[nodes]]\nidentifier = "{name}"\nuri = "http://127.0.0.1:{port}"\npassword = "x"\nregion = "{name[:2]}"\n'
        f'tags = ["{tag}"]\n'
        for port, (name, tag) in enumerate((("us-1", "prod"), ("us-2", "prod"), ("eu-1", "test")), 1)
    )
    path = isolated / "config" / "revvlink" / "contexts" / "prod.toml"
    path.parent.mkdir(parents=True)
    path.write_text(nodes, encoding="utf-8")
    path.chmod(0o600)
    return path


@pytest.fixture
def typed(capfd: pytest.CaptureFixture[str], config: Path) -> Typed:
    """Runs a command line on the context, or on all, in this process."""

    def run_line(*arguments: str) -> Ran:
        capfd.readouterr()
        which = () if "--all-contexts" in arguments else ("--context", config.stem)
        code = run((*which, *arguments))
        return Ran(code, *capfd.readouterr())

    return run_line


def add(typed: Typed, *arguments: str, reason: str = "new disk") -> str:
    """Add a silence of an hour; returns its id."""
    ran = typed("silence", "add", "--for", "1h", "--reason", reason, *arguments)
    assert ran.code == 0, ran.err
    return ran.out.strip()


def test_add_list_and_remove(typed: Typed, config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Active ones come first, expired ones on request; a node removes only what is for this node alone."""
    monkeypatch.setenv("SUDO_USER", "ann\x1b")
    assert typed("silence", "list", "-o", "json").rows == []
    assert typed("silence", "list").out == ""
    none = typed("silence", "list", "-o", "table").err
    assert (
        none == "note: no silence is in force; add one with `revvlink silence add NODE --for 1h --reason 'new disk'`\n"
    )
    one, many = add(typed, "us-1", reason=" new \x1b[2J\n disk "), add(typed, "us-*", "--tag", "prod")
    rows = typed("silence", "list", "-o", "json").rows
    assert [(row["id"], row["state"], row["target"], row["silences"]) for row in rows] == [
        (one, "active", "us-1", ["us-1"]),
        (many, "active", "us-*, tag prod", ["us-1", "us-2"]),
    ]
    assert rows[0]["reason"] == "new [2J disk"
    assert rows[0]["created_by"].startswith("ann @") or rows[0]["created_by"].startswith("ann@")
    assert datetime.fromisoformat(rows[0]["until"]) - datetime.fromisoformat(rows[0]["created_at"]) == timedelta(
        hours=1
    )
    path = config.with_name("prod.silences.json")
    assert str(path) in typed("config", "show").out
    offered = [line.partition("\t")[0] for line in candidates("revvlink --context prod silence remove ")]
    assert offered[:3] == [one, many, "us-1"]

    assert typed("silence", "remove", "us-1").out == f"removed {one}\n"
    ran = typed("silence", "remove", "us-1")
    assert (ran.code, ran.err) == (
        2,
        f"error: us-1 is silenced by {many} (us-*, tag prod) (remove that by its id)\n",
    )
    document = json.loads(path.read_text(encoding="utf-8"))
    document["silences"][0]["until"] = document["silences"][0]["created_at"]
    path.write_text(json.dumps(document), encoding="utf-8")
    ran = typed("silence", "list", "-o", "table")
    assert many not in ran.out
    assert ran.out.startswith("Silences of prod\n")
    assert ran.err.startswith("note: no silence is in force; ")
    assert "--expired shows 1 more" in ran.err
    assert [row["state"] for row in typed("silence", "list", "--expired", "-o", "json").rows] == ["expired"]
    assert typed("silence", "remove", "--all").code == 2
    assert typed("silence", "remove", "--all", "--yes").out == "removed 1 silence\n"
    assert typed("silence", "remove", many).code == 2

    add(typed, "--all")
    assert typed("context", "rename", "prod", "live").code == 0
    assert {found.name for found in config.parent.iterdir()} == {"live.toml", "live.silences.json"}
    assert typed("context", "remove", "live", "--yes").code == 0
    assert list(config.parent.iterdir()) == []


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (("--for", "1h", "--reason", "x"), "which nodes?"),
        (("us-1", "--all", "--for", "1h", "--reason", "x"), "--all goes without other nodes"),
        (("us-1", "--for", "1h"), "a silence needs a reason"),
        (("us-1", "--for", "1h", "--reason", "\x1b \n"), "a silence needs a reason"),
        (("us-1", "--for", "1h", "--reason", "x" * 201), "the reason has 201 characters"),
        (("us-1", "--reason", "x"), "until when?"),
        (("us-1", "--for", "1h", "--until", "22:00", "--reason", "x"), "keep one of them"),
        (("us-1", "--for", "soon", "--reason", "x"), "--for"),
        (("us-1", "--for", "0", "--reason", "x"), "--for: '0' must be longer than 0 s (see "),
        (("us-1", "--for", "-1h", "--reason", "x"), "must be a duration such as"),
        (("us-1", "--region", "", "--for", "1h", "--reason", "x"), "--region is empty"),
        (("us-1", "--for", "9999999d", "--reason", "x"), "366 days at most"),
        (("us-1", "--until", "2001-01-01", "--reason", "x"), "has passed"),
        (("us-1", "--until", "never", "--reason", "x"), "is not a moment to come: write 22:00"),
        (("us-9", "--for", "1h", "--reason", "x"), "did you mean us-"),
        (("--tag", "nope", "--for", "1h", "--reason", "x"), "no node has tag nope"),
    ],
)
def test_mistakes_silence_nothing(typed: Typed, config: Path, line: tuple[str, ...], message: str) -> None:
    """A wrong line ends with 2, says what to write, and makes no file."""
    ran = typed("silence", "add", *line)

    assert ran.code == 2
    assert message in ran.err
    assert list(config.parent.iterdir()) == [config]
    assert ran.out == ""


def test_moments_to_come() -> None:
    """A time is the next one; a day without a time, and what has passed, are refused."""
    now = datetime(2026, 11, 28, 12, 0).astimezone()
    texts = ("13:00", "11:00", "tomorrow 08:30", "today 12:01", "2026-12-24T18:00")
    found = [read_deadline(text, now).strftime("%d %H:%M") for text in texts]
    assert found == ["28 13:00", "29 11:00", "29 08:30", "28 12:01", "24 18:00"]
    for text in ("today 11:59", "tomorrow", "25:00", "yesterday 10:00", ""):
        with pytest.raises(ValueError, match=r"moment|passed"):
            read_deadline(text, now)


def test_check_shows_silenced_nodes_and_ends_as_if_they_were_well(typed: Typed, config: Path) -> None:
    """Every format shows what is silenced, why and until when, and none of them has a failure."""
    add(typed, "us-*", reason="new | disk")
    add(typed, "eu-1")
    ran = typed("check", "-o", "json", "--min-healthy", "2")
    assert ran.code == 0
    assert ran.json["errors"] == []
    silenced = [row for row in ran.rows if row["verdict"] == "silenced"]
    assert [(row["node"], row["check"], row["silence"]["verdict"]) for row in silenced] == [
        (name, "reach", "critical") for name in ("us-1", "us-2", "eu-1")
    ]
    assert silenced[0]["silence"]["reason"] == "new | disk"
    assert time.time() + 3500 < datetime.fromisoformat(silenced[0]["silence"]["until"]).timestamp()
    assert not {row["verdict"] for row in ran.rows} & {"warning", "critical", "unknown"}

    line = typed("check", "-o", "plain").out
    assert line.startswith("OK: 0 of 3 nodes of prod healthy, 3 silenced; us-1 reach: nothing listens on")
    assert "(silenced until 2" in line
    files = {form: config.parent / f"report.{form}" for form in ("junit", "github", "markdown", "prometheus")}
    reports = [f"--report={form}={path}" for form, path in files.items()]
    nagios = typed("check", "-o", "nagios", *reports).out
    text = {form: path.read_text(encoding="utf-8") for form, path in files.items()}
    assert nagios.count("\nSILENCED: ") == 3
    assert "|" not in nagios
    root = ET.fromstring(text["junit"])
    assert (root.get("failures"), root.get("errors")) == ("0", "0")
    skipped = root.find("testsuite/testcase[@name='reach']/skipped")
    assert skipped is not None
    assert ": new | disk)" in skipped.get("message", "")
    assert text["github"].count(" reach SILENCED::nothing listens") == 3
    assert "::error" not in text["github"]
    assert text["markdown"].count("| SILENCED | ") == 3
    assert 'revvlink_node_silenced{context="prod",node="us-1"} 1' in text["prometheus"]
    assert 'revvlink_check_verdict{context="prod"} 0' in text["prometheus"]
    table = typed("check", "-o", "table").out
    assert "silenced" in table
    assert ": new | disk)" in table
    ran = typed("check", "--watch", "--count", "1", "--interval", "1s", "-o", "jsonl")
    tick = json.loads(ran.out.splitlines()[0])
    assert (ran.code, tick["verdict"]) == (0, "ok")
    assert {row["verdict"] for row in tick["checks"] if row["node"]} == {"silenced", "skipped"}


def test_silences_hide_no_other_problem(typed: Typed, config: Path) -> None:
    """Another node's problem stays; without silences all count; a file from the future silences nothing, loudly."""
    add(typed, "us-*")
    add(typed, "eu-1")
    assert typed("check", "--no-silences").code == 2
    rows = typed("nodes", "status", "-o", "json").rows
    assert {(row["state"], row["silence_reason"]) for row in rows} == {("failed", "new disk")}
    assert all(datetime.fromisoformat(row["silenced_until"]).timestamp() > time.time() for row in rows)
    assert "(silenced until 2" in typed("nodes", "status", "-o", "table").out
    assert typed("check", "--all-contexts", "-o", "plain").out.startswith("OK: 0 of 3 nodes of 1 context healthy, 3 ")
    typed("silence", "remove", "eu-1")
    ran = typed("check", "-o", "json", "--min-healthy", "1")
    assert ran.code == 2
    assert [(row["node"], row["check"]) for row in ran.rows if row["verdict"] == "critical"] == [
        ("eu-1", "reach"), (None, "quorum"),
    ]  # fmt: skip
    quorum = next(row for row in ran.rows if row["check"] == "quorum")
    assert quorum["message"] == "0 of 1 nodes healthy, 1 needed; without 2 silenced"
    (config.with_name("prod.silences.json")).write_text('{"revvlink_silences": 9}', encoding="utf-8")
    ran = typed("check", "-o", "nagios")
    assert ran.code == 2
    assert "0 of 3 nodes of prod healthy," in ran.out
    assert ran.err.startswith("warning: ")
    assert "no silence applies: it has format 9, and this revvlink reads format 1" in ran.err
    assert len(ran.err.splitlines()) == 1


def test_a_named_file_and_a_question(typed: Typed, config: Path) -> None:
    """`[silences] file` is where all contexts with that key look; a terminal is asked before all silences go."""
    named = config.parent / "shared" / "s.json"
    config.write_text('[silences]\nfile = "shared/s.json"\n' + config.read_text(encoding="utf-8"), encoding="utf-8")
    add(typed, "--region", "EU")
    assert json.loads(named.read_text(encoding="utf-8"))["silences"][0]["region"] == "EU"
    assert typed("silence", "list", "-o", "json").rows[0]["silences"] == ["eu-1"]
    if sys.platform != "win32":
        terminal = Terminal(None, "--context", "prod", "silence", "remove", "--all", columns=200)
        terminal.until_line(r"Remove all silences from .*\? \[y/N\]")
        terminal.press("n\r")
        assert terminal.end() == 130
    assert len(typed("silence", "list", "-o", "json").rows) == 1


def notes(ran: Ran) -> list[str]:
    """The notes of a run with a table."""
    return [line.removeprefix("note: ") for line in ran.err.splitlines() if line.startswith("note: ")]


def test_a_renamed_node_keeps_its_silence_and_a_removed_one_leaves_none(typed: Typed, config: Path) -> None:
    """Names follow; a silence of removed nodes alone goes; each effect of a name, a tag or a region is one line."""
    one, both = add(typed, "us-1"), add(typed, "us-1", "us-2", "eu-*", "--tag", "prod")
    path = config.with_name("prod.silences.json")
    ran = typed("nodes", "rename", "us-1", "us-east-1", "-o", "table")
    assert notes(ran) == [
        f"changed {config}",
        f"silence {one} is for us-east-1 now",
        f"silence {both} is for us-east-1, us-2, eu-*, tag prod now",
    ]
    rows = typed("silence", "list", "-o", "json").rows
    assert [row["silences"] for row in rows] == [["us-east-1"], ["us-east-1", "us-2"]]
    assert typed("config", "validate").err == ""

    ran = typed("nodes", "edit", "us-2", "--untag", "prod", "--tag", "test", "-o", "table")
    assert notes(ran)[1:] == [f"us-2 is no longer silenced: {both} is for us-east-1, us-2, eu-*, tag prod"]
    (back,) = notes(typed("nodes", "edit", "us-2", "--tag", "prod", "-o", "table"))[1:]
    assert back.startswith(f"us-2 is silenced now, by {both} (us-east-1, us-2, eu-*, tag prod), until 2")
    (lost,) = notes(typed("nodes", "rename", "us-2", "eu-2", "-o", "table"))[1:]
    assert lost == f"silence {both} is for us-east-1, eu-2, eu-*, tag prod now"

    ran = typed("nodes", "remove", "us-east-1", "eu-2", "--yes", "-o", "table")
    assert notes(ran)[1:] == [
        f"removed silence {one} of us-east-1: new disk",
        f"silence {both} is for eu-*, tag prod now",
    ]
    path.write_text("{", encoding="utf-8")
    ran = typed("nodes", "rename", "eu-1", "eu-3", "-o", "table")
    assert ran.code == 0
    (warning,) = [line for line in ran.err.splitlines() if line.startswith("warning: ")]
    assert warning.startswith(f"warning: the silences stay as they were: {path}: no silence applies: it is damaged")


def test_a_file_that_several_contexts_name(typed: Typed, config: Path) -> None:
    """A name that another context has too stays in the silences, and is not reported as missing."""
    text = '[silences]\nfile = "../shared.json"\n' + config.read_text(encoding="utf-8")
    for path in (config, config.with_name("other.toml")):
        path.write_text(text, encoding="utf-8")
        path.chmod(0o600)
    own, region = add(typed, "us-1"), add(typed, "--region", "us")
    assert notes(typed("nodes", "rename", "us-1", "us-9", "-o", "table"))[1:] == [
        f"silence {own} is for us-1, us-9 now"
    ]
    assert typed("config", "validate").err == ""
    assert notes(typed("nodes", "remove", "us-9", "us-2", "--yes", "-o", "table"))[1:] == [
        f"silence {own} is for us-1 now"
    ]
    assert typed("config", "validate").err == ""
    config.with_name("other.toml").unlink()
    assert [line.partition(": silence ")[2] for line in typed("config", "validate").err.splitlines()] == [
        f"{own}: no node is named us-1 (`revvlink silence remove {own}` ends it)",
        f"{region}: no node is in region us (`revvlink silence remove {region}` ends it)",
    ]


def test_validate_and_doctor_read_the_silences(typed: Typed, config: Path) -> None:
    """A silence of what does not exist is a warning; a file that is damaged or out of reach is a mistake."""
    doctor = ("doctor", "eu-1", "--only", "silences", "-o", "json")
    assert [(row["state"], row["message"]) for row in typed(*doctor).rows] == [("ok", "there are none")]
    ids = [add(typed, "us-1", "us-2"), add(typed, "us-*"), add(typed, "us-1", "--region", "us"), add(typed, "--all")]
    tag, _ = add(typed, "--tag", "prod"), add(typed, "eu-*", "--tag", "test")
    text = config.read_text(encoding="utf-8")
    config.write_text(text.replace('"prod"', '"old"').replace('us-1"', 'eu-9"'), encoding="utf-8")
    assert typed("config", "validate", "-o", "json").rows["warnings"] == [
        f"{config.with_name('prod.silences.json')}: silence {which}: {what} (`revvlink silence remove {which}` ends it)"
        for which, what in (
            (ids[0], "no node is named us-1"),
            (ids[2], "no node is named us-1"),
            (tag, "no node has tag prod"),
        )
    ]
    config.write_text(
        text.replace('"test"', '"old"')
        .replace('us-2"', 'us-3"')
        .replace('prod"]\n[[nodes]]\nidentifier = "us-3', 'test"]\n[[nodes]]\nidentifier = "us-3'),
        encoding="utf-8",
    )
    found = typed(*doctor)
    assert found.code == 0
    assert [(row["state"], row["message"].partition(": ")[2]) for row in found.rows] == [
        ("warning", "no node is named us-2"),
        ("warning", "no node fits all of eu-*, tag test"),
    ]
    path = config.with_name("prod.silences.json")
    path.write_text("[]", encoding="utf-8")
    ran = typed("config", "validate")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.count("\n") == 1
    assert "no silence applies: it is damaged: not a file of silences (correct the file, or " in ran.err
    assert [row["state"] for row in typed(*doctor).rows] == ["failed"]
    path.unlink()
    path.mkdir()
    assert "it cannot be read: Is a directory" in typed("config", "validate").err
