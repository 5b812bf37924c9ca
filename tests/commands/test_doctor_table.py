"""The table of `doctor`: problems first, what is well on one line, and what was not tried."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from revvlink_cli.cli.app import run
from revvlink_cli.services.doctor.context import Diagnosis, DoctorContext, State
from revvlink_cli.services.doctor.examination import CHECKUPS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Checkup = Callable[[DoctorContext], Awaitable[list[Diagnosis]]]

GOLDEN = Path(__file__).resolve().parents[1] / "data" / "golden"

WELL = (
    Diagnosis("program", None, State.OK, "revvlink 1.0.0, Python 3.11.7, linux"),
    Diagnosis("program", "typer", State.OK, "0.28.0"),
    Diagnosis("folders", "cache", State.OK, "/home/op/.cache/revvlink can be written to"),
    Diagnosis("nodes", "us-1", State.OK, "reach, auth, version"),
    Diagnosis("nodes", "us-2", State.OK, "reach, auth, version"),
)

WRONG = (
    Diagnosis("permissions", "/etc/x.toml", State.WARNING, "others can read its secrets", "chmod 600 /etc/x.toml"),
    Diagnosis("nodes", "eu-1", State.FAILED, "reach: nothing listens on 10.0.0.7:2333", "start the node"),
    Diagnosis("clocks", None, State.SKIPPED, "no node sends its time"),
)


def checkups_that_give(
    found: tuple[Diagnosis, ...],
) -> dict[str, Checkup]:
    """Checkups that give these diagnoses."""

    def checkup(name: str) -> Checkup:
        async def give(_: DoctorContext) -> list[Diagnosis]:
            return [diagnosis for diagnosis in found if diagnosis.checkup == name]

        return give

    return {name: checkup(name) for name in CHECKUPS}


@pytest.fixture
def examined(
    monkeypatch: pytest.MonkeyPatch, write_config: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Runs `doctor` with given diagnoses; gives the exit code, stdout and stderr."""

    def run_it(found: tuple[Diagnosis, ...], *arguments: str, width: int = 80, **sections: Any) -> tuple[int, str, str]:
        path = write_config({"identifier": "us-1", "uri": "http://10.0.0.1:2333", "password": "x"}, **sections)
        monkeypatch.setenv("COLUMNS", str(width))
        for name, checkup in checkups_that_give(found).items():
            monkeypatch.setitem(CHECKUPS, name, checkup)
        code = run(["--config", str(path), "doctor", *arguments])
        out, err = capsys.readouterr()
        return code, out, err

    return run_it


@pytest.mark.parametrize(("name", "found"), [("well", WELL), ("wrong", (*WELL, *WRONG))])
@pytest.mark.parametrize("width", [40, 80, 120])
def test_golden_tables(
    examined: Callable[..., tuple[int, str, str]], name: str, found: tuple[Diagnosis, ...], width: int
) -> None:
    """Problems come first with what to do; stderr does not repeat them."""
    code, out, err = examined(found, "-o", "table", width=width)
    path = GOLDEN / f"doctor-{name}-{width}.table"
    if os.environ.get("REVVLINK_TEST_GOLDEN") == "write":
        path.write_text(out, encoding="utf-8", newline="\n")

    assert (code, err) == (int(name == "wrong"), "")
    assert out == path.read_text(encoding="utf-8")


def test_verbose_lists_everything(examined: Callable[..., tuple[int, str, str]]) -> None:
    """With -v each check has its row, the versions of the libraries too, after the problems."""
    _, out, _ = examined((*WELL, *WRONG), "-o", "table", "-v")

    assert (
        out.index("eu-1") < out.index("/etc/x.toml") < out.index("typer") < out.index("us-2") < out.index("not tried")
    )
    assert "0.28.0" in out
    assert "checks are well" not in out


def test_nodes_with_the_same_problem_share_a_row(examined: Callable[..., tuple[int, str, str]]) -> None:
    """Where three nodes or more need the same fix, one row names some of them; -v lists each."""
    dead = tuple(
        Diagnosis("nodes", f"us-{i}", State.FAILED, f"reach: nothing listens on 10.0.0.{i}:2333", "start the node")
        for i in range(5)
    )
    code, out, err = examined((*dead, *WRONG), "-o", "table", width=120)
    assert (code, err) == (1, "note: -v lists each node\n")
    assert "us-0, us-1, us-2 and 3 more" in " ".join(out.split())
    assert out.count("start the node") == 1
    _, out, _ = examined((*dead, *WRONG), "-o", "table", "-v", width=120)
    assert out.count("start the node") == 6


def test_other_formats_have_every_row(examined: Callable[..., tuple[int, str, str]]) -> None:
    """Plain output and JSON keep all rows in their order, and no row that only the table has."""
    _, plain, err = examined((*WELL, *WRONG), "-o", "plain")
    assert [line.split("\t")[0] for line in plain.splitlines()] == [
        "program", "program", "folders", "permissions", "nodes", "nodes", "nodes", "clocks"
    ]  # fmt: skip
    assert "eu-1" in err
    _, out, _ = examined((*WELL, *WRONG), "-o", "json")
    assert out.count('"checkup"') == 8
    assert "not tried" not in out


def test_canaries_of_the_configuration(examined: Callable[..., tuple[int, str, str]]) -> None:
    """Where the configuration has canaries, `check` alone tries them; without the nodes nothing is said of tracks."""
    _, out, _ = examined(WELL, "-o", "table", width=120, check={"canaries": ["ytsearch:x"]})
    assert "run `revvlink check`" in out
    _, out, _ = examined(WELL, "-o", "table", "--only", "program")
    assert "tracks" not in out
