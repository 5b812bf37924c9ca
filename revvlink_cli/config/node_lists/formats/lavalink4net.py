"""Lavalink4NET: ``LavalinkClusterNodeOptions`` in C#, and settings with the names of its properties."""

from __future__ import annotations

from typing import TYPE_CHECKING

from revvlink_cli.config.node_lists.entries import Fields, find_nodes, marks
from revvlink_cli.config.node_lists.formats.node_format import NodeFormat
from revvlink_cli.config.node_lists.formats.parts import in_csharp
from revvlink_cli.config.node_lists.syntax.quoting import quote
from revvlink_cli.config.node_lists.syntax.tree import Text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from revvlink_cli.config.node_lists.listed_node import Candidate, NamedNode
    from revvlink_cli.config.node_lists.syntax.tree import Document

_FIELDS = Fields(
    marks=marks("baseaddress"),
    identifier=("label", "name"),
    uri=("baseaddress",),
    password=("passphrase", "password"),
)


DEFAULT_PASSPHRASE = "youshallnotpass"  # noqa: S105 - a public default
"""What Lavalink4NET sends if there is no `Passphrase`."""


def _find(document: Document) -> tuple[Candidate, ...]:
    return tuple(map(_with_passphrase, find_nodes(document, _FIELDS)))


def _with_passphrase(node: Candidate) -> Candidate:
    if not node.is_node or "password" in node.values:
        return node
    values = {**node.values, "password": Text(DEFAULT_PASSPHRASE, node.line)}
    return node._replace(values=values, notes=("it has no Passphrase; the default of Lavalink4NET was used",))


def _write(nodes: Sequence[NamedNode]) -> str:
    lines = [
        "// using System.Collections.Immutable;",
        "// using Lavalink4NET.Cluster.Extensions;",
        "// using Lavalink4NET.Cluster.Nodes;",
        "builder.Services.ConfigureLavalinkCluster(options =>",
        "{",
        "    options.Nodes = ImmutableArray.Create(",
    ]
    for number, node in enumerate(nodes, 1):
        lines += [
            "        new LavalinkClusterNodeOptions",
            "        {",
            f"            Label = {quote(node.identifier)},",
            f"            BaseAddress = new Uri({quote(f'{node.uri}/')}),",
            f"            Passphrase = {in_csharp(node.variable)},",
        ]
        if node.tags:
            lines.append(f"            Tags = ImmutableArray.Create({', '.join(map(quote, node.tags))}),")
        lines.append("        }" + (");" if number == len(nodes) else ","))
    return "\n".join([*lines, "});", ""])


FORMAT = NodeFormat(
    name="lavalink4net",
    title="Lavalink4NET (C#)",
    reads="`LavalinkClusterNodeOptions` and `ConfigureLavalink` in C#; `BaseAddress` and `Passphrase` in JSON or YAML",
    find=_find,
    write=_write,
    has_tags=True,
)
