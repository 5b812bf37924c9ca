"""Simulated nodes in the running event loop."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Self

from revvlink_cli.simulator.clock import Clock
from revvlink_cli.simulator.conditions import CONDITIONS
from revvlink_cli.simulator.event_log import EventLog
from revvlink_cli.simulator.node_control import NodeControl
from revvlink_cli.simulator.timeline import Timeline

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterable, Iterator
    from types import TracebackType

    from revvlink_cli.simulator.conditions import Condition
    from revvlink_cli.simulator.event_log import SimulatorEvent
    from revvlink_cli.simulator.profile import NodeProfile
    from revvlink_cli.simulator.requests import Request
    from revvlink_cli.simulator.scenario import Fault
    from revvlink_cli.simulator.timeline import PlannedFault


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
        events: What happened to them.
        faults: The faults that are planned or active.

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
        tls: ssl.SSLContext | None = None,
        on_event: Callable[[str, str, str], None] = lambda *_: None,
    ) -> None:
        """Prepare; nothing runs yet.

        Args:
            profiles: The nodes.
            faults: What goes wrong, from the start on.
            seed: Makes the chance of faults the same in every run; None makes it different.
            host: The address that all nodes listen on.
            clock: Their clock; None is a real one. It starts with the nodes.
            tls: The TLS with which they serve; None is HTTP without TLS.
            on_event: Is called with a node's name, ``fault_began``, ``fault_ended`` or ``fault_failed``, and what the
                fault does. A fault fails if its node cannot have it, or cannot start again because its port is taken.
        """
        self.host = host
        self.clock = clock or Clock()
        self.events = EventLog(self.clock, on_event)
        self.faults = Timeline(self.clock, self.events)
        self._scenario = tuple(faults)
        self._turn = asyncio.Lock()
        self._nodes: dict[str, NodeControl] = {}
        for profile in profiles:
            if profile.identifier in self._nodes:
                raise ValueError(f"two nodes have the identifier {profile.identifier}")
            self._nodes[profile.identifier] = NodeControl(
                profile, host=host, clock=self.clock, events=self.events, seed=seed, tls=tls
            )

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
        try:
            await self._start()
        except BaseException:
            await self.__aexit__(None, None, None)
            raise
        return self

    async def __aexit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        """Stop every node, and raise what failed in a fault, if anything did."""
        try:
            await self.faults.close()
        finally:
            await asyncio.gather(*(node.stop() for node in self if node.is_up))
            for node in self:
                node.release_port()

    async def reset(self) -> None:
        """Begin again: nodes, faults, clock, requests and events are as at the start. Ports stay the same.

        Open websockets are closed as when a node stops.
        """
        async with self._turn:
            await self.faults.close()
            await asyncio.gather(*(node.reset() for node in self))
            self.events.clear()
            await self._start()

    async def _start(self) -> None:
        self.clock.start()
        for node in self:
            await node.start()
        for fault in self._scenario:
            self.begin_fault(fault)

    def begin_fault(self, fault: Fault) -> list[PlannedFault]:
        """Let the nodes that a fault names have it; its times begin now. `faults` ends it by its number."""
        return [self.faults.add(node, fault) for node in self if fault.is_for(node.profile.identifier)]

    async def wait(
        self, condition: Condition, *, node: str | None = None, guild: str | None = None, timeout: float = 10.0
    ) -> NodeControl:
        """Wait until a condition holds, and return the node on which it does.

        Args:
            condition: See `CONDITIONS`.
            node: The node on which it has to hold; None is any one.
            guild: The guild of the player; None is any one.
            timeout: Seconds of real time.

        Raises:
            WaitTimeoutError: It did not hold in time.
        """
        holds = CONDITIONS[condition]
        nodes = [one for one in self if node is None or one.profile.identifier == node]
        return await self.events.wait_for(
            lambda: next((one for one in nodes if holds(one, guild)), None), _described(condition, node, guild), timeout
        )

    async def wait_for_event(
        self,
        kind: str,
        *,
        node: str | None = None,
        guild: str | None = None,
        after: int = 0,
        timeout: float = 10.0,
    ) -> SimulatorEvent:
        """Wait for an event, and return it.

        Args:
            kind: Its kind, such as ``TrackEndEvent``, see `SimulatorEvent`.
            node: Its node; None is any one.
            guild: Its guild; None is any one.
            after: Only events with a greater number count; 0 is all since the start or the last `reset`.
            timeout: Seconds of real time.

        Raises:
            WaitTimeoutError: There was none in time.
        """

        def found() -> SimulatorEvent | None:
            for event in self.events.events:
                is_meant = event.kind == kind and node in (None, event.node) and guild in (None, event.guild)
                if event.number > after and is_meant:
                    return event
            return None

        return await self.events.wait_for(found, _described(kind, node, guild), timeout)

    async def wait_for_request(
        self,
        route: str = "*",
        *,
        node: str | None = None,
        guild: str | None = None,
        after: int = 0,
        timeout: float = 10.0,
    ) -> Request:
        """Wait for a request that was answered, and return it.

        Args:
            route: Pattern of its method and path, or of its path, such as ``PATCH /v4/sessions/*``.
            node: The node that received it; None is any one.
            guild: The guild of the player that it is for; None is any request.
            after: Only requests with a greater number count; 0 is all since the start or the last `reset`.
            timeout: Seconds of real time.

        Raises:
            WaitTimeoutError: There was none in time.
        """

        def found() -> Request | None:
            for one in self:
                for request in one.received if node in (None, one.profile.identifier) else ():
                    if request.number > after and request.status is not None and request.matches(route, guild):
                        return request
            return None

        return await self.events.wait_for(found, _described(f"request {route}", node, guild), timeout)


def _described(what: str, node: str | None, guild: str | None) -> str:
    """What is waited for, for an error."""
    return what + (f" of guild {guild}" if guild is not None else "") + (f" on {node}" if node is not None else "")
