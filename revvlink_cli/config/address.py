"""Addresses to listen on, and to be reached at."""

from __future__ import annotations

from revvlink_cli._record import NamedTuple


class Address(NamedTuple):
    """A host and a port."""

    host: str
    port: int

    def __str__(self) -> str:
        """The text that nodes are given."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_every(self) -> bool:
        """Whether it stands for every address of a machine, to which nothing can connect."""
        return self.host in ("0.0.0.0", "::")  # noqa: S104 - compared with, not listened on

    @classmethod
    def parse(cls, text: str) -> Address:
        """Read ``HOST:PORT``, with an IPv6 address in brackets.

        Raises:
            ValueError: It is not such an address.
        """
        host, colon, port = text.rpartition(":")
        if host.startswith("[") and host.endswith("]"):
            host = host[1:-1]
        elif ":" in host:
            raise ValueError(f"{text!r}: write an IPv6 address in brackets")
        if not colon or not host or not port.isdecimal() or int(port) > 65535:
            raise ValueError(f"{text!r} is not HOST:PORT")
        return cls(host, int(port))
