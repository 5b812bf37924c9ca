"""The admin API on a real socket: what it does to nodes, and what it refuses."""

from __future__ import annotations

import asyncio
import io
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp
import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from revvlink_cli.services.simulator_admin.openapi import document
from revvlink_cli.services.simulator_admin.server import LARGEST_BODY, AdminServer
from revvlink_cli.simulator import Clock, NodeProfile, Simulation
from tests.example_counts import examples
from tests.simulator.bot_in_the_loop import GUILD, bot_on

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

TOKEN = "secret-token"


class Admin:
    """A client of the admin API, which compares every answer with the OpenAPI document."""

    def __init__(self, http: aiohttp.ClientSession, nodes: Simulation) -> None:
        self._http = http
        self.nodes = nodes
        self.seen: set[str] = set()

    async def ask(self, method: str, path: str, body: Any = None, *, token: str = TOKEN) -> tuple[int, Any]:
        """Status and body of the answer."""
        data = io.BytesIO(body) if isinstance(body, bytes) else None if body is None else json.dumps(body)
        headers = {"Authorization": f"Bearer {token}"}
        async with self._http.request(method, path, data=data, headers=headers) as answer:
            found = await answer.json()
            self._compare(method, path.partition("?")[0], answer.status, found)
            return answer.status, found

    def _compare(self, method: str, path: str, status: int, found: Any) -> None:
        described = document()
        for template, operations in described["paths"].items():
            parts, given = template.split("/"), path.split("/")
            fits = len(parts) == len(given) and all(a == b or a[:1] == "{" for a, b in zip(parts, given, strict=True))
            if fits and method.lower() in operations:
                operation = operations[method.lower()]
                self.seen.add(operation["operationId"])
                answer = operation["responses"][str(status)]
                if "$ref" in answer:
                    answer = described["components"]["responses"][answer["$ref"].rpartition("/")[2]]
                schema = answer["content"]["application/json"]["schema"]
                jsonschema.validate(found, {**schema, "components": described["components"]})

    async def done(self, method: str, path: str, body: Any = None) -> Any:
        """The answer to a request that works."""
        status, found = await self.ask(method, path, body)
        assert status == 200, found
        return found


@asynccontextmanager
async def serving(clock: Clock | None = None) -> AsyncIterator[Admin]:
    """The API of the nodes ``us-1`` and ``eu-1``."""
    profiles = [NodeProfile(identifier="us-1", region="us"), NodeProfile.nodelink(identifier="eu-1")]
    async with Simulation(profiles, clock=clock) as nodes:
        server = AdminServer(nodes, TOKEN, host="127.0.0.1", port=0)
        await server.start()
        try:
            async with aiohttp.ClientSession(server.uri) as http:
                yield Admin(http, nodes)
        finally:
            await server.close()


def test_every_route_does_what_it_says() -> None:
    """Nodes, players, faults, messages, requests, events, waits, the clock and a new start; each as documented."""

    async def work() -> None:
        async with serving(Clock.manual()) as admin, bot_on(admin.nodes["us-1"]) as bot:
            await bot.play()
            names = [node["name"] for node in (await admin.done("GET", "/nodes"))["nodes"]]
            assert names == ["us-1", "eu-1"]
            assert (await admin.done("GET", f"/wait?for=player_playing&guild={GUILD}"))["node"]["playing"] == 1
            (player,) = (await admin.done("GET", f"/players?guild={GUILD}&node=us-1"))["players"]
            assert player["session"] == bot.session
            assert player["player"]["voice"]["token"] == "t"
            (patch,) = (await admin.done("GET", f"/requests?route=PATCH *&guild={GUILD}"))["requests"]
            assert (patch["status"], patch["headers"]["Authorization"]) == (200, "***")
            assert patch["body"]["voice"]["sessionId"] == "s"
            found = await admin.done("GET", f"/wait?for=request&route=PATCH *&guild={GUILD}")
            assert found["request"]["number"] == patch["number"]
            await admin.done("POST", "/nodes/us-1/load", {"players": 40, "playing": 30, "load": 0.5})
            while (await bot.until("stats"))["players"] != 41:
                continue
            sent = {"op": "event", "type": "OddEvent"}
            assert (await admin.done("POST", f"/nodes/us-1/messages?guild={GUILD}", sent))["sessions"] == 1
            assert (await bot.until("OddEvent"))["guildId"] == GUILD
            await admin.done("POST", "/nodes/us-1/close-voice", {"guild": GUILD, "code": 4014})
            assert (await admin.done("GET", "/wait?for=voice_closed"))["event"]["detail"]["code"] == 4014
            for action, body in (
                ("frames", {"nulled": 5}), ("delay", {"time": 0}), ("password", {"password": "new"}),
                ("freeze", {"websockets": False}), ("thaw", None), ("lose-sessions", None), ("drop", None),
                ("stop", None), ("start", None), ("kill", None),
            ):  # fmt: skip
                assert (await admin.done("POST", f"/nodes/us-1/{action}", body))["name"] == "us-1"
            assert (await admin.done("GET", "/nodes/us-1"))["is_up"] is False
            (fault,) = (await admin.done("POST", "/faults", {"do": "delay", "nodes": "eu-*", "at": "5s"}))["faults"]
            assert (fault["is_active"], fault["node"], fault["fault"]["at"]) == (False, "eu-1", 5)
            assert (await admin.done("POST", "/clock/advance", {"time": "5s"}))["now_s"] == 5
            assert (await admin.done("GET", "/faults"))["faults"][0]["is_active"] is True
            assert (await admin.done("DELETE", f"/faults/{fault['number']}"))["faults"] == []
            kinds = [event["kind"] for event in (await admin.done("GET", "/events?node=eu-1"))["events"]]
            assert kinds == ["node_started", "fault_began", "fault_ended"]
            assert (await admin.done("POST", "/reset"))["nodes"][0]["is_up"] is True
            assert (await admin.done("GET", "/clock")) == {"kind": "manual", "speed": 1.0, "now_s": 0.0}
            named = {operation["operationId"] for path in document()["paths"].values() for operation in path.values()}
            assert admin.seen == named

    asyncio.run(work())


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "said"),
    [
        ("POST", "/nodes/us-9/kill", None, 404, "there is no node us-9: did you mean us-1?"),
        ("GET", "/players?node=eu1", None, 404, "did you mean eu-1?"),
        ("POST", "/nodes/us-1/start", None, 409, "us-1 runs already"),
        ("POST", "/nodes/us-1/close-voice", {"guild": "5"}, 409, "has no player of guild 5"),
        ("POST", "/nodes/us-1/messages", {"op": "x"}, 409, "has no open session"),
        ("POST", "/nodes/us-1/messages", None, 400, "has no JSON object"),
        ("POST", "/clock/advance", {"time": 1}, 409, "only a manual clock"),
        ("DELETE", "/faults/7", None, 404, "there is no fault 7"),
        ("DELETE", "/faults/x", None, 404, "there is no /faults/x"),
        ("PUT", "/nodes", None, 405, "takes GET"),
        ("GET", "/wait?for=session_open&timeout=0", None, 504, "no session_open within 0 s"),
        ("GET", "/wait?for=event", None, 400, "kind"),
        ("POST", "/faults", {"do": "kill", "nodes": "as-*"}, 400, "pattern of no node"),
        ("POST", "/faults", {"do": "kill", "every": "1s", "for": "2s"}, 400, "shorter than for"),
        ("POST", "/faults", {"do": "kill", "status": 500, "nodes": "as-*"}, 400, "status: is not used by kill; nodes:"),
        ("POST", "/reset", b"{", 400, "is not JSON"),
        ("POST", "/reset", b"[" * 100_000, 400, "is not JSON"),
        ("POST", "/reset", b'{"x": NaN}', 400, "NaN"),
        ("POST", "/reset", [], 400, "is not a JSON object"),
        ("POST", "/reset", b" " * (LARGEST_BODY + 1), 413, "bytes"),
    ],
)
def test_what_is_refused(method: str, path: str, body: Any, status: int, said: str) -> None:
    """Each refusal says why, and what to do."""

    async def work() -> None:
        async with serving() as admin:
            found = await admin.ask(method, path, body)
            assert (found[0], said in json.dumps(found[1])) == (status, True), found

    asyncio.run(work())


def test_all_mistakes_at_once_with_the_nearest_name() -> None:
    """In the query and in the body."""

    async def work() -> None:
        async with serving() as admin:
            status, found = await admin.ask("POST", "/faults", {"doo": "kill", "chance": 2, "retry_after": "x"})
            assert (status, [(one["key"], one["hint"]) for one in found["problems"]]) == (
                400,
                [("doo", "did you mean do?"), ("chance", None), ("retry_after", None), ("do", "What goes wrong")],
            )
            status, found = await admin.ask("GET", "/wait?for=player_playin&for=x&timeout=-1&nod=us-1")
            assert (status, [(one["key"], one["hint"]) for one in found["problems"]]) == (
                400,
                [
                    ("for", None),
                    ("for", "did you mean player_playing?"),
                    ("timeout", None),
                    ("nod", "did you mean node?"),
                ],
            )

    asyncio.run(work())


@pytest.mark.parametrize("path", ["/nodes", "/nothing", "/", "/nodes/us-1/kill"])
def test_everything_needs_the_token(path: str) -> None:
    """A page of a browser that reaches the port under any name learns nothing, not even which routes exist."""

    async def work() -> None:
        async with serving() as admin:
            for token in ("", "x", TOKEN[:-1], TOKEN.upper(), "é"):
                status, found = await admin.ask("POST", path, token=token.encode().decode("latin-1"))
                assert (status, "us-1" in str(found)) == (401, False)

    asyncio.run(work())


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
KEYS = st.sampled_from(("do", "nodes", "at", "for", "every", "players", "time", "code", "guild", "x"))


@settings(max_examples=examples(5, 100), deadline=None)
@given(bodies=st.lists(st.dictionaries(KEYS, JSON, max_size=4), min_size=20, max_size=20))
def test_any_body_is_answered(bodies: list[dict[str, Any]]) -> None:
    """Done or refused with a reason, never a defect of the server."""

    async def work() -> None:
        async with serving() as admin:
            for body in bodies:
                for path in ("/faults", "/nodes/us-1/close-voice", "/clock/advance", "/nodes/eu-1/load"):
                    status, found = await admin.ask("POST", path, body)
                    assert status in (200, 400, 409), found

    asyncio.run(work())
