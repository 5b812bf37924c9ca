"""The report on a whole fleet: the findings of all nodes and of the fleet, and their verdict."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import chain
from types import MappingProxyType
from typing import TYPE_CHECKING

from revvlink_cli.health.catalogue import NODE_CHECKS
from revvlink_cli.health.checks.canaries import NO_CANARY
from revvlink_cli.health.checks.context import NOTHING_ASKED, CheckContext
from revvlink_cli.health.checks.fleet import CHECKS, FleetContext
from revvlink_cli.health.checks.run import run_checks, select_checks
from revvlink_cli.health.findings import Finding, Outcome, Skipped, Verdict, is_healthy, worst

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from revvlink_cli.client.snapshot import FleetSnapshot
    from revvlink_cli.health.checks.context import Load, OnDemand, Played
    from revvlink_cli.health.damped_findings import Damping
    from revvlink_cli.health.policy import Policy
    from revvlink_cli.health.silences import Silence


@dataclass(frozen=True, slots=True)
class Report:
    """The outcomes of all checks.

    Attributes:
        verdict: The gravest verdict of the findings.
        outcomes: The reported outcomes, node by node in the order of the configuration, then those of the fleet.
        nodes: Number of nodes.
        healthy: Number of healthy nodes.
        ready: By node, whether it took the connection, the password and the websocket, and answers requests.
        at: When the checks began, in seconds since the epoch; 0 if unknown.
        took: Seconds that they took.
        made: All findings, also of checks that are not reported: an alert ends when its trouble is over.
        context: The name of the fleet, where it has one; else None.
        parts: The reports on single fleets that this one consists of; none if it is about one fleet.
        silenced: The silenced nodes, each with its silence.
    """

    verdict: Verdict
    outcomes: tuple[Outcome, ...]
    nodes: int
    healthy: int
    ready: Mapping[str, bool] = field(default_factory=dict, hash=False)
    at: float = 0.0
    took: float = 0.0
    made: tuple[Finding, ...] = ()
    context: str | None = None
    parts: tuple[Report, ...] = ()
    silenced: Mapping[str, Silence] = field(default_factory=dict, hash=False)

    @property
    def silences(self) -> tuple[tuple[str, Silence], ...]:
        """The silenced nodes, of several fleets as ``prod/us-1``, each with its silence."""
        if self.parts:
            return tuple((f"{part.context}/{name}", found) for part in self.parts for name, found in part.silences)
        return tuple(self.silenced.items())

    @property
    def findings(self) -> tuple[Finding, ...]:
        """The reported findings, without skipped checks."""
        return tuple(outcome for outcome in self.outcomes if isinstance(outcome, Finding))

    @property
    def remark(self) -> str | None:
        """What a good verdict does not prove: that tracks load. None where a canary was tried, or is left out."""
        tried = any(outcome.check in ("load", "play") for outcome in self.findings)
        untried = (isinstance(outcome, Skipped) and outcome.reason == NO_CANARY for outcome in self.outcomes)
        return NO_CANARY if not tried and any(untried) else None

    @property
    def healthy_nodes(self) -> str:
        """How many nodes are healthy and silenced, in words: ``2 of 3 nodes of prod healthy, 1 silenced``."""
        fleet = f" of {self.context}" if self.context is not None else ""
        if self.parts:
            fleet = f" of {len(self.parts)} context{'' if len(self.parts) == 1 else 's'}"
        silenced = f", {len(self.silences)} silenced" if self.silences else ""
        return f"{self.healthy} of {self.nodes} node{'' if self.nodes == 1 else 's'}{fleet} healthy{silenced}"


def combined(parts: Sequence[Report]) -> Report:
    """One report on several fleets, whose outcomes name their fleet.

    Args:
        parts: The reports, each with its context.
    """
    outcomes = tuple(replace(outcome, context=part.context) for part in parts for outcome in part.outcomes)
    return Report(
        max((part.verdict for part in parts), key=lambda verdict: verdict.gravity, default=Verdict.UNKNOWN),
        outcomes,
        sum(part.nodes for part in parts),
        sum(part.healthy for part in parts),
        at=min((part.at for part in parts if part.at), default=0.0),
        took=max((part.took for part in parts), default=0.0),
        parts=tuple(parts),
    )


def unusable(context: str, problems: Sequence[str], at: float) -> Report:
    """The report on a fleet whose configuration cannot be used: what it would say is unknown.

    Args:
        context: The name of the fleet.
        problems: Why, at least one.
        at: When that was found, in seconds since the epoch.
    """
    more = f" (and {len(problems) - 1} more mistakes)" if len(problems) > 1 else ""
    message = f"{problems[0]}{more}"
    finding = Finding(
        node=None,
        check="config",
        verdict=Verdict.UNKNOWN,
        message=message,
        code="configuration",
        stage="config",
        hint=f"see `revvlink --context {context} config validate`",
    )
    return Report(Verdict.UNKNOWN, (finding,), 0, 0, at=at, made=(finding,), context=context)


def assess(
    fleet: FleetSnapshot,
    policy: Policy,
    *,
    timeout: float,
    loads: Mapping[str, Sequence[Load]] | None = None,
    played: Mapping[str, Sequence[Played]] | None = None,
    on_demand: Mapping[str, OnDemand] | None = None,
    silenced: Mapping[str, Silence] | None = None,
    damping: Damping | None = None,
) -> Report:
    """Checks every node and the fleet.

    Where a quorum is set and holds, CRITICAL and UNKNOWN findings on single nodes become a WARNING. Problems of
    silenced nodes become OK, and checks of the fleet leave silenced nodes out that are not healthy.

    Args:
        fleet: The fleet.
        policy: What it has to fulfil.
        timeout: Seconds that the nodes had to answer, for messages.
        loads: By node, the results of its canaries.
        played: By node, the results of its playing canaries.
        on_demand: By node, its answers for checks on demand; those checks are skipped on other nodes.
        silenced: The silenced nodes, each with its silence.
        damping: Damps the verdicts; without it they are those of this moment. It changes neither `Report.ready` nor
            `Report.made`.
    """
    silenced = {node.identifier: found for node in fleet.nodes if (found := (silenced or {}).get(node.identifier))}
    raw_outcomes = {
        node.identifier: run_checks(
            CheckContext(
                node,
                fleet.at,
                timeout,
                policy.of(node.identifier),
                fleet.penalties.get(node.identifier),
                (loads or {}).get(node.identifier, ()),
                (played or {}).get(node.identifier, ()),
                (on_demand or {}).get(node.identifier, NOTHING_ASKED),
            )
        )
        for node in fleet.nodes
    }
    all_outcomes = raw_outcomes
    if damping is not None:
        all_outcomes = {node.identifier: damping.of_node(node, raw_outcomes[node.identifier]) for node in fleet.nodes}
    wanted = {name: frozenset(NODE_CHECKS) - policy.of(name).skip for name in all_outcomes}
    state = {name: is_healthy(select_checks(outcomes, wanted[name])) for name, outcomes in all_outcomes.items()}
    healthy = sum(is_well is True for is_well in state.values())
    ready = {node.identifier: node.ready_ms is not None and node.rest_failure is None for node in fleet.nodes}
    context = FleetContext(fleet, policy, state, ready, frozenset(silenced))
    of_fleet = tuple(check(context) for check in CHECKS.values())
    shown_of_fleet = of_fleet if damping is None else tuple(map(damping.of_fleet, of_fleet))
    selected: list[Outcome] = []
    quorum = context.quorum
    for name, outcomes in all_outcomes.items():
        codes = wanted[name] & policy.only if policy.only else wanted[name]
        chosen = _silenced(select_checks(outcomes, codes), silenced.get(name))
        selected += map(_softened, chosen) if quorum is not None and healthy >= quorum else chosen
    selected += [outcome for outcome in shown_of_fleet if policy.wants(outcome.check)]
    all_made = (_silenced(outcomes, silenced.get(name)) for name, outcomes in raw_outcomes.items())
    made = tuple(found for found in chain(*all_made, of_fleet) if isinstance(found, Finding))
    return Report(
        worst(selected),
        tuple(selected),
        len(fleet.nodes),
        healthy,
        ready,
        made=made,
        silenced=MappingProxyType(silenced),
    )


def _silenced(outcomes: Sequence[Outcome], silence: Silence | None) -> list[Outcome]:
    """The outcomes of a node, the problems among them as OK if it is silenced."""
    return [
        replace(found, verdict=Verdict.OK, raw_verdict=found.raw_verdict or found.verdict, silence=silence)
        if silence is not None and isinstance(found, Finding) and found.verdict is not Verdict.OK
        else found
        for found in outcomes
    ]


def _softened(outcome: Outcome) -> Outcome:
    """A CRITICAL or UNKNOWN finding on a node as a WARNING, because the fleet has its quorum."""
    if isinstance(outcome, Finding) and outcome.verdict in (Verdict.CRITICAL, Verdict.UNKNOWN):
        own = outcome.raw_verdict or outcome.verdict
        return replace(
            outcome, verdict=Verdict.WARNING, message=f"{outcome.message} (the quorum holds)", raw_verdict=own
        )
    return outcome
