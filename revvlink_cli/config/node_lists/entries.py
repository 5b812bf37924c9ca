"""Finds the nodes in the values of a list, and checks them one by one."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote, urlsplit

from revvlink_cli.client.settings import DEFAULT_PORTS, normalise_uri
from revvlink_cli.config.node_lists.listed_node import Candidate, ListedNode, Reading
from revvlink_cli.config.node_lists.syntax.tree import (
    Computed,
    Items,
    Nothing,
    Table,
    Text,
    Value,
    Variable,
    plain_key,
    walk,
)
from revvlink_cli.config.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from revvlink_cli.config.node_lists.syntax.tree import Document


class Fields(NamedTuple):
    """The keys by which a program's list has the values of a node, as `plain_key` writes them.

    Attributes:
        marks: Sets of keys; a table with all keys of one set is a node of this format.
        identifier: Keys of the name.
        uri: Keys of an address, with or without ``http://``.
        host: Keys of the host.
        port: Keys of the port.
        password: Keys of the password.
        secure: Keys of whether TLS is used.
        region: Keys of the region, or of a list of them.
        tags: Keys of labels.
        calls: Name of a call that makes a node, with or without its module -> the names of its positional arguments.
    """

    marks: tuple[frozenset[str], ...]
    identifier: tuple[str, ...] = ("identifier", "name", "id", "label")
    uri: tuple[str, ...] = ()
    host: tuple[str, ...] = ()
    port: tuple[str, ...] = ("port",)
    password: tuple[str, ...] = ("password",)
    secure: tuple[str, ...] = ("secure", "ssl", "tls", "https")
    region: tuple[str, ...] = ("region", "regions")
    tags: tuple[str, ...] = ("tags", "group")
    calls: Mapping[str, tuple[str, ...]] = {}

    def arguments_of(self, called: str) -> tuple[str, ...] | None:
        """The names of the positional arguments of a call that makes a node; None for any other call."""
        for name, arguments in self.calls.items():
            if called == name or called.endswith(f".{name}"):
                return arguments
        return None

    def by_value(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """The name of each value of a node, with its keys."""
        for name in ("identifier", "uri", "host", "port", "password", "secure", "region", "tags"):
            yield name, getattr(self, name)
        yield "password_env", ("passwordenv",)
        yield "password_file", ("passwordfile",)
        yield "version", ("restversion",)


def marks(*sets: str) -> tuple[frozenset[str], ...]:
    """Sets of keys, each written as words."""
    return tuple(frozenset(keys.split()) for keys in sets)


_OTHER_SERVICES = re.compile(r"redis|mongo|postgres|mysql|maria|sql|database|^db|smtp|mail|proxy|kafka|rabbit|elastic")
"""Keys of tables with a host and a password that are not nodes."""


def find_nodes(document: Document, fields: Fields) -> tuple[Candidate, ...]:
    """The nodes of a document, and what stands beside nodes in one list."""
    found: list[Candidate] = []
    taken: set[int] = set()
    for key, value in walk(document.root):
        if id(value) in taken:
            continue
        if isinstance(value, Items):
            if any(is_node(item, fields) for item in value.values) and not _OTHER_SERVICES.search(plain_key(key)):
                found += [candidate(item, f"{key}[{index}]", fields) for index, item in enumerate(value.values)]
                taken.update(map(id, value.values))
        elif is_node(value, fields) and not _OTHER_SERVICES.search(plain_key(key)):
            found.append(candidate(value, key.rpartition(".")[2], fields))
            taken.add(id(value))
    return tuple(found)


def is_node(value: Value, fields: Fields) -> bool:
    """Whether a value is a node of a format for certain."""
    if not isinstance(value, Table):
        return False
    keys = value.by_plain_key
    positional = fields.arguments_of(value.name)
    if positional is None and not any(all(key in keys for key in mark) for mark in fields.marks):
        return False
    if positional and value.positional:
        return _may_be_address(value.positional[0])
    return any(key in keys and _may_be_address(keys[key][1]) for key in (*fields.uri, *fields.host))


def candidate(value: Value, place: str, fields: Fields) -> Candidate:
    """What a value has of a node."""
    if not isinstance(value, Table):
        values = {"uri": value} if isinstance(value, Computed) else {}
        return Candidate(values, place, value.line, {"uri": ""}, is_node=False)
    known = dict(value.by_plain_key)
    for name, argument in zip(fields.arguments_of(value.name) or (), value.positional, strict=False):
        known.setdefault(plain_key(name), (name, argument))
    found: dict[str, Value] = {}
    keys: dict[str, str] = {}
    for name, names in fields.by_value():
        for key in names:
            if key in known and name not in found:
                keys[name], found[name] = known[key]
    certain = is_node(value, fields)
    if "identifier" not in found and not _is_general(place):
        found["identifier"] = Text(place.rpartition(".")[2], value.line)
    return Candidate(found, place or value.name.rpartition(".")[2] or "the list", value.line, keys, certain)


def _may_be_address(value: Value) -> bool:
    """Whether a value can be the address of a node: not that of a database."""
    if not isinstance(value, Text):
        return isinstance(value, Variable)
    if "://" not in value.text:
        return True
    return value.text.partition("://")[0].casefold() in ("http", "https", "ws", "wss", "lavalink", "nodelink")


def _is_general(place: str) -> bool:
    """Whether the key of a table says what it is, not which node: ``lavalink``, ``nodes[2]``."""
    last = plain_key(place)
    return not last or "[" in last or bool(re.search(r"node|lava|server|music|config|option|default|list", last))


class Rules(NamedTuple):
    """What a list is read for.

    Attributes:
        needs_password: Whether a node without a password is of no use.
        host: Host of a server whose own configuration names none; None for this machine.
    """

    needs_password: bool = True
    host: str | None = None


class WrongNodeError(Exception):
    """A node that cannot be used.

    Attributes:
        message: Why, without its values, which may be secrets.
        name: The value that is wrong, or None.
        hint: What to do, or None.
    """

    def __init__(self, message: str, name: str | None = None, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.name = name
        self.hint = hint


def read_all(candidates: Iterable[Candidate], path: Path | None, rules: Rules) -> Reading:
    """Check the nodes of a list. A wrong one is reported, and costs only itself."""
    nodes: list[ListedNode] = []
    problems: list[Problem] = []
    for entry in candidates:
        try:
            nodes.append(to_node(entry, rules))
        except WrongNodeError as error:
            at = entry.values.get(error.name or "")
            key = ".".join(part for part in (entry.place, entry.keys.get(error.name or "", "")) if part)
            problems.append(
                Problem(error.message, path, at.line if at is not None else entry.line, key=key, hint=error.hint)
            )
    return Reading(tuple(nodes), tuple(problems))


def to_node(entry: Candidate, rules: Rules) -> ListedNode:
    """Check one node.

    Raises:
        WrongNodeError: It cannot be used.
    """
    if not entry.values or (not entry.is_node and set(entry.values) <= {"identifier"}):
        raise WrongNodeError("is not a node", hint="write it as the others in the list")
    notes = list(entry.notes)
    if (version := _text(entry, "version", notes)) is not None and version.strip("v").split(".")[0] in ("2", "3"):
        raise WrongNodeError("is a Lavalink v3 node; revvlink needs v4", "version", "remove it from the list")
    uri, parts = _address(entry, rules, notes)
    name = _text(entry, "identifier", notes) or parts.get("identifier")
    password, variable, file = _password(entry, parts, notes, rules)
    return ListedNode(
        identifier=name,
        uri=uri,
        region=(_texts(entry, "region") or (None,))[0],
        tags=tuple(dict.fromkeys(_texts(entry, "tags"))),
        password=password,
        password_env=variable,
        password_file=file,
        place=entry.place,
        line=entry.line,
        notes=tuple(notes),
    )


def _text(entry: Candidate, name: str, notes: list[str]) -> str | None:
    """A value as text. One that comes from the environment counts by its default.

    Raises:
        WrongNodeError: It is neither text nor a variable with a default.
    """
    value = entry.values.get(name)
    key = entry.keys.get(name, name)
    match value:
        case None | Nothing():
            return None
        case Text(text=text):
            return text.strip()
        case Variable(name=variable, default=None):
            raise WrongNodeError(
                f"is in the environment variable {variable}, not in the list", name,
                "write the value into the list, or use `revvlink nodes add`",
            )  # fmt: skip
        case Variable(name=variable, default=default):
            notes.append(f"{key} is in the environment variable {variable}; its default was used")
            return (default or "").strip()
        case Computed():
            raise WrongNodeError(
                "is computed by code, which revvlink does not run", name, "write the value into the list"
            )
        case _:
            raise WrongNodeError("must be text", name)


def _texts(entry: Candidate, name: str) -> Sequence[str]:
    """The texts of a list, of a text alone, or the keys of a table whose values are not false."""
    value = entry.values.get(name)
    match value:
        case Text(text=text) if text.strip():
            found: list[str] = [text]
        case Items(values=values):
            found = [item.text for item in values if isinstance(item, Text)]
        case Table(entries=entries):
            found = [
                key if item.text.casefold() in ("true", "1", "") else f"{key}={item.text}"
                for key, item in entries.items()
                if isinstance(item, Text) and item.text.casefold() != "false"
            ]
        case _:
            found = []
    # Control characters have no place in a label of the configuration.
    return [text.strip() for text in found if text.strip() and text.isprintable()]


def _address(entry: Candidate, rules: Rules, notes: list[str]) -> tuple[str, dict[str, str]]:
    """The address of a node, and what else stands in it: ``lavalink://name:password@host:port``.

    Raises:
        WrongNodeError: It has none that can be reached.
    """
    secure = _truth(entry, "secure", notes)
    if (written := _text(entry, "uri", notes)) is not None:
        return _from_uri(written, "uri", secure=secure)
    host = _text(entry, "host", notes)
    if not host:
        known = " or ".join(dict.fromkeys(entry.keys.get(name, name) for name in ("uri", "host")))
        raise WrongNodeError("has no address", hint=f"give it {known}")
    is_replaced = host.strip("[]") in ("0.0.0.0", "::", "*")  # noqa: S104 - compared with, not listened on
    if is_replaced:
        host = rules.host or "127.0.0.1"
        if rules.host is None:
            notes.append("its configuration names no host; 127.0.0.1 is right on the same machine, else use --host")
    if "://" in host:
        scheme, _, host = host.partition("://")
        secure = scheme.casefold() in ("https", "wss") if secure is None or is_replaced else secure
    host, slash, path = host.partition("/")
    host, inner_port = _without_port(host)
    port = (inner_port if is_replaced else None) or _text(entry, "port", notes) or inner_port
    if port is None:
        raise WrongNodeError("has no port", hint="give it a port, such as 2333")
    if not re.fullmatch(r"[0-9]{1,5}", port) or not 0 < int(port) < 65536:
        raise WrongNodeError("must be a number from 1 to 65535", "port" if "port" in entry.values else "host")
    host = f"[{host}]" if ":" in host else host
    return _from_uri(f"{host}:{int(port)}{slash}{path}", "host", secure=bool(secure))


def _without_port(host: str) -> tuple[str, str | None]:
    """A host, an IPv6 address without its brackets, and the port behind it."""
    if found := re.fullmatch(r"\[([^\]]*)\](?::(.*))?", host):
        return found[1], found[2]
    if host.count(":") == 1:
        before, _, after = host.partition(":")
        return before, after
    return host, None


def _truth(entry: Candidate, name: str, notes: list[str]) -> bool | None:
    """Whether a value is true; None if there is none.

    Raises:
        WrongNodeError: It is neither true nor false.
    """
    text = (_text(entry, name, notes) or "").casefold()
    if text in ("true", "1", "yes", "on"):
        return True
    if text in ("false", "0", "no", "off"):
        return False
    if text:
        raise WrongNodeError("must be true or false", name)
    return None


def _from_uri(written: str, name: str, *, secure: bool | None) -> tuple[str, dict[str, str]]:
    """A normalised address, and the name and password in it.

    Raises:
        WrongNodeError: It is not valid.
    """
    scheme, separator, rest = written.partition("://")
    if not separator:
        scheme, rest = "https" if secure else "http", written
    scheme = scheme.casefold()
    parts: dict[str, str] = {}
    if scheme in ("lavalink", "nodelink"):
        before, at, rest = rest.rpartition("@")
        if at:
            identifier, _, password = before.partition(":")
            parts = {"identifier": unquote(identifier), "password": unquote(password)}
        scheme = "https" if secure else "http"
    scheme = {"ws": "http", "wss": "https"}.get(scheme, scheme)
    try:
        uri = normalise_uri(f"{scheme}://{rest}")
    except ValueError as error:
        reason = str(error).partition(" (")[0]  # what is in brackets may be a part of the address
        raise WrongNodeError(reason.replace("not a valid", "is not a valid"), name) from None
    return without_default_port(uri), parts


def without_default_port(uri: str) -> str:
    """A normalised address without a port that its scheme implies."""
    split = urlsplit(uri)
    if split.port is not None and split.port == DEFAULT_PORTS[split.scheme]:
        return split._replace(netloc=split.netloc.rpartition(":")[0]).geturl()
    return uri


def _password(
    entry: Candidate, parts: Mapping[str, str], notes: list[str], rules: Rules
) -> tuple[str | None, str | None, str | None]:
    """The password of a node, the variable that holds it, or its file; at most one of them.

    Raises:
        WrongNodeError: It has none that can be used, and needs one.
    """
    value = entry.values.get("password")
    if isinstance(value, Variable):
        if value.default is not None:
            notes.append(f"the default beside the variable {value.name} was left out")
        return None, value.name, None
    if not rules.needs_password:
        return None, None, None
    if (variable := _text(entry, "password_env", notes)) is not None:
        return None, variable, None
    if (file := _text(entry, "password_file", notes)) is not None:
        notes.append("its list names a file of this machine for the password; check that this is the right one")
        return None, None, file
    password = value.text if isinstance(value, Text) else parts.get("password")
    if isinstance(value, Computed):
        raise WrongNodeError(
            "is computed by code, which revvlink does not run", "password",
            "write it into the list, or name a variable with --password-env",
        )  # fmt: skip
    if not password:
        raise WrongNodeError("has no password", hint="name the variable that holds it with --password-env")
    if re.search(r"[\x00-\x1f\x7f]|[\ud800-\udfff]", password):
        raise WrongNodeError("has control characters, which nothing sent over HTTP can have", "password")
    return password, None, None
