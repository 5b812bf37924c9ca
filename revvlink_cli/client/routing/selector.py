"""Chooses the best node of a fleet with an index, and caches the rankings until a node changes."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from revvlink_cli.client import clock
from revvlink_cli.client.errors import Code, InvalidNodeException
from revvlink_cli.client.routing import ranking
from revvlink_cli.client.routing.node_index import NodeIndex
from revvlink_cli.client.routing.regions import GLOBAL, count_unknown_place, region_from_endpoint
from revvlink_cli.client.snapshot import FleetSnapshot

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from revvlink_cli.client.node import Node
    from revvlink_cli.client.routing.penalty import Penalty
    from revvlink_cli.client.routing.ranking import Ranking


class NodeSelector:
    """Ranks the nodes of one fleet, and chooses among them."""

    def __init__(self, nodes: dict[str, Node]) -> None:
        """Create a selector.

        Args:
            nodes: The nodes of the fleet by identifier, in the order they were added; the fleet changes this mapping.
        """
        self._nodes = nodes
        self._index = NodeIndex(nodes)
        self._regions: Mapping[str, tuple[str, ...]] | None = None
        self._unknown_regions: Counter[str] = Counter()
        self._rankings: dict[str | None, Ranking] = {}

    def use_regions(self, regions: Mapping[str, tuple[str, ...]] | None) -> None:
        """Use a map of regions in place of the built-in one; None restores that one."""
        self._regions = regions
        self._unknown_regions.clear()
        self._rankings.clear()

    def region_from_endpoint(self, endpoint: str | None) -> str | None:
        """The region of a voice endpoint, see `Pool.region_from_endpoint`."""
        region = region_from_endpoint(endpoint, self._regions)
        if endpoint is not None and region == GLOBAL:
            count_unknown_place(endpoint, self._unknown_regions)
        return region

    def on_change(self, node: Node) -> None:
        """Discard the rankings, and update the index: the node has changed, joined or left."""
        self._index.on_change(node.identifier, clock.monotonic())
        self._rankings.clear()

    def snapshot(self) -> FleetSnapshot:
        """All nodes as they are now, with their penalties."""
        now = clock.monotonic()
        nodes = tuple(node.snapshot() for node in self._nodes.values())
        return FleetSnapshot(now, nodes, ranking.penalties(nodes, now), dict(self._unknown_regions))

    def penalty_of(self, node: Node) -> Penalty | None:
        """The penalty of one node among the others; None when its statistics are unknown or too old."""
        return self._index.penalty_of(node, clock.monotonic())

    def rank(self, region: str | None = None, *, exclude: Collection[str] = ()) -> Ranking:
        """All nodes, ranked for a region. The ranking is cached until a node changes or statistics are too old."""
        now = clock.monotonic()
        known = None if exclude else self._rankings.get(region)
        if known is None or now >= known.expires:
            known = self._rank(region, exclude, now)
            if not exclude:
                self._rankings[region] = known
        return known

    def _rank(self, region: str | None, exclude: Collection[str], now: float) -> Ranking:
        nodes = [node.snapshot() for node in self._nodes.values()]
        return ranking.rank(nodes, now, region=region, neighbours=self._regions is None, exclude=exclude)

    def best(self, region: str | None = None, *, exclude: Collection[str] = ()) -> Node:
        """The best node for a region.

        Raises:
            InvalidNodeException: No node can serve; the message says why each was left out.
        """
        now = clock.monotonic()
        found = self._index.best(now, region, neighbours=self._regions is None, exclude=exclude)
        if found is not None:
            return self._nodes[found]
        ranked = self._rank(region, exclude, now)
        why = "; ".join(f"{left.node.identifier}: {left.reason}" for left in ranked.excluded[:5])
        more = f"; and {len(ranked.excluded) - 5} more" if len(ranked.excluded) > 5 else ""
        raise InvalidNodeException(
            f"no node can serve: {why}{more}" if why else "the pool has no nodes",
            code=Code.NO_NODE,
            hint="connect a node" if not why else "start one of them, or correct the configuration",
        )
