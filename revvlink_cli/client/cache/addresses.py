"""Addresses of Redis servers: without their secrets, and what is wrong with them."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit


def address_of(url: str) -> str:
    """An address without user, password and options."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{f'[{host}]' if ':' in host else host}{port}{parts.path}"


TLS_OPTIONS = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")
"""Options of a ``rediss://`` address: files."""


def check_options(url: str) -> None:
    """Check that only ``db`` and files for TLS follow the ``?`` of an address; the Redis client refuses other options.

    Raises:
        ValueError: Something else follows. The text repeats no part of it: it may be the end of a password.
    """
    parts = urlsplit(url)
    for name, value in parse_qsl(parts.query, keep_blank_values=True):
        if name == "db":
            if not (value.isascii() and value.isdecimal()):
                raise ValueError("has a db that is not a number")
        elif name not in TLS_OPTIONS or not value:
            raise ValueError(f"has an option other than db and {', '.join(TLS_OPTIONS)}")
        elif parts.scheme != "rediss":
            raise ValueError("has an option of TLS, but does not begin with rediss://")


def url_problem(url: str) -> tuple[str, str | None] | None:
    """What is wrong with an address, and what to do about it if that is known; None when nothing is wrong.

    Neither text repeats a part of the address: it may be a part of the password.
    """
    if url.partition("://")[0] not in ("redis", "rediss", "unix"):
        return "must begin with redis://, rediss:// or unix://", None
    try:
        parts = urlsplit(url)
        is_address = parts.port is None or bool(parts.hostname)
    except ValueError:
        is_address = False
    if not is_address:
        hint = "percent-encode what is special in user and password: / is %2F, # is %23, @ is %40"
        return "is not an address of a Redis server", hint
    try:
        check_options(url)
    except ValueError as error:
        return str(error), "leave it out; a ? in user or password is written %3F"
    return None
