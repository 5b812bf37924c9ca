"""Redacts hosts, addresses and the home folder from diagnoses."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from revvlink_cli.config.documents import read_toml
from revvlink_cli.config.files import read_text
from revvlink_cli.config.problems import ConfigError
from revvlink_cli.services.address_redaction import AddressRedactor, hosts_in

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from revvlink_cli.services.doctor.context import Diagnosis, DoctorContext


class Redactor(AddressRedactor):
    """Redacts the hosts of the configuration, addresses and the home folder from diagnoses."""

    def __init__(self, context: DoctorContext) -> None:
        super().__init__(_hosts(context))

    def redacted(self, diagnosis: Diagnosis) -> Diagnosis:
        """The redacted diagnosis."""
        return replace(
            diagnosis,
            subject=None if diagnosis.subject is None else self.of(diagnosis.subject),
            message=self.of(diagnosis.message),
            fix=None if diagnosis.fix is None else self.of(diagnosis.fix),
        )


def _hosts(context: DoctorContext) -> Iterator[str]:
    """The host names in the configuration, including those used as identifiers of nodes."""
    settings = context.settings
    tables: Iterable[Mapping[str, Any]] = _as_written(context)
    if settings is not None:
        tables = [*(entry.values for entry in settings.nodes), {"url": settings.cache.url}]
    for table in tables:
        for key in ("identifier", "uri", "proxy", "url"):
            if isinstance(table.get(key), str):
                yield from hosts_in(table[key])


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
