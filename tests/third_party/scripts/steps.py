"""The steps that a script does with its client, for Python clients.

The script prints one JSON line for each step and goes on when it reads a line. Between the two the test looks at the
server, resets the connection, or ends the node.
"""

from __future__ import annotations

import asyncio
import json
import sys
import traceback
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

STEP_LIMIT = 15.0
"""Seconds that one step may take."""

GUILD, CHANNEL, USER = 81384788765712384, 155101607195836416, 170939974227541168
"""The ids of the bot's guild, of the voice channel and of the bot: those of the stand-in for Discord."""


@dataclass(frozen=True)
class Setting:
    """What a script is given.

    Attributes:
        kind: The kind of server: ``lavalink`` or ``nodelink``.
        phase: The steps to do: ``controls``, ``drop`` or ``kill``.
        nodes: ``host``, ``port`` and ``password`` of each node.
        endpoint: The voice endpoint that the stand-in for Discord sends.
        tracks: Identifiers to load, by what they are.
    """

    kind: str
    phase: str
    nodes: list[dict[str, Any]]
    endpoint: str
    tracks: dict[str, str]


class Client:
    """What a script defines for its client; a method raises what the client raises."""

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.ended = asyncio.Event()

    async def connect(self) -> None:
        """Connect to every node."""
        raise NotImplementedError

    async def load(self, identifier: str) -> str:
        """Load an identifier; returns ``tracks``, ``track``, ``playlist``, ``nothing`` or ``error``."""
        raise NotImplementedError

    async def join(self) -> None:
        """Join the voice channel."""
        raise NotImplementedError

    async def play(self, identifier: str) -> None:
        """Load a track and play it."""
        raise NotImplementedError

    async def pause(self, paused: bool) -> None:
        """Pause or resume."""
        raise NotImplementedError

    async def seek(self, milliseconds: int) -> None:
        """Go to a position."""
        raise NotImplementedError

    async def volume(self, percent: int) -> None:
        """Change the volume."""
        raise NotImplementedError

    async def filters(self) -> None:
        """Play at twice the speed."""
        raise NotImplementedError

    async def move(self) -> None:
        """Move the player to a node that is left, as the client's documentation says."""
        raise NotImplementedError


async def until(condition: Callable[[], Any]) -> None:
    """Wait for what a client does in the background, such as a connection that it does not await."""
    while not condition():
        await asyncio.sleep(0.05)


async def _say(step: str, outcome: str) -> str:
    """Report a step; returns the line that the test answers with."""
    print(json.dumps({"step": step, "client": outcome}), flush=True)  # noqa: T201 - what the test reads
    return (await asyncio.to_thread(sys.stdin.readline)).strip()


async def _outcome(work: Awaitable[Any]) -> str:
    """What a call of the client comes to."""
    try:
        async with asyncio.timeout(STEP_LIMIT):
            returned = await work
    except TimeoutError:
        return f"no return in {STEP_LIMIT:.0f} s"
    except Exception as error:  # noqa: BLE001 - what a client raises is its outcome
        traceback.print_exc()
        return f"raises {type(error).__name__}"
    return returned if isinstance(returned, str) else "ok"


async def _controls(client: Client) -> None:
    tracks = client.setting.tracks
    for kind in ("search", "url", "playlist", "empty", "error"):
        if kind in tracks:
            await _say(kind, await _outcome(client.load(tracks[kind])))
    await _say("voice", await _outcome(client.join()))
    await _say("play", await _outcome(client.play(tracks["long"])))
    await _say("pause", await _outcome(client.pause(True)))
    await _say("resume", await _outcome(client.pause(False)))
    await _say("seek", await _outcome(client.seek(20_000)))
    await _say("volume", await _outcome(client.volume(50)))
    await _say("filters", await _outcome(client.filters()))
    if client.setting.kind == "nodelink":
        return  # it does not know how long a file is, so clients do not seek to near its end
    client.ended.clear()
    sought = await _outcome(client.seek(58_500))
    event = await _outcome(client.ended.wait())
    await _say("end", ("event" if event == "ok" else "no event") if sought == "ok" else sought)


async def _lost(client: Client, phase: str) -> None:
    """Play, lose the connection or the node, and see what is left."""
    joined = await _outcome(client.join())
    played = await _outcome(client.play(client.setting.tracks["long"]))
    await _say("begin", played if joined == "ok" else joined)
    await _say("ahead", await _outcome(client.seek(20_000)))
    answer = await _say(phase, "")
    if phase == "drop":
        await _say("pause after drop", await _outcome(client.pause(True)))
    elif answer == "stayed":
        await _say("move", await _outcome(client.move()))


async def _main(kind: type[Client]) -> None:
    setting = Setting(**json.loads(sys.argv[1]))
    client = kind(setting)
    connected = await _outcome(client.connect())
    await _say("connect", connected)
    if setting.phase == "controls":
        await _controls(client)
    else:
        await _lost(client, setting.phase)
    await _say("done", "")


def run(kind: type[Client]) -> None:
    """Do the steps; the process is ended by the test, so nothing is closed."""
    asyncio.run(_main(kind))
