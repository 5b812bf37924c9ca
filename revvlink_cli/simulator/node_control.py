"""One simulated node, and what can be done to it."""

from __future__ import annotations

import asyncio
import logging
import random
import socket
import struct
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from aiohttp import web

from revvlink_cli.simulator.control_errors import NodeDownError, NodeUpError, NothingThereError
from revvlink_cli.simulator.message_faults import MessageFaults
from revvlink_cli.simulator.node import Node
from revvlink_cli.simulator.nodelink.node import NodeLink
from revvlink_cli.simulator.request_faults import RequestFaults
from revvlink_cli.simulator.requests import Request, RequestLog
from revvlink_cli.simulator.scenario import MESSAGE_ACTIONS, REQUEST_ACTIONS

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping

    from revvlink_cli.simulator.clock import Clock
    from revvlink_cli.simulator.event_log import EventLog
    from revvlink_cli.simulator.profile import NodeProfile
    from revvlink_cli.simulator.scenario import Fault
    from revvlink_cli.simulator.session import Session

log = logging.getLogger(__name__)
log.addHandler(logging.NullHandler())  # a client that disconnects during a request must not print to the terminal

VOICE_CLOSED, WEBSOCKET_CLOSED = 4006, 1011
"""Close codes of Discord's voice connections and of websockets if a fault has none."""

BACKLOG = 512
"""Connections that may wait to be accepted."""

_RESET = struct.pack("ii", 1, 0)
"""SO_LINGER with a time of zero: closing the socket sends a reset."""


def here(host: str) -> str:
    """The address by which programs on this machine reach what listens on an address."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104


class NodeControl:
    """One node of a `Simulation`. Its methods run in the simulation's loop, and return once they have taken effect.

    Attributes:
        profile: Its properties.
        port: Its port; 0 before its first start if it takes a free one.
        faults: The faults that its requests have.
        log: The requests that it received.
    """

    _started = 0

    def __init__(
        self,
        profile: NodeProfile,
        *,
        host: str,
        clock: Clock,
        events: EventLog,
        seed: int | None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.profile = profile
        self.port = profile.port
        self._first_profile = profile
        self._host = host
        self._tls = tls
        self._clock = clock
        self._events = events
        self._seed = seed
        self._node: Node | None = None
        self._runner: web.AppRunner | None = None
        self._placeholder: socket.socket | None = None
        self._frozen: list[asyncio.Transport] = []
        self._turn = asyncio.Lock()  # serialises starts and stops
        self.log = RequestLog(profile.identifier, clock, events)
        self._begin()

    def _begin(self) -> None:
        """Be as before the first start."""
        self.profile = profile = self._first_profile
        self._uptime_ms = profile.uptime_ms
        self._names = random.Random(profile.identifier)  # noqa: S311 - names for a simulation
        chance = random.Random(f"{self._seed}/{profile.identifier}" if self._seed is not None else None)  # noqa: S311
        self.faults = RequestFaults(self._clock, chance)
        messages = random.Random(f"{self._seed}/{profile.identifier}/messages" if self._seed is not None else None)  # noqa: S311
        self.message_faults = MessageFaults(messages)
        self.log.requests.clear()

    @property
    def host(self) -> str:
        """The host by which clients on this machine reach the node."""
        return here(self._host)

    @property
    def uri(self) -> str:
        """The HTTP address of the node for clients on this machine."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'http' if self._tls is None else 'https'}://{host}:{self.port}"

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
    def is_frozen(self) -> bool:
        """Whether it answers nothing."""
        return self._node is not None and self.is_up and not self._node.answers.is_set()

    @property
    def received(self) -> tuple[Request, ...]:
        """The last thousand requests that it received, oldest first; a start keeps them."""
        return tuple(self.log.requests.copy())

    @property
    def requests(self) -> tuple[tuple[str, str], ...]:
        """Method and path of those that it received since the last start."""
        return tuple((request.method, request.path) for request in self.received if request.number > self._started)

    async def start(self) -> None:
        """Listen again on the same port, without the earlier sessions.

        Raises:
            NodeUpError: It runs.
            OSError: Its port is taken.
        """
        async with self._turn:
            if self._runner is not None:
                raise NodeUpError(self.profile.identifier)
            kind = NodeLink if self.profile.dialect == "nodelink" else Node
            node = kind(self.profile, self._clock, self._names, self.faults, uptime_ms=self._uptime_ms)
            node.observer, node.message_faults = self._observe, self.message_faults
            application = node.application()
            application.middlewares.insert(0, self.log.middleware)
            runner = web.AppRunner(application, logger=log, access_log=None, shutdown_timeout=0.2, handle_signals=False)
            await runner.setup()
            self.release_port()
            try:
                await web.TCPSite(runner, self._host, self.port, backlog=BACKLOG, ssl_context=self._tls).start()
            except OSError:
                await runner.cleanup()
                raise
            self.port = runner.addresses[0][1]
            self._node, self._runner = node, runner
            self._uptime_ms = 0  # the uptime of the profile is for the first start only
            self._started = self._events.next_number()
            self._events.add(self.profile.identifier, "node_started")

    def _observe(self, message: Mapping[str, Any]) -> None:
        self._events.add_message(self.profile.identifier, message)

    def _up(self) -> Node:
        """The node while it is up.

        Raises:
            NodeDownError: It is down.
        """
        if self._node is None or self._runner is None:
            raise NodeDownError(self.profile.identifier)
        return self._node

    async def stop(self) -> None:
        """Stop as on SIGTERM: a Lavalink closes its websockets with 1001, a NodeLink with 1000.

        Raises:
            NodeDownError: It is down, as for everything else below.
        """
        await self._stop(abort=False)

    async def kill(self) -> None:
        """Stop as on SIGKILL: connections are reset."""
        await self._stop(abort=True)

    async def _stop(self, *, abort: bool) -> None:
        async with self._turn:
            if self._runner is None or self._node is None:
                raise NodeDownError(self.profile.identifier)
            runner, self._runner = self._runner, None
            for site in tuple(runner.sites):
                await site.stop()
            self._reserve_port()
            if abort:
                self._reset(runner)
            self._thaw_now()
            await self._node.close(code=None if abort else self._node.closing_code)
            await runner.cleanup()
            self._events.add(self.profile.identifier, "node_stopped", detail="killed" if abort else "stopped")

    async def reset(self) -> None:
        """Start anew as at the start of the simulation, with the first profile, and without requests and faults."""
        if self.is_up:
            await self.stop()
        self._begin()

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
        self._up()
        if self._runner is not None:
            self._reset(self._runner)

    async def freeze(self, *, websockets: bool = True) -> None:
        """Accept connections but answer nothing, on open connections either.

        Args:
            websockets: Whether open websockets freeze too. False is a Lavalink whose HTTP workers all hang: it answers
                no request and no handshake, but still sends statistics and pongs.
        """
        node = self._up()
        node.answers.clear()
        if not websockets or self._runner is None or self._runner.server is None:
            return
        node.thawed.clear()
        for connection in self._runner.server.connections:
            transport = connection.transport
            if isinstance(transport, asyncio.Transport) and transport.is_reading():
                transport.pause_reading()
                self._frozen.append(transport)

    async def thaw(self) -> None:
        """Undo `freeze`."""
        self._up()
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
        self._up().answer_delay = seconds

    async def set_password(self, password: str) -> None:
        """Accept another password from now on; open websockets stay."""
        self._change(password=password)

    async def set_frames(self, *, nulled: int = 0, deficit: int = 0) -> None:
        """Lose frames of audio: so many a minute, of 3,000, are nulled or missing in the statistics of its players."""
        self._set_frames(nulled, deficit)
        await self._up().push_stats()

    def _set_frames(self, nulled: int | None, missing: int | None) -> None:
        given = {"nulled_frames": nulled, "missing_frames": missing}
        self._change(**{name: value for name, value in given.items() if value is not None})

    def _change(self, **changes: Any) -> None:
        node = self._up()
        self.profile = node.profile = replace(self.profile, **changes)
        for session in node.sessions.values():
            session.profile = self.profile

    async def send(self, message: Mapping[str, Any], *, guild: str | None = None) -> int:
        """Send any message to clients, as if the node had sent it; gives the number of sessions that get it.

        Args:
            message: The message: ``op``, and for events ``type`` and ``guildId``.
            guild: Only sessions with a player of this guild get it, with its ``guildId``; None is every open session.

        Raises:
            NothingThereError: No open session takes part.
        """
        sessions = [
            session
            for session in self._up().sessions.copy().values()
            if session.is_open and (guild is None or guild in session.players)
        ]
        if not sessions:
            where = "open session" if guild is None else f"open session with a player of guild {guild}"
            raise NothingThereError(f"{self.profile.identifier} has no {where}")
        for session in sessions:
            await session.send({**message} if guild is None else {**message, "guildId": guild})
        return len(sessions)

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
        node = self._up()
        node.players = node.players if players is None else players
        node.playing = node.playing if playing is None else playing
        node.system_load = node.system_load if system_load is None else system_load
        node.lavalink_load = node.lavalink_load if lavalink_load is None else lavalink_load
        node.memory_used = node.memory_used if memory_used is None else memory_used
        await node.push_stats()

    async def close_voice(self, guild_id: str, code: int) -> None:
        """Simulate that Discord closes the voice connection of a guild's player with this code (4014, 4006 ...).

        "" is every guild.

        Raises:
            NothingThereError: No player of it has a voice connection.
        """
        node = self._up()
        players = [player for session in node.sessions.values() for player in session.players.values()]
        if not any(player.is_connected and guild_id in ("", player.guild_id) for player in players):
            whose = f"player of guild {guild_id}" if guild_id else "player"
            raise NothingThereError(f"{self.profile.identifier} has no {whose} with a voice connection")
        await node.close_voice(guild_id, code)

    async def begin_fault(self, fault: Fault) -> None:
        """Let a fault of a scenario begin."""
        if fault.do in REQUEST_ACTIONS:
            self.faults.begin(fault)
            return
        if fault.do in MESSAGE_ACTIONS:
            self.message_faults.begin(fault)
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
                self._set_frames(fault.nulled_frames, fault.missing_frames)
                await self.set_load(players=fault.players, playing=fault.playing, system_load=fault.system_load)
            case "close_voice":
                await self.close_voice(fault.guild, VOICE_CLOSED if fault.code is None else fault.code)
            case "close":
                await self._close_websockets(fault)
            case "lose_sessions":
                await self.lose_sessions()

    async def end_fault(self, fault: Fault) -> None:
        """Let a fault end; what happens in a moment needs no end."""
        if fault.do in REQUEST_ACTIONS:
            self.faults.end(fault)
            return
        if fault.do in MESSAGE_ACTIONS:
            self.message_faults.end(fault)
            for session in self.sessions.values():
                await session.send_held()
            return
        match fault.do:
            case "kill" | "stop":
                await self.start()
            case "freeze" | "hang":
                await self.thaw()
            case "load":
                load = self._first_profile
                self._set_frames(load.nulled_frames, load.missing_frames)
                await self.set_load(players=load.players, playing=load.playing, system_load=load.system_load)

    async def _close_websockets(self, fault: Fault) -> None:
        """Close the websockets that chance lets have the fault; sessions wait for their clients."""
        code = WEBSOCKET_CLOSED if fault.code is None else fault.code
        sessions = [session for session in self._up().sessions.values() if session.is_open]
        sockets = [session.socket for session in sessions if self.message_faults.hits(fault)]
        await asyncio.gather(*(socket.close(code=code) for socket in sockets if socket is not None))

    async def lose_sessions(self) -> None:
        """Forget the sessions that wait for their clients, and let no open one wait later."""
        for session in tuple(self._up().sessions.values()):
            session.forget()
