"""The faults of nodes, each at its moment: those of a scenario, and those that are begun by hand."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING

from revvlink_cli.simulator.control_errors import ControlError, NoSuchFaultError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from revvlink_cli.simulator.clock import Clock
    from revvlink_cli.simulator.event_log import EventLog
    from revvlink_cli.simulator.node_control import NodeControl
    from revvlink_cli.simulator.scenario import Fault

MOMENTARY = ("drop", "close_voice", "lose_sessions")
"""Faults that happen in a moment, and have no end."""


@dataclass(slots=True)
class PlannedFault:
    """A fault that a node has, or will have.

    Attributes:
        number: Its number, from 1 on.
        node: The node.
        fault: The fault.
        is_active: Whether it has begun and not ended.
    """

    number: int
    node: NodeControl
    fault: Fault
    task: asyncio.Task[None] = field(repr=False)
    is_active: bool = False


class Timeline:
    """Begins and ends faults side by side."""

    def __init__(self, clock: Clock, events: EventLog) -> None:
        self._clock = clock
        self._events = events
        self._numbers = count(1)
        self._planned: dict[int, PlannedFault] = {}

    def __iter__(self) -> Iterator[PlannedFault]:
        """The faults that are not over, in the order in which they were planned."""
        return iter(tuple(self._planned.values()))

    def add(self, node: NodeControl, fault: Fault) -> PlannedFault:
        """Plan a fault of a node; its times begin now."""
        number = next(self._numbers)
        task = asyncio.create_task(self._run(number, self._clock.now() + fault.at), name=f"fault {number}")
        self._planned[number] = PlannedFault(number, node, fault, task)
        return self._planned[number]

    async def end(self, number: int) -> None:
        """End a fault, and let it not begin again.

        Raises:
            NoSuchFaultError: It is over, or never was.
        """
        planned = self._planned.get(number)
        if planned is None:
            raise NoSuchFaultError(number)
        del self._planned[number]
        await _cancel(planned.task)
        if planned.is_active:
            await self._end(planned)

    async def close(self) -> None:
        """Cancel what is planned, without an end of what is active.

        Raises:
            Exception: A fault had a defect.
        """
        tasks = [planned.task for planned in self._planned.values()]
        self._planned.clear()
        await _cancel(*tasks)

    async def _run(self, number: int, due: float) -> None:
        planned = self._planned[number]
        fault = planned.fault
        while True:
            await self._clock.wait(due)
            if not await self._begin(planned) and fault.every is None:
                break
            if planned.is_active:
                await self._clock.wait(due + fault.lasts if fault.lasts is not None else float("inf"))
                await self._end(planned)
            if fault.every is None:
                break
            due = max(due + fault.every, self._clock.now())
        self._planned.pop(number, None)

    async def _begin(self, planned: PlannedFault) -> bool:
        """Let a fault begin; False if its node cannot have it now."""
        try:
            await planned.node.begin_fault(planned.fault)
        except ControlError as error:
            self._report(planned, "fault_failed", str(error))
            return False
        planned.is_active = planned.fault.do not in MOMENTARY
        self._report(planned, "fault_began")
        return True

    async def _end(self, planned: PlannedFault) -> None:
        planned.is_active = False
        try:
            await planned.node.end_fault(planned.fault)
        except ControlError:
            pass  # its node was killed or started by hand meanwhile
        except OSError as error:  # its port is taken
            self._report(planned, "fault_failed", error.strerror or str(error))
            return
        self._report(planned, "fault_ended")

    def _report(self, planned: PlannedFault, kind: str, reason: str = "") -> None:
        detail = f"{planned.fault.do}: {reason}" if reason else planned.fault.do
        self._events.add(planned.node.profile.identifier, kind, detail=detail)


async def _cancel(*tasks: asyncio.Task[None]) -> None:
    """Cancel tasks, and raise what failed in one of them."""
    for task in tasks:
        task.cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    for result in results:
        if isinstance(result, Exception):
            raise result
