"""Variables of bots: ``LAVALINK_HOST``, ``LAVALINK_PORT``, ``LAVALINK_PASSWORD``, with numbers for several nodes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from revvlink_cli.config.node_lists.formats.node_format import NodeFormat
from revvlink_cli.config.node_lists.formats.parts import parts_of
from revvlink_cli.config.node_lists.listed_node import Candidate
from revvlink_cli.config.node_lists.syntax.quoting import is_name, quote_variable
from revvlink_cli.config.node_lists.syntax.tree import Document, Items, Table, Text, Value, Variable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from revvlink_cli.config.node_lists.listed_node import NamedNode

_NAMES = {
    "identifier": "NAME|ID|IDENTIFIER|LABEL",
    "uri": "URI|URL|BASE_?ADDRESS",
    "host": "HOST|HOSTNAME|ADDRESS|IP",
    "port": "PORT",
    "password": "PASSWORD|PASS|PW|AUTH|AUTHORIZATION|PASSPHRASE",
    "secure": "SECURE|SSL|HTTPS|TLS",
    "region": "REGION",
    "tags": "TAGS",
}
_VARIABLE = re.compile(
    r"(?P<prefix>(?:.*_)?(?:LAVALINK|NODELINK|LAVA|NODE|LL)(?:_?NODE|_?SERVER)?)_*(?P<number>\d+)?_+(?:"
    + "|".join(f"(?P<{name}>{words})" for name, words in _NAMES.items())
    + r")(?:_?(?P<last>\d+))?",
    re.IGNORECASE,
)


def _find(document: Document) -> tuple[Candidate, ...]:
    if not isinstance(document.root, Table):
        return ()
    groups: dict[tuple[str, str], dict[str, tuple[str, Value]]] = {}
    for key, value in document.root.entries.items():
        found = _VARIABLE.fullmatch(key)
        if found is not None and isinstance(value, (Text, Variable)):
            name = next(name for name in _NAMES if found[name] is not None)
            number = found["number"] or found["last"] or ""
            groups.setdefault((found["prefix"].upper(), number), {}).setdefault(name, (key, value))
    nodes: list[Candidate] = []
    for (prefix, number), group in groups.items():
        shared = groups.get((prefix, ""), {})
        if "host" not in group and "uri" not in group:
            continue
        for name in ("password", "secure"):  # one for all nodes
            if name in shared:
                group.setdefault(name, shared[name])
        values = {name: value for name, (_, value) in group.items()}
        if isinstance(tags := values.get("tags"), Text):
            values["tags"] = _listed(tags)
        name = "-".join(part for part in (prefix.casefold().replace("_", "-"), number) if part)
        values.setdefault("identifier", Text(name, 1))
        line = min(value.line for _, value in group.values())
        keys = {name: key for name, (key, _) in group.items()}
        is_node = "password" in group or "port" in group or "uri" in group
        nodes.append(Candidate(values, "", line, keys, is_node))
    return tuple(nodes)


def _listed(tags: Text) -> Value:
    return Items(tuple(Text(part, tags.line) for part in tags.text.split(",")), tags.line)


def _refuse(node: NamedNode) -> str | None:
    if not is_name(node.variable):
        return f"has its password in the variable {node.variable!r}, which a .env file cannot name"
    return None


def _write(nodes: Sequence[NamedNode]) -> str:
    lines = []
    for number, node in enumerate(nodes, 1):
        start = "LAVALINK" if len(nodes) == 1 else f"LAVALINK_{number}"
        address = parts_of(node)
        lines.append(f"{start}_NAME={quote_variable(node.identifier)}")
        if address.path:
            lines.append(f"{start}_URL={quote_variable(node.uri)}")
        else:
            lines += [
                f"{start}_HOST={quote_variable(address.host)}",
                f"{start}_PORT={address.port}",
                f"{start}_SECURE={'true' if address.secure else 'false'}",
            ]
        lines.append(f"{start}_PASSWORD=${{{node.variable}}}")
        if node.region is not None:
            lines.append(f"{start}_REGION={quote_variable(node.region)}")
    return "\n".join([*lines, ""])


FORMAT = NodeFormat(
    name="env",
    title="Variables (.env)",
    reads="`LAVALINK_HOST`, `LAVALINK_PORT`, `LAVALINK_PASSWORD`, `LAVALINK_SECURE` or `LAVALINK_URL`, also numbered, "
    "as in `LAVALINK_1_HOST`; a list in one variable, as in `LAVALINK_NODES=[...]`",
    find=_find,
    write=_write,
    refuse=_refuse,
    has_region=True,
)
