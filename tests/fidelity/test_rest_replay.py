"""Every recorded REST answer of both servers, byte for byte, through the real client.

What each comes to stands in ``tests/data/fidelity``; ``REVVLINK_TEST_GOLDEN=write`` writes it anew, for a person to
read the difference.
"""

from __future__ import annotations

import asyncio
import json
import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from revvlink_cli import Playlist
from revvlink_cli.client.connection.session_players import RemotePlayer
from tests.fidelity.read_recordings import LAVALINK, NODELINK, Exchange, exchanges
from tests.fidelity.replay_server import Request, answering, outcome, plainly, response

PINS = Path(__file__).parent.parent / "data" / "fidelity"
FOLDERS = {
    LAVALINK: ("rest", "rest-plugin", "rest-routeplanner"),
    NODELINK: ("rest", "rest-cluster", "rest-guard", "rest-trackstream"),
}


@dataclass(frozen=True)
class Replayed:
    """What the client made of one recorded answer.

    Attributes:
        told: The value or the exception, as JSON values.
        value: The value itself.
        asked: What the client asked for it.
    """

    told: dict[str, Any]
    value: Any
    asked: list[Request]


async def replay(exchange: Exchange, *, piece: int | None = None) -> Replayed:
    """Let the client ask for one recorded answer."""
    asked: list[Request] = []

    def answer(request: Request) -> bytes | None:
        asked.append(request)
        if request.path != asked[0].path:  # what follows a refused /v4/info was not recorded with it
            return response(b"", status="404 Not Found")
        return None if exchange.status is None else exchange.wire

    timeout = 5.0 if exchange.status is not None else 1.0  # long enough to connect on a busy machine
    async with asyncio.timeout(60), answering(answer, piece=piece, timeout=timeout) as node:
        return Replayed(*await outcome(node, exchange), asked)


@cache
def replays(server: str) -> dict[str, Replayed]:
    """All of a server's recorded answers, replayed side by side: some are told to wait."""

    async def work() -> dict[str, Replayed]:
        async with asyncio.TaskGroup() as group:
            tasks = {entry.id: group.create_task(replay(entry)) for entry in exchanges(server, *FOLDERS[server])}
        return {name: task.result() for name, task in tasks.items()}

    return asyncio.run(work())


@pytest.mark.parametrize("server", [LAVALINK, NODELINK])
def test_every_answer_is_understood(server: str) -> None:
    """Each recorded answer comes to the value or the exception that is pinned; nothing else is ever raised."""
    found = {name: replayed.told for name, replayed in replays(server).items()}

    path = PINS / f"{server}.json"
    if os.environ.get("REVVLINK_TEST_GOLDEN") == "write":
        path.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    pinned = json.loads(path.read_text(encoding="utf-8"))
    assert found.keys() == pinned.keys()
    assert [name for name in found if found[name] != pinned[name]] == []


@pytest.mark.parametrize(
    "exchange",
    [entry for server in (LAVALINK, NODELINK) for entry in exchanges(server, "rest") if entry.name in (
        "info", "stats-first", "loadtracks-wav", "unknown-route", "auth-wrong", "player-get-with-track", "version",
    )],
    ids=lambda entry: entry.id,
)  # fmt: skip
def test_however_it_is_cut(exchange: Exchange) -> None:
    """The same answer byte by byte, and in pieces that cut headers, chunks and characters, comes to the same."""
    whole = replays(exchange.id.partition("/")[0])[exchange.id].told
    for piece in (1, 7):
        assert asyncio.run(replay(exchange, piece=piece)).told == whole


def losses(sent: Any, told: Any, path: str = "") -> list[str]:
    """What was sent and is not told."""
    if isinstance(sent, dict) and isinstance(told, dict):
        return [loss for key in sent for loss in losses(sent[key], told.get(key, "gone"), f"{path}.{key}")]
    if isinstance(sent, list) and isinstance(told, list) and len(sent) == len(told):
        return [loss for index, item in enumerate(sent) for loss in losses(item, told[index], f"{path}[{index}]")]
    return [] if sent == told else [f"{path}: {sent!r} became {told!r}"]


def tracks_of(value: Any) -> Any:
    """The tracks in the data of a load, a decode or a player."""
    if isinstance(value, dict) and "tracks" in value:
        return value["tracks"]
    return value if isinstance(value, list) else [value]


@pytest.mark.parametrize("server", [LAVALINK, NODELINK])
def test_no_field_of_a_track_is_lost(server: str) -> None:
    """Every track loaded, decoded or played is told again with each field it came with, known or not."""
    seen = 0
    for exchange in exchanges(server, *FOLDERS[server]):
        if exchange.status != 200 or not isinstance(exchange.value, dict | list):
            continue
        body: Any = exchange.value
        if "/loadtracks" in exchange.path and body.get("loadType") in ("track", "search", "playlist"):
            sent = tracks_of(body["data"])
        elif "/decodetrack" in exchange.path:
            sent = tracks_of(body)
        elif "/players" in exchange.path:
            sent = [player["track"] for player in tracks_of(body) if player.get("track")]
        else:
            continue
        value = replays(server)[exchange.id].value
        if isinstance(value, RemotePlayer):
            value = [value]
        if not isinstance(value, list | Playlist):
            continue  # sent as it was, with a parameter that this client has no call for
        told = [item.track if isinstance(item, RemotePlayer) else item for item in value]
        assert losses(sent, [plainly(track) for track in told if track]) == [], exchange.id
        seen += len(sent)
    assert seen > 20


@pytest.mark.parametrize("server", [LAVALINK, NODELINK])
def test_the_request_is_the_recorded_one(server: str) -> None:
    """For what it has a call for, the client asks what the recorder asked: method, path, query and body."""
    for exchange in exchanges(server, "rest"):
        if exchange.status is None or exchange.status >= 400 or "?" in exchange.path:
            continue
        asked = replays(server)[exchange.id].asked[0]
        assert (asked.method, asked.path) == (exchange.method, exchange.path), exchange.id
        if isinstance(exchange.request_body, dict) and exchange.method == "PATCH":
            assert json.loads(asked.body).items() <= exchange.request_body.items(), exchange.id
