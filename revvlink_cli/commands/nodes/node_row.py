"""The row of a configured node."""

from __future__ import annotations

from typing import TYPE_CHECKING

from revvlink_cli._record import record
from revvlink_cli.output.result import column

if TYPE_CHECKING:
    from revvlink_cli.config.settings import NodeEntry


@record(frozen=True, kw_only=True)
class NodeRow:
    """A configured node; never its password, only where that comes from."""

    node: str = column("NODE")
    uri: str = column("URI", flexible=True)
    region: str | None = column("REGION")
    tags: tuple[str, ...] = column("TAGS", rank=2)
    password_from: str = column("PASSWORD", rank=3)


def row_of(entry: NodeEntry) -> NodeRow:
    """The row of a node."""
    return NodeRow(
        node=entry.identifier,
        uri=entry.uri,
        region=entry.region,
        tags=tuple(entry.tags),
        password_from=entry.password_source,
    )
