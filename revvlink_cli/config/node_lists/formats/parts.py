"""What several programs need of a node's address and password."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from revvlink_cli.client.settings import DEFAULT_PORTS
from revvlink_cli.config.node_lists.syntax.quoting import is_name, quote, quote_python

if TYPE_CHECKING:
    from revvlink_cli.config.node_lists.listed_node import NamedNode


class Parts(NamedTuple):
    """The parts of an address."""

    host: str
    port: int
    secure: bool
    path: str


def parts_of(node: NamedNode) -> Parts:
    """The host of a node (an IPv6 address in brackets), its port, whether it uses TLS, and the path."""
    split = urlsplit(node.uri)
    host = split.hostname or ""
    return Parts(
        f"[{host}]" if ":" in host else host, split.port or DEFAULT_PORTS[split.scheme], split.scheme == "https",
        split.path,
    )  # fmt: skip


def refuse_path(node: NamedNode) -> str | None:
    """Why a program that knows only host and port cannot use a node; None if it can."""
    path = parts_of(node).path
    return f"has a path ({path}), and this client knows only host and port" if path else None


def in_python(variable: str) -> str:
    """The value of a variable, in Python."""
    return f"os.environ[{quote_python(variable)}]"


def in_javascript(variable: str) -> str:
    """The value of a variable, in JavaScript."""
    return f"process.env.{variable}" if is_name(variable) else f"process.env[{quote(variable)}]"


def in_csharp(variable: str) -> str:
    """The value of a variable, in C#."""
    return f"Environment.GetEnvironmentVariable({quote(variable)})!"
