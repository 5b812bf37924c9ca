"""How much it costs to place one more player on a node.

The formula is the one Lavalink clients have shared since the Java client: CPU and lost frames count exponentially,
players linearly. What differs here is that inputs are clamped to what they can mean, so that no figure a server sends
makes the result negative, infinite or an error.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from revvlink_cli.client.protocol.models import NodeStats

PER_PLAYER = 1.5
"""Cost of one playing player."""

FRAMES_PER_MINUTE = 3000.0
"""Frames a player needs each minute: one of 20 ms, fifty times a second."""


@dataclass(frozen=True, slots=True)
class Penalty:
    """The cost of a node, term by term; lower is better, 0 is an idle node.

    Attributes:
        cpu: Load of the machine.
        deficit: Frames that were missing.
        nulled: Frames that were empty.
        players: Players that play.
        reserved: Players on their way that the statistics do not show yet.
        is_lower_bound: Whether the truth may be higher: somebody plays, but the node shows its frame statistics only
            to the session whose players they are; or the CPU is unknown and no other node's can stand in.
        cpu_assumed: Whether `cpu` is the median of the pool because this node has not measured its own yet.
    """

    cpu: float
    deficit: float
    nulled: float
    players: float
    reserved: float
    is_lower_bound: bool
    cpu_assumed: bool

    @property
    def total(self) -> float:
        """Sum of all terms."""
        return self.cpu + self.deficit + self.nulled + self.players + self.reserved

    @property
    def mark(self) -> str:
        """What stands before the total: ``>=`` where the truth may be higher, ``~`` where the CPU is assumed."""
        return mark_of(is_lower_bound=self.is_lower_bound, cpu_assumed=self.cpu_assumed)


def mark_of(*, is_lower_bound: bool, cpu_assumed: bool) -> str:
    """See `Penalty.mark`."""
    return ">=" * is_lower_bound + "~" * cpu_assumed


def cpu_term(stats: NodeStats) -> float | None:
    """The cost of the machine's load: ``1.05^(100·load)·10 - 10``, or None when the load is unknown."""
    if stats.system_load is None:
        return None
    return float(1.05 ** (100.0 * min(max(stats.system_load, 0.0), 1.0)) * 10.0 - 10.0)


def compute(stats: NodeStats, *, cpu_fallback: float | None = None, reserved: float = 0.0) -> Penalty:
    """The penalty of a node with these statistics.

    Args:
        stats: The node's statistics.
        cpu_fallback: Term to count where the node has no CPU baseline: the median of the pool's.
        reserved: Cost of players assigned since the statistics were taken.
    """
    cpu = cpu_term(stats)
    deficit = stats.frames.deficit if stats.frames else 0.0
    nulled = stats.frames.nulled if stats.frames else 0.0
    playing = max(stats.playing or 0, 0)
    return Penalty(
        cpu=cpu if cpu is not None else (cpu_fallback or 0.0),
        deficit=_frame_term(deficit),
        nulled=2.0 * _frame_term(nulled),
        players=PER_PLAYER * playing,
        reserved=reserved,
        is_lower_bound=(stats.frames is None and playing > 0) or (cpu is None and cpu_fallback is None),
        cpu_assumed=cpu is None and cpu_fallback is not None,
    )


def _frame_term(frames: float) -> float:
    """``1.03^(frames/6)·300 - 300`` for frames lost in a minute, 0..3000."""
    return float(1.03 ** (min(max(frames, 0.0), FRAMES_PER_MINUTE) / 6.0) * 300.0 - 300.0)
