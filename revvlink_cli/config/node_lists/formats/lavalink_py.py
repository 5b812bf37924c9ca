"""Lavalink.py: ``client.add_node(host, port, password, region, name)``, and lists of such values."""

from __future__ import annotations

from typing import TYPE_CHECKING

from revvlink_cli.config.node_lists.entries import Fields, marks
from revvlink_cli.config.node_lists.formats.node_format import NodeFormat, finder
from revvlink_cli.config.node_lists.formats.parts import in_python, parts_of, refuse_path
from revvlink_cli.config.node_lists.syntax.quoting import quote_python

if TYPE_CHECKING:
    from collections.abc import Sequence

    from revvlink_cli.config.node_lists.listed_node import NamedNode


def _write(nodes: Sequence[NamedNode]) -> str:
    lines = ["import os", "", "import lavalink", "", "", "def add_nodes(client: lavalink.Client) -> None:"]
    for node in nodes:
        address = parts_of(node)
        lines += [
            "    client.add_node(",
            f"        host={quote_python(address.host)},",
            f"        port={address.port},",
            f"        password={in_python(node.variable)},",
            f"        region={quote_python(node.region or '')},",
            f"        name={quote_python(node.identifier)},",
            f"        ssl={address.secure},",
        ]
        if node.tags:
            lines.append(f"        tags={{{', '.join(f'{quote_python(tag)}: True' for tag in node.tags)}}},")
        lines.append("    )")
    return "\n".join([*lines, ""])


FORMAT = NodeFormat(
    name="lavalink.py",
    title="Lavalink.py (Python)",
    reads="calls of `add_node` in Python; tables with `host`, `port`, `password`, and `region` or `ssl`",
    find=finder(
        Fields(
            marks=marks("host port password region", "host port password ssl"),
            identifier=("name", "identifier"),
            host=("host",),
            secure=("ssl", "secure"),
            calls={"add_node": ("host", "port", "password", "region", "name", "ssl")},
        )
    ),
    write=_write,
    refuse=refuse_path,
    has_region=True,
    has_tags=True,
)
