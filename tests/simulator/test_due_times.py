"""Players come out of the heap of due times when they are due, whatever has changed before."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from hypothesis import given
from hypothesis import strategies as st

from revvlink_cli.simulator.due_times import DueTimes

if TYPE_CHECKING:
    from revvlink_cli.simulator.player import Player

TIMES = st.integers(0, 20).map(float) | st.just(math.inf)


@dataclass(eq=False)
class Due:
    """A player of which only the due time is known."""

    at: float = math.inf

    def due(self) -> float:
        """Its due time."""
        return self.at


def plan(times: DueTimes, player: Due) -> bool:
    """Plan a player."""
    return times.plan(cast("Player", player))


@given(st.lists(st.tuples(st.integers(0, 3), TIMES), max_size=30))
def test_each_player_is_taken_when_it_is_due(changes: list[tuple[int, float]]) -> None:
    """After any changes each player that is due is taken once, and none is forgotten."""
    players = [Due() for _ in range(4)]
    times = DueTimes()
    for number, at in changes:
        earliest = times.next
        players[number].at = at
        assert plan(times, players[number]) is (at < earliest)

    for now in map(float, range(21)):
        taken = times.take(now)
        assert len(set(map(id, taken))) == len(taken)
        for player in (player for player in players if player.at == now):
            assert cast("Player", player) in taken
        for entry in taken:
            player = cast("Due", entry)
            if player.at > now:  # it has become due later
                plan(times, player)
    assert times.next == math.inf


def test_players_due_at_once_keep_their_order() -> None:
    """The messages of a run come in the same order each time."""
    times, players = DueTimes(), [Due(5.0) for _ in range(5)]
    for player in players:
        plan(times, player)

    assert times.take(4.9) == []
    assert [cast("Due", player) for player in times.take(5.0)] == players
    assert times.take(5.0) == []
