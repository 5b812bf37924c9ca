"""Answers of routes that only some nodes have: the route planner, and the YouTube plugin."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from revvlink_cli.client.protocol.models import UndecodableError, decode_json


@dataclass(frozen=True, slots=True)
class RoutePlanner:
    """``GET /v4/routeplanner/status``.

    Attributes:
        kind: Class of the planner (``RotatingIpRoutePlanner`` ...), or None when the node has none.
        details: The planner's own figures as sent, numbers as text.
    """

    kind: str | None
    details: dict[str, Any]

    @property
    def failing_addresses(self) -> tuple[str, ...] | None:
        """The addresses that it has found failing, None where it has no list of them."""
        listed = self.details.get("failingAddresses")
        if not isinstance(listed, list):
            return None
        found = [entry.get("failingAddress", entry.get("address", "")) if isinstance(entry, dict) else entry
                 for entry in listed]  # fmt: skip
        return tuple(str(address).lstrip("/") for address in found)

    @property
    def block_size(self) -> int | None:
        """Number of addresses in its block, None where it does not say."""
        block = self.details.get("ipBlock")
        size = str(block.get("size")) if isinstance(block, dict) else ""
        return int(size) if size.isascii() and size.isdecimal() and len(size) < 50 else None


def has_refresh_token(body: bytes) -> bool | None:
    """Whether the YouTube plugin's configuration has a token, None where it cannot be read."""
    try:
        raw = decode_json(body)
    except UndecodableError:
        return None
    token = raw.get("refreshToken", ...) if isinstance(raw, dict) else ...
    return bool(token.strip()) if isinstance(token, str) else (False if token is None else None)
