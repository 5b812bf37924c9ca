"""A pool whose close was cancelled: the next `connect` or `reconnect` ends the close first."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from revvlink_cli import Node, NodeStatus, Pool
from revvlink_cli.simulator import NodeProfile, Simulator

if TYPE_CHECKING:
    from collections.abc import Iterator

PASSWORD = "passw0rd"


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    """One node."""
    with Simulator([NodeProfile(identifier="a", password=PASSWORD)]) as simulator:
        yield simulator


def node_at(simulator: Simulator, identifier: str) -> Node:
    """A node of the pool, with a name of its own, for the one server."""
    return Node(identifier=identifier, uri=simulator["a"].uri, password=PASSWORD)


async def cancel_close(pool: type[Pool], steps: int) -> bool:
    """Cancel `Pool.close` after so many steps of the event loop; whether it had not ended by then."""
    closing = asyncio.create_task(pool.close())
    for _ in range(steps):
        await asyncio.sleep(0)
    closing.cancel()
    await asyncio.wait([closing])
    return closing.cancelled()


@pytest.mark.parametrize("method", ["connect", "reconnect"])
def test_next_call_ends_a_cancelled_close(simulator: Simulator, method: str) -> None:
    """At whichever step it is cancelled: `connect` has only its own nodes then, `reconnect` has none."""

    async def work() -> None:
        steps, was_cancelled = 1, True
        while was_cancelled:

            class Fresh(Pool):
                """A pool of its own."""

            await Fresh.connect(nodes=[node_at(simulator, "a")])
            was_cancelled = await cancel_close(Fresh, steps)
            if method == "reconnect":
                assert await Fresh.reconnect() == {}, steps
            await Fresh.connect(nodes=[node_at(simulator, "b")])
            assert {name: node.status for name, node in Fresh.nodes.items()} == {"b": NodeStatus.CONNECTED}, steps
            assert not Fresh.fleet().is_closing
            await Fresh.close()
            steps += 1
        assert steps > 5

    asyncio.run(work())
