"""Encoded tracks from one command to the next, and to people who copy them."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from revvlink_cli.simulator import NodeProfile, Simulator
from tests.conftest import run_cli
from tests.fake_terminal import Terminal
from tests.situations import hostile_server as hostile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    """A node with music."""
    with Simulator([NodeProfile(identifier="one")]) as running:
        yield running


@pytest.fixture
def config(simulator: Simulator, write_config: Callable[..., Path]) -> Path:
    """A configuration with it."""
    return write_config({"identifier": "one", "uri": simulator["one"].uri, "password": simulator["one"].password})


@pytest.mark.parametrize("form", ["", "-o plain", "-o json", "-o jsonl"])
@pytest.mark.parametrize(
    "words", ["night", "sim:playlist", "sim:stream", "http://x.invalid/two.mp3", "night --limit 1"]
)
def test_a_pipe_to_the_decoder(config: Path, words: str, form: str) -> None:
    """`search … --encoded | track decode -` works as typed, whatever was found, in every format for programs."""
    program = f"{sys.executable} -m revvlink_cli --config {config}"
    found = run_cli("--config", str(config), "search", *words.split(), "-o", "json").rows
    line = f"{program} search {words} --encoded {form} | {program} track decode - -o jsonl"
    done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("\n") == len(found) > 0
    for row in found:
        assert f'"identifier":"{row["identifier"]}"' in done.stdout


@pytest.mark.parametrize("form", ["plain", "json", "jsonl"])
def test_titles_with_tabs_and_lines(form: str, write_config: Callable[..., Path]) -> None:
    """A title that looks like more fields and more lines changes nothing."""
    with hostile.serving() as port:
        path = write_config({"identifier": "one", "uri": f"http://127.0.0.1:{port}", "password": "x"})
        for words in ("list", "words"):
            found = run_cli("--config", str(path), "search", words, "--encoded", "-o", form)
            decoded = run_cli("track", "decode", "-", "-o", "json", stdin=found.out)
            assert decoded.code == 0, decoded.err
            assert decoded.rows[0]["title"] == hostile.HOSTILE


@pytest.mark.parametrize("columns", [40, 80, 120, 200])
def test_a_terminal_shows_all_of_it(config: Path, columns: int) -> None:
    """However narrow the terminal, the encoded form is there in one piece, to be copied."""
    rows = run_cli("--config", str(config), "search", "night", "-o", "json").rows
    terminal = Terminal(config, "search", "night", "--encoded", columns=columns)
    assert terminal.end() == 0
    assert len(rows) == 3
    for row in rows:
        assert row["encoded"] in terminal.seen
        assert row["title"][:8] in terminal.seen


def test_what_is_no_track(config: Path) -> None:
    """Lines without an encoded track are named by their number, and the others are decoded."""
    encoded = run_cli("--config", str(config), "search", "night", "--limit", "1", "-o", "json").rows[0]["encoded"]
    lines = f'{encoded}\n{{"error":{{"code":"x"}}}}\n{{"title":"x"}}\n{{broken\n'
    ran = run_cli("track", "decode", "-", "-o", "json", stdin=lines)
    assert ran.code == 5
    assert [row["encoded"] for row in ran.rows] == [encoded]
    assert [error["message"].partition(":")[0] for error in ran.json["errors"]] == ["track 2", "track 3", "track 4"]


def test_plain_says_what_the_table_says(config: Path) -> None:
    """The playlist's name is a field, and a live stream is one; a track of no playlist has an empty field."""
    plain = [run_cli("--config", str(config), "search", words).out.splitlines() for words in
             ("sim:playlist", "sim:stream", "night")]  # fmt: skip
    assert {line.split("\t")[5] for line in plain[0]} == {"Evenings by the Water"}
    assert plain[1][0].split("\t")[2] == "live"
    assert {line.split("\t")[5] for line in plain[2]} == {""}
    assert all(line.split("\t")[2].isdecimal() for line in plain[0] + plain[2])
