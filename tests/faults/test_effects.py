"""Events that the pool brings about itself: marked, and kept from the bot, so that its queue skips no track."""

from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from revvlink_cli import Node, NodeStatus, Pool, RevvlinkException
from revvlink_cli.client.events import NodeEvent
from revvlink_cli.client.node_access import state_of
from revvlink_cli.client.protocol.messages import OtherEvent, TrackEnd, VoiceClosed
from revvlink_cli.simulator import NodeProfile
from revvlink_cli.simulator.music import TRACKS
from tests.faults.watched_fleet import PASSWORD, fleet, guild, profiles, run, voice
from tests.fidelity.read_recordings import LAVALINK
from tests.fidelity.replay_server import Request, response, serving
from tests.fidelity.scripted_node import Listening
from tests.fidelity.websocket_frames import TEXT, frame

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from revvlink_cli import Player
    from tests.faults.watched_fleet import Watched

FIRST, SECOND = TRACKS[22], TRACKS[23]


class Bot:
    """A client that remembers what was dispatched to it."""

    def __init__(self) -> None:
        self.user = SimpleNamespace(id=170939974227541168)
        self.told: list[Any] = []

    def dispatch(self, _name: str, happening: Any) -> None:
        """Remember the events of players, but for those that only a NodeLink has."""
        if isinstance(happening, NodeEvent) and not isinstance(happening.event, OtherEvent):
            self.told.append(happening.event)

    def names(self) -> list[str]:
        """What it was told, in short: type and reason or code."""
        return [name_of(event) for event in self.told]


def name_of(event: Any) -> str:
    """An event in short."""
    what = getattr(event, "reason", "") if isinstance(event, TrackEnd) else getattr(event, "code", "")
    return f"{type(event).__name__} {what}".strip()


def happened(watched: Watched, *, ours: bool) -> list[str]:
    """The events of servers that the pool did, or did not, bring about."""
    events = [told.event for told in watched.told(NodeEvent) if not isinstance(told.event, OtherEvent)]
    return [name_of(event) for event in events if event.caused_by_pool is ours]


async def playing(watched: Watched, bot: Bot) -> Player:
    """A player that plays on ``a``, with a client that listens."""
    watched.pool.fleet().client = bot
    player = watched.pool.create_player(guild(1), node=watched.pool.nodes["a"])
    await player.update_voice(**voice(1))
    await player.play(FIRST)
    await watched.until(lambda: bot.names() == ["TrackStart"])
    return player


async def plays_to_its_end(watched: Watched, bot: Bot, player: Player) -> None:
    """Let the track end where it is now: of all that happened, the bot hears its start and this end."""
    await player.seek(FIRST.length - 660)
    await watched.until(lambda: "TrackEnd finished" in bot.names())
    await asyncio.sleep(0.2)
    assert bot.names() == ["TrackStart", "TrackEnd finished"]
    assert happened(watched, ours=False) == bot.names()
    assert bot.told[-1].may_start_next
    await player.play(SECOND)
    await watched.until(lambda: bot.names()[2:] == ["TrackStart"])
    await player.play(FIRST)
    await watched.until(lambda: bot.names()[3:] == ["TrackEnd replaced", "TrackStart"])
    assert not bot.told[3].may_start_next


MOVES: dict[str, Callable[[Watched, Player], Awaitable[object]]] = {
    "switch_node": lambda watched, player: player.switch_node(watched.pool.nodes["b"]),
    "drain": lambda watched, _: watched.pool.drain(watched.pool.nodes["a"]),
    "close": lambda watched, _: watched.pool.nodes["a"].close(),
    "remove_node": lambda watched, _: watched.pool.remove_node(watched.pool.nodes["a"]),
}
"""Ways to move a player."""


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take no end for too soon: these tests let a track end a moment after it was moved."""
    monkeypatch.setattr("revvlink_cli.client.player.EARLY_END", 0.0)


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize("kind", ["lavalink", "nodelink"])
@pytest.mark.parametrize("way", MOVES)
def test_moves(way: str, kind: str) -> None:
    """The old node's ends and the new one's start are the pool's; the bot hears one start and one end of the track."""

    async def work() -> None:
        make = NodeProfile.nodelink if kind == "nodelink" else NodeProfile
        nodes = [make(identifier=name, password=PASSWORD) for name in ("a", "b")]
        async with fleet(*nodes) as watched:
            bot = Bot()
            player = await playing(watched, bot)
            await MOVES[way](watched, player)
            assert player.node is watched.pool.nodes["b"]
            await watched.until(lambda: "TrackStart" in happened(watched, ours=True))
            if way in ("switch_node", "drain"):
                await watched.until(lambda: "VoiceClosed 1000" in happened(watched, ours=True))
                assert ("TrackEnd stopped" in happened(watched, ours=True)) is (kind == "lavalink")
            await plays_to_its_end(watched, bot, player)

    run(work)


@pytest.mark.usefixtures("patient")
def test_a_lost_node() -> None:
    """Nor does a failover's start reach the bot, nor what the old node says when it is back with its session."""

    async def work() -> None:
        async with fleet(*profiles("a", "b"), resume_timeout=1, heartbeat=0.3, timeout=0.5) as watched:
            bot = Bot()
            player = await playing(watched, bot)
            node = watched.pool.nodes["a"]
            await asyncio.to_thread(watched.simulator["a"].freeze)
            await watched.until(lambda: player.node is watched.pool.nodes["b"])
            await asyncio.to_thread(watched.simulator["a"].thaw)
            await watched.pool.reconnect()
            await watched.until(lambda: node.status is NodeStatus.CONNECTED)
            await watched.until_settled(1)
            await plays_to_its_end(watched, bot, player)

    run(work)


@pytest.mark.usefixtures("patient")
def test_a_server_that_was_restarted() -> None:
    """A track that is made anew on the same node, its process being another, begins without a word to the bot."""

    async def work() -> None:
        async with fleet(*profiles("a"), resume_timeout=5) as watched:
            bot = Bot()
            player = await playing(watched, bot)
            await asyncio.to_thread(watched.simulator["a"].kill)
            await asyncio.to_thread(watched.simulator["a"].start)
            await watched.pool.reconnect()
            await watched.until(lambda: "TrackStart" in happened(watched, ours=True))
            await plays_to_its_end(watched, bot, player)

    run(work)


def test_a_track_changed_while_the_node_was_away() -> None:
    """What the bot asked for meanwhile is its own: the new track's start reaches it."""

    async def work() -> None:
        async with fleet(*profiles("a"), networked=True, resume_timeout=30) as watched:
            bot = Bot()
            player = await playing(watched, bot)
            watched.networks["a"].cut()
            await watched.until_status("a", NodeStatus.DISCONNECTED)
            await player.play(SECOND)
            await watched.pool.reconnect()
            await watched.until(lambda: bot.names()[1:] == ["TrackEnd replaced", "TrackStart"])
            assert bot.told[-1].track.identifier == SECOND.identifier

    run(work)


def test_what_a_bot_asks_for() -> None:
    """Ends by stop, play and destroy are the bot's own; that the voice connection is closed for it is the pool's."""

    async def work() -> None:
        async with fleet(*profiles("a")) as watched:
            bot = Bot()
            player = await playing(watched, bot)
            for _ in range(2):  # the same track once more, and again: each start is one that the bot asked for
                await player.play(FIRST)
            await watched.until(lambda: bot.names()[1:] == ["TrackEnd replaced", "TrackStart"] * 2)
            await player.stop()
            await watched.until(lambda: bot.names()[5:] == ["TrackEnd stopped"])
            await player.play(SECOND)
            await watched.until(lambda: bot.names()[6:] == ["TrackStart"])
            await player.update_voice(**voice(2, "rotterdam1.discord.gg:443"))
            await watched.until(lambda: "VoiceClosed 1000" in happened(watched, ours=True))
            await player.destroy()
            await watched.until(lambda: bot.names()[7:] == ["TrackEnd stopped"])
            await watched.until(lambda: happened(watched, ours=True) == ["VoiceClosed 1000"] * 2)
            assert not bot.told[-1].may_start_next

    run(work)


def test_what_discord_does() -> None:
    """A voice connection that Discord closes is news for the bot, whatever its code."""

    async def work() -> None:
        async with fleet(*profiles("a")) as watched:
            bot = Bot()
            await playing(watched, bot)
            await asyncio.to_thread(watched.simulator["a"].close_voice, str(guild(1)), 4014)
            await watched.until(lambda: bot.names()[1:] == ["VoiceClosed 4014"])

    run(work)


@pytest.mark.parametrize("kind", ["lavalink", "nodelink"])
def test_a_start_that_is_repeated(kind: str) -> None:
    """A track that fails where it begins in the middle is begun anew; the bot hears of the second failure only."""

    async def work() -> None:
        make = NodeProfile.nodelink if kind == "nodelink" else NodeProfile
        async with fleet(make(identifier="a", password=PASSWORD)) as watched:
            bot = Bot()
            watched.pool.fleet().client = bot
            player = watched.pool.create_player(guild(1), node=watched.pool.nodes["a"])
            await player.update_voice(**voice(1))
            (track,) = await watched.pool.fetch_tracks("sim:unplayable")
            await player.play(track, position=2000)
            await watched.until(lambda: "TrackEnd loadFailed" in bot.names())
            await asyncio.sleep(0.2)
            began, stopped = (["TrackStart"], []) if kind == "lavalink" else ([], ["TrackEnd stopped"])
            failed = ["TrackException", "TrackEnd loadFailed", *stopped]
            assert bot.names() == [*began, *failed]
            assert bot.told[len(began) + 1].may_start_next
            assert happened(watched, ours=True) == [*failed, *began]
            assert player.track is None

    run(work)


@pytest.mark.parametrize("kind", ["lavalink", "nodelink"])
def test_a_stop_soon_after_a_repair(kind: str) -> None:
    """The pool has made the player anew a moment ago; the end of what the bot stops then is the bot's all the same."""

    async def work() -> None:
        make = NodeProfile.nodelink if kind == "nodelink" else NodeProfile
        async with fleet(make(identifier="a", password=PASSWORD), timeout=0.3, heartbeat=60.0) as watched:
            bot = Bot()
            player = await playing(watched, bot)
            await asyncio.to_thread(watched.simulator["a"].freeze)
            with pytest.raises(RevvlinkException):
                await player.update_voice(**voice(2))
            await asyncio.to_thread(watched.simulator["a"].thaw)
            await asyncio.sleep(0.5)
            await player.update_voice(**voice(3))  # the node is asked to destroy the player first
            await watched.until(lambda: "TrackStart" in happened(watched, ours=True))
            assert bot.names().count("TrackStart") == 1
            await player.stop()
            await watched.until(lambda: "TrackEnd stopped" in bot.names(), 5)

    run(work)


def test_a_repetition_that_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the start cannot even be repeated the bot gets the end that was kept from it: its queue goes on."""
    monkeypatch.setattr("revvlink_cli.client.fleet_events.RESTART_PAUSES", (0.01, 0.01, 0.01))
    track, patched = FIRST.to_payload(), []

    class Server(Listening):
        """Ends the track at once, and then takes no other."""

        async def answer(self, request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
            """Answer one request."""
            if "/players/" not in request.path:
                return await super().answer(request, reader, writer)
            patched.append(request.body)
            if len(patched) > 1:
                writer.write(response({"error": "no", "message": "no"}, status="500 Internal Server Error"))
                return False
            state = {"time": 1, "position": 0, "connected": True, "ping": 1}
            writer.write(response({"guildId": "1", "track": track, "volume": 100, "paused": False, "state": state}))
            end = {"op": "event", "type": "TrackEndEvent", "guildId": "1", "track": track, "reason": "loadFailed"}
            assert self.writer is not None
            self.writer.write(frame(TEXT, json.dumps(end).encode()))
            return False

    async def work() -> None:
        class Fresh(Pool):
            """A pool of its own."""

        bot = Bot()
        async with serving(Server(LAVALINK).handle) as uri:
            node = Node(uri=uri, password="x", resume_timeout=0)
            await Fresh.connect(nodes=[node], client=bot)
            player = Fresh.create_player(1, node=node)
            await player.play(FIRST, position=2000)
            async with asyncio.timeout(10):
                while not bot.told:
                    await asyncio.sleep(0.01)
            assert bot.names() == ["TrackEnd loadFailed"]
            assert (player.track, len(patched)) == (None, 4)
            await Fresh.close()

    run(work)


def test_a_track_that_fails_on_a_node_that_refuses_the_move() -> None:
    """The origin plays on: the failed start on the target does not start the track from its beginning there."""
    track, state = FIRST.to_payload(), {"time": 1, "position": 9000, "connected": True, "ping": 1}

    class Server(Listening):
        """Accepts players, or as the target of a move sends that the track failed and then refuses the player."""

        def __init__(self, *, refuses: bool) -> None:
            super().__init__(LAVALINK)
            self.refuses = refuses
            self.patched: list[bytes] = []

        async def answer(self, request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
            """Answer one request."""
            if request.method != "PATCH" or "/players/" not in request.path:
                return await super().answer(request, reader, writer)
            self.patched.append(request.body)
            if self.refuses:
                end = {"op": "event", "type": "TrackEndEvent", "guildId": "1", "track": track, "reason": "loadFailed"}
                await self.tell(json.dumps(end).encode())  # returns when the client has read it
                writer.write(response({"error": "no", "message": "no"}, status="500 Internal Server Error"))
            else:
                writer.write(response({"guildId": "1", "track": track, "volume": 100, "paused": False, "state": state}))
            return False

    async def work() -> None:
        class Fresh(Pool):
            """A pool of its own."""

        bot, origin, target = Bot(), Server(refuses=False), Server(refuses=True)
        async with serving(origin.handle) as uri, serving(target.handle) as other:
            nodes = [Node(identifier=name, uri=at, password="x") for name, at in (("a", uri), ("b", other))]
            await Fresh.connect(nodes=nodes, client=bot)
            player = Fresh.create_player(1, node=nodes[0])
            await player.play(FIRST, position=2000)
            with pytest.raises(RevvlinkException):
                await player.switch_node(nodes[1])
            await player.set_volume(50)  # waits for every request before it
            assert (player.node, player.track, len(target.patched)) == (nodes[0], FIRST, 1)
            assert len(origin.patched) == 2, origin.patched
            assert bot.names() == []
            await Fresh.close()

    run(work)


def test_a_track_that_ends_while_it_moves() -> None:
    """An end on the old node while the new one is asked is told once: by the new one, or, if it refuses, at once."""

    async def work() -> None:
        async def ends(*, refuses: bool) -> None:
            async with fleet(
                *profiles("a"), NodeProfile(identifier="b", password=PASSWORD, answer_delay=1.0)
            ) as watched:
                bot, target = Bot(), watched.pool.nodes["b"]
                player = await playing(watched, bot)
                await player.seek(FIRST.length - 660)
                moving = asyncio.create_task(player.switch_node(target))
                if refuses:
                    await asyncio.sleep(0.6)
                    await asyncio.to_thread(watched.simulator["b"].kill)
                await asyncio.wait([moving])
                assert (moving.exception() is not None) is refuses
                await watched.until(lambda: "TrackEnd finished" in bot.names())
                await asyncio.sleep(0.5)
                assert bot.names() == ["TrackStart", "TrackEnd finished"]
                assert player.track is None

        await ends(refuses=False)
        await ends(refuses=True)

    run(work)


def test_a_close_that_discord_echoes() -> None:
    """A node may report Discord's echo of its own close, as one by Discord: after a voice update it is the pool's."""

    async def work() -> None:
        async with fleet(*profiles("a")) as watched:
            bot, server = Bot(), watched.simulator["a"]
            player = await playing(watched, bot)
            await asyncio.to_thread(server.close_voice, str(player.guild_id), 1000)
            await watched.until(lambda: bot.names() == ["TrackStart", "VoiceClosed 1000"])
            await player.update_voice(**voice(2))
            await asyncio.to_thread(server.close_voice, str(player.guild_id), 1000)
            await watched.until(lambda: "VoiceClosed 1000" in happened(watched, ours=True))
            assert bot.names() == ["TrackStart", "VoiceClosed 1000"]

    run(work)


def test_a_pool_that_closes() -> None:
    """Closing the pool ends all players without a word to the bot about any."""

    async def work() -> None:
        async with fleet(*profiles("a")) as watched:
            bot = Bot()
            await playing(watched, bot)
            await watched.pool.close()
            assert bot.names() == ["TrackStart"]

    run(work)


@pytest.mark.parametrize(
    ("reason", "may"),
    [("finished", True), ("loadFailed", True), ("stopped", False), ("replaced", False), ("cleanup", False), ("", False),
     ("FINISHED", False)],
)  # fmt: skip
def test_may_start_next(reason: str, may: bool) -> None:
    """As the protocol defines it: after an end of its own, and after a failed load."""
    assert TrackEnd(guild_id=1, track=None, reason=reason).may_start_next is may
    assert not VoiceClosed(guild_id=1, code=1000, reason="", by_remote=False).caused_by_pool


def test_a_seek_holds_before_the_node_reports_it() -> None:
    """A Lavalink answers a seek with the position of its last frame; the player is where the bot has put it."""

    async def work() -> None:
        async with fleet(*profiles("a", "b")) as watched:
            bot = Bot()
            player = await playing(watched, bot)
            await player.seek(60_000)
            assert 60_000 <= player.position < 90_000
            await player.switch_node(watched.pool.nodes["b"])
            assert 60_000 <= player.position < 90_000

    run(work)


def test_a_seek_holds_while_the_player_is_paused() -> None:
    """A paused Lavalink reports its last frame again and again; the player stays where the bot put it, and goes on."""

    async def work() -> None:
        async with fleet(*profiles("a", "b", player_update_interval=0.1)) as watched:
            player = await playing(watched, Bot())
            await player.pause()
            await player.seek(60_000)
            node = state_of(watched.pool.nodes["a"]).session_players
            at = node.state_of(player.guild_id)
            await watched.until(lambda: node.state_of(player.guild_id) != at)
            await player.set_volume(50)
            assert player.position == 60_000
            await player.switch_node(watched.pool.nodes["b"])
            assert player.position == 60_000
            await player.pause(False)
            assert 60_000 <= player.position < 90_000
            assert not player.paused

    run(work)
