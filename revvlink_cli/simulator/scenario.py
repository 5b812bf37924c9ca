"""What a scenario says: nodes, with the tracks that they find, and the faults that they have.

`services.scenario_files` reads scenarios from TOML. A program may make them of these classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from revvlink_cli.simulator.profile import NodeProfile

NODE_ACTIONS = ("kill", "stop", "freeze", "hang", "drop", "close", "load", "close_voice", "lose_sessions")
"""Faults of a whole node, each at its moment."""

MESSAGE_ACTIONS = ("reorder", "false_stats")
"""Faults of what a node says about itself."""

REQUEST_ACTIONS = ("status", "delay", "slow", "refuse", "garbage", "truncate")
"""Faults of single requests, by route and by chance."""

ACTIONS = (*NODE_ACTIONS, *MESSAGE_ACTIONS, *REQUEST_ACTIONS)

MOMENTARY = ("drop", "close", "close_voice", "lose_sessions")
"""Faults that happen in a moment, and have no end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Something that goes wrong.

    Attributes:
        do: One of `ACTIONS`.
        nodes: Pattern of the names of the nodes that have it.
        at: Seconds after the start when it begins; 0 for the start.
        lasts: Seconds for which it lasts; None to the end. A node that is killed starts again then.
        every: Seconds from one begin to the next; None for once.
        route: Method and path of the requests that have it, such as ``GET /v4/loadtracks``; ``*`` stands for any text.
        chance: Share of these requests that have it, 0 to 1; the share of websockets of ``close``, of messages of
            ``reorder``.
        status: The status of ``status``.
        retry_after: Seconds of its ``Retry-After``; None for none.
        delay: Seconds of ``delay`` and ``slow``.
        jitter: Seconds by which `delay` varies.
        code: Close code of ``close_voice`` and of ``close``; None is 4006, or 1011 for a websocket.
        guild: Guild of ``close_voice``; "" for all.
        players: Players of other sessions, of ``load``; None leaves them.
        playing: Those of them that play, of ``load``.
        system_load: Load of the machine, of ``load``.
        nulled_frames: Frames a minute that are silence, of ``load``; None leaves them.
        missing_frames: Frames a minute that are not sent, of ``load``.
        figures: One of `message_faults.FIGURES`, of ``false_stats``.
    """

    do: str
    nodes: str = "*"
    at: float = 0.0
    lasts: float | None = None
    every: float | None = None
    route: str = "*"
    chance: float = 1.0
    status: int = 503
    retry_after: float | None = None
    delay: float = 1.0
    jitter: float = 0.0
    code: int | None = None
    guild: str = ""
    players: int | None = None
    playing: int | None = None
    system_load: float | None = None
    nulled_frames: int | None = None
    missing_frames: int | None = None
    figures: str = "contradictory"

    def is_for(self, node: str) -> bool:
        """Whether a node has it."""
        return fnmatchcase(node, self.nodes)

    def takes(self, method: str, path: str) -> bool:
        """Whether a request has it, chance aside."""
        return fnmatchcase(f"{method} {path}", self.route) or fnmatchcase(path, self.route)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """Nodes and their faults.

    Attributes:
        nodes: The nodes, in order.
        faults: What goes wrong.
        seed: Makes everything random the same in every run; None makes it different.
    """

    nodes: tuple[NodeProfile, ...]
    faults: tuple[Fault, ...] = ()
    seed: int | None = None
