"""Counts TLS handshakes and keeps why they fail: asyncio does not pass on a client's alert."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field


@dataclass(slots=True)
class TlsHandshakes:
    """The handshakes of a server.

    Attributes:
        begun: Handshakes that clients began.
        completed: Handshakes that succeeded.
        failures: Why the others failed, in OpenSSL's words, oldest first.
    """

    begun: int = 0
    completed: int = 0
    failures: list[str] = field(default_factory=list)

    def watch(self, context: ssl.SSLContext) -> None:
        """Count the handshakes of connections with this context."""
        handshakes = self

        class Watched(ssl.SSLObject):
            """The TLS of one connection."""

            has_begun = False

            def do_handshake(self) -> None:
                """Continue the handshake with the bytes that have come."""
                handshakes.begun += not self.has_begun
                self.has_begun = True
                try:
                    super().do_handshake()
                except (ssl.SSLWantReadError, ssl.SSLWantWriteError, ssl.SSLEOFError, ssl.SSLZeroReturnError):
                    raise
                except ssl.SSLError as error:
                    handshakes.failures.append((error.reason or "handshake failed").replace("_", " ").lower())
                    raise
                handshakes.completed += 1

        context.sslobject_class = Watched
