"""Plays the other side of a script: sees on the servers what its steps have come to, and lets nodes fail."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import aiohttp

    from tests.third_party.gate import Gate

GUILD = "81384788765712384"
"""The guild of every script."""

SEEN_LIMIT, RETURN_LIMIT, MOVE_LIMIT = 6.0, 25.0, 20.0
"""Seconds for a change to show on the server, for a client to connect again, and for a player to move."""

AHEAD, UPDATE_LIMIT = 20_000, 15.0
"""Milliseconds that a track is ahead when a node is lost, and seconds between two updates of a player at most."""

SETTLED = 2.0
"""Seconds that a client has after its `ready`: what it does with its players then cannot be seen from outside."""

Player = dict[str, Any]

SEEN: dict[str, Callable[[Player], bool]] = {
    "voice": lambda player: player["state"]["connected"],
    "play": lambda player: player["track"] is not None and player["state"]["position"] > 0 and not player["paused"],
    "begin": lambda player: player["track"] is not None and player["state"]["position"] > 0,
    "pause": lambda player: player["paused"],
    "resume": lambda player: not player["paused"],
    "seek": lambda player: player["state"]["position"] >= AHEAD,
    "ahead": lambda player: player["state"]["position"] >= AHEAD,
    "volume": lambda player: player["volume"] == 50,
    "filters": lambda player: _speed(player["filters"]) == 2,
    "end": lambda player: player["track"] is None,
    "pause after drop": lambda player: player["paused"] and player["track"] is not None,
}
"""Step -> whether the server has what the step asks for."""


def _speed(filters: dict[str, Any]) -> float | None:
    """The speed of the timescale; a NodeLink may nest its filters."""
    timescale = filters.get("timescale") or filters.get("filters", {}).get("timescale") or {}
    return timescale.get("speed")


class Stage:
    """The nodes that one script plays on.

    Attributes:
        outcomes: Step -> what it has come to.
    """

    def __init__(self, gates: list[Gate], http: aiohttp.ClientSession) -> None:
        self._gates = gates
        self._http = http
        self.outcomes: dict[str, str] = {}

    async def answer(self, step: str, client: str) -> str:
        """Take the report of a step; returns the line that the script goes on with."""
        match step:
            case "drop":
                self.outcomes[step] = await self._drop()
            case "kill":
                self.outcomes[step] = await self._kill()
                return "moved" if self.outcomes[step].startswith("moves") else "stayed"
            case "move":
                moved = await self._seen(lambda _: True, MOVE_LIMIT if client == "ok" else 0.0)
                self.outcomes[step] = client if moved or client != "ok" else "returns, but moves nothing"
            case _ if step in SEEN:
                seen = await self._seen(SEEN[step], SEEN_LIMIT)
                if step == "ahead" and seen:
                    await self._known()
                self.outcomes[step] = client if seen else f"{client}, not on the server"
            case _:
                self.outcomes[step] = client
        return "go"

    async def _players(self) -> list[tuple[Gate, Player]]:
        """The guild's players on the nodes that live, in all sessions of the script."""
        found = []
        for gate in self._gates:
            if gate.is_dead:
                continue
            for session in dict.fromkeys(ready.session for ready in gate.ready):
                url = f"http://127.0.0.1:{gate.upstream}/v4/sessions/{session}/players"
                async with self._http.get(url, headers={"Authorization": gate.password}) as response:
                    players = await response.json() if response.status == 200 else []
                found += [(gate, player) for player in players if player["guildId"] == GUILD]
        return found

    async def _seen(self, condition: Callable[[Player], bool], limit: float) -> bool:
        """Wait until a player is as it should be; returns whether it became so."""
        deadline = asyncio.get_running_loop().time() + limit
        while not any(condition(player) for _, player in await self._players()):
            if asyncio.get_running_loop().time() >= deadline:
                return False
            await asyncio.sleep(0.2)
        return True

    async def _known(self) -> None:
        """Wait until a message has the position ahead: the one right after a seek may have the old one."""
        async with asyncio.timeout(UPDATE_LIMIT):
            while all(gate.position < AHEAD for gate in self._gates):
                await asyncio.sleep(0.1)

    async def _drop(self) -> str:
        """Reset the connections of the only node, and wait for the client."""
        (gate,) = self._gates
        before = len(gate.ready)
        gate.drop()
        try:
            async with asyncio.timeout(RETURN_LIMIT):
                while len(gate.ready) == before:
                    await asyncio.sleep(0.1)
        except TimeoutError:
            return f"not back in {RETURN_LIMIT:.0f} s"
        await asyncio.sleep(SETTLED)
        return "resumed" if gate.ready[-1].resumed else "new session"

    async def _kill(self) -> str:
        """Let the node with the player vanish; returns what the client does about it without being asked."""
        gates = [gate for gate, _ in await self._players()]
        if not gates:
            return "no player to begin with"
        await gates[0].kill()
        if not await self._seen(lambda _: True, MOVE_LIMIT):
            return "stays"
        if not await self._seen(lambda player: player["track"] is not None, SEEN_LIMIT):
            return "moves an empty player"
        ahead = await self._seen(lambda player: player["state"]["position"] >= AHEAD, SEEN_LIMIT)
        return "moves, plays on" if ahead else "moves, plays from the start"


async def play(command: list[str], log: Path, environment: dict[str, str], stage: Stage) -> None:
    """Run a script to its end; the stage has its outcomes then.

    Raises:
        AssertionError: The script ended before its last step.
    """
    with log.open("wb") as errors:
        process = await asyncio.create_subprocess_exec(
            *command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=errors, env=environment
        )
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            while line := await process.stdout.readline():
                if not line.startswith(b'{"step"'):
                    continue  # what a client prints
                report = json.loads(line)
                if report["step"] == "done":
                    return
                process.stdin.write(f"{await stage.answer(report['step'], report['client'])}\n".encode())
                await process.stdin.drain()
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()
    raise AssertionError(f"the script ended after {[*stage.outcomes][-1:]}; it printed to {log}")
