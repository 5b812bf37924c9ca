"""Which node to ask for tracks, and when to ask another."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from revvlink_cli.client.errors import Code, LavalinkException, LavalinkLoadException, NodeException, RevvlinkException
from revvlink_cli.client.search.sources import source_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from revvlink_cli.client.node import Node
    from revvlink_cli.client.protocol.tracks import Playable, Playlist

log = logging.getLogger(__name__)

MAX_NODES = 5
"""Nodes that are asked for one query at most: what fails on five is not the nodes' fault."""


async def load(
    identifier: str, nodes: Sequence[Node], *, on_failure: Callable[[RevvlinkException], None] | None = None
) -> list[Playable] | Playlist:
    """Load `identifier` from the first of `nodes` that can.

    A node that fails, or answers that it could not load it, is followed by the next; one that has the source and
    finds nothing has answered: there is nothing.

    Args:
        identifier: Sent as it is.
        nodes: Connected nodes, best first; not empty.
        on_failure: Called for every node that failed.

    Raises:
        LavalinkLoadException: No node could load it; this is the most telling of their reasons.
        RevvlinkException: No node answered; this is the first one's failure.
    """
    source = source_of(identifier)
    capable = [node for node in nodes if _may_have(node, source)]
    if not capable:
        raise LavalinkLoadException(
            f"no connected node has the source {source}, which {identifier.partition(':')[0]}: needs",
            code=Code.SOURCE_MISSING,
            node=nodes[0].identifier if len(nodes) == 1 else None,
            hint="enable it on a node, or search elsewhere with --source",
        )
    failures: list[RevvlinkException] = []
    for node in capable[:MAX_NODES]:
        try:
            return await node.rest.load(identifier)
        except (LavalinkLoadException, LavalinkException, NodeException) as error:
            log.info("%s: %s", node.identifier, error)
            failures.append(error)
            if on_failure is not None:
                on_failure(error)
    raise next((error for error in failures if isinstance(error, LavalinkLoadException)), failures[0])


def _may_have(node: Node, source: str | None) -> bool:
    known = node.info.sources if node.info is not None else None
    return source is None or known is None or source in known
