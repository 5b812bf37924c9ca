"""The view of a fleet for its status page: snapshots, findings and the history in; names, states and times out.

Everything here is pure, and the view is all that the page, its JSON and the badges show. It has no address, no password
and no text of a server: reasons are those of `revvlink_cli.health.public_reasons`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from revvlink_cli.config.secrets_in_use import redact
from revvlink_cli.health.findings import Verdict, worst
from revvlink_cli.health.public_reasons import CONNECTING, OTHER, WORDS, reason_of, reason_of_findings
from revvlink_cli.services.history import Sample
from revvlink_cli.services.history_store import Times
from revvlink_cli.services.recording import CONNECTED

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import date

    from revvlink_cli.client.snapshot import FleetSnapshot, NodeSnapshot
    from revvlink_cli.health.findings import Outcome
    from revvlink_cli.health.fleet import Report
    from revvlink_cli.services.history import NodePast, Outage
    from revvlink_cli.services.history_store import Incident

VERSION = 1
"""Version of ``/status.json``. A new key does not change it; a removed one, or another meaning, does."""

MOST_INCIDENTS = 20
"""Incidents that are shown."""

_NOTHING = Times(0, 0)


@dataclass(frozen=True, slots=True)
class NodeDays:
    """One node on each of the page's days, the oldest first. Lists: an object a day makes a page ten times as large.

    Attributes:
        availability_ratio: The share of the observed time in which it was connected; null where nothing was observed.
        down_seconds: Seconds in which it was not connected, rounded up: 0 is a day without an outage.
    """

    availability_ratio: tuple[float | None, ...]
    down_seconds: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class AvailabilityShares:
    """Shares of the observed time in which a node was connected; null where nothing was observed.

    Attributes:
        last_24h_ratio: In the last 24 hours.
        last_7d_ratio: In the last 7 days.
        last_30d_ratio: In the last 30 days.
    """

    last_24h_ratio: float | None
    last_7d_ratio: float | None
    last_30d_ratio: float | None


@dataclass(frozen=True, slots=True)
class NodeView:
    """One node.

    Attributes:
        name: Its name.
        region: Its region, or null.
        verdict: ``ok``, ``warning``, ``critical`` or ``unknown``.
        connected: Whether it is connected; null before the first attempt is over.
        reason: Code of the reason why it is not well, or null.
        reason_text: The same in plain words, or null.
        since: When the verdict began, as RFC 3339; null before the first attempt is over.
        players: Players on it, or null.
        playing: Those of them that play, or null.
        in_maintenance: Whether a maintenance is announced for it now.
        availability: Shares of time.
        days: It on each of the page's days.
    """

    name: str
    region: str | None
    verdict: str
    connected: bool | None
    reason: str | None
    reason_text: str | None
    since: str | None
    players: int | None
    playing: int | None
    in_maintenance: bool
    availability: AvailabilityShares
    days: NodeDays


@dataclass(frozen=True, slots=True)
class IncidentView:
    """A stretch of time in which a node was not connected.

    Attributes:
        node: Its name.
        started: When it began, as RFC 3339.
        ended: When it ended; null while it lasts.
        reason: Code of the reason.
        reason_text: The same in plain words.
    """

    node: str
    started: str
    ended: str | None
    reason: str
    reason_text: str


@dataclass(frozen=True, slots=True)
class MaintenanceView:
    """An announced maintenance.

    Attributes:
        nodes: The names of its nodes.
        until: When it ends, as RFC 3339.
    """

    nodes: tuple[str, ...]
    until: str


@dataclass(frozen=True, slots=True)
class StatusView:
    """The whole page.

    Attributes:
        revvlink_status: Version of this form.
        title: Heading of the page.
        at: When the nodes were sampled, as RFC 3339.
        verdict: The gravest verdict of the nodes and of the fleet.
        nodes_total: Number of nodes.
        nodes_connected: How many of them are connected.
        players: Players on all nodes.
        playing: Those of them that play.
        availability: Shares of the time of all nodes.
        days: The days that are shown, such as ``2026-11-29``, in the zone of the exporter; the last one is today.
        nodes: The nodes in the order of the configuration.
        incidents: The newest incidents, those that last first.
        maintenance: The announced maintenance of now.
    """

    revvlink_status: int
    title: str
    at: str
    verdict: str
    nodes_total: int
    nodes_connected: int
    players: int
    playing: int
    availability: AvailabilityShares
    days: tuple[str, ...]
    nodes: tuple[NodeView, ...]
    incidents: tuple[IncidentView, ...]
    maintenance: tuple[MaintenanceView, ...]


class DayCache:
    """Keeps the shares of past days, which rarely change: a page of 500 nodes has 45 000 of them."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[date, Mapping[date, Times], NodeDays]] = {}

    def follow(self, names: Collection[str]) -> None:
        """Forget nodes that have left the fleet."""
        self._known = {name: known for name, known in self._known.items() if name in names}

    def days_of(self, name: str, days: Sequence[date], past: Mapping[date, Times]) -> NodeDays:
        """A node on these days, the last one today."""
        today = days[-1]
        closed = {day: times for day, times in past.items() if day != today}
        known = self._known.get(name)
        if known is None or known[0] != today or known[1] != closed:
            known = self._known[name] = today, closed, _days_of(days[:-1], closed)
        new = _days_of((today,), past)
        return NodeDays(known[2].availability_ratio + new.availability_ratio, known[2].down_seconds + new.down_seconds)


def samples_of(fleet: FleetSnapshot, report: Report, outages: Mapping[str, Outage]) -> dict[str, Sample]:
    """What the history keeps of each node: a node that was never tried yet is neither up nor down.

    Args:
        fleet: The nodes.
        report: The findings about them.
        outages: By node, whether it is lost.
    """
    outcomes = _by_node(report)
    found: dict[str, Sample] = {}
    for node in fleet.nodes:
        some = outcomes.get(node.identifier, ())
        is_up = is_connected(node, fleet.at)
        reason = (_reason(node) if node.error or node.rest_failure else "") or OTHER
        outage = outages.get(node.identifier)
        found[node.identifier] = Sample(is_up, int(_verdict(some)), "" if is_up else reason, outage)
    return found


def status_view(
    title: str,
    at: float,
    fleet: FleetSnapshot,
    report: Report,
    past: Mapping[str, NodePast],
    days: Sequence[date],
    incidents: Sequence[Incident],
    cache: DayCache,
    outages: Mapping[str, Outage] = MappingProxyType({}),
) -> StatusView:
    """Make the view.

    Args:
        title: Heading of the page.
        at: The time, in seconds since the epoch.
        fleet: The nodes.
        report: The findings about them; its silences are the announced maintenance.
        past: The history of each node.
        days: The days that are shown.
        incidents: The incidents, the most important first.
        cache: Remembers shares from view to view.
        outages: By node, whether it is lost; a loss of a moment is not shown.
    """
    outcomes = _by_node(report)
    names = public_names(fleet)
    cache.follow(names)
    silenced = set(report.silenced)
    maintenance: dict[float, list[str]] = {}
    for name, silence in sorted(report.silenced.items(), key=lambda each: each[1].until):
        maintenance.setdefault(silence.until, []).append(names[name])
    nodes = tuple(
        _node_view(
            names[node.identifier],
            node,
            fleet,
            outcomes.get(node.identifier, ()),
            past[node.identifier],
            days,
            silenced,
            cache,
            outages.get(node.identifier),
        )
        for node in fleet.nodes
    )
    shown = [each for each in incidents if each.node in names]
    totals = [past[node.identifier].windows for node in fleet.nodes]
    return StatusView(
        revvlink_status=VERSION,
        title=redact(title),
        at=_moment(at),
        verdict=report.verdict.name.lower(),
        nodes_total=len(nodes),
        nodes_connected=sum(node.connected is True for node in nodes),
        players=sum(node.players or 0 for node in nodes),
        playing=sum(node.playing or 0 for node in nodes),
        availability=_shares([_total(each) for each in zip(*totals, strict=True)] if totals else ()),
        days=tuple(day.isoformat() for day in days),
        nodes=nodes,
        incidents=tuple(_incident_view(names[each.node], each) for each in shown[:MOST_INCIDENTS]),
        maintenance=tuple(MaintenanceView(tuple(some), _moment(until)) for until, some in maintenance.items()),
    )


def public_names(fleet: FleetSnapshot) -> dict[str, str]:
    """The name that is shown of each node: a node whose name has an address in it is shown by its place."""
    hosts = {host for node in fleet.nodes if (host := urlsplit(node.uri).hostname) and ("." in host or ":" in host)}
    found: dict[str, str] = {}
    for number, node in enumerate(fleet.nodes, 1):
        name = node.identifier
        may_be_address = "." in name or ":" in name
        is_address = may_be_address and (_IPV4.search(name) or any(host in name.lower() for host in hosts))
        found[name] = f"node-{number}" if is_address else redact(name)
    return found


_IPV4 = re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}\b")


def share_of(times: tuple[int, int]) -> float | None:
    """The share of the observed time in which a node was connected; None where nothing was observed."""
    return _rounded_down(*times)


def is_connected(node: NodeSnapshot, now: float) -> bool | None:
    """Whether a node is connected; None before the first attempt is over."""
    if node.condition(now) in CONNECTED:
        return True
    return False if node.is_tried else None


def _reason(node: NodeSnapshot) -> str:
    error = node.rest_failure or node.error
    return reason_of(error.code if error is not None else None)


def _by_node(report: Report) -> dict[str, list[Outcome]]:
    found: dict[str, list[Outcome]] = {}
    for outcome in report.outcomes:
        if outcome.node is not None:
            found.setdefault(outcome.node, []).append(outcome)
    return found


def _verdict(outcomes: Sequence[Outcome]) -> Verdict:
    return worst(outcomes)


def _node_view(
    name: str,
    node: NodeSnapshot,
    fleet: FleetSnapshot,
    outcomes: Sequence[Outcome],
    past: NodePast,
    days: Sequence[date],
    silenced: set[str],
    cache: DayCache,
    outage: Outage | None,
) -> NodeView:
    is_up, verdict = is_connected(node, fleet.at), _verdict(outcomes)
    if is_up is False and outage is not None and not outage.lasts:
        is_up = True
    reason = reason_of_findings(outcomes)
    if is_up is None:
        verdict, reason = Verdict.UNKNOWN, CONNECTING
    elif not is_up:
        reason = _reason(node)
    stats = node.stats(fleet.at)
    return NodeView(
        name=name,
        region=redact(node.region) if node.region is not None else None,
        verdict=verdict.name.lower(),
        connected=is_up,
        reason=reason or None,
        reason_text=WORDS[reason] if reason else None,
        since=_moment(past.since) if past.since is not None and is_up is not None else None,
        players=stats.players if stats is not None else None,
        playing=stats.playing if stats is not None else None,
        in_maintenance=node.identifier in silenced,
        availability=_shares(past.windows),
        days=cache.days_of(node.identifier, days, past.days),
    )


def _days_of(days: Sequence[date], past: Mapping[date, Times]) -> NodeDays:
    times = [past.get(day, _NOTHING) for day in days]
    return NodeDays(
        tuple([_rounded_down(up, down) for up, down in times]), tuple([-(-down // 1000) for _, down in times])
    )


def _rounded_down(up: int, down: int) -> float | None:
    """The share with six decimals: 1 only where it is exactly that."""
    return up * 1_000_000 // (up + down) / 1_000_000 if up + down else None


def _total(times: Sequence[Times]) -> tuple[int, int]:
    return sum(each.up_ms for each in times), sum(each.down_ms for each in times)


def _shares(windows: Sequence[tuple[int, int]]) -> AvailabilityShares:
    return AvailabilityShares(*map(share_of, windows)) if windows else AvailabilityShares(None, None, None)


def _incident_view(name: str, incident: Incident) -> IncidentView:
    reason = incident.reason if incident.reason in WORDS else OTHER
    ended = _moment(incident.ended_ms / 1000) if incident.ended_ms is not None else None
    return IncidentView(name, _moment(incident.begun_ms / 1000), ended, reason, WORDS[reason])


def _moment(at: float) -> str:
    """A moment as RFC 3339."""
    return datetime.fromtimestamp(int(at), UTC).isoformat().replace("+00:00", "Z")
