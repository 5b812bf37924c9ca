"""How a search uses the cache: the one policy, for the library and for the command line's quick way."""

from __future__ import annotations

from enum import StrEnum


class CacheMode(StrEnum):
    """How one search uses the cache.

    A search reads the cache if `reads`, then asks a node if `asks_nodes`, then keeps the result if `writes`.
    """

    PREFER = "prefer"
    """Use a kept result; otherwise ask a node and keep its result."""

    REFRESH = "refresh"
    """Ask a node and replace the kept result."""

    BYPASS = "bypass"
    """Ask a node; neither read nor change the cache."""

    ONLY = "only"
    """Use a kept result; never ask a node."""

    @property
    def reads(self) -> bool:
        """Whether a kept result is used."""
        return self is CacheMode.PREFER or self is CacheMode.ONLY

    @property
    def asks_nodes(self) -> bool:
        """Whether a node is asked when the cache gives no result."""
        return self is not CacheMode.ONLY

    @property
    def writes(self) -> bool:
        """Whether a node's result is kept."""
        return self is CacheMode.PREFER or self is CacheMode.REFRESH
