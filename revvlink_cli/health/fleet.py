"""What to make of a whole fleet: the nodes' findings together, and what only shows when all are looked at."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import chain
from typing import TYPE_CHECKING

from revvlink_cli.client.snapshot import NodeStatus
from revvlink_cli.health.catalogue import NODE_CHECKS
from revvlink_cli.health.checks import Subject, choose, explore
from revvlink_cli.health.findings import Figure, Finding, Outcome, Skipped, Verdict, graver, is_healthy, judge, worst
from revvlink_cli.health.ranges import NO_BOUNDS, Bounds, Range, Unit

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from revvlink_cli.client.snapshot import FleetSnapshot
    from revvlink_cli.health.checks import Load
    from revvlink_cli.health.policy import Policy

INFINITY = float("inf")


@dataclass(frozen=True, slots=True)
class Report:
    """The outcome of all checks.

    Attributes:
        verdict: The gravest of the findings.
        outcomes: Node by node in the order of the configuration, those of the fleet last.
        nodes: How many nodes there are.
        healthy: How many of them are healthy.
        ready: By node, whether it took the connection, the password and the websocket, and answers requests.
        at: When, in seconds since the epoch; 0 where nobody said.
        took: Seconds that it took.
        made: All findings, those of checks that are left out, too: trouble may be over though nobody reports it.
    """

    verdict: Verdict
    outcomes: tuple[Outcome, ...]
    nodes: int
    healthy: int
    ready: Mapping[str, bool] = field(default_factory=dict, hash=False)
    at: float = 0.0
    took: float = 0.0
    made: tuple[Finding, ...] = ()

    @property
    def findings(self) -> tuple[Finding, ...]:
        """The checks that were made and are reported."""
        return tuple(outcome for outcome in self.outcomes if isinstance(outcome, Finding))

    @property
    def healthy_nodes(self) -> str:
        """How many nodes are healthy, in words: ``2 of 3 nodes healthy``."""
        return f"{self.healthy} of {self.nodes} node{'' if self.nodes == 1 else 's'} healthy"


def assess(
    fleet: FleetSnapshot, policy: Policy, *, timeout: float, loads: Mapping[str, Sequence[Load]] | None = None
) -> Report:
    """Examine every node and the fleet.

    Where a quorum is demanded and held, whatever is wrong with a node costs a WARNING: that is what it is for.

    Args:
        fleet: The fleet.
        policy: What is demanded.
        timeout: Seconds that were given to the nodes, for messages.
        loads: By node, what became of the canaries.
    """
    explored = {
        node.identifier: explore(
            Subject(
                node,
                fleet.at,
                timeout,
                policy.of(node.identifier),
                fleet.penalties.get(node.identifier),
                (loads or {}).get(node.identifier, ()),
            )
        )
        for node in fleet.nodes
    }
    wanted = {name: frozenset(NODE_CHECKS) - policy.of(name).skip for name in explored}
    state = {name: is_healthy(choose(outcomes, wanted[name])) for name, outcomes in explored.items()}
    healthy = sum(well is True for well in state.values())
    ready = {node.identifier: node.ready_ms is not None and node.hanging is None for node in fleet.nodes}
    of_fleet = (
        _quorum(policy, state, ready),
        _regions(fleet, policy, state),
        _skew(fleet, policy),
        _imbalance(fleet, policy, state),
    )
    chosen: list[Outcome] = []
    quorum = policy.quorum(len(fleet.nodes))
    for name, outcomes in explored.items():
        codes = wanted[name] & policy.only if policy.only else wanted[name]
        kept = choose(outcomes, codes)
        chosen += map(_forgiven, kept) if quorum is not None and healthy >= quorum else kept
    chosen += [outcome for outcome in of_fleet if policy.wants(outcome.check)]
    made = tuple(found for found in chain(*explored.values(), of_fleet) if isinstance(found, Finding))
    return Report(worst(chosen), tuple(chosen), len(fleet.nodes), healthy, ready, made=made)


def _forgiven(outcome: Outcome) -> Outcome:
    """What is CRITICAL or UNKNOWN on a node of a fleet that has its quorum is worth a warning."""
    if isinstance(outcome, Finding) and outcome.verdict in (Verdict.CRITICAL, Verdict.UNKNOWN):
        own = outcome.raw_verdict or outcome.verdict
        return replace(
            outcome, verdict=Verdict.WARNING, message=f"{outcome.message} (the quorum holds)", raw_verdict=own
        )
    return outcome


def _judged(
    check: str,
    message: str,
    figure: Figure,
    verdict: Verdict = Verdict.OK,
    *,
    code: str | None = None,
    hint: str | None = None,
) -> Finding:
    """A finding on the fleet, of which the figure or what is known already makes the verdict; code and hint if bad."""
    verdict = graver(verdict, judge(figure.value, figure.bounds))
    if verdict is Verdict.OK:
        code = hint = None
    return Finding(node=None, check=check, verdict=verdict, message=message, figures=(figure,), code=code, hint=hint)


def _quorum(policy: Policy, state: Mapping[str, bool | None], ready: Mapping[str, bool]) -> Outcome:
    """Whether enough nodes are healthy: one that was not proven so does not count.

    Only where it could not be looked at, for reasons of this machine, nobody can tell.
    """
    wanted = policy.quorum(len(state))
    if wanted is None:
        bounds = policy.common.bounds_of("quorum")
        if bounds == NO_BOUNDS:
            return Skipped(None, "quorum", "no quorum is demanded, see --min-healthy")
    else:
        bounds = Bounds(policy.common.bounds_of("quorum").warning, Range(wanted, INFINITY))
    healthy = sum(well is True for well in state.values())
    unsure = sum(well is None and not ready[name] for name, well in state.items())
    share = f" ({policy.min_healthy})" if isinstance(policy.min_healthy, str) else ""
    told = f"{healthy} of {len(state)} nodes healthy" + (f", {wanted} needed{share}" if wanted is not None else "")
    hint = "bring nodes back, or add some"
    figure = Figure("healthy_nodes", healthy, Unit.COUNT, bounds, len(state))
    if judge(healthy, bounds) is Verdict.CRITICAL and judge(healthy + unsure, bounds) is not Verdict.CRITICAL:
        told += f", {unsure} of which nobody can tell"
        return Finding(node=None, check="quorum", verdict=Verdict.UNKNOWN, message=told, figures=(figure,),
                       code="no_quorum", hint=hint)  # fmt: skip
    return _judged("quorum", told, figure, code="no_quorum", hint=hint)


def _regions(fleet: FleetSnapshot, policy: Policy, state: Mapping[str, bool | None]) -> Outcome:
    nodes: dict[str, list[bool | None]] = {}
    for node in fleet.nodes:
        if node.region:
            nodes.setdefault(node.region.casefold(), []).append(state[node.identifier])
    if len(fleet.nodes) < 2:
        return Skipped(None, "regions", "there is but one node")
    if not nodes:
        return Skipped(None, "regions", "no node has a region")
    for region in policy.elsewhere:
        nodes.pop(region.casefold(), None)  # nodes that nobody looked at may serve it
    if not nodes:
        return Skipped(None, "regions", "no region has all of its nodes checked")
    unserved = [region for region, states in nodes.items() if not any(well is True for well in states)]
    dead = [region for region in unserved if all(well is False for well in nodes[region])]
    bounds = policy.common.bounds_of("regions")
    figure = Figure("unserved_regions", len(dead), Unit.COUNT, bounds, len(nodes))
    if not unserved:
        what = f"{len(nodes)} region{'s' if len(nodes) > 1 else ''}"
        return _judged("regions", f"{what}, each with a healthy node", figure)
    told = f"no healthy node in {', '.join(unserved)}"
    hint = "players there are sent to the nearest region that has one"
    verdict = Verdict.UNKNOWN if len(dead) < len(unserved) else Verdict.OK
    return _judged("regions", told, figure, verdict, code="unserved", hint=hint)


def _skew(fleet: FleetSnapshot, policy: Policy) -> Outcome:
    versions: dict[str, set[str]] = {}
    for node in fleet.nodes:
        if node.info is not None and node.info.version:
            versions.setdefault(str(node.dialect or "server"), set()).add(node.info.version)
    if len(fleet.nodes) < 2 or not versions:
        return Skipped(None, "skew", "there are no two nodes to compare")
    told = "; ".join(f"{server} {', '.join(sorted(found))}" for server, found in sorted(versions.items()))
    extra = sum(len(found) - 1 for found in versions.values())
    figure = Figure("version_skew", extra, Unit.COUNT, policy.common.bounds_of("skew"))
    return _judged("skew", told, figure, code="skew", hint="update the older nodes")


def _imbalance(fleet: FleetSnapshot, policy: Policy, state: Mapping[str, bool | None]) -> Outcome:
    playing: dict[str, list[int]] = {}
    for node in fleet.nodes:
        stats = node.stats(fleet.at)
        counts = node.status is NodeStatus.CONNECTED and state[node.identifier] and stats is not None
        if counts and stats is not None and stats.playing is not None:
            playing.setdefault((node.region or "").casefold(), []).append(max(stats.playing, 0))
    ratios = {
        region: max(counts) * len(counts) / sum(counts)
        for region, counts in playing.items()
        if len(counts) > 1 and sum(counts) > 0
    }
    if not ratios:
        return Skipped(None, "imbalance", "no two nodes of a region have players to compare")
    region, ratio = max(ratios.items(), key=lambda item: item[1])
    where = f" in {region}" if region else ""
    figure = Figure("imbalance", ratio, Unit.COUNT, policy.common.bounds_of("imbalance"))
    told = f"the busiest node{where} plays {ratio:.1f} times its region's mean"
    return _judged("imbalance", told, figure, code="imbalance", hint="see `revvlink nodes penalties` for the reason")
