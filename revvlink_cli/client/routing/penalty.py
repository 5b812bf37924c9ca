"""How much it costs to place one more player on a node.

The formula is the one Lavalink clients have shared since the Java client: CPU and lost frames count exponentially,
players linearly. What differs here is that inputs are clamped to their possible range, so that no figure of a server
makes the result negative, infinite or an error.

To add a term, add its field to `Penalty` (and to its `total`), its entry to `TERMS`, and compute it in `compute`.
Columns, JSON, sort orders, help and documentation derive from `TERMS`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from revvlink_cli.client.protocol.models import NodeStats

PER_PLAYER = 1.5
"""Cost of one playing player."""

FRAMES_PER_MINUTE = 3000.0
"""Frames a player needs each minute: one of 20 ms, fifty times a second."""


class Term(NamedTuple):
    """One term of the penalty, as people read it.

    Attributes:
        name: Field of `Penalty`, and of rows in JSON.
        label: Its name in tables and sentences.
        formula: Its cost, as a formula over `variable`.
        variable: Name of its input in the formula.
        unit: What the input is measured in, with its range.
        meaning: What the input is.
    """

    name: str
    label: str
    formula: str
    variable: str
    unit: str
    meaning: str


TERMS = (
    Term("cpu", "CPU", "1.05^(100*load)*10 - 10", "load", "0 to 1", "load of the machine"),
    Term("deficit", "deficit", "1.03^(deficit/6)*300 - 300", "deficit", "per minute, 0 to 3000", "frames not sent"),
    Term("nulled", "nulled", "2*(1.03^(nulled/6)*300 - 300)", "nulled", "per minute, 0 to 3000", "frames sent empty"),
    Term("players", "players", "1.5*playing", "playing", "count", "playing players of all bots"),
    Term("reserved", "reserved", "1.5*reserved", "reserved", "count", "players not in the statistics yet"),
)
"""Every term of the penalty, in the order in which they are shown."""


@dataclass(frozen=True, slots=True)
class Penalty:
    """The cost of a node, term by term; lower is better, 0 is an idle node.

    Attributes:
        cpu: Cost of the load of the machine.
        deficit: Cost of the frames that were not sent.
        nulled: Cost of the frames that were sent empty.
        players: Cost of the players that play.
        reserved: Cost of the players that the statistics do not show yet.
        is_lower_bound: Whether the real cost may be higher. Players play, but the node shows its frame statistics only
            to the session that owns them; or the CPU is unknown, and no other node's CPU can replace it.
        cpu_assumed: Whether `cpu` is the median of the pool, because the node has not measured its own CPU yet.
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
        """The mark before the total: ``>=`` for a lower bound, ``~`` where the CPU is assumed."""
        return mark_of(is_lower_bound=self.is_lower_bound, cpu_assumed=self.cpu_assumed)


def mark_of(*, is_lower_bound: bool, cpu_assumed: bool) -> str:
    """See `Penalty.mark`."""
    return ">=" * is_lower_bound + "~" * cpu_assumed


def cpu_term(stats: NodeStats) -> float | None:
    """The cost of the machine's load: ``1.05^(100*load)*10 - 10``, or None when the load is unknown."""
    if stats.system_load is None:
        return None
    return float(1.05 ** (100.0 * min(max(stats.system_load, 0.0), 1.0)) * 10.0 - 10.0)


def compute(stats: NodeStats, *, cpu_fallback: float | None = None, reserved: float = 0.0) -> Penalty:
    """The penalty of a node with these statistics.

    Args:
        stats: The node's statistics.
        cpu_fallback: Cost of the CPU where the node has no CPU baseline: the median of the pool.
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
    """``1.03^(frames/6)*300 - 300`` for frames lost in a minute, 0 to 3000."""
    return float(1.03 ** (min(max(frames, 0.0), FRAMES_PER_MINUTE) / 6.0) * 300.0 - 300.0)
