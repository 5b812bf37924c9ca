"""Simulated nodes on loopback ports, in a thread and event loop of their own."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any, Self, TypeVar

from revvlink_cli.simulator.simulation import Simulation

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Coroutine, Iterable, Iterator
    from types import TracebackType

    from revvlink_cli.simulator.clock import Clock
    from revvlink_cli.simulator.node_control import NodeControl
    from revvlink_cli.simulator.profile import NodeProfile
    from revvlink_cli.simulator.scenario import Fault

T = TypeVar("T")


class SimulatedNode:
    """One node of a `Simulator`. Its methods may be called from any thread and return once they have taken effect.

    Attributes:
        control: The node in the simulator's loop.
    """

    def __init__(self, simulator: Simulator, control: NodeControl) -> None:
        self._simulator = simulator
        self.control = control

    @property
    def profile(self) -> NodeProfile:
        """Its properties."""
        return self.control.profile

    @property
    def host(self) -> str:
        """The host by which clients on this machine reach the node."""
        return self.control.host

    @property
    def port(self) -> int:
        """Its port."""
        return self.control.port

    @property
    def uri(self) -> str:
        """The HTTP address of the node for clients on this machine."""
        return self.control.uri

    @property
    def password(self) -> str:
        """The ``Authorization`` that the node accepts."""
        return self.control.password

    @property
    def open_sockets(self) -> int:
        """The number of open websockets."""
        return self.control.open_sockets

    @property
    def requests(self) -> tuple[tuple[str, str], ...]:
        """Method and path of the last thousand requests since the last start."""
        return self.control.requests

    def start(self) -> None:
        """See `NodeControl.start`."""
        self._simulator.call(self.control.start())

    def stop(self) -> None:
        """See `NodeControl.stop`."""
        self._simulator.call(self.control.stop())

    def kill(self) -> None:
        """See `NodeControl.kill`."""
        self._simulator.call(self.control.kill())

    def drop(self) -> None:
        """See `NodeControl.drop`."""
        self._simulator.call(self.control.drop())

    def freeze(self, *, websockets: bool = True) -> None:
        """See `NodeControl.freeze`."""
        self._simulator.call(self.control.freeze(websockets=websockets))

    def thaw(self) -> None:
        """See `NodeControl.thaw`."""
        self._simulator.call(self.control.thaw())

    def set_delay(self, seconds: float) -> None:
        """See `NodeControl.set_delay`."""
        self._simulator.call(self.control.set_delay(seconds))

    def set_load(
        self, *, players: int | None = None, playing: int | None = None, system_load: float | None = None
    ) -> None:
        """See `NodeControl.set_load`."""
        self._simulator.call(self.control.set_load(players=players, playing=playing, system_load=system_load))

    def close_voice(self, guild_id: str, code: int) -> None:
        """See `NodeControl.close_voice`."""
        self._simulator.call(self.control.close_voice(guild_id, code))


class Simulator:
    """A `Simulation` in a thread of its own, which runs while the ``with`` block runs.

    At the end of the block no thread, socket or task is left.

    Attributes:
        simulation: The nodes in the simulator's loop; `call` runs what it can do.

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
        clock: Clock | None = None,
        tls: ssl.SSLContext | None = None,
        on_event: Callable[[str, str, str], None] = lambda *_: None,
    ) -> None:
        """Prepare; nothing runs yet. The arguments are those of `Simulation`.

        `on_event` is called in the simulator's thread.
        """
        self.simulation = Simulation(
            profiles, faults=faults, seed=seed, host=host, clock=clock, tls=tls, on_event=on_event
        )
        self._nodes = {node.profile.identifier: SimulatedNode(self, node) for node in self.simulation}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    @property
    def host(self) -> str:
        """The address that all nodes listen on."""
        return self.simulation.host

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
            self.call(self.simulation.__aenter__())
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        """Stop every node, and the thread."""
        if self._loop is None:
            return
        try:
            self.call(self.simulation.__aexit__(None, None, None))
        finally:
            self._end()

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine in the simulator's loop and wait for it."""
        if self._loop is None:
            work.close()
            raise RuntimeError("the simulator is not running")
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine in the simulator's loop and await it in another one, which goes on meanwhile."""
        if self._loop is None:
            work.close()
            raise RuntimeError("the simulator is not running")
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._loop))

    def _end(self) -> None:
        """End what is left in the loop, and the thread."""
        loop, thread = self._loop, self._thread
        if loop is None or thread is None:
            return
        try:
            self.call(_end_tasks())
        finally:
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()
            self._loop = self._thread = None


async def _end_tasks() -> None:
    """Cancel the other tasks of the loop."""
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await asyncio.get_running_loop().shutdown_asyncgens()
