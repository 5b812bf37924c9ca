"""Simulated nodes on loopback ports, in a thread and event loop of their own."""

from __future__ import annotations

import asyncio
import logging
import random
import socket
import struct
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self, TypeVar

from aiohttp import web

from revvlink_cli.simulator.node import Node
from revvlink_cli.simulator.nodelink.node import NodeLink
from revvlink_cli.simulator.request_faults import RequestFaults
from revvlink_cli.simulator.scenario import REQUEST_ACTIONS
from revvlink_cli.simulator.timeline import run_faults

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Iterator
    from types import TracebackType

    from revvlink_cli.simulator.profile import NodeProfile
    from revvlink_cli.simulator.scenario import Fault

T = TypeVar("T")

log = logging.getLogger(__name__)
log.addHandler(logging.NullHandler())  # a client that disconnects during a request must not print to the terminal

BACKLOG = 512
"""Connections that may wait to be accepted."""

_RESET = struct.pack("ii", 1, 0)
"""SO_LINGER with a time of zero: closing the socket sends a reset."""


class SimulatedNode:
    """One node of a `Simulator`. Its methods may be called from any thread and return once they have taken effect."""

    def __init__(self, simulator: Simulator, profile: NodeProfile, seed: int | None) -> None:
        self._simulator = simulator
        self.profile = profile
        self.port = profile.port
        self._uptime_ms = profile.uptime_ms
        self._node: Node | None = None
        self._runner: web.AppRunner | None = None
        self._placeholder: socket.socket | None = None
        self._frozen: list[asyncio.Transport] = []
        self._turn = asyncio.Lock()  # serialises starts and stops from several threads
        self._names = random.Random(profile.identifier)  # noqa: S311 - names for a simulation
        self.faults = RequestFaults(random.Random(f"{seed}/{profile.identifier}" if seed is not None else None))  # noqa: S311

    @property
    def host(self) -> str:
        """The host by which clients on this machine reach the node."""
        return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self._simulator.host, self._simulator.host)  # noqa: S104

    @property
    def uri(self) -> str:
        """The HTTP address of the node for clients on this machine."""
        return f"http://[{self.host}]:{self.port}" if ":" in self.host else f"http://{self.host}:{self.port}"

    @property
    def password(self) -> str:
        """The ``Authorization`` that the node accepts."""
        return self.profile.password

    @property
    def open_sockets(self) -> int:
        """The number of open websockets."""
        return sum(session.is_open for session in self._node.sessions.copy().values()) if self._node else 0

    @property
    def requests(self) -> tuple[tuple[str, str], ...]:
        """Method and path of the last thousand requests since the last start."""
        return tuple(self._node.requests.copy()) if self._node else ()

    def start(self) -> None:
        """Listen again on the same port, without the earlier sessions. Does nothing while the node runs."""
        self._simulator.call(self.start_here())

    def stop(self) -> None:
        """Stop as on SIGTERM: a Lavalink closes its websockets with 1001, a NodeLink with 1000."""
        self._simulator.call(self.stop_here(abort=False))

    def kill(self) -> None:
        """Stop as on SIGKILL: connections are reset."""
        self._simulator.call(self.stop_here(abort=True))

    def drop(self) -> None:
        """Reset every connection, as a network failure does: the node continues and its sessions wait for clients."""
        self._simulator.call(self.drop_here())

    def freeze(self, *, websockets: bool = True) -> None:
        """Accept connections but answer nothing, on open connections either.

        Args:
            websockets: Whether open websockets freeze too. False is a Lavalink whose HTTP workers all hang: it answers
                no request and no handshake, but still sends statistics and pongs.
        """
        self._simulator.call(self.freeze_here(websockets=websockets))

    def thaw(self) -> None:
        """Undo `freeze`."""
        self._simulator.call(self.thaw_here())

    def set_delay(self, seconds: float) -> None:
        """Delay every later response and handshake by this time."""
        self._simulator.call(self.set_delay_here(seconds))

    def set_load(
        self, *, players: int | None = None, playing: int | None = None, system_load: float | None = None
    ) -> None:
        """Change figures of the statistics, and send them to every session."""
        self._simulator.call(self.set_load_here(players=players, playing=playing, system_load=system_load))

    def close_voice(self, guild_id: str, code: int) -> None:
        """Simulate that Discord closes the voice connection of a guild's player with this code (4014, 4006 ...).

        "" is every guild.
        """
        self._simulator.call(self.close_voice_here(guild_id, code))

    # The methods below run in the simulator's loop.

    async def start_here(self) -> None:
        """See `start`."""
        async with self._turn:
            if self._runner is not None:
                return
            kind = NodeLink if self.profile.dialect == "nodelink" else Node
            node = kind(self.profile, self._names, self.faults, uptime_ms=self._uptime_ms)
            runner = web.AppRunner(
                node.application(), logger=log, access_log=None, shutdown_timeout=0.2, handle_signals=False
            )
            await runner.setup()
            self.release_port()
            try:
                await web.TCPSite(runner, self._simulator.host, self.port, backlog=BACKLOG).start()
            except OSError:
                await runner.cleanup()
                raise
            self.port = runner.addresses[0][1]
            self._node, self._runner = node, runner
            self._uptime_ms = 0  # the uptime of the profile is for the first start only

    async def stop_here(self, *, abort: bool) -> None:
        """See `stop` and `kill`."""
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
        host = self._simulator.host
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

    async def drop_here(self) -> None:
        """See `drop`."""
        if self._runner is not None:
            self._reset(self._runner)

    async def freeze_here(self, *, websockets: bool = True) -> None:
        """See `freeze`."""
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

    async def thaw_here(self) -> None:
        """See `thaw`."""
        self._thaw_now()

    def _thaw_now(self) -> None:
        for transport in self._frozen:
            if not transport.is_closing():
                transport.resume_reading()
        self._frozen.clear()
        if self._node is not None:
            self._node.thawed.set()
            self._node.answers.set()

    async def set_delay_here(self, seconds: float) -> None:
        """See `set_delay`."""
        if self._node is not None:
            self._node.answer_delay = seconds

    async def set_load_here(
        self,
        *,
        players: int | None = None,
        playing: int | None = None,
        system_load: float | None = None,
        lavalink_load: float | None = None,
        memory_used: int | None = None,
    ) -> None:
        """See `set_load`; load of the process and heap in use as in `NodeProfile`."""
        if self._node is None:
            return
        self._node.players = self._node.players if players is None else players
        self._node.playing = self._node.playing if playing is None else playing
        self._node.system_load = self._node.system_load if system_load is None else system_load
        self._node.lavalink_load = self._node.lavalink_load if lavalink_load is None else lavalink_load
        self._node.memory_used = self._node.memory_used if memory_used is None else memory_used
        await self._node.push_stats()

    async def close_voice_here(self, guild_id: str, code: int) -> None:
        """See `close_voice`."""
        if self._node is not None:
            await self._node.close_voice(guild_id, code)

    async def begin_fault(self, fault: Fault) -> None:
        """Let a fault of a scenario begin."""
        if fault.do in REQUEST_ACTIONS:
            self.faults.begin(fault)
            return
        match fault.do:
            case "kill" | "stop":
                await self.stop_here(abort=fault.do == "kill")
            case "freeze" | "hang":
                await self.freeze_here(websockets=fault.do == "freeze")
            case "drop":
                await self.drop_here()
            case "load":
                await self.set_load_here(players=fault.players, playing=fault.playing, system_load=fault.system_load)
            case "close_voice":
                await self.close_voice_here(fault.guild, fault.code)
            case "lose_sessions":
                await self.lose_sessions_here()

    async def end_fault(self, fault: Fault) -> None:
        """Let a fault end; what happens in a moment needs no end."""
        if fault.do in REQUEST_ACTIONS:
            self.faults.end(fault)
            return
        match fault.do:
            case "kill" | "stop":
                await self.start_here()
            case "freeze" | "hang":
                await self.thaw_here()
            case "load":
                load = self.profile
                await self.set_load_here(players=load.players, playing=load.playing, system_load=load.system_load)

    async def lose_sessions_here(self) -> None:
        """Forget the sessions that wait for their clients, and let no open one wait later."""
        if self._node is not None:
            for session in tuple(self._node.sessions.values()):
                session.forget()


class Simulator:
    """Simulated nodes that run while the ``with`` block runs.

    At the end of the block no thread, socket or task is left.

    Raises:
        ValueError: Two nodes have the same identifier.
        OSError: On entering the block: a requested port is in use.
    """

    def __init__(
        self,
        profiles: Iterable[NodeProfile],
        *,
        faults: Iterable[Fault] = (),
        seed: int | None = None,
        host: str = "127.0.0.1",
        on_event: Callable[[str, str, str], None] = lambda *_: None,
    ) -> None:
        """Prepare; nothing runs yet.

        Args:
            profiles: The nodes.
            faults: What goes wrong, from the start on.
            host: The address that all nodes listen on.
            seed: Makes the chance of faults the same in every run; None makes it different.
            on_event: Is called in the simulator's thread when a fault begins or ends, see `timeline.run_faults`.
        """
        self.host = host
        self._faults = tuple(faults)
        self._on_event = on_event
        self._nodes: dict[str, SimulatedNode] = {}
        for profile in profiles:
            if profile.identifier in self._nodes:
                raise ValueError(f"two nodes have the identifier {profile.identifier}")
            self._nodes[profile.identifier] = SimulatedNode(self, profile, seed)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._timeline: asyncio.Task[None] | None = None

    def __getitem__(self, identifier: str) -> SimulatedNode:
        """The node with that identifier."""
        return self._nodes[identifier]

    def __iter__(self) -> Iterator[SimulatedNode]:
        """The nodes in the order given."""
        return iter(self._nodes.values())

    def __len__(self) -> int:
        """The number of nodes."""
        return len(self._nodes)

    def __enter__(self) -> Self:
        """Start every node; all of them listen when this returns."""
        loop = self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=loop.run_forever, name="simulator", daemon=True)
        self._thread.start()
        try:
            self.call(self._start_all())
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        """Stop every node, and the thread."""
        loop, thread = self._loop, self._thread
        if loop is None or thread is None:
            return
        try:
            self.call(self._stop_all())
        finally:
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()
            self._loop = self._thread = None

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine in the simulator's loop and wait for it."""
        if self._loop is None:
            work.close()
            raise RuntimeError("the simulator is not running")
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _start_all(self) -> None:
        for node in self._nodes.values():
            await node.start_here()
        if self._faults:
            self._timeline = asyncio.create_task(
                run_faults(self._nodes.values(), self._faults, self._on_event), name="faults of the scenario"
            )

    async def _stop_all(self) -> None:
        if self._timeline is not None:
            self._timeline.cancel()
        await asyncio.gather(*(node.stop_here(abort=False) for node in self._nodes.values()))
        for node in self._nodes.values():
            node.release_port()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.get_running_loop().shutdown_asyncgens()
        if self._timeline is not None:
            with suppress(asyncio.CancelledError):  # a defect of a fault is raised, now that all has stopped
                await self._timeline
