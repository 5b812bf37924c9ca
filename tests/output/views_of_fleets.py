"""Makes views of fleets for the status page: well, broken, in maintenance, new, large, and with hostile names."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

from revvlink_cli.client.snapshot import FleetSnapshot
from revvlink_cli.health.fleet import assess
from revvlink_cli.health.policy import Policy
from revvlink_cli.health.silences import Silence
from revvlink_cli.services.history import NodePast
from revvlink_cli.services.history_store import Incident, Times
from revvlink_cli.services.status_view import DayCache, StatusView, status_view
from tests.health.judged_nodes import DOWN, NOW, REFUSED, snapshot

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from revvlink_cli.client.errors import NodeException

AT = 1_795_912_345.0
"""Sun 29 Nov 2026, 00:32:25 UTC."""

DAYS = [date(2026, 11, 29) - timedelta(days=number) for number in reversed(range(90))]

HOSTILE = "</script><script>x('&\u202e\u0007\U0001f600"

HOSTILE_NAMES = ("us-1", "n" * 120, HOSTILE, "wide-漢字漢字" * 8, "שלום-node-مرحبا", "<b>&amp;", "a b c " * 30)

REGIONS = ("us", "eu", "asia", "br")


def view_of(
    names: Sequence[str],
    *,
    is_down: Callable[[int], bool] = lambda number: number % 3 == 1,
    observed: int = 90,
    silenced: Sequence[str] = (),
    title: str = "Music nodes",
    cache: DayCache | None = None,
    error: NodeException = REFUSED,
) -> StatusView:
    """A fleet.

    Args:
        names: The names of its nodes.
        is_down: Whether the node of this number is not connected.
        observed: Days of the history, the last one today.
        silenced: Nodes in maintenance.
        title: The heading.
        cache: Remembers days from view to view.
        error: Why nodes are down.
    """
    nodes = tuple(
        snapshot(
            identifier=name,
            uri=f"http://node{number}.example.com:2333",
            region=REGIONS[number % 4],
            attempts=5,
            **({**DOWN, "error": error} if is_down(number) else {}),
        )
        for number, name in enumerate(names)
    )
    silence = Silence(
        id="abcd",
        nodes=tuple(silenced),
        reason="http://x.example.com",
        created_by="me@host",
        created_at=0,
        until=AT + 3600,
    )
    fleet = FleetSnapshot(at=NOW, nodes=nodes, penalties={})
    report = assess(fleet, Policy(), timeout=5.0, silenced=dict.fromkeys(silenced, silence) or None)
    past = {name: _past(number, observed, is_down=is_down(number)) for number, name in enumerate(names)}
    incidents = [
        Incident(name, round(AT * 1000) - 3_000_000 * (number + 1), None, 0, "connection_refused")
        for number, name in enumerate(names)
        if is_down(number)
    ]
    if observed > 1:
        ended = round(AT * 1000) - 86_400_000
        incidents += [Incident(name, ended - 754_000, ended, ended, "timeout") for name in names[:3]]
    return status_view(title, AT, fleet, report, past, DAYS, incidents, cache or DayCache())


def _past(number: int, observed: int, *, is_down: bool) -> NodePast:
    """Outages of a few minutes or hours on some days."""
    if not observed:
        return NodePast(None, (Times(0, 0),) * 3, {})
    lost = 7_200_000 if number % 4 == 2 else 300_000
    days = {
        day: Times(86_400_000 - lost, lost) if (place * 7 + number * 11) % 29 == 0 else Times(86_400_000, 0)
        for place, day in enumerate(DAYS[-observed:])
    }
    days[DAYS[-1]] = Times(1_000_000, 900_000) if is_down else Times(1_900_000, 0)
    windows = (Times(85_500_000, 900_000) if is_down else Times(86_400_000, 0), Times(86_399_999, 1), Times(999, 1))
    return NodePast(AT - 3000 * (number + 1), windows, days)


def _never(_: int) -> bool:
    return False


def fleets() -> dict[str, StatusView]:
    """Fleets by the name of their situation."""
    three, many = ("us-1", "us-2", "eu-1"), tuple(f"node-{number}" for number in range(200))
    return {
        "mixed": view_of(
            ("us-1", "us-2", "eu-1", "asia-1", "br-1", "quiet"),
            is_down=lambda number: number in (1, 5),
            silenced=("quiet",),
        ),
        "well": view_of((*three, "asia-1"), is_down=_never),
        "hostile": view_of(HOSTILE_NAMES, title="Nodes <of> all שלום " + "x" * 90),
        "one": view_of(("us-1",), is_down=_never),
        "one-down": view_of(("us-1",), is_down=lambda number: number == 0),
        "large": view_of(many, is_down=lambda number: number % 5 == 0, silenced=("node-5", "node-7")),
        "new": view_of(three, is_down=_never, observed=1),
        "unseen": view_of(three, is_down=_never, observed=0),
        "maintenance": view_of(three, is_down=lambda number: number < 2, silenced=three),
    }
