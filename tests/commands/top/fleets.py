"""Fleets for the screen of `top`, made of values."""

from __future__ import annotations

from typing import TYPE_CHECKING

from revvlink_cli.client.errors import Code, NodeException
from revvlink_cli.client.events import NodeFailed, NodeLost
from revvlink_cli.commands.nodes.status_rows import PenaltyTerms, StatusRow
from revvlink_cli.commands.top.event_log import EventLog
from revvlink_cli.commands.top.model import Fleet
from revvlink_cli.services.trends import Trends

if TYPE_CHECKING:
    from typing import Any

START = 1764427145.0
"""The time of all pictures, in seconds since the epoch."""

BROKEN = (
    ("failed", "connection_refused", "nothing listens on 10.0.0.7:2333"),
    ("failed", "wrong_password", "the node refused the password"),
    ("lost", "connection_reset", "the node closed the connection while it was in use; 12 players of this pool wait"),
)


def make_row(number: int, broken: tuple[str, str, str] | None = None, **more: Any) -> StatusRow:
    """One node; of a broken one the state, the code and the sentence."""
    region = ("us", "eu", "asia")[number % 3]
    state, reason, message = broken or ("connected", None, None)
    has_figures = state != "failed"
    cpu = (number % 20) / 20 if has_figures else None
    terms = PenaltyTerms(10.0, 0.0, 0.0, 1.5 * (number % 40), 0.0)
    values: dict[str, Any] = {
        "node": f"{region}-{number}", "state": state, "region": region, "server": "Lavalink", "version": "4.2.2",
        "speaks_dave": True, "playing": number % 40 if has_figures else None,
        "players": number % 40 + 3 if has_figures else None, "cpu_load_ratio": cpu, "cpu_has_baseline": True,
        "memory_used_bytes": (number % 9) * 2**27, "memory_reservable_bytes": 2**30, "uptime_ms": 86_400_000 + number,
        "penalty": 10 + 1.5 * (number % 40) if has_figures else None, "penalty_is_lower_bound": False,
        "penalty_cpu_is_assumed": False, "penalty_terms": terms if has_figures else None,
        "latency_ms": 12.0, "reason": reason, "message": message, "stats_age_s": 12.0, "stats_origin": "websocket",
        "is_stale": state == "lost", "unexpected_fields": (), "unparsed_messages": 0, "unknown_messages": (),
        "tags": ("prod",), "uri": f"http://10.0.0.{number}:2333",
    }  # fmt: skip
    return StatusRow(**(values | more))


def make_fleet(count: int = 200, broken: int = 40, rows: tuple[StatusRow, ...] | None = None, **more: Any) -> Fleet:
    """A fleet that has been watched for ten minutes; the broken nodes are the last ones of the configuration."""
    if rows is None:
        rows = tuple(
            make_row(number, BROKEN[min(number % 20, 2)] if number >= count - broken else None)
            for number in range(count)
        )
    trends, events = Trends(1.0), EventLog()
    for second in range(600):
        cpu = 0.2 + second / 1000
        trends.add(float(second), [(row.node, second // 20, cpu, 10.0) for row in rows if row.state != "failed"])
    for number, row in enumerate(rows):
        if row.message is None:
            continue
        reason = NodeException(row.message, code=Code.REFUSED, node=row.node, hint="start the node")
        events.add(START - 300 + number, NodeLost(node=row.node, reason=reason, players=2))
        for attempt in range(3):
            failed = NodeFailed(node=row.node, reason=reason, attempts=attempt)
            events.add(START - 200 + 20 * attempt + number / 10, failed)
    values: dict[str, Any] = {
        "rows": rows, "snapshots": {}, "now": 600.0, "time": START, "context": "prod", "trends": trends,
        "events": events,
    }  # fmt: skip
    return Fleet(**(values | more))
