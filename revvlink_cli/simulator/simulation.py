"""Simulated nodes in the running event loop."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Self

from revvlink_cli.simulator.clock import Clock
from revvlink_cli.simulator.node_control import NodeControl
from revvlink_cli.simulator.timeline import run_faults

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from types import TracebackType

    from revvlink_cli.simulator.profile import NodeProfile
    from revvlink_cli.simulator.scenario import Fault


class Simulation:
    """Simulated nodes that run in the running event loop while the ``async with`` block runs.

        async with Simulation([NodeProfile(identifier="us-1"), NodeProfile(identifier="eu-1")]) as nodes:
            await nodes["us-1"].kill()
            await nodes.clock.sleep(10)
            await nodes["us-1"].start()

    Clients may run in the same loop. At the end of the block no socket or task is left. `Simulator` has a thread.

    Attributes:
        host: The address that all nodes listen on.
        clock: Their clock.

    Raises:
        ValueError: Two nodes have the same identifier.
        OSError: On entering the block: a requested port is in use.
    """

    def __init__(
        self,
        profiles: Iterable[NodeProfile],
        *,
        faults: Iterable[Fault] = (),
        seed: int | None = None,
        host: str = "127.0.0.1",
        clock: Clock | None = None,
        on_event: Callable[[str, str, str], None] = lambda *_: None,
    ) -> None:
        """Prepare; nothing runs yet.

        Args:
            profiles: The nodes.
            faults: What goes wrong, from the start on.
            seed: Makes the chance of faults the same in every run; None makes it different.
            host: The address that all nodes listen on.
            clock: Their clock; None is a real one. It starts with the nodes.
            on_event: Is called when a fault begins or ends, see `timeline.run_faults`.
        """
        self.host = host
        self.clock = clock or Clock()
        self._faults = tuple(faults)
        self._on_event = on_event
        self._nodes: dict[str, NodeControl] = {}
        for profile in profiles:
            if profile.identifier in self._nodes:
                raise ValueError(f"two nodes have the identifier {profile.identifier}")
            self._nodes[profile.identifier] = NodeControl(profile, host=host, clock=self.clock, seed=seed)
        self._timeline: asyncio.Task[None] | None = None

    def __getitem__(self, identifier: str) -> NodeControl:
        """The node with that identifier."""
        return self._nodes[identifier]

    def __iter__(self) -> Iterator[NodeControl]:
        """The nodes in the order given."""
        return iter(self._nodes.values())

    def __len__(self) -> int:
        """The number of nodes."""
        return len(self._nodes)

    async def __aenter__(self) -> Self:
        """Start every node; all of them listen when this returns."""
        self.clock.start()
        try:
            for node in self:
                await node.start()
        except BaseException:
            await self.__aexit__(None, None, None)
            raise
        if self._faults:
            self._timeline = asyncio.create_task(
                run_faults(self, self._faults, self.clock, self._on_event), name="faults of the scenario"
            )
        return self

    async def __aexit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        """Stop every node, and raise what failed in a fault, if anything did."""
        timeline, self._timeline = self._timeline, None
        if timeline is not None:
            timeline.cancel()
            await asyncio.wait([timeline])
        await asyncio.gather(*(node.stop() for node in self))
        for node in self:
            node.release_port()
        if timeline is not None:
            with suppress(asyncio.CancelledError):
                timeline.result()
