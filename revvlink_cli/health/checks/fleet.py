"""Checks of the whole fleet, which need the health of its nodes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from revvlink_cli.client.snapshot import NodeStatus
from revvlink_cli.health.catalogue import BY_CODE, FLEET_CHECKS
from revvlink_cli.health.findings import Figure, Finding, Outcome, Skipped, Verdict, graver, judge
from revvlink_cli.health.ranges import NO_BOUNDS, Bounds, Range, Unit

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from revvlink_cli.client.snapshot import FleetSnapshot, NodeSnapshot
    from revvlink_cli.health.policy import Policy

INFINITY = float("inf")

NAMES_SHOWN = 5
"""Names of nodes in a message about one version of a plugin."""


class FleetContext(NamedTuple):
    """What is known of the fleet when its checks run.

    Attributes:
        fleet: The fleet.
        policy: What it has to fulfil.
        is_healthy: By node, whether it is healthy; None where that is unknown.
        is_ready: By node, whether it took the connection, the password and the websocket, and answers requests.
        silenced: The silenced nodes.
    """

    fleet: FleetSnapshot
    policy: Policy
    is_healthy: Mapping[str, bool | None]
    is_ready: Mapping[str, bool]
    silenced: frozenset[str] = frozenset()

    @property
    def counted(self) -> list[str]:
        """The nodes that serve, or ought to: all but silenced ones that are not healthy."""
        return [name for name, well in self.is_healthy.items() if well is True or name not in self.silenced]

    @property
    def quorum(self) -> int | None:
        """How many of the counted nodes must be healthy: a share of them, or a number, as far as there are so many."""
        counted = len(self.counted)
        wanted = self.policy.quorum(counted)
        return wanted if wanted is None or counted == len(self.is_healthy) else min(wanted, counted)

    @property
    def unsilenced(self) -> list[NodeSnapshot]:
        """The nodes that are not silenced: maintenance makes nodes differ."""
        return [node for node in self.fleet.nodes if node.identifier not in self.silenced]

    def figure(self, check: str, name: str, value: float, maximum: float | None = None) -> Figure:
        """Makes a figure that the table lists for this check, with the check's thresholds.

        Raises:
            LookupError: The table does not list it.
        """
        metric = BY_CODE[check].metric(name, Unit.COUNT)
        return Figure(metric, value, self.policy.common.bounds_of(check), maximum)


def _judged(
    check: str,
    message: str,
    figure: Figure,
    verdict: Verdict = Verdict.OK,
    *,
    code: str | None = None,
    hint: str | None = None,
) -> Finding:
    """A finding on the fleet with the graver of two verdicts: the given one and that of the figure."""
    verdict = graver(verdict, judge(figure.value, figure.bounds))
    if verdict is Verdict.OK:
        code = hint = None
    return Finding(node=None, check=check, verdict=verdict, message=message, figures=(figure,), code=code, hint=hint)


def _lowered(limit: Range | None, counted: int) -> Range | None:
    """A threshold for healthy nodes that `counted` nodes can meet, because silenced ones are left out."""
    if limit is None:
        return None
    if not limit.inside:
        return replace(limit, start=min(limit.start, counted), text="")
    if limit.start > 0:  # no lower limit
        return limit
    return replace(limit, end=min(limit.end, counted - 1), text="") if counted > 0 else None


def _quorum(context: FleetContext) -> Outcome:
    """Whether enough nodes are healthy. A node that was not shown to be healthy is not counted as such.

    The verdict is UNKNOWN where nodes that this machine could not examine would decide it.
    """
    policy, ready = context.policy, context.is_ready
    state = {name: context.is_healthy[name] for name in context.counted}
    wanted = context.quorum
    bounds = policy.common.bounds_of("quorum")
    if wanted is None and bounds == NO_BOUNDS:
        return Skipped(None, "quorum", "no quorum set (--min-healthy)")
    if len(state) < len(context.is_healthy):
        bounds = Bounds(*(_lowered(limit, len(state)) for limit in bounds))
    if wanted is not None:
        bounds = Bounds(bounds.warning, Range(wanted, INFINITY))
    healthy = sum(well is True for well in state.values())
    unsure = sum(well is None and not ready[name] for name, well in state.items())
    share = f" ({policy.min_healthy})" if isinstance(policy.min_healthy, str) else ""
    message = f"{healthy} of {len(state)} nodes healthy" + (f", {wanted} needed{share}" if wanted is not None else "")
    if len(state) < len(context.is_healthy):
        message += f"; without {len(context.is_healthy) - len(state)} silenced"
    hint = "bring nodes back, or add some"
    figure = replace(context.figure("quorum", "healthy_nodes", healthy, len(state)), bounds=bounds)
    if judge(healthy, bounds) is Verdict.CRITICAL and judge(healthy + unsure, bounds) is not Verdict.CRITICAL:
        message += f", {unsure} could not be examined"
        return Finding(node=None, check="quorum", verdict=Verdict.UNKNOWN, message=message, figures=(figure,),
                       code="no_quorum", hint=hint)  # fmt: skip
    return _judged("quorum", message, figure, code="no_quorum", hint=hint)


def _regions(context: FleetContext) -> Outcome:
    fleet, policy, counted = context.fleet, context.policy, set(context.counted)
    nodes: dict[str, list[bool | None]] = {}
    for node in fleet.nodes:
        if node.region and node.identifier in counted:
            nodes.setdefault(node.region.casefold(), []).append(context.is_healthy[node.identifier])
    if len(fleet.nodes) < 2:
        return Skipped(None, "regions", "there is only one node")
    if not nodes:
        why = "no node has a region" if not any(node.region for node in fleet.nodes) else "all nodes are silenced"
        return Skipped(None, "regions", why)
    for region in policy.elsewhere:
        nodes.pop(region.casefold(), None)  # nodes that are not checked may serve it
    if not nodes:
        return Skipped(None, "regions", "no region has all of its nodes checked")
    unserved = [region for region, states in nodes.items() if not any(well is True for well in states)]
    dead = [region for region in unserved if all(well is False for well in nodes[region])]
    figure = context.figure("regions", "unserved_regions", len(dead), len(nodes))
    if not unserved:
        what = f"{len(nodes)} region{'s' if len(nodes) > 1 else ''}"
        return _judged("regions", f"{what}, each with a healthy node", figure)
    message = f"no healthy node in {', '.join(unserved)}"
    hint = "players there are sent to the nearest region that has one"
    verdict = Verdict.UNKNOWN if len(dead) < len(unserved) else Verdict.OK
    return _judged("regions", message, figure, verdict, code="unserved", hint=hint)


def _skew(context: FleetContext) -> Outcome:
    versions: dict[str, set[str]] = {}
    for node in context.unsilenced:
        if node.info is not None and node.info.version:
            versions.setdefault(str(node.dialect or "server"), set()).add(node.info.version)
    if len(context.unsilenced) < 2 or not versions:
        return Skipped(None, "skew", "there are no two nodes to compare")
    message = "; ".join(f"{server} {', '.join(sorted(found))}" for server, found in sorted(versions.items()))
    extra = sum(len(found) - 1 for found in versions.values())
    figure = context.figure("skew", "version_skew", extra)
    return _judged("skew", message, figure, code="skew", hint="update the older nodes")


def _plugins(context: FleetContext) -> Outcome:
    """Whether plugins have one version each. A plugin that only some nodes have is a matter of requirements."""
    nodes: dict[tuple[str, str], dict[str, list[str]]] = {}
    names: dict[tuple[str, str], str] = {}
    reporting = [node for node in context.unsilenced if node.info is not None]
    for node in reporting:
        for plugin in node.info.plugins if node.info is not None else ():
            key = (str(node.dialect or "server"), plugin.name.casefold())
            names.setdefault(key, plugin.name)
            nodes.setdefault(key, {}).setdefault(plugin.version, []).append(node.identifier)
    if len(reporting) < 2 or not nodes:
        return Skipped(None, "plugins", "there are no plugins of two nodes to compare")
    skewed = {key: versions for key, versions in nodes.items() if len(versions) > 1}
    figure = context.figure("plugins", "plugin_skew", len(skewed))
    if not skewed:
        message = f"{len(nodes)} plugin{'' if len(nodes) == 1 else 's'}, each in one version"
        return _judged("plugins", message, figure)
    message = "; ".join(
        f"{names[key]} " + ", ".join(f"{version or 'without a version'} on {_shortened(versions[version])}"
                                     for version in sorted(versions))
        for key, versions in skewed.items()
    )  # fmt: skip
    return _judged("plugins", message, figure, code="plugin_skew", hint="install one version of the plugin on all")


def _shortened(nodes: list[str]) -> str:
    """The first names of a list, and how many others there are."""
    shown = nodes[:NAMES_SHOWN]
    left = len(nodes) - len(shown)
    return ", ".join(shown) + (f" and {left} other{'' if left == 1 else 's'}" if left else "")


def _imbalance(context: FleetContext) -> Outcome:
    fleet = context.fleet
    playing: dict[str, list[int]] = {}
    for node in context.unsilenced:
        stats = node.stats(fleet.at)
        counts = node.status is NodeStatus.CONNECTED and context.is_healthy[node.identifier] and stats is not None
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
    figure = context.figure("imbalance", "imbalance", ratio)
    message = f"the busiest node{where} plays {ratio:.1f} times its region's mean"
    return _judged("imbalance", message, figure, code="imbalance", hint="see `revvlink nodes penalties` for the reason")


_FUNCTIONS: dict[str, Callable[[FleetContext], Outcome]] = {
    "quorum": _quorum,
    "regions": _regions,
    "skew": _skew,
    "plugins": _plugins,
    "imbalance": _imbalance,
}

CHECKS: Mapping[str, Callable[[FleetContext], Outcome]] = {code: _FUNCTIONS.pop(code) for code in FLEET_CHECKS}
"""Code of a check -> its function, in the order of the table. A check without a function stops the import."""

if _FUNCTIONS:
    raise LookupError(f"revvlink_cli.health.catalogue lists no {', '.join(_FUNCTIONS)}")
