"""Keeps the exporter's TLS context current: a renewed certificate applies to the next connection, without a reload."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from revvlink_cli.config.problems import ConfigError

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from revvlink_cli.config.web_config import WebConfig

INTERVAL = 1.0
"""Shortest time in seconds between two looks at the files."""


class CurrentTls:
    """The TLS context that new connections are made with."""

    def __init__(self, complain: Callable[[str], object]) -> None:
        """Prepare; `complain` receives a message when changed files cannot be used."""
        self._complain = complain
        self._config: WebConfig | None = None
        self._context: ssl.SSLContext | None = None
        self._stamps: list[tuple[int, int, int]] = []
        self._looked_at = 0.0

    def use(self, config: WebConfig | None) -> None:
        """Apply a web configuration that was just read; None makes plain connections."""
        self._config = config
        self._context = config.tls if config is not None else None
        self._stamps = _stamps(config.tls_files) if config is not None else []

    def context(self) -> ssl.SSLContext | None:
        """The context, made anew when a certificate, its key or the authority of clients has changed."""
        config = self._config
        if config is None or self._context is None or time.monotonic() - self._looked_at < INTERVAL:
            return self._context
        self._looked_at = time.monotonic()
        stamps = _stamps(config.tls_files)
        if stamps != self._stamps:
            self._stamps = stamps
            try:
                self._context = config.renew_tls()
            except ConfigError as error:  # such as a new certificate whose key is not written yet
                self._complain(f"the certificate stays as before: {error.problems[0]}")
        return self._context


def _stamps(files: Sequence[Path]) -> list[tuple[int, int, int]]:
    """When each file was changed, its size and its number; zeros for one that is missing."""
    found: list[tuple[int, int, int]] = []
    for file in files:
        try:
            status = file.stat()
        except OSError:
            found.append((0, 0, 0))
        else:
            found.append((status.st_mtime_ns, status.st_size, status.st_ino))
    return found
