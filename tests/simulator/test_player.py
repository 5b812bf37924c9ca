"""The players of simulated nodes play, seek, fail and report their position as on genuine servers."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from revvlink_cli.simulator import Clock, NodeProfile, Simulator
from tests.simulator.node_client import GUILD, PASSWORD, VOICE, client, run_by_hand

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

    from tests.simulator.node_client import Client

MP3, OGG = "music/two.mp3", "music/long.ogg"


def lavalink(**changes: Any) -> NodeProfile:
    """A Lavalink."""
    return NodeProfile(identifier="n", password=PASSWORD, **changes)


def nodelink(**changes: Any) -> NodeProfile:
    """A NodeLink without guards."""
    return NodeProfile.nodelink(identifier="n", password=PASSWORD, guards=(), **changes)


def run(profile: NodeProfile, work: Callable[[Client], Coroutine[Any, Any, None]], speed: float = 1.0) -> None:
    """Run a test with a client of one node, whose clock has this speed."""

    async def connected(uri: str) -> None:
        async with client(uri, has_stats=profile.dialect == "lavalink") as here:
            await work(here)

    with Simulator([profile], clock=Clock(speed, with_timeouts=True)) as simulator:
        asyncio.run(connected(simulator["n"].uri))


async def player(here: Client) -> dict[str, Any]:
    """The player, from a GET."""
    _, found = await here.ask("GET", f"/v4/sessions/{here.session}/players/{GUILD}")
    return dict(found)


async def loaded(here: Client, identifier: str) -> dict[str, Any]:
    """The track that a node loads."""
    _, answer = await here.ask("GET", f"/v4/loadtracks?identifier={identifier}")
    track: dict[str, Any] = answer["data"]
    return track


async def event(here: Client, kind: str) -> dict[str, Any]:
    """The next event of a kind."""
    while (message := await here.message()).get("type") != kind:
        continue
    return message


async def state(here: Client) -> dict[str, Any]:
    """The state in the next update of the player."""
    while (message := await here.message())["op"] != "playerUpdate":
        continue
    found: dict[str, Any] = message["state"]
    return found


@pytest.mark.parametrize("with_voice", [False, True])
def test_nodelink_starts_a_track_at_its_position(with_voice: bool) -> None:
    """A NodeLink plays from ``position``, alone or in one PATCH with the voice state: a moved player goes on."""

    async def work(here: Client) -> None:
        start = {"track": {"encoded": (await loaded(here, "local:long.wav"))["encoded"]}, "position": 10_000}
        if with_voice:
            await here.player({**start, "voice": VOICE})
        else:
            await here.player({"voice": VOICE})
            await event(here, "PlayerConnectedEvent")
            await here.player(start)
        await event(here, "TrackStartEvent")
        assert 10_000 <= (await state(here))["position"] < 20_000

    run(nodelink(), work)


def test_nodelink_starts_a_new_track_at_its_position_in_a_new_voice() -> None:
    """The position is kept too where an earlier track had sounded before the voice state changed."""

    async def work(here: Client) -> None:
        encoded = (await loaded(here, "local:long.wav"))["encoded"]
        await here.player({"track": {"encoded": encoded}, "voice": VOICE})
        await event(here, "TrackStartEvent")
        other = {**VOICE, "sessionId": "other"}
        await here.player({"track": {"encoded": encoded}, "position": 30_000, "voice": other})
        await event(here, "TrackStartEvent")
        for _ in range(2):
            assert 30_000 <= (await state(here))["position"] < 40_000

    run(nodelink(), work)


def test_nodelink_streams_again_in_a_new_voice() -> None:
    """After another voice state a track begins again where its stream had begun: at the last seek."""

    async def work(here: Client) -> None:
        await here.player({"voice": VOICE})
        await event(here, "PlayerConnectedEvent")
        await here.player({"track": {"encoded": (await loaded(here, "local:long.wav"))["encoded"]}})
        await event(here, "TrackStartEvent")
        await here.player({"position": 20_000})
        await event(here, "SeekEvent")
        await here.player({"voice": {**VOICE, "sessionId": "other"}})
        await event(here, "TrackStartEvent")
        assert 20_000 <= (await state(here))["position"] < 30_000

    run(nodelink(), work)


def test_nodelink_fails_to_resume_without_a_track() -> None:
    """With voice but no track a NodeLink pauses with an event, and answers 500 to the end of the pause."""

    async def work(here: Client) -> None:
        await here.player({"voice": VOICE})
        await event(here, "PlayerConnectedEvent")
        assert (await here.player({"paused": True}))["paused"] is True
        assert (await event(here, "PauseEvent"))["paused"] is True
        status, body = await here.patch({"paused": False})
        assert (status, body["message"]) == (500, "Cannot read properties of null (reading 'canStop')")
        assert "trace" in body

    run(nodelink(), work)


def test_nodelink_pauses_an_idle_player_without_voice() -> None:
    """Without voice both changes succeed, each with its event; the same again changes nothing."""

    async def work(here: Client) -> None:
        for paused in (True, True, False):
            assert (await here.player({"paused": paused}))["paused"] is paused
        events = [(await event(here, "PauseEvent"))["paused"] for _ in range(2)]
        assert events == [True, False]

    run(nodelink(), work)


def test_nodelink_discards_filters_without_a_track() -> None:
    """Filters of an idle player are not kept and bring no event; those of a track are, with or without voice."""

    async def work(here: Client) -> None:
        filters = {"timescale": {"speed": 2.0}}
        assert (await here.player({"voice": VOICE, "filters": filters}))["filters"] == {}
        encoded = (await loaded(here, "local:long.wav"))["encoded"]
        await here.player({"track": {"encoded": encoded}})
        assert (await event(here, "FiltersChangedEvent"))["filters"] == {"filters": {}}
        assert (await here.player({"filters": filters}))["filters"] == {"filters": filters}
        assert (await event(here, "FiltersChangedEvent"))["filters"] == {"filters": filters}

    run(nodelink(), work)


@pytest.mark.parametrize(
    ("profile", "identifier", "known"),
    [
        (lavalink(), "http://files.invalid/one.wav", ("Unknown title", "Unknown artist", 3000, True)),
        (lavalink(), "music/two.mp3", ("Two & a half + \u00fc", "Static Bloom", 8040, True)),
        (nodelink(), "http://files.invalid/one.wav", ("Unknown", "unknown", -1, True)),
        (nodelink(), "local:one.wav", ("one.wav", "unknown", -1, False)),
        (nodelink(), "local:two.mp3", ("two.mp3", "unknown", -1, False)),
        (nodelink(), "local:text.txt", ("text.txt", "unknown", -1, False)),
    ],
)
def test_what_a_server_knows_of_a_file(
    profile: NodeProfile, identifier: str, known: tuple[str, str, int, bool]
) -> None:
    """A Lavalink reads tags and lengths, and has its own words for missing ones; a NodeLink reads none of them."""

    async def work(here: Client) -> None:
        track = await loaded(here, identifier)
        info = track["info"]
        assert (info["title"], info["author"], info["length"], info["isSeekable"]) == known
        _, decoded = await here.ask("POST", "/v4/decodetracks", [track["encoded"]])
        assert (decoded[0]["info"]["title"], decoded[0]["info"]["length"]) == (known[0], known[2])

    run(profile, work)


@pytest.mark.parametrize(("tempo", "seconds", "last"), [(1.0, 7.68, 8020), (2.0, 3.66, 4000)])
def test_lavalink_ends_a_track_ahead_of_the_sound(tempo: float, seconds: float, last: int) -> None:
    """A track of 8.04 s ends after 7.68 s, at twice the speed after 3.66 s; the position counts the time."""

    async def work(here: Client, advance: Callable[[float], Awaitable[None]]) -> None:
        await here.player({"filters": {"timescale": {"speed": tempo}}})
        await here.player({"track": {"identifier": MP3}, "voice": VOICE})
        await advance(seconds - 0.05)
        assert (await player(here))["track"] is not None
        await advance(0.1)
        end = await event(here, "TrackEndEvent")
        assert (end["reason"], end["track"]["info"]["position"]) == ("finished", last)

    run_by_hand(lavalink(), work)


def test_lavalink_ends_at_a_reported_position() -> None:
    """With a timescale ``endTime`` is compared with the reported position."""

    async def work(here: Client) -> None:
        filters = {"timescale": {"speed": 0.5, "rate": 1.5}}
        await here.player({"filters": filters, "track": {"identifier": MP3}, "voice": VOICE, "endTime": 2000})
        assert (await event(here, "TrackEndEvent"))["track"]["info"]["position"] == 1980

    run(lavalink(), work, speed=20.0)


def test_nodelink_reports_the_place_in_the_sound() -> None:
    """The position of a NodeLink follows its timescale, to the end of the sound."""

    async def work(here: Client) -> None:
        await here.player({"voice": VOICE})
        await event(here, "PlayerConnectedEvent")
        await here.player({"track": {"encoded": (await loaded(here, "local:long.wav"))["encoded"]}})
        await event(here, "TrackStartEvent")
        await here.player({"filters": {"timescale": {"speed": 8.0}}})
        positions = []
        while (message := await here.message()).get("type") != "TrackEndEvent":
            if message["op"] == "playerUpdate":
                positions.append(message["state"]["position"])
        assert len(positions) < 15  # one every 2 s: without the timescale there are 30
        assert 40_000 < positions[-1] < 60_000

    run(nodelink(), work, speed=10.0)


def test_lavalink_reports_the_last_frame_right_after_a_seek() -> None:
    """The update has the new position; the answer and a GET have the old one until the decoder has followed."""

    async def work(here: Client, advance: Callable[[float], Awaitable[None]]) -> None:
        await here.player({"track": {"identifier": OGG}, "voice": VOICE})
        await advance(10)
        assert (await here.player({"position": 60_000}))["state"]["position"] == 10_360
        while (await state(here))["position"] != 60_000:
            continue
        assert (await player(here))["state"]["position"] == 10_360
        await advance(1)
        assert (await player(here))["state"]["position"] == 61_360

    run_by_hand(lavalink(), work)


def test_lavalink_reports_the_last_frame_of_a_paused_player() -> None:
    """No frame comes while a player is paused or without voice, so that a new position is not reported."""

    async def work(here: Client, advance: Callable[[float], Awaitable[None]]) -> None:
        start = {"track": {"identifier": OGG}, "position": 5000, "paused": True}
        assert (await here.player(start))["state"]["position"] == 5000
        assert (await player(here))["state"]["position"] == 0
        await here.player({"voice": VOICE})
        assert (await here.player({"position": 60_000}))["state"]["position"] == 0
        await advance(10)
        assert (await player(here))["state"]["position"] == 0
        await here.player({"paused": False})
        assert (await player(here))["state"]["position"] == 0
        await advance(1)
        assert (await player(here))["state"]["position"] == 61_360

    run_by_hand(lavalink(), work)


def test_lavalink_reports_no_frame_of_a_new_track_at_once() -> None:
    """A track that starts in the middle is at 0 until its first frame, as in the second update after a move."""

    async def work(here: Client, advance: Callable[[float], Awaitable[None]]) -> None:
        start = {"track": {"identifier": OGG}, "voice": VOICE, "position": 30_000}
        assert (await here.player(start))["state"]["position"] == 30_000
        await event(here, "TrackStartEvent")
        assert [(await state(here))["position"] for _ in range(2)] == [30_000, 0]
        await advance(1)
        assert (await player(here))["state"]["position"] == 31_360

    run_by_hand(lavalink(), work)


def test_nodelink_loses_a_position_without_voice() -> None:
    """A track that has a position but no voice starts at its beginning once there is voice."""

    async def work(here: Client) -> None:
        encoded = (await loaded(here, "local:long.wav"))["encoded"]
        await here.player({"track": {"encoded": encoded}, "position": 30_000})
        await here.player({"voice": VOICE})
        await event(here, "TrackStartEvent")
        assert (await state(here))["position"] < 20_000

    run(nodelink(), work)


@pytest.mark.parametrize(
    ("profile", "identifier", "before"),
    [(lavalink(), OGG, (-1, 0)), (nodelink(), "local:long.wav", (0, -1))],
)
def test_the_ping_is_known_after_the_first_heartbeat(
    profile: NodeProfile, identifier: str, before: tuple[int, int]
) -> None:
    """Without voice, on connecting, and after 15 s: -1, 0 and 1 on a Lavalink, 0, -1 and 1 on a NodeLink."""

    async def work(here: Client) -> None:
        assert (await here.player({}))["state"]["ping"] == before[0]
        await here.player({"voice": VOICE})
        track = await loaded(here, identifier)
        first = await here.player({"track": {"encoded": track["encoded"]}})
        assert first["state"]["ping"] == before[1]
        while (found := await state(here))["ping"] == before[1]:
            continue
        assert found["ping"] == 1
        assert found["position"] < 20_000

    run(profile, work, speed=50.0)


@pytest.mark.parametrize(
    ("breaks", "position", "outcome"), [(True, 1000, "loadFailed"), (True, 0, "finished"), (False, 1000, "finished")]
)
def test_an_ogg_track_that_starts_in_the_middle(breaks: bool, position: int, outcome: str) -> None:
    """A genuine Lavalink loses it with an exception; the simulated one does so on request."""

    async def work(here: Client) -> None:
        await here.player({"track": {"identifier": "music/three.ogg"}, "voice": VOICE, "position": position})
        assert (await event(here, "TrackEndEvent"))["reason"] == outcome

    run(lavalink(ogg_breaks_when_moved=breaks), work, speed=50.0)
