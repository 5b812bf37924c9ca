"""Makes the copy of a fleet: from one look at its nodes, or from a recording."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from revvlink_cli.client.protocol.dialects import Dialect
from revvlink_cli.services.drill.model import USUAL_COST, NodeModel, cost_of_player

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from revvlink_cli.client.snapshot import NodeSnapshot
    from revvlink_cli.config.settings import NodeEntry
    from revvlink_cli.services.recording import Recording, Track

ROUND_TRIPS = (0.01, 0.03, 0.1, 0.3, 1.0)
"""Seconds to one of which a measured round trip is rounded up: the same fleet then gives the same figures again."""

USUAL_ROUND_TRIP = 0.03
"""Seconds of a request and back where none was measured."""

FEWEST_SAMPLES = 10
"""Samples from which the load of a player is measured."""


def model_of(node: NodeSnapshot, now: float, settings: Mapping[str, NodeEntry]) -> NodeModel | None:
    """The model of a node that was read; None if it gave no statistics."""
    stats = node.stats(now)
    if stats is None:
        return None
    playing, cores = max(stats.playing or 0, 0), stats.cores or 0
    cost = cost_of_player(stats.server_load, cores, playing) if cores else None
    latency = node.latency_ms / 1000 if node.latency_ms is not None else node.rest_latency_s
    return NodeModel(
        identifier=node.identifier,
        region=node.region,
        dialect=node.dialect or Dialect.LAVALINK,
        version=node.info.version if node.info is not None else "",
        cores=cores or 1,
        has_cores=bool(cores),
        players=max(stats.players or 0, playing),
        playing=playing,
        load=min(max(stats.system_load, 0.0), 1.0) if stats.system_load is not None else None,
        cost=cost if cost is not None else USUAL_COST,
        is_cost_measured=cost is not None,
        round_trip=_stepped(latency),
        **_configured(settings.get(node.identifier)),
    )


def models_of(recording: Recording, share: float, settings: Mapping[str, NodeEntry]) -> tuple[NodeModel, ...]:
    """The models of the nodes of a recording, in the order of their first samples.

    Args:
        recording: The recording.
        share: Which of its players and loads counts: 0.95 is the one that 95 % of the samples do not exceed.
        settings: The configured nodes, for what a recording does not have.
    """
    found = (_recorded(track, share, settings) for track in recording.tracks.values())
    return tuple(model for model in found if model is not None)


def _recorded(track: Track, share: float, settings: Mapping[str, NodeEntry]) -> NodeModel | None:
    playing = _known(track.figures["playing"])
    if not playing:
        return None
    loads, latencies = _known(track.figures["cpu_load_ratio"]), _known(track.figures["latency_ms"])
    peak = round(at_share(playing, share))
    load = min(at_share(loads, share), 1.0) if loads else None
    cost = _slope(track)
    if cost is None and load is not None and peak:
        cost = load / peak  # at most: all of the load is that of its players
    entry = settings.get(track.node)
    return NodeModel(
        identifier=track.node,
        region=track.region or (entry.region if entry is not None else None),
        has_cores=False,
        players=peak,
        playing=peak,
        load=load,
        cost=cost if cost is not None else USUAL_COST,
        is_cost_measured=cost is not None,
        round_trip=_stepped(at_share(latencies, 0.5) / 1000 if latencies else None),
        **_configured(entry),
    )


def _configured(entry: NodeEntry | None) -> dict[str, Any]:
    """The configured times of a node, those of the defaults if it is not configured."""
    if entry is None:
        return {}
    return {name: entry.values[name] for name in ("heartbeat", "timeout", "resume_timeout") if name in entry.values}


def _stepped(seconds: float | None) -> float:
    if seconds is None:
        return USUAL_ROUND_TRIP
    return next((step for step in ROUND_TRIPS if seconds <= step), ROUND_TRIPS[-1])


def _known(values: Iterable[float]) -> list[float]:
    return sorted(value for value in values if not math.isnan(value))


def at_share(values: Sequence[float], share: float) -> float:
    """The smallest of sorted values that at least a share of them does not exceed."""
    return values[max(math.ceil(share * len(values)) - 1, 0)]


def _slope(track: Track) -> float | None:
    """By how much the load grew with each playing player, None where too little changed to see it."""
    pairs = [
        (players, load)
        for players, load in zip(track.figures["playing"], track.figures["cpu_load_ratio"], strict=True)
        if not math.isnan(players) and not math.isnan(load)
    ]
    if len(pairs) < FEWEST_SAMPLES:
        return None
    middle = sum(players for players, _ in pairs) / len(pairs)
    spread = sum((players - middle) ** 2 for players, _ in pairs)
    if spread < len(pairs) * max(0.1 * middle, 1.0) ** 2:
        return None
    slope = sum((players - middle) * load for players, load in pairs) / spread
    return slope if slope > 0 else None
