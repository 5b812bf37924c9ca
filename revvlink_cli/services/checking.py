"""Runs the checks: opens the fleet once, loads and plays the canaries, and assesses the snapshot."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from revvlink_cli._awaited import awaiting
from revvlink_cli.client.connection.exchange import Progress
from revvlink_cli.client.errors import RevvlinkException
from revvlink_cli.client.snapshot import NodeStatus
from revvlink_cli.health.checks.context import Load
from revvlink_cli.health.fleet import Report, assess
from revvlink_cli.services.canaries import canary_player
from revvlink_cli.services.fleet_session import as_observer, connecting, has_stats_or_failed, until
from revvlink_cli.services.on_demand import ask

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from revvlink_cli.client.connection.rate_limits import SharedPaces
    from revvlink_cli.client.fleet import Fleet
    from revvlink_cli.client.node import Node
    from revvlink_cli.client.settings import NodeSettings
    from revvlink_cli.config.settings import PlaySettings
    from revvlink_cli.health.checks.context import Played
    from revvlink_cli.health.policy import Policy, Requirements
    from revvlink_cli.health.silences import Silence
    from revvlink_cli.services.canaries import CanaryPlayer

PER_SECOND = 2
"""Requests to one node in any one second. Checks run often, and bots use these nodes too."""

NOTING = 0.5
"""Seconds after the deadline in which canaries that ran out of time note their results."""


def as_checker(settings: NodeSettings, timeout: float) -> NodeSettings:
    """A node's settings for a check: slow requests, and one attempt, because retries would hide a flapping node."""
    return replace(as_observer(settings, timeout), per_second=PER_SECOND, retries=0)


def without_canaries(policy: Policy, *, loading: bool = True) -> Policy:
    """The policy without the canaries that play and, if `loading`, without those that load."""

    def without(requirements: Requirements) -> Requirements:
        return replace(requirements, plays=(), canaries=() if loading else requirements.canaries)

    nodes = {name: without(requirements) for name, requirements in policy.nodes.items()}
    return replace(policy, common=without(policy.common), nodes=nodes)


async def run(
    chosen: Sequence[NodeSettings],
    policy: Policy,
    *,
    regions: Mapping[str, Sequence[str]] | None,
    timeout: float,
    play: PlaySettings | None = None,
    paces: SharedPaces | None = None,
    silenced: Mapping[str, Silence] | None = None,
) -> Report:
    """Check nodes and fleet.

    Args:
        chosen: The nodes.
        policy: The requirements for them.
        regions: A region map in place of the built-in one.
        timeout: Seconds for the whole check; a node that has not answered by then has timed out.
        play: How canaries play; without it none does.
        paces: Bounds the requests per second to each server together with others that ask it, or None.
        silenced: The silenced nodes, each with its silence.
    """
    at, begun = time.time(), time.monotonic()
    if play is None:
        policy = without_canaries(policy, loading=False)
    names = [entry.identifier for entry in chosen]
    async with AsyncExitStack() as stack:
        checked = [as_checker(entry, timeout) for entry in chosen]
        session = await stack.enter_async_context(connecting(checked, regions, timeout, paces))
        canaries = _Canaries(session.fleet, policy, session.deadline)
        if play is not None and any(map(policy.plays, names)):
            canaries.player = await stack.enter_async_context(canary_player(session.fleet, play))
        if canaries.player is not None or any(map(policy.canaries, names)):
            await stack.enter_async_context(canaries.running())
        await session.until_connected()
        # A ping has as long as any other request.
        await session.until_settled(max(min(entry.timeout, timeout) for entry in chosen))
        with awaiting(lambda: "waiting for the answers of plugins"):
            on_demand = await ask(session.fleet, policy, session.deadline)
        with awaiting(lambda: "waiting for canaries"):
            await until(session.fleet, session.deadline, canaries.are_over)
            # Those that end at this very moment still have to note how long they took.
            await until(session.fleet, session.deadline + NOTING, canaries.have_results)
        snapshot = session.fleet.snapshot()
        report = assess(
            snapshot,
            policy,
            timeout=timeout,
            loads=canaries.loads,
            played=canaries.played,
            on_demand=on_demand,
            silenced=silenced,
        )
    return replace(report, at=at, took=time.monotonic() - begun)


class _Canaries:
    """The canaries of all nodes.

    Attributes:
        loads: By node, the results of the canaries that load, in their order.
        played: By node, the results of the canaries that play, as far as they have one.
        player: What plays; None if no canary plays.
    """

    def __init__(self, fleet: Fleet, policy: Policy, deadline: float) -> None:
        self.loads: dict[str, list[Load]] = {}
        self.played: dict[str, list[Played]] = {}
        self.player: CanaryPlayer | None = None
        self._fleet = fleet
        self._policy = policy
        self._deadline = deadline
        self._running = 0

    def are_over(self) -> bool:
        """Whether every canary that can be tried has a result."""
        return self._running == 0 and not self._waiting()

    def have_results(self) -> bool:
        """Whether every canary that was started has a result."""
        return self._running == 0

    def _waiting(self) -> list[Node]:
        """Connected nodes whose canaries have not started; statistics come first, because a canary may hang."""
        return [
            node
            for node in self._fleet.members
            if node.identifier not in self.loads
            and (self._policy.canaries(node.identifier) or self._policy.plays(node.identifier))
            and node.status is NodeStatus.CONNECTED
            and has_stats_or_failed(node.snapshot())
        ]

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Try the canaries of each node as soon as it is connected, while the block runs."""
        watching = asyncio.create_task(self._watch(), name="canaries")
        try:
            yield
            if watching.done():
                watching.result()  # raises the exception of a defect, if there was one
        finally:
            watching.cancel()
            await asyncio.wait([watching])

    async def _watch(self) -> None:
        async with asyncio.TaskGroup() as group:
            while True:
                for node in self._waiting():
                    canaries = self._policy.canaries(node.identifier)
                    self.loads[node.identifier] = [Load(canary, 0.0) for canary in canaries]
                    for index, canary in enumerate(canaries):
                        self._running += 1
                        group.create_task(self._load(node, index, canary), name=f"canary {canary}")
                    plays = self._policy.plays(node.identifier)
                    if plays and self.player is not None:
                        self._running += 1
                        group.create_task(self._play(node, plays, self.player), name=f"play {node.identifier}")
                await self._fleet.changed()

    async def _load(self, node: Node, index: int, canary: str) -> None:
        tracks, failure, progress = None, None, Progress()
        try:
            async with asyncio.timeout_at(self._deadline):
                tracks = len(await node.rest.load(canary, progress))
        except TimeoutError:
            pass  # the result then has neither tracks nor a failure, which means that the time ran out
        except RevvlinkException as error:
            failure = error
        finally:
            now = time.monotonic()
            took = now - (progress.began or now)  # the wait for the rate limit does not count
            self.loads[node.identifier][index] = Load(canary, took, tracks, failure)
            self._running -= 1
            self._fleet.on_change()

    async def _play(self, node: Node, canaries: Sequence[str], player: CanaryPlayer) -> None:
        """Play one after the other, because a node plays one canary at a time."""
        results = self.played[node.identifier] = []
        try:
            for canary in canaries:
                results.append(await player.play(node, canary, self._deadline))  # noqa: PERF401 - read on the way
        finally:
            self._running -= 1
            self._fleet.on_change()
