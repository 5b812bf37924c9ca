"""What every format of a node list is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from revvlink_cli.config.node_lists.entries import Fields, find_nodes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from revvlink_cli.config.node_lists.listed_node import Candidate, NamedNode
    from revvlink_cli.config.node_lists.syntax.tree import Document


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeFormat:
    """The node list of one program.

    Attributes:
        name: Its name on the command line.
        title: What it is, for people.
        reads: What is recognised as one, for the documentation.
        find: Finds the nodes of a document.
        write: Writes a list of nodes; None if there is no such list to write.
        refuse: Why the program cannot use a node, or None.
        has_region: Whether what is written has the region.
        has_tags: Whether what is written has the tags.
    """

    name: str
    title: str
    reads: str
    find: Callable[[Document], tuple[Candidate, ...]]
    write: Callable[[Sequence[NamedNode]], str] | None = None
    refuse: Callable[[NamedNode], str | None] = lambda _: None
    has_region: bool = False
    has_tags: bool = False


def finder(fields: Fields) -> Callable[[Document], tuple[Candidate, ...]]:
    """A function that finds nodes by their keys."""
    return lambda document: find_nodes(document, fields)
