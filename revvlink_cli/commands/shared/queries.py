"""What people search for, as nodes and the cache know it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from revvlink_cli.client.search.sources import SOURCES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from revvlink_cli.config.settings import NodeEntry


def identifier_for(query: str, source: str) -> str:
    """What to ask a node for: addresses and ``prefix:`` identifiers as they are, words with the source's prefix."""
    words = query.strip()
    prefix, colon, _ = words.partition(":")
    if colon and ("://" in words or prefix.lower() in SOURCES or _is_identifier(words)):
        return words
    return f"{source.rstrip(':')}:{words}"


def _is_identifier(words: str) -> bool:
    """Whether words have the form of an identifier with a prefix."""
    return " " not in words and re.match(r"[a-z][a-z0-9_-]*:\S", words, re.IGNORECASE) is not None


def node_name(entries: Sequence[NodeEntry]) -> str:
    """What stands for the nodes named with ``--node`` in a key of the cache."""
    return ",".join(entry.identifier for entry in entries)
