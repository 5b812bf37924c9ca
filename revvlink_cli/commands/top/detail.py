"""The page of `top` about one node."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from revvlink_cli.client.routing.penalty import TERMS
from revvlink_cli.commands.nodes.status_rows import memory_of, memory_share, players_of
from revvlink_cli.commands.shared.node_selection import failure_of
from revvlink_cli.commands.shared.penalty_columns import penalty_of, state_of
from revvlink_cli.commands.top.columns import (
    bar,
    cpu_trend,
    has_figures,
    load_style,
    players_trend,
    span_of,
    state_style,
)
from revvlink_cli.commands.top.summary import clock, since_when
from revvlink_cli.config.secrets_in_use import redact
from revvlink_cli.output.picture import Line, Span, line_of
from revvlink_cli.output.result import Kind
from revvlink_cli.output.sizes import wrapped
from revvlink_cli.output.text import MISSING, duration, human, sparkline

if TYPE_CHECKING:
    from collections.abc import Sequence

    from revvlink_cli.client.snapshot import NodeSnapshot
    from revvlink_cli.commands.nodes.status_rows import StatusRow
    from revvlink_cli.commands.top.event_log import Entry
    from revvlink_cli.commands.top.model import Fleet

LEFT = 22
"""Columns of the labels."""

NARROW = 60
"""Columns of a terminal below which a text stands below its label."""


def detail_lines(fleet: Fleet, row: StatusRow, width: int) -> list[Line]:
    """Everything about one node: what is wrong and what to do first."""
    shot = fleet.snapshots.get(row.node)
    page = _Page(width)
    page.add("Node", row.node, "bold")
    page.add("State", state_of(row), state_style(row))
    _trouble(page, row, shot)
    page.add("Region", row.region)
    page.add("Server", f"{row.server} {row.version}" if row.server is not None else row.version)
    page.add("Tags", ", ".join(row.tags))
    page.add("URI", row.uri)
    failures = fleet.events.failures_of(row.node)
    if failures:
        _failures(page, failures)
    page.heading("Figures")
    if has_figures(row):
        _figures(page, fleet, row, shot)
        page.heading("Penalty")
        _penalty(page, fleet, row)
    else:
        page.sentence("none: the node has sent no statistics")
    if not failures:
        _failures(page, failures)
    page.heading("Server")
    info = shot.info if shot is not None else None
    page.add("Session", shot.session_id if shot is not None else None)
    page.add("Sources", ", ".join(info.sources or ()) if info is not None else None)
    page.add("Plugins", ", ".join(f"{each.name} {each.version}".strip() for each in info.plugins) if info else None)
    return page.lines


class _Page:
    """Labels and texts below each other."""

    def __init__(self, width: int) -> None:
        self.lines: list[Line] = []
        self._width = max(width, 1)

    def heading(self, text: str) -> None:
        """Begin a section."""
        self.lines += [(), line_of(text, "bold")]

    def add(self, label: str, text: str | None, style: str = "") -> None:
        """Add a text with its label; it is wrapped, never cut."""
        text = redact(text) if text else MISSING
        if self._width < NARROW and len(LEFT * " " + text) > self._width:
            self.lines.append(line_of(label, "dim"))
            self.sentence(text, style)
            return
        left = LEFT if self._width >= NARROW else len(label) + 2
        first, *rest = wrapped(text, max(self._width - left, 1))
        self.lines.append((Span(label.ljust(left), "dim"), Span(first, style)))
        self.lines += [(Span(" " * left), Span(line, style)) for line in rest]

    def sentence(self, text: str, style: str = "") -> None:
        """Add a text below its label."""
        self.lines += [line_of("  " + line, style) for line in wrapped(text, max(self._width - 2, 1))]


def _trouble(page: _Page, row: StatusRow, shot: NodeSnapshot | None) -> None:
    """What is wrong now, and what to do next."""
    error = shot.rest_failure or shot.error if shot is not None else None
    failure = failure_of(error, row.node) if error is not None else None
    if row.message or row.reason:
        page.add("Reason", row.message or row.reason, state_style(row))
        if failure is not None and failure.hint is not None:
            page.add("What to do", failure.hint)
    if row.state == "cordoned":
        page.add("Cordoned", "by this `revvlink top` only, until it ends; bots still use the node")


def _figures(page: _Page, fleet: Fleet, row: StatusRow, shot: NodeSnapshot | None) -> None:
    trend, over = fleet.trends.of(row.node), span_of(fleet)
    page.add("Players", f"{players_of(row)} (playing/all)")
    page.add(f"Players, {over}", _course(players_trend(fleet, row), trend.players, Kind.COUNT))
    load = "no baseline yet" if row.cpu_has_baseline is False else bar(row.cpu_load_ratio)
    page.add("CPU", load, load_style(fleet, row.node, "cpu", row.cpu_load_ratio))
    page.add(f"CPU, {over}", _course(cpu_trend(fleet, row), trend.cpu, Kind.RATIO))
    share = memory_share(row)
    memory = memory_of(row) if share is None else f"{bar(share)}  {human(row.memory_used_bytes, Kind.BYTES)}"
    page.add("Memory", memory, load_style(fleet, row.node, "memory", share))
    page.add("Uptime", human(row.uptime_ms, Kind.DURATION_MS))
    page.add("Latency", human(row.latency_ms, Kind.LATENCY_MS))
    if shot is not None and shot.timed_stats is not None:
        age = max(fleet.now - shot.timed_stats.at, 0.0)
        page.add("Received", f"{duration(age * 1000)} ago ({shot.timed_stats.origin})")


def _course(trend: str, values: Sequence[float | None], kind: Kind) -> str:
    """A trend with its last and its highest figure."""
    known = [value for value in values if value is not None]
    if not known:
        return MISSING
    last = human(_whole(values[-1], kind), kind)
    return f"{trend}  now {last}, highest {human(_whole(max(known), kind), kind)}"


def _whole(value: float | None, kind: Kind) -> float | int | None:
    return int(value) if value is not None and kind is Kind.COUNT else value


def _penalty(page: _Page, fleet: Fleet, row: StatusRow) -> None:
    trend = fleet.trends.of(row.node).penalty
    highest = max((value for value in trend if value is not None), default=0)
    page.add("Total", penalty_of(row))
    page.add(f"Total, {span_of(fleet)}", _course(sparkline(trend, 0, highest), trend, Kind.SCORE))
    if row.penalty_terms is None:
        return
    costs = asdict(row.penalty_terms)
    whole = sum(costs.values())
    for term in TERMS:
        cost = costs[term.name]
        full = round(cost / whole * 10) if whole > 0 else 0
        page.add(f"  {term.label}", f"{cost:8.1f}  {'█' * full}{'░' * (10 - full)}  {term.meaning}")
    if row.penalty_is_lower_bound:
        page.add("", ">= a lower bound: a node shows its frames only to the session that owns the players")


def _failures(page: _Page, failures: Sequence[Entry]) -> None:
    page.heading("Last failures")
    if not failures:
        page.sentence("none since this screen was opened")
    for entry in failures:
        often = f" (x{entry.count} since {since_when(entry)})" if entry.count > 1 else ""
        page.sentence(f"{clock(entry.last)}  {_MEANINGS.get(entry.event, entry.event)}: {entry.detail}{often}")
        if entry.advice is not None:
            page.sentence(f"What to do: {entry.advice}")


_MEANINGS = {
    "node_lost": "The connection was lost",
    "node_failed": "The node could not be connected",
    "node_hanging": "The node stopped answering requests",
    "node_refusing": "Requests to the node are refused",
    "player_lost": "A player could not be placed",
}
