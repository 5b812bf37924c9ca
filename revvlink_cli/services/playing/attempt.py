"""Plays a track on a node as a bot would, and finds out whether it sounds.

How much can be seen depends on the server. With a voice server of one's own every packet is measured. A Lavalink
without one reports a track that fails, but says nothing of one that plays. A NodeLink does not even begin without
voice, but may have an endpoint that gives the decoded sound.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from array import array
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from revvlink_cli.client.errors import Code, LavalinkException, LavalinkLoadException, RevvlinkException
from revvlink_cli.client.events import NodeEvent, NodeLost
from revvlink_cli.client.protocol.dialects import Dialect
from revvlink_cli.client.protocol.messages import TrackEnd, TrackException, TrackStart, TrackStuck, VoiceClosed
from revvlink_cli.client.protocol.tracks import Playlist
from revvlink_cli.health.failure_codes import EXPLANATIONS, FailureCode
from revvlink_cli.health.known_failures import explain_load, explain_track, explain_voice_close, words_of
from revvlink_cli.health.voice import voice_ability

if TYPE_CHECKING:
    from collections.abc import Sequence

    from revvlink_cli.client.events import Subscription
    from revvlink_cli.client.fleet import Fleet
    from revvlink_cli.client.node import Node
    from revvlink_cli.client.protocol.tracks import Playable
    from revvlink_cli.health.failure_codes import Explanation
    from revvlink_cli.services.voice.rtp import RtpFigures
    from revvlink_cli.services.voice.server import VoiceCall, VoiceServer

START_TIME = 10.0
"""Seconds that a track may take to start, and the first packet to come."""

DESTROY_TIME = 3.0
"""Seconds that the end of a player may take."""

MOST_SILENT = 2.0
"""Seconds without a packet after which a track that has not ended is taken to have stopped."""

SAMPLE_BYTES = 48_000 * 2 * 2
"""Bytes of a second of decoded sound: 48 kHz, two channels, 16 bits."""

SILENCE_LEVEL = 8
"""Samples up to this value are silence: a decoder's rounding is no sound."""

DISCORD_EPOCH_MS = 1_420_070_400_000


class PlayVerdict(StrEnum):
    """Whether music plays."""

    HEARD = "heard"
    STARTS = "starts"
    UNPROVEN = "unproven"
    FAILS = "fails"
    NOT_LOADED = "not_loaded"

    @property
    def is_good(self) -> bool:
        """Whether nothing speaks against it."""
        return self in (PlayVerdict.HEARD, PlayVerdict.STARTS, PlayVerdict.UNPROVEN)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayStep:
    """One step on the way from a query to sound.

    Attributes:
        step: ``searched``, ``loaded``, ``accepted``, ``connected``, ``started``, ``streamed``, ``heard`` or ``failed``.
        after_ms: Milliseconds since the step before it began.
        detail: What there is to say of it.
    """

    step: str
    after_ms: float
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayReport:
    """What playing on one node has shown.

    Attributes:
        node: Its identifier.
        verdict: Whether it plays.
        message: Why, in a sentence.
        code: Code of the failure, None where nothing failed.
        advice: What to do next, or None.
        title: The track's title, None where none was loaded.
        steps: What happened, in order.
        load_ms: Milliseconds that the load took.
        start_ms: Milliseconds from the request to play to the start of the track.
        first_packet_ms: The same to the first packet of sound.
        figures: What the voice server measured, None without one.
        foreign_packets: Packets that the node sent under another player's number.
        dave_version: What the node offers of end-to-end encryption: 0 is none; None where it was not asked.
        pcm_bytes: Bytes of decoded sound that a NodeLink gave, None where it was not asked.
        packets: Each packet with its time, where they were kept.
    """

    node: str
    verdict: PlayVerdict
    message: str
    code: str | None = None
    advice: str | None = None
    title: str | None = None
    steps: tuple[PlayStep, ...] = ()
    load_ms: float | None = None
    start_ms: float | None = None
    first_packet_ms: float | None = None
    figures: RtpFigures | None = None
    foreign_packets: int = 0
    dave_version: int | None = None
    pcm_bytes: int | None = None
    packets: tuple[Any, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class PlayPlan:
    """What is played, and how.

    Attributes:
        identifier: What nodes are asked to load.
        seconds: Seconds that a track is watched after its start, or measured after its first packet.
        voice: The voice server to play to, None for none.
    """

    identifier: str
    seconds: float = 5.0
    voice: VoiceServer | None = None


class _PlayError(Exception):
    """The play has come to an end: the report says how."""

    def __init__(self, verdict: PlayVerdict, message: str, *, code: str | None, advice: str | None = None) -> None:
        super().__init__(message)
        self.verdict = verdict
        self.message = message
        self.code = code
        self.advice = advice


async def play(fleet: Fleet, node: Node, plan: PlayPlan, deadline: float) -> PlayReport:
    """Play on one connected node, and report.

    The player is destroyed in the end, whatever happens.

    Args:
        fleet: The fleet that the node belongs to.
        node: The node.
        plan: What to play.
        deadline: When there must be a report, on the loop's clock.

    Raises:
        RevvlinkException: The node could not be asked at all.
    """
    attempt = _Attempt(fleet, node, plan)
    try:
        async with asyncio.timeout_at(deadline):
            return await attempt.run()
    except TimeoutError:
        return attempt.report(
            PlayVerdict.FAILS,
            "not done within the time",
            code=str(Code.TIMEOUT),
            advice="give it longer with --timeout",
        )


class _Attempt:
    """One track on one node."""

    def __init__(self, fleet: Fleet, node: Node, plan: PlayPlan) -> None:
        self._fleet = fleet
        self._node = node
        self._plan = plan
        self._steps: list[PlayStep] = []
        self._since = time.monotonic()
        self._known: dict[str, Any] = {}
        self._call: VoiceCall | None = None
        self._asked_at = 0.0

    def _step(self, step: str, detail: str) -> float:
        """Note a step; gives the milliseconds since the one before."""
        now = time.monotonic()
        after_ms = (now - self._since) * 1000
        self._since = now
        self._steps.append(PlayStep(step=step, after_ms=after_ms, detail=detail))
        return after_ms

    def report(
        self, verdict: PlayVerdict, message: str, *, code: str | None = None, advice: str | None = None
    ) -> PlayReport:
        """The report as things stand."""
        if not verdict.is_good:
            self._step("failed", message)
        measured: dict[str, Any] = {}
        if (call := self._call) is not None:
            statistics = call.statistics
            first = statistics.first_sound_at
            measured = {
                "figures": statistics.figures(),
                "dave_version": call.dave_version,
                "foreign_packets": call.foreign,
                "first_packet_ms": (first - self._asked_at) * 1000 if first is not None and self._asked_at else None,
                "packets": tuple(call.packets or ()),
            }
        return PlayReport(
            node=self._node.identifier, verdict=verdict, message=message, code=code, advice=advice,
            steps=tuple(self._steps), **(measured | self._known),
        )  # fmt: skip

    async def run(self) -> PlayReport:
        """Load, play, and watch."""
        try:
            track = await self._load()
            if self._plan.voice is not None:
                return await self._on_a_player(track, self._plan.voice)
            if self._node.rest.dialect is Dialect.NODELINK:
                return await self._decoded(track)
            await self._from_youtube(track)
            return await self._on_a_player(track, None)
        except _PlayError as failed:
            return self.report(failed.verdict, failed.message, code=failed.code, advice=failed.advice)
        except LavalinkException as error:
            what = f"the node refused it: {error.reason or error.message}"
            return self.report(PlayVerdict.FAILS, what, code=str(error.code), advice=error.hint)

    async def _load(self) -> Playable:
        """The track to play: the first one where there are several."""
        try:
            found = await self._node.rest.load(self._plan.identifier)
        except LavalinkLoadException as error:
            known = explain_load(error)
            code = str(error.code if known.code is FailureCode.OTHER else known.code)
            advice = known.next_step or error.hint
            raise _PlayError(PlayVerdict.NOT_LOADED, known.sentence(error.message), code=code, advice=advice) from error
        tracks = list(found)
        if not tracks:
            what = (
                "the playlist is empty" if isinstance(found, Playlist) else f"nothing found for {self._plan.identifier}"
            )
            raise _PlayError(
                PlayVerdict.NOT_LOADED, what, code="empty", advice="check the query, and try it in `search`"
            )
        track = tracks[0]
        took = 0.0
        if len(tracks) > 1:
            kind = "a playlist of" if isinstance(found, Playlist) else "found"
            took = self._step("searched", f"{kind} {len(tracks)} tracks; the first is played")
        took += self._step("loaded", track.title)
        self._known |= {"title": track.title, "load_ms": took}
        return track

    # Without a player: what NodeLink and the YouTube plugin give away by themselves.

    async def _decoded(self, track: Playable) -> PlayReport:
        """Let a NodeLink decode the track, where it does so on request."""
        most = int(min(max(self._plan.seconds, 1.0), 30.0) * SAMPLE_BYTES)
        try:
            sample = await self._node.rest.sample(
                "POST", "/v4/loadstream", data={"encodedTrack": track.encoded}, most=most, timeout=START_TIME
            )
        except LavalinkException as error:
            if error.status != 404:
                raise
            return self.report(
                PlayVerdict.UNPROVEN,
                "the track loads; a NodeLink does not begin to play without voice",
                advice="measure it with --listen, or set enableLoadStreamEndpoint on the node",
            )
        self._known["pcm_bytes"] = len(sample)
        self._step("streamed", f"{len(sample)} bytes of decoded sound")
        if not sample:
            raise _PlayError(
                PlayVerdict.FAILS, "the node decodes nothing of it", code="no_audio", advice="see the node's log"
            )
        if not is_sound(sample):
            seconds = len(sample) / SAMPLE_BYTES
            raise _PlayError(PlayVerdict.FAILS, f"the first {seconds:.1f} s are silence", code="silence",
                          advice="try a track that begins with sound")  # fmt: skip
        self._step("heard", "sound, decoded by the node")
        return self.report(
            PlayVerdict.HEARD, f"the node decodes it to sound ({len(sample) / SAMPLE_BYTES:.1f} s); voice was not tried"
        )

    async def _from_youtube(self, track: Playable) -> None:
        """Ask the YouTube plugin for the track's own bytes: whether this address really gets them."""
        info = self._node.info
        plugins = info.plugins if info is not None else ()
        if track.source != "youtube" or not any("youtube" in plugin.name.lower() for plugin in plugins):
            return
        try:
            sample = await self._node.rest.sample(
                "GET", f"/youtube/stream/{track.identifier}", most=65_536, timeout=START_TIME
            )
        except LavalinkException as error:
            if error.status == 404:
                return
            known = explain_load(LavalinkLoadException(error.reason or error.message))
            code = known.code if known.is_known else FailureCode.YOUTUBE_CLIENT_BROKEN
            advice = known.next_step or "configure other clients in the YouTube plugin, and update it"
            what = f"the YouTube plugin cannot stream it: {known.sentence(error.reason or error.message)}"
            raise _PlayError(PlayVerdict.FAILS, what, code=str(code), advice=advice) from error
        self._step("streamed", f"{len(sample)} bytes from YouTube")

    # With a player.

    async def _on_a_player(self, track: Playable, voice: VoiceServer | None) -> PlayReport:
        """Make a player, and see it destroyed whatever happens."""
        session = self._node.session_id
        if session is None:
            raise _PlayError(PlayVerdict.FAILS, "the node is not connected any more", code=str(Code.NOT_CONNECTED))
        guild = new_guild_id()
        if self._node.rest.dialect is Dialect.NODELINK:
            # A socket that is dropped while it has players kills a NodeLink, unless its session may be resumed.
            await self._node.rest.update_session(session, resuming=True, timeout=0)
        subscription = self._fleet.subscribe()
        call = self._call = voice.expect(guild, str(self._node.settings.user_id or "")) if voice is not None else None
        try:
            if voice is not None and call is not None:
                await self._connect_voice(session, guild, voice, call)
            wishes = {"track": {"encoded": track.encoded}, "volume": 0 if voice is None else 100}
            self._asked_at = self._since = time.monotonic()
            await self._node.rest.update_player(session, guild, wishes)
            self._step("accepted", "the node took the track")
            watch = _Watch(self._node.identifier, guild, subscription)
            if voice is None or call is None:
                return await self._watch(watch)
            return await self._listen(watch, call)
        finally:
            self._fleet.unsubscribe(subscription)
            await self._destroy(session, guild)
            if voice is not None and call is not None:
                voice.forget(call)

    async def _connect_voice(self, session: str, guild: str, voice: VoiceServer, call: VoiceCall) -> None:
        """Let the node connect to the voice server; a request that gets no answer keeps its slot (see `budget`)."""
        reached = "the node could not reach the voice server: "
        advice = "check --listen and --advertise from the node's machine, its trust store and the firewall"
        try:
            await self._node.rest.update_player(session, guild, {"voice": call.voice_state(voice.endpoint)})
        except RevvlinkException as error:
            if isinstance(error, LavalinkException):
                raise
            why = voice.why_unreached(call) if error.code in (Code.SILENT, Code.TIMEOUT) else error.message
            raise _PlayError(PlayVerdict.FAILS, reached + why, code="voice_unreachable", advice=advice) from error
        if not await call.until(lambda: call.selected_at is not None, START_TIME / 2):
            raise _PlayError(
                PlayVerdict.FAILS, reached + voice.why_unreached(call), code="voice_unreachable", advice=advice
            )
        dave = "no end-to-end encryption" if not call.dave_version else f"DAVE version {call.dave_version}"
        self._step("connected", f"the node connected to the voice server and offers {dave}")

    async def _watch(self, watch: _Watch) -> PlayReport:
        """Without voice: a track that cannot be played fails soon after its start."""
        await watch.until(START_TIME, lambda: watch.started_at is not None)
        self._judge(watch)
        if watch.started_at is None:
            raise _PlayError(PlayVerdict.FAILS, f"the track did not start within {START_TIME:g} s", code="no_start",
                          advice="see the node's log")  # fmt: skip
        self._known["start_ms"] = (watch.started_at - self._asked_at) * 1000
        self._step("started", "the node says that the track starts")
        await watch.until(self._plan.seconds, lambda: watch.ended is not None)
        self._judge(watch)
        what = f"it starts, and did not fail within {self._plan.seconds:g} s; whether it sounds needs --listen"
        ability = voice_ability(self._node.info, self._node.rest.dialect)
        if ability.speaks_dave is False:
            dave = EXPLANATIONS[FailureCode.VOICE_DAVE_REQUIRED]
            what = f"{what}; Discord closes its voice with 4017: {ability.reason}"
            return self.report(PlayVerdict.STARTS, what, code=str(dave.code), advice=dave.next_step)
        return self.report(PlayVerdict.STARTS, what)

    async def _listen(self, watch: _Watch, call: VoiceCall) -> PlayReport:
        """With voice: wait for the first sound, then measure."""

        async def first() -> None:
            await call.until(lambda: call.statistics.first_sound_at is not None, START_TIME)

        await watch.beside(first())
        self._judge(watch)
        if watch.started_at is not None:
            self._known["start_ms"] = (watch.started_at - self._asked_at) * 1000
            self._step("started", "the node says that the track starts")
        if call.statistics.first_sound_at is None:
            raise self._nothing_heard(call)
        self._step("heard", "the first packet of sound")
        await watch.until(self._plan.seconds, lambda: watch.ended is not None)
        self._judge(watch)
        figures = call.statistics.figures(until=None if watch.ended is not None else time.monotonic())
        self._known["figures"] = figures
        silent_for = time.monotonic() - call.statistics.last_at
        if watch.ended is None and silent_for > min(MOST_SILENT, self._plan.seconds / 2):
            lasted = call.statistics.last_at - (call.statistics.first_at or 0.0)
            raise _PlayError(
                PlayVerdict.FAILS,
                f"the sound stopped after {lasted:.1f} s, and no packet came for {silent_for:.1f} s",
                code="audio_stopped",
                advice="the source stalls, or the node hangs: see its log, and try another track",
            )
        if call.dave_version == 0:
            dave = EXPLANATIONS[FailureCode.VOICE_DAVE_REQUIRED]
            what = f"{_sounds(figures)}; but not on Discord, which closes its voice with 4017: it offers no DAVE"
            return self.report(PlayVerdict.HEARD, what, code=str(dave.code), advice=dave.next_step)
        return self.report(PlayVerdict.HEARD, _sounds(figures), advice=_choppy(figures))

    @staticmethod
    def _nothing_heard(call: VoiceCall) -> _PlayError:
        figures = call.statistics.figures()
        if figures.packets:
            what, code = f"{figures.packets} packets came, all of silence", "silence"
        elif call.foreign:
            what, code = f"{call.foreign} packets came under another player's number", "foreign_audio"
        else:
            what, code = f"connected, but no packet came within {START_TIME:g} s", "no_audio"
        return _PlayError(PlayVerdict.FAILS, what, code=code, advice="see the node's log, and its UDP route to here")

    def _judge(self, watch: _Watch) -> None:
        """See whether what happened on the node is a failure.

        Raises:
            _PlayError: It is.
        """
        if watch.failure is not None:
            known, words = watch.failure
            code = "play_failed" if known.code is FailureCode.OTHER else str(known.code)
            raise _PlayError(PlayVerdict.FAILS, known.sentence(words), code=code, advice=known.next_step)
        if watch.is_lost:
            raise _PlayError(PlayVerdict.FAILS, "the node was lost in mid-play", code=str(Code.CLOSED),
                          advice="look at the node: it may have crashed")  # fmt: skip
        if watch.ended == "loadFailed":
            raise _PlayError(PlayVerdict.FAILS, f"the track ended with {watch.ended}", code="play_failed",
                          advice="see the node's log")  # fmt: skip

    async def _destroy(self, session: str, guild: str) -> None:
        """End the player, also while this task is being cancelled; a node that does not answer loses its session."""
        with contextlib.suppress(RevvlinkException, TimeoutError):
            async with asyncio.timeout(DESTROY_TIME):
                await self._node.rest.destroy_player(session, guild)


class _Watch:
    """What happens to one player.

    Attributes:
        started_at: When its track started, on `time.monotonic`; None before.
        ended: Why its track ended, None before.
        failure: What failed, with the server's words; None where nothing has.
        is_lost: Whether the node was lost.
    """

    def __init__(self, node: str, guild: str, subscription: Subscription) -> None:
        self._node = node
        self._guild = guild
        self._subscription = subscription
        self.started_at: float | None = None
        self.ended: str | None = None
        self.failure: tuple[Explanation, str] | None = None
        self.is_lost = False

    @property
    def is_over(self) -> bool:
        """Whether there is nothing more to wait for."""
        return self.failure is not None or self.is_lost

    async def until(self, seconds: float, is_so: Any) -> None:
        """Read what happens until something is so, something fails, or the time is over."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not (self.is_over or is_so()):
                    happening = await self._subscription.next()
                    if happening is None:
                        self.is_lost = True
                        return
                    self._take(happening)

    async def beside(self, work: Any) -> None:
        """Read what happens until other work is done, or something fails."""
        task = asyncio.ensure_future(work)
        try:
            reading = asyncio.ensure_future(self.until(START_TIME * 2, lambda: self.ended is not None))
            await asyncio.wait([task, reading], return_when=asyncio.FIRST_COMPLETED)
            reading.cancel()
            await asyncio.wait([reading])
        finally:
            task.cancel()
            await asyncio.wait([task])

    def _take(self, happening: Any) -> None:
        if isinstance(happening, NodeLost) and happening.node == self._node:
            self.is_lost = True
        if not isinstance(happening, NodeEvent) or happening.node != self._node:
            return
        event = happening.event
        if event.guild_id != int(self._guild):
            return
        match event:
            case TrackStart():
                self.started_at = self.started_at or time.monotonic()
            case TrackException():
                self.failure = (explain_track(event), words_of(event))
            case TrackStuck():
                stuck = f"no audio for {(event.threshold_ms or 0) / 1000:g} s"
                self.failure = (replace(explain_voice_close(1000), meaning="The track is stuck."), stuck)
            case TrackEnd():
                self.ended = event.reason
            case VoiceClosed() if (closed := explain_voice_close(event.code, event.reason)).is_known:
                words = " ".join(filter(None, (str(event.code), event.reason)))
                self.failure = (closed, words)
            case VoiceClosed(code=None):
                self.failure = (explain_voice_close(1000), "the node could not connect to the voice server")


def new_guild_id() -> str:
    """An id that no guild has: it is of the future, so that no bot on the node can use it."""
    century_ms = 100 * 365 * 86_400_000
    return str((int(time.time() * 1000) - DISCORD_EPOCH_MS + century_ms) % 2**41 << 22 | secrets.randbelow(2**22))


def is_sound(sample: bytes) -> bool:
    """Whether decoded sound (16 bits, little endian) has anything to hear."""
    values = array("h", sample[: len(sample) // 2 * 2])
    return bool(values) and max(*values, -min(values)) > SILENCE_LEVEL


def _sounds(figures: RtpFigures) -> str:
    """What was measured, in a sentence."""
    rate = f"{figures.packet_rate:.1f}" if figures.packet_rate is not None else "?"
    parts = [f"{figures.sound_packets} packets of sound, {rate}/s of 50", f"{figures.lost} lost"]
    if figures.reordered:
        parts.append(f"{figures.reordered} reordered")
    if figures.silence_ratio:
        parts.append(f"{figures.silence_ratio:.0%} silence")
    if figures.longest_gap_ms is not None:
        parts.append(f"longest gap {figures.longest_gap_ms:.0f} ms")
    return ", ".join(parts)


def _choppy(figures: RtpFigures) -> str | None:
    """What to look at where the sound has holes."""
    has_holes = figures.lost > figures.packets // 50 or (figures.longest_gap_ms or 0) > 300
    slow = figures.packet_rate is not None and figures.packet_rate < 47
    return "it sounds choppy: look at the node's CPU, and at its network to here" if has_holes or slow else None


async def play_all(fleet: Fleet, nodes: Sequence[Node], plan: PlayPlan, deadline: float) -> list[PlayReport]:
    """Play on several nodes at once; the reports are in the order of the nodes."""
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(_guarded(fleet, node, plan, deadline), name=f"play {node.identifier}") for node in nodes
        ]
    return [task.result() for task in tasks]


async def _guarded(fleet: Fleet, node: Node, plan: PlayPlan, deadline: float) -> PlayReport:
    """Play on one node; its failure costs no other."""
    try:
        return await play(fleet, node, plan, deadline)
    except RevvlinkException as error:
        return PlayReport(
            node=node.identifier, verdict=PlayVerdict.FAILS, message=error.message, code=str(error.code),
            advice=error.hint,
        )  # fmt: skip
