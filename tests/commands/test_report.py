"""``report`` over time: a verdict on the availability, incidents, several files, and a page."""

from __future__ import annotations

import io
import json
import os
import re
import time
from contextlib import redirect_stderr, redirect_stdout
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from revvlink_cli.cli.app import run
from tests.conftest import Ran

if TYPE_CHECKING:
    from collections.abc import Iterator

GOLDEN = Path(__file__).resolve().parents[1] / "data" / "golden"

START = datetime(2026, 11, 28, 21, tzinfo=UTC).timestamp()


@pytest.fixture(autouse=True)
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The local zone is that of Berlin."""
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def report(*arguments: object) -> Ran:
    """Run the command in this process."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = run(["report", *map(str, arguments)])
    return Ran(code, out.getvalue(), err.getvalue())


def write(path: Path, nodes: dict[str, str], *, first: float = 0.0, step: float = 60.0) -> Path:
    """Write a recording: by node a sign for each sample, ``u`` up, ``d`` down, a space for none."""
    lines = []
    for number in range(max(map(len, nodes.values()))):
        rows = [
            {
                "node": name,
                "region": name.partition("-")[0],
                "state": "connected" if signs[number] == "u" else "failed",
                "penalty": 10.0 + number % 5,
                "playing": number % 9,
                "cpu_load_ratio": 0.3,
                "latency_ms": 12.5,
                "uptime_ms": 1000 * number,
                "reason": None if signs[number] == "u" else "connection_refused",
                "message": None if signs[number] == "u" else "nothing listens on us.example:2333",
            }
            for name, signs in nodes.items()
            if number < len(signs) and signs[number] != " "
        ]
        at = datetime.fromtimestamp(START + first + step * number, UTC).isoformat()
        if rows:
            lines.append(json.dumps({"time": at, "nodes": rows}))
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


@pytest.fixture
def night(tmp_path: Path) -> Path:
    """Ten hours: us-1 fails for two minutes, eu-1 never, asia-1 is down at the end."""
    return write(
        tmp_path / "night.jsonl",
        {"us-1": "u" * 100 + "dd" + "u" * 498, "eu-1": "u" * 600, "asia-1": "u" * 597 + "ddd"},
    )


def test_did_last_night_hold(night: Path) -> None:
    """Exit code 1 and a line for each node below the minimum, the worst first; 0 where every node held it."""
    ran = report(night, "--min-availability", "99.6", "-o", "json")

    assert ran.code == 1
    rows = {row["node"]: row for row in ran.rows}
    assert {node: row["holds"] for node, row in rows.items()} == {"us-1": True, "eu-1": True, "asia-1": False}
    assert [(error["node"], error["code"]) for error in ran.json["errors"]] == [("asia-1", "availability")]
    assert ran.json["errors"][0]["message"] == "was available for 99.5%, less than 99.6%"
    assert ran.json["errors"][0]["hint"] == "down for 3m 0s, 2m 24s allowed"
    assert rows["us-1"]["downtime_ms"] == 120_000
    assert rows["us-1"]["incidents"] == [
        {
            "node": "us-1", "started_at": "2026-11-28T23:40:00.000+01:00", "ended_at": "2026-11-28T23:42:00.000+01:00",
            "lasted_ms": 120_000, "start_is_seen": True, "end_is_seen": True, "state": "failed",
            "reason": "connection_refused", "message": "nothing listens on us.example:2333", "then": None,
        }
    ]  # fmt: skip
    assert report(night, "--min-availability", "99.5%").code == 0
    assert report(night, "--until", "2026-11-28T23:40", "--min-availability", "100").code == 0
    assert report(night, "--node", "us-*", "--node", "eu-1", "--min-availability", "99.6").code == 0
    both = report(night, "--min-availability", "99.99")
    assert [line.split()[1] for line in both.err.splitlines() if line.startswith("error")] == ["asia-1:", "us-1:"]


def test_the_table_shows_the_worst(night: Path) -> None:
    """Availability has the decimals of a service level, and notes sum up the fleet and its time."""
    ran = report(night, "-o", "table", "--until", "2026-11-29T07:00")

    assert ran.code == 0
    assert re.search(r"us-1 +us .* 99.62% ", ran.out)
    assert "note: Sat 28 Nov 22:00:00 to Sun 29 Nov 07:00:00, CET\n" in ran.err
    assert "note: 1 incident on 1 of 3 nodes; fleet availability 99.87%\n" in ran.err
    assert "--incidents lists when and why" in ran.err


def test_incidents(night: Path) -> None:
    """They stand in order of time; one that goes on to the end may have lasted longer."""
    ran = report(night, "--incidents", "-o", "table")

    first, second = ran.out.splitlines()[2:]
    assert re.split(r" {2,}", first.strip()) == [
        "us-1", "Sat 28 Nov 23:40:00", "23:42:00", "2m 0s", "nothing listens on us.example:2333",
    ]  # fmt: skip
    assert re.split(r" {2,}", second.strip())[:4] == ["asia-1", "Sun 29 Nov 07:57:00", "08:00:00 or later", ">= 3m 0s"]
    plain = report(night, "--incidents").out.splitlines()
    assert plain[0].split("\t") == [
        "us-1", "2026-11-28T23:40:00.000+01:00", "2026-11-28T23:42:00.000+01:00", "120000", "connection_refused",
    ]  # fmt: skip


def test_several_files(tmp_path: Path) -> None:
    """They are merged by node; the pause between them is not observed, and a node of one of them counts for itself."""
    one = write(tmp_path / "1.jsonl", {"us-1": "u" * 30, "eu-1": "u" * 30})
    two = write(tmp_path / "2.jsonl", {"us-1": "u" * 29 + "d", "asia-1": "u" * 30}, first=3600)

    ran = report(two, one, one, "--min-availability", "99", "-o", "json")

    rows = {row["node"]: row for row in ran.rows}
    assert ran.code == 1
    assert set(rows) == {"us-1", "eu-1", "asia-1"}
    assert (rows["us-1"]["samples"], rows["eu-1"]["samples"]) == (60, 30)
    assert rows["us-1"]["availability_ratio"] == pytest.approx(59 / 60, abs=1e-6)
    assert rows["us-1"]["observed_ratio"] == pytest.approx(60 / 90, abs=1e-6)
    assert ran.err == (
        "warning: not observed all the time: asia-1 33%, eu-1 33%, us-1 67%; gaps count neither as up nor as down\n"
        "error: us-1: was available for 98.33%, less than 99% (down for 1m 0s, 36s allowed)\n"
    )


def test_a_node_that_nothing_observed_has_not_held(tmp_path: Path) -> None:
    """Silence is not availability."""
    path = write(tmp_path / "1.jsonl", {"us-1": "u" * 60, "eu-1": "u" * 10})

    ran = report(path, "--since", "2026-11-28T22:30", "--min-availability", "99", "-o", "json")

    assert ran.code == 1
    assert [(error["node"], error["code"]) for error in ran.json["errors"]] == [("eu-1", "not_observed")]
    assert [row["availability_ratio"] for row in ran.rows] == [1.0, None]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--since", "soon"), 2, "--since: 'soon' is not a moment: write 24h, today"),
        (("--since", "2026-11-29", "--until", "2026-11-28"), 2, "--until: is not after --since"),
        (("--min-availability", "999"), 2, "'999' is not a percentage up to 100, such as 99.9"),
        (("--min-availability", "nan"), 2, "'nan' is not a percentage"),
        (("--html", "x.html", "--config", "none.toml"), 2, "none.toml"),
        (("--node", "moon-*"), 2, "no node fits moon-* (leave out --node to see all)"),
        (("-", "-"), 2, "standard input can be read once"),
        (
            ("--since", "2027-01-01"),
            1,
            "no sample since Fri 1 Jan 00:00:00 CET (the recording covers Sat 28 Nov 22:00:00",
        ),
    ],
)
def test_what_makes_no_sense(arguments: tuple[str, ...], code: int, message: str, night: Path) -> None:
    """One line says what to write, or what the recording covers."""
    ran = report(night, *arguments)

    assert ran.code == code
    assert ran.err.count("\n") == 1
    assert message in ran.err


def test_the_page_to_the_byte(night: Path, tmp_path: Path) -> None:
    """The verdict, the worst node first, incidents, strips, charts with the thresholds of the configuration."""
    config = tmp_path / "prod.toml"
    config.write_text(
        '[check.warning]\ncpu = "35%"\n[check.critical]\nwebsocket = "20ms"\n'
        '[[nodes]]\nidentifier = "us-1"\nuri = "http://127.0.0.1:1"\npassword = "x"\n'
    )
    config.chmod(0o600)
    out = tmp_path / "night.html"

    ran = report(night, "--html", out, "--config", config, "--min-availability", "99.55")

    assert ran.code == 1
    text = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d CE", "2026-01-01 00:00 CE", out.read_text("utf-8"))
    text = re.sub(r'<rect class="hit".*?</rect>|(?<=points=").*?(?=")', "", text, flags=re.DOTALL)  # see test_charts
    text = text.replace("><", ">\n<")
    order = [text.index(part) for part in ("asia-1</td>", "us-1</td>", "eu-1</td>", "<h2>Incidents", "<h2>Connected")]
    assert order == sorted(order)
    assert "1 of 3 nodes did not hold 99.55%; 2 incidents on 2 of 3 nodes" in text
    assert "warning: 35%" in text
    assert "critical: 20ms" in text
    path = GOLDEN / "report.html"
    if os.environ.get("REVVLINK_TEST_GOLDEN") == "write":
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


def test_a_large_fleet_shows_what_matters(tmp_path: Path) -> None:
    """Of many nodes those with incidents have a bar; the others beyond two dozen are named in a line."""
    nodes = {f"n-{number}": "u" * 60 for number in range(60)} | {"n-50": "u" * 30 + "d" * 30, "n-55": "uud" + "u" * 57}
    path = write(tmp_path / "day.jsonl", nodes)

    assert report(path, "--html", tmp_path / "x.html").code == 0
    text = (tmp_path / "x.html").read_text("utf-8")
    bars = re.findall(r'<text class="name"[^>]*>([^<]*)<', text)
    assert bars[:2] == ["n-50", "n-55"]
    assert len(bars) == 24
    assert "Connected all the time: n-22, n-23," in text
    assert "range of 52 others" in text
