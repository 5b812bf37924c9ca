"""One simulated node, and what can be done to it."""

from __future__ import annotations

import asyncio
import logging
import random
import socket
import struct
from typing import TYPE_CHECKING

from aiohttp import web

from revvlink_cli.simulator.node import Node
from revvlink_cli.simulator.nodelink.node import NodeLink
from revvlink_cli.simulator.request_faults import RequestFaults
from revvlink_cli.simulator.scenario import REQUEST_ACTIONS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from revvlink_cli.simulator.clock import Clock
    from revvlink_cli.simulator.profile import NodeProfile
    from revvlink_cli.simulator.scenario import Fault
    from revvlink_cli.simulator.session import Session

log = logging.getLogger(__name__)
log.addHandler(logging.NullHandler())  # a client that disconnects during a request must not print to the terminal

BACKLOG = 512
"""Connections that may wait to be accepted."""

_RESET = struct.pack("ii", 1, 0)
"""SO_LINGER with a time of zero: closing the socket sends a reset."""


class NodeControl:
    """One node of a `Simulation`. Its methods run in the simulation's loop, and return once they have taken effect.

    Attributes:
        profile: Its properties.
        port: Its port; 0 before its first start if it takes a free one.
        faults: The faults that its requests have.
    """

    def __init__(self, profile: NodeProfile, *, host: str, clock: Clock, seed: int | None) -> None:
        self.profile = profile
        self.port = profile.port
        self._host = host
        self._clock = clock
        self._uptime_ms = profile.uptime_ms
        self._node: Node | None = None
        self._runner: web.AppRunner | None = None
        self._placeholder: socket.socket | None = None
        self._frozen: list[asyncio.Transport] = []
        self._turn = asyncio.Lock()  # serialises starts and stops
        self._names = random.Random(profile.identifier)  # noqa: S311 - names for a simulation
        chance = random.Random(f"{seed}/{profile.identifier}" if seed is not None else None)  # noqa: S311
        self.faults = RequestFaults(clock, chance)

    @property
    def host(self) -> str:
        """The host by which clients on this machine reach the node."""
        return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self._host, self._host)  # noqa: S104

    @property
    def uri(self) -> str:
        """The HTTP address of the node for clients on this machine."""
        return f"http://[{self.host}]:{self.port}" if ":" in self.host else f"http://{self.host}:{self.port}"

    @property
    def password(self) -> str:
        """The ``Authorization`` that the node accepts."""
        return self.profile.password

    @property
    def is_up(self) -> bool:
        """Whether the node runs."""
        return self._runner is not None

    @property
    def sessions(self) -> Mapping[str, Session]:
        """Its sessions by id, also those that wait for their clients; none while it is down."""
        return self._node.sessions.copy() if self._node is not None and self.is_up else {}

    @property
    def open_sockets(self) -> int:
        """The number of open websockets."""
        return sum(session.is_open for session in self.sessions.values())

    @property
    def requests(self) -> tuple[tuple[str, str], ...]:
        """Method and path of the last thousand requests since the last start."""
        return tuple(self._node.requests.copy()) if self._node else ()

    async def start(self) -> None:
        """Listen again on the same port, without the earlier sessions. Does nothing while the node runs."""
        async with self._turn:
            if self._runner is not None:
                return
            kind = NodeLink if self.profile.dialect == "nodelink" else Node
            node = kind(self.profile, self._clock, self._names, self.faults, uptime_ms=self._uptime_ms)
            runner = web.AppRunner(
                node.application(), logger=log, access_log=None, shutdown_timeout=0.2, handle_signals=False
            )
            await runner.setup()
            self.release_port()
            try:
                await web.TCPSite(runner, self._host, self.port, backlog=BACKLOG).start()
            except OSError:
                await runner.cleanup()
                raise
            self.port = runner.addresses[0][1]
            self._node, self._runner = node, runner
            self._uptime_ms = 0  # the uptime of the profile is for the first start only

    async def stop(self) -> None:
        """Stop as on SIGTERM: a Lavalink closes its websockets with 1001, a NodeLink with 1000."""
        await self._stop(abort=False)

    async def kill(self) -> None:
        """Stop as on SIGKILL: connections are reset."""
        await self._stop(abort=True)

    async def _stop(self, *, abort: bool) -> None:
        async with self._turn:
            if self._runner is None or self._node is None:
                return
            runner, self._runner = self._runner, None
            for site in tuple(runner.sites):
                await site.stop()
            self._reserve_port()
            if abort:
                self._reset(runner)
            self._thaw_now()
            await self._node.close(code=None if abort else self._node.closing_code)
            await runner.cleanup()

    def _reserve_port(self) -> None:
        """Bind the port of a stopped node without listening, so that no other program takes it."""
        host = self._host
        placeholder = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        placeholder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            placeholder.bind((host, self.port))
        except OSError:  # another program has taken it already
            placeholder.close()
        else:
            self._placeholder = placeholder

    def release_port(self) -> None:
        """Release the port of a stopped node."""
        if self._placeholder is not None:
            self._placeholder.close()
            self._placeholder = None

    def _reset(self, runner: web.AppRunner) -> None:
        for connection in runner.server.connections if runner.server is not None else ():
            transport = connection.transport
            if transport is not None:
                transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                transport.abort()

    async def drop(self) -> None:
        """Reset every connection, as a network failure does: the node continues and its sessions wait for clients."""
        if self._runner is not None:
            self._reset(self._runner)

    async def freeze(self, *, websockets: bool = True) -> None:
        """Accept connections but answer nothing, on open connections either.

        Args:
            websockets: Whether open websockets freeze too. False is a Lavalink whose HTTP workers all hang: it answers
                no request and no handshake, but still sends statistics and pongs.
        """
        if self._node is None or self._runner is None or self._runner.server is None:
            return
        self._node.answers.clear()
        if not websockets:
            return
        self._node.thawed.clear()
        for connection in self._runner.server.connections:
            transport = connection.transport
            if isinstance(transport, asyncio.Transport) and transport.is_reading():
                transport.pause_reading()
                self._frozen.append(transport)

    async def thaw(self) -> None:
        """Undo `freeze`."""
        self._thaw_now()

    def _thaw_now(self) -> None:
        for transport in self._frozen:
            if not transport.is_closing():
                transport.resume_reading()
        self._frozen.clear()
        if self._node is not None:
            self._node.thawed.set()
            self._node.answers.set()

    async def set_delay(self, seconds: float) -> None:
        """Delay every later response and handshake by this time."""
        if self._node is not None:
            self._node.answer_delay = seconds

    async def set_load(
        self,
        *,
        players: int | None = None,
        playing: int | None = None,
        system_load: float | None = None,
        lavalink_load: float | None = None,
        memory_used: int | None = None,
    ) -> None:
        """Change figures of the statistics, each as in `NodeProfile`, and send them to every session."""
        if self._node is None:
            return
        self._node.players = self._node.players if players is None else players
        self._node.playing = self._node.playing if playing is None else playing
        self._node.system_load = self._node.system_load if system_load is None else system_load
        self._node.lavalink_load = self._node.lavalink_load if lavalink_load is None else lavalink_load
        self._node.memory_used = self._node.memory_used if memory_used is None else memory_used
        await self._node.push_stats()

    async def close_voice(self, guild_id: str, code: int) -> None:
        """Simulate that Discord closes the voice connection of a guild's player with this code (4014, 4006 ...).

        "" is every guild.
        """
        if self._node is not None:
            await self._node.close_voice(guild_id, code)

    async def begin_fault(self, fault: Fault) -> None:
        """Let a fault of a scenario begin."""
        if fault.do in REQUEST_ACTIONS:
            self.faults.begin(fault)
            return
        match fault.do:
            case "kill":
                await self.kill()
            case "stop":
                await self.stop()
            case "freeze" | "hang":
                await self.freeze(websockets=fault.do == "freeze")
            case "drop":
                await self.drop()
            case "load":
                await self.set_load(players=fault.players, playing=fault.playing, system_load=fault.system_load)
            case "close_voice":
                await self.close_voice(fault.guild, fault.code)
            case "lose_sessions":
                await self.lose_sessions()

    async def end_fault(self, fault: Fault) -> None:
        """Let a fault end; what happens in a moment needs no end."""
        if fault.do in REQUEST_ACTIONS:
            self.faults.end(fault)
            return
        match fault.do:
            case "kill" | "stop":
                await self.start()
            case "freeze" | "hang":
                await self.thaw()
            case "load":
                load = self.profile
                await self.set_load(players=load.players, playing=load.playing, system_load=load.system_load)

    async def lose_sessions(self) -> None:
        """Forget the sessions that wait for their clients, and let no open one wait later."""
        if self._node is not None:
            for session in tuple(self._node.sessions.values()):
                session.forget()
