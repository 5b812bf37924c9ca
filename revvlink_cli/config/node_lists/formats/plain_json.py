"""This program's own nodes: a configuration in TOML, or JSON with the keys of ``[[nodes]]``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from revvlink_cli.config.node_lists.entries import Fields, find_nodes, marks
from revvlink_cli.config.node_lists.formats.node_format import NodeFormat
from revvlink_cli.config.node_lists.syntax.tree import Document, Syntax

if TYPE_CHECKING:
    from collections.abc import Sequence

    from revvlink_cli.config.node_lists.listed_node import Candidate, NamedNode


def _write(nodes: Sequence[NamedNode]) -> str:
    return f"{json.dumps([_entry(node) for node in nodes], indent=2)}\n"


def _entry(node: NamedNode) -> dict[str, object]:
    entry: dict[str, object] = {
        "identifier": node.identifier,
        "uri": node.uri,
        "password_env": node.variable,
        "region": node.region,
        "tags": list(node.tags),
    }
    return {key: value for key, value in entry.items() if value not in (None, [])}


_FIELDS = Fields(marks=marks("uri passwordenv", "uri passwordfile"), uri=("uri",))
_TOML_FIELDS = _FIELDS._replace(marks=marks("identifier uri"))


def _find(document: Document) -> tuple[Candidate, ...]:
    return find_nodes(document, _TOML_FIELDS if document.syntax is Syntax.TOML else _FIELDS)


FORMAT = NodeFormat(
    name="json",
    title="revvlink's own keys",
    reads="`[[nodes]]` of another configuration in TOML; objects with `uri`, and `password_env` or `password_file`",
    find=_find,
    write=_write,
    has_region=True,
    has_tags=True,
)
