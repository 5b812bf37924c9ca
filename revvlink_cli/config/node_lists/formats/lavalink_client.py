"""lavalink-client, from npm: ``nodes`` of a ``LavalinkManager``, and addresses as ``lavalink://id:password@host:port``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from revvlink_cli.config.node_lists.entries import Fields, find_nodes, marks
from revvlink_cli.config.node_lists.formats.node_format import NodeFormat
from revvlink_cli.config.node_lists.formats.parts import in_javascript, parts_of, refuse_path
from revvlink_cli.config.node_lists.listed_node import Candidate
from revvlink_cli.config.node_lists.syntax.quoting import quote
from revvlink_cli.config.node_lists.syntax.tree import Items, Table, Text, walk

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from revvlink_cli.config.node_lists.listed_node import NamedNode
    from revvlink_cli.config.node_lists.syntax.tree import Document

_FIELDS = Fields(
    marks=marks("host port authorization"),
    identifier=("id", "identifier", "name"),
    host=("host",),
    password=("authorization",),
    region=("regions", "region"),
)

_ADDRESS = re.compile(r"(?:lavalink|nodelink)://\S+", re.IGNORECASE)


def _find(document: Document) -> tuple[Candidate, ...]:
    return (*find_nodes(document, _FIELDS), *_addresses(document))


def _addresses(document: Document) -> Iterator[Candidate]:
    """Nodes that are written as one address; a text may hold several."""
    for key, value in walk(document.root):
        inner = value.values if isinstance(value, Items) else ()
        named = {**value.entries, **{str(n): item for n, item in enumerate(value.positional)}} if isinstance(
            value, Table) else {str(n): item for n, item in enumerate(inner)}  # fmt: skip
        for name, item in named.items():
            if isinstance(item, Text):
                for number, found in enumerate(_ADDRESS.findall(item.text)):
                    place = f"{key}[{name}]" if isinstance(value, Items) or name.isdecimal() else f"{name}[{number}]"
                    yield Candidate({"uri": Text(found.rstrip(",;"), item.line)}, place, item.line, {"uri": ""})


def _write(nodes: Sequence[NamedNode]) -> str:
    lines = ["// new LavalinkManager({ nodes, ... })", "const nodes = ["]
    for node in nodes:
        address = parts_of(node)
        lines += [
            "  {",
            f"    id: {quote(node.identifier)},",
            f"    host: {quote(address.host)},",
            f"    port: {address.port},",
            f"    authorization: {in_javascript(node.variable)},",
            f"    secure: {'true' if address.secure else 'false'},",
        ]
        if node.region is not None:
            lines.append(f"    regions: [{quote(node.region)}],")
        lines.append("  },")
    return "\n".join([*lines, "];", ""])


FORMAT = NodeFormat(
    name="lavalink-client",
    title="lavalink-client (npm)",
    reads="objects with `host`, `port` and `authorization`; addresses as `lavalink://id:password@host:port`",
    find=_find,
    write=_write,
    refuse=refuse_path,
    has_region=True,
)
