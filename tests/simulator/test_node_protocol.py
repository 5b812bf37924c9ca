"""What a simulated node answers, and what it says by itself, is what a genuine Lavalink 4.2.2 did."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from revvlink_cli.client.protocol.encoded_tracks import decode_track
from revvlink_cli.simulator import NodeProfile, Simulator
from tests.simulator.node_client import AUTHORIZED, GUILD, PASSWORD, VOICE, Client, client

if TYPE_CHECKING:
    from collections.abc import Iterator

SONG, OTHER = "https://sim.invalid/1", "https://sim.invalid/2"
# An encoded track of a source that a simulated node does not have.
FOREIGN = (
    "QAAAUAMABkRlbW8gMwALRGVtbyBBdXRob3J//////////wAGZGVtby0zAQEAFmh0dHBzOi8vZGVtby5pbnZhbGlkLzMAAAAEZGVtbwAAAAAAAAAA"
)


@pytest.fixture(scope="module")
def uri() -> Iterator[str]:
    """Address of one node."""
    with Simulator([NodeProfile(identifier="n", password=PASSWORD)]) as simulator:
        yield simulator["n"].uri


@pytest.mark.parametrize(
    ("method", "path", "authorization", "status"),
    [
        ("GET", "/v4/info", None, 401),
        ("GET", "/v4/info", "", 403),
        ("GET", "/v4/info", "Bearer pw", 403),
        ("GET", "/v4/loadtracks", None, 401),
        ("GET", "/", None, 401),
        ("GET", "/v3/websocket", "wrong", 403),
        ("GET", "/v4/websocket", "wrong", 401),
        ("OPTIONS", "/v4/info", None, 401),
        ("POST", "/v4/info", None, 405),
        ("GET", "/v4/info/", None, 404),
        ("GET", "/v3/info", None, 404),
    ],
)
def test_who_is_asked_for_the_password(
    uri: str, method: str, path: str, authorization: str | None, status: int
) -> None:
    """Every known route asks, before it looks at anything else; unknown routes and methods do not."""

    async def work() -> None:
        headers = {} if authorization is None else {"Authorization": authorization}
        async with aiohttp.ClientSession() as http, http.request(method, uri + path, headers=headers) as response:
            assert (response.status, response.headers["Lavalink-Api-Version"]) == (status, "4")
            assert "Server" not in response.headers
            if status in (401, 403):
                assert (await response.read(), response.headers.get("Content-Type")) == (b"", None)

    asyncio.run(work())


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 400),
        ({"User-Id": ""}, 400),
        ({"User-Id": "0"}, 400),
        ({"User-Id": "1", "Authorization": "Bearer pw"}, 401),
        ({"User-Id": "1", "Authorization": "wrong"}, 401),
    ],
)
def test_refused_handshakes(uri: str, headers: dict[str, str], status: int) -> None:
    """A wrong password is 401 here, a missing user 400, both without a body."""

    async def work() -> None:
        async with aiohttp.ClientSession() as http:
            with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
                await http.ws_connect(f"{uri}/v4/websocket", headers={**AUTHORIZED, **headers})
        assert caught.value.status == status

    asyncio.run(work())


@pytest.mark.parametrize(("user_id", "ending"), [("abc", 1011), ("99999999999999999999", 1011), ("-5", None)])
def test_odd_user_ids(uri: str, user_id: str, ending: int | None) -> None:
    """One that is not a long is found out after the handshake only."""

    async def work() -> None:
        async with (
            aiohttp.ClientSession() as http,
            http.ws_connect(f"{uri}/v4/websocket", headers={**AUTHORIZED, "User-Id": user_id}) as socket,
        ):
            assert socket._response.headers["Session-Resumed"] == "false"
            first = await socket.receive()
            assert first.type is (aiohttp.WSMsgType.TEXT if ending is None else aiohttp.WSMsgType.CLOSE)
            assert socket.close_code == ending

    asyncio.run(work())


def test_what_a_client_says(uri: str) -> None:
    """Text is ignored, JSON or not; a binary message is answered with close 1003."""

    async def work() -> None:
        async with client(uri) as here:
            await here.socket.send_str('{"op":"play"}')
            await here.socket.send_str("text")
            assert (await here.ask("GET", f"/v4/sessions/{here.session}/players")) == (200, [])
            await here.socket.send_bytes(b"\x00\x01")
            assert (await here.socket.receive()).data == 1003

    asyncio.run(work())


BAD = (400, "Bad Request")


@pytest.mark.parametrize(("version", "status"), [("4.0.8", 200), ("4.1.1", 200), ("4.2.2", 400)])
def test_channel_is_required_from_4_2_on(version: str, status: int) -> None:
    """A voice state without `channelId` is complete for Lavalink 4.0 and 4.1, and refused from 4.2 on."""

    async def work(uri: str) -> None:
        async with client(uri) as here:
            voice = {key: value for key, value in VOICE.items() if key != "channelId"}
            answer, body = await here.ask("PATCH", f"/v4/sessions/{here.session}/players/1", {"voice": voice})
            assert answer == status
            if status == 200:
                assert body["voice"]["endpoint"] == VOICE["endpoint"]

    with Simulator([NodeProfile(identifier="n", password=PASSWORD, version=version)]) as simulator:
        asyncio.run(work(simulator["n"].uri))


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "message"),
    [
        ("PATCH", "/v4/sessions/none", {"resuming": True}, 404, "Session not found"),
        ("PATCH", "/v4/sessions/none", [], *BAD),
        ("PATCH", "/v4/sessions/{}", None, *BAD),
        ("PATCH", "/v4/sessions/{}", {"timeout": 1.5}, *BAD),
        ("PATCH", "/v4/sessions/{}", {"timeout": "soon"}, *BAD),
        ("PATCH", "/v4/sessions/{}", {"resuming": None}, *BAD),
        ("GET", "/v4/sessions/{}", None, 405, "Method 'GET' is not supported."),
        ("GET", "/v4/sessions/none/players/abc", None, *BAD),
        ("GET", "/v4/sessions/{}/players/1", None, 404, "Player not found"),
        ("PATCH", "/v4/sessions/{}/players/1?noReplace=maybe", {}, *BAD),
        ("PATCH", "/v4/sessions/{}/players/1", {"volume": "loud"}, *BAD),
        ("PATCH", "/v4/sessions/{}/players/1", {"track": None}, *BAD),
        ("PATCH", "/v4/sessions/{}/players/1", {"track": {"userData": "text"}}, *BAD),
        ("PATCH", "/v4/sessions/{}/players/1", {"track": {"identifier": None}}, *BAD),
        ("PATCH", "/v4/sessions/{}/players/1", {"filters": None}, *BAD),
        ("PATCH", "/v4/sessions/{}/players/1", {"endTime": 0}, 400, "End time must be greater than 0"),
        (
            "PATCH",
            "/v4/sessions/{}/players/1",
            {"track": {"encoded": None, "identifier": "a"}},
            400,
            "Cannot specify both encodedTrack and identifier",
        ),
        (
            "PATCH",
            "/v4/sessions/{}/players/1",
            {"track": {}, "encodedTrack": None},
            400,
            "Cannot specify both track and encodedTrack/identifier",
        ),
        (
            "PATCH",
            "/v4/sessions/{}/players/1",
            {"track": {"identifier": "sim:playlist"}},
            400,
            "Cannot play a playlist or search result",
        ),
        (
            "PATCH",
            "/v4/sessions/{}/players/1",
            {"track": {"identifier": "sim:fails"}},
            400,
            "Something went wrong while looking up the track.",
        ),
        (
            "PATCH",
            "/v4/sessions/{}/players/1",
            {"track": {"identifier": "bare words"}},
            400,
            "No matches found for identifier",
        ),
        ("PATCH", "/v4/sessions/{}/players/1", {"voice": {**VOICE, "endpoint": None}}, *BAD),
        (
            "PATCH",
            "/v4/sessions/{}/players/1",
            {"voice": {**VOICE, "channelId": None}},
            400,
            "token, endpoint, sessionId and channelId must be provided in voice state",
        ),
        ("POST", "/v4/decodetracks", [], 400, "No tracks to decode provided"),
        ("POST", "/v4/decodetracks", {"tracks": []}, *BAD),
        ("POST", "/v4/routeplanner/free/address", {}, *BAD),
        ("POST", "/v4/routeplanner/free/address", {"address": "192.0.2.1"}, 500, "Can't access disabled route planner"),
    ],
)
def test_refusals(uri: str, method: str, path: str, body: Any, status: int, message: str) -> None:
    """Each has the status and the message of the genuine server, and the keys of its error bodies."""

    async def work() -> None:
        async with client(uri) as here:
            path_here = path.format(here.session)
            found, error = await here.ask(method, path_here, body)
            assert list(error) == ["timestamp", "status", "error", "message", "path"]
            assert (found, error["status"], error["message"]) == (status, status, message)
            assert error["path"] == path_here.partition("?")[0]

    asyncio.run(work())


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            {"track": {"encoded": "bad!"}},
            "Request processing failed: java.lang.IllegalArgumentException: Illegal base64 character 21",
        ),
        ({"track": {"encoded": "QAAAXgMADVVu"}}, "No message available"),
        (
            {"track": {"encoded": FOREIGN}},
            (
                "Request processing failed: java.lang.IllegalStateException: Failed to decode track due to a "
                "mismatching version or missing source manager"
            ),
        ),
        (
            {"filters": {"equalizer": [{"band": 20, "gain": 0.2}]}},
            "Request processing failed: java.lang.ArrayIndexOutOfBoundsException: Index 20 out of bounds for length 15",
        ),
        (
            {"voice": {**VOICE, "channelId": "x"}},
            'Request processing failed: java.lang.NumberFormatException: For input string: "x"',
        ),
    ],
)
def test_where_the_genuine_server_stumbles(uri: str, body: Any, message: str) -> None:
    """It answers 500 then, without the API header: a client must not take it for another server."""

    async def work() -> None:
        async with aiohttp.ClientSession() as http:
            here = Client(http, uri)
            await here.connect()
            path = f"{uri}/v4/sessions/{here.session}/players/{GUILD}"
            async with http.patch(path, json=body, headers=AUTHORIZED) as response:
                assert (response.status, (await response.json())["message"]) == (500, message)
                assert "Lavalink-Api-Version" not in response.headers
            await here.socket.close()

    asyncio.run(work())


def test_errors_in_other_clothes(uri: str) -> None:
    """A trace only for who asks for one, a page for who takes HTML, 415 for what is not sent as JSON."""

    async def work() -> None:
        async with aiohttp.ClientSession() as http:
            here = Client(http, uri)
            assert "trace" in (await here.ask("GET", "/v4/nope?trace=true"))[1]
            assert "trace" not in (await here.ask("GET", "/v4/nope?trace=false"))[1]
            page = await here.ask("GET", "/v4/nope", headers={"Accept": "text/html"})
            assert page[1].startswith("<html>")
            async with http.post(f"{uri}/v4/decodetracks", data="[]", headers=AUTHORIZED) as response:
                assert response.status == 415
                assert (await response.json())["message"] == "Content-Type 'text/plain;charset=utf-8' is not supported."

    asyncio.run(work())


def test_what_is_loaded_decodes_to_itself(uri: str) -> None:
    """Search results, playlists and streams carry encoded forms that the node, and the client, read back."""

    async def work() -> None:
        async with client(uri) as here:
            _, search = await here.ask("GET", "/v4/loadtracks?identifier=scsearch:night%20lanterns")
            _, playlist = await here.ask("GET", "/v4/loadtracks?identifier=sim:playlist")
            _, stream = await here.ask("GET", "/v4/loadtracks?identifier=sim:stream")
            tracks = [*search["data"], *playlist["data"]["tracks"], stream["data"]]
            assert await here.ask("POST", "/v4/decodetracks", [track["encoded"] for track in tracks]) == (200, tracks)
            assert [decode_track(track["encoded"]).to_payload() for track in tracks] == tracks
            assert [track["info"]["sourceName"] for track in search["data"]] == ["soundcloud"]
            assert playlist["data"]["info"] == {"name": "Evenings by the Water", "selectedTrack": 1}
            assert (stream["data"]["info"]["length"], stream["data"]["info"]["isStream"]) == (9223372036854775807, True)

    asyncio.run(work())


def test_a_failed_load_hides_its_reason_in_the_trace(uri: str) -> None:
    """Message, severity and cause are the same for every failure; the reason stands in a `Caused by` line."""

    async def work() -> None:
        async with client(uri) as here:
            status, answer = await here.ask("GET", "/v4/loadtracks?identifier=sim:fails")
            assert (status, answer["loadType"], answer["data"]["severity"]) == (200, "error", "fault")
            assert answer["data"]["message"] == "Something went wrong while looking up the track."
            assert answer["data"]["cause"].endswith(answer["data"]["message"])
            assert "\nCaused by: java.lang.IllegalStateException: " in answer["data"]["causeStackTrace"]

    asyncio.run(work())


def test_an_idle_player(uri: str) -> None:
    """An empty PATCH makes it; values are clamped, an unheard-of field ignored, its absence no error."""

    async def work() -> None:
        async with client(uri) as here:
            path = f"/v4/sessions/{here.session}/players"
            player = await here.player({"whatever": 1})
            player["state"].pop("time")
            assert player == {
                "guildId": GUILD,
                "track": None,
                "volume": 100,
                "paused": False,
                "state": {"position": 0, "connected": False, "ping": -1},
                "voice": {"token": "", "endpoint": "", "sessionId": "", "channelId": None},
                "filters": {},
            }
            assert (await here.player({"volume": 5000}))["volume"] == 1000
            assert (await here.player({"volume": "-5"}))["volume"] == 0
            assert (await here.player({"paused": True}))["paused"] is True
            assert (await here.player({"track": {"encoded": None}}))["paused"] is False
            assert [player["guildId"] for player in (await here.ask("GET", path))[1]] == [GUILD]
            assert await here.ask("DELETE", f"{path}/{GUILD}") == (204, "")
            assert await here.ask("DELETE", f"{path}/{GUILD}") == (204, "")
            assert await here.ask("GET", path) == (200, [])

    asyncio.run(work())


def test_filters_are_completed(uri: str) -> None:
    """Missing values are filled in, null and unknown filters left out, and the order is the server's."""

    async def work() -> None:
        async with client(uri) as here:
            player = await here.player(
                {
                    "filters": {
                        "lowPass": {},
                        "timescale": {"speed": 1.1},
                        "volume": 1,
                        "karaoke": None,
                        "reverb": {},
                        "equalizer": [{"band": 0, "gain": 0.2}],
                        "pluginFilters": {"echo": {}},
                    }
                }
            )
            assert list(player["filters"].items()) == [
                ("volume", 1.0),
                ("equalizer", [{"band": 0, "gain": 0.2}]),
                ("timescale", {"speed": 1.1, "pitch": 1.0, "rate": 1.0}),
                ("lowPass", {"smoothing": 20.0}),
            ]
            assert (await here.player({"filters": {}}))["filters"] == {}

    asyncio.run(work())


def test_the_messages_of_a_player_with_voice(uri: str) -> None:
    """Their number and order is that of the genuine server, from the first track to the end of the player."""

    async def work() -> None:
        async with client(uri) as here:
            await here.player({"voice": VOICE, "track": {"identifier": SONG, "userData": {"by": 1}}})
            assert await here.told(4) == ["update True 0", "start sim-1", "update True 0", "update True 0"]
            await here.player({"voice": VOICE, "volume": 50, "paused": True})
            await here.player({"position": 5000})
            assert await here.told(1) == ["update True 0"]
            await here.player({"track": {"identifier": OTHER}})
            assert await here.told(4) == ["end sim-1 replaced", "start sim-2", "update True 0", "update True 0"]
            await here.player({"track": {"identifier": SONG}}, query="?noReplace=True")
            await here.player({"voice": {**VOICE, "sessionId": "other"}})
            assert await here.told(3) == ["WebSocketClosedEvent 1000 False", "update False -1", "update True 0"]
            await here.player({"track": {"encoded": None}})
            assert await here.told(1) == ["end sim-2 stopped"]
            await here.player({"track": {"identifier": SONG}, "endTime": 100})
            assert await here.told(4) == ["start sim-1", "update True 0", "update True 0", "end sim-1 finished"]
            await here.ask("DELETE", f"/v4/sessions/{here.session}/players/{GUILD}")
            assert await here.told(2) == ["WebSocketClosedEvent 1000 False", "update False -1"]

    asyncio.run(work())


def test_a_playing_track_carries_its_position(uri: str) -> None:
    """The position stands in the state, in the track and in its encoded form, and a track ends with its last frame."""

    async def work() -> None:
        async with client(uri) as here:
            player = await here.player(
                {"voice": VOICE, "track": {"identifier": SONG}, "position": 9000, "paused": True}
            )
            assert (player["state"]["position"], player["track"]["info"]["position"]) == (9000, 9000)
            assert decode_track(player["track"]["encoded"]).position == 9000
            await here.player({"position": 213_950})
            await here.player({"paused": False})
            while (end := await here.message()).get("type") != "TrackEndEvent":
                assert end["op"] in ("event", "playerUpdate")
            assert (end["reason"], end["track"]["info"]["position"]) == ("finished", 213_980)

    asyncio.run(work())


def test_nothing_advances_without_voice(uri: str) -> None:
    """A player without a voice connection stays where it is, and counts as playing."""

    async def work() -> None:
        async with client(uri) as here:
            await here.player({"track": {"identifier": SONG}, "endTime": 1})
            assert await here.told(3) == ["start sim-1", "update False -1", "update False -1"]
            _, stats = await here.ask("GET", "/v4/stats")
            assert (stats["players"], stats["playingPlayers"]) == (1, 1)
            assert (await here.player({}))["state"]["position"] == 0

    asyncio.run(work())


def test_an_unreachable_voice_server_is_tried_for_ever(uri: str) -> None:
    """The request is never answered, nor is a later one with a good server; all else works, and a new player too."""

    async def work() -> None:
        async with client(uri) as here:
            for endpoint in ("no-such-host.invalid:443", VOICE["endpoint"]):
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.2):
                        await here.player({"voice": {**VOICE, "endpoint": endpoint}})
            assert (await here.player({"volume": 50}))["volume"] == 50
            await here.ask("DELETE", f"/v4/sessions/{here.session}/players/{GUILD}")
            assert (await here.player({"voice": VOICE}))["state"]["connected"] is True

    asyncio.run(work())


@pytest.mark.parametrize(
    ("version", "numbers", "before"),
    [
        ("4.2.2", [4, 2, 2], ""),
        ("4.0.0-beta.3", [4, 0, 0], "beta.3"),
        ("0123456789abcdef0123456789abcdef01234567-SNAPSHOT", [0, 0, 0], None),
    ],
)
def test_versions(version: str, numbers: list[int], before: str | None) -> None:
    """A snapshot's version has only zeros: the major number does not tell what the API is."""

    async def work(uri: str) -> None:
        async with aiohttp.ClientSession() as http:
            here = Client(http, uri)
            assert await here.ask("GET", "/version", headers={"Authorization": "youshallnotpass"}) == (200, version)
            _, info = await here.ask("GET", "/v4/info", headers={"Authorization": "youshallnotpass"})
            assert list(info["version"].values()) == [version, *numbers, before]

    with Simulator([NodeProfile(identifier="n", version=version)]) as simulator:
        asyncio.run(work(simulator["n"].uri))
