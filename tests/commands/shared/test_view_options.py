"""`--problems`, `--filter`, `--columns` and `--jq` on a fleet, each in every format that has them."""

from __future__ import annotations

import csv
import json
import sys
from typing import TYPE_CHECKING

import pytest
import yaml

from revvlink_cli.cli.app import run
from revvlink_cli.simulator import NodeProfile, Simulator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

CANARY = "hunter2canary"


class Shell:
    """Runs command lines in this process on one configuration."""

    def __init__(self, path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self._path = path
        self._capsys = capsys

    def __call__(self, *arguments: str) -> tuple[int, str, str]:
        """The exit code, standard output and standard error."""
        code = run(["--config", str(self._path), *arguments])
        written = self._capsys.readouterr()
        return code, written.out, written.err


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    """The node that is there."""
    with Simulator([NodeProfile(identifier="us-1", region="us", players=9, playing=7, password=CANARY)]) as running:
        yield running


@pytest.fixture
def shell(simulator: Simulator, write_config: Callable[..., Path], capsys: pytest.CaptureFixture[str]) -> Shell:
    """A shell on two nodes, one of which is not there."""
    path = write_config(
        {"identifier": "us-1", "uri": simulator["us-1"].uri, "password": CANARY, "region": "us", "tags": ["prod"]},
        {"identifier": "eu-1", "uri": "http://127.0.0.1:1", "password": CANARY, "region": "eu"},
    )
    return Shell(path, capsys)


STATUS = ("nodes", "status")
WATCH = (*STATUS, "--watch", "--count", "2", "--interval", "0.1")


def test_a_table_shows_problems_first(shell: Shell) -> None:
    """The order of the screen is by problem unless --sort is given; plain output keeps its order."""
    code, out, _ = shell(*STATUS, "-o", "table")
    assert code == 5
    assert [line.split()[0] for line in out.splitlines()[2:]] == ["eu-1", "us-1"]  # trouble first
    assert "Lavalink 4.2.2" in out
    _, out, _ = shell(*STATUS, "-o", "table", "--sort", "players")
    assert [line.split()[0] for line in out.splitlines()[2:]] == ["us-1", "eu-1"]
    _, out, _ = shell(*STATUS)
    assert [line.split("\t")[0] for line in out.splitlines()] == ["us-1", "eu-1"]


def test_problems_alone(shell: Shell) -> None:
    """Rows without a problem are counted on standard error, and the exit code stays that of the command."""
    code, out, err = shell(*STATUS, "--problems", "-o", "name")
    assert (code, out) == (5, "eu-1\n")
    assert err.splitlines()[-1] == "note: 1 row without a problem left out"
    code, out, err = shell(*STATUS, "us-1", "--problems", "-o", "json")
    assert (code, json.loads(out)["data"]) == (0, [])
    assert err == "note: no problem found in 1 row\n"
    assert shell("wait", "us-1", "--problems") == (0, "", "note: no problem found in 1 row\n")


def test_conditions_and_columns(shell: Shell) -> None:
    """Every format shows the rows and columns that are asked for."""
    condition = ("--filter", "playing>6 and region==us")
    for kind, read in (("json", json.loads), ("yaml", yaml.safe_load)):
        code, out, _ = shell(*STATUS, *condition, "-o", kind)
        assert code == 5  # of the fleet, not of the rows
        assert [row["node"] for row in read(out)["data"]] == ["us-1"]
    _, out, _ = shell(*STATUS, "--columns", "NODE,tags,Reason", "-o", "csv")
    assert list(csv.reader(out.splitlines())) == [
        ["node", "tags", "reason"], ["us-1", "prod", ""], ["eu-1", "", "connection_refused"],
    ]  # fmt: skip
    assert out.count("\r\n") == 3
    _, out, _ = shell(*STATUS, "--columns", "reason,node")
    assert out == "\tus-1\nconnection_refused\teu-1\n"
    _, out, _ = shell(*STATUS, "-o", "wide", "--problems")
    assert out.splitlines()[0].split()[-2:] == ["TAGS", "URI"]
    _, out, err = shell(*STATUS, "-o", "table", "--filter", "region==asia")
    assert out == ""
    assert err.endswith("note: none of 2 rows fits --filter\n")


def test_findings_of_check(shell: Shell) -> None:
    """A check shows its findings as rows when rows are chosen."""
    _, out, _ = shell("check", "--problems", "-o", "name")
    assert out == "eu-1\n"
    code, out, _ = shell("check", "--problems", "--columns", "node,verdict")
    assert (code, out) == (2, "eu-1\tcritical\n\twarning\n")


def test_samples_of_a_watch(shell: Shell) -> None:
    """Each sample has the chosen rows; CSV has one head, and the time of the sample."""
    _, out, _ = shell(*WATCH, "--filter", "playing>6")
    assert [[row["node"] for row in json.loads(line)["nodes"]] for line in out.splitlines()[:2]] == [["us-1"]] * 2
    _, out, _ = shell(*WATCH, "--columns", "node", "-o", "csv")
    head, *rows = csv.reader(out.splitlines())
    assert head == ["time", "node"]
    assert [row[1] for row in rows] == ["us-1", "eu-1"] * 2


def test_jq(shell: Shell) -> None:
    """A program gets the envelope, or each sample; what it makes is masked and cleaned."""
    pytest.importorskip("jq")
    _, out, _ = shell(*STATUS, "--jq", ".data[] | .node, .playing, [.region]")
    assert out == 'us-1\n7\n["us"]\neu-1\nnull\n["eu"]\n'
    _, out, _ = shell(*WATCH, "--jq", ".nodes[0].node")
    assert out == "us-1\nus-1\n"
    _, out, _ = shell(*STATUS, "--jq", f'"{CANARY}", "\\u001b[2J\\u202ex"')
    assert CANARY not in out
    assert "\x1b" not in out
    assert "\u202e" not in out
    code, out, err = shell(*STATUS, "--jq", ".data[0].node.x")
    assert (code, out) == (2, "")
    assert 'error: --jq: Cannot index string with string ("x")' in err


def test_notes_explain_what_is_shown(shell: Shell) -> None:
    """A note on a mark is there only with a row that has the mark, in a column that is shown."""
    _, _, err = shell(*STATUS, "-o", "table")
    assert "note: PLAYERS: playing/all" in err
    assert "note: >= marks a lower bound" in err
    _, _, err = shell(*STATUS, "-o", "table", "--columns", "node,playing")
    assert "note: PLAYERS: playing/all" in err
    assert ">=" not in err
    for choice in (("--columns", "node,state"), ("--problems",), ("--filter", "playing>99")):
        _, _, err = shell(*STATUS, "-o", "table", *choice)
        assert "PLAYERS" not in err
        assert ">=" not in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nodes", "status", "--columns", "nod"), "there is no column 'nod': did you mean node?"),
        (("nodes", "status", "--columns", "node,"), "a name is missing: write names with commas between them"),
        (("nodes", "status", "--columns", "node", "-o", "json"), "json has no columns; they are in table, wide, plain"),
        (("nodes", "info", "us-1", "--filter", "node==x"), "`nodes info` prints one record, not rows"),
        (
            ("cache", "list", "--problems"),
            "rows of `cache list` do not say whether there is a problem; `revvlink nodes status --problems` ",
        ),
        (("nodes", "status", "--jq", ".", "-o", "csv"), "goes with --output json or jsonl, not csv"),
        (("nodes", "status", "--jq", ".["), "--jq: syntax error, unexpected end of file at <top-level>, line 1"),
        (("nodes", "status", "--filter", "playin>1"), "error: --filter: there is no field playin: did you mean"),
        (("check", "--filter", "node==x", "-o", "nagios"), "goes with no report such as nagios"),
    ],
)
def test_mistakes_are_named_before_a_node_is_asked(shell: Shell, arguments: tuple[str, ...], message: str) -> None:
    """A wrong name, condition or program is one line, the exit code of a wrong command line, and no data."""
    if "--jq" in arguments:
        pytest.importorskip("jq")

    code, out, err = shell(*arguments)

    assert code == (3 if arguments[0] == "check" else 2)
    assert message in err
    assert not out.startswith("{") or json.loads(out)["data"] is None


def test_a_caret_stands_below_the_mistake(shell: Shell) -> None:
    """The condition is repeated with a caret below the place, also behind wide characters, and JSON has it too."""
    _, out, err = shell("nodes", "list", "--filter", "node==音楽 and uri=x", "-o", "json")

    assert err.splitlines()[-2:] == ["  node==音楽 and uri=x", f"{' ' * 20}^"]
    assert "= is not an operator here: write ==" in err
    assert json.loads(out)["errors"][0]["excerpt"].endswith("^")


def test_jq_that_is_not_installed(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line says how to install it."""
    monkeypatch.setitem(sys.modules, "jq", None)
    monkeypatch.delitem(sys.modules, "revvlink_cli.output.jq_format", raising=False)

    code, out, err = shell("nodes", "list", "--jq", ".")

    assert (code, out) == (2, "")
    assert err == (
        "error: --jq needs the extra `jq`, which is not installed (install it with `pip install 'revvlink-cli[jq]'`)\n"
    )
