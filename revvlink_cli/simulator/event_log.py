"""What happened to simulated nodes, in order, and the wait for something to happen."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from revvlink_cli.simulator.control_errors import WaitTimeoutError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from revvlink_cli.simulator.clock import Clock

T = TypeVar("T")

REMEMBERED = 10_000
"""Events that are kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatorEvent:
    """Something that happened.

    Attributes:
        number: Its number; events and requests are numbered together from 1 on.
        at: Seconds on the clock of the nodes.
        node: The node.
        kind: ``node_started``, ``node_stopped``, ``fault_began``, ``fault_ended``, ``fault_failed``, or the type of a
            message that a client was sent: ``ready``, ``stats``, ``TrackStartEvent`` ...
        guild: The guild of the player, "" without one.
        detail: What a fault does, or the message.
    """

    number: int
    at: float
    node: str
    kind: str
    guild: str = ""
    detail: str | Mapping[str, Any] = field(default="")


class EventLog:
    """The last events, and who waits for the next one."""

    def __init__(self, clock: Clock, on_event: Callable[[str, str, str], None]) -> None:
        """`on_event` is called with node, kind and detail when a fault begins, ends or fails."""
        self.events: deque[SimulatorEvent] = deque(maxlen=REMEMBERED)
        self._clock = clock
        self._on_event = on_event
        self._last = 0
        self._changed: asyncio.Event | None = None  # there is one while somebody waits

    def next_number(self) -> int:
        """The number of the next event or request."""
        self._last += 1
        return self._last

    def add(self, node: str, kind: str, *, guild: str = "", detail: str | Mapping[str, Any] = "") -> None:
        """Record an event."""
        number = self.next_number()
        self.events.append(
            SimulatorEvent(number=number, at=self._clock.now(), node=node, kind=kind, guild=guild, detail=detail)
        )
        if kind.startswith("fault_"):
            self._on_event(node, kind, str(detail))
        self.notify()

    def add_message(self, node: str, message: Mapping[str, Any]) -> None:
        """Record a message that a client was sent, or that waits for it. Player updates and statistics are too many."""
        if message["op"] in ("playerUpdate", "stats"):
            self.notify()
        else:
            kind = str(message.get("type", message["op"]))
            self.add(node, kind, guild=str(message.get("guildId", "")), detail=message)

    def notify(self) -> None:
        """Let those who wait look again."""
        if self._changed is not None:
            self._changed.set()
            self._changed = None

    def clear(self) -> None:
        """Forget all events; numbers begin at 1 again."""
        self.events.clear()
        self._last = 0

    async def wait_for(self, found: Callable[[], T | None], what: str, timeout: float) -> T:
        """Wait until a function gives something, and return that.

        Args:
            found: The function, which is called whenever anything has happened.
            what: What is waited for, for the error.
            timeout: Seconds of real time.

        Raises:
            WaitTimeoutError: It gave nothing in time.
        """
        try:
            async with asyncio.timeout(timeout):
                while (given := found()) is None:
                    self._changed = self._changed or asyncio.Event()
                    await self._changed.wait()
                return given
        except TimeoutError:
            raise WaitTimeoutError(f"no {what} within {timeout:g} s") from None
