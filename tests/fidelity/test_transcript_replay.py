"""Every recorded websocket scenario of both servers, played to a real node, message by message.

The server here keeps the recording's order and, sped up, its timing. After each message it sends a ping: the pong says
that the node has taken in all before it. Where the recording client left, here the network drops the connection. The
states the node goes through stand in ``tests/data/fidelity``; ``REVVLINK_TEST_GOLDEN=write`` writes them anew.
"""

from __future__ import annotations

import asyncio
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from revvlink_cli import Node, NodeStatus, Pool
from revvlink_cli.client.errors import RevvlinkException
from revvlink_cli.client.snapshot import StatsOrigin
from tests.fidelity.read_recordings import LAVALINK, NODELINK, Step, Transcript, exchanges, transcripts
from tests.fidelity.replay_server import PASSWORD, Request, read_request, response, serving
from tests.fidelity.websocket_frames import CLOSE, PING, PONG, TEXT, frame, read_frame, switching

if TYPE_CHECKING:
    from collections.abc import Awaitable

PINS = Path(__file__).parent.parent / "data" / "fidelity"
SPEED = 100.0
LONGEST_GAP = 0.02
PATIENCE = 20.0
BARRIER = b"barrier"


@dataclass
class Socket:
    """One websocket of the node under test, seen from the server."""

    request: Request
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    pongs: asyncio.Queue[bytes] = field(default_factory=asyncio.Queue)
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    switched: asyncio.Event = field(default_factory=asyncio.Event)

    async def read(self) -> None:
        """Take the node's frames until it has gone."""
        await self.switched.wait()
        try:
            while True:
                opcode, payload = await read_frame(self.reader)
                if opcode == PONG:
                    self.pongs.put_nowait(payload)
                elif opcode == CLOSE:
                    return
        except (EOFError, ConnectionError):
            return
        finally:
            self.ended.set()

    async def send(self, opcode: int, payload: bytes) -> None:
        """Send one frame."""
        self.writer.write(frame(opcode, payload))
        await self.writer.drain()

    async def barrier(self) -> None:
        """Return once the node has taken in all that was sent, or has gone."""
        await self.ping(BARRIER)

    async def ping(self, payload: bytes) -> None:
        """Send a ping; its pong has the same payload."""
        await self.send(PING, payload)
        async with asyncio.timeout(PATIENCE):
            pong = asyncio.ensure_future(self.pongs.get())
            end = asyncio.ensure_future(self.ended.wait())
            await asyncio.wait((pong, end), return_when=asyncio.FIRST_COMPLETED)
            if pong.done():
                assert pong.result() == payload
            pong.cancel()
            end.cancel()
            await asyncio.wait((pong, end))

    def drop(self) -> None:
        """Lose the connection, without a close frame."""
        self.writer.transport.abort()
        self.ended.set()


class Scripted:
    """A server that follows a scenario; what the node asks on its own account it answers as a server would."""

    def __init__(self, server: str) -> None:
        rest = {entry.name: entry for entry in exchanges(server, "rest")}
        self._info, self._stats = rest["info"].wire, rest["stats-first"].wire
        self._headers = {
            name: value for name, value in rest["info"].headers.items() if name.endswith(("Version", "Nodelink"))
        } | {"Content-Type": "application/json"}
        self.sockets: asyncio.Queue[Socket] = asyncio.Queue()
        self.handshakes = 0
        self.open: list[Socket] = []
        self.most_open = 0
        self.players: list[Any] = []
        self.listed = asyncio.Event()
        self.next_answer: tuple[str, Any, int | None] | None = None

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        while (request := await read_request(reader)) is not None:
            if request.path == "/v4/websocket":
                self.handshakes += 1
                socket = Socket(request, reader, writer)
                self.open = [entry for entry in self.open if not entry.ended.is_set()] + [socket]
                self.most_open = max(self.most_open, len(self.open))
                self.sockets.put_nowait(socket)
                await socket.read()
                return
            told = self._answer(request)
            if told is None:
                writer.transport.abort()
                return
            writer.write(told)
            await writer.drain()

    def _answer(self, request: Request) -> bytes | None:
        if self.next_answer is not None and self.next_answer[0] == request.path:
            _, body, status = self.next_answer
            if status is None:
                return None
            return response(b"" if body is None else body, status=f"{status} Recorded", headers=self._headers)
        match request.method, request.path.split("/")[1:]:
            case "GET", ["v4", "info"]:
                return self._info
            case "GET", ["v4", "stats"]:
                return self._stats
            case "PATCH", ["v4", "sessions", _]:
                return response(json.loads(request.body), headers=self._headers)
            case "GET", ["v4", "sessions", _, "players"]:
                self.listed.set()
                return response(self.players, headers=self._headers)
        return response({}, status="404 Not Found", headers=self._headers)


@dataclass(frozen=True)
class Scenario:
    """What one client lives through in a transcript: its sockets one after the other."""

    id: str
    server: str
    steps: tuple[Step, ...]

    @property
    def losses(self) -> int:
        """How often its connection ends."""
        return sum(step.kind in ("close", "drop") for step in self.steps)


def scenarios(transcript: Transcript) -> list[Scenario]:
    """A socket that takes up the session of another belongs to the same client; others are clients of their own."""
    clients: list[list[str]] = []
    for step in transcript.steps:
        if step.kind == "handshake" and step.direction == "out":
            if "Session-Id" in step.fields["headers"] and clients:
                clients[-1].append(step.socket)
            else:
                clients.append([step.socket])
    server = transcript.id.partition("/")[0]
    return [
        Scenario(
            id=transcript.id + (f" {'+'.join(sockets)}" if len(clients) > 1 else ""),
            server=server,
            steps=tuple(step for step in transcript.steps if step.socket in sockets),
        )
        for sockets in clients
    ]


class Player:
    """Plays one scenario to a node, and keeps what the node went through."""

    def __init__(self, scenario: Scenario, script: Scripted, node: Node) -> None:
        self._scenario = scenario
        self._script = script
        self._node = node
        self._name = ""
        self._socket: Socket | None = None
        self._asked: Step | None = None
        self.states: list[str] = []
        self.disagreements: list[str] = []

    async def play(self) -> None:
        """Every step in order."""
        last = 0.0
        for number, step in enumerate(self._scenario.steps):
            await asyncio.sleep(min((step.at - last) / 1000 / SPEED, LONGEST_GAP))
            last = step.at
            await self._step(number, step)
            self._note(f"{number} {step.direction} {step.kind}")

    def _note(self, what: str) -> None:
        state = describe(self._node)
        if not self.states or self.states[-1].partition(": ")[2] != state:
            self.states.append(f"{what}: {state}")

    async def _step(self, number: int, step: Step) -> None:
        match step.direction, step.kind:
            case "out", "handshake":
                await self._expect_handshake(number, step)
            case "out", "rest":
                self._asked = step
            case "in", "rest":
                await self._ask(step)
            case "out", "close" | "drop":
                await self._lose(step, lambda socket: socket.drop())
        if step.direction == "in" and step.socket == self._name and self._socket is not None:
            await self._tell(step, self._socket)

    async def _tell(self, step: Step, socket: Socket) -> None:
        """What the server does on the node's present connection."""
        match step.kind:
            case "handshake":
                assert step.fields["status"] == 101
                socket.writer.write(switching(socket.request.headers["sec-websocket-key"], step.fields["headers"]))
                socket.switched.set()
            case "text":
                self._script.listed.clear()
                await socket.send(TEXT, step.fields["text"].encode())
                await socket.barrier()
                if self._node.status is NodeStatus.CONNECTED and json.loads(step.fields["text"]).get("resumed") is True:
                    async with asyncio.timeout(PATIENCE):
                        await self._script.listed.wait()  # the node asks for its players, and reads on meanwhile
                    for _ in range(3):
                        await socket.barrier()
            case "ping":
                await socket.ping(bytes.fromhex(step.fields["data"] or ""))
            case "close" if step.fields["code"] == 1006:
                await self._lose(step, lambda socket: socket.drop())
            case "close":
                code = step.fields["code"].to_bytes(2, "big")
                await self._lose(step, lambda socket: socket.writer.write(frame(CLOSE, code)))

    async def _expect_handshake(self, number: int, step: Step) -> None:
        if self._socket is not None and not self._socket.ended.is_set():
            self._socket.drop()  # a half-open connection: the node has lost it, the server has not
        self._name = step.socket
        known = [later.fields for later in self._scenario.steps[number:] if later.kind == "rest"]
        lists = [
            answer["body"]
            for question, answer in zip(known[::2], known[1::2], strict=False)
            if question["path"].endswith("/players") and answer["status"] == 200
        ]
        self._script.players = lists[0] if lists else []
        async with asyncio.timeout(PATIENCE):
            self._socket = await self._script.sockets.get()
        session = step.fields["headers"].get("Session-Id")
        if session and number:
            assert self._socket.request.headers.get("session-id") == session

    async def _lose(self, step: Step, end: Any) -> None:
        if self._socket is None or self._socket.ended.is_set() or step.socket != self._name:
            return
        was_connected = self._node.status is NodeStatus.CONNECTED
        end(self._socket)
        if was_connected:
            async with asyncio.timeout(PATIENCE):
                while self._node.status is NodeStatus.CONNECTED:
                    await asyncio.sleep(0.001)
        async with asyncio.timeout(PATIENCE):
            await self._socket.ended.wait()

    async def _ask(self, answer: Step) -> None:
        """Make the recorded request through the node, and answer it as recorded."""
        assert self._asked is not None
        method, path, body = (self._asked.fields[key] for key in ("method", "path", "body"))
        self._script.next_answer = (path, answer.fields["body"], answer.fields["status"])
        players = f"/v4/sessions/{self._node.session_id}/players"
        try:
            await self._request(method, path, body, players, answer)
        except RevvlinkException as error:
            self.states.append(f"{method} {path} raises {error.code}")
        finally:
            self._script.next_answer = None

    async def _request(self, method: str, path: str, body: Any, players: str, answer: Step) -> None:
        call: Awaitable[Any]
        match method, path.removeprefix(players).split("/"):
            case "GET", [""]:
                if answer.fields["status"] == 200:
                    self.disagreements += disagreements(self._node, answer.fields["body"])
                call = self._node.fetch_players()
            case "PATCH", ["", guild] if "?" not in guild:
                call = self._node.update_player(guild, body)
            case "DELETE", ["", guild]:
                call = self._node.destroy_player(guild)
            case _:
                call = self._node.rest.send(method, path, data=body)
        await call


def describe(node: Node) -> str:
    """The node and its players in one line."""
    snapshot = node.snapshot()
    # While the network is down, the node tries and waits by its own clock.
    told = ["connected" if snapshot.status is NodeStatus.CONNECTED else "not connected"]
    if snapshot.session_id:
        told.append(f"session {snapshot.session_id}{' resumed' if snapshot.resumed else ''}")
    if snapshot.error is not None:
        told.append(f"error {snapshot.error.code}")
    if (timed := snapshot.timed_stats) is not None and timed.origin is StatsOrigin.WEBSOCKET:
        stats = timed.stats
        told.append(f"stats {stats.players}/{stats.playing} up {stats.uptime_ms} frames {stats.frames}")
    for player in node.session_players.values():
        track = player.track.title if player.track else "nothing"
        state = player.state
        told.append(
            f"{player.guild_id} plays {track} at {state.position} volume {player.volume}"
            f"{' paused' if player.paused else ''}{'' if state.connected else ' unconnected'} ping {state.ping}"
        )
    told += [f"{name} x{count}" for name, count in sorted(snapshot.unknown.items())]
    told += [f"odd {name}" for name in snapshot.unexpected_fields]
    if snapshot.unparsed:
        told.append(f"unparsed {snapshot.unparsed}")
    return "; ".join(told)


def disagreements(node: Node, listed: list[dict[str, Any]]) -> list[str]:
    """Where the session's players, which the messages made, differs from the recorded list of players."""
    found = []
    mine = node.session_players
    if mine.keys() != {int(player["guildId"]) for player in listed}:
        found.append(f"players {sorted(mine)} where the server lists {sorted(player['guildId'] for player in listed)}")
    for player in listed:
        known = mine.get(int(player["guildId"]))
        if known is None:
            continue
        track = player["track"]["info"]["identifier"] if player["track"] else None
        told = (player["volume"], player["paused"], track, player["state"]["connected"])
        have = (known.volume, known.paused, known.track.identifier if known.track else None, known.state.connected)
        if told != have:
            found.append(f"{have} where the server lists {told}")
    return found


async def run(scenario: Scenario) -> tuple[list[str], list[str]]:
    """Play one scenario; gives the states, and where the session's players and the server disagreed."""

    class Fresh(Pool):
        """A pool of its own."""

    script = Scripted(scenario.server)
    async with asyncio.timeout(120), serving(script.handle) as uri:
        node = Node(identifier=scenario.id, uri=uri, password=PASSWORD, timeout=5, user_id=170000000000000001)
        player = Player(scenario, script, node)
        connecting = asyncio.ensure_future(Fresh.connect(nodes=[node]))
        try:
            await player.play()
        finally:
            while not script.sockets.empty():
                script.sockets.get_nowait().drop()
            connecting.cancel()
            await asyncio.wait([connecting])
            await Fresh.close()
        assert connecting.cancelled() or connecting.exception() is None or script.handshakes > 1 or scenario.losses
        assert script.handshakes <= 1 + scenario.losses, f"{scenario.id}: {script.handshakes} handshakes"
        assert script.most_open == 1, f"{scenario.id}: {script.most_open} sockets at once"
    assert f"node {scenario.id}" not in {task.get_name() for task in asyncio.all_tasks()}
    return player.states, player.disagreements


@pytest.mark.parametrize("server", [LAVALINK, NODELINK])
def test_every_scenario(server: str) -> None:
    """Node and players go through the pinned states; one reconnect a loss, one socket at a time, no task left."""

    async def work() -> dict[str, tuple[list[str], list[str]]]:
        async with asyncio.TaskGroup() as group:
            tasks = {
                scenario.id: group.create_task(run(scenario))
                for transcript in transcripts(server)
                for scenario in scenarios(transcript)
            }
        return {name: task.result() for name, task in tasks.items()}

    played = asyncio.run(work())
    found = {name: {"states": states, "disagreements": odd} for name, (states, odd) in played.items()}
    path = PINS / f"{server}-ws.json"
    if os.environ.get("REVVLINK_TEST_GOLDEN") == "write":
        path.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    pinned = json.loads(path.read_text(encoding="utf-8"))
    assert found.keys() == pinned.keys()
    assert [name for name in found if found[name] != pinned[name]] == []
