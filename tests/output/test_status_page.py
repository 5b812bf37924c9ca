"""The status page as HTML: names are escaped, it fits each screen, only its script may run, and it is made fast."""

from __future__ import annotations

import base64
import gc
import hashlib
import html
import json
import os
import re
import shutil
import subprocess
import time
from typing import TYPE_CHECKING, Any

import pytest

from revvlink_cli.health.public_reasons import WORDS
from revvlink_cli.output.badges import node_badge
from revvlink_cli.output.status_json import status_json
from revvlink_cli.output.status_page import POLICY, status_page
from revvlink_cli.services.status_view import DayCache
from tests.output.views_of_fleets import HOSTILE, view_of

if TYPE_CHECKING:
    from pathlib import Path

NAMES = ("us-1", "n" * 120, HOSTILE, "wide-漢字漢字", "quiet", "eu-1")
WIDTHS = (390, 760, 1280)


def test_names_are_escaped_and_reasons_are_ours() -> None:
    """Names of any kind stay text; a silence shows its nodes and its end, not its reason or author."""
    view = view_of(NAMES, silenced=["quiet"], title="Nodes <of> all")
    page = status_page(view)
    assert page.count("<script>") == page.count("</script>") == 1
    assert "&lt;/script&gt;&lt;script&gt;x(&#x27;&amp;\\u202e\\x07\U0001f600" in page
    assert "\u202e" not in page + node_badge(view.nodes[2])
    assert "example.com" not in page
    assert "me@host" not in page
    assert ">Maintenance</h2>" in page
    assert "99.999%" in page, "one millisecond is not 100%"
    found = json.loads(status_json(view))
    assert status_json(view).isascii()
    assert found["nodes"][2]["name"] == HOSTILE
    assert found["maintenance"] == [{"nodes": ["quiet"], "until": "2026-11-29T01:32:25Z"}]
    assert all(node["reason"] in (None, *WORDS) for node in found["nodes"])


def test_only_its_own_script_may_run() -> None:
    """The policy that is sent with the page allows the script in it by its digest."""
    page = status_page(view_of(NAMES))
    (script,) = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in POLICY
    assert "default-src 'none'" in POLICY


def test_five_hundred_nodes_are_drawn_fast() -> None:
    """The page of 500 nodes takes less than 30 ms of the processor beyond the first time, and 60 KB compressed."""
    names = tuple(f"node-{number}" for number in range(500))
    cache = DayCache()
    view = view_of(names, cache=cache)
    page = status_page(view)
    took = []
    for _ in range(3):
        gc.collect()
        begun = time.process_time()
        page = status_page(view)
        took.append(time.process_time() - begun)
    assert min(took) < 0.03
    import gzip

    assert len(gzip.compress(page.encode())) < 60_000


MEASURE = """
addEventListener("load", () => {
  const facts = {};
  for (const frame of document.querySelectorAll("iframe")) {
    const page = frame.contentDocument, root = page.documentElement;
    const style = node => getComputedStyle(page.querySelector(node));
    facts[frame.title] = {
      overflow: root.scrollWidth - root.clientWidth,
      outside: [...page.querySelectorAll("main *")]
        .filter(each => each.getBoundingClientRect().right > root.clientWidth + 1).length,
      columns: style(".nodes").gridTemplateColumns.split(" ").length,
      bars: [...page.querySelectorAll("svg.days")].filter(each => each.getBoundingClientRect().width > 200).length,
      unnamed: [...page.querySelectorAll("svg:not([aria-hidden])")]
        .filter(each => !each.getAttribute("aria-label")).length,
      headings: [...page.querySelectorAll("h1,h2,h3")].map(each => each.tagName).join(" "),
      first: page.querySelector(".nodes .verdict").textContent,
    };
  }
  document.body.textContent = "FACTS" + JSON.stringify(facts) + "END";
});
"""


def test_it_fits_each_screen(tmp_path: Path) -> None:
    """At 390, 760 and 1280 pixels nothing is outside, each bar is wide and named, and trouble stands first."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if browser is None:
        if os.environ.get("REVVLINK_TEST_BROWSER"):
            pytest.fail("there is no Chromium")
        pytest.skip("there is no Chromium")
    page = html.escape(status_page(view_of(NAMES)))
    frames = "".join(
        f'<iframe title="{width}" width="{width}" height="900" srcdoc="{page}"></iframe>' for width in WIDTHS
    )
    host = tmp_path / "host.html"
    host.write_text(f"<!doctype html><meta charset=utf-8><script>{MEASURE}</script><body>{frames}", encoding="utf-8")
    done = subprocess.run(
        [browser, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}",
         "--host-resolver-rules=MAP * ~NOTFOUND", "--window-size=1400,1000", "--dump-dom", host.as_uri()],
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    measured = re.search(r"FACTS(\{.*\})END", done.stdout)
    assert measured is not None, done.stdout[:500]
    facts: dict[str, Any] = json.loads(html.unescape(measured[1]))
    headings = " ".join(["H1", "H2", *["H3"] * len(NAMES), "H2"])
    for width, columns in zip(WIDTHS, (1, 1, 3), strict=True):
        assert facts[str(width)] == {
            "overflow": 0, "outside": 0, "columns": columns, "bars": len(NAMES), "unnamed": 0,
            "headings": headings, "first": "Critical",
        }  # fmt: skip
