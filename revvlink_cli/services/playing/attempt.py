"""Plays one track on one node: loads it, makes a player, watches it, and destroys it in the end."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from typing import TYPE_CHECKING

from revvlink_cli.client.errors import Code, LavalinkException, LavalinkLoadException, RevvlinkException
from revvlink_cli.client.protocol.dialects import Dialect
from revvlink_cli.client.protocol.tracks import Playlist
from revvlink_cli.health.failure_codes import EXPLANATIONS, FailureCode
from revvlink_cli.health.known_failures import explain_load
from revvlink_cli.health.voice import voice_ability
from revvlink_cli.services.playing.measuring import connect_voice, measure
from revvlink_cli.services.playing.player_watch import PlayerWatch
from revvlink_cli.services.playing.report import PlayError, PlayVerdict, ReportBuilder
from revvlink_cli.services.playing.without_player import decode_on_node, fetch_from_youtube

if TYPE_CHECKING:
    from collections.abc import Sequence

    from revvlink_cli.client.fleet import Fleet
    from revvlink_cli.client.node import Node
    from revvlink_cli.client.protocol.tracks import Playable
    from revvlink_cli.services.playing.report import PlayPlan, PlayReport

START_TIME = 10.0
"""Seconds that a track may take to start."""

DESTROY_TIME = 3.0
"""Seconds that the end of a player may take."""

DISCORD_EPOCH_MS = 1_420_070_400_000


async def play_on(fleet: Fleet, node: Node, plan: PlayPlan, deadline: float) -> PlayReport:
    """Play on one connected node, and report.

    The player is destroyed in the end, also when this is cancelled. A node that fails gives a report, not an exception.

    Args:
        fleet: The fleet that the node belongs to.
        node: The node.
        plan: What to play, how long, and with which voice server.
        deadline: When there must be a report, on the loop's clock.
    """
    attempt = _Attempt(fleet, node, plan)
    report = attempt.report
    try:
        async with asyncio.timeout_at(deadline):
            return await attempt.run()
    except TimeoutError:
        what, hint = "not done within the time", "raise --timeout"
        report.add(is_unanswered=True)
        return report.build(PlayVerdict.FAILS, what, code=str(Code.TIMEOUT), advice=hint)
    except PlayError as failed:
        return report.build(failed.verdict, failed.message, code=failed.code, advice=failed.advice)
    except LavalinkException as error:
        what = f"the node refused it: {error.reason or error.message}"
        return report.build(PlayVerdict.FAILS, what, code=str(error.code), advice=error.hint)
    except RevvlinkException as error:
        report.add(is_unanswered=True)
        return report.build(PlayVerdict.FAILS, error.message, code=str(error.code), advice=error.hint)


async def play_all(fleet: Fleet, nodes: Sequence[Node], plan: PlayPlan, deadline: float) -> list[PlayReport]:
    """Play on several nodes at once; the reports are in the order of the nodes."""
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(play_on(fleet, node, plan, deadline), name=f"play {node.identifier}") for node in nodes
        ]
    return [task.result() for task in tasks]


class _Attempt:
    """One track on one node."""

    def __init__(self, fleet: Fleet, node: Node, plan: PlayPlan) -> None:
        self._fleet = fleet
        self._node = node
        self._plan = plan
        self.report = ReportBuilder(node.identifier)

    async def run(self) -> PlayReport:
        """Load, play, and watch."""
        track = await self._load()
        if self._plan.voice is None:
            if self._node.rest.dialect is Dialect.NODELINK:
                return await decode_on_node(self._node, track, self._plan.seconds, self.report)
            await fetch_from_youtube(self._node, track, self.report)
        return await self._on_a_player(track)

    async def _load(self) -> Playable:
        """The track to play: the first one if there are several."""
        try:
            found = await self._node.rest.load(self._plan.identifier)
        except LavalinkLoadException as error:
            known = explain_load(error)
            code = str(error.code if known.code is FailureCode.OTHER else known.code)
            advice = known.next_step or error.hint
            raise PlayError(PlayVerdict.NOT_LOADED, known.sentence(error.message), code=code, advice=advice) from error
        tracks = list(found)
        is_playlist = isinstance(found, Playlist)
        if not tracks:
            what = "the playlist is empty" if is_playlist else f"nothing found for {self._plan.identifier}"
            hint = "check the query, and try it in `search`"
            raise PlayError(PlayVerdict.NOT_LOADED, what, code="empty", advice=hint)
        took = 0.0
        if len(tracks) > 1:
            kind = "a playlist of" if is_playlist else "found"
            took = self.report.step("searched", f"{kind} {len(tracks)} tracks; the first is played")
        took += self.report.step("loaded", tracks[0].title)
        self.report.add(title=tracks[0].title, load_ms=took)
        return tracks[0]

    async def _on_a_player(self, track: Playable) -> PlayReport:
        """Make a player, and destroy it in every case."""
        session = self._node.session_id
        if session is None:
            what = "the node is not connected any more"
            raise PlayError(PlayVerdict.FAILS, what, code=str(Code.NOT_CONNECTED))
        guild = new_guild_id()
        rest, voice = self._node.rest, self._plan.voice
        if rest.dialect is Dialect.NODELINK:
            # A NodeLink crashes when the socket of a session with players drops, unless the session may be resumed.
            await rest.update_session(session, resuming=True, timeout=0)
        subscription = self._fleet.subscribe()
        try:
            if voice is not None:
                await connect_voice(self._node, session, guild, voice, self.report)
            self.report.request()
            changes = {"track": {"encoded": track.encoded}, "volume": 0 if voice is None else 100}
            await rest.update_player(session, guild, changes)
            self.report.step("accepted", "the node took the track")
            watch = PlayerWatch(self._node.identifier, guild, subscription)
            if self.report.call is not None:
                return await measure(self._node, self.report.call, watch, self._plan.seconds, self.report)
            return await self._watch(watch)
        finally:
            self._fleet.unsubscribe(subscription)
            await self._destroy(session, guild)
            if voice is not None and self.report.call is not None:
                voice.forget(self.report.call)

    async def _watch(self, watch: PlayerWatch) -> PlayReport:
        """Without voice: a track that cannot be played fails soon after its start."""
        await watch.until(START_TIME, lambda: watch.started_at is not None)
        watch.raise_failure()
        if watch.started_at is None:
            what = f"the track did not start within {START_TIME:g} s"
            raise PlayError(PlayVerdict.FAILS, what, code="no_start", advice="see the node's log")
        self.report.started(watch.started_at)
        await watch.until(self._plan.seconds, watch.has_ended)
        watch.raise_failure()
        what = f"it starts, and did not fail within {self._plan.seconds:g} s; whether it sounds needs --listen"
        ability = voice_ability(self._node.info, self._node.rest.dialect)
        if ability.speaks_dave is False:
            dave = EXPLANATIONS[FailureCode.VOICE_DAVE_REQUIRED]
            what = f"{what}; Discord closes its voice with 4017: {ability.reason}"
            return self.report.build(PlayVerdict.STARTS, what, code=str(dave.code), advice=dave.next_step)
        return self.report.build(PlayVerdict.STARTS, what)

    async def _destroy(self, session: str, guild: str) -> None:
        """Destroy the player, also while this task is being cancelled; a node may be too slow for it."""
        with contextlib.suppress(RevvlinkException, TimeoutError):
            async with asyncio.timeout(DESTROY_TIME):
                await self._node.rest.destroy_player(session, guild)


def new_guild_id() -> str:
    """An id that no guild has: it lies in the future, so no bot on the node uses it."""
    century_ms = 100 * 365 * 86_400_000
    return str((int(time.time() * 1000) - DISCORD_EPOCH_MS + century_ms) % 2**41 << 22 | secrets.randbelow(2**22))
