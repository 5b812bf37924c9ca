"""Begins and ends the faults of a scenario at their moments."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from revvlink_cli.simulator.clock import Clock
    from revvlink_cli.simulator.profile import NodeProfile
    from revvlink_cli.simulator.scenario import Fault


class FaultyNode(Protocol):
    """The part of a node of the simulator that a timeline needs."""

    @property
    def profile(self) -> NodeProfile:
        """Its properties."""

    async def begin_fault(self, fault: Fault) -> None:
        """Let a fault begin."""

    async def end_fault(self, fault: Fault) -> None:
        """Let a fault end."""


async def run_faults(
    nodes: Iterable[FaultyNode], faults: Iterable[Fault], clock: Clock, on_event: Callable[[str, str, str], None]
) -> None:
    """Run all faults side by side until each has ended for good.

    Args:
        nodes: The nodes.
        faults: Their faults.
        clock: Their clock.
        on_event: Is called with a node's name, ``fault_began``, ``fault_ended`` or ``fault_failed``, and what the fault
            does. A fault fails if its node cannot start again, because its port is taken.
    """
    known = tuple(nodes)
    async with asyncio.TaskGroup() as group:
        for fault in faults:
            for node in known:
                if fault.is_for(node.profile.identifier):
                    group.create_task(_run(node, fault, clock, on_event))


async def _run(node: FaultyNode, fault: Fault, clock: Clock, on_event: Callable[[str, str, str], None]) -> None:
    name = node.profile.identifier
    due = clock.now() + fault.at
    while True:
        await clock.wait(due)
        await node.begin_fault(fault)
        on_event(name, "fault_began", fault.do)
        if fault.lasts is not None:
            await clock.wait(due + fault.lasts)
            try:
                await node.end_fault(fault)
            except OSError as error:
                on_event(name, "fault_failed", f"{fault.do}: {error.strerror or error}")
                return
            on_event(name, "fault_ended", fault.do)
        if fault.every is None:
            return
        due = max(due + fault.every, clock.now())
