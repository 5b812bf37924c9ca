"""Draws badges: small SVG pictures of a label and a state, for READMEs and web pages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.cells import cell_len

from revvlink_cli._percent import availability
from revvlink_cli.output.page import html_text

if TYPE_CHECKING:
    from revvlink_cli.services.status_view import NodeView, StatusView

_COLOURS = {"ok": "#1a7f37", "warning": "#8a5a00", "critical": "#cf222e", "unknown": "#57606a"}

_LONGEST = 40
"""Characters of a label."""

_CELL = 6.6
"""Width of one cell of text."""


def node_badge(node: NodeView) -> str:
    """The badge of a node: its name, whether it is up, and its availability of the last 30 days."""
    if node.in_maintenance:
        return badge(node.name, "maintenance", _COLOURS["unknown"])
    if node.connected is None:
        return badge(node.name, "unknown", _COLOURS["unknown"])
    share = node.availability.last_30d_ratio
    state = "up" if node.connected else "down"
    return badge(node.name, f"{state} {availability(share)}" if share is not None else state, _COLOURS[node.verdict])


def fleet_badge(view: StatusView) -> str:
    """The badge of the fleet: how many of its nodes are up."""
    return badge(view.title, f"{view.nodes_connected} of {view.nodes_total} up", _COLOURS[view.verdict])


def badge(label: str, text: str, colour: str) -> str:
    """A badge as SVG."""
    short = label if len(label) <= _LONGEST else f"{label[: _LONGEST - 1]}…"
    left, right = round(cell_len(short) * _CELL) + 12, round(cell_len(text) * _CELL) + 12
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + right}" height="20" role="img" '
        f'aria-label="{html_text(label)}: {html_text(text)}">'
        f"<title>{html_text(label)}: {html_text(text)}</title>"
        f'<clipPath id="r"><rect width="{left + right}" height="20" rx="3"/></clipPath><g clip-path="url(#r)">'
        f'<rect width="{left}" height="20" fill="#444"/>'
        f'<rect x="{left}" width="{right}" height="20" fill="{colour}"/></g>'
        '<g fill="#fff" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11" text-anchor="middle">'
        f'<text x="{left / 2:g}" y="14" textLength="{left - 12}" lengthAdjust="spacingAndGlyphs">'
        f"{html_text(short)}</text>"
        f'<text x="{left + right / 2:g}" y="14" textLength="{right - 12}" lengthAdjust="spacingAndGlyphs">'
        f"{html_text(text)}</text></g></svg>\n"
    )
