"""``--export``: any table as a picture, a page, Markdown or CSV, beside the usual output."""

from __future__ import annotations

import csv
import io
import json
import signal
import subprocess
import sys
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING

import pytest

from tests.conftest import run_cli

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def config(write_config: Callable[..., Path]) -> Path:
    """Two nodes, one with a name that means something elsewhere."""
    one = {"identifier": "us-1", "uri": "http://127.0.0.1:1", "password": "x", "region": "us", "tags": ["a|b", "=1+1"]}
    return write_config(one, {"identifier": "<b>&", "uri": "http://127.0.0.1:2", "password": "x"})


@pytest.mark.parametrize("ending", ["svg", "html", "md", "csv", "CSV"])
@pytest.mark.parametrize("output", ["table", "plain", "json"])
def test_every_format(config: Path, tmp_path: Path, ending: str, output: str) -> None:
    """The file is written, and what the command prints is what it prints without."""
    path = tmp_path / f"nodes.{ending}"
    usual = run_cli("--config", str(config), "nodes", "list", "-o", output)
    ran = run_cli("--config", str(config), "nodes", "list", "-o", output, "--export", str(path))

    assert (ran.code, ran.out, ran.err) == (usual.code, usual.out, usual.err)
    assert "us-1" in path.read_text(encoding="utf-8")


def test_what_is_in_them(config: Path, tmp_path: Path) -> None:
    """CSV has the fields in full and no formulas, Markdown and HTML take names as text, the picture fetches nothing."""
    texts = {}
    for ending in ("svg", "html", "md", "csv"):
        path = tmp_path / f"nodes.{ending}"
        assert run_cli("--config", str(config), "nodes", "list", "--export", str(path)).code == 0
        texts[ending] = path.read_text(encoding="utf-8")
    rows = list(csv.DictReader(io.StringIO(texts["csv"])))
    assert [row["node"] for row in rows] == ["us-1", "<b>&"]
    assert rows[0]["tags"] == "a|b,=1+1"
    assert "\\<b\\>" in texts["md"]
    assert "a\\|b" in texts["md"]
    assert "&lt;b&gt;&amp;" in texts["html"]
    ET.fromstring(texts["svg"])
    for ending in ("svg", "html"):
        assert "font-face" not in texts[ending]
        assert "src=" not in texts[ending]


def test_nothing_found(config: Path, tmp_path: Path) -> None:
    """A table without rows has its columns all the same, for programs that read it."""
    path = tmp_path / "cache.csv"
    arguments = ("cache", "list", "--export", str(path))
    assert run_cli("--config", str(config), *arguments, XDG_CACHE_HOME=str(tmp_path)).code == 0
    assert path.read_text(encoding="utf-8").splitlines()[0].startswith("query,")


def test_places_and_names_that_will_not_do(config: Path, tmp_path: Path) -> None:
    """An unwritable place is exit code 1 with the reason, a strange ending a usage error."""
    ran = run_cli("--config", str(config), "nodes", "list", "--export", str(tmp_path / "nowhere" / "x.csv"))
    assert ran.code == 1
    assert "cannot be written" in ran.err
    assert ran.out
    for arguments in (("nodes", "list", "--export", "x.pdf"), ("events", "--export", "x.csv")):
        assert run_cli("--config", str(config), *arguments).code == 2


def test_a_table_under_watch(config: Path, tmp_path: Path) -> None:
    """The last look is what is written, also when Ctrl-C ends the watch, as it mostly does."""
    path = tmp_path / "status.csv"
    arguments = ("nodes", "status", "--watch", "--count", "2", "--interval", "0.2", "--timeout", "1")
    ran = run_cli("--config", str(config), *arguments, "--export", str(path))

    assert len([line for line in ran.out.splitlines() if "nodes" in json.loads(line)]) == 2
    assert len(path.read_text(encoding="utf-8").splitlines()) == 3
    path.unlink()

    command = [sys.executable, "-m", "revvlink_cli", "--config", str(config), *arguments[:3], "--interval", "0.2"]
    for number, code in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
        with subprocess.Popen([*command, "--export", str(path)], stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            assert "nodes" in json.loads(process.stdout.readline())
            process.send_signal(number)
            assert process.wait(20) == code
        assert len(path.read_text(encoding="utf-8").splitlines()) == 3
        path.unlink()
