"""Samples of a fleet, taken one after the other. `tests/commands/shared/test_watch_options.py` has the commands."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

from revvlink_cli.client.settings import NodeSettings
from revvlink_cli.services.watching import watch
from revvlink_cli.simulator import NodeProfile, Simulator


def test_a_late_watch_that_is_cancelled() -> None:
    """A signal that comes while a sample is written ends the watch, also when the next sample is due by then."""
    samples = 0

    async def take(nodes: list[NodeSettings], task: asyncio.Task[None]) -> None:
        nonlocal samples
        async with aclosing(watch(nodes, regions=None, timeout=30, interval=1e-6, count=20)) as taken:
            async for _ in taken:
                samples += 1
                if samples == 1:
                    task.cancel()

    async def work(nodes: list[NodeSettings]) -> bool:
        begin = asyncio.Event()

        async def run() -> None:
            await begin.wait()
            await take(nodes, task)

        task = asyncio.create_task(run())
        begin.set()
        await asyncio.wait([task])
        return task.cancelled()

    with Simulator([NodeProfile(identifier="one")]) as simulator:
        node = NodeSettings(identifier="one", uri=simulator["one"].uri, password=simulator["one"].password)
        assert asyncio.run(work([node]))
    assert samples == 1
