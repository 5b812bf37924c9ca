"""Drives a Chromium over the DevTools protocol: lays out a page, takes its picture, reads what a screen reader gets."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import shutil
import struct
import subprocess
import zlib
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import aiohttp
import pytest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

WAIT = 60.0
"""Seconds that the browser may take for one step."""


def find_chromium() -> str:
    """The browser; skips the test where there is none, unless REVVLINK_TEST_BROWSER demands it."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if browser is None:
        if os.environ.get("REVVLINK_TEST_BROWSER"):
            pytest.fail("there is no Chromium")
        pytest.skip("there is no Chromium")
    return browser


class Picture(NamedTuple):
    """A picture.

    Attributes:
        width: Its width in pixels.
        height: Its height in pixels.
        rows: For each row the three colours of each pixel.
    """

    width: int
    height: int
    rows: tuple[bytes, ...]


class Page:
    """A page of a browser without a network."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._number = 0

    async def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method of the protocol."""
        self._number += 1
        await self._socket.send_json({"id": self._number, "method": method, "params": parameters})
        while True:
            answer = await asyncio.wait_for(self._socket.receive_json(), WAIT)
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                found: dict[str, Any] = answer["result"]
                return found

    async def run(self, script: str) -> Any:
        """The value of a script, which may be a promise."""
        found = await self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    async def show(self, html: str, width: int, height: int, *, dark: bool = False) -> None:
        """Lay out a page in a window of this size."""
        await self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False
        )
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        await self.call("Emulation.setEmulatedMedia", features=scheme)
        frame = (await self.call("Page.getFrameTree"))["frameTree"]["frame"]["id"]
        await self.call("Page.setDocumentContent", frameId=frame, html=html)

    async def picture(self, width: int, height: int, scale: float) -> bytes:
        """The top of the page as PNG; the browser makes it smaller."""
        clip = {"x": 0, "y": 0, "width": width, "height": height, "scale": scale}
        found = await self.call("Page.captureScreenshot", format="png", clip=clip, captureBeyondViewport=True)
        return base64.b64decode(found["data"])

    async def spoken(self) -> list[str]:
        """What a screen reader finds, in order: ``role: name`` of each node of the accessibility tree that has both."""
        found = await self.call("Accessibility.getFullAXTree")
        return [
            f"{node['role']['value']}: {node['name']['value']}"
            for node in found["nodes"]
            if not node["ignored"] and node.get("name", {}).get("value", "").strip()
        ]


@asynccontextmanager
async def chromium_page(folder: Path) -> AsyncIterator[Page]:
    """A page of a new browser, with its profile in a folder."""
    profile = folder / "profile"
    command = [find_chromium(), "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={profile}",
               "--hide-scrollbars", "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
               "--remote-debugging-port=0", "about:blank"]  # fmt: skip
    process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert process.stderr is not None
    try:
        async with asyncio.timeout(WAIT):
            while not (line := (await process.stderr.readline()).decode()).startswith("DevTools listening on "):
                assert line, "Chromium ended"
        port = line.rsplit(":", 1)[1].split("/")[0]
        async with aiohttp.ClientSession() as session:
            async with session.get(f"http://127.0.0.1:{port}/json") as answer:
                (target,) = [each for each in await answer.json() if each["type"] == "page"]
            async with session.ws_connect(target["webSocketDebuggerUrl"], max_msg_size=0) as socket:
                yield Page(socket)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.communicate()


def decoded(png: bytes) -> Picture:
    """The pixels of a PNG as Chromium writes it: eight bits a colour, with or without an alpha channel."""
    width, height, bits, kind = struct.unpack(">IIBB", png[16:26])
    assert (bits, kind in (2, 6)) == (8, True)
    size = 3 if kind == 2 else 4
    packed, place = b"", 8
    while place < len(png):
        length = int.from_bytes(png[place : place + 4], "big")
        if png[place + 4 : place + 8] == b"IDAT":
            packed += png[place + 8 : place + 8 + length]
        place += length + 12
    data, line = zlib.decompress(packed), width * size + 1
    rows, above = [], bytearray(width * size)
    for number in range(height):
        above = _unfiltered(data[number * line], data[number * line + 1 : (number + 1) * line], above, size)
        rows.append(bytes(each for place, each in enumerate(above) if place % size < 3))
    return Picture(width, height, tuple(rows))


def _unfiltered(kind: int, line: bytes, above: bytearray, size: int) -> bytearray:
    """A row of a PNG without its filter, see https://www.w3.org/TR/png-3/#9Filters."""
    row = bytearray(len(line))
    for place, value in enumerate(line):
        left = row[place - size] if place >= size else 0
        up, corner = above[place], above[place - size] if place >= size else 0
        near = left + up - corner
        paeth = min((abs(near - left), 0, left), (abs(near - up), 1, up), (abs(near - corner), 2, corner))[2]
        row[place] = (value + (0, left, up, (left + up) // 2, paeth)[kind]) & 255
    return row


def difference(first: Picture, second: Picture, *, by: int = 48) -> float:
    """The share of pixels of which a colour differs by more than `by` of 255, over the part that both have."""
    width, height = min(first.width, second.width), min(first.height, second.height)
    differing = sum(
        any(abs(one[3 * place + part] - other[3 * place + part]) > by for part in range(3))
        for one, other in zip(first.rows, second.rows, strict=False)
        for place in range(width)
    )
    return differing / (width * height)
