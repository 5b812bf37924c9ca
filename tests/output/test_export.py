"""``--export``: any table as a picture, a page, Markdown or CSV, beside the usual output."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import os
import re
import signal
import subprocess
import sys
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING, Any

import pytest

from revvlink_cli.cli.result_writer import export
from revvlink_cli.commands.nodes.status_rows import StatusRow
from revvlink_cli.commands.shared.command import Options
from revvlink_cli.output.export import export_table
from revvlink_cli.output.result import Result
from tests.conftest import run_cli
from tests.output.test_renderers_golden import DEAD, GOLDEN, STATUS, WELL

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


def exported(result: Result, path: Path, **more: Any) -> str:
    """The text of an exported file, with a fixed time in its title."""
    export_table(result, str(path), command="nodes status", context="prod", **more)
    text = path.read_text(encoding="utf-8").replace("&#160;", " ")
    title = r"(?<=revvlink nodes status · prod · )\d{4}-\d\d-\d\d \d\d:\d\d [^\s<]+(?=<)"
    assert re.search(title, text)
    return re.sub(r"terminal-\d+", "terminal", re.sub(title, "TIME", text))


def test_pictures_to_the_byte(tmp_path: Path) -> None:
    """Colours of the states, a title, the error below the table, hostile names as text, and no colours on request."""
    for ending in ("svg", "html"):
        text = exported(STATUS, tmp_path / f"x.{ending}")
        path = GOLDEN / f"export.{ending}"
        if os.environ.get("REVVLINK_TEST_GOLDEN") == "write":
            path.write_text(text, encoding="utf-8")
        assert text == path.read_text(encoding="utf-8")
    colours = set(re.findall(r"fill: (#\w+)", exported(STATUS, tmp_path / "y.svg")))
    grey = set(re.findall(r"fill: (#\w+)", exported(STATUS, tmp_path / "z.svg", no_color=True)))
    assert {"#cc555a", "#98a84b"} <= colours
    assert not {"#cc555a", "#98a84b"} & grey


def test_a_picture_has_a_width_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the pipe nor the terminal decides it: it fits the content, up to 120 columns, and cuts no reason."""
    reason = "the server at node.example:2333 closed the connection during the handshake, " * 3 + "END"
    long = dataclasses.replace(DEAD, reason=reason, message=None)
    widths: dict[str, set[int]] = {}
    for columns in ("40", "80", "300"):
        monkeypatch.setenv("COLUMNS", columns)
        for name, rows in (("short", (WELL,)), ("long", (WELL, long))):
            text = exported(Result(rows, StatusRow), tmp_path / f"{name}.svg")
            found = re.search(r'viewBox="0 0 (\d+)', text)
            assert found is not None
            widths.setdefault(name, set()).add(int(found[1]))
            assert name == "short" or "END" in text

    assert all(len(found) == 1 for found in widths.values())
    assert max(widths["short"]) <= max(widths["long"])
    assert max(widths["long"]) <= 120 * 12.2 + 20


def test_pictures_have_trouble_first(tmp_path: Path) -> None:
    """The rows stand as on a terminal; files for programs keep the order of the data."""
    rows = (WELL, DEAD)
    for ending in ("svg", "html", "csv"):
        options = Options(export=str(tmp_path / f"x.{ending}"), command="nodes status")
        export(Result(rows, StatusRow), options)
        text = (tmp_path / f"x.{ending}").read_text(encoding="utf-8")
        assert (text.index("1m-1") < text.index("us-1")) == (ending != "csv")
