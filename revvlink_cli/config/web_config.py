"""Reads the exporter's web configuration, in the format of Prometheus' exporter-toolkit.

The file has TLS, response headers and the users with their bcrypt hashes. Each mistake has its line and its key. What
Python cannot do as the toolkit does is refused by name, never ignored. No message contains a hash.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from revvlink_cli._suggestions import nearest
from revvlink_cli.config.files import read_text
from revvlink_cli.config.problems import ConfigError, Problem

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

HEADERS: Mapping[str, tuple[str, ...] | None] = {
    "Content-Security-Policy": None,
    "X-Frame-Options": ("deny", "sameorigin"),
    "X-Content-Type-Options": ("nosniff",),
    "X-XSS-Protection": None,
    "Strict-Transport-Security": None,
}
"""Headers that the file may set, with the accepted values; None accepts any."""

MOST_COST = 16
"""Highest cost of a bcrypt hash: beyond it, one verification takes several seconds."""

_HASH = re.compile(r"\$2[aby]\$([0-9]{2})\$[./A-Za-z0-9]{53}")


@dataclass(frozen=True, slots=True)
class WebConfig:
    """A web configuration that can be used.

    Attributes:
        tls: What TLS connections are made with; None for plain HTTP.
        asks_certificate: Whether every client must present a certificate of the configured CA.
        allowed_sans: Names of which a client's certificate must have one; empty accepts all.
        headers: Headers of all responses.
        users: Names with their bcrypt hashes; empty asks no password.
        tls_files: The files that the TLS context was made of.
        renew_tls: Makes the TLS context of the changed files; raises ConfigError when they cannot be used.
    """

    tls: ssl.SSLContext | None = None
    asks_certificate: bool = False
    allowed_sans: frozenset[str] = frozenset()
    headers: tuple[tuple[str, str], ...] = ()
    users: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    tls_files: tuple[Path, ...] = ()
    renew_tls: Callable[[], ssl.SSLContext | None] = field(default=lambda: None, repr=False, compare=False)


class Entry(NamedTuple):
    """A value of the file.

    Attributes:
        value: A text, a list, a table of entries, or None.
        line: Its line, from 1.
        is_text: Whether it is a scalar that YAML does not read as a number, a boolean or null.
    """

    value: Any
    line: int
    is_text: bool = False


class Reader:
    """Reads values and collects the mistakes.

    Attributes:
        path: The file.
        problems: The mistakes.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.problems: list[Problem] = []

    def refuse(self, line: int, key: str, message: str, hint: str | None = None) -> None:
        """Add a mistake."""
        problem = Problem(message, self.path, line=line, key=key or None, hint=hint)
        if problem not in self.problems:  # a value may be read twice
            self.problems.append(problem)

    def table(self, entry: Entry | None, key: str, known: Iterable[str] | None) -> dict[str, Entry]:
        """The entries of a table; keys other than the known ones are mistakes."""
        if entry is None or entry.value is None:
            return {}
        if not isinstance(entry.value, dict):
            self.refuse(entry.line, key, "must have keys with values below it, each as KEY: VALUE")
            return {}
        if known is None:
            return entry.value
        names = list(known)
        for name, inner in entry.value.items():
            if name not in names and name not in _REFUSED:
                self.refuse(inner.line, _join(key, name), "unknown key", nearest(name, names))
            elif name not in names:
                self.refuse(inner.line, _join(key, name), _REFUSED[name])
        return {name: inner for name, inner in entry.value.items() if name in names}

    def text(self, table: Mapping[str, Entry], name: str, key: str) -> str | None:
        """The text of a key; None where the key is missing or wrong."""
        entry = table.get(name)
        if entry is None or entry.value in (None, ""):
            return None
        if not isinstance(entry.value, str):
            self.refuse(entry.line, _join(key, name), "must be a text")
            return None
        return entry.value

    def choice(self, table: Mapping[str, Entry], name: str, key: str, values: Iterable[str]) -> str | None:
        """One of these texts; None where the key is missing or wrong."""
        found, known = self.text(table, name, key), list(values)
        if found is not None and found not in known:
            self.refuse(table[name].line, _join(key, name), f"{found[:60]!r} is not possible", nearest(found, known))
            return None
        return found

    def flag(self, table: Mapping[str, Entry], name: str, key: str, *, default: bool) -> bool:
        """True or false."""
        entry = table.get(name)
        if entry is None or entry.value is None:
            return default
        word = str(entry.value).lower()
        if entry.is_text or word not in ("true", "false", "yes", "no", "on", "off"):
            self.refuse(entry.line, _join(key, name), "must be true or false")
            return default
        return word in ("true", "yes", "on")

    def texts(self, table: Mapping[str, Entry], name: str, key: str) -> list[tuple[str, int]]:
        """A list of texts, each with its line."""
        entry = table.get(name)
        if entry is None or entry.value is None:
            return []
        if not isinstance(entry.value, list) or not all(isinstance(each.value, str) for each in entry.value):
            self.refuse(entry.line, _join(key, name), "must be a list of texts")
            return []
        return [(each.value, each.line) for each in entry.value]


_REFUSED = {
    "rate_limit": "is not supported: the exporter limits connections itself; leave it out",
    "cert": "is not supported: Python reads certificates from files only; use cert_file",
    "key": "is not supported: Python reads keys from files only; use key_file",
    "client_ca": "is not supported: use client_ca_file",
    "curve_preferences": "is not supported: Python cannot order curves; leave it out",
}
"""Keys of the toolkit that are refused, with the reason."""


def load_web_config(path: Path) -> WebConfig:
    """Read a web configuration with all files that it names.

    Raises:
        ConfigError: The file, or one that it names, cannot be used; it has every mistake with its line and key.
    """
    from revvlink_cli.config.web_tls import TLS_KEYS, read_tls

    reader = Reader(path)
    root = reader.table(_parsed(path, reader), "", ("tls_server_config", "http_server_config", "basic_auth_users"))
    server = reader.table(root.get("http_server_config"), "http_server_config", ("http2", "headers"))
    reader.flag(server, "http2", "http_server_config", default=True)  # checked only: a client chooses HTTP/1.1 itself
    section = root.get("tls_server_config")
    tls = reader.table(section, "tls_server_config", TLS_KEYS)
    made = read_tls(reader, tls, section.line) if section is not None and section.value is not None else None
    headers = _headers(reader, server.get("headers"))
    users = _users(reader, root.get("basic_auth_users"))
    if reader.problems:
        raise ConfigError(sorted(reader.problems, key=lambda problem: problem.line or 0))
    if made is None:
        return WebConfig(headers=headers, users=users)
    line = section.line if section is not None else 1

    def renew() -> ssl.SSLContext | None:
        again = Reader(path)
        renewed = read_tls(again, tls, line)
        if renewed is None:
            raise ConfigError(again.problems)
        return renewed.context

    return WebConfig(made.context, made.asks_certificate, made.allowed_sans, headers, users, made.files, renew)


def _headers(reader: Reader, entry: Entry | None) -> tuple[tuple[str, str], ...]:
    place = "http_server_config.headers"
    found: list[tuple[str, str]] = []
    table = reader.table(entry, place, HEADERS)
    for name, inner in table.items():
        values = HEADERS[name]
        value = reader.text(table, name, place) if values is None else reader.choice(table, name, place, values)
        if value is None:
            continue
        if not value.isascii() or not value.isprintable():
            reader.refuse(inner.line, f"{place}.{name}", "may have printable ASCII characters only")
            continue
        found.append((name, value))
    return tuple(found)


def _users(reader: Reader, entry: Entry | None) -> dict[str, bytes]:
    users: dict[str, bytes] = {}
    for name, inner in reader.table(entry, "basic_auth_users", None).items():
        key = f"basic_auth_users.{name[:60]}"
        found = _HASH.fullmatch(inner.value) if isinstance(inner.value, str) else None
        if not name or ":" in name:
            reader.refuse(inner.line, key, "a user's name has at least one character and no colon")
        elif found is None:
            hint = 'make one with `htpasswd -nBC 10 "" | tr -d ":\\n"`'
            reader.refuse(inner.line, key, "is no bcrypt hash, such as $2y$10$ and 53 characters", hint)
        elif not 4 <= int(found[1]) <= MOST_COST:
            message = f"the cost of the hash is {int(found[1])}; 4 to {MOST_COST} are possible, 10 is usual"
            reader.refuse(inner.line, key, message)
        else:
            users[name] = str(inner.value).encode()
    return users


def _join(key: str, name: str) -> str:
    return f"{key}.{name[:60]}" if key else name[:60]


def _parsed(path: Path, reader: Reader) -> Entry | None:
    """The values of the file.

    Raises:
        ConfigError: It cannot be read, or is not YAML.
    """
    import yaml

    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        return _entry(yaml.compose(_text(path), Loader=loader), reader, "", ())
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        reason = getattr(error, "problem", None) or "a character that YAML does not allow"
        line = mark.line + 1 if mark is not None else None
        raise ConfigError([Problem(f"is not valid YAML: {reason}", path, line=line)]) from None
    except (RecursionError, ValueError):
        raise ConfigError([Problem("is not valid YAML", path)]) from None


def _text(path: Path) -> str:
    try:
        return read_text(path)
    except ConfigError as error:
        raise ConfigError(problem._replace(hint=None) for problem in error.problems) from None


def _entry(node: Any, reader: Reader, key: str, outer: tuple[int, ...]) -> Entry | None:
    """A node of YAML as an entry; a key that occurs twice is a mistake."""
    if node is None:
        return None
    line = node.start_mark.line + 1
    if id(node) in outer or len(outer) > 8:
        reader.refuse(line, key, "is nested too deep")
        return Entry(None, line)
    within = (*outer, id(node))
    if node.id == "scalar":
        kind = str(node.tag).rpartition(":")[2]
        return Entry(None if kind == "null" else node.value, line, is_text=kind == "str")
    if node.id == "sequence":
        return Entry([_entry(each, reader, key, within) for each in node.value], line)
    table: dict[str, Entry] = {}
    for name, value in node.value:
        if name.id != "scalar":
            reader.refuse(name.start_mark.line + 1, key, "a key must be a text")
            continue
        place = _join(key, name.value)
        inner = _entry(value, reader, place, within) or Entry(None, line)
        if name.value in table:
            reader.refuse(name.start_mark.line + 1, place, "occurs twice")
        table[name.value] = inner._replace(line=name.start_mark.line + 1)
    return Entry(table, line)
