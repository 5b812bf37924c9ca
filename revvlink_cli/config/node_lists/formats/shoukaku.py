"""Shoukaku, from npm: nodes with ``name``, ``url`` and ``auth``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from revvlink_cli.config.node_lists.entries import Fields, marks
from revvlink_cli.config.node_lists.formats.node_format import NodeFormat, finder
from revvlink_cli.config.node_lists.formats.parts import in_javascript, parts_of
from revvlink_cli.config.node_lists.syntax.quoting import quote

if TYPE_CHECKING:
    from collections.abc import Sequence

    from revvlink_cli.config.node_lists.listed_node import NamedNode


def _write(nodes: Sequence[NamedNode]) -> str:
    lines = ["// new Shoukaku(connector, nodes, options)", "const nodes = ["]
    for node in nodes:
        address = parts_of(node)
        lines += [
            "  {",
            f"    name: {quote(node.identifier)},",
            f"    url: {quote(f'{address.host}:{address.port}{address.path}')},",
            f"    auth: {in_javascript(node.variable)},",
            f"    secure: {'true' if address.secure else 'false'},",
        ]
        if node.tags:
            lines.append(f"    group: {quote(node.tags[0])},")
        lines.append("  },")
    return "\n".join([*lines, "];", ""])


FORMAT = NodeFormat(
    name="shoukaku",
    title="Shoukaku (npm)",
    reads="objects with `url` and `auth`",
    find=finder(
        Fields(
            marks=marks("url auth"),
            identifier=("name", "identifier"),
            uri=("url",),
            password=("auth",),
            tags=("group", "tags"),
        )
    ),
    write=_write,
)
