"""The pytest plugin, in test runs of its own."""

from __future__ import annotations

import pytest

import revvlink_cli.testing.nodes  # noqa: F401 - a run in this process unloads what it has loaded; aiohttp must stay

pytest_plugins = ["pytester"]

BOT = """
import json, urllib.request

def ask(node, path, method="GET", body=None, password=None):
    headers = {"Authorization": password or node.password, "Content-Type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(node.uri + path, data, headers, method=method)
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)

def search(node, identifier):
    return ask(node, f"/v4/loadtracks?identifier={identifier}")
"""


@pytest.fixture
def run(pytester: pytest.Pytester) -> pytest.Pytester:
    """A folder with a stand-in for a bot."""
    pytester.makepyfile(bot=BOT)
    pytester.makeini("[pytest]\naddopts = --strict-markers -p no:randomly\nfilterwarnings = error")
    return pytester


def test_a_node_and_a_fleet(run: pytest.Pytester) -> None:
    """Any words find tracks; each test has nodes of its own; a fleet has two nodes, or those of its scenario."""
    run.makepyfile("""
        import pytest
        from bot import ask, search
        from revvlink_cli.testing import Lavalink, LavalinkFleet

        def test_one(lavalink: Lavalink):
            assert search(lavalink, "ytsearch:rain")["loadType"] == "search"
            assert lavalink.assert_called("GET", "/v4/loadtracks*").status == 200
            lavalink.assert_not_called("GET", "/v4/stats")

        def test_another(lavalink):
            lavalink.assert_not_called("GET")

        def test_fleet(lavalink_fleet: LavalinkFleet):
            assert [node.name for node in lavalink_fleet] == ["node-1", "node-2"]
            ask(lavalink_fleet["node-2"], "/v4/info")
            lavalink_fleet.assert_called("GET", "/v4/info")

        @pytest.mark.lavalink_scenario(nodes=3, kind="nodelink")
        def test_more(lavalink_fleet):
            assert [ask(node, "/v4/info")["isNodelink"] for node in lavalink_fleet] == [True] * 3
    """)

    run.runpytest_inprocess().assert_outcomes(passed=4)


def test_scenarios(run: pytest.Pytester) -> None:
    """A file beside the test, or keys; the marker of a class is for its tests."""
    run.path.joinpath("bot.toml").write_text('[[nodes]]\nname = "us-1"\n[[tracks]]\nmatch = "*"\nresult = "empty"\n')
    run.makepyfile("""
        import pytest
        from bot import ask, search

        @pytest.mark.lavalink_scenario("bot.toml")
        class TestFile:
            def test_file(self, lavalink):
                assert lavalink.name == "us-1"
                assert search(lavalink, "ytsearch:rain")["loadType"] == "empty"

            @pytest.mark.lavalink_scenario(
                version="4.0.8", password="pw", tracks=[{"match": "ytsearch:rain", "result": "track", "title": "Rain"}]
            )
            def test_keys(self, lavalink):
                assert search(lavalink, "ytsearch:rain")["data"]["info"]["title"] == "Rain"
                assert ask(lavalink, "/v4/info")["version"]["semver"] == "4.0.8"
                assert lavalink.password == "pw"
    """)

    run.runpytest_inprocess().assert_outcomes(passed=2)


@pytest.mark.parametrize(
    ("marker", "said"),
    [
        ('"none.toml"', ["lavalink_scenario: there is no file *none.toml"]),
        ('"bot.toml"', ["*bot.toml:2:1: nodes*0*.nam: is not a key (did you mean name?)"]),
        ('"bot.toml", kind="nodelink"', ["lavalink_scenario takes one file, or keys, not both"]),
        ("3", ["lavalink_scenario: 3 is not the path of a file"]),
        ("nodes=2", ["the scenario has 2 nodes: use the fixture lavalink_fleet"]),
        ("nodes=0", ["lavalink_scenario: nodes: there are no nodes (add *", "ERROR *: nodes: there are no nodes*"]),
        ("knd=1, voice=2", ["*knd: is not a key (did you mean kind?)", "*voice: must be text*"]),
        ('tracks=[{"match": "*", "title": None}]', ["*a value that a scenario cannot have*"]),
        ('clock="slow"', ['*clock: \'slow\' is not "real", "manual" or a speed, such as 20']),
        ("clock=0", ["*clock: 0 is not*"]),
    ],
)
def test_mistakes_are_plain_errors(run: pytest.Pytester, marker: str, said: list[str]) -> None:
    """All of them at once, without a traceback."""
    run.path.joinpath("bot.toml").write_text('[[nodes]]\nnam = "us-1"\n')
    run.makepyfile(f"import pytest\n@pytest.mark.lavalink_scenario({marker})\ndef test(lavalink):\n    pass\n")
    result = run.runpytest_inprocess()

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(said)
    result.stdout.no_fnmatch_line("*Traceback*")
    result.stdout.no_fnmatch_line("*plugin.py*")


def test_control(run: pytest.Pytester) -> None:
    """A sync test acts and sees the effect at once; faults begin and end."""
    run.makepyfile("""
        import urllib.error
        import pytest
        from bot import ask, search

        def status(node):
            try:
                search(node, "ytsearch:rain")
            except urllib.error.HTTPError as error:
                with error:
                    return error.code, error.headers.get("Retry-After")
            except OSError:
                return "down"
            return "up"

        def test_control(lavalink):
            assert status(lavalink) == "up"
            lavalink.kill()
            assert status(lavalink) == "down"
            lavalink.start()
            lavalink.fault("status", route="GET /v4/loadtracks", status=429, retry_after=2)
            assert status(lavalink) == (429, "2")
            lavalink.end_faults()
            assert status(lavalink) == "up"
            lavalink.set_load(players=9, playing=7)
            assert ask(lavalink, "/v4/stats")["playingPlayers"] == 7
            with pytest.raises(ValueError, match="stats: must be|status: must be"):
                lavalink.fault("status", status="x")
            with pytest.raises(ValueError, match="at is for the timeline"):
                lavalink.fault("kill", at="1s")
            with pytest.raises(ValueError, match="the clock is real"):
                lavalink.advance(1)
    """)

    run.runpytest_inprocess().assert_outcomes(passed=1)


def test_async_tests_await(run: pytest.Pytester) -> None:
    """The loop of a test goes on while a node acts, so that its client can answer: the close of a websocket, say."""
    run.makepyfile("""
        import asyncio
        import aiohttp

        async def bot(lavalink):
            headers = {"Authorization": lavalink.password, "User-Id": "1", "Client-Name": "x"}
            async with aiohttp.ClientSession(headers=headers) as http:
                async with http.ws_connect(f"{lavalink.uri}/v4/websocket") as socket:
                    assert (await socket.receive_json())["op"] == "ready"
                    assert lavalink.is_connected
                    stopped = lavalink.stop()
                    while not socket.closed:
                        await socket.receive()
                    await stopped
                    assert socket.close_code == 1001
                    assert not lavalink.is_connected
                await lavalink.start()
                lavalink.kill()  # takes effect without being awaited, too
                await lavalink.wait_for("node_down")

        def test_async(lavalink):
            asyncio.run(bot(lavalink))
    """)

    run.runpytest_inprocess().assert_outcomes(passed=1)


def test_what_happens_is_awaited(run: pytest.Pytester) -> None:
    """Calls, events and states of players, in an async test and then in a sync one; a time-out says what for."""
    run.makepyfile("""
        import asyncio
        import aiohttp
        import pytest
        from bot import ask

        async def play(lavalink, guild):
            headers = {"Authorization": lavalink.password, "User-Id": "1", "Client-Name": "x"}
            async with aiohttp.ClientSession(headers=headers) as http:
                async with http.ws_connect(f"{lavalink.uri}/v4/websocket") as socket:
                    session = (await socket.receive_json())["sessionId"]
                    assert await lavalink.wait_for("session_open") == "node-1"
                    called = lavalink.wait_for_call("PATCH", guild=guild, json_contains={"paused": False})
                    voice = {"token": "t", "endpoint": "x.discord.media", "sessionId": "s", "channelId": "1"}
                    body = {"track": {"identifier": "https://youtu.be/abc"}, "paused": False, "voice": voice}
                    async with http.patch(f"{lavalink.uri}/v4/sessions/{session}/players/{guild}", json=body) as answer:
                        assert answer.status == 200
                    assert (await called).body == body
                    await lavalink.wait_for("player_playing", guild=guild)
                    assert await lavalink.send_event("TrackStuckEvent", guild, thresholdMs=9) == 1
                    await lavalink.close_voice(guild, 4014)
                    event = await lavalink.wait_for_event("WebSocketClosedEvent", guild=guild)
                    assert event.detail["code"] == 4014
                    assert lavalink.players[guild]["track"]["info"]["identifier"] == "abc"
                    await lavalink.set_password("other")

        def test_await(lavalink):
            asyncio.run(play(lavalink, 5))
            lavalink.wait_for("no_session")
            lavalink.wait_for_event("TrackStuckEvent", guild=5)
            lavalink.wait_for_call("patch", "/v4/sessions/*/players/5")
            with pytest.raises(AssertionError, match="no request DELETE of guild 5"):
                lavalink.wait_for_call("DELETE", guild=5, timeout=0.01)
            with pytest.raises(TimeoutError, match="no player_playing of guild 6 on node-1 within 0.01 s"):
                lavalink.wait_for("player_playing", guild=6, timeout=0.01)
            ask(lavalink, "/v4/info", password="other")

        def test_reset(lavalink_fleet):
            ask(lavalink_fleet["node-1"], "/v4/info")
            lavalink_fleet["node-2"].kill()
            lavalink_fleet.reset()
            lavalink_fleet.assert_not_called("GET")
            ask(lavalink_fleet["node-2"], "/v4/info")
    """)

    run.runpytest_inprocess().assert_outcomes(passed=2)


def test_a_manual_clock(run: pytest.Pytester) -> None:
    """A track of three minutes ends when the test says so."""
    run.makepyfile("""
        import pytest
        from bot import ask

        @pytest.mark.lavalink_scenario(clock="manual", nodes=1)
        def test_clock(lavalink_fleet):
            (node,) = lavalink_fleet
            before = ask(node, "/v4/stats")["uptime"]
            lavalink_fleet.advance(180)
            assert ask(node, "/v4/stats")["uptime"] - before == 180_000
    """)

    run.runpytest_inprocess().assert_outcomes(passed=1)


def test_a_failed_test_has_more_in_its_report(run: pytest.Pytester) -> None:
    """The nearest requests with their differences, the searches without a rule, and the refused requests."""
    run.makepyfile("""
        import contextlib, urllib.error
        import pytest
        from bot import ask, search

        @pytest.mark.lavalink_scenario(tracks=[{"match": "ytsearch:rain"}])
        def test_fails(lavalink):
            search(lavalink, "ytsearch:rain")
            search(lavalink, "ytsearch:snow")
            with contextlib.suppress(urllib.error.HTTPError):
                ask(lavalink, "/v4/sessions/x", "PATCH", {"resuming": True})
            lavalink.assert_called("PATCH", "/v4/sessions/*", json_contains={"resuming": True, "timeout": 60})

        @pytest.mark.lavalink_scenario(nodes=2)
        def test_silent(lavalink_fleet):
            lavalink_fleet.assert_called("PATCH", guild=5)
    """)
    result = run.runpytest_inprocess()

    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines([
        "E*no request PATCH /v4/sessions/* with {*timeout*: 60}",
        "E*3 requests came; the nearest:",
        "E*  PATCH /v4/sessions/x -> 404 {*resuming*: true}",
        "E*    body.timeout is missing",
        "*lavalink: searches that no track rule matched*",
        "node-1: ytsearch:snow",
        "*lavalink: refused requests*",
        "node-1: PATCH /v4/sessions/x -> 404 {*resuming*: true}",
        "E*no request PATCH of guild 5",
        "E*no request came at all: does the bot connect to http://127.0.0.1:* or http://127.0.0.1:*?",
    ])  # fmt: skip
    result.stdout.no_fnmatch_line("node-1: ytsearch:rain")


def test_nothing_is_loaded_before_it_is_used(run: pytest.Pytester) -> None:
    """A run without nodes loads neither the simulator nor aiohttp; side by side, reports are the same."""
    run.makepyfile("""
        import sys

        def test_light():
            heavy = {"aiohttp", "msgspec", "revvlink_cli.config", "revvlink_cli.simulator", "revvlink_cli.services"}
            assert heavy & {*sys.modules} == set()

        def test_heavy(lavalink):
            lavalink.assert_called("GET")
    """)
    result = run.runpytest_subprocess("-n", "1", "-q")

    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["E*no request came at all*"])
