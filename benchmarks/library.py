"""The client's own work, beside the peer's and others'."""

from __future__ import annotations

import itertools
import random
import statistics
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from benchmarks.measure import Figure, seconds, shown, turn_by_turn
from revvlink_cli import Node, Pool
from revvlink_cli.client.cache.memory import LFUCache
from revvlink_cli.client.connection.supervisor import NodeSupervisor
from revvlink_cli.client.fleet import Fleet
from revvlink_cli.client.fleet_events import FleetMember
from revvlink_cli.client.node_access import state_of
from revvlink_cli.client.protocol.models import Decoded, WireCpu, WireStats
from revvlink_cli.client.snapshot import NodeStatus

if TYPE_CHECKING:
    from collections.abc import Callable

NODES = 1000
CHANGES = 2000
REGIONS = ("us", "eu", "asia", "oceania")


def _figures(size: int) -> list[tuple[str, str, int, float]]:
    source = random.Random(1)
    return [(f"n{i}", REGIONS[i % 4], source.randint(0, 200), source.random()) for i in range(size)]


def _no_rest() -> Any:
    """A REST client without methods: the benchmark sends nothing to these nodes."""
    return SimpleNamespace()


def _ours(size: int = NODES) -> tuple[Fleet, list[Node]]:
    """A fleet of so many nodes in the connected state, without a network."""
    fleet = Fleet()
    nodes = []
    for name, region, playing, load in _figures(size):
        node = Node(identifier=name, uri="http://127.0.0.1:1", password="x", region=region)
        state = state_of(node)
        link = state.supervisor = NodeSupervisor(state, _no_rest(), _no_rest(), user_id=1)
        link.status, link.was_connected = NodeStatus.CONNECTED, True
        state.observer = FleetMember(fleet, node)
        state.on_stats(Decoded(_stats(playing, load)))
        fleet._nodes[name] = node
        nodes.append(node)
    return fleet, nodes


def _stats(playing: int, load: float) -> WireStats:
    return WireStats(players=playing, playing_players=playing, uptime=1, cpu=WireCpu(4, load, load / 2))


def _peers(size: int = NODES) -> tuple[Any, list[Any]]:
    """The same nodes in the peer's pool."""
    import revvlink

    nodes = {}
    for name, region, playing, load in _figures(size):
        node = revvlink.Node(
            identifier=name, uri="http://127.0.0.1:1", password="x", region=region, session=SimpleNamespace()
        )
        node._status = revvlink.NodeStatus.CONNECTED
        node.stats = SimpleNamespace(cpu=SimpleNamespace(system_load=load), frames=None, playing=playing)
        nodes[name] = node
    revvlink.Pool._Pool__nodes = nodes
    return revvlink.Pool, list(nodes.values())


def get_node() -> Figure:
    """The best of 1,000 nodes in a region."""
    (fleet, _), (peer, _) = _ours(), _peers()
    assert fleet.get_node(region="eu").identifier == peer.get_node(region="eu").identifier
    calls = 200
    ours, theirs = turn_by_turn(
        lambda: [fleet.get_node(region="eu") for _ in range(calls)],
        lambda: [peer.get_node(region="eu") for _ in range(calls)],
        repeats=9,
    )
    ratio = theirs / ours
    return Figure(shown(ours / calls), shown(theirs / calls), ratio, "at least 30x as fast as the peer", ratio >= 30)


def get_node_and_change() -> Figure:
    """The best of 1,000 nodes, together with the statistics that come in before every call."""
    (fleet, nodes), (peer, theirs_nodes) = _ours(), _peers()
    turn = itertools.count()

    def ours_once() -> None:
        state_of(nodes[next(turn) % NODES]).on_stats(Decoded(_stats(3, 0.3)))
        fleet.get_node(region="eu")

    def theirs_once() -> None:
        stats = SimpleNamespace(cpu=SimpleNamespace(system_load=0.3), frames=None, playing=3)
        theirs_nodes[next(turn) % NODES].stats = stats
        peer.get_node(region="eu")

    ours, theirs = turn_by_turn(ours_once, theirs_once, repeats=101)
    return Figure(shown(ours), shown(theirs), theirs / ours, "shown, not promised", is_met=True)


def get_node_changed(size: int, target: float) -> Figure:
    """The best node of a region after one node's statistics have changed, which itself is not timed."""
    (fleet, nodes), (peer, theirs_nodes) = _ours(size), _peers(size)
    source = random.Random(2)
    ours, theirs = [], []
    for turn in range(CHANGES):
        playing, load = source.randint(0, 200), source.random()
        state_of(nodes[turn % size]).on_stats(Decoded(_stats(playing, load)))
        stats = SimpleNamespace(cpu=SimpleNamespace(system_load=load), frames=None, playing=playing)
        theirs_nodes[turn % size].stats = stats
        ours.append(seconds(lambda: fleet.get_node(region="eu")))
        theirs.append(seconds(lambda: peer.get_node(region="eu")))
    assert fleet.get_node(region="eu").identifier == peer.get_node(region="eu").identifier
    mine, other = statistics.median(ours), statistics.median(theirs)
    ratio = other / mine
    return Figure(shown(mine), shown(other), ratio, f"at least {target:g}x as fast as the peer", ratio >= target)


def get_node_changed_10() -> Figure:
    """In a fleet of 10 nodes."""
    return get_node_changed(10, 1.5)


def get_node_changed_100() -> Figure:
    """In a fleet of 100 nodes."""
    return get_node_changed(100, 5)


def get_node_changed_1000() -> Figure:
    """In a fleet of 1,000 nodes."""
    return get_node_changed(1000, 15)


def region_from_endpoint() -> Figure:
    """Endpoints never seen before, half of the old form and half of the new."""
    import revvlink

    source = random.Random(time.time_ns())
    codes = ["iad", "atl", "gru", "ams", "fra", "lhr", "nrt", "syd", "jnb", "dxb", "zzz"]
    names = ["us-east", "eu-west", "brazil", "japan", "sydney", "southafrica", "dubai", "frankfurt", "nowhere"]

    def endpoints() -> list[str]:
        new = [
            f"c-{source.choice(codes)}{number % 100:02}-{source.getrandbits(32):x}.discord.media:8443"
            for number in range(2000)
        ]
        old = [f"{source.choice(names)}{source.randint(1, 99999)}.discord.gg:443" for _ in range(2000)]
        return new + old

    fresh = iter([endpoints() for _ in range(40)])
    ours, theirs = turn_by_turn(
        lambda: [Pool.region_from_endpoint(endpoint) for endpoint in next(fresh)],
        lambda: [revvlink.Pool.region_from_endpoint(endpoint) for endpoint in next(fresh)],
        repeats=15,
    )
    ratio = theirs / ours
    return Figure(shown(ours / 4000), shown(theirs / 4000), ratio, "no slower than the peer", ratio >= 1)


def _keys(count: int, *, reshuffled_every: int | None = None) -> list[int]:
    """Zipf-distributed keys (s = 0.9, 20,000 keys), whose popularity is shuffled at an interval."""
    source = random.Random(7)
    weights = list(itertools.accumulate(1 / (rank + 1) ** 0.9 for rank in range(20_000)))
    names = list(range(20_000))
    keys: list[int] = []
    while len(keys) < count:
        keys += [
            names[rank] for rank in source.choices(range(20_000), cum_weights=weights, k=reshuffled_every or count)
        ]
        source.shuffle(names)
    return keys


def _use(cache: Any, put: Callable[[int, int], object], keys: list[int]) -> int:
    """The number of keys that the cache found."""
    hits = 0
    for key in keys:
        if cache.get(key) is None:
            put(key, key)
        else:
            hits += 1
    return hits


def cache() -> Figure:
    """The memory cache under Zipf-like keys, beside cachetools' LFU."""
    import cachetools

    keys = _keys(40_000)

    def use_ours() -> None:
        mine: LFUCache[int, int] = LFUCache(1000)
        _use(mine, mine.put, keys)

    def use_theirs() -> None:
        theirs: Any = cachetools.LFUCache(1000)
        _use(theirs, theirs.__setitem__, keys)

    ours, other = turn_by_turn(use_ours, use_theirs, repeats=9)
    ratio = other / ours
    return Figure(shown(ours), shown(other), ratio, "not slower than cachetools", ratio >= 1)


def cache_of_peers() -> Figure:
    """The same beside the faster of the caches of two other clients."""
    import revvlink
    import wavelink

    keys = _keys(40_000)

    def use_ours() -> None:
        mine: LFUCache[int, int] = LFUCache(1000)
        _use(mine, mine.put, keys)

    def use(kind: Any) -> Callable[[], None]:
        def used() -> None:
            theirs = kind(capacity=1000)
            for key in keys:
                if theirs.get(key, None) is None:
                    theirs.put(key, key)

        return used

    figures = [turn_by_turn(use_ours, use(kind), repeats=5) for kind in (revvlink.LFUCache, wavelink.LFUCache)]
    ours, other = min(figures, key=lambda pair: pair[1])
    ratio = other / ours
    return Figure(shown(ours), shown(other), ratio, "at least 1.5x as fast", ratio >= 1.5)


def cache_hits() -> Figure:
    """The hit ratio with a constant popularity, and with one that changes every 50,000 requests."""
    import cachetools

    shares = []
    for reshuffled_every in (None, 50_000):
        keys = _keys(400_000, reshuffled_every=reshuffled_every)
        mine: LFUCache[int, int] = LFUCache(1000)
        theirs: Any = cachetools.LFUCache(1000)
        shares.append((_use(mine, mine.put, keys) / len(keys), _use(theirs, theirs.__setitem__, keys) / len(keys)))
    (still, still_other), (changing, changing_other) = shares
    is_met = still >= still_other - 0.02 and changing >= changing_other + 0.15
    target = f"{still:.3f} beside {still_other:.3f} when it stays: -0.02 at most; +0.15 when it changes"
    return Figure(f"{changing:.3f}", f"{changing_other:.3f}", changing / changing_other, target, is_met)
