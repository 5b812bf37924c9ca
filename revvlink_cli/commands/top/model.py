"""What the screen of `top` is drawn from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from revvlink_cli.client.snapshot import NodeSnapshot
    from revvlink_cli.commands.nodes.status_rows import StatusRow
    from revvlink_cli.commands.top.event_log import EventLog
    from revvlink_cli.health.policy import Policy
    from revvlink_cli.services.trends import Trends


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """A fleet at one moment.

    Attributes:
        rows: All nodes, in the order of the configuration.
        snapshots: By name, the nodes as the last sample has them.
        now: Seconds on the monotonic clock.
        time: Seconds since the epoch.
        context: Name of the context, or None.
        is_paused: Whether no new samples are taken.
        trends: The course of the figures.
        events: The last events.
        policy: The thresholds that colour the bars; None for the usual ones.
        notes: What is wrong with the watch itself, such as a configuration that cannot be read again.
        has_keys: Whether keys can be read.
    """

    rows: tuple[StatusRow, ...]
    snapshots: Mapping[str, NodeSnapshot]
    now: float
    time: float
    context: str | None = None
    is_paused: bool = False
    trends: Trends
    events: EventLog
    policy: Policy | None = None
    notes: tuple[str, ...] = ()
    has_keys: bool = True
