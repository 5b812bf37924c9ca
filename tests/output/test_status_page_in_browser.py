"""The status page as a browser draws it: its pictures, its layout, and what a screen reader finds.

A font of another machine has other glyphs and widths, so pictures are not compared pixel by pixel. The browser makes
them an eighth as large, which leaves the boxes, the bars, their colours and grey in place of text, and a small share of
the pixels may differ. The test itself shows that this is enough for another font, and too little for another state, for
a missing bar or for the other colours of the night.
"""

from __future__ import annotations

import asyncio
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from revvlink_cli.output.status_page import status_page
from tests.output.chromium import Page, chromium_page, decoded, difference
from tests.output.views_of_fleets import fleets

GOLDEN = Path(__file__).parents[1] / "data" / "golden" / "status-page"

PICTURES = {
    "phone": ("mixed", 390, 1500, False),
    "desk": ("mixed", 1280, 1040, False),
    "night": ("mixed", 1280, 1040, True),
    "wall": ("large", 1920, 1080, False),
}
"""Name of a picture -> its fleet, the width and height of the window, and whether it is dark."""

SCALE = 1 / 8

MOST = 0.03
"""Share of the pixels that may differ."""

OVERFLOW = """
[...document.querySelectorAll("body *")].filter(each => each.getBoundingClientRect().right > innerWidth + 1).length
+ Math.max(0, document.documentElement.scrollWidth - innerWidth)
"""

OTHER_FONT = """document.head.insertAdjacentHTML("beforeend", "<style>body{font-family:serif !important}</style>")"""

WITHOUT_BARS = """document.querySelectorAll("svg.days").forEach(each => each.style.visibility = "hidden")"""


async def compare(page: Page, folder: Path) -> dict[str, float]:
    """Draw every fleet at its size; how much each picture differs from the one that is kept, and what else is seen."""
    seen: dict[str, float] = {}
    views = fleets()
    for name, (fleet, width, height, dark) in PICTURES.items():
        await page.show(status_page(views[fleet]), width, height, dark=dark)
        png = await page.picture(width, height, SCALE)
        kept = GOLDEN / f"{name}.png"
        if os.environ.get("REVVLINK_TEST_GOLDEN") == "write":
            kept.parent.mkdir(exist_ok=True)
            kept.write_bytes(png)
        (folder / f"{name}.png").write_bytes(png)
        expected = decoded(kept.read_bytes())
        seen[name] = difference(decoded(png), expected)
        seen[f"{name} overflow"] = await page.run(OVERFLOW)
        if name == "phone":
            await page.show(status_page(views["hostile"]), width, height)
            seen["hostile overflow"] = await page.run(OVERFLOW)
        if name == "desk":
            await page.run(OTHER_FONT)
            seen["other font"] = difference(decoded(await page.picture(width, height, SCALE)), expected)
            seen["other font overflow"] = await page.run(OVERFLOW)
            await page.run(WITHOUT_BARS)
            seen["no bars"] = difference(decoded(await page.picture(width, height, SCALE)), expected)
            await page.show(status_page(views["well"]), width, height)
            seen["all well"] = difference(decoded(await page.picture(width, height, SCALE)), expected)
            await page.show(status_page(views["mixed"]), width, height, dark=True)
            seen["dark"] = difference(decoded(await page.picture(width, height, SCALE)), expected)
    return seen


def test_pictures(tmp_path: Path) -> None:
    """The page looks as it did, on a phone, a desk, at night and on a wall, and nothing leaves the window."""

    async def live() -> dict[str, float]:
        async with chromium_page(tmp_path) as page:
            return await compare(page, tmp_path)

    seen = asyncio.run(live())
    assert {name: seen[name] for name in (*PICTURES, "other font") if seen[name] > MOST} == {}, f"see {tmp_path}"
    assert {name: value for name, value in seen.items() if name.endswith("overflow") and value} == {}
    assert {change: seen[change] for change in ("no bars", "all well", "dark") if seen[change] <= MOST} == {}


REFRESH = """
new Promise(resolve => {
  window.fetch = async () => {
    setTimeout(resolve, 20);
    if (window.next === null) throw new Error("gone");
    return new Response(window.next);
  };
  document.dispatchEvent(new Event("visibilitychange"));
})
"""

WATCH = """
window.spoken = 0;
window.heading = document.querySelector(".nodes li:last-child h3");
getSelection().selectAllChildren(window.heading.querySelector("bdi"));
new MutationObserver(found => window.spoken += found.length)
  .observe(document.querySelector("[role=status]"), {childList: true, characterData: true, subtree: true});
"""

SEEN = """[window.spoken, document.contains(window.heading), getSelection().toString(),
  document.getElementById("stale").hidden, document.querySelector(".state").textContent, document.title]"""


async def reading(page: Page, script: str | None) -> dict[str, Any]:
    """What happens to a reader while the page refreshes, and what a screen reader finds."""
    views = fleets()
    mixed, fewer = views["mixed"], replace(views["mixed"], playing=1, at="2026-11-29T00:33:55Z")
    seen: dict[str, Any] = {}
    await page.show(status_page(mixed), 1280, 1000)
    seen["spoken"] = await page.spoken()
    await page.run(WATCH)
    for name, text in (
        ("other figures", status_page(fewer)),
        ("another state", status_page(views["well"])),
        ("gone once", None),
        ("gone", None),
        ("back", status_page(mixed)),
    ):
        await page.run(f"window.next = {json.dumps(text)}; 0")
        await page.run(REFRESH)
        seen[name] = await page.run(SEEN)
        if name == "other figures":
            seen["figures"] = await page.run('document.querySelector(".fleet .about").textContent')
            seen["at"] = await page.run('document.getElementById("at").textContent')
        elif name == "gone":
            seen["stale"] = await page.run('document.getElementById("stale").textContent')
    if script is not None:
        for name, dark in (("mixed", False), ("mixed", True), ("large", False), ("hostile", False), ("new", True)):
            await page.show(status_page(views[name]), 1280, 1000, dark=dark)
            await page.run(f"{script};0")
            seen[f"axe {name} {dark}"] = await page.run(
                "axe.run().then(found => found.violations.map(each => `${each.id}: ${each.nodes[0].html}`))"
            )
    return seen


def test_reading_is_not_disturbed(tmp_path: Path) -> None:
    """A screen reader finds headings and sentences; a refresh keeps the selection, and speaks of another state only.

    REVVLINK_TEST_AXE names the axe.min.js of axe-core, which then finds nothing to mend.
    """
    axe = os.environ.get("REVVLINK_TEST_AXE")
    script = Path(axe).read_text(encoding="utf-8") if axe else None

    async def live() -> dict[str, Any]:
        async with chromium_page(tmp_path) as page:
            return await reading(page, script)

    seen = asyncio.run(live())
    spoken = seen["spoken"]
    assert [each for each in spoken if each.startswith("heading: ")] == [
        "heading: Music nodes", "heading: Maintenance", "heading: Nodes", "heading: Incidents",
        *(f"heading: {node}" for node in ("us-2 Critical", "us-1 OK", "eu-1 OK", "asia-1 OK", "br-1 OK",
                                          "quiet Maintenance")),
    ]  # fmt: skip
    assert "StaticText: Critical: 1 of 6 nodes has trouble" in spoken
    assert "image: 90 days observed, 4 with outages; the worst: 29 Nov: 52.63%, 15 min not connected" in spoken
    assert sum(each == "group: Availability" for each in spoken) == 6

    critical = "Critical: 1 of 6 nodes has trouble"
    assert seen["other figures"] == [0, True, "quiet", True, critical, f"{critical}: Music nodes"]
    assert "1 of 16 players playing" in seen["figures"]
    assert " 00:33" in seen["at"] or ":33 " in seen["at"]
    said, _, _, is_fresh, state, title = seen["another state"]
    assert (said > 0, is_fresh, state) == (True, True, "All nodes are well")
    assert title == "All nodes are well: Music nodes"
    assert seen["gone once"][3], "one failure is not worth a word"
    assert not seen["gone"][3]
    assert seen["stale"].startswith("This page cannot be refreshed. It shows ")
    assert seen["back"][3:5] == [True, critical]
    assert {name: found for name, found in seen.items() if name.startswith("axe ") and found} == {}
