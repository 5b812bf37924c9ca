"""Follows one player's events, and turns failures into reasons."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING

from revvlink_cli.client.errors import Code
from revvlink_cli.client.events import NodeEvent, NodeLost
from revvlink_cli.client.protocol.messages import TrackEnd, TrackException, TrackStart, TrackStuck, VoiceClosed
from revvlink_cli.health.failure_codes import FailureCode
from revvlink_cli.health.known_failures import explain_track, explain_voice_close, words_of
from revvlink_cli.services.playing.report import PlayError, PlayVerdict

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from revvlink_cli.client.events import PoolEvent, Subscription
    from revvlink_cli.client.protocol.messages import Event


class PlayerWatch:
    """What happens to one player.

    Attributes:
        started_at: When its track started, on `time.monotonic`; None before.
        ended: Why its track ended, None before.
        failure: What failed, None if nothing has.
    """

    def __init__(self, node: str, guild: str, subscription: Subscription) -> None:
        self._node = node
        self._guild_id = int(guild)
        self._subscription = subscription
        self.started_at: float | None = None
        self.ended: str | None = None
        self.failure: PlayError | None = None

    def has_ended(self) -> bool:
        """Whether the track has ended."""
        return self.ended is not None

    async def until(self, seconds: float, is_done: Callable[[], bool]) -> None:
        """Read events until a condition holds, something fails, or the time is over."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self.failure is None and not is_done():
                    event = await self._subscription.next()
                    if event is None:
                        self.failure = _lost()
                    else:
                        self._take(event)

    async def beside(self, work: Coroutine[None, None, object], seconds: float) -> None:
        """Read events while other work goes on; both end when either is done, or the time is over."""
        tasks = [asyncio.create_task(work), asyncio.create_task(self.until(seconds, self.has_ended))]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)

    def raise_failure(self) -> None:
        """Raise what failed, if anything has.

        Raises:
            PlayError: The track, the voice connection or the node failed.
        """
        if self.failure is not None:
            raise self.failure
        if self.ended == "loadFailed":
            raise _fails("the track ended with loadFailed", "play_failed", "see the node's log")

    def _take(self, event: PoolEvent) -> None:
        if isinstance(event, NodeLost) and event.node == self._node:
            self.failure = _lost()
        elif isinstance(event, NodeEvent) and event.node == self._node and event.event.guild_id == self._guild_id:
            self._take_own(event.event)

    def _take_own(self, event: Event) -> None:
        """Take an event of the player."""
        match event:
            case TrackStart():
                self.started_at = self.started_at or time.monotonic()
            case TrackException():
                known = explain_track(event)
                code = "play_failed" if known.code is FailureCode.OTHER else str(known.code)
                self.failure = _fails(known.sentence(words_of(event)), code, known.next_step)
            case TrackStuck():
                seconds = (event.threshold_ms or 0) / 1000
                self.failure = _fails(
                    f"the track is stuck: no audio for {seconds:g} s", "play_failed", "see the node's log"
                )
            case TrackEnd():
                self.ended = event.reason
            case VoiceClosed() if (closed := explain_voice_close(event.code, event.reason)).is_known:
                words = " ".join(filter(None, (str(event.code), event.reason)))
                self.failure = _fails(closed.sentence(words), str(closed.code), closed.next_step)
            case VoiceClosed(code=None):
                self.failure = _fails("the node could not connect to the voice server", "voice_unreachable", None)


def _fails(message: str, code: str, advice: str | None) -> PlayError:
    return PlayError(PlayVerdict.FAILS, message, code=code, advice=advice)


def _lost() -> PlayError:
    return _fails("the node was lost in mid-play", str(Code.CLOSED), "look at the node: it may have crashed")
