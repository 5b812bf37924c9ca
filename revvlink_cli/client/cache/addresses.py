"""Addresses of servers as they may be shown."""

from __future__ import annotations

from urllib.parse import urlsplit


def address_of(url: str) -> str:
    """An address without user, password and options."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{f'[{host}]' if ':' in host else host}{port}{parts.path}"
