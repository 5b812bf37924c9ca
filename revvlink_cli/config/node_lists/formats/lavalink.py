"""Lavalink's own ``application.yml``, and the variables that stand for it."""

from __future__ import annotations

from revvlink_cli.config.node_lists.formats.node_format import NodeFormat
from revvlink_cli.config.node_lists.listed_node import Candidate
from revvlink_cli.config.node_lists.syntax.tree import Document, Nothing, Syntax, Table, Text, Value, child

DEFAULT_PORT = "2333"
"""Port of a server whose configuration names none."""


def server_node(
    name: str, port: Value | None, host: Value | None, password: Value | None, secure: Value | None, default_port: str
) -> Candidate:
    """The node that a server's own configuration describes; the server is on this machine unless it says otherwise."""
    line = next((value.line for value in (password, port, host) if value is not None), 1)
    values: dict[str, Value] = {
        "identifier": Text(name, line),
        "host": host if host is not None and not isinstance(host, Nothing) else Text("0.0.0.0", line),  # noqa: S104 - not listened on
        "port": port if port is not None and not isinstance(port, Nothing) else Text(default_port, line),
    }
    keys = {"host": "address", "port": "port", "password": "password", "secure": "ssl"}
    if password is not None:
        values["password"] = password
    if secure is not None:
        values["secure"] = secure
    return Candidate(values, "server", line, keys)


def _find(document: Document) -> tuple[Candidate, ...]:
    root = document.root
    if not isinstance(root, Table):
        return ()
    if document.syntax is Syntax.VARIABLES:
        password = root.entries.get("LAVALINK_SERVER_PASSWORD")
        port, host = root.entries.get("SERVER_PORT"), root.entries.get("SERVER_ADDRESS")
        if password is None:
            return ()
        secure = root.entries.get("SERVER_SSL_ENABLED")
        return (server_node("lavalink", port, host, password, secure, DEFAULT_PORT),)
    password = child(root, "lavalink", "server", "password")
    if password is None and child(root, "lavalink", "server") is None:
        return ()
    secure = child(root, "server", "ssl", "enabled")
    if secure is None and (store := child(root, "server", "ssl", "key-store")) is not None:
        secure = Text("true", store.line)
    port, host = child(root, "server", "port"), child(root, "server", "address")
    return (server_node("lavalink", port, host, password, secure, DEFAULT_PORT),)


FORMAT = NodeFormat(
    name="lavalink",
    title="Lavalink's application.yml",
    reads="`server.port`, `server.address` and `lavalink.server.password`; the variables `SERVER_PORT` and "
    "`LAVALINK_SERVER_PASSWORD`",
    find=_find,
)
