"""`check` with requirements and thresholds: from flags, from the file, and mistakes in both."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.commands.run_check import check, verdicts
from tests.conftest import run_cli

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from revvlink_cli.simulator import Simulator


@pytest.mark.parametrize(
    ("arguments", "code", "expected"),
    [
        (["--warning", "players=5"], 1, {("us-1", "players"): "warning", ("eu-1", "players"): "ok"}),
        (["-w", "players=5", "-c", "players=8"], 2, {("us-1", "players"): "critical"}),
        (["--critical", "memory=10%"], 2, {("us-1", "memory"): "critical"}),
        (["--critical", "memory=100MiB"], 2, {("us-1", "memory"): "critical"}),
        (["-w", "memory=90%", "-c", "memory=2GiB"], 0, {("us-1", "memory"): "ok"}),
        (["--warning", "uptime=2d:"], 1, {("eu-1", "uptime"): "warning"}),
        (["--warning", "websocket=1us"], 1, {("eu-1", "websocket"): "warning"}),
        (["--warning", "players=5", "--skip", "players"], 0, {}),
        (["--warning", "players=5", "--only", "cpu"], 0, {}),
        (["--only", "figures", "--warning", "players=5"], 1, {("us-1", "players"): "warning"}),
        (["--min-version", "4.2.2"], 0, {}),
        (["--min-version", "4.3"], 2, {("us-1", "version"): "critical"}),
        (["--require-source", "youtube", "--require-filter", "timescale"], 0, {}),
        (["--require-source", "deezer"], 2, {("us-1", "info"): "critical"}),
        (["--require-plugin", "lavasrc"], 2, {("us-1", "info"): "critical"}),
        (["--require-plugin", "simulator>=1,<2"], 0, {("us-1", "info"): "ok", (None, "plugins"): "ok"}),
        (["--require-plugin", "simulator>=1.1"], 2, {("us-1", "info"): "critical"}),
        (["--canary", "ytsearch:night", "--max-latency", "30s"], 0, {("us-1", "load"): "ok"}),
        (["--canary", "ytsearch:night", "--max-latency", "0.000001"], 2, {("us-1", "load"): "critical"}),
        (["--warning", "routeplanner=0"], 0, {("us-1", "routeplanner"): "skipped"}),
        (["--require-youtube-oauth"], 0, {("us-1", "youtube"): "skipped"}),
        (["--canary", "ytsearch:night"], 0, {("us-1", "load"): "ok"}),
        (["--canary", "sim:fails"], 2, {("us-1", "load"): "critical"}),
        (["--canary", "ytsearch:zzzzzz"], 2, {("us-1", "load"): "critical"}),
        (["--warning", "imbalance=1.2"], 0, {(None, "imbalance"): "skipped"}),
        (["--critical", "certificate=30:"], 0, {("us-1", "certificate"): "skipped"}),
        (["--min-healthy", "3"], 0, {(None, "quorum"): "ok"}),
        (["--warning", "quorum=5:"], 1, {(None, "quorum"): "warning"}),
    ],
)
def test_demands(
    config: Callable[..., Path],
    arguments: list[str],
    code: int,
    expected: dict[tuple[str | None, str], str],
) -> None:
    """Each flag has the effect that it says, on the verdict and on the exit code."""
    ran = check(config(), "-o", "json", *arguments)

    assert ran.code == code, ran.out
    assert {place: verdicts(ran)[place] for place in expected} == expected


def test_a_quorum_that_holds(config: Callable[..., Path], simulator: Simulator) -> None:
    """While enough nodes are healthy one that is down is a WARNING; when they are not it is CRITICAL again."""
    path = config(check={"min_healthy": "60%"})
    simulator["eu-1"].stop()
    held = check(path, "--skip", "regions")
    simulator["us-1"].stop()

    assert (held.code, check(path).code) == (1, 2)
    assert check(path, "--only", "quorum", "--min-healthy", "1").code == 0


def test_demands_of_the_file(config: Callable[..., Path]) -> None:
    """A node's own keys win over its tags', those over all, and flags over everything."""
    path = config(
        {
            "us-1": {"tags": ["busy"]},
            "eu-1": {"tags": ["busy"], "check": {"warning": {"players": "3"}}},
        },
        check={"warning": {"players": "2"}, "tags": {"busy": {"warning": {"players": "20"}, "skip": ["penalty"]}}},
    )

    found = verdicts(check(path, "-o", "json"))
    assert (found["us-1", "players"], found["eu-1", "players"], found["asia-1", "players"]) == ("ok", "warning", "ok")
    assert ("us-1", "penalty") not in found
    assert ("asia-1", "penalty") in found
    assert check(path, "--warning", "players=100").code == 0
    assert check(path, "--warning", "players=").code == 0


def test_flags_are_held_against_what_is_checked(config: Callable[..., Path]) -> None:
    """Thresholds of the file that count for none of the chosen nodes make no flag a mistake; those that do still do."""
    path = config(
        {
            "us-1": {"tags": ["free"]},
            "eu-1": {"check": {"critical": {"cpu": "50%"}}},
            "asia-1": {"tags": ["free"]},
        },
        check={"critical": {"cpu": "15%", "quorum": "2:"}, "tags": {"free": {"critical": {"cpu": ""}}}},
    )

    assert check(path, "eu-1", "-w", "cpu=40%").code == 0
    assert check(path, "us-1", "-w", "cpu=60%").code == 0
    assert check(path, "-w", "cpu=40%").code == 0, "what is common counts for none of them"
    assert check(path, "us-1", "-c", "cpu=20%", "-w", "cpu=10%").code == 2
    refused = check(path, "-w", "cpu=60%")
    assert (refused.code, "critical at 50%" in refused.err) == (3, True)
    assert check(path, "us-1", "-w", "quorum=1:").code == 0, "what is demanded of the fleet does not count for a part"
    assert "quorum: a warning at 1:" in check(path, "-w", "quorum=1:").err


def test_a_part_of_the_fleet(config: Callable[..., Path], simulator: Simulator) -> None:
    """What the file demands of the whole fleet does not count for a part, nor is a region said to be unserved."""
    path = config({"eu-1": {"region": "us"}}, check={"min_healthy": 2, "warning": {"quorum": "3:"}})
    simulator["us-1"].stop()

    assert check(path, "eu-1").code == 0
    part = check(path, "us-1", "asia-1", "-o", "json")
    assert (part.code, verdicts(part)[None, "regions"], verdicts(part)[None, "quorum"]) == (2, "ok", "skipped")
    refused = check(path, "eu-1", "--min-healthy", "2")
    assert (refused.code, "2 healthy nodes are required, and there is 1" in refused.err) == (3, True)


WRONG = {
    "no range": (["--warning", "cpu=high"], ["--warning", "'high'", "10:20"]),
    "no unit of it": (["--critical", "cpu=90ms"], ["--critical", "'ms'", "%"]),
    "no check": (["--warning", "cpuu=90%"], ["--warning", "cpuu", "did you mean cpu"]),
    "no figure": (["--warning", "auth=1"], ["auth has no figure"]),
    "no pair": (["--warning", "cpu"], ["CHECK=RANGE"]),
    "swapped": (["-w", "cpu=90%", "-c", "cpu=80%"], ["exchange the two"]),
    "swapped at one end": (["-w", "players=10:200", "-c", "players=20:300"], ["players", "exchange the two"]),
    "a quorum twice": (["--min-healthy", "2", "-c", "quorum=2:"], ["--min-healthy", "keep one"]),
    "only what is skipped": (["--only", "cpu", "--skip", "cpu"], ["--only", "cpu: left out by skip"]),
    "unknown to skip": (["--skip", "memroy"], ["--skip", "did you mean memory"]),
    "unknown to report": (["--only", "x"], ["--only", "'x' is not a check or a stage", "memory", "figures", "fleet"]),
    "unknown by its case": (["-w", "CPU=90%"], ["--warning", "'CPU'", "did you mean cpu?"]),
    "a stage, nearly": (["--skip", "figure"], ["--skip", "did you mean figures?"]),
    "a home in the place of ~": (["-w", "penalty=/root:50"], ["--warning", "'/root' in '/root:50'", "quote the ~"]),
    "no source": (["--require-source", ""], ["--require-source", "is empty"]),
    "no plugin": (["--require-plugin", " "], ["--require-plugin", "is empty"]),
    "no specifier": (
        ["--require-plugin", "a>=", "--require-plugin", "b=>1,<x", "--require-plugin", ">=1"],
        ["--require-plugin", "'a>=': '>='", "'=>1'", "'<x'", "'>=1' does not name a plugin", "youtube-plugin>=1.13"],
    ),
    "no canary to limit": (["--max-latency", "2s"], ["--max-latency", "add --canary"]),
    "a latency twice": (
        ["--canary", "a", "--max-latency", "2s", "-c", "load=3s"],
        ["--max-latency", "--critical load=", "keep one"],
    ),
    "no latency": (["--canary", "a", "--max-latency", "fast"], ["--max-latency", "'fast'", "1h"]),
    "a latency below the warning": (
        ["--canary", "a", "--max-latency", "2s", "-w", "load=3s"],
        ["--warning", "exchange the two"],
    ),
    "no filter": (["--require-filter", ""], ["--require-filter", "is empty"]),
    "no canary": (["--canary", "ytsearch:night", "--canary", ""], ["--canary", "is empty"]),
    "no format": (["--report", "xml=out.xml"], ["--report", "FORMAT=FILE", "junit"]),
    "a list as a report": (["--list", "--report", "junit=x"], ["--list", "--output table"]),
    "standard output": (["--report", "junit=-"], ["--report", "--output"]),
    "nobody": ([""], ["no node named ''"]),
    "no file": (["--report", "junit"], ["--report", "FORMAT=FILE"]),
    "no share": (["--min-healthy", "0%"], ["--min-healthy", "1% to 100%"]),
    "no version": (["--min-version", "latest"], ["--min-version", "4.2.0"]),
    "more than there are": (["--min-healthy", "4"], ["--min-healthy", "4 healthy nodes", "there are 3"]),
    "more than have the region": (["--min-healthy", "2", "--region", "us"], ["--min-healthy", "there is 1"]),
    "a range of more": (["-c", "quorum=4:"], ["--critical", "4: healthy nodes", "there are 3"]),
    "no node": (["us-2"], ["no node named us-2", "did you mean us-1"]),
    "no messenger": (["--notify", "pager"], ["--notify", "discord"]),
    "no webhook": (["--notify", "discord"], ["webhook_file"]),
    "a reminder of nothing": (["--remind", "1h"], ["--remind", "--notify"]),
    "no option": (["--wraning", "cpu=1"], ["--warning"]),
    "no time": (["--timeout", "soon"], ["--timeout", "soon"]),
}


@pytest.mark.parametrize("name", WRONG)
def test_mistakes_are_unknown(name: str, config: Callable[..., Path]) -> None:
    """Each is exit code 3 and names the flag, the value and what would be right, and nothing is sent."""
    arguments, told = WRONG[name]

    ran = check(config(), *arguments)

    assert ran.code == 3
    assert ran.out == ""
    for word in told:
        assert word in ran.err


def test_mistakes_of_the_file(config: Callable[..., Path], simulator: Simulator) -> None:
    """All are told at once with their lines, in every format, and nothing is sent."""
    path = config(
        {"us-1": {"check": {"warning": {"cpu": "99%"}}}},
        check={
            "warning": {"memroy": "1", "cpu": "x"},
            "min_healthy": 0,
            "skip": ["y"],
            "tags": {"a": 1},
            "plugins": ["a>=", "b<<2"],
        },
    )

    ran = check(path, "-o", "json")

    told = "\n".join(error["message"] for error in ran.json["errors"])
    assert ran.code == 3
    assert "'>=' is not a version specifier; 'b<<2': '<<2' is not a version specifier" in told
    for key in ("check.warning.memroy", "check.warning.cpu", "check.min_healthy", "check.skip", "check.tags.a"):
        assert f": {key}: " in told
    swapped = check(config({"us-1": {"check": {"warning": {"cpu": "99%"}}}}, check={"critical": {"cpu": "95%"}}))
    assert swapped.code == 3
    assert "nodes[0].check: cpu: the warning can never occur" in swapped.err
    assert simulator["us-1"].requests == ()
    assert check(path, "-o", "nagios").out.startswith("UNKNOWN: ")


def test_a_quorum_of_the_file_that_is_out_of_reach(config: Callable[..., Path], simulator: Simulator) -> None:
    """What demands a quorum refuses it, with the line, and sends nothing; a part has none, and the rest works."""
    path = config(check={"min_healthy": 4})

    refused = check(path)
    assert (refused.code, "check.min_healthy: 4 healthy nodes are required, and there are 3" in refused.err) == (
        3,
        True,
    )
    assert re.search(r"nodes\.toml:\d+: check\.min_healthy", refused.err)
    for command in ("config validate", "exporter"):
        assert run_cli(*command.split(), "--config", str(path)).code == 2
    assert simulator["us-1"].requests == ()
    assert check(path, "us-1").code == 0
    assert check(path, "--min-healthy", "3").code == 0
    assert run_cli("nodes", "list", "--config", str(path)).code == 0
