"""Reads the exporter's web configuration, in the format of Prometheus' exporter-toolkit.

The file has TLS, response headers and the users with their bcrypt hashes. Each mistake has its line and its key. What
Python cannot do as the toolkit does is refused by name, never ignored. No message contains a hash.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from revvlink_cli.config.problems import ConfigError
from revvlink_cli.config.web_document import Entry, Reader, parsed
from revvlink_cli.config.web_tls import TLS_KEYS, read_tls

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Mapping
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


def load_web_config(path: Path) -> WebConfig:
    """Read a web configuration with all files that it names.

    Raises:
        ConfigError: The file, or one that it names, cannot be used; it has every mistake with its line and key.
    """
    reader = Reader(path)
    root = reader.table(parsed(path, reader), "", ("tls_server_config", "http_server_config", "basic_auth_users"))
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
            reader.refuse(inner.line, key, "is not a bcrypt hash, such as $2y$10$ and 53 characters", hint)
        elif not 4 <= int(found[1]) <= MOST_COST:
            message = f"the cost of the hash is {int(found[1])}; 4 to {MOST_COST} are possible, 10 is usual"
            reader.refuse(inner.line, key, message)
        else:
            users[name] = str(inner.value).encode()
    return users
