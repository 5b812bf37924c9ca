"""What a bot wants of a player counts once a server has accepted it; what is refused costs nothing else."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from revvlink_cli import LavalinkException, NodeStatus, Player, PlayerDestroyedException, Playlist, RevvlinkException
from revvlink_cli.client.events import NodeEvent, PlayerLost
from revvlink_cli.simulator import NodeProfile
from revvlink_cli.simulator.music import TRACKS
from tests.faults.test_interleavings import on_servers
from tests.faults.watched_fleet import PASSWORD, Watched, fleet, guild, placed, profiles, run, voice
from tests.fidelity.replay_server import response

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

CORRUPT = replace(TRACKS[4], encoded="QAAAjQIAJVJpY2sgQXN0bGV5")
BAD_FILTERS = {"timescale": {"speed": "fast"}}
OFF = {"karaoke": {"level": 1.0}}

REFUSED: dict[str, Callable[[Player], Awaitable[None]]] = {
    "corrupt track": lambda player: player.play(CORRUPT, position=5000, paused=True),
    "bad filters": lambda player: player.set_filters(BAD_FILTERS),
    "disabled filters": lambda player: player.set_filters(OFF),
    "huge position": lambda player: player.seek(2**70),
    "track with a huge end": lambda player: player.play(TRACKS[5], end_time=2**70),
    "voice": lambda player: player.update_voice(**voice(9) | {"channel_id": "9" * 30}),
}


def wishes(player: Player) -> dict[str, Any]:
    """What a player says that it wants."""
    names = ("voice", "track", "volume", "paused", "filters")
    return {name: getattr(player, name) for name in names}


def there(watched: Watched, player: Player) -> Any:
    """The player as its server has it."""
    assert player.node is not None
    node = watched.simulator[player.node.identifier].control
    name = str(player.guild_id)
    (found,) = (each.players[name] for each in node.sessions.values() if name in each.players)
    return found


async def playing(watched: Watched) -> Player:
    """A player on ``a`` with wishes that were accepted."""
    player = watched.pool.create_player(guild(1), node=watched.pool.nodes["a"])
    await player.update_voice(**voice(1))
    await player.set_filters({"timescale": {"speed": 1.5}})
    await player.set_volume(70)
    await player.play(TRACKS[9], position=30_000)
    return player


@pytest.mark.parametrize("kind", REFUSED)
@pytest.mark.parametrize("later", ["switch", "drain", "kill"])
def test_what_is_refused_leaves_the_former_state(kind: str, later: str) -> None:
    """The caller gets the server's answer; the player is as it was, and moves as it was, by whichever way."""

    async def work() -> None:
        nodes = profiles("a", "b", disabled_filters=("karaoke",))
        async with fleet(*nodes, resume_timeout=0) as watched:
            player = await playing(watched)
            before, position = wishes(player), player.position
            with pytest.raises(LavalinkException):
                await REFUSED[kind](player)
            assert wishes(player) == before
            assert position <= player.position < position + 5000
            if later == "switch":
                await player.switch_node(watched.pool.nodes["b"])
            elif later == "drain":
                assert (await watched.pool.drain(watched.pool.nodes["a"])).failed == {}
            else:
                await asyncio.to_thread(watched.simulator["a"].kill)
            await watched.until(watched.moves)
            assert on_servers(watched.simulator, player.guild_id) == ["b"]
            found = there(watched, player)
            assert wishes(player) == before
            assert (found.volume, found.voice["token"], found.filters["timescale"]["speed"]) == (70, "t1", 1.5)
            assert (found.track.identifier, found.paused) == (TRACKS[9].identifier, False)
            assert position <= found.sound_position < position + 10_000

    run(work)


@pytest.mark.parametrize("kind", [kind for kind in REFUSED if kind not in ("voice", "huge position")])
def test_what_all_refuse_is_dropped_at_the_first_placement(kind: str) -> None:
    """Kept until there is a node, and refused by each: the caller is told at once, and the player is placed without."""

    async def work() -> None:
        async with fleet(*profiles("a", "b", disabled_filters=("karaoke",))) as watched:
            player = watched.pool.create_player(guild(1))
            await player.set_volume(40)
            await REFUSED[kind](player)
            began = time.monotonic()
            both = (player.update_voice(**voice(1)), player.update_voice(**voice(2)))
            told = await asyncio.gather(*both, return_exceptions=True)
            assert time.monotonic() - began < 3
            assert isinstance(told[0], LavalinkException)
            assert (player.track, dict(player.filters), player.paused) == (None, {}, False)
            assert player.node is not None
            assert on_servers(watched.simulator, player.guild_id) == [player.node.identifier]
            assert (there(watched, player).voice["token"], there(watched, player).volume, player.volume) == (
                "t2",
                40,
                40,
            )
            await player.play(TRACKS[0])
            await player.switch_node(next(node for node in watched.pool.nodes.values() if node is not player.node))
            assert there(watched, player).track.identifier == TRACKS[0].identifier

    run(work)


def test_a_voice_state_that_all_refuse() -> None:
    """The first placement fails at once, not after two minutes; the player is as before, and the next one works."""

    async def work() -> None:
        async with fleet(*profiles("a", "b")) as watched:
            player = watched.pool.create_player(guild(1))
            await player.set_volume(30)
            began = time.monotonic()
            with pytest.raises(LavalinkException):
                await REFUSED["voice"](player)
            assert time.monotonic() - began < 3
            assert (player.node, player.voice, player.volume) == (None, None, 30)
            await watched.until(lambda: [told.guild_id for told in watched.told(PlayerLost)] == [player.guild_id])
            await player.update_voice(**voice(1))
            assert player.node is not None
            assert on_servers(watched.simulator, player.guild_id) == [player.node.identifier]
            assert there(watched, player).volume == 30

    run(work)


@pytest.mark.parametrize("bad", ["track", "filters"])
def test_only_what_is_refused_is_dropped(bad: str) -> None:
    """Of a good and a bad wish that were kept together the good one reaches the server."""

    async def work() -> None:
        async with fleet(*profiles("a")) as watched:
            player = watched.pool.create_player(guild(1))
            await player.play(CORRUPT if bad == "track" else TRACKS[1], position=2000)
            await player.set_filters(BAD_FILTERS if bad == "filters" else {"rotation": {"rotationHz": 1.0}})
            with pytest.raises(LavalinkException):
                await player.update_voice(**voice(1))
            found = there(watched, player)
            assert (found.track is None, "rotation" in found.filters) == (
                (True, True) if bad == "track" else (False, False)
            )
            assert (player.track is None, set(player.filters)) == (found.track is None, set(found.filters))

    run(work)


@pytest.mark.parametrize("kind", [kind for kind in REFUSED if kind != "huge position"])
@pytest.mark.parametrize("resumes", [True, False])
def test_what_was_wanted_while_the_node_was_lost(kind: str, resumes: bool) -> None:
    """Kept, and then refused by the node that is back, or by another: it is dropped, and what was accepted stays."""

    async def work() -> None:
        nodes = profiles("a", "b", disabled_filters=("karaoke",))
        async with fleet(*nodes, networked=True, resume_timeout=30 if resumes else 0) as watched:
            player = await playing(watched)
            node, other, wire = watched.pool.nodes["a"], watched.pool.nodes["b"], watched.networks["a"]
            node.cordon()
            other.cordon()
            wire.freeze()
            wire.cut(requests=False)
            await watched.until_status("a", NodeStatus.DISCONNECTED)
            before = wishes(player)
            await REFUSED[kind](player)
            await player.set_volume(71)
            before["volume"] = 70 if kind == "voice" else 71
            other.uncordon()
            if resumes:
                wire.thaw()
                wire.cut()
                await watched.pool.reconnect()
            await watched.until(lambda: wishes(player) == before and player.node and player.node.session_id)
            assert player.node is (node if resumes else other)
            wire.thaw()
            found = there(watched, player)
            assert (found.voice["token"], found.filters["timescale"]["speed"]) == ("t1", 1.5)
            assert found.track.identifier == TRACKS[9].identifier
            await watched.until_settled(1)

    run(work)


def test_one_that_cannot_move_costs_no_other_its_move() -> None:
    """A track whose source the others lack is refused by them; its siblings move, and the first goes on afterwards."""

    async def work() -> None:
        a, b = (NodeProfile(identifier=name, password=PASSWORD, sources=sources)
                for name, sources in (("a", ("sim", "local")), ("b", ("sim",))))  # fmt: skip
        async with fleet(a, b, resume_timeout=0) as watched:
            node = watched.pool.nodes["a"]
            (track,) = await watched.pool.fetch_tracks("music/long.wav", node=node)
            players = [watched.pool.create_player(guild(number), node=node) for number in range(6)]
            for number, player in enumerate(players):
                await player.update_voice(**voice(number))
                await player.play(track if number == 2 else TRACKS[number])
            report = await watched.pool.drain(node)
            assert list(report.failed) == [players[2].guild_id]
            assert len(report.moved) == 5
            assert players[2].node is node
            for player in players:
                await player.switch_node(node) if player.node is not node else None
            await asyncio.to_thread(watched.simulator["a"].kill)
            await watched.until(lambda: len(watched.pool.nodes["b"].players) == 5)
            await asyncio.sleep(0.2)
            await asyncio.to_thread(watched.simulator["a"].start)
            node.uncordon()
            await watched.pool.reconnect()
            await watched.until_settled(6)
            assert there(watched, players[2]).track.identifier == track.identifier

    run(work)


@pytest.mark.parametrize(
    ("work", "told"),
    [
        (lambda player: player.play("text"), "track must be a Playable, .* not str"),
        (lambda player: player.play(TRACKS[0].encoded), "track must be a Playable"),
        (lambda player: player.play(5), "track must be a Playable"),
        (lambda player: player.play(None), "track must be a Playable"),
        (lambda player: player.play([TRACKS[0]]), "track must be a Playable, .* not list"),
        (lambda player: player.play(Playlist(name="p", tracks=(TRACKS[0],))), "track must be a Playable"),
        (lambda player: player.play(TRACKS[0], position="5"), "position must be an int, not str"),
        (lambda player: player.play(TRACKS[0], position=1.5), "position must be an int, not float"),
        (lambda player: player.play(TRACKS[0], end_time="5"), "end_time must be an int"),
        (lambda player: player.play(TRACKS[0], paused="yes"), "paused must be True or False"),
        (lambda player: player.play(TRACKS[0], no_replace=1), "no_replace must be True or False"),
        (lambda player: player.play(replace(TRACKS[0], user_data={"a": object()})), "user_data cannot be sent"),
        (lambda player: player.seek("5"), "position must be an int"),
        (lambda player: player.seek(None), "position must be an int"),
        (lambda player: player.pause("no"), "paused must be True or False, not str"),
        (lambda player: player.pause(1), "paused must be True or False"),
        (lambda player: player.set_volume("5"), "volume must be an int, not str"),
        (lambda player: player.set_volume(True), "volume must be an int, not bool"),
        (lambda player: player.set_volume(50.0), "volume must be an int"),
        (lambda player: player.set_filters("x"), "filters must be a mapping"),
        (lambda player: player.set_filters(None), "filters must be a mapping"),
        (lambda player: player.set_filters([{}]), "filters must be a mapping"),
        (lambda player: player.set_filters({1: {}}), "filters must be a mapping"),
        (lambda player: player.set_filters({"timescale": object()}), "filters cannot be sent as JSON"),
        (lambda player: player.switch_node("a"), "node must be a Node, not str"),
        (lambda player: player.switch_node(None), "node must be a Node"),
        (lambda player: player.update_voice(**voice(1) | {"token": 5}), "token must be a str, not int"),
        (lambda player: player.update_voice(**voice(1) | {"endpoint": b"x"}), "endpoint must be a str"),
        (lambda player: player.update_voice(**voice(1) | {"channel_id": True}), "channel_id must be"),
        (lambda player: player.update_voice(**voice(1) | {"channel_id": 1.5}), "channel_id must be"),
    ],
)
def test_what_is_of_another_type(work: Callable[[Player], Awaitable[None]], told: str) -> None:
    """It is refused at once, by its name and what is wanted; nothing is sent, and nothing kept: placed or not."""

    async def scenario() -> None:
        async with fleet(*profiles("a")) as watched:
            player = watched.pool.create_player(guild(1))
            before = wishes(player)
            with pytest.raises(TypeError, match=told):
                await work(player)
            assert wishes(player) == before
            await player.update_voice(**voice(1))
            before, asked = wishes(player), len(watched.simulator["a"].requests)
            with pytest.raises(TypeError, match=told):
                await work(player)
            assert wishes(player) == before
            assert len(watched.simulator["a"].requests) == asked

    run(scenario)


CHANGES: dict[str, Callable[[Player], Awaitable[None]]] = {
    "update_voice": lambda player: player.update_voice(**voice(2)),
    "play": lambda player: player.play(TRACKS[0]),
    "play, no_replace": lambda player: player.play(TRACKS[0], no_replace=True),
    "stop": lambda player: player.stop(),
    "pause": lambda player: player.pause(),
    "seek": lambda player: player.seek(5000),
    "volume": lambda player: player.set_volume(5),
    "filters": lambda player: player.set_filters({}),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("end", ["destroyed", "destroyed before it was placed", "closed"])
def test_a_destroyed_player_stays_away(change: str, end: str) -> None:
    """Every change raises, by name; no server gets it back, and a new player of the guild is none the worse."""

    async def work() -> None:
        async with fleet(*profiles("a", "b")) as watched:
            player = watched.pool.create_player(guild(1))
            if end != "destroyed before it was placed":
                await player.update_voice(**voice(1))
                await player.play(TRACKS[3])
            if end == "closed":
                await watched.pool.close()
            else:
                await player.destroy()
                await player.destroy()  # a second time is not an error
            with pytest.raises(PlayerDestroyedException, match="was destroyed") as caught:
                await CHANGES[change](player)
            assert str(player.guild_id) in str(caught.value)

    run(work)


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("after", [0.0, 0.02, 0.1])
def test_a_cancelled_change_and_a_destruction(change: str, after: float) -> None:
    """However far a cancelled request had come, the player that is destroyed after it is on no server."""

    async def work() -> None:
        async with fleet(*profiles("a", answer_delay=0.06)) as watched:
            for number in range(5):
                player = watched.pool.create_player(guild(number))
                if change != "update_voice":
                    await player.update_voice(**voice(1))
                    await player.play(TRACKS[3])
                changing = asyncio.ensure_future(CHANGES[change](player))
                await asyncio.sleep(after)
                changing.cancel()
                await player.destroy()
                assert watched.pool.get_player(guild(number)) is None
            await asyncio.sleep(0.3)
            assert [on_servers(watched.simulator, str(guild(number))) for number in range(5)] == [[]] * 5

    run(work)


def test_a_cancelled_change_takes_effect_on_both_sides() -> None:
    """What was sent before its caller was cancelled is done by the server, and counts for the player as well."""

    async def work() -> None:
        async with fleet(*profiles("a", answer_delay=0.1)) as watched:
            player = watched.pool.create_player(guild(1))
            await player.update_voice(**voice(1))
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(player.set_volume(33), 0.02)
            await player.pause()
            assert (player.volume, there(watched, player).volume) == (33, 33)

    run(work)


def test_a_request_that_is_done_after_it_was_given_up() -> None:
    """A server that hangs does what it was asked when it wakes up; a player destroyed meanwhile is cleared away."""

    async def work() -> None:
        async with fleet(*profiles("a"), networked=True, timeout=0.3, heartbeat=60.0) as watched:
            player = watched.pool.create_player(guild(1))
            await player.update_voice(**voice(1))
            held: list[bytes] = []

            def lose(line: bytes) -> bytes | None:
                if line.startswith(b"PATCH") and not held:
                    held.append(line)
                    return b""  # nothing comes back
                return None

            watched.networks["a"].answer = lose
            with pytest.raises(RevvlinkException):
                await player.seek(5000)
            await player.destroy()
            session = watched.pool.nodes["a"].session_id
            path = f"/v4/sessions/{session}/players/{player.guild_id}"
            await watched.pool.nodes["a"].send("PATCH", path=path, data={"position": 5000})  # the server, late
            await watched.until(lambda: not on_servers(watched.simulator, player.guild_id))

    run(work)


def test_a_track_whose_answer_never_came() -> None:
    """The call raises, and the player is as before; when the track begins on the server after all, it counts."""

    async def work() -> None:
        async with fleet(*profiles("a"), timeout=0.3, heartbeat=60.0) as watched:
            player = watched.pool.create_player(guild(1))
            await player.update_voice(**voice(1))
            await player.play(TRACKS[0])
            await asyncio.to_thread(watched.simulator["a"].freeze)
            with pytest.raises(RevvlinkException):
                await player.play(TRACKS[1], position=5000)
            assert player.track is TRACKS[0]
            await asyncio.to_thread(watched.simulator["a"].thaw)
            await watched.until(lambda: player.track is TRACKS[1])
            assert there(watched, player).track.identifier == TRACKS[1].identifier
            assert 5000 <= player.position < 10_000

    run(work)


def test_another_change_without_an_answer() -> None:
    """A volume that got no answer says nothing of a track that got none: when it begins after all, it counts."""

    async def work() -> None:
        async with fleet(*profiles("a"), timeout=0.3, heartbeat=60.0) as watched:
            player = watched.pool.create_player(guild(1))
            await player.update_voice(**voice(1))
            await player.play(TRACKS[0])
            await asyncio.to_thread(watched.simulator["a"].freeze)
            with pytest.raises(RevvlinkException):
                await player.play(TRACKS[1], position=5000)
            with pytest.raises(RevvlinkException):
                await player.set_volume(50)
            await asyncio.to_thread(watched.simulator["a"].thaw)
            await watched.until(lambda: player.track is TRACKS[1])

    run(work)


def test_a_track_that_begins_and_whose_answer_is_lost() -> None:
    """The call raises, but the node has said that the track begins: it counts, and the one before does not."""

    async def work() -> None:
        async with fleet(*profiles("a"), networked=True, timeout=0.4, heartbeat=60.0) as watched:
            player = watched.pool.create_player(guild(1))
            await player.update_voice(**voice(1))
            await player.play(TRACKS[0])
            watched.networks["a"].loses_answers = True
            with pytest.raises(RevvlinkException):
                await player.play(TRACKS[1], position=5000)
            watched.networks["a"].loses_answers = False
            assert player.track is TRACKS[1]
            assert there(watched, player).track.identifier == TRACKS[1].identifier
            assert 5000 <= player.position < 10_000
            await watched.until(lambda: len(watched.told(NodeEvent)) >= 3)
            assert player.track is TRACKS[1]

    run(work)


@pytest.mark.parametrize(("position", "end_time"), [(60_000, None), (60_000, 62_000), (0, None)])
def test_seeking_to_the_end_ends_a_track(position: int, end_time: int | None) -> None:
    """A track that began in the middle is over when somebody goes to its end: it does not begin again."""

    async def work() -> None:
        async with fleet(*profiles("a")) as watched:
            player = watched.pool.create_player(guild(1))
            await player.update_voice(**voice(1))
            await player.play(TRACKS[25], position=position, end_time=end_time)
            if end_time is None:
                await player.seek(TRACKS[25].length - 300)
            await watched.until(lambda: player.track is None)
            await asyncio.sleep(0.3)
            assert there(watched, player).track is None
            names = [
                told.event.guild_id for told in watched.told(NodeEvent) if type(told.event).__name__ == "TrackStart"
            ]
            assert len(names) == 1

    run(work)


def test_a_destruction_does_not_wait_for_a_node() -> None:
    """A player that no node takes yet can be destroyed; whoever waited for its placement is told."""

    async def work() -> None:
        async with fleet(*profiles("a")) as watched:
            watched.pool.nodes["a"].cordon()
            player = watched.pool.create_player(guild(1))
            waiting = asyncio.create_task(player.update_voice(**voice(1)))
            await asyncio.sleep(0.05)
            async with asyncio.timeout(1):
                await player.destroy()
            watched.pool.nodes["a"].uncordon()
            with pytest.raises(PlayerDestroyedException):
                await waiting
            assert on_servers(watched.simulator, player.guild_id) == []

    run(work)


def test_a_proxys_answer_is_no_refusal() -> None:
    """A bad gateway says nothing of what was wanted: a player that waits for its first node gets it afterwards."""

    async def work() -> None:
        async with fleet(*profiles("a"), networked=True) as watched:
            bad = response(b"", status="502 Bad Gateway")
            watched.networks["a"].answer = lambda line: bad if b"/players/" in line else None
            player = watched.pool.create_player(guild(1))
            await player.play(TRACKS[0])
            waiting = asyncio.create_task(player.update_voice(**voice(1)))
            await asyncio.sleep(0.3)
            assert not waiting.done()
            watched.networks["a"].answer = lambda _line: None
            await waiting
            assert there(watched, player).track.identifier == TRACKS[0].identifier

    run(work)


def test_placing_a_crowd_after_a_refusal() -> None:
    """A refusal of one guild holds up no other."""

    async def work() -> None:
        async with fleet(*profiles("a", "b")) as watched:
            bad = watched.pool.create_player(guild(100))
            await bad.set_filters(BAD_FILTERS)
            waiting = asyncio.gather(bad.update_voice(**voice(1)), return_exceptions=True)
            await placed(watched, 20)
            await waiting
            await watched.until_settled(21)

    run(work)
