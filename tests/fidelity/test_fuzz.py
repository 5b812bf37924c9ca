"""Every recorded answer and message with one field dropped, null or of another type, through the real client.

Whatever a server makes of its answers: nothing but the client's own exceptions, the same connection, the same node.
"""

from __future__ import annotations

import asyncio
import io
import json
import time
from contextlib import redirect_stdout
from itertools import islice
from typing import TYPE_CHECKING, Any

import pytest

from revvlink_cli import NodeStatus, Playlist, Pool
from revvlink_cli.client.connection.transport import Transport
from revvlink_cli.client.errors import Code, RevvlinkException
from revvlink_cli.client.protocol.tracks import Playable
from revvlink_cli.client.snapshot import FleetSnapshot
from revvlink_cli.commands.nodes.status_rows import StatusRow, status_row
from revvlink_cli.commands.shared.track_rows import TrackRow, track_row
from revvlink_cli.health.fleet import assess
from revvlink_cli.health.policy import Policy
from revvlink_cli.output.check_rows import CheckRow
from revvlink_cli.output.formats import Format
from revvlink_cli.output.renderers import create_renderer
from revvlink_cli.output.result import CheckResult, Result
from revvlink_cli.output.screen import Page
from revvlink_cli.output.streams import Output
from tests.example_counts import examples
from tests.fidelity.mutations import mutations, shape
from tests.fidelity.read_recordings import LAVALINK, NODELINK, Exchange, exchanges, transcripts
from tests.fidelity.replay_server import Request, answering, outcome, read_request, response, rest, serving
from tests.fidelity.scripted_node import Listening, node_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from revvlink_cli import Node

SERVERS = (LAVALINK, NODELINK)

EVERY = examples(3, 1)
"""Of the changes each third is tried, or each one; `tests/fuzz` gives all of them to the parsers in other mixtures."""


def answers(server: str) -> Iterator[Exchange]:
    """One recorded answer of each shape to each route."""
    seen = set()
    for exchange in exchanges(server, "rest", "rest-plugin", "rest-routeplanner"):
        if exchange.status is None or not isinstance(exchange.value, dict | list):
            continue
        route = (exchange.method, *exchange.path.partition("?")[0].split("/")[1:3], exchange.path.count("/"))
        kind = (route, exchange.status, shape(exchange.value))
        if kind not in seen:
            seen.add(kind)
            yield exchange


def some_mutations(value: Any) -> Iterator[tuple[str, bytes]]:
    """Each third of the changes, beginning at another one for each value, so that no kind of change is left out."""
    yield from islice(mutations(value), len(str(value)) % EVERY, None, EVERY)


@pytest.mark.parametrize("server", SERVERS)
def test_rest_answers(server: str) -> None:
    """Each changed answer is a value or one of the client's exceptions, and the connection serves the next."""
    told = b""
    connections = 0
    every = examples(4, 1)

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        while await read_request(reader) is not None:
            writer.write(told)

    async def work() -> int:
        nonlocal told
        cases = 0
        async with serving(handle) as uri:
            transport = Transport()
            try:
                for exchange in answers(server):
                    status = f"{exchange.status} Recorded"
                    headers = {
                        name: value
                        for name, value in exchange.headers.items()
                        if name.lower() not in ("content-length", "transfer-encoding", "retry-after", "connection")
                    }
                    for name, body in some_mutations(exchange.value):
                        told = response(body, status=status, headers=headers)
                        try:
                            async with asyncio.timeout(5):
                                # raises what is not a RevvlinkException
                                _, value = await outcome(rest(uri, transport), exchange)
                            if cases % every == 0:
                                show_tracks(value)
                        except Exception as error:
                            error.add_note(f"{exchange.id}: {name}")
                            raise
                        cases += 1
            finally:
                await transport.close()
        return cases

    assert asyncio.run(work()) > examples(1000, 3000)
    assert connections == 1


def show(node: Node) -> None:
    """Everything that is made of a node for people and programs: nobody must stumble over what stands in it."""
    snapshot, now = node.snapshot(), time.monotonic()
    costs = {snapshot.identifier: snapshot.timed_stats.penalty} if snapshot.timed_stats else {}
    report = assess(FleetSnapshot(now, (snapshot,), costs), Policy(min_healthy=1), timeout=5.0)
    for kind in (Format.NAGIOS, Format.PROMETHEUS, Format.JUNIT):
        page = Page()
        create_renderer(kind, "check", page, no_color=True).end(CheckResult((), CheckRow, report=report))
        assert page.text
    row = status_row(snapshot, snapshot.timed_stats.penalty if snapshot.timed_stats else None, now, None)
    for kind in (Format.TABLE, Format.JSON):
        with redirect_stdout(io.StringIO()) as written:
            writer = create_renderer(kind, "nodes status", Output(), no_color=True)
            writer.begin(StatusRow)
            writer.end(Result((row,), StatusRow))
        assert written.getvalue()


def show_tracks(value: Any) -> None:
    """The tracks in a value, as `search` shows them."""
    tracks = [item for item in value if isinstance(item, Playable)] if isinstance(value, list | Playlist) else []
    rows = tuple(track_row(track.to_payload()) for track in tracks)
    for kind in (Format.TABLE, Format.JSON) if rows else ():
        with redirect_stdout(io.StringIO()):
            writer = create_renderer(kind, "search", Output(), no_color=True)
            writer.begin(TrackRow)
            writer.end(Result(rows, TrackRow))


def messages(server: str) -> Iterator[dict[str, Any]]:
    """One recorded message of each shape and kind."""
    seen = set()
    for transcript in transcripts(server):
        for step in transcript.steps:
            if step.direction != "in" or step.kind != "text":
                continue
            message = json.loads(step.fields["text"])
            kind = (message.get("op"), message.get("type"), shape(message))
            if kind not in seen and message.get("op") != "ready":
                seen.add(kind)
                yield message


GOOD = (
    b'{"op":"stats","players":%d,"playingPlayers":0,"uptime":1,"memory":{"free":1,"used":1,"allocated":1,"reservable":1},'
    b'"cpu":{"cores":2,"systemLoad":0.5,"lavalinkLoad":0.25}}'
)


@pytest.mark.parametrize("server", SERVERS)
def test_messages(server: str) -> None:
    """After each changed message the node is connected as before, is shown, and takes in the next good one."""

    class Fresh(Pool):
        """A pool of its own."""

    every = examples(4, 1)  # most of the time is taken by showing the node in every format

    async def work() -> int:
        script = Listening(server)
        cases = 0
        async with serving(script.handle) as uri:
            node = node_for(uri)
            try:
                await Fresh.connect(nodes=[node])
                for message in messages(server):
                    for name, body in some_mutations(message):
                        try:
                            await script.tell(body)
                            if cases % every == 0:
                                show(node)
                        except Exception as error:
                            error.add_note(f"{message.get('op')} {message.get('type')}: {name}")
                            raise
                        cases += 1
                        assert node.status is NodeStatus.CONNECTED, name
                await script.tell(GOOD % cases)
                timed = node.snapshot().timed_stats
                assert timed is not None
                assert timed.stats.players == cases
            finally:
                await Fresh.close()
        assert script.handshakes == 1
        return cases

    assert asyncio.run(work()) > examples(650, 2000)


@pytest.mark.parametrize("server", SERVERS)
def test_info(server: str) -> None:
    """Whatever ``/v4/info`` becomes, connecting ends in a usable node or in one clear refusal, after one handshake."""

    async def some(cases: list[tuple[str, bytes]]) -> set[str]:
        class Fresh(Pool):
            """A pool of its own."""

        script = Listening(server)
        came_to = set()
        async with serving(script.handle) as uri:
            for count, (name, body) in enumerate(cases, 1):
                script.changed_info(body)
                node = node_for(uri)
                try:
                    async with asyncio.timeout(10):
                        await Fresh.connect(nodes=[node])
                    came_to.add("connected")
                except RevvlinkException as error:
                    came_to.add(f"{name}: {error.code}")
                show(node)
                await Fresh.close()
                assert script.handshakes == count, name
        return came_to

    async def work() -> set[str]:
        exchange = next(entry for entry in exchanges(server, "rest") if entry.name == "info")
        cases = list(some_mutations(exchange.value))
        side_by_side = 16  # each waits a while for statistics that never come
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(some(cases[start::side_by_side])) for start in range(side_by_side)]
        return set().union(*(task.result() for task in tasks))

    # The server's headers say what it is: whatever stands in the body, the node serves its websocket.
    assert asyncio.run(work()) == {"connected"}


def test_ready() -> None:
    """A changed ready message gives a session, or no_ready within the timeout; never a second connection at once."""

    async def one(body: bytes) -> tuple[str, int]:
        class Fresh(Pool):
            """A pool of its own."""

        script = Listening(LAVALINK)
        script.first = body
        async with serving(script.handle) as uri:
            node = node_for(uri, timeout=4.0)  # on a busy machine all of them connect at once
            try:
                await Fresh.connect(nodes=[node])
                show(node)
            except RevvlinkException as error:
                return str(error.code), script.handshakes
            else:
                return "connected", script.handshakes
            finally:
                await Fresh.close()

    async def work() -> list[tuple[str, tuple[str, int]]]:
        ready = {"op": "ready", "resumed": False, "sessionId": "la3kfsdf5eafe848"}
        cases = list(mutations(ready))
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(body)) for _, body in cases]
        return [(name, task.result()) for (name, _), task in zip(cases, tasks, strict=True)]

    for name, (came_to, handshakes) in asyncio.run(work()):
        assert handshakes == 1, name
        without = name.startswith(("all = ", "op = ")) or (
            name.startswith("sessionId = ") and name != 'sessionId = "text"' and "\\u" not in name
        )
        assert came_to == (Code.NO_READY if without else "connected"), name


@pytest.mark.parametrize("server", SERVERS)
def test_what_cannot_be_read_costs_nothing_else(server: str) -> None:
    """Of a search, a playlist and a list of players all is kept that can be read, and what cannot be is named."""
    track = next(entry for entry in exchanges(server, "rest") if entry.name == "loadtracks-wav").value["data"]
    player = {"guildId": "1", "track": {"no": "track"}, "volume": 7}
    told: dict[str, Any] = {
        "search": {"loadType": "search", "data": [track, {"encoded": 5}, track]},
        "list": {
            "loadType": "playlist",
            "data": {"info": {"name": "n", "selectedTrack": 2}, "tracks": [None, track, track, {}]},
        },
    }

    def answer(request: Request) -> bytes:
        if "/players" in request.path:
            return response([player, "none", {"guildId": "2", "track": track}])
        return response(told[request.path.rpartition("=")[2]])

    async def work() -> None:
        async with answering(answer) as node:
            assert [found.title for found in await node.load("search")] == [track["info"]["title"]] * 2
            playlist = await node.load("list")
            assert isinstance(playlist, Playlist)
            assert (len(playlist), playlist.selected) == (2, 1)
            first, second = await node.players("a")
            assert (first.guild_id, first.track, first.volume) == (1, None, 7)
            assert first.extra["track"] == player["track"]
            assert second.track is not None
            assert node.unexpected_fields == {
                "/v4/loadtracks data[]", "/v4/loadtracks data.tracks[]", "players []", "players track",
            }  # fmt: skip

    asyncio.run(work())


STATUSES = (
    b"HTTP/1.1 100 Continue", b"HTTP/1.1 103 Early Hints", b"HTTP/1.1 101 Switching Protocols", b"HTTP/1.1 204 Empty",
    b"HTTP/1.1 206 Part", b"HTTP/1.1 304 Same", b"HTTP/1.1 200", b"HTTP/1.0 200 OK", b"HTTP/2 200 OK",
    b"HTTP/1.1 999 X", b"HTTP/1.1 099 X", b"HTTP/1.1 abc X", b"HTTP/1.1 301 Moved", b"HTTP/1.1 400 Bad",
    b"HTTP/1.1 401 No",
    b"HTTP/1.1 403 No", b"HTTP/1.1 407 No", b"HTTP/1.1 429 Wait", b"HTTP/1.1 500 Defect", b"HTTP/1.1 502 Bad",
    b"HTTP/1.1 503 Wait", b"HTTP/1.1 520 Odd", b"\x15\x03\x01\x00\x02\x02\x16", b"SSH-2.0-x", b"",
)  # fmt: skip

HEADERS = (
    b"Content-Length: 5", b"Content-Length: -1", b"Content-Length: 99999999999999999999", b"Content-Length: x",
    b"Transfer-Encoding: gzip", b"Transfer-Encoding: chunked, chunked", b"Retry-After: 0", b"Retry-After: 1e400",
    b"Retry-After: nan", b"Retry-After: -5", b"Retry-After: Wed, 21 Oct 9999999 07:28:00 GMT", b"Location: http://[::1",
    b"Set-Cookie: a=b; Domain=x", b"Content-Type: \xff\xfe", b"Content-Type: text/html", b"Content-Encoding: br",
    b"Content-Encoding: nonsense", b"Connection: upgrade", b"Upgrade: h2c", b"X: \x00", b"Bad Header", b": empty",
    b"Lavalink-Api-Version: 3", b"Nodelink-Api-Version: 4", b"\xffX: y",
)  # fmt: skip


def bent_heads() -> Iterator[bytes]:
    """``/v4/info`` as recorded with another status line, one header more or one less, or broken off."""
    whole = next(entry for entry in exchanges(LAVALINK, "rest") if entry.name == "info").wire
    head, _, body = whole.partition(b"\r\n\r\n")
    first, *rest = head.split(b"\r\n")
    end = b"\r\n\r\n" + body
    yield from (b"\r\n".join((status, *rest)) + end for status in STATUSES)
    yield from (b"\r\n".join((b"HTTP/1.1 503 Wait", *rest, extra)) + end for extra in HEADERS)
    yield from (b"\r\n".join((first, *rest, extra)) + end for extra in HEADERS)
    yield from (b"\r\n".join((first, *rest[:at], *rest[at + 1 :])) + end for at in range(len(rest)))
    yield from (whole[:cut] for cut in (1, 10, len(head) - 3, len(head) + 2, len(head) + 20, len(whole) - 1))


def test_heads() -> None:
    """Whatever the head of an answer becomes: a usable node or one clear refusal, after one handshake at most."""
    clueless: list[RevvlinkException] = []

    async def one(info: bytes) -> None:
        class Fresh(Pool):
            """A pool of its own."""

        script = Listening(LAVALINK)
        script.info = info
        async with serving(script.handle) as uri:
            node = node_for(uri, timeout=0.5)
            try:
                async with asyncio.timeout(60):
                    await Fresh.connect(nodes=[node])
            except RevvlinkException as error:
                clueless.extend([error] if not error.hint else [])
            else:
                assert node.status is NodeStatus.CONNECTED
            finally:
                show(node)
                await Fresh.close()
        assert script.handshakes <= 1

    async def work() -> int:
        bent = list(bent_heads())
        async with asyncio.TaskGroup() as group:
            for info in bent:
                group.create_task(one(info))
        return len(bent)

    assert asyncio.run(work()) > 80
    assert clueless == []
