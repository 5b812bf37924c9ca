"""Wavelink: ``wavelink.Node(uri=..., password=...)``, and lists of such values."""

from __future__ import annotations

from typing import TYPE_CHECKING

from revvlink_cli.config.node_lists.entries import Fields, marks
from revvlink_cli.config.node_lists.formats.node_format import NodeFormat, finder
from revvlink_cli.config.node_lists.formats.parts import in_python
from revvlink_cli.config.node_lists.syntax.quoting import quote_python

if TYPE_CHECKING:
    from collections.abc import Sequence

    from revvlink_cli.config.node_lists.listed_node import NamedNode


def write_python(nodes: Sequence[NamedNode], module: str, *, has_region: bool) -> str:
    """A function that connects the `Pool` of a Python library; its nodes can be made while an event loop runs only."""
    lines = ["import os", "", f"import {module}", "", "", "async def connect_nodes(bot):", "    nodes = ["]
    for node in nodes:
        lines += [
            f"        {module}.Node(",
            f"            identifier={quote_python(node.identifier)},",
            f"            uri={quote_python(node.uri)},",
            f"            password={in_python(node.variable)},",
        ]
        if has_region and node.region is not None:
            lines.append(f"            region={quote_python(node.region)},")
        lines.append("        ),")
    return "\n".join([*lines, "    ]", f"    await {module}.Pool.connect(nodes=nodes, client=bot)", ""])


FORMAT = NodeFormat(
    name="wavelink",
    title="Wavelink (Python)",
    reads="calls of `wavelink.Node` in Python; tables with `uri` and `password`",
    find=finder(
        Fields(
            marks=marks("uri password"),
            uri=("uri",),
            host=("host",),
            calls={"Node": ()},
        )
    ),
    write=lambda nodes: write_python(nodes, "wavelink", has_region=False),
)
