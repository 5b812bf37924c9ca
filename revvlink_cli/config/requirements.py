"""From ``[check]`` to what is demanded of each node: its own keys win over those of its tags, and they over all."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol

from revvlink_cli.health.policy import Policy, Requirements
from revvlink_cli.health.ranges import Bounds

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class ConfiguredNode(Protocol):
    """What the requirements of a node depend on."""

    @property
    def values(self) -> Mapping[str, Any]:
        """Its checked keys."""

    @property
    def identifier(self) -> str:
        """Its name."""

    @property
    def tags(self) -> Sequence[str]:
        """Its tags."""


def policy_of(section: Mapping[str, Any], nodes: Sequence[ConfiguredNode]) -> Policy:
    """What a configuration demands.

    Args:
        section: The checked values of ``[check]``.
        nodes: The configured nodes; those with nothing of their own get the common demands.
    """
    tags: Mapping[str, Mapping[str, Any]] = section.get("tags", {})
    own: dict[str, Requirements] = {}
    for node in nodes:
        layers = [tags[tag] for tag in reversed(node.tags) if tag in tags]  # of several the first one named wins
        if "check" in node.values:
            layers.append(node.values["check"])
        if layers:
            own[node.identifier] = demands_of([section, *layers])
    return Policy(common=demands_of([section]), nodes=MappingProxyType(own), min_healthy=section.get("min_healthy"))


def demands_of(layers: Sequence[Mapping[str, Any]]) -> Requirements:
    """What several tables of demands come to, the last one winning key by key."""
    values: dict[str, Any] = {}
    ranges: dict[str, dict[str, Any]] = {"warning": {}, "critical": {}}
    for layer in layers:
        values |= layer
        for name, limits in ranges.items():
            limits.update(layer.get(name, {}))
    return Requirements(
        bounds=with_bounds({}, ranges["warning"], ranges["critical"]),
        min_version=values.get("min_version"),
        sources=values.get("sources", ()),
        plugins=values.get("plugins", ()),
        filters=values.get("filters", ()),
        canaries=values.get("canaries", ()),
        skip=values.get("skip", frozenset()),
        unknown_on_timeout=values.get("unknown_on_timeout", False),
    )


def with_bounds(
    bounds: Mapping[str, Bounds], warning: Mapping[str, Any], critical: Mapping[str, Any]
) -> Mapping[str, Bounds]:
    """Thresholds with some of them replaced; None takes one away, and a usual one gives way to what it contradicts."""
    from revvlink_cli.health.catalogue import BY_CODE

    found = dict(bounds)
    for code in (*warning, *critical):
        usual = BY_CODE[code].bounds
        known = found.get(code, usual)
        made = Bounds(warning.get(code, known.warning), critical.get(code, known.critical))
        if made.are_swapped:  # with a usual threshold, which nobody wrote and which therefore gives way
            made = Bounds(
                None if code not in warning and made.warning == usual.warning else made.warning,
                None if code not in critical and made.critical == usual.critical else made.critical,
            )
        found[code] = made
    return MappingProxyType(found)


def swapped(demands: Requirements) -> list[str]:
    """Codes whose warning could never be given, because everything it would tell of is critical."""
    return [code for code, bounds in demands.bounds.items() if bounds.are_swapped]
