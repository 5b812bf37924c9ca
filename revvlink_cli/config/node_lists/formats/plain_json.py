"""This program's own list: JSON with the keys of ``[[nodes]]``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from revvlink_cli.config.node_lists.entries import Fields, marks
from revvlink_cli.config.node_lists.formats.node_format import NodeFormat, finder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from revvlink_cli.config.node_lists.listed_node import NamedNode


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


FORMAT = NodeFormat(
    name="json",
    title="JSON with revvlink's keys",
    reads="objects with the keys of `[[nodes]]`: `uri`, and `password_env` or `password_file`",
    find=finder(Fields(marks=marks("uri passwordenv", "uri passwordfile"), uri=("uri",))),
    write=_write,
    has_region=True,
    has_tags=True,
)
