"""Redacts hosts, addresses and the home folder."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from revvlink_cli.config.documents import read_toml
from revvlink_cli.config.files import read_text
from revvlink_cli.config.problems import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from revvlink_cli.services.doctor.context import Diagnosis, DoctorContext


class Redactor:
    """Redacts the hosts of the configuration, addresses and the home folder from texts."""

    _ADDRESS = re.compile(
        r"(?:[a-z][a-z0-9+.-]*:)?//[^\s,;)]+|\b\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?\b|\[[0-9A-Fa-f.%]*:[0-9A-Fa-f:.%]*\](?::\d+)?"
        r"|(?<![\w:])(?:(?:[0-9A-Fa-f]{1,4}:){4,7}[0-9A-Fa-f]{1,4}"
        r"|(?:[0-9A-Fa-f]{1,4}(?::[0-9A-Fa-f]{1,4})*)?::(?:[0-9A-Fa-f]{1,4}(?::[0-9A-Fa-f]{1,4})*)?)(?![\w:])"
    )

    def __init__(self, context: DoctorContext) -> None:
        self._names: dict[str, str] = {}
        for host in _hosts(context):
            self._names.setdefault(host.lower(), f"host-{len(self._names) + 1}")
        self._home = str(Path.home())

    def of(self, text: str | None) -> str | None:
        """The redacted text."""
        if text is None:
            return None
        for host, name in sorted(self._names.items(), key=lambda item: -len(item[0])):
            # A name with a dot is a host wherever it stands; a name without one may be a part of another word.
            around = ("", "") if "." in host else (r"(?<![\w.-])", r"(?![\w-])")
            pattern = rf"{around[0]}{re.escape(host)}{around[1]}(?::\d+)?"
            text = re.sub(pattern, name, text, flags=re.IGNORECASE)
        text = self._ADDRESS.sub("(address)", text)
        return text.replace(self._home, "~") if len(self._home) > 1 else text

    def redacted(self, diagnosis: Diagnosis) -> Diagnosis:
        """The redacted diagnosis."""
        return replace(
            diagnosis,
            subject=self.of(diagnosis.subject),
            message=self.of(diagnosis.message) or "",
            fix=self.of(diagnosis.fix),
        )


_HOST = re.compile(r"(?:[\w-]+\.)+[^\W\d_]{2,}")
"""A text in the form of a host name, such as ``lava.example.com``."""


def _hosts(context: DoctorContext) -> Iterator[str]:
    """The host names in the configuration, including those used as identifiers of nodes."""
    settings = context.settings
    tables: Iterable[Mapping[str, Any]] = _as_written(context)
    if settings is not None:
        tables = [*(entry.values for entry in settings.nodes), {"url": settings.cache.url}]
    for table in tables:
        for key in ("identifier", "uri", "proxy", "url"):
            if isinstance(table.get(key), str):
                yield from _machines(table[key])


def _machines(text: str) -> list[str]:
    try:
        host = urlsplit(text).hostname
    except ValueError:  # the text is not an address, but may hold a host name
        host = None
    return [host] if host else _HOST.findall(text)


def _as_written(context: DoctorContext) -> list[dict[str, Any]]:
    """The tables of an invalid configuration that may hold addresses; none where it cannot be read."""
    if context.source is None:
        return []
    if context.source.path is None:
        return [{"uri": context.environment.get("REVVLINK_URI")}]
    try:
        document = read_toml(read_text(context.source.path))
    except ConfigError:
        return []  # the doctor then reports this error, and nothing from the file
    nodes = document.get("nodes")
    return [table for table in (*(nodes if isinstance(nodes, list) else ()), document.get("cache"))
            if isinstance(table, dict)]  # fmt: skip
