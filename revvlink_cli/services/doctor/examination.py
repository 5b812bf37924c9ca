"""Runs the checkups of the doctor: the machine, the configuration, the network and the nodes.

A checkup is a function that returns diagnoses. A checkup that crashes becomes a diagnosis; the others continue.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from revvlink_cli._awaited import awaiting, missing
from revvlink_cli.services.doctor import local_checks, node_checks
from revvlink_cli.services.doctor.context import Diagnosis, DoctorContext, Found, State

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence

CLOSING = 0.75
"""Extra seconds after its timeout in which a checkup closes its connections."""

CHECKUPS: dict[str, Callable[[DoctorContext], Awaitable[Found]]] = {
    "program": local_checks.program,
    "machine": local_checks.machine,
    "folders": local_checks.folders,
    "configuration": local_checks.configuration,
    "silences": local_checks.silences,
    "permissions": local_checks.permissions,
    "cache": local_checks.cache,
    "names": node_checks.names,
    "proxies": node_checks.proxies,
    "nodes": node_checks.nodes,
    "clocks": node_checks.clocks,
}
"""Name of the checkup -> its function, in the order of the output; slow ones come last."""


async def examine(context: DoctorContext, wanted: Sequence[str]) -> AsyncGenerator[Diagnosis, None]:
    """Run checkups at the same time, each with the timeout; yields their diagnoses in the order of their names."""
    tasks: list[asyncio.Task[Found]] = []

    def describe() -> str:
        open_ones = [name for name, task in zip(wanted, tasks, strict=True) if not task.done()]
        return missing(open_ones, len(tasks), "checkups done")

    try:
        with awaiting(describe):
            async with asyncio.TaskGroup() as group:
                tasks += [group.create_task(_run(context, name), name=f"checkup {name}") for name in wanted]
    finally:
        await context.close()
    for task in tasks:
        for diagnosis in task.result():
            yield diagnosis


async def _run(context: DoctorContext, name: str) -> Found:
    """Run one checkup; a timeout or a crash becomes a diagnosis."""
    try:
        async with asyncio.timeout(context.timeout + CLOSING):
            return await CHECKUPS[name](context)
    except TimeoutError:
        fix = "raise --timeout"
        return [Diagnosis(name, None, State.FAILED, f"not done within {context.timeout:g} s", fix)]
    except Exception as error:  # noqa: BLE001 - one checkup that is broken must not stop the others
        message = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        return [Diagnosis(name, None, State.CRASHED, message, "this is a defect of revvlink: report it")]
