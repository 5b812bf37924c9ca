"""A client that does again what the recorder did in a transcript; and how what it is told differs."""

from __future__ import annotations

import asyncio
import json
import os
from base64 import b64encode
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from tests.fidelity.read_recordings import differences
from tests.fidelity.replay_requests import Answered, read_answer
from tests.fidelity.websocket_frames import BINARY, CLOSE, PING, PONG, TEXT, frame, read_frame

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from revvlink_cli.simulator import Simulator
    from tests.fidelity.read_recordings import Step, Transcript

PATIENCE = 5.0
"""Seconds to wait for a message that the genuine server had sent by now."""


@dataclass
class Heard:
    """What came on one websocket.

    Attributes:
        messages: All but player updates, in order; a close as its code.
        updates: The player updates in order.
        others: Messages that come when they will.
    """

    messages: list[Any] = field(default_factory=list)
    updates: list[Any] = field(default_factory=list)
    others: list[Any] = field(default_factory=list)

    def add(self, message: Any, untimed: tuple[str, ...] = ()) -> None:
        """One more; whether ready or the first statistics come first is chance on the genuine server."""
        if isinstance(message, dict) and message.get("op") in untimed:
            self.others.append(message)
        elif isinstance(message, dict) and message.get("op") == "playerUpdate":
            self.updates.append(message)
        elif isinstance(message, dict) and message.get("op") == "ready":
            self.messages.insert(0, message)
        else:
            self.messages.append(message)


def recorded(transcript: Transcript, upto: int | None = None, untimed: tuple[str, ...] = ()) -> dict[str, Heard]:
    """What came in the transcript, by socket; messages of some ops come when they will, and are kept apart."""
    heard: dict[str, Heard] = {}
    for step in transcript.steps[:upto]:
        if step.direction != "in":
            continue
        if step.kind == "text":
            heard.setdefault(step.socket, Heard()).add(json.loads(step.fields["text"]), untimed)
        elif step.kind == "close" and step.fields["code"] != 1006:
            heard.setdefault(step.socket, Heard()).add(step.fields["code"])
    return heard


def unlike(transcript: Transcript, heard: Mapping[str, Heard], untimed: tuple[str, ...] = ()) -> list[str]:
    """Where what was heard differs from the recording: kinds and order of messages, their keys and types."""
    found = []
    for socket, expected in recorded(transcript, None, untimed).items():
        got = heard.get(socket, Heard())
        was, now = [_kind(entry) for entry in expected.messages], [_kind(entry) for entry in got.messages]
        if was != now:
            found.append(f"socket {socket}: {now} instead of {was}")
            continue
        for old, new in zip(expected.messages, got.messages, strict=True):
            found += [f"{_kind(old)}: {told}" for told in differences(old, new)]
        for new in got.others:  # each is like one that was recorded: with or without frames
            told = sorted((differences(old, new) for old in expected.others), key=len)
            found += told[0] if told else []
        before, after = _voice_over_time(expected.updates), _voice_over_time(got.updates)
        if before != after:
            found.append(f"socket {socket}: voice in updates {after} instead of {before}")
        if expected.updates and got.updates:
            found += [f"playerUpdate: {told}" for told in differences(expected.updates[0], got.updates[0])]
    return found


def _kind(message: Any) -> str:
    if not isinstance(message, dict):
        return f"close {message}"
    names = ("op", "type", "resumed", "reason", "code", "byRemote")
    return " ".join(str(message[name]) for name in names if name in message)


def _voice_over_time(updates: list[Any]) -> list[bool]:
    told: list[bool] = []
    for update in updates:
        if not told or told[-1] != update["state"]["connected"]:
            told.append(update["state"]["connected"])
    return told


class Actor:
    """Does what the recorder did, `speed` times as fast."""

    def __init__(
        self,
        transcript: Transcript,
        uri: str,
        password: str,
        speed: float,
        changes: Mapping[str, str],
        happen: Callable[[Step, str], Awaitable[None]],
        untimed: tuple[str, ...] = (),
    ) -> None:
        self._transcript = transcript
        self._address = urlsplit(uri)
        self._password = password
        self._speed = speed
        self._changes = dict(changes)
        self._happen = happen
        self._untimed = untimed
        self._guild = ""
        self._sockets: dict[str, tuple[asyncio.StreamWriter, asyncio.Task[None]]] = {}
        self._asked: Step | None = None
        self.heard: dict[str, Heard] = {}
        self.odd: list[str] = []

    async def act(self) -> list[str]:
        """All steps; gives the differences."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            for number, step in enumerate(self._transcript.steps):
                await asyncio.sleep(max(began + step.at / 1000 / self._speed - loop.time(), 0))
                if step.direction != "in":
                    await self._await(recorded(self._transcript, number, self._untimed))
                    await self._step(step)
                elif step.kind == "rest":
                    await self._ask(step)
            await self._await(recorded(self._transcript, None, self._untimed))
        finally:
            for writer, task in self._sockets.values():
                writer.close()
                await asyncio.wait([task])
        return self.odd + unlike(self._transcript, self.heard, self._untimed)

    async def _await(self, expected: dict[str, Heard]) -> None:
        """Until all that the recorder had heard has come."""
        deadline = asyncio.get_running_loop().time() + PATIENCE
        for socket, heard in expected.items():
            while (
                len(self.heard.get(socket, Heard()).messages) < len(heard.messages)
                or (heard.updates and not self.heard.get(socket, Heard()).updates)
            ) and asyncio.get_running_loop().time() < deadline:
                await asyncio.sleep(0.002)

    async def _step(self, step: Step) -> None:
        match step.kind:
            case "handshake":
                await self._connect(step)
            case "rest":
                self._asked = step
            case "text" | "binary" | "ping" if step.direction == "out":
                opcode = {"text": TEXT, "binary": BINARY, "ping": PING}[step.kind]
                data = step.fields.get("text", "").encode() or bytes(step.fields.get("size") or 0)
                self._sockets[step.socket][0].write(frame(opcode, data))
            case "close" if step.direction == "out":
                self._sockets[step.socket][0].write(frame(CLOSE, step.fields["code"].to_bytes(2, "big")))
            case "drop":
                self._sockets[step.socket][0].transport.abort()
            case _:
                await self._happen(step, self._guild)

    async def _connect(self, step: Step) -> None:
        reader, writer = await asyncio.open_connection(self._address.hostname, self._address.port)
        headers = dict(step.fields["headers"])
        if "Session-Id" in headers:
            headers["Session-Id"] = self._changes.get(headers["Session-Id"], headers["Session-Id"])
        headers |= {"Authorization": self._password, "Host": self._address.netloc, "Upgrade": "websocket"}
        headers |= {"Connection": "Upgrade", "Sec-WebSocket-Version": "13"}
        headers |= {"Sec-WebSocket-Key": b64encode(os.urandom(16)).decode()}
        lines = [f"GET {step.fields['path']} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
        writer.write("\r\n".join(lines).encode() + b"\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")
        task = asyncio.ensure_future(self._listen(step.socket, reader, writer))
        self._sockets[step.socket] = writer, task

    async def _listen(self, socket: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard = self.heard.setdefault(socket, Heard())
        while True:
            try:
                opcode, payload = await read_frame(reader)
            except (EOFError, ConnectionError):
                return
            if opcode == TEXT:
                message = json.loads(payload)
                if message["op"] == "ready":
                    self._learn(socket, message["sessionId"])
                heard.add(message, self._untimed)
            elif opcode == PING:
                writer.write(frame(PONG, payload))
            elif opcode == CLOSE:
                code = int.from_bytes(payload[:2], "big")
                if not any(step.direction == "out" and step.kind == "close" for step in self._steps_of(socket)):
                    heard.add(code)
                writer.close()
                return

    def _steps_of(self, socket: str) -> list[Step]:
        return [step for step in self._transcript.steps if step.socket == socket]

    def _learn(self, socket: str, session: str) -> None:
        """From now on the recorded session's name means this one."""
        for step in self._steps_of(socket):
            if step.direction == "in" and step.kind == "text":
                message = json.loads(step.fields["text"])
                if message["op"] == "ready":
                    self._changes[message["sessionId"]] = session

    async def _ask(self, answer: Step) -> None:
        assert self._asked is not None
        method, path, told = (self._asked.fields[key] for key in ("method", "path", "body"))
        body = b"" if told is None else json.dumps(told).encode()
        for old, new in self._changes.items():
            path, body = path.replace(old, new), body.replace(old.encode(), new.encode())
        if "/players/" in path:
            self._guild = path.split("/players/")[1].partition("?")[0]
        reader, writer = await asyncio.open_connection(self._address.hostname, self._address.port, limit=2**22)
        lines = [f"{method} {path} HTTP/1.1", f"Host: {self._address.netloc}", f"Authorization: {self._password}"]
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"] if body else []
        try:
            writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
            got: Answered = await read_answer(reader, method, PATIENCE)
        finally:
            writer.close()
        where = f"{method} {self._asked.fields['path']} at {answer.at:.0f} ms"
        if got.status != answer.fields["status"]:
            self.odd.append(f"{where}: status {got.status} instead of {answer.fields['status']}")
        else:
            found = differences(answer.fields["body"], got.value)
            # NodeLink counts requests and events by name: others are known to another server.
            self.odd += [f"{where}: {told}" for told in found if not told.startswith(".detailedStats.")]


def act_all(
    simulator: Simulator,
    scenarios: Sequence[Transcript],
    password: str,
    speed: float,
    changes: Mapping[str, str],
    untimed: tuple[str, ...] = (),
) -> dict[str, list[str]]:
    """Act scenarios side by side, each on the simulated node of its name; gives the differences of each."""

    async def act(transcript: Transcript) -> list[str]:
        node = simulator[transcript.id]

        async def happen(step: Step, guild: str) -> None:
            """What was done to the recorded server: a SIGTERM that closed nothing in order counts as a kill."""
            if step.kind == "voice-server":
                await asyncio.to_thread(node.close_voice, guild, int(step.fields["note"].rpartition(" ")[2]))
            else:
                await asyncio.to_thread(node.kill if transcript.id.endswith("abrupt") else node.stop)

        return await Actor(transcript, node.uri, password, speed, changes, happen, untimed).act()

    async def work() -> dict[str, list[str]]:
        async with asyncio.TaskGroup() as group:
            tasks = {transcript.id: group.create_task(act(transcript)) for transcript in scenarios}
        return {name: task.result() for name, task in tasks.items()}

    return asyncio.run(work())
