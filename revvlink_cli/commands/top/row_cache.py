"""The rows of a fleet under watch, of which most are the same as a second ago."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from revvlink_cli.commands.nodes.status_rows import watched_row

if TYPE_CHECKING:
    from revvlink_cli.client.routing.penalty import Penalty
    from revvlink_cli.client.snapshot import NodeSnapshot
    from revvlink_cli.commands.nodes.status_rows import StatusRow
    from revvlink_cli.commands.shared.command import Options
    from revvlink_cli.services.watching import Watch


class _Made(NamedTuple):
    """A row with what it was made from, and the monotonic second until which it is the same."""

    shot: NodeSnapshot
    penalty: Penalty | None
    row: StatusRow
    until: float


class RowCache:
    """Makes the row of a node again only when the node has changed.

    The age of the statistics in a row that is kept is the one at the time when it was made.
    """

    def __init__(self) -> None:
        self._made: dict[str, _Made] = {}

    def rows(self, seen: Watch, options: Options) -> tuple[StatusRow, ...]:
        """The rows of all nodes, in the order of the configuration."""
        snapshot, made = seen.snapshot, self._made
        self._made = {}
        for node in snapshot.nodes:
            penalty = snapshot.penalties.get(node.identifier)
            kept = made.get(node.identifier)
            if kept is None or snapshot.at >= kept.until or kept.shot != node or kept.penalty != penalty:
                row = watched_row(seen, node, options)
                kept = _Made(node, penalty, row, _valid_until(node, row))
            self._made[node.identifier] = kept
        return tuple(kept.row for kept in self._made.values())


def _valid_until(node: NodeSnapshot, row: StatusRow) -> float:
    """The monotonic second until which a row is the same: 0 for one that shows a time that passes."""
    if row.is_stale or node.tripped_until is not None or node.timed_stats is None:
        return 0.0
    return node.timed_stats.expires
