"""The client's own work, beside the peer's and others'."""

from __future__ import annotations

import itertools
import random
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from benchmarks.measure import SHOWN, Centre, Demand, Row, Samples, Unit, at_least, by_turns, seconds
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
BATCH = 20
"""Changes whose calls are timed as one sample: its mean has also the calls that tidy up after several changes."""

REGIONS = ("us", "eu", "asia", "oceania")


def _figures(size: int) -> list[tuple[str, str, int, float]]:
    source = random.Random(1)
    return [(f"n{i}", REGIONS[i % 4], source.randint(0, 200), source.random()) for i in range(size)]


def _no_rest() -> Any:
    """A REST client without methods: the benchmark sends nothing to these nodes."""
    return SimpleNamespace()


def make_fleet(size: int = NODES) -> tuple[Fleet, list[Node]]:
    """A fleet of so many nodes in the connected state, without a network."""
    fleet = Fleet()
    nodes = []
    for name, region, playing, load in _figures(size):
        node = Node(identifier=name, uri="http://127.0.0.1:1", password="x", region=region)
        state = state_of(node)
        link = state.supervisor = NodeSupervisor(state, _no_rest(), _no_rest(), user_id=1)
        link.status, link.was_connected = NodeStatus.CONNECTED, True
        state.observer = FleetMember(fleet, node)
        state.on_stats(Decoded(make_stats(playing, load)))
        fleet._nodes[name] = node
        nodes.append(node)
    return fleet, nodes


def make_stats(playing: int, load: float) -> WireStats:
    """Statistics of a node with so many playing players and this load."""
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


def get_node() -> Samples:
    """The best of 1,000 nodes in a region."""
    (fleet, _), (peer, _) = make_fleet(), _peers()
    assert fleet.get_node(region="eu").identifier == peer.get_node(region="eu").identifier
    calls = 200
    return by_turns(
        lambda: [fleet.get_node(region="eu") for _ in range(calls)],
        lambda: [peer.get_node(region="eu") for _ in range(calls)],
        repeats=9,
        calls=calls,
        centre=Centre.MINIMUM,
    )


def get_node_and_change() -> Samples:
    """The best of 1,000 nodes, together with the statistics that come in before every call."""
    (fleet, nodes), (peer, theirs_nodes) = make_fleet(), _peers()
    turn = itertools.count()

    def ours_once() -> None:
        state_of(nodes[next(turn) % NODES]).on_stats(Decoded(make_stats(3, 0.3)))
        fleet.get_node(region="eu")

    def theirs_once() -> None:
        stats = SimpleNamespace(cpu=SimpleNamespace(system_load=0.3), frames=None, playing=3)
        theirs_nodes[next(turn) % NODES].stats = stats
        peer.get_node(region="eu")

    return by_turns(ours_once, theirs_once, repeats=101)


def get_node_changed(size: int) -> Samples:
    """The best node of a region after one node's statistics have changed, which itself is not timed."""
    (fleet, nodes), (peer, theirs_nodes) = make_fleet(size), _peers(size)
    source = random.Random(2)
    ours, theirs = [], []
    for batch in range(CHANGES // BATCH):
        mine = other = 0.0
        for turn in range(batch * BATCH, (batch + 1) * BATCH):
            playing, load = source.randint(0, 200), source.random()
            state_of(nodes[turn % size]).on_stats(Decoded(make_stats(playing, load)))
            stats = SimpleNamespace(cpu=SimpleNamespace(system_load=load), frames=None, playing=playing)
            theirs_nodes[turn % size].stats = stats
            mine += seconds(lambda: fleet.get_node(region="eu"))
            other += seconds(lambda: peer.get_node(region="eu"))
        ours.append(mine / BATCH)
        theirs.append(other / BATCH)
    assert fleet.get_node(region="eu").identifier == peer.get_node(region="eu").identifier
    return Samples(ours, theirs)


def region_from_endpoint() -> Samples:
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
    return by_turns(
        lambda: [Pool.region_from_endpoint(endpoint) for endpoint in next(fresh)],
        lambda: [revvlink.Pool.region_from_endpoint(endpoint) for endpoint in next(fresh)],
        repeats=19,
        calls=4000,
        centre=Centre.MINIMUM,
    )


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


def cache() -> Samples:
    """The memory cache under Zipf-like keys, beside cachetools' LFU."""
    import cachetools

    keys = _keys(40_000)

    def use_ours() -> None:
        mine: LFUCache[int, int] = LFUCache(1000)
        _use(mine, mine.put, keys)

    def use_theirs() -> None:
        theirs: Any = cachetools.LFUCache(1000)
        _use(theirs, theirs.__setitem__, keys)

    return by_turns(use_ours, use_theirs, repeats=9, calls=len(keys), centre=Centre.MINIMUM)


def cache_of_peers() -> Samples:
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

    pairs = [
        by_turns(use_ours, use(kind), repeats=5, calls=len(keys), centre=Centre.MINIMUM)
        for kind in (revvlink.LFUCache, wavelink.LFUCache)
    ]
    return min(pairs, key=lambda pair: min(pair.beside))


def cache_hits() -> Samples:
    """The hit ratio with a constant popularity, and with one that changes every 50,000 requests."""
    import cachetools

    shares = []
    for reshuffled_every in (None, 50_000):
        keys = _keys(400_000, reshuffled_every=reshuffled_every)
        mine: LFUCache[int, int] = LFUCache(1000)
        theirs: Any = cachetools.LFUCache(1000)
        shares.append((_use(mine, mine.put, keys) / len(keys), _use(theirs, theirs.__setitem__, keys) / len(keys)))
    (still, still_other), (changing, changing_other) = shares
    demands = [
        Demand("15 points more when popularity changes", changing >= changing_other + 0.15),
        Demand(
            f"at most 2 points less when it stays ({still:.1%} beside {still_other:.1%})", still >= still_other - 0.02
        ),
    ]
    return Samples([changing], [changing_other], Unit.SHARE_OF_HITS, demands=demands)


PEER = "revvlink 1.0.5"

ROWS = {
    "get-node": Row(
        get_node, PEER, at_least(30),
        "Choosing the best of 1,000 nodes for a region while no node has changed: the cost for a bot of each further "
        "player that starts.",
    ),
    "get-node-and-change": Row(
        get_node_and_change, PEER, SHOWN,
        "Taking in the statistics of one of 1,000 nodes and then choosing the best: both halves of the work.",
    ),
    "get-node-changed-10": Row(
        lambda: get_node_changed(10), PEER, at_least(1.5),
        "Choosing the best of 10 nodes after one has sent new statistics, as in every real fleet.",
    ),
    "get-node-changed-100": Row(
        lambda: get_node_changed(100), PEER, at_least(5), "The same with 100 nodes.",
    ),
    "get-node-changed-1000": Row(
        lambda: get_node_changed(1000), PEER, at_least(15), "The same with 1,000 nodes.",
    ),
    "region": Row(
        region_from_endpoint, PEER, at_least(1), "Mapping one new voice endpoint of Discord to its region.",
    ),
    "cache": Row(
        cache, "cachetools", at_least(1), "One look-up in the memory cache, with the insertion where it was not found.",
    ),
    "cache-peers": Row(
        cache_of_peers, "the faster of revvlink 1.0.5 and wavelink 3.5.2", at_least(1.5),
        "The same beside the caches of other Lavalink clients.",
    ),
    "cache-hits": Row(
        cache_hits, "cachetools", at_least(1),
        "How many searches the memory cache answers when the popular tracks change, as charts do.",
    ),
}  # fmt: skip
