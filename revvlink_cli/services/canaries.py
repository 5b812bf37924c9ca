"""Canaries that play: tracks that nodes play now and then, to notice when none can be heard.

`check` plays them once, the exporter again and again (`CanaryLoop`).
"""

from __future__ import annotations

import asyncio
import os
import ssl
import time
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from revvlink_cli.client.errors import Code
from revvlink_cli.client.snapshot import NodeStatus
from revvlink_cli.health import metrics
from revvlink_cli.health.checks.context import CheckContext, Played
from revvlink_cli.health.checks.playing import verdict_on
from revvlink_cli.health.findings import Verdict
from revvlink_cli.health.metrics import Sample
from revvlink_cli.services.defects import Job
from revvlink_cli.services.playing import PlayPlan, PlayVerdict, play_on
from revvlink_cli.services.voice.server import VoiceServer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from revvlink_cli.client.fleet import Fleet
    from revvlink_cli.client.node import Node
    from revvlink_cli.config.settings import PlaySettings
    from revvlink_cli.health.policy import Policy
    from revvlink_cli.services.defects import Defects
    from revvlink_cli.services.playing import PlayReport

SHORTEST_PAUSE = 1.0
"""Seconds between two rounds of the exporter, at least."""

AT_ONCE = 8
"""Nodes that play at the same time for the exporter."""

SPARE_TIME = 30.0
"""Seconds beyond its duration that one play may take."""

_VERDICTS = {
    PlayVerdict.HEARD: Verdict.OK,
    PlayVerdict.STARTS: Verdict.OK,
    PlayVerdict.UNPROVEN: Verdict.WARNING,
    PlayVerdict.FAILS: Verdict.CRITICAL,
    PlayVerdict.NOT_LOADED: Verdict.CRITICAL,
}


class CanaryPlayer:
    """Plays canaries on the nodes of a fleet."""

    def __init__(self, fleet: Fleet, seconds: float, voice: VoiceServer | None, trouble: str | None) -> None:
        """Prepare.

        Args:
            fleet: The fleet.
            seconds: How long each canary plays.
            voice: The voice server that measures them, None for none.
            trouble: Why the configured voice server does not work; None where nothing is wrong.
        """
        self._fleet = fleet
        self._seconds = seconds
        self._voice = voice
        self._trouble = trouble

    async def play(self, node: Node, canary: str, deadline: float) -> Played:
        """Play on one connected node. A node that fails gives a result, not an exception.

        Args:
            node: The node.
            canary: The query, sent unchanged.
            deadline: When there must be a result, on the loop's clock.
        """
        if self._trouble is not None:
            hint = "correct [play], or let one run measure at a time"
            return Played(
                canary=canary, verdict=Verdict.UNKNOWN, message=self._trouble, code="cannot_listen", advice=hint
            )
        plan = PlayPlan(canary, self._seconds, self._voice)
        return _result(canary, await play_on(self._fleet, node, plan, deadline))


def _result(canary: str, report: PlayReport) -> Played:
    figures = report.figures
    return Played(
        canary=canary,
        verdict=_VERDICTS[report.verdict],
        message=report.message,
        code=report.code,
        advice=report.advice,
        timed_out=report.code == Code.TIMEOUT,
        start_s=report.start_ms / 1000 if report.start_ms is not None else None,
        packet_rate=figures.packet_rate if figures is not None else None,
        silence_ratio=figures.silence_ratio if figures is not None else None,
        dave_version=report.dave_version,
    )


@asynccontextmanager
async def canary_player(fleet: Fleet, settings: PlaySettings) -> AsyncIterator[CanaryPlayer]:
    """What plays canaries; its voice server listens while the block runs.

    A voice server that cannot listen makes every canary UNKNOWN. It is not an exception, because the other checks still
    run.
    """
    async with AsyncExitStack() as stack:
        voice, trouble = None, None
        if settings.listen is not None:
            cert, key = (str(path) if path is not None else None for path in (settings.cert, settings.key))
            server = VoiceServer(settings.listen, cert=cert, key=key, advertise=settings.advertise)
            try:
                voice = await stack.enter_async_context(server)
            except ssl.SSLError as error:
                trouble = f"[play] cert cannot be used: {error.reason or error}"
            except OSError as error:
                what = error.filename or settings.listen
                why = os.strerror(error.errno) if error.errno else str(error)
                trouble = f"the voice server cannot use {what}: {why}"
        yield CanaryPlayer(fleet, settings.duration_s, voice, trouble)


class CanaryLoop:
    """Plays the canaries of all connected nodes, round after round, and keeps the last result of each.

    A round opens its own voice server, so that a change of the configuration applies to the next one.
    """

    def __init__(
        self,
        fleet: Fleet,
        read: Callable[[], tuple[Policy, PlaySettings]],
        count: Callable[[str, str, str, Verdict], object],
        defects: Defects,
    ) -> None:
        """Prepare.

        Args:
            fleet: The fleet, which stays connected.
            read: Gives the policy and the settings that apply now.
            count: Receives the node, the check, the canary and the verdict of each play.
            defects: Contains a round that fails.
        """
        self._defects = defects
        self._interval = SHORTEST_PAUSE
        self._count = count
        self._fleet = fleet
        self._read = read
        self._results: dict[tuple[str, str], tuple[Played, float]] = {}

    async def run(self) -> None:
        """Play, until cancelled."""
        while True:
            begun = time.monotonic()
            await self._defects.contain(Job.CANARIES, self._round())
            await asyncio.sleep(max(self._interval - (time.monotonic() - begun), SHORTEST_PAUSE))

    async def _round(self) -> None:
        policy, settings = self._read()
        self._interval = settings.interval_s
        if not any(policy.plays(node.identifier) for node in self._fleet.members):
            return
        turn = asyncio.Semaphore(AT_ONCE)
        async with canary_player(self._fleet, settings) as player, asyncio.TaskGroup() as group:
            for node in self._fleet.members:
                group.create_task(self._play(node, policy, settings, player, turn), name=f"play {node.identifier}")

    async def _play(
        self, node: Node, policy: Policy, settings: PlaySettings, player: CanaryPlayer, turn: asyncio.Semaphore
    ) -> None:
        for canary in policy.plays(node.identifier):
            async with turn:
                if node.status is not NodeStatus.CONNECTED:
                    self._results.pop((node.identifier, canary), None)
                    continue
                deadline = asyncio.get_running_loop().time() + settings.duration_s + SPARE_TIME
                result = await player.play(node, canary, deadline)
                self._results[node.identifier, canary] = (result, time.time())
                self._count(node.identifier, "play", canary, result.verdict)

    def samples(self, timeout: float) -> Iterator[Sample]:
        """The last results of canaries that the policy still has, as metrics.

        Args:
            timeout: Seconds that nodes have to answer, for messages.
        """
        policy, _ = self._read()
        snapshot = self._fleet.snapshot()
        for node in snapshot.nodes:
            for canary in policy.plays(node.identifier):
                if (node.identifier, canary) not in self._results:
                    continue
                played, at = self._results[node.identifier, canary]
                labels = (("node", node.identifier), ("canary", canary))
                requirements = policy.of(node.identifier)
                verdict = verdict_on(played, CheckContext(node, snapshot.at, timeout, requirements))
                figures = {
                    metrics.CANARY_SUCCESS: float(verdict in (Verdict.OK, Verdict.WARNING)),
                    metrics.CANARY_STATE: float(verdict),
                    metrics.CANARY_STATUS: float(verdict),
                    metrics.CANARY_START: played.start_s,
                    metrics.CANARY_PACKETS: played.packet_rate,
                    metrics.CANARY_SILENCE: played.silence_ratio,
                    metrics.CANARY_TIMESTAMP: at,
                }
                yield from (Sample(metric, labels, value) for metric, value in figures.items() if value is not None)
