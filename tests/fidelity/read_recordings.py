"""The recorded exchanges with genuine servers, read; and how the shape of an answer is compared with a recorded one."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

DATA = Path(__file__).parent.parent / "data" / "recordings"
LAVALINK, NODELINK = "lavalink-4.2.2", "nodelink-3.7.0"


@dataclass(frozen=True)
class Exchange:
    """One request, and what the genuine server answered.

    Attributes:
        id: ``server/folder/name``.
        method: HTTP method.
        path: As sent, percent-encoded, with the query.
        request_headers: What the recorder sent.
        request_body: What the recorder sent, as JSON or text; None is nothing.
        status: HTTP status; None where no answer came.
        reason: Reason phrase, or why no answer came.
        headers: Of the answer.
        body: The exact body.
        value: The body parsed where it is JSON, else its text; None where it is empty.
    """

    id: str
    method: str
    path: str
    request_headers: dict[str, str]
    request_body: Any
    status: int | None
    reason: str
    headers: dict[str, str]
    body: bytes
    value: Any

    @property
    def name(self) -> str:
        """The file's name."""
        return self.id.rpartition("/")[2]

    @property
    def wire(self) -> bytes:
        """The answer byte for byte: status line, headers, and the body framed as its headers say.

        Where the recorder replaced a folder in a body, or left out what was compressed, the length is that of the rest.
        """
        body, headers = self.body, dict(self.headers)
        if "Content-Length" in headers and self.method != "HEAD":
            headers["Content-Length"] = str(len(body))
        head = [f"HTTP/1.1 {self.status} {self.reason}", *(f"{key}: {value}" for key, value in headers.items())]
        if self.headers.get("Transfer-Encoding") == "chunked":
            body = (b"%x\r\n%s\r\n" % (len(body), body) if body else b"") + b"0\r\n\r\n"
        return "\r\n".join(head).encode() + b"\r\n\r\n" + body


@dataclass(frozen=True)
class Step:
    """One line of a transcript.

    Attributes:
        at: Milliseconds since the start of the scenario.
        socket: Which connection, where there are several; else "".
        direction: ``out`` from the client, ``in`` from the server, ``info`` for what else happens.
        kind: ``handshake``, ``text``, ``close``, ``drop``, ``ping``, ``binary``, ``rest`` or ``server`` and such.
        fields: All that the line says.
    """

    at: float
    socket: str
    direction: str
    kind: str
    fields: dict[str, Any]


@dataclass(frozen=True)
class Transcript:
    """A websocket scenario."""

    id: str
    note: str
    steps: tuple[Step, ...]


@cache
def exchanges(server: str, *folders: str) -> tuple[Exchange, ...]:
    """The recorded requests in these folders, or in all that begin with ``rest``, or are ``handshake``."""
    found = []
    for path in sorted((DATA / server).glob("*/*.json")):
        folder = path.parent.name
        data = json.loads(path.read_text(encoding="utf-8"))
        if (folders and folder not in folders) or "request" not in data:
            continue
        asked, answer = data["request"], data["response"]
        found.append(
            Exchange(
                id=f"{server}/{folder}/{path.stem}",
                method=asked["method"],
                path=asked["path"],
                request_headers=asked["headers"],
                request_body=asked["body"],
                status=answer["status"],
                reason=answer["reason"] or "",
                headers=answer["headers"] or {},
                body=(answer["text"] or "").encode("utf-8", "surrogatepass"),
                value=answer["body"],
            )
        )
    return tuple(found)


@cache
def transcripts(server: str) -> tuple[Transcript, ...]:
    """The recorded websocket scenarios."""
    found = []
    for path in sorted((DATA / server / "ws").glob("*.jsonl")):
        first, *lines = (json.loads(line) for line in path.read_text(encoding="utf-8").splitlines())
        steps = tuple(Step(line["t"], line.get("socket", ""), line["dir"], line["type"], line) for line in lines)
        found.append(Transcript(f"{server}/ws/{path.stem}", first["note"], steps))
    return tuple(found)


def differences(recorded: Any, answered: Any, path: str = "") -> list[str]:
    """Where an answer has other keys or other types than the recorded one, all the way down.

    Lists are compared by their first elements, an empty one with nothing; whole numbers pass for fractions, as JSON
    writes 0.0 and 0 for the same figure. Key order counts for nothing.
    """
    if isinstance(recorded, dict) and isinstance(answered, dict):
        found = [f"{path}.{key} is missing" for key in recorded.keys() - answered.keys()]
        found += [f"{path}.{key} is not in the recording" for key in answered.keys() - recorded.keys()]
        for key in recorded.keys() & answered.keys():
            found += differences(recorded[key], answered[key], f"{path}.{key}")
        return sorted(found)
    if isinstance(recorded, list) and isinstance(answered, list):
        if recorded and answered:
            return differences(recorded[0], answered[0], f"{path}[0]")
        return []
    if _kind(recorded) != _kind(answered):
        return [f"{path or 'the body'} is {_kind(answered)} instead of {_kind(recorded)}"]
    return []


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, int | float):
        return "a number"
    return {str: "a text", dict: "an object", list: "a list", type(None): "null"}[type(value)]
