"""Writes configured nodes as the list of another program, with the names of variables in place of passwords."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from revvlink_cli.config.node_lists.listed_node import NamedNode

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from revvlink_cli.config.node_lists.formats.node_format import NodeFormat
    from revvlink_cli.config.settings import NodeEntry


class Exported(NamedTuple):
    """A list for another program.

    Attributes:
        text: The list.
        nodes: The nodes in it.
        refused: Name of each node that the program cannot use, and why.
        without: What the nodes have and the list cannot hold: ``region``, ``tags``.
    """

    text: str
    nodes: tuple[NamedNode, ...]
    refused: tuple[tuple[str, str], ...]
    without: tuple[str, ...]


def export_nodes(entries: Iterable[NodeEntry], kind: NodeFormat) -> Exported:
    """Write nodes as a list of this format, which must be one that can be written."""
    if kind.write is None:
        raise ValueError(f"{kind.name} is not a format that can be written")
    nodes = name_variables(entries)
    refused = tuple((node.identifier, reason) for node in nodes if (reason := kind.refuse(node)) is not None)
    names = {name for name, _ in refused}
    kept = tuple(node for node in nodes if node.identifier not in names)
    lost = []
    if not kind.has_region and any(node.region is not None for node in kept):
        lost.append("region")
    if not kind.has_tags and any(node.tags for node in kept):
        lost.append("tags")
    return Exported(kind.write(kept) if kept else "", kept, refused, tuple(lost))


def name_variables(entries: Iterable[NodeEntry]) -> Sequence[NamedNode]:
    """Nodes, each with the variable of its password: the configured one, else one with the node's name."""
    known = list(entries)
    taken = {str(entry.values["password_env"]) for entry in known if "password_env" in entry.values}
    nodes = []
    for entry in known:
        variable = entry.values.get("password_env")
        if variable is None:
            plain = re.sub(r"[^A-Z0-9]+", "_", entry.identifier.upper()).strip("_")
            number, variable = 1, f"LAVALINK_PASSWORD_{plain}".rstrip("_")
            first = variable
            while variable in taken:
                number += 1
                variable = f"{first}_{number}"
            taken.add(variable)
        nodes.append(
            NamedNode(
                identifier=entry.identifier, uri=entry.uri, variable=variable, region=entry.region, tags=entry.tags
            )
        )
    return nodes
