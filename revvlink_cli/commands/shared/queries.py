"""What people search for, as nodes and the cache know it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from revvlink_cli.client.search.sources import SOURCES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from revvlink_cli.config.settings import NodeEntry

_PREFIX = re.compile(r"[a-z][a-z0-9_-]*:\S", re.IGNORECASE)


def identifier_for(query: str, source: str) -> str:
    """What to ask a node for: addresses and ``prefix:`` identifiers as they are, words with the source's prefix."""
    words = query.strip()
    if "://" in words or (_PREFIX.match(words) and " " not in words):
        return words
    prefix = words.partition(":")[0]
    if ":" in words and prefix.lower() in SOURCES:
        return words
    return f"{source.rstrip(':')}:{words}"


def node_name(entries: Sequence[NodeEntry]) -> str:
    """What stands for the nodes named with ``--node`` in a key of the cache."""
    return ",".join(entry.identifier for entry in entries)
