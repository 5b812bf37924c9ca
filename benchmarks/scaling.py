"""Cost against size: how the work for one player grows with the nodes and the players of a fleet.

Each size is measured in turn, several times over, so that a slow moment of the machine meets all sizes alike. The least
time of each size counts. The growth is the exponent of a power law, fitted by least squares to the logarithms: 0 is a
constant cost, 1 a cost in proportion to the size.
"""

from __future__ import annotations

import random
import time
from math import log
from typing import TYPE_CHECKING

from benchmarks.library import make_fleet, make_stats
from benchmarks.measure import A_LIMIT, Row, Samples, Unit, at_most, seconds
from revvlink_cli.client.node_access import state_of
from revvlink_cli.client.protocol.models import Decoded

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

NODES = (10, 30, 100, 300, 1000, 3000)
PLAYERS = (100, 500, 2_000, 10_000, 50_000)
PLAYER_NODES = 50

ROUNDS = 7
CHANGES = 300
"""Changes of one measurement, each of which is followed by a choice."""

LOGARITHMIC = 0.25
"""The largest exponent that still passes as logarithmic. From 10 to 3,000 nodes the logarithm grows 3.5-fold, which a
power law with an exponent of 0.22 does too."""

LINEAR = 0.1
"""The largest exponent of the cost of each player, which is to stay the same however many there are."""


def exponent(sizes: Sequence[float], costs: Sequence[float]) -> float:
    """The exponent of the power law that fits best: the slope of the line through the logarithms."""
    x, y = [log(size) for size in sizes], [log(cost) for cost in costs]
    mean_x, mean_y = sum(x) / len(x), sum(y) / len(y)
    above = sum((one - mean_x) * (other - mean_y) for one, other in zip(x, y, strict=True))
    return above / sum((one - mean_x) ** 2 for one in x)


def _growth(sizes: Sequence[int], makers: Sequence[Callable[[], float]], limit: float, what: str) -> Samples:
    """The growth over several rounds, in each of which every size is measured once."""
    rounds = [[measure() for measure in makers] for _ in range(ROUNDS)]
    least = [min(times) for times in zip(*rounds, strict=True)]
    return Samples(
        [exponent(sizes, least)],
        [limit],
        Unit.EXPONENT,
        points=tuple(zip(sizes, least, strict=True)),
        points_of=what,
        spread=tuple(exponent(sizes, times) / limit for times in rounds),
    )


def get_node() -> Samples:
    """The best node of a region after one node's statistics have changed, which itself is not timed."""
    return _growth(NODES, [_chooser(size) for size in NODES], LOGARITHMIC, "nodes")


def _chooser(size: int) -> Callable[[], float]:
    fleet, nodes = make_fleet(size)
    source = random.Random(2)

    def measure() -> float:
        took = 0.0
        for _ in range(CHANGES):
            state_of(nodes[source.randrange(size)]).on_stats(
                Decoded(make_stats(source.randint(0, 200), source.random()))
            )
            took += seconds(lambda: fleet.get_node(region="eu"))
        return took / CHANGES

    measure()
    return measure


def placing() -> Samples:
    """Choosing a node for each of many players, with the reservation and the player itself, on 50 nodes."""
    return _growth(PLAYERS, [lambda count=count: _placed(count) for count in PLAYERS], LINEAR, "players")  # type: ignore[misc] # bound at once


def _placed(count: int) -> float:
    fleet, _ = make_fleet(PLAYER_NODES)

    def place() -> None:
        for guild in range(1, count + 1):
            node = fleet.get_node(region="eu")
            state_of(node).players.reserve(guild)
            fleet.create_player(guild, node=node)

    return seconds(place, time.thread_time) / count  # the processor's time: it lasts long enough to be interrupted


ROWS = {
    "growth-get-node": Row(
        get_node, A_LIMIT, at_most(1),
        "How the choice of a node after a change grows from 10 to 3,000 nodes, as an exponent: 0 is a constant cost, 1 "
        "a cost in proportion to the nodes; 0.25 is about the logarithm.",
    ),
    "growth-placing": Row(
        placing, A_LIMIT, at_most(1),
        "How the cost of each player grows from 100 to 50,000 players on 50 nodes. At 0 each player costs the same.",
    ),
}  # fmt: skip
