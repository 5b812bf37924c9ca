"""Names what takes the longest in an outage, from the outcome of its players."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from revvlink_cli.client.protocol.dialects import TRAITS, Dialect
from revvlink_cli.client.routing.failover import GONE_AFTER

if TYPE_CHECKING:
    from collections.abc import Sequence

    from revvlink_cli.services.drill.model import FleetModel
    from revvlink_cli.services.drill.rehearsal import Outage, PlayerOutcome


class Bottleneck(NamedTuple):
    """What takes the longest.

    Attributes:
        code: Its name.
        reason: The same in a sentence.
        detection: Seconds until the first player plays again.
        queue: Seconds from then to the last one.
    """

    code: str
    reason: str
    detection: float = 0.0
    queue: float = 0.0


def find_bottleneck(fleet: FleetModel, outage: Outage, players: Sequence[PlayerOutcome]) -> Bottleneck | None:
    """What takes the longest: finding out that a node is lost, or the turn of a player at its new node."""
    if not players:
        return None
    lost = sum(player.players for player in players if player.silence is None)
    if lost:
        return Bottleneck("no_node", f"no node takes {lost} of the players")
    silences = [(player.silence, player.target) for player in players if player.silence is not None]
    first, worst = min(silences)[0], max(silences)[0]
    queue = worst - first
    if outage.kind == "restart":
        reason = "players move before their node stops; each is silent while the new node connects to voice"
        return Bottleneck("voice", reason, first, queue)
    if queue > first:
        slowest = max(silences)[1]
        busy = fleet[slowest] if slowest is not None else None
        share = sum(player.players for player in players if player.target == slowest)
        if busy is not None and busy.dialect is Dialect.NODELINK:
            limit = TRAITS[Dialect.NODELINK].requests_per_10s
            reason = f"{slowest} takes {share} players, and a NodeLink {limit} requests in 10 s"
            return Bottleneck("nodelink_requests", reason, first, queue)
        limit = TRAITS[Dialect.LAVALINK].players_at_once
        reason = f"{slowest} takes {share} players, {limit} at once"
        return Bottleneck("players_at_once", reason, first, queue)
    match outage.kind:
        case "cut":
            window = max(fleet[name].resume_timeout for name in outage.nodes)
            reason = f"a node that is silent may still play: its players wait for it, resume_timeout = {window} s"
            return Bottleneck("resume_timeout", reason, first, queue)
        case "forget":
            reason = "the pool connects again and asks for the lost session before it takes a new one"
            return Bottleneck("lost_session", reason, first, queue)
        case _:
            reason = f"a node counts as gone once it has refused connections for {GONE_AFTER:g} s"
            return Bottleneck("process_gone", reason, first, queue)
