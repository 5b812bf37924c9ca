"""Redacts addresses, given hosts and the home folder from texts that leave the machine."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterable


class AddressRedactor:
    """Redacts these hosts, any address, and the home folder from texts."""

    _ADDRESS = re.compile(
        r"(?:[a-z][a-z0-9+.-]*:)?//[^\s,;)]+|\b\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?\b|\[[0-9A-Fa-f.%]*:[0-9A-Fa-f:.%]*\](?::\d+)?"
        r"|(?<![\w:])(?:(?:[0-9A-Fa-f]{1,4}:){4,7}[0-9A-Fa-f]{1,4}"
        r"|(?:[0-9A-Fa-f]{1,4}(?::[0-9A-Fa-f]{1,4})*)?::(?:[0-9A-Fa-f]{1,4}(?::[0-9A-Fa-f]{1,4})*)?)(?![\w:])"
    )

    def __init__(self, hosts: Iterable[str]) -> None:
        self._names: dict[str, str] = {}
        for host in hosts:
            self._names.setdefault(host.lower(), f"host-{len(self._names) + 1}")
        self._home = str(Path.home())

    def of(self, text: str) -> str:
        """The redacted text."""
        for host, name in sorted(self._names.items(), key=lambda item: -len(item[0])):
            # A name with a dot is a host wherever it stands; a name without one may be a part of another word.
            around = ("", "") if "." in host else (r"(?<![\w.-])", r"(?![\w-])")
            pattern = rf"{around[0]}{re.escape(host)}{around[1]}(?::\d+)?"
            text = re.sub(pattern, name, text, flags=re.IGNORECASE)
        text = self._ADDRESS.sub("(address)", text)
        return text.replace(self._home, "~") if len(self._home) > 1 else text


_HOST = re.compile(r"(?:[\w-]+\.)+[^\W\d_]{2,}")
"""A text in the form of a host name, such as ``lava.example.com``."""


def hosts_in(text: str) -> list[str]:
    """The hosts in an address, or in a text such as the identifier of a node."""
    try:
        host = urlsplit(text).hostname
    except ValueError:  # the text is not an address, but may hold a host name
        host = None
    return [host] if host else _HOST.findall(text)
