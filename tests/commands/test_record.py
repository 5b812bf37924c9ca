"""``record`` and ``report``: what happened to a fleet, kept and summed up."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from revvlink_cli.services.availability import history_of
from revvlink_cli.services.recording import read
from revvlink_cli.simulator import NodeProfile, Simulator
from tests.conftest import run_cli

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture
def fleet() -> Iterator[Simulator]:
    """Two nodes."""
    with Simulator(
        [NodeProfile(identifier="us-1", region="us", playing=9, players=9), NodeProfile(identifier="eu-1")]
    ) as s:
        yield s


@pytest.fixture
def config(fleet: Simulator, write_config: Callable[..., Path]) -> Path:
    """A configuration with both."""
    return write_config(*({"identifier": n.profile.identifier, "uri": n.uri, "password": n.password} for n in fleet))


def look(second: int, **states: tuple[str, float | None, int | None]) -> str:
    """A line: by node, its state, its penalty and its uptime."""
    rows = [
        {"node": name.replace("_", "-"), "state": state, "penalty": penalty, "uptime_ms": uptime, "region": "us",
         "playing": 3, "cpu_load_ratio": 0.5, "latency_ms": 2.0, "is_stale": state == "lost"}
        for name, (state, penalty, uptime) in states.items()
    ]  # fmt: skip
    return json.dumps({"time": f"2026-01-31T12:{second // 60:02}:{second % 60:02}+00:00", "nodes": rows})


LINES = [
    look(0, a=("connected", 1.0, 1000), b=("connected", 10.0, 1000)),
    look(10, a=("connected", 2.0, 11000), b=("lost", 10.0, 1000)),
    look(20, a=("connected", 3.0, 500), b=("connected", 20.0, 900)),
    look(30, a=("connected", 100.0, 10500), b=("lost", 20.0, 900)),
]


def test_summing_up(tmp_path: Path, cli: Callable[..., Any]) -> None:
    """Availability, losses, restarts and percentiles are those of the looks; stale figures do not count."""
    path = tmp_path / "fleet.jsonl"
    path.write_text("\n".join(LINES), encoding="utf-8")

    ran = cli("report", str(path), "-o", "json")

    assert ran.code == 0
    a, b = ran.rows
    assert (a["availability_ratio"], a["losses"], a["restarts"], a["samples"]) == (1.0, 0, 1, 4)
    assert (b["availability_ratio"], b["losses"], b["restarts"]) == (0.5, 2, 1)
    assert (a["penalty_p50"], a["penalty_p95"], a["penalty_max"]) == (2.0, 100.0, 100.0)
    assert (b["penalty_p50"], b["penalty_max"]) == (10.0, 20.0)
    assert a["cpu_p50_ratio"] == 0.5


@pytest.mark.parametrize(("looks", "p50", "p95"), [(1, 1, 1), (2, 1, 2), (20, 10, 19), (21, 11, 20), (40, 20, 38)])
def test_percentiles(looks: int, p50: int, p95: int, tmp_path: Path, cli: Callable[..., Any]) -> None:
    """Each is the lowest figure that at least so many in a hundred do not exceed."""
    path = tmp_path / "fleet.jsonl"
    path.write_text("\n".join(look(n, a=("connected", n + 1, n)) for n in range(looks)), encoding="utf-8")

    (row,) = cli("report", str(path), "-o", "json").rows
    assert (row["penalty_p50"], row["penalty_p95"], row["penalty_max"]) == (p50, p95, looks)


def test_looks_out_of_order(tmp_path: Path, cli: Callable[..., Any]) -> None:
    """What happened is told by the times of the looks, in whichever order they stand: files are put together."""
    path = tmp_path / "fleet.jsonl"
    ran = []
    for lines in (LINES, LINES[2:] + LINES[:2], LINES[::-1]):
        path.write_text("\n".join(lines), encoding="utf-8")
        out = tmp_path / "report.html"
        ran.append((cli("report", str(path), "-o", "json", "--html", str(out)).rows, out.read_text("utf-8")))

    assert ran[0] == ran[1] == ran[2]


def test_a_recording_of_a_fleet(fleet: Simulator, config: Path, tmp_path: Path) -> None:
    """A node that dies meanwhile has been available for a while only."""
    path = tmp_path / "fleet.jsonl"
    command = [sys.executable, "-m", "revvlink_cli", "--config", str(config), "record", str(path), "--interval", "0.2"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 20
        while not path.exists() or path.read_text(encoding="utf-8").count("\n") < 5:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        fleet["us-1"].kill()
        time.sleep(1.5)
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 130

    rows = {row["node"]: row for row in run_cli("report", str(path), "-o", "json").rows}
    assert rows["eu-1"]["availability_ratio"] == 1
    assert 0 < rows["us-1"]["availability_ratio"] < 1
    assert rows["us-1"]["losses"] == 1
    assert rows["us-1"]["playing_max"] == 9
    again = run_cli("--config", str(config), "record", str(path), "--count", "1")
    assert again.code == 1
    assert "--append" in again.err
    before = rows["eu-1"]["samples"]
    more = ("record", str(path), "--count", "2", "--interval", "0.2", "--append")
    assert run_cli("--config", str(config), *more).code == 0
    rows = {row["node"]: row for row in run_cli("report", str(path), "-o", "json").rows}
    assert rows["eu-1"]["samples"] == before + 2


@pytest.mark.parametrize(
    ("before", "looks", "code"),
    [("\n".join(LINES), 5, 0), ("\n".join(LINES)[:-9], 4, 5), (LINES[0] + "\n", 2, 0), ("", 1, 0)],
)
def test_adding_to_a_recording(before: str, looks: int, code: int, config: Path, tmp_path: Path) -> None:
    """The first new look has a line of its own, also behind a line that was cut off: nothing else is lost."""
    path = tmp_path / "fleet.jsonl"
    path.write_text(before, encoding="utf-8")

    assert run_cli("--config", str(config), "record", str(path), "--count", "1", "--append").code == 0

    out = tmp_path / "report.html"
    assert run_cli("report", str(path), "--html", str(out)).code == code
    assert f"<p>{looks} samples of " in out.read_text(encoding="utf-8")
    assert "\n\n" not in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["", "-"])
def test_names_that_are_no_files(name: str, config: Path, tmp_path: Path) -> None:
    """Neither an empty name, as of a variable that is not set, nor standard output can be recorded to."""
    path = tmp_path / "fleet.jsonl"
    path.write_text("\n".join(LINES), encoding="utf-8")
    for arguments, named in (
        (("--config", str(config), "record", "--count", "1", "--", name), "FILE"),
        (("report", str(path), "--html", name), "--html"),
    ):
        ran = run_cli(*arguments)
        assert ran.code == 2
        assert ran.err.count("\n") == 1
        assert f"{named}: {name!r} is not a file" in ran.err


def test_places_that_cannot_be_written(config: Path, tmp_path: Path) -> None:
    """They are told in one line, exit code 1."""
    (tmp_path / "file").touch()
    path = tmp_path / "fleet.jsonl"
    path.write_text("\n".join(LINES), encoding="utf-8")
    for arguments in (
        ("--config", str(config), "record", str(tmp_path / "file" / "x"), "--count", "1"),
        ("report", str(path), "--html", str(tmp_path / "file" / "x.html")),
    ):
        ran = run_cli(*arguments)
        assert ran.code == 1
        assert ran.err.count("\n") == 1
        assert "cannot be written" in ran.err


@pytest.mark.parametrize(
    ("lines", "named", "code"),
    [
        ([*LINES, LINES[0][:40]], "line 5 is not JSON", 5),
        (["nonsense", *LINES], "line 1 is not JSON", 5),
        ([*LINES[:2], '{"nodes": []}', *LINES[2:]], "line 3 has no time", 5),
        ([*LINES, '{"error": {"code": "x"}}'], "", 0),
        ([*LINES, LINES[0].replace('"b"', '"a"')], "line 5 names a node twice", 5),
        ([*LINES, '{"time": 1%s}' % ("0" * 5000)], "line 5 is not JSON", 5),
        (["[1]"], "line 1 is not a sample", 1),
        ([], "no sample of a fleet", 1),
    ],
)
def test_files_that_are_cut_off_or_foreign(lines: list[str], named: str, code: int, tmp_path: Path) -> None:
    """The line is named, and what can be used is."""
    path = tmp_path / "fleet.jsonl"
    path.write_text("\n".join(lines), encoding="utf-8")

    ran = run_cli("report", str(path))

    assert ran.code == code
    assert named in ran.err
    assert (ran.out.count("\n") == 2) == (code != 1)


@pytest.mark.parametrize("zone", ["UTC", "Pacific/Kiritimati", "America/Los_Angeles"])
def test_times_at_the_edge(zone: str, tmp_path: Path) -> None:
    """A time that other zones cannot express is a problem of its line, wherever the report is made."""
    path, out = tmp_path / "fleet.jsonl", tmp_path / "report.html"
    times = ("0001-01-01T00:00:00+23:59", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59-23:59", "9999-12-31T23:59:59Z")
    bad = [LINES[0].replace("2026-01-31T12:00:00+00:00", moment) for moment in times]
    path.write_text("\n".join([*LINES, *bad]), encoding="utf-8")

    ran = run_cli("report", str(path), "--html", str(out), TZ=zone)

    assert ran.code == 5
    assert [
        f"line {number} has a time that some zones cannot express" in line
        for number, line in enumerate(ran.err.splitlines(), 5)
    ] == [True] * 4
    assert "<p>4 samples of 2 nodes" in out.read_text(encoding="utf-8")


KEYS = st.sampled_from(["time", "nodes", "node", "state", "penalty"])
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner),
    max_leaves=8,
)


@given(st.lists(st.text(max_size=20) | JSON.map(json.dumps) | st.sampled_from(LINES), max_size=6))
def test_any_file_can_be_read(lines: list[str]) -> None:
    """Whatever stands in it."""
    recording = read(enumerate(lines, start=1))

    assert recording.samples + len(recording.problems) <= len(lines)
    history = history_of([recording, recording])
    for node in history.nodes if history is not None else ():
        assert node.availability is None or 0 <= node.availability <= 1
        for share in (0, 50, 100):
            node.percentile("penalty", share)


class Tags(HTMLParser):
    """What a page consists of."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


@pytest.fixture
def html(tmp_path: Path) -> Path:
    """A page, with names that mean something in HTML."""
    path = tmp_path / "fleet.jsonl"
    path.write_text("\n".join(LINES).replace('"a"', '"<b>&\\"a"'), encoding="utf-8")
    out = tmp_path / "report.html"
    assert run_cli("report", str(path), "--html", str(out)).code == 0
    return out


def test_the_page(html: Path) -> None:
    """It needs nothing from anywhere, has no script, its drawings are well formed, and names are text."""
    text = html.read_text(encoding="utf-8")
    tags = Tags()
    tags.feed(text)

    names = [tag for tag, _ in tags.found]
    assert sum(tag == "svg" and attributes.get("class") == "chart" for tag, attributes in tags.found) == 5
    assert not {"script", "link", "img", "iframe", "b"} & set(names)
    assert not [value for _, attributes in tags.found for key, value in attributes.items() if key in ("src", "href")]
    assert "http" not in text
    assert "&lt;b&gt;&amp;&quot;a" in text
    drawings = re.findall(r"<figure>.*?</figure>", text, re.DOTALL)
    assert len(drawings) == 5
    for drawing in drawings:
        ET.fromstring(drawing)


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """A recording."""
    path = tmp_path / "fleet.jsonl"
    path.write_text("\n".join(LINES), encoding="utf-8")
    return path


def test_a_page_into_a_pipe(recording: Path, tmp_path: Path) -> None:
    """A pipe stays one, and its reader gets the page; so does the reader of standard output."""
    pipe, link = tmp_path / "pipe", tmp_path / "link"
    os.mkfifo(pipe)
    link.symlink_to(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        for name in (pipe, link):
            assert run_cli("report", str(recording), "--html", str(name)).code == 0
            assert pipe.is_fifo()
            assert os.read(reader, 100).startswith(b"<!doctype html>")
            while os.read(reader, 10_000):
                pass
    finally:
        os.close(reader)
    ran = run_cli("report", str(recording), "--html", "/dev/stdout")
    assert ran.code == 0
    assert ran.out.startswith("<!doctype html>")
    assert ran.out.count("\na\t") == 1


def test_a_page_in_a_folder_that_is_not_there(recording: Path, tmp_path: Path) -> None:
    """No folder is made: a misspelt one would stay."""
    ran = run_cli("report", str(recording), "--html", str(tmp_path / "nowhere" / "x.html"))

    assert ran.code == 1
    assert "cannot be written: No such file" in ran.err
    assert not (tmp_path / "nowhere").exists()


def test_a_page_in_place_of_the_recording(recording: Path, tmp_path: Path) -> None:
    """It is refused, by whichever name the recording goes, and the recording stays."""
    before = recording.read_bytes()
    link, copy = tmp_path / "link", tmp_path / "copy"
    link.symlink_to(recording)
    copy.hardlink_to(recording)
    for out in (recording, link, copy):
        for source in (str(recording), "-"):
            with recording.open(encoding="utf-8") as given:
                command = [sys.executable, "-m", "revvlink_cli", "report", source, "--html", str(out)]
                ran = subprocess.run(command, stdin=given, capture_output=True, text=True, check=False)
            assert ran.returncode == 2
            assert ran.stderr == f"error: {out} is the recording itself (name another file for the page)\n"
            assert recording.read_bytes() == before
            assert link.is_symlink()


def test_one_look_is_a_dot(tmp_path: Path) -> None:
    """A figure without neighbours is drawn, too: a line of one point shows nothing."""
    path, out = tmp_path / "fleet.jsonl", tmp_path / "report.html"
    path.write_text(look(0, a=("connected", 1.0, 1)), encoding="utf-8")

    assert run_cli("report", str(path), "--html", str(out)).code == 0
    assert out.read_text(encoding="utf-8").count("<circle") == 4
    assert "<polyline" not in out.read_text(encoding="utf-8")


@pytest.mark.parametrize("low", [1e-300, 5e-324, 0.0, -1e14])
@pytest.mark.parametrize("high", [0.0, 1e-300, 999999999999999.0])
def test_figures_far_apart(low: float, high: float, tmp_path: Path) -> None:
    """Every point lies within its drawing; what is below zero is not a figure of a node."""
    path, out = tmp_path / "fleet.jsonl", tmp_path / "report.html"
    lines = [look(n, a=("connected", low, 1), b=("connected", high, 1)) for n in range(2)]
    path.write_text("\n".join(lines), encoding="utf-8")

    assert run_cli("report", str(path), "--html", str(out)).code == 0
    points = re.findall(r'points="(.*?)"', out.read_text(encoding="utf-8"))
    heights = [float(point.partition(",")[2]) for line in points for point in line.split()]
    assert heights
    assert all(8 <= height <= 196 for height in heights)


def test_the_page_in_a_browser(html: Path) -> None:
    """Headless Chromium opens it without a network and draws the charts."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if browser is None:
        if os.environ.get("REVVLINK_TEST_BROWSER"):
            pytest.fail("there is no Chromium")
        pytest.skip("there is no Chromium")
    done = subprocess.run(
        [browser, "--headless", "--no-sandbox", "--disable-gpu", "--host-resolver-rules=MAP * ~NOTFOUND", "--dump-dom",
         html.as_uri()],
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip

    assert done.stdout.count("<polyline") >= 4
    assert "AVAILABLE" in done.stdout
