"""A node as another program's list has it, once its values are checked."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from revvlink_cli.config.node_lists.syntax.tree import Value
    from revvlink_cli.config.problems import Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedNode:
    """A node of a list.

    Attributes:
        identifier: Its name there, which may be no valid one here; None if it has none.
        uri: Its address, normalised.
        region: Label of the region it serves, or None.
        tags: Labels.
        password: The password, or None.
        password_env: The variable that holds the password, or None.
        password_file: The file that holds the password, or None.
        place: Where it stands in the list, such as ``nodes[2]``.
        line: Its line, from 1.
        notes: What was assumed.
    """

    identifier: str | None
    uri: str
    region: str | None = None
    tags: tuple[str, ...] = ()
    password: str | None = field(default=None, repr=False)
    password_env: str | None = None
    password_file: str | None = None
    place: str = ""
    line: int = 1
    notes: tuple[str, ...] = ()


class Candidate(NamedTuple):
    """Something in a list that is a node, or stands where one is expected.

    Attributes:
        values: Its values by the names that `entries.to_node` knows.
        place: Where it stands, such as ``nodes[2]``.
        line: Its line.
        keys: Name of a value -> the key that the list has for it.
        is_node: Whether it is complete enough to recognise the format by it.
        notes: What was assumed.
    """

    values: Mapping[str, Value]
    place: str
    line: int
    keys: Mapping[str, str]
    is_node: bool = True
    notes: tuple[str, ...] = ()


class Reading(NamedTuple):
    """What a list has."""

    nodes: tuple[ListedNode, ...]
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedNode:
    """A node to write into another program's list: its password by the name of a variable, never by value."""

    identifier: str
    uri: str
    variable: str
    region: str | None = None
    tags: tuple[str, ...] = ()
