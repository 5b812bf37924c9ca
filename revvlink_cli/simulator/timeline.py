"""Begins and ends the faults of a scenario at their moments."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

from revvlink_cli.simulator.scenario import REQUEST_ACTIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from revvlink_cli.simulator.profile import NodeProfile
    from revvlink_cli.simulator.request_faults import RequestFaults
    from revvlink_cli.simulator.scenario import Fault


class FaultyNode(Protocol):
    """The part of a node of the simulator that faults need. Its methods run in the simulator's loop."""

    @property
    def profile(self) -> NodeProfile:
        """Its properties."""

    @property
    def faults(self) -> RequestFaults:
        """The faults of its requests."""

    async def start_here(self) -> None:
        """Listen again."""

    async def stop_here(self, *, abort: bool) -> None:
        """Stop, with `abort` as on SIGKILL."""

    async def freeze_here(self, *, websockets: bool = True) -> None:
        """Answer nothing."""

    async def thaw_here(self) -> None:
        """Answer again."""

    async def drop_here(self) -> None:
        """Reset every connection."""

    async def close_voice_here(self, guild_id: str, code: int) -> None:
        """Close voice connections."""

    async def lose_sessions_here(self) -> None:
        """Forget sessions."""

    async def set_load_here(
        self, *, players: int | None = None, playing: int | None = None, system_load: float | None = None
    ) -> None:
        """Change figures of the statistics."""


async def run_faults(
    nodes: Iterable[FaultyNode], faults: Iterable[Fault], on_event: Callable[[str, str, str], None]
) -> None:
    """Run all faults side by side until each has ended for good.

    Args:
        nodes: The nodes.
        faults: Their faults.
        on_event: Is called with a node's name, ``fault_began`` or ``fault_ended``, and what the fault does.
    """
    known = tuple(nodes)
    async with asyncio.TaskGroup() as group:
        for fault in faults:
            for node in known:
                if fault.is_for(node.profile.identifier):
                    group.create_task(_run(node, fault, on_event))


async def _run(node: FaultyNode, fault: Fault, on_event: Callable[[str, str, str], None]) -> None:
    name = node.profile.identifier
    loop = asyncio.get_running_loop()
    due = loop.time() + fault.at
    while True:
        await asyncio.sleep(due - loop.time())
        await begin(node, fault)
        on_event(name, "fault_began", fault.do)
        if fault.lasts is not None:
            await asyncio.sleep(fault.lasts)
            await end(node, fault)
            on_event(name, "fault_ended", fault.do)
        if fault.every is None:
            return
        due = max(due + fault.every, loop.time())


async def begin(node: FaultyNode, fault: Fault) -> None:
    """Let a fault of a node begin. Runs in the simulator's loop."""
    if fault.do in REQUEST_ACTIONS:
        node.faults.begin(fault)
        return
    match fault.do:
        case "kill" | "stop":
            await node.stop_here(abort=fault.do == "kill")
        case "freeze" | "hang":
            await node.freeze_here(websockets=fault.do == "freeze")
        case "drop":
            await node.drop_here()
        case "load":
            await node.set_load_here(players=fault.players, playing=fault.playing, system_load=fault.system_load)
        case "close_voice":
            await node.close_voice_here(fault.guild, fault.code)
        case "lose_sessions":
            await node.lose_sessions_here()


async def end(node: FaultyNode, fault: Fault) -> None:
    """Let a fault of a node end. Runs in the simulator's loop."""
    if fault.do in REQUEST_ACTIONS:
        node.faults.end(fault)
        return
    match fault.do:
        case "kill" | "stop":
            await node.start_here()
        case "freeze" | "hang":
            await node.thaw_here()
        case "load":
            profile = node.profile
            await node.set_load_here(players=profile.players, playing=profile.playing, system_load=profile.system_load)
