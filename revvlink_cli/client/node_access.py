"""The pool's side of a node: a program does not need it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from revvlink_cli.client.errors import Code, NodeException

if TYPE_CHECKING:
    from revvlink_cli.client.connection.node_state import NodeObserver, NodeState
    from revvlink_cli.client.connection.transport import Transport
    from revvlink_cli.client.node import Node


def state_of(node: Node) -> NodeState:
    """What the pool knows of a node. It changes only when the node joins a pool."""
    return node._state  # noqa: SLF001 - the pool's only way to it


def join(node: Node, observer: NodeObserver, transport: Transport, *, user_id: int | None) -> None:
    """Make a node a member of a fleet; nothing remains of its time in another.

    Args:
        node: The node.
        observer: Its place in the fleet.
        transport: The fleet's connections, unless the node has a session of its own.
        user_id: The id of the fleet's client, if it has one. It is kept: a client that logs out later has none.
    """
    node._join(observer, transport, user_id=user_id)  # noqa: SLF001 - as above


def check_session(node: Node) -> None:
    """Check that the session that a node was given is open.

    Raises:
        NodeException: It is closed.
    """
    session = node._session  # noqa: SLF001 - as above
    if session is not None and session.closed:
        raise NodeException(
            f"{node.identifier} was given a session that is closed",
            code=Code.NOT_CONNECTED,
            node=node.identifier,
            hint="give Node an open aiohttp session, or none",
        )
