"""Takes out of texts what tells where nodes are."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from revvlink_cli.services.patient import Diagnosis, Patient


class Redactor:
    """Takes out of texts what tells where nodes are: hosts, addresses, the name of one's home."""

    _ADDRESS = re.compile(
        r"(?:[a-z][a-z0-9+.-]*:)?//[^\s,;)]+|\b\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?\b|\[[0-9A-Fa-f:.%]+\](?::\d+)?"
        r"|(?<![\w:])(?:(?:[0-9A-Fa-f]{1,4}:){4,7}[0-9A-Fa-f]{1,4}"
        r"|(?:[0-9A-Fa-f]{1,4}(?::[0-9A-Fa-f]{1,4})*)?::(?:[0-9A-Fa-f]{1,4}(?::[0-9A-Fa-f]{1,4})*)?)(?![\w:])"
    )

    def __init__(self, patient: Patient) -> None:
        self._names: dict[str, str] = {}
        entries = patient.settings.nodes if patient.settings is not None else ()
        hosts = [urlsplit(entry.uri).hostname or "" for entry in entries]
        hosts += [urlsplit(entry.values["proxy"]).hostname or "" for entry in entries if entry.values.get("proxy")]
        if patient.settings is not None and patient.settings.cache.url:
            hosts.append(urlsplit(patient.settings.cache.url).hostname or "")  # which the configuration has checked
        for host in hosts:
            if host and host not in self._names:
                self._names[host] = f"host-{len(self._names) + 1}"
        self._home = str(Path.home())

    def of(self, text: str | None) -> str | None:
        """The text without them."""
        if text is None:
            return None
        for host, name in sorted(self._names.items(), key=lambda item: -len(item[0])):
            # A name with a point is a place wherever it stands; one without may be any word.
            around = ("", "") if "." in host else (r"(?<![\w.-])", r"(?![\w-])")
            pattern = rf"{around[0]}{re.escape(host)}{around[1]}(?::\d+)?"
            text = re.sub(pattern, name, text, flags=re.IGNORECASE)
        text = self._ADDRESS.sub("(address)", text)
        return text.replace(self._home, "~") if len(self._home) > 1 else text

    def redacted(self, diagnosis: Diagnosis) -> Diagnosis:
        """A diagnosis without them."""
        return replace(
            diagnosis,
            subject=self.of(diagnosis.subject),
            message=self.of(diagnosis.message) or "",
            fix=self.of(diagnosis.fix),
        )
