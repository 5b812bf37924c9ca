"""Loads the same query on several nodes, or from several sources, side by side."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from revvlink_cli.client.errors import RevvlinkException

if TYPE_CHECKING:
    from collections.abc import Sequence

    from revvlink_cli.client.node import Node


@dataclass(frozen=True, slots=True)
class LoadAttempt:
    """One query on one node.

    Attributes:
        node: The node's identifier.
        identifier: The query that was loaded.
        took_ms: Milliseconds until the answer, including the wait for the node's rate limit.
        tracks: Number of tracks in the answer, None when the load failed.
        title: The title of the first track, None without one.
        error: The reason of a failure, None without one.
    """

    node: str
    identifier: str
    took_ms: float
    tracks: int | None
    title: str | None
    error: RevvlinkException | None


async def load_everywhere(nodes: Sequence[Node], identifiers: Sequence[str]) -> list[LoadAttempt]:
    """Load every identifier on every node: all nodes at the same time, the identifiers of one node in turn."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_load_all(node, identifiers), name=f"load {node.identifier}") for node in nodes]
    return [attempt for task in tasks for attempt in task.result()]


async def _load_all(node: Node, identifiers: Sequence[str]) -> list[LoadAttempt]:
    attempts = []
    for identifier in identifiers:
        began = time.monotonic()
        tracks, title, failure = None, None, None
        try:
            found = list(await node.rest.load(identifier))
        except RevvlinkException as error:
            failure = error
        else:
            tracks, title = len(found), found[0].title if found else None
        took_ms = (time.monotonic() - began) * 1000
        attempts.append(LoadAttempt(node.identifier, identifier, took_ms, tracks, title, failure))
    return attempts
