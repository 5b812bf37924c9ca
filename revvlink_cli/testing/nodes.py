"""Simulated nodes in the hands of a test."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from revvlink_cli.simulator import Simulator
from revvlink_cli.simulator.control_errors import WaitTimeoutError
from revvlink_cli.testing.calls import Call, check_called, check_not_called, find_call
from revvlink_cli.testing.scenarios import fault_of

if TYPE_CHECKING:
    from collections.abc import Coroutine, Generator, Iterator, Sequence

    from revvlink_cli.simulator import Clock, NodeProfile
    from revvlink_cli.simulator.conditions import Condition
    from revvlink_cli.simulator.event_log import SimulatorEvent
    from revvlink_cli.simulator.node_control import NodeControl
    from revvlink_cli.simulator.requests import Request
    from revvlink_cli.simulator.scenario import Fault, Scenario

T = TypeVar("T")


class Done(Awaitable[T], Generic[T]):
    """The result of something that is done already, for code that awaits it nevertheless."""

    def __init__(self, value: T) -> None:
        self._value = value

    def __await__(self) -> Generator[Any, None, T]:
        """Give the result at once."""
        yield from ()
        return self._value


class _Nodes:
    """What can be asserted and awaited of one node or of several.

    In a sync test, what a method does has taken effect when it returns. In an async test, await it: the client under
    test goes on meanwhile.
    """

    def __init__(self, simulator: Simulator, controls: Sequence[NodeControl]) -> None:
        self._simulator = simulator
        self._controls = controls
        self._tasks: set[asyncio.Task[Any]] = set()

    def _do(self, work: Coroutine[Any, Any, T]) -> Awaitable[T]:
        """Run a coroutine in the loop of the nodes now; in an async test as a task."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return Done(self._simulator.call(work))
        task = loop.create_task(self._simulator.run(work))
        self._tasks.add(task)  # a loop alone keeps no task alive
        task.add_done_callback(self._tasks.discard)
        return task

    @property
    def _only(self) -> str | None:
        """The name of the node if there is but one."""
        return self._controls[0].profile.identifier if len(self._controls) == 1 else None

    @property
    def uri(self) -> str:
        """The address: ``http://127.0.0.1:40001``; those of several nodes one after the other."""
        return " or ".join(control.uri for control in self._controls)

    @property
    def requests(self) -> tuple[Request, ...]:
        """The last requests, at most a thousand of each node, in the order in which they came."""
        received = [request for control in self._controls for request in control.received]
        return tuple(sorted(received, key=lambda request: request.number))

    def assert_called(
        self, method: str, path: str = "*", *, guild: int | str | None = None, json_contains: Any = None
    ) -> Request:
        """Check that a request came, and return the last such request.

        Args:
            method: Its method, such as ``PATCH``.
            path: Pattern of its path, such as ``/v4/loadtracks``; ``*`` stands for any text.
            guild: The guild of the player that it is for.
            json_contains: A part of its body: objects may have more keys, everything else must be equal.

        Raises:
            AssertionError: None came; the message has the nearest requests, and how they differ.
        """
        __tracebackhide__ = True
        return check_called(self.requests, Call.of(method, path, guild, json_contains), self.uri)

    def assert_not_called(
        self, method: str, path: str = "*", *, guild: int | str | None = None, json_contains: Any = None
    ) -> None:
        """Check that no such request came; the arguments are those of `assert_called`.

        Raises:
            AssertionError: One came.
        """
        __tracebackhide__ = True
        check_not_called(self.requests, Call.of(method, path, guild, json_contains))

    def wait_for_call(
        self,
        method: str,
        path: str = "*",
        *,
        guild: int | str | None = None,
        json_contains: Any = None,
        timeout: float = 10.0,
    ) -> Awaitable[Request]:
        """Wait until a request was answered; the arguments are those of `assert_called`, and seconds of real time.

        Raises:
            AssertionError: None came in time.
        """
        call = Call.of(method, path, guild, json_contains)

        async def wait() -> Request:
            try:
                return await self._simulator.simulation.events.wait_for(
                    lambda: find_call(self.requests, call, is_answered=True), str(call), timeout
                )
            except WaitTimeoutError:
                return check_called(self.requests, call, self.uri)

        return self._do(wait())

    def wait_for_event(
        self, kind: str, *, guild: int | str | None = None, timeout: float = 10.0
    ) -> Awaitable[SimulatorEvent]:
        """Wait for something that a node did, or has done already, such as ``ready`` or ``TrackEndEvent``.

        Raises:
            WaitTimeoutError: It did not in so many seconds of real time.
        """
        simulation = self._simulator.simulation
        return self._do(simulation.wait_for_event(kind, node=self._only, guild=_text(guild), timeout=timeout))

    def wait_for(
        self, condition: Condition, *, guild: int | str | None = None, timeout: float = 10.0
    ) -> Awaitable[str]:
        """Wait until something is so, such as ``session_open`` or ``player_playing``; gives the name of the node.

        Raises:
            WaitTimeoutError: It was not so in so many seconds of real time.
        """

        async def wait() -> str:
            found = await self._simulator.simulation.wait(
                condition, node=self._only, guild=_text(guild), timeout=timeout
            )
            return found.profile.identifier

        return self._do(wait())


class Lavalink(_Nodes):
    """A simulated node. See `LavalinkFleet` for several.

    Attributes:
        name: Its name.
    """

    def __init__(self, simulator: Simulator, control: NodeControl) -> None:
        super().__init__(simulator, (control,))
        self._control = control
        self._faults: list[Fault] = []
        self.name = control.profile.identifier

    @property
    def profile(self) -> NodeProfile:
        """What it is."""
        return self._control.profile

    @property
    def host(self) -> str:
        """Its host."""
        return self._control.host

    @property
    def port(self) -> int:
        """Its port."""
        return self._control.port

    @property
    def password(self) -> str:
        """The password that it accepts."""
        return self._control.password

    @property
    def is_connected(self) -> bool:
        """Whether a client is connected."""
        return self._control.open_sockets > 0

    @property
    def players(self) -> dict[int, dict[str, Any]]:
        """Its players by guild, as ``GET /v4/sessions/{session}/players`` shows them."""
        sessions = self._control.sessions.values()
        return {int(guild): player.payload() for session in sessions for guild, player in session.players.items()}

    def kill(self) -> Awaitable[None]:
        """End its process: connections are reset, sessions and players are gone."""
        return self._do(self._control.kill())

    def stop(self) -> Awaitable[None]:
        """Stop it properly: its websockets are closed first."""
        return self._do(self._control.stop())

    def start(self) -> Awaitable[None]:
        """Start it again on the same port, without its earlier sessions."""
        return self._do(self._control.start())

    def drop(self) -> Awaitable[None]:
        """Reset every connection, as a broken network does: its sessions wait for their clients."""
        return self._do(self._control.drop())

    def freeze(self, *, websockets: bool = True) -> Awaitable[None]:
        """Accept connections and answer nothing; with `websockets` False, open websockets go on."""
        return self._do(self._control.freeze(websockets=websockets))

    def thaw(self) -> Awaitable[None]:
        """Undo `freeze`."""
        return self._do(self._control.thaw())

    def lose_sessions(self) -> Awaitable[None]:
        """Forget the sessions that wait for their clients, so that a resume fails."""
        return self._do(self._control.lose_sessions())

    def close_voice(self, guild: int | str, code: int = 4006) -> Awaitable[None]:
        """Close the voice connection of a guild's player, as Discord does."""
        return self._do(self._control.close_voice(str(guild), code))

    def set_load(
        self, *, players: int | None = None, playing: int | None = None, load: float | None = None
    ) -> Awaitable[None]:
        """Send other statistics: players of other bots, how many play, and the load of the machine, 0 to 1."""
        return self._do(self._control.set_load(players=players, playing=playing, system_load=load))

    def set_frames(self, *, nulled: int = 0, deficit: int = 0) -> Awaitable[None]:
        """Lose so many of the 3,000 frames of audio that a player sends in a minute."""
        return self._do(self._control.set_frames(nulled=nulled, deficit=deficit))

    def set_password(self, password: str) -> Awaitable[None]:
        """Accept another password from now on; open websockets stay."""
        return self._do(self._control.set_password(password))

    def send_event(self, kind: str, guild: int | str, **fields: Any) -> Awaitable[int]:
        """Send an event of a guild's player, such as ``TrackStuckEvent``; gives the number of clients that get it."""
        event = {"op": "event", "type": kind, **fields}
        return self._do(self._control.send(event, guild=str(guild)))

    def fault(self, do: str, **keys: Any) -> Awaitable[None]:
        """Let something go wrong until `end_faults`. The keys are those of ``[[faults]]`` in a scenario.

        For example ``fault("status", route="GET /v4/loadtracks", status=429, retry_after=2)``.

        Raises:
            ScenarioError: The keys are wrong.
        """
        fault = fault_of(self.name, do, keys)
        self._faults.append(fault)
        return self._do(self._control.begin_fault(fault))

    def end_faults(self) -> Awaitable[None]:
        """End what `fault` has begun."""
        faults, self._faults = self._faults, []

        async def end() -> None:
            for fault in faults:
                await self._control.end_fault(fault)

        return self._do(end())

    def advance(self, seconds: float) -> Awaitable[None]:
        """See `LavalinkFleet.advance`."""
        return self._do(self._simulator.simulation.clock.advance(seconds))


class LavalinkFleet(_Nodes):
    """Simulated nodes, by name or in order."""

    def __init__(self, simulator: Simulator) -> None:
        controls = tuple(simulator.simulation)
        super().__init__(simulator, controls)
        self._nodes = {control.profile.identifier: Lavalink(simulator, control) for control in controls}

    @classmethod
    @contextmanager
    def running(cls, scenario: Scenario, clock: Clock) -> Iterator[LavalinkFleet]:
        """The nodes of a scenario, which run while the block runs."""
        with Simulator(scenario.nodes, faults=scenario.faults, seed=scenario.seed, clock=clock) as simulator:
            yield cls(simulator)

    def __getitem__(self, name: str) -> Lavalink:
        """The node of that name."""
        return self._nodes[name]

    def __iter__(self) -> Iterator[Lavalink]:
        """The nodes in order."""
        return iter(self._nodes.values())

    def __len__(self) -> int:
        """The number of nodes."""
        return len(self._nodes)

    def reset(self) -> Awaitable[None]:
        """Begin again as at the start of the test: nodes, faults, clock and requests; the ports stay the same."""
        return self._do(self._simulator.simulation.reset())

    def advance(self, seconds: float) -> Awaitable[None]:
        """Move the clock of all nodes on; for tests with ``lavalink_scenario(clock="manual")``.

        Raises:
            ValueError: The clock is another one.
        """
        return self._do(self._simulator.simulation.clock.advance(seconds))


def _text(guild: int | str | None) -> str | None:
    return None if guild is None else str(guild)
