"""Examines all that a check of the nodes takes for granted: the machine, the configuration, the way to the nodes.

Every checkup is a function that tells what it found. One that crashes is a finding of its own and stops nothing.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from revvlink_cli.services.doctor import local_checks, node_checks
from revvlink_cli.services.doctor.context import Diagnosis, DoctorContext, Found, State

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence

CLOSING = 0.75
"""Seconds beyond its time in which a checkup closes what it has opened."""

CHECKUPS: dict[str, Callable[[DoctorContext], Awaitable[Found]]] = {
    "program": local_checks.program,
    "machine": local_checks.machine,
    "folders": local_checks.folders,
    "configuration": local_checks.configuration,
    "permissions": local_checks.permissions,
    "cache": local_checks.cache,
    "names": node_checks.names,
    "proxies": node_checks.proxies,
    "nodes": node_checks.nodes,
    "clocks": node_checks.clocks,
}
"""Name of the checkup -> what makes it, in the order in which they are made: those that take long come last."""


async def examine(context: DoctorContext, wanted: Sequence[str]) -> AsyncGenerator[Diagnosis, None]:
    """What each of these checkups finds, in their order; they are made at the same time, each within the time."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(_made(context, name), name=f"checkup {name}") for name in wanted]
    finally:
        await context.let_go()
    for task in tasks:
        for diagnosis in task.result():
            yield diagnosis


async def _made(context: DoctorContext, name: str) -> Found:
    """One checkup, whatever becomes of it."""
    try:
        async with asyncio.timeout(context.timeout + CLOSING):
            return await CHECKUPS[name](context)
    except TimeoutError:
        fix = "give it longer with --timeout"
        return [Diagnosis(name, None, State.FAILED, f"not done within {context.timeout:g} s", fix)]
    except Exception as error:  # noqa: BLE001 - one checkup that is broken must not stop the others
        told = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        return [Diagnosis(name, None, State.CRASHED, told, "this is a defect of revvlink: report it")]
