"""Merges ``[check]`` into the requirements of each node: own keys win over those of tags, and these over all."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol

from revvlink_cli.health.policy import Policy, Requirements
from revvlink_cli.health.ranges import NO_BOUNDS, Bounds

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from revvlink_cli.health.ranges import Range


class ConfiguredNode(Protocol):
    """The part of a node that its requirements depend on."""

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
    """The requirements in a configuration.

    Args:
        section: The checked values of ``[check]``.
        nodes: The configured nodes; those without their own requirements get the common ones.
    """
    tags: Mapping[str, Mapping[str, Any]] = section.get("tags", {})
    own: dict[str, Requirements] = {}
    for node in nodes:
        layers = [tags[tag] for tag in reversed(node.tags) if tag in tags]  # of several the first one named wins
        if "check" in node.values:
            layers.append(node.values["check"])
        if layers:
            own[node.identifier] = requirements_of([section, *layers])
    return Policy(
        common=requirements_of([section]), nodes=MappingProxyType(own), min_healthy=section.get("min_healthy")
    )


def requirements_of(layers: Sequence[Mapping[str, Any]]) -> Requirements:
    """Merges several tables of requirements; key by key, the last one wins."""
    values: dict[str, Any] = {}
    ranges: dict[str, dict[str, Any]] = {"warning": {}, "critical": {}}
    for layer in layers:
        values |= layer
        for name, limits in ranges.items():
            limits.update(layer.get(name, {}))
    return Requirements(
        bounds=with_bounds({}, ranges["warning"], ranges["critical"], defaults=values.get("defaults", True)),
        min_version=values.get("min_version"),
        sources=values.get("sources", ()),
        plugins=values.get("plugins", ()),
        filters=values.get("filters", ()),
        youtube_oauth=values.get("youtube_oauth", False),
        canaries=values.get("canaries", ()),
        plays=values.get("canary_play", ()),
        skip=values.get("skip", frozenset()),
        unknown_on_timeout=values.get("unknown_on_timeout", False),
        has_defaults=values.get("defaults", True),
    )


def with_bounds(
    bounds: Mapping[str, Bounds], warning: Mapping[str, Any], critical: Mapping[str, Any], *, defaults: bool = True
) -> Mapping[str, Bounds]:
    """Thresholds with some of them replaced. None removes one; a default that contradicts a given one is dropped.

    Args:
        bounds: The thresholds.
        warning: By code of the check, the ranges that replace those for a warning.
        critical: The same for critical ranges.
        defaults: Whether default thresholds apply where none is given; without, they are taken out of `bounds`.
    """
    from revvlink_cli.health.catalogue import BY_CODE

    found = dict(bounds)
    if not defaults:
        found = {code: Bounds(*(None if is_default(code, limit) else limit for limit in own))
                 for code, own in found.items()}  # fmt: skip
    for code in (*warning, *critical):
        usual = BY_CODE[code].bounds if defaults else NO_BOUNDS
        known = found.get(code, usual)
        made = Bounds(warning.get(code, known.warning), critical.get(code, known.critical))
        if made.are_swapped:  # the given one contradicts a default one, which is dropped
            made = Bounds(
                None if code not in warning and made.warning == usual.warning else made.warning,
                None if code not in critical and made.critical == usual.critical else made.critical,
            )
        found[code] = made
    return MappingProxyType(found)


def is_default(code: str, limit: Range | None) -> bool:
    """Whether a threshold of this check is a default one, and not one that was set to the same range."""
    from revvlink_cli.health.catalogue import BY_CODE

    return limit is not None and any(limit is usual for usual in BY_CODE[code].bounds)


def swapped(requirements: Requirements) -> list[str]:
    """Codes whose warning can never occur, because every value outside it is critical."""
    return [code for code, bounds in requirements.bounds.items() if bounds.are_swapped]
