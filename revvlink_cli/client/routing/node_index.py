"""Finds the best node of a region without ranking all nodes.

`ranking.rank` defines which node is best, and explains why. `NodeIndex` gives the same answer from sorted lists: one
for each region, and one for all nodes. A change of a node moves that node in two lists, and nothing else. `bisect`
finds the place in logarithmic time.

- A node that cannot serve is in no list.
- A node whose statistics are too old counts as one without statistics. Statistics grow old, and trips end, without a
  report. A heap holds the moments at which a node must be read again.
- A node that has not measured its CPU counts with the median of the pool, which other nodes change. So such nodes are
  in a second list of their region, sorted by their other costs. The median is added when the list is read.
- Nodes that the caller excludes are skipped.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Any

from revvlink_cli.client.node_access import state_of
from revvlink_cli.client.routing.penalty import PER_PLAYER
from revvlink_cli.client.routing.ranking import penalty
from revvlink_cli.client.routing.regions import nearest_regions

if TYPE_CHECKING:
    from collections.abc import Collection

    from revvlink_cli.client.connection.node_state import NodeState
    from revvlink_cli.client.node import Node
    from revvlink_cli.client.routing.penalty import Penalty
    from revvlink_cli.client.snapshot import TimedStats

NEVER = float("inf")

ROUNDING = 1e-9
"""Totals are rounded: nodes whose costs differ by a smaller share than this may have equal totals with the median, so
that the number of their players decides. Their totals are compared, not the sums without the median."""

Terms = tuple[float, float, float, float]
"""The costs of a node without its CPU, in the order in which `Penalty.total` adds them."""

Key = tuple[float, int, int, int, str]
"""Total penalty, reservations where it is unknown, assigned players, position, identifier: as `rank` sorts."""

UnmeasuredKey = tuple[float, Terms, int, int, str]
"""Sum of the terms, the terms, assigned players, position, identifier."""


@dataclass(slots=True)
class _Group:
    """The nodes of one region that can serve, or of all, best first; those without a CPU baseline apart."""

    measured: list[Any] = field(default_factory=list)
    unmeasured: list[Any] = field(default_factory=list)


@dataclass(slots=True)
class _Entry:
    """What the index holds of one node.

    Attributes:
        node: The node.
        state: What is known of it.
        position: Its place in the order of the configuration.
        measured: The lists, of all nodes and of its region, that have its key when it has measured its CPU or has no
            statistics.
        unmeasured: The lists that have its key otherwise.
        key: Its key in the lists, a `Key` or an `UnmeasuredKey`.
        lists: The lists that have the key: `measured`, `unmeasured`, or none while it cannot serve.
        cpu: The cost of its CPU among those of all nodes, None when it has none there.
        due: Monotonic second at which the heap has the node read again.
        timed: Its statistics when it was read, of any age.
    """

    node: Node
    state: NodeState
    position: int
    measured: tuple[list[Any], ...]
    unmeasured: tuple[list[Any], ...]
    key: Any = None
    lists: tuple[list[Any], ...] = ()
    cpu: float | None = None
    due: float = NEVER
    timed: TimedStats | None = None


class NodeIndex:
    """The nodes of one fleet in the order of `ranking.rank`."""

    def __init__(self, nodes: dict[str, Node]) -> None:
        """Begin.

        Args:
            nodes: The nodes of the fleet by identifier, in the order of the configuration; the fleet changes it.
        """
        self._nodes = nodes
        self._entries: dict[str, _Entry] = {}
        self._all = _Group()
        self._regions: dict[str, _Group] = {}
        self._cpus: list[float] = []  # sorted; of nodes that cannot serve, too
        self._due: list[tuple[float, str]] = []
        self._changed: set[str] = set()
        self._positions = 0

    def on_change(self, identifier: str, now: float) -> None:
        """A node has changed, joined or left.

        New statistics are read at once, because those of all nodes may come between two choices. Other changes wait
        for the next choice: a placement changes its node twice.
        """
        entry = self._entries.get(identifier)
        self._changed.add(identifier)
        if entry is None or self._nodes.get(identifier) is not entry.node:
            self._refresh(now)
        elif entry.timed is not entry.state.timed_stats:
            self._changed.discard(identifier)
            self._read(entry, identifier, now)

    def best(
        self, now: float, region: str | None = None, *, neighbours: bool = True, exclude: Collection[str] = ()
    ) -> str | None:
        """The identifier of the best node, None when no node can serve. The arguments are those of `ranking.rank`."""
        self._refresh(now)
        if region:
            wanted = region.casefold()
            found = self._best_of(self._regions.get(wanted), exclude)
            if found is not None:
                return found
            for label in nearest_regions(wanted) if neighbours and self._regions else ():
                found = self._best_of(self._regions.get(label), exclude)
                if found is not None:
                    return found
        return self._best_of(self._all, exclude)

    def penalty_of(self, node: Node, now: float) -> Penalty | None:
        """The penalty of one node as `ranking.penalties` computes it; None when its statistics are unknown or old."""
        self._refresh(now)
        state = state_of(node)
        timed = state.timed_stats
        if timed is None or now >= timed.expires:
            return None
        return penalty(timed, state.reserved, self._median() if self._cpus else None)

    def _best_of(self, group: _Group | None, exclude: Collection[str]) -> str | None:
        if group is None:
            return None
        best: Key | None = None
        for key in group.measured:
            if key[4] not in exclude:
                best = key
                break
        if group.unmeasured:
            other = self._best_unmeasured(group.unmeasured, exclude)
            if best is None or (other is not None and other < best):
                best = other
        return best[4] if best is not None else None

    def _best_unmeasured(self, keys: list[UnmeasuredKey], exclude: Collection[str]) -> Key | None:
        """The key, with the median added, of the best node without a CPU baseline.

        Nodes with the same terms have the same total; the first of them is the best of them, the others are skipped.
        """
        median, at, limit = self._median(), 0, NEVER
        best: Key | None = None
        while at < len(keys) and keys[at][0] <= limit:
            rest, terms, held, position, identifier = keys[at]
            if identifier in exclude:
                at += 1
                continue
            deficit, nulled, players, reserved = terms
            key = (median + deficit + nulled + players + reserved, 0, held, position, identifier)
            if best is None:
                best, limit = key, rest + ROUNDING * (1.0 + median + rest)
            best = min(best, key)
            behind: Any = (rest, terms, NEVER)
            at = bisect_right(keys, behind, at)
        return best

    def _median(self) -> float:
        """The median of the CPU costs, as `statistics.median` computes it; 0 without any."""
        cpus, middle = self._cpus, len(self._cpus) // 2
        if not cpus:
            return 0.0
        return cpus[middle] if len(cpus) % 2 else (cpus[middle - 1] + cpus[middle]) / 2

    def _refresh(self, now: float) -> None:
        """Read again the nodes that have changed or joined, and those whose statistics or trips have ended."""
        due, changed, entries = self._due, self._changed, self._entries
        while due and due[0][0] <= now:
            moment, identifier = heappop(due)
            entry = entries.get(identifier)
            if entry is not None and entry.due == moment:
                entry.due = NEVER
                changed.add(identifier)
        for identifier in changed:
            entry = entries.get(identifier)
            if entry is not None and self._nodes.get(identifier) is not entry.node:  # it left
                self._take_out(entry)
                del entries[identifier]
        if self._nodes and next(reversed(self._nodes)) not in entries:
            self._add_new()
        if changed:
            for identifier in changed:
                entry = entries.get(identifier)
                if entry is not None:
                    self._read(entry, identifier, now)
            changed.clear()

    def _add_new(self) -> None:
        """Make entries of the nodes that have joined: they are the last of the fleet."""
        new: list[str] = []
        for identifier in reversed(self._nodes):
            if identifier in self._entries:
                break
            new.append(identifier)
        for identifier in reversed(new):
            node = self._nodes[identifier]
            region = node.region
            groups = [self._all]
            if region:
                groups.append(self._regions.setdefault(region.casefold(), _Group()))
            measured = tuple([group.measured for group in groups])
            unmeasured = tuple([group.unmeasured for group in groups])
            self._entries[identifier] = _Entry(node, state_of(node), self._positions, measured, unmeasured)
            self._positions += 1
            self._changed.add(identifier)

    def _read(self, entry: _Entry, identifier: str, now: float) -> None:
        """Read a node again, and move it to its place."""
        state, cpu, due = entry.state, None, entry.due
        timed, until = state.timed_stats, state.tripped_until
        entry.timed = timed
        if timed is not None and now >= timed.expires:
            timed = None
        if timed is not None:
            due = min(due, timed.expires)
            if timed.stats.system_load is not None:
                cpu = timed.penalty.cpu
        if cpu != entry.cpu:
            self._set_cpu(entry, cpu)
        key: Any = None
        lists: tuple[list[Any], ...] = ()
        if until is not None and now < until:
            due = min(due, until)
        elif state.can_serve:
            key = _key_of(entry, identifier, timed)
            lists = entry.measured if timed is None or cpu is not None else entry.unmeasured
        if key != entry.key or lists is not entry.lists:  # often equal: a player that arrives was counted before
            for keys in entry.lists:
                del keys[bisect_left(keys, entry.key)]
            for keys in lists:
                insort(keys, key)
            entry.key, entry.lists = key, lists
        if due < entry.due:  # otherwise the heap has the node read too early, which does no harm
            entry.due = due
            heappush(self._due, (due, identifier))

    def _set_cpu(self, entry: _Entry, cpu: float | None) -> None:
        """Replace the cost of a node's CPU among those of all nodes."""
        if entry.cpu is not None:
            del self._cpus[bisect_left(self._cpus, entry.cpu)]
        if cpu is not None:
            insort(self._cpus, cpu)
        entry.cpu = cpu

    def _take_out(self, entry: _Entry) -> None:
        """Take a node that has left out of the lists."""
        self._set_cpu(entry, None)
        for keys in entry.lists:
            del keys[bisect_left(keys, entry.key)]
        entry.lists = ()


def _key_of(entry: _Entry, identifier: str, timed: TimedStats | None) -> Key | UnmeasuredKey:
    """The key of a node that can serve; `timed` is None without young statistics."""
    state = entry.state
    reserved, held = state.reserved, state.players.assigned
    if timed is None:
        return (NEVER, reserved, held, entry.position, identifier)
    if entry.cpu is not None:
        return (timed.penalty.total + PER_PLAYER * reserved, 0, held, entry.position, identifier)
    cost = timed.penalty
    terms = (cost.deficit, cost.nulled, cost.players, PER_PLAYER * reserved)
    return (sum(terms), terms, held, entry.position, identifier)
