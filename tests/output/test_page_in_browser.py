"""Pages as a browser lays them out: nothing overflows on a phone, and no labels overlap."""

from __future__ import annotations

import html
import json
import os
import re
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from revvlink_cli.output.export import export_table
from tests.commands.test_report import report, write
from tests.output.test_renderers_golden import STATUS

if TYPE_CHECKING:
    from pathlib import Path

WIDTHS = (390, 760, 1280)

MEASURE = """
addEventListener("load", () => {
  const facts = {};
  for (const frame of document.querySelectorAll("iframe")) {
    const page = frame.contentDocument, root = page.documentElement;
    const boxes = [...page.querySelectorAll("svg.chart")].map(chart => [...chart.querySelectorAll("text")]
      .map(text => text.getBoundingClientRect()).filter(box => box.width));
    const cross = (a, b) =>
      a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 2 && b.top < a.bottom - 2;
    facts[frame.title] = {
      overflow: root.scrollWidth - root.clientWidth,
      outside: boxes.flat().filter(box => box.left < -1 || box.right > root.clientWidth + 1).length,
      overlaps: boxes.map(some => some.filter((a, i) => some.some((b, j) => j > i && cross(a, b))).length),
      lines: page.querySelectorAll("polyline").length,
      hovers: [...page.querySelectorAll(".hit")].filter(hit => hit.getBoundingClientRect().width > 1).length,
      cards: getComputedStyle(page.querySelector("tbody tr")).display,
      failed: getComputedStyle(page.querySelector(".bad")).color,
      line: page.querySelector("polyline") && getComputedStyle(page.querySelector("polyline")).stroke,
    };
  }
  document.body.textContent = "FACTS" + JSON.stringify(facts) + "END";
});
"""


@pytest.fixture(scope="module")
def facts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What one run of Chromium measures of the page of `report` and of an exported table, in each width."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if browser is None:
        if os.environ.get("REVVLINK_TEST_BROWSER"):
            pytest.fail("there is no Chromium")
        pytest.skip("there is no Chromium")
    folder = tmp_path_factory.mktemp("pages")
    nodes = {f"us-{number}": "u" * 300 for number in range(12)}
    nodes["a-node-with-a-very-long-name-that-does-not-end-" + "x" * 60] = "u" * 100 + "ddd" + "u" * 197
    write(folder / "night.jsonl", nodes)
    report(folder / "night.jsonl", "--html", folder / "report.html", "--min-availability", "99.9")
    export_table(STATUS, str(folder / "status.html"), command="nodes status")
    return measured(folder, browser)


def measured(folder: Path, browser: str) -> dict[str, Any]:
    """Load each page in frames of each width, without a network, and read what the script has found."""
    frames = "".join(
        f'<iframe title="{name} {width}" width="{width}" height="900" '
        f'srcdoc="{html.escape((folder / f"{name}.html").read_text(encoding="utf-8"))}"></iframe>'
        for name in ("report", "status")
        for width in WIDTHS
    )
    host = folder / "host.html"
    host.write_text(f"<!doctype html><meta charset=utf-8><script>{MEASURE}</script><body>{frames}", encoding="utf-8")
    done = subprocess.run(
        [browser, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder / 'profile'}",
         "--host-resolver-rules=MAP * ~NOTFOUND", "--window-size=1400,1000", "--dump-dom", host.as_uri()],
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    found = re.search(r"FACTS(\{.*\})END", done.stdout)
    assert found is not None, done.stdout[:500]
    facts: dict[str, Any] = json.loads(html.unescape(found[1]))
    return facts


def test_nothing_overflows_or_overlaps(facts: dict[str, Any]) -> None:
    """At 390, 760 and 1280 pixels the page fits, and no label of a chart lies on another one or outside."""
    assert len(facts) == 2 * len(WIDTHS)
    for name, page in facts.items():
        assert (name, page["overflow"], page["outside"]) == (name, 0, 0)
        assert (name, sum(page["overlaps"])) == (name, 0)


def test_a_phone_has_cards_and_every_width_has_charts(facts: dict[str, Any]) -> None:
    """Rows are cards on a phone only; lines and figures below the pointer are there in each width."""
    for width in WIDTHS:
        assert facts[f"report {width}"]["cards"] == facts[f"status {width}"]["cards"]
        assert (facts[f"report {width}"]["cards"] == "grid") == (width == 390)
        assert facts[f"report {width}"]["lines"] >= 32
        assert facts[f"report {width}"]["hovers"] == 4 * 96


def test_colours_have_one_meaning(facts: dict[str, Any]) -> None:
    """The first line of a chart has another colour than a failure."""
    assert facts["report 1280"]["line"] not in (None, facts["report 1280"]["failed"])
