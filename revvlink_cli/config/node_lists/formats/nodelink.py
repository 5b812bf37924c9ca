"""NodeLink's ``config.js``, ``config.ts`` or JSON, and the variables that stand for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from revvlink_cli.config.node_lists.formats.lavalink import server_node
from revvlink_cli.config.node_lists.formats.node_format import NodeFormat
from revvlink_cli.config.node_lists.syntax.tree import Document, Syntax, Table, walk

if TYPE_CHECKING:
    from revvlink_cli.config.node_lists.listed_node import Candidate

DEFAULT_PORT = "3000"
"""Port of a server whose configuration names none."""

_NEIGHBOURS = frozenset({"cluster", "playback", "sources", "search", "options", "filters", "audio", "voiceReceive"})
"""Keys that stand beside ``server`` in NodeLink's configuration, one of them at least."""


def _find(document: Document) -> tuple[Candidate, ...]:
    if document.syntax is Syntax.VARIABLES:
        found = document.root.entries if isinstance(document.root, Table) else {}
        password = found.get("NODELINK_SERVER_PASSWORD")
        if password is None:
            return ()
        port, host = found.get("NODELINK_SERVER_PORT"), found.get("NODELINK_SERVER_HOST")
        return (server_node("nodelink", port, host, password, None, DEFAULT_PORT),)
    for _, value in walk(document.root):
        if not isinstance(value, Table):
            continue
        server = value.entries.get("server")
        if isinstance(server, Table) and "password" in server.entries and _is_nodelink(value, server):
            entries = server.entries
            return (
                server_node(
                    "nodelink", entries.get("port"), entries.get("host"), entries["password"], None, DEFAULT_PORT
                ),
            )
    return ()


def _is_nodelink(config: Table, server: Table) -> bool:
    return "useBunServer" in server.entries or not _NEIGHBOURS.isdisjoint(config.entries)


FORMAT = NodeFormat(
    name="nodelink",
    title="NodeLink's config.js",
    reads="`server.host`, `server.port` and `server.password` in JavaScript, TypeScript or JSON; "
    "`NODELINK_SERVER_PASSWORD`",
    find=_find,
)
