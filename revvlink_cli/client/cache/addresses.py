"""Addresses of servers as they may be shown."""

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
    """See that what follows the ``?`` of an address is ``db`` or a file for TLS; the client takes the rest amiss.

    Raises:
        ValueError: It does not. The text has nothing of it, since an unlucky password may end there.
    """
    parts = urlsplit(url)
    for name, value in parse_qsl(parts.query, keep_blank_values=True):
        if name == "db":
            if not (value.isascii() and value.isdecimal()):
                raise ValueError("has a db that is no number")
        elif name not in TLS_OPTIONS or not value:
            raise ValueError(f"has an option other than db and {', '.join(TLS_OPTIONS)}")
        elif parts.scheme != "rediss":
            raise ValueError("has an option of TLS, but does not begin with rediss://")
