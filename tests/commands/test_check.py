"""`check`, `healthcheck` and `wait` as people and monitoring systems run them, on simulated nodes and worse."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import ssl
import stat
import subprocess
import sys
import tempfile
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import trustme

from revvlink_cli.health.catalogue import CHECKS
from revvlink_cli.simulator import NodeProfile, Simulator
from tests.conftest import run_cli
from tests.fidelity.read_recordings import LAVALINK, NODELINK
from tests.fidelity.replay_server import PASSWORD, read_request, serving
from tests.fidelity.scripted_node import Listening

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from tests.conftest import Ran

    Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    """Three nodes in three regions."""
    with Simulator(
        [
            NodeProfile(identifier="us-1", region="us", password="pw", players=10, playing=6, system_load=0.4),
            NodeProfile(identifier="eu-1", region="eu", password="pw", players=4, playing=4, system_load=0.1),
            NodeProfile(identifier="asia-1", region="asia", password="pw"),
        ]
    ) as running:
        yield running


@pytest.fixture
def config(simulator: Simulator, write_config: Callable[..., Path]) -> Callable[..., Path]:
    """Writes a configuration of those nodes; `own` has keys of single nodes, the rest are sections."""

    def write(own: dict[str, dict[str, Any]] | None = None, **sections: Any) -> Path:
        nodes = [
            {
                "identifier": node.profile.identifier,
                "uri": node.uri,
                "password": "pw",
                "region": node.profile.region,
                **(own or {}).get(node.profile.identifier, {}),
            }
            for node in simulator
        ]
        return write_config(*nodes, **sections)

    return write


def check(path: Path, *arguments: str) -> Ran:
    """Run `check`."""
    return run_cli("check", "--config", str(path), "--timeout", "5", *arguments)


def verdicts(ran: Ran) -> dict[tuple[str | None, str], str]:
    """By node and check, the verdict in the JSON output."""
    return {(row["node"], row["check"]): row["verdict"] for row in ran.rows}


def test_a_fleet_that_is_well(config: Callable[..., Path]) -> None:
    """One line elsewhere than on a terminal, exit code 0; every check of every node in JSON."""
    path = config()

    plain = check(path)
    assert (plain.code, plain.out, plain.err) == (0, "OK: 3 of 3 nodes healthy\n", "")
    found = verdicts(check(path, "-o", "json"))
    assert len(found) == 3 * 14 + 4
    assert set(found.values()) == {"ok", "skipped"}


def test_one_node_that_is_down_hides_no_other(config: Callable[..., Path], simulator: Simulator) -> None:
    """It is CRITICAL with its reason; the others are judged all the same, and its region is said to be unserved."""
    path = config()
    simulator["eu-1"].stop()

    ran = check(path, "-o", "json", "--warning", "cpu=20%")

    found = verdicts(ran)
    assert ran.code == 2
    assert (found["eu-1", "reach"], found["eu-1", "auth"], found["us-1", "cpu"]) == ("critical", "skipped", "warning")
    assert found[None, "regions"] == "warning"
    errors = {error["node"]: error["code"] for error in ran.json["errors"] if "node" in error}
    assert errors == {"eu-1": "connection_refused", "us-1": "threshold"}


def test_a_wrong_password(config: Callable[..., Path]) -> None:
    """It is the check of the password that fails, and the password is nowhere to be seen."""
    ran = check(config({"us-1": {"password": "canary-phrase"}}), "-o", "json", "-vv")

    assert (ran.code, verdicts(ran)["us-1", "auth"], verdicts(ran)["us-1", "reach"]) == (2, "critical", "ok")
    assert "canary-phrase" not in ran.out + ran.err


def test_a_frozen_node_is_critical(config: Callable[..., Path], simulator: Simulator) -> None:
    """It serves nobody, and the stage is named; where that is demanded, it is UNKNOWN, for a node or for all."""
    path = config(defaults={"timeout": 1.0})
    simulator["asia-1"].freeze()

    ran = check(path, "-o", "json")

    (row,) = [row for row in ran.rows if row["verdict"] == "critical" and row["node"] == "asia-1"]
    assert ran.code == 2
    assert (row["check"], row["stage"]) == ("reach", "request")
    kinds = ("nagios", "prometheus", "junit", "github", "markdown")
    reports = {kind: path.parent / f"frozen.{kind}" for kind in kinds}
    check(path, *(word for kind, name in reports.items() for word in ("--report", f"{kind}={name}")))
    told = {kind: name.read_text(encoding="utf-8") for kind, name in reports.items()}
    assert told["nagios"].startswith("CRITICAL: 2 of 3 nodes healthy, asia-1 reach: ")
    assert "\nrevvlink_check_verdict 2\n" in told["prometheus"]
    assert 'revvlink_check_status{node="asia-1",check="reach"} 2' in told["prometheus"]
    assert 'type="CRITICAL"' in told["junit"]
    assert "::error title=asia-1 reach CRITICAL" in told["github"]
    assert "| CRITICAL | asia-1 | reach |" in told["markdown"]
    mild = check(path, "-o", "json", "--unknown-on-timeout", "--skip", "fleet")
    assert (mild.code, verdicts(mild)["asia-1", "reach"]) == (3, "unknown")
    own = config({"asia-1": {"check": {"unknown_on_timeout": True}}}, defaults={"timeout": 1.0})
    assert check(own, "--skip", "fleet").code == 3
    both = config(defaults={"timeout": 1.0}, check={"unknown_on_timeout": True})
    assert check(both, "--skip", "fleet").code == 3
    assert check(both, "--min-healthy", "2", "--skip", "regions").code == 1


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
    assert (refused.code, "2 healthy nodes are demanded, and there is 1" in refused.err) == (3, True)


WRONG = {
    "no range": (["--warning", "cpu=high"], ["--warning", "'high'", "10:20"]),
    "no unit of it": (["--critical", "cpu=90ms"], ["--critical", "'ms'", "%"]),
    "no check": (["--warning", "cpuu=90%"], ["--warning", "cpuu", "did you mean cpu"]),
    "no figure": (["--warning", "auth=1"], ["auth has no figure"]),
    "no pair": (["--warning", "cpu"], ["CHECK=RANGE"]),
    "swapped": (["-w", "cpu=90%", "-c", "cpu=80%"], ["exchange the two"]),
    "swapped at one end": (["-w", "players=10:200", "-c", "players=20:300"], ["players", "exchange the two"]),
    "a quorum twice": (["--min-healthy", "2", "-c", "quorum=2:"], ["--min-healthy", "keep one"]),
    "only what is skipped": (["--only", "cpu", "--skip", "cpu"], ["--only", "cpu: skipped all the same"]),
    "unknown to skip": (["--skip", "memroy"], ["--skip", "did you mean memory"]),
    "unknown to report": (["--only", "x"], ["--only", "'x' is not a check or a stage", "memory", "figures", "fleet"]),
    "unknown by its case": (["-w", "CPU=90%"], ["--warning", "'CPU'", "did you mean cpu?"]),
    "a stage, nearly": (["--skip", "figure"], ["--skip", "did you mean figures?"]),
    "a home in the place of ~": (["-w", "penalty=/root:50"], ["--warning", "'/root' in '/root:50'", "quote the ~"]),
    "no source": (["--require-source", ""], ["--require-source", "is empty"]),
    "no plugin": (["--require-plugin", " "], ["--require-plugin", "is empty"]),
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

    ran = run_cli("check", "--config", str(config()), *arguments)

    assert ran.code == 3
    assert ran.out == ""
    for word in told:
        assert word in ran.err


def test_mistakes_of_the_file(config: Callable[..., Path], simulator: Simulator) -> None:
    """All are told at once with their lines, in every format, and nothing is sent."""
    path = config(
        {"us-1": {"check": {"warning": {"cpu": "99%"}}}},
        check={"warning": {"memroy": "1", "cpu": "x"}, "min_healthy": 0, "skip": ["y"], "tags": {"a": 1}},
    )

    ran = check(path, "-o", "json")

    told = "\n".join(error["message"] for error in ran.json["errors"])
    assert ran.code == 3
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
    assert (refused.code, "check.min_healthy: 4 healthy nodes are demanded, and there are 3" in refused.err) == (
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


def test_reports(config: Callable[..., Path], tmp_path: Path) -> None:
    """Several at once, each whole, readable by everybody, beside the usual output; what was there is replaced."""
    names = {kind: tmp_path / f"out.{kind}" for kind in ("junit", "prometheus", "nagios", "json", "markdown", "table")}
    names["junit"].write_text("old", encoding="utf-8")

    ran = check(config(), *(word for kind, path in names.items() for word in ("--report", f"{kind}={path}")))

    assert (ran.code, ran.out) == (0, "OK: 3 of 3 nodes healthy\n")
    assert names["junit"].read_text(encoding="utf-8").startswith("<?xml")
    assert json.loads(names["json"].read_text(encoding="utf-8"))["exit_code"] == 0
    assert "revvlink_node_up" in names["prometheus"].read_text(encoding="utf-8")
    assert {stat.S_IMODE(path.stat().st_mode) for path in names.values()} == {0o644}
    assert sorted(tmp_path.iterdir()) == sorted(names.values())


def test_a_report_that_cannot_be_written(config: Callable[..., Path], simulator: Simulator, tmp_path: Path) -> None:
    """It costs no verdict and no other report; alone it is UNKNOWN, and names flag, file and form."""
    gone, good = tmp_path / "gone" / "x.xml", tmp_path / "y.xml"
    path = config()

    ran = check(path, "--report", f"junit={gone}", "--report", f"junit={good}")

    assert (ran.code, ran.out) == (3, "OK: 3 of 3 nodes healthy\n")
    assert f"--report junit={gone}" in ran.err
    assert "FORMAT=FILE" in ran.err
    assert good.exists()
    assert check(path, "--report", f"junit={gone}", "--exit-zero").code == 3
    simulator["us-1"].stop()
    assert check(path, "--report", f"junit={gone}").code == 2


def test_a_full_disk(config: Callable[..., Path]) -> None:
    """A device that takes nothing is a report that cannot be written, too."""
    ran = check(config(), "--report", "prometheus=/dev/full")

    assert (ran.code, ran.out) == (3, "OK: 3 of 3 nodes healthy\n")
    assert "No space left" in ran.err


@pytest.mark.skipif(sys.platform == "win32", reason="there is no /dev/stdout")
def test_a_report_where_the_output_goes(config: Callable[..., Path], tmp_path: Path) -> None:
    """A pipe and a file behind /dev/stdout, /dev/stderr and other open files get both; readers may leave.

    Nothing that was there is lost, and no device is ever replaced by a file.
    """
    program = f'"{sys.executable}" -m revvlink_cli check --config "{config()}" --report'
    out = tmp_path / "o.txt"

    def shell(command: str) -> subprocess.CompletedProcess[str]:
        words = ["bash", "-o", "pipefail", "-c", command.replace("CHECK", program)]
        return subprocess.run(words, capture_output=True, text=True, check=False, cwd=tmp_path)

    piped = shell("CHECK junit=/dev/stdout | cat")
    assert (piped.returncode, piped.stderr) == (0, "")
    assert piped.stdout.startswith("OK: 3 of 3 nodes healthy\n<?xml")
    assert shell("CHECK junit=/dev/stdout | head -n 1").returncode == 0
    assert shell("CHECK junit=>(cat >o.txt); wait; sleep 0.2").stdout == "OK: 3 of 3 nodes healthy\n"
    assert out.read_text(encoding="utf-8").startswith("<?xml")
    for name, where in (("/dev/stdout", ">"), ("/dev/stderr", ">"), ("/dev/fd/7", "7>")):
        out.unlink()
        done = shell(f"echo before >o.txt; CHECK junit={name} >>o.txt 2>&1 7>&1")
        assert (done.returncode, done.stderr) == (0, ""), name
        assert out.read_text(encoding="utf-8").startswith("before\nOK: 3 of 3 nodes healthy\n<?xml"), name
        assert shell(f"CHECK junit={name} {where}o.txt 2>&1").returncode == 0
        assert "<?xml" in out.read_text(encoding="utf-8"), name
    assert sorted(tmp_path.iterdir()) == [out]
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder:
        for _ in range(2):
            assert shell(f"CHECK junit={folder}/x.xml").returncode == 0
        assert Path(folder, "x.xml").read_text("utf-8").count("<?xml") == 1, "a file like any other is replaced"
    assert Path("/dev/null").is_char_device()


def test_output_that_cannot_be_written(config: Callable[..., Path], simulator: Simulator, tmp_path: Path) -> None:
    """A full disk under stdout, or a table that cannot be exported, cost neither verdict nor reports."""
    path, good = config(), tmp_path / "good.json"
    simulator["us-1"].stop()
    command = f'"{sys.executable}" -m revvlink_cli check --config "{path}" --report "json={good}"'

    full = subprocess.run(["sh", "-c", f"{command} > /dev/full"], capture_output=True, text=True, check=False)
    assert (full.returncode, good.exists()) == (2, True)
    assert "cannot write the output" in full.stderr
    good.unlink()
    ran = check(path, "--export", str(tmp_path / "gone" / "x.csv"), "--report", f"json={good}")
    assert (ran.code, good.exists()) == (2, True)
    simulator["us-1"].start()
    assert check(path, "--export", str(tmp_path / "gone" / "x.csv")).code == 3
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    looping = check(path, "--report", f"json={tmp_path / 'a'}", "--report", f"markdown={tmp_path / 'c.md'}")
    assert (looping.code, (tmp_path / "c.md").exists()) == (3, True)


def test_canaries_count_for_the_fleet(config: Callable[..., Path]) -> None:
    """A fleet is as healthy as its nodes, also where nothing but the fleet is reported; a node's own keys count."""
    path = config(check={"canaries": ["sim:fails"], "min_healthy": 1})
    assert (check(path).code, check(path, "--only", "quorum").code, check(path, "--only", "fleet").code) == (2, 2, 2)
    assert check(path, "--only", "cpu").code == 0
    own = config({"us-1": {"check": {"skip": [], "canaries": ["sim:fails"]}}}, check={"skip": ["load"]})
    assert verdicts(check(own, "-o", "json"))["us-1", "load"] == "critical"


def test_nothing_to_check(config: Callable[..., Path]) -> None:
    """When no check could be made, the reason is told."""
    ran = check(config(), "--only", "certificate")

    assert (ran.code, ran.out) == (3, "UNKNOWN: no check was made: the node speaks plain HTTP\n")


def test_what_is_wrong_with_this_machine(config: Callable[..., Path]) -> None:
    """A certificate authority that is not there costs its node only; a dead proxy is no dead node."""
    missing = check(config({"us-1": {"ca_file": "gone.pem"}}))
    assert (missing.code, "gone.pem cannot be read" in missing.out) == (3, True)
    proxied = check(config({"us-1": {"proxy": "http://127.0.0.1:1"}}), "-o", "json", "--skip", "fleet")
    assert (proxied.code, verdicts(proxied)["us-1", "reach"]) == (3, "unknown")


def test_exit_zero(config: Callable[..., Path], simulator: Simulator) -> None:
    """For collectors the verdict costs nothing; a mistake still does."""
    path = config()
    simulator["us-1"].stop()

    ran = check(path, "--exit-zero", "-o", "nagios")
    assert (ran.code, ran.out[:8]) == (0, "CRITICAL")
    assert check(path, "--exit-zero", "nobody").code == 3


def test_the_list() -> None:
    """Every check, with what it looks at and how often it cries wolf; no configuration is needed."""
    ran = run_cli("check", "--list", "-o", "json")

    assert ran.code == 0
    assert [row["check"] for row in ran.rows] == [entry.code for entry in CHECKS]
    assert all(row["what"] and row["false_alarm"] for row in ran.rows)


def test_the_table(config: Callable[..., Path], simulator: Simulator) -> None:
    """What is wrong line by line, one line for a node that is well; -v shows every check."""
    path = config()
    simulator["eu-1"].stop()

    short = check(path, "-o", "table").out
    assert "12 checks" in short
    assert "nothing listens" in short
    assert len(short.splitlines()) < 10
    assert len(check(path, "-o", "table", "-v").out.splitlines()) > 40


def test_formats_are_for_check_alone(config: Callable[..., Path]) -> None:
    """Other commands say so, and root options count for check too."""
    path = str(config())

    other = run_cli("nodes", "status", "--config", path, "-o", "nagios")
    assert (other.code, "nagios" in other.err) == (2, True)
    before = run_cli("-o", "nagios", "nodes", "list", "--config", path)
    assert (before.code, "`check` has it" in before.err) == (2, True)
    assert run_cli("-o", "nagios", "check", "--config", path).out.startswith("OK: ")
    assert run_cli("check", "--config", path, REVVLINK_OUTPUT="nagios").out.startswith("OK: ")


def closing(handle: Handler) -> Handler:
    """The same, closing its connection in the end."""

    async def handle_and_close(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await handle(reader, writer)
        finally:
            writer.close()
            with contextlib.suppress(OSError):  # the other side may have gone without a word
                await writer.wait_closed()

    return handle_and_close


def test_a_certificate_that_ends_soon(isolated: Path, write_config: Callable[..., Path]) -> None:
    """Its days are counted on the connection itself, and are worth a warning before they are over."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(isolated / "ca.pem"))
    soon = authority.issue_cert("127.0.0.1", not_after=datetime.now(UTC) + timedelta(days=10))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    soon.configure_cert(context)
    script = Listening(LAVALINK)

    async def work() -> Ran:
        server = await asyncio.start_server(closing(script.handle), "127.0.0.1", 0, ssl=context)
        async with server:
            port = server.sockets[0].getsockname()[1]
            path = write_config(
                {"identifier": "n", "uri": f"https://127.0.0.1:{port}", "password": PASSWORD, "ca_file": "ca.pem"}
            )
            ran = await asyncio.to_thread(check, path, "-o", "json")
            server.close()
        return ran

    ran = asyncio.run(work())

    (row,) = [row for row in ran.rows if row["check"] == "certificate"]
    assert (ran.code, row["verdict"]) == (1, "warning")
    assert row["figures"][0]["value"] == pytest.approx(10 * 86_400, abs=3600)
    assert (row["figures"][0]["warning"], row["figures"][0]["critical"]) == ("1209600:", "259200:")


def test_a_node_that_does_not_say_goodbye(isolated: Path, write_config: Callable[..., Path]) -> None:
    """One that answers neither the end of the websocket nor that of TLS leaves no connection behind."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(isolated / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)

    class Rude(Listening):
        async def _read(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:  # noqa: ARG002
            while await reader.read(1):  # and no pong, no close frame
                pass

    async def work() -> Ran:
        server = await asyncio.start_server(closing(Rude(LAVALINK).handle), "127.0.0.1", 0, ssl=context)
        async with server:
            uri = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            node = {"identifier": "n", "uri": uri, "password": PASSWORD, "ca_file": "ca.pem", "timeout": 2.0}
            path = write_config(node)
            ran = await asyncio.to_thread(check, path)
            server.close()
        return ran

    ran = asyncio.run(work())  # run_cli fails on what is unclosed
    assert (ran.code, "answered no ping" in ran.out) == (2, True), ran


@pytest.mark.parametrize("server", [LAVALINK, NODELINK])
def test_nodes_are_asked_politely(server: str, write_config: Callable[..., Path]) -> None:
    """Whatever is checked, handshakes and canaries included, no node is asked for more than two things a second."""
    script = Listening(server)
    asked: list[float] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while (request := await read_request(reader)) is not None:
            asked.append(time.monotonic())
            if await script.answer(request, reader, writer):
                return

    async def work() -> Ran:
        async with serving(handle) as uri:
            path = write_config({"identifier": "n", "uri": uri, "password": PASSWORD})
            canaries = [word for number in range(4) for word in ("--canary", f"q{number}")]
            return await asyncio.to_thread(check, path, *canaries, "--timeout", "15")

    ran = asyncio.run(work())

    assert ran.code == 2  # this server knows no tracks
    assert len(asked) >= 6
    assert all(third - first >= 1.0 for first, third in zip(asked, asked[2:], strict=False))


def test_a_canary_that_hangs(write_config: Callable[..., Path]) -> None:
    """It is CRITICAL when the time is over, and the node's other checks are judged all the same."""
    script = Listening(LAVALINK)

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while (request := await read_request(reader)) is not None:
            if request.path.startswith("/v4/loadtracks"):
                await reader.read()
                return
            if await script.answer(request, reader, writer):
                return

    async def work() -> Ran:
        async with serving(handle) as uri:
            path = write_config({"identifier": "n", "uri": uri, "password": PASSWORD})
            return await asyncio.to_thread(check, path, "-o", "json", "--canary", "q", "--timeout", "3")

    ran = asyncio.run(work())

    found = verdicts(ran)
    assert (ran.code, found["n", "load"], found["n", "stats"]) == (2, "critical", "ok")


def test_interrupted(config: Callable[..., Path], simulator: Simulator) -> None:
    """Ctrl-C ends it at once, with its exit code and no traceback."""
    path = config()
    simulator["us-1"].freeze()
    process = subprocess.Popen(
        [sys.executable, "-m", "revvlink_cli", "check", "--config", str(path)], stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 20
    while simulator["eu-1"].open_sockets == 0 and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=10)

    assert (process.returncode, err) == (130, "")


# healthcheck


def test_healthcheck(config: Callable[..., Path], simulator: Simulator) -> None:
    """0 and 1, one short line, whatever is wrong; a busy node is healthy all the same."""
    path = str(config(check={"critical": {"cpu": "1%", "players": "0"}}))

    well = run_cli("healthcheck", "us-1", "--config", path)
    assert (well.code, well.out.startswith("healthy: us-1 ready in"), well.err) == (0, True, "")
    loaded = run_cli("healthcheck", "us-1", "--config", path, "--canary", "ytsearch:night")
    assert loaded.code == 0
    assert run_cli("healthcheck", "us-1", "--config", path, "--canary", "sim:fails").code == 1
    simulator["us-1"].stop()
    dead = run_cli("healthcheck", "us-1", "--config", path)
    assert (dead.code, dead.out.count("\n"), dead.err) == (1, 1, "")
    assert dead.out.startswith("unhealthy: us-1 reach: nothing listens")
    assert len(dead.out.encode()) < 4096
    assert run_cli("healthcheck", "eu-1", "--config", path, "-o", "json").rows["state"] == "healthy"


@pytest.mark.parametrize(
    ("arguments", "told"), [(["us-2"], "did you mean us-1"), ([], "name one of us-1"), (["--nonsense"], "--nonsense")]
)
def test_healthcheck_knows_two_exit_codes(config: Callable[..., Path], arguments: list[str], told: str) -> None:
    """A mistake is 1: container engines keep 2 for themselves."""
    ran = run_cli("healthcheck", *arguments, "--config", str(config()))

    assert (ran.code, told in ran.err) == (1, True)


def test_healthcheck_of_a_broken_configuration(isolated: Path) -> None:
    """However much is wrong with it, it is one short line."""
    (isolated / "x.toml").write_text("\n".join(f"key{number} = 1" for number in range(200)), encoding="utf-8")

    ran = run_cli("healthcheck", "--config", "x.toml")
    assert (ran.code, len(ran.err.splitlines())) == (1, 1)
    assert "more" in ran.err
    assert len(ran.err.encode()) < 4096


def test_healthcheck_of_the_environment(simulator: Simulator) -> None:
    """In a container two variables are a whole configuration."""
    ran = run_cli("healthcheck", REVVLINK_URI=simulator["us-1"].uri, REVVLINK_PASSWORD="pw")

    assert ran.code == 0


# wait


def test_wait(config: Callable[..., Path], simulator: Simulator) -> None:
    """A node that is started later is seen within a second or two; nodes that are there are told at once."""
    path = config()
    simulator["eu-1"].stop()
    timer = threading.Timer(2.0, simulator["eu-1"].start)
    timer.start()
    try:
        ran = run_cli("wait", "--config", str(path), "--timeout", "30s", "-o", "json")
    finally:
        timer.join()

    waited = {row["node"]: row for row in ran.rows}
    assert ran.code == 0
    assert {row["state"] for row in ran.rows} == {"ready"}
    assert waited["us-1"]["waited_ms"] < waited["eu-1"]["waited_ms"] < 15_000


def test_wait_in_vain(config: Callable[..., Path], simulator: Simulator) -> None:
    """When the time is over the reason is told; a refused password is not waited for."""
    path = config({"asia-1": {"password": "no"}})
    simulator["eu-1"].stop()

    began = time.monotonic()
    some = run_cli("wait", "--config", str(path), "--timeout", "2", "-o", "json")
    assert (some.code, time.monotonic() - began < 20) == (5, True)
    assert {error["code"] for error in some.json["errors"]} == {"connection_refused", "wrong_password"}
    assert run_cli("wait", "eu-1", "--config", str(path), "--timeout", "1").code == 3
    began = time.monotonic()
    refused = run_cli("wait", "asia-1", "--config", str(path))
    assert (refused.code, time.monotonic() - began < 30) == (4, True)


def test_wait_for_health(config: Callable[..., Path], simulator: Simulator) -> None:
    """A node that is ready and not healthy is waited for, until its figures say otherwise."""
    path = config(check={"critical": {"cpu": "50%"}})
    simulator["us-1"].set_load(system_load=0.9)
    assert run_cli("wait", "us-1", "--config", str(path), "--timeout", "10").code == 0
    unhealthy = run_cli("wait", "us-1", "--for", "healthy", "--config", str(path), "--timeout", "2", "-o", "json")
    assert (unhealthy.code, unhealthy.json["errors"][0]["code"]) == (3, "threshold")

    timer = threading.Timer(1.5, lambda: simulator["us-1"].set_load(system_load=0.1))
    timer.start()
    try:
        ran = run_cli("wait", "us-1", "--for", "healthy", "--config", str(path), "--timeout", "20")
    finally:
        timer.join()
    assert ran.code == 0


def test_wait_behind_a_proxy(simulator: Simulator, write_config: Callable[..., Path]) -> None:
    """What answers 404 or 502 in the node's place does not end the waiting."""
    from tests.situations.test_bad_servers import always, http
    from tests.situations.test_bad_servers import serving as serving_raw

    node = simulator["us-1"]
    node.stop()
    with serving_raw(always(http("404 Not Found", "no backend", kind="text/plain"))) as port:
        path = write_config({"identifier": "n", "uri": f"http://127.0.0.1:{port}", "password": "pw"})
        ran = run_cli("wait", "--config", str(path), "--timeout", "2s", "-o", "json")

    assert (ran.code, ran.json["errors"][0]["code"]) == (3, "not_lavalink")
    assert 1900 <= ran.rows[0]["waited_ms"] < 15_000


def test_processes_leave_nothing_behind(config: Callable[..., Path], simulator: Simulator) -> None:
    """After checks, probes of health and waiting no node holds a socket of theirs."""
    path = str(config())
    for command in (["check"], ["healthcheck", "us-1"], ["wait"]):
        run_cli(*command, "--config", path)

    deadline = time.monotonic() + 5
    while any(node.open_sockets for node in simulator) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert [node.open_sockets for node in simulator] == [0, 0, 0]
    assert os.environ.get("REVVLINK_CONFIG") is None


def test_node_that_cannot_speak_dave(write_config: Callable[..., Path]) -> None:
    """A Lavalink 4.1 plays for nobody: CRITICAL with what to do, healthy again where the check is left out."""
    with Simulator([NodeProfile(identifier="old", password="pw", version="4.1.1")]) as running:
        path = write_config({"identifier": "old", "uri": running["old"].uri, "password": "pw"})
        ran = check(path, "-o", "json")
        row = next(row for row in ran.rows if row["check"] == "voice")
        assert (ran.code, row["verdict"], row["code"]) == (2, "critical", "voice_dave_required")
        assert "4.2.0" in row["hint"]
        assert check(path, "--skip", "voice").code == 0
