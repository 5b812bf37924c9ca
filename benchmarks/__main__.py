"""Measures the speed that the product promises, beside other clients: ``python -m benchmarks [NAME...]``.

Every figure is a ratio of two medians taken turn by turn in one run, because machines are noisy and differ. The peer is
revvlink 1.0.5, an earlier client with the same API.
"""

from __future__ import annotations

import sys

from benchmarks import checks, failover, library, live, processes, scrape, stores, storm

BENCHMARKS = {
    "startup-region": processes.startup_region,
    "startup-list": processes.startup_list,
    "completion": processes.completion,
    "status-200": processes.status_of_a_fleet,
    "memory-per-node": processes.memory_per_node,
    "get-node": library.get_node,
    "get-node-and-change": library.get_node_and_change,
    "get-node-changed-10": library.get_node_changed_10,
    "get-node-changed-100": library.get_node_changed_100,
    "get-node-changed-1000": library.get_node_changed_1000,
    "region": library.region_from_endpoint,
    "cache": library.cache,
    "cache-peers": library.cache_of_peers,
    "cache-hits": library.cache_hits,
    "sqlite-hit": stores.hit,
    "cache-stats": stores.stats,
    "cached-search": stores.search,
    "top": live.top,
    "top-1000": live.top_1000,
    "watch": live.watch,
    "watch-1000": live.watch_1000,
    "frame": live.frame,
    "storm": storm.storm,
    "failover": failover.failover,
    "check-200": checks.healthy,
    "check-holes": checks.with_holes,
    "exporter-scrape-500": scrape.scrape_500,
}


def main() -> int:
    """Run the named benchmarks, or all; gives 1 when one misses its target."""
    wanted = sys.argv[1:] or list(BENCHMARKS)
    unknown = set(wanted) - set(BENCHMARKS)
    if unknown:
        print(f"unknown: {', '.join(sorted(unknown))}; there are: {', '.join(BENCHMARKS)}", file=sys.stderr)
        return 2
    print(f"{'benchmark':21} {'ours':>12} {'beside':>12} {'ratio':>8}  target")
    missed = 0
    for name in wanted:
        figure = BENCHMARKS[name]()
        missed += not figure.is_met
        print(
            f"{name:21} {figure.ours:>12} {figure.beside:>12} {figure.ratio:>8.2f}  "
            f"{figure.target}{'' if figure.is_met else '  MISSED'}",
            flush=True,
        )
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
