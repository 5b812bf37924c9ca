"""Writes the pictures of the README from real runs on the simulated fleet: the status table, and `top` in an outage.

python docs/pictures.py

Needs tmux, whose panes are the terminal of `top`. It takes a minute, because the node fails in its own time.
"""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

HERE = Path(__file__).parent

REVVLINK = (sys.executable, "-m", "revvlink_cli")

COLUMNS, LINES = 104, 17
"""The size of the terminal of `top`."""

MOMENTS = (12, 16, 19, 21, 23, 25, 28, 31, 33, 35, 38)
"""Seconds after the start of the fleet at which a frame is taken: `revvlink demo --keep` lets us-2 fail after 20 s."""

SECONDS_A_FRAME = 1.5

FRAME = """\
<g class="frame" style="animation-delay: {{delay}}s">
<style>
{styles}
</style>
<defs><clipPath id="{unique_id}-clip-terminal"><rect width="{terminal_width}" height="{terminal_height}"/></clipPath>
{lines}</defs>
{backgrounds}
<g class="{unique_id}-matrix screen">
{matrix}
</g>
</g>
"""
"""A screen, in the form that Rich fills in."""

PICTURE = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" aria-label="{label}">
<style>
.screen {{ font-family: monospace; font-size: 20px; line-height: 24.4px; }}
.frame {{ visibility: hidden; animation: show {whole}s steps(1) infinite; }}
@keyframes show {{ 0% {{ visibility: visible; }} {share}% {{ visibility: hidden; }} }}
@media (prefers-reduced-motion: reduce) {{
  .frame {{ animation: none; }}
  .frame:last-of-type {{ visibility: visible; }}
}}
</style>
<rect width="100%" height="100%" rx="8" fill="#0d1117"/>
<g transform="translate(16, 16)">
{frames}</g>
</svg>
"""


def main() -> None:
    """Write ``status.svg`` and ``top.svg`` beside this file."""
    export = ("nodes", "status", "--export", str(HERE / "status.svg"))
    subprocess.run([*REVVLINK, "demo", "--steady", "--", *export], check=True)  # noqa: S603 - runs this program
    with running_fleet() as config:
        screens = list(screens_of_top(config))
    (HERE / "top.svg").write_text(animated(screens, "revvlink top while a node fails and comes back"), encoding="utf-8")


@contextmanager
def running_fleet() -> Iterator[Path]:
    """Run `revvlink demo --keep`; gives the path of its configuration."""
    with tempfile.TemporaryDirectory() as folder:
        ready = Path(folder) / "ready"
        command = [*REVVLINK, "demo", "--keep", "--seed", "1", "--ready-file", str(ready)]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as fleet:  # noqa: S603
            try:
                while not ready.exists() or not ready.read_text(encoding="utf-8"):
                    time.sleep(0.1)
                yield Path(ready.read_text(encoding="utf-8").strip())
            finally:
                fleet.terminate()


def screens_of_top(config: Path) -> Iterator[str]:
    """What `revvlink top` shows at each of the moments, with its colours as escape sequences."""
    begun = time.monotonic()
    tmux = ("tmux", "-L", f"pictures-{os.getpid()}")
    new = ("new-session", "-d", "-s", "top", "-x", str(COLUMNS), "-y", str(LINES), "-e", f"REVVLINK_CONFIG={config}")
    subprocess.run([*tmux, *new, "-e", "COLORTERM=truecolor", *REVVLINK, "top"], check=True)  # noqa: S603
    try:
        for moment in MOMENTS:
            time.sleep(max(begun + moment - time.monotonic(), 0))
            capture = [*tmux, "capture-pane", "-e", "-p", "-t", "top"]
            yield subprocess.run(capture, stdout=subprocess.PIPE, text=True, check=True).stdout  # noqa: S603
    finally:
        subprocess.run([*tmux, "kill-server"], check=False)  # noqa: S603


def animated(screens: Sequence[str], label: str) -> str:
    """An SVG that shows one screen after the other; the last one where the reader wants no motion."""
    frames = []
    for number, screen in enumerate(screens):
        console = Console(record=True, width=COLUMNS, height=LINES, file=io.StringIO(), force_terminal=True)
        console.print(Text.from_ansi(screen.rstrip("\n")), end="")
        drawn = console.export_svg(title="", code_format=FRAME, unique_id=f"f{number}")
        frames.append(drawn.replace("{delay}", f"{number * SECONDS_A_FRAME:g}"))
    return PICTURE.format(
        width=round(COLUMNS * 12.2) + 32,
        height=round(LINES * 24.4) + 32,
        label=label,
        whole=f"{len(screens) * SECONDS_A_FRAME:g}",
        share=f"{100 / len(screens):.3f}",
        frames="".join(frames),
    )


if __name__ == "__main__":
    main()
