"""`check` and `nodes status` on every context at once."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from revvlink_cli.cli.app import run
from revvlink_cli.simulator import NodeProfile, Simulator
from tests.conftest import Ran
from tests.fake_terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Typed = Callable[..., Ran]


@pytest.fixture(scope="module")
def fleet() -> Iterator[Simulator]:
    """Two nodes of different fleets, which their configurations give the same name."""
    with Simulator([NodeProfile(identifier="a", playing=1, players=1), NodeProfile(identifier="b")]) as running:
        yield running


@pytest.fixture
def contexts(fleet: Simulator, isolated: Path) -> Path:
    """The folder with the contexts ``prod`` and ``staging``."""
    folder = isolated / "config" / "revvlink" / "contexts"
    folder.mkdir(parents=True)
    for name, node in zip(("prod", "staging"), fleet, strict=True):
        _write(folder / f"{name}.toml", node.uri, f'password = "{node.password}"\ntags = ["{name}"]')
    return folder


def _write(path: Path, uri: str, more: str) -> None:
    path.write_text(f'[[nodes]]\nidentifier = "us-1"\nuri = "{uri}"\n{more}\n', encoding="utf-8")
    path.chmod(0o600)


@pytest.fixture
def typed(capfd: pytest.CaptureFixture[str]) -> Typed:
    """Runs a command line on every context in this process."""

    def run_line(*arguments: str) -> Ran:
        capfd.readouterr()
        code = run([*arguments, "--all-contexts", "--timeout", "10"])
        return Ran(code, *capfd.readouterr())

    return run_line


@pytest.mark.usefixtures("contexts")
def test_rows_have_their_context(typed: Typed) -> None:
    """Nodes of the same name are told apart by the first column and by a field of JSON."""
    status = typed("nodes", "status", "-o", "json")
    check = typed("check", "-o", "json", "--only", "reach")

    assert status.code == check.code == 0
    assert [(row["context"], row["node"], row["playing"]) for row in status.rows] == [
        ("prod", "us-1", 1),
        ("staging", "us-1", 0),
    ]
    assert [(row["context"], row["check"]) for row in check.rows] == [("prod", "reach"), ("staging", "reach")]
    table = typed("nodes", "status", "-o", "table").out
    assert table.startswith("Nodes of 2 contexts\nCONTEXT")
    assert typed("check").out == "OK: 2 of 2 nodes of 2 contexts healthy\n"
    assert [line.split("\t")[:3] for line in typed("nodes", "status", "-o", "plain").out.splitlines()] == [
        ["prod", "us-1", "connected"],
        ["staging", "us-1", "connected"],
    ]


def test_a_broken_context_costs_itself_only(contexts: Path, typed: Typed) -> None:
    """Mistakes, missing passwords and dead nodes are reported with their context; the others are shown."""
    (contexts / "broken.toml").write_text("nodes = [", encoding="utf-8")
    _write(contexts / "secretless.toml", "http://127.0.0.1:1", 'password_env = "NOWHERE"')
    _write(contexts / "dead.toml", "http://127.0.0.1:1", 'password = "x"')

    status = typed("nodes", "status", "-o", "json")
    check = typed("check", "-o", "json", "--only", "reach")

    assert status.code == 5
    assert {(error["context"], error["code"]) for error in status.json["errors"]} == {
        ("broken", "configuration"),
        ("secretless", "configuration"),
        ("dead", "connection_refused"),
    }
    assert [row["context"] for row in status.rows] == ["dead", "prod", "staging"]
    assert check.code == 2
    verdicts = {(row["context"], row["check"]): row["verdict"] for row in check.rows}
    assert verdicts["broken", "config"] == verdicts["secretless", "config"] == "unknown"
    assert verdicts["dead", "reach"] == "critical"
    assert verdicts["prod", "reach"] == "ok"
    (contexts / "dead.toml").unlink()
    assert typed("check").code == 3
    assert typed("check").out.startswith("UNKNOWN: 2 of 2 nodes of 4 contexts healthy; broken/fleet config: line 1: ")
    for name in ("prod", "staging"):
        (contexts / f"{name}.toml").unlink()
    assert typed("nodes", "status").code == 2


@pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo-terminals")
def test_errors_on_a_terminal_have_their_context(contexts: Path) -> None:
    """One error that nodes of several contexts share names each with its context."""
    for name in ("prod", "staging"):
        _write(contexts / f"{name}.toml", "http://127.0.0.1:1", 'password = "x"')

    terminal = Terminal(None, "nodes", "status", "--all-contexts", "--timeout", "5")

    assert terminal.end() == 3
    assert "error: prod/us-1, staging/us-1: connect: nothing listens on 127.0.0.1:1" in "\n".join(terminal.lines())


@pytest.mark.usefixtures("contexts")
def test_reports_have_the_context(typed: Typed, isolated: Path) -> None:
    """Formats of monitoring systems tell apart nodes of the same name, also those of one named context."""
    files = {kind: isolated / kind for kind in ("prometheus", "junit", "nagios", "markdown")}
    reports = [part for kind, path in files.items() for part in ("--report", f"{kind}={path}")]

    assert typed("check", *reports).code == 0
    families = list(text_string_to_metric_families(files["prometheus"].read_text(encoding="utf-8")))
    up: Any = next(family for family in families if family.name == "revvlink_node_up")
    assert [sample.labels for sample in up.samples] == [
        {"context": "prod", "node": "us-1"},
        {"context": "staging", "node": "us-1"},
    ]
    assert 'name="staging/us-1"' in files["junit"].read_text(encoding="utf-8")
    nagios = files["nagios"].read_text(encoding="utf-8")
    assert nagios.startswith("OK: 2 of 2 nodes of 2 contexts healthy")
    assert "'prod/us-1 cpu_system_load'=" in nagios
    assert "'staging/us-1 cpu_system_load'=" in nagios
    assert "| OK | staging/us-1 | reach |" in files["markdown"].read_text(encoding="utf-8")


def test_selection(contexts: Path, typed: Typed) -> None:
    """Contexts without a fitting node are left out; what fits nowhere is an error, as is a second choice of a fleet."""
    assert [row["context"] for row in typed("nodes", "status", "--tag", "prod", "-o", "json").rows] == ["prod"]
    assert typed("nodes", "status", "us-*", "us-2").code == 2
    assert "no context has a node named us-2" in typed("nodes", "status", "us-2").err
    assert typed("check", "--tag", "nowhere").code == 3
    for line in (("--context", "prod"), ("--config", "x"), ("--uri", "http://127.0.0.1:1")):
        assert "goes without" in typed("check", *line).err
    (contexts.parent / "revvlink.toml").write_text((contexts / "prod.toml").read_text("utf-8"), encoding="utf-8")
    assert "is not a context and is left out" in typed("nodes", "status", "-o", "table").err
    for path in contexts.iterdir():
        path.unlink()
    assert "there are no contexts" in typed("check").err


@pytest.mark.usefixtures("contexts")
def test_recordings_are_kept_apart(capfd: pytest.CaptureFixture[str]) -> None:
    """A recording of two fleets has a track for each of two nodes of the same name; that of one has plain names."""
    for name in ("prod", "staging"):
        assert run(["--context", name, "record", f"{name}.jsonl", "--count", "1"]) == 0
    both = "".join(Path(f"{name}.jsonl").read_text(encoding="utf-8") for name in ("prod", "staging"))
    Path("both.jsonl").write_text(both, encoding="utf-8")

    found = []
    for files in (["both.jsonl"], ["prod.jsonl", "staging.jsonl"], ["prod.jsonl"]):
        capfd.readouterr()
        assert run(["report", *files, "-o", "json"]) == 0
        found.append([row["node"] for row in json.loads(capfd.readouterr().out)["data"]])

    assert found == [["prod/us-1", "staging/us-1"], ["prod/us-1", "staging/us-1"], ["us-1"]]


def test_alerts_are_kept_apart(contexts: Path, isolated: Path, typed: Typed) -> None:
    """Each context reports its own trouble once, to its own webhook state."""
    for name in ("prod", "staging"):
        path = contexts / f"{name}.toml"
        path.write_text(
            f'[alert]\nafter = 1\n[discord]\nwebhook = "http://127.0.0.1:1/{name}"\n{path.read_text("utf-8")}',
            encoding="utf-8",
        )

    ran = typed("check", "--notify", "discord", "--min-version", "99")

    assert ran.code == 2
    assert "prod: alert not sent" in ran.err
    assert "staging: alert not sent" in ran.err
    for name in ("prod", "staging"):
        (state,) = (isolated / "state" / "revvlink" / "contexts" / name / "alerts").glob("*.json")
        states = json.loads(state.read_text(encoding="utf-8"))["states"]
        assert {each["reported"] for each in states.values()} == {"OK"}  # it was seen, and not reported
    assert not (isolated / "state" / "revvlink" / "alerts").exists()
