"""What is on the screen of `top`, and how each key changes it: pure functions over a frozen state."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

SORTS = ("penalty", "node", "region", "cpu", "memory", "playing", "latency", "uptime", "state", "version")
"""The orders of the rows; the key `s` steps through them."""

SORT_KEYS = {
    "N": "node", "T": "state", "R": "region", "P": "playing", "C": "cpu", "E": "penalty", "M": "memory",
    "L": "latency", "U": "uptime", "V": "version",
}  # fmt: skip
"""Key -> the order that it chooses. The same key again reverses the order."""

LONGEST_FILTER = 200
"""Characters of a filter."""


class Shown(Enum):
    """What fills the screen."""

    NODES = "nodes"
    DETAIL = "detail"
    HELP = "help"


class Action(Enum):
    """What a key does beyond the screen."""

    QUIT = "quit"
    PAUSE = "pause"
    CORDON = "cordon"
    REDRAW = "redraw"


@dataclass(frozen=True, slots=True, kw_only=True)
class ScreenState:
    """The state of the screen.

    Attributes:
        shown: What fills the screen.
        sort: The order of the rows.
        is_reversed: Whether the order is reversed.
        filter: Words that the shown nodes have to contain.
        is_typing: Whether keys go to the filter.
        selected: Name of the selected node; None for the first one.
        asks_about: The node to cordon or uncordon once the user has confirmed it; None without a question.
        scroll: Lines of the detail or the help above the screen.
        first_troubled: Number of broken nodes above those on the screen.
        first: Number of other nodes above those on the screen.
    """

    shown: Shown = Shown.NODES
    sort: str = SORTS[0]
    is_reversed: bool = False
    filter: str = ""
    is_typing: bool = False
    selected: str | None = None
    asks_about: str | None = None
    scroll: int = 0
    first_troubled: int = 0
    first: int = 0


class Step(NamedTuple):
    """The outcome of a key: the new state, and what to do beyond the screen."""

    state: ScreenState
    action: Action | None = None


def press(state: ScreenState, key: str, listed: Sequence[str], page: int) -> Step:
    """The outcome of a key.

    Args:
        state: The state before.
        key: The character, or the name of the key.
        listed: Names of the nodes in the order of the screen, hidden ones of the filter left out.
        page: Rows, or lines of the detail and the help, that fit the screen.
    """
    if key in _ALWAYS:
        return Step(state, _ALWAYS[key])
    if state.asks_about is not None:
        return Step(state, Action.CORDON) if key in ("y", "Y") else Step(replace(state, asks_about=None))
    if state.is_typing and (typed := _typed(state, key)) is not None:
        return Step(typed)
    if key in _ACTIONS:
        return Step(state, _ACTIONS[key])
    if key in ("s", "S"):
        step = 1 if key == "s" else -1
        return Step(_sorted_by(state, SORTS[(SORTS.index(state.sort) + step) % len(SORTS)]))
    if key in SORT_KEYS:
        return Step(_sorted_by(state, SORT_KEYS[key]))
    return Step(_changed(state, key, listed, page))


_ALWAYS = {"hang up": Action.QUIT, "redraw": Action.REDRAW, "resize": None}
"""What these keys do on every screen."""

_ACTIONS = {"q": Action.QUIT, "p": Action.PAUSE, " ": Action.PAUSE}


def _changed(state: ScreenState, key: str, listed: Sequence[str], page: int) -> ScreenState:
    match key:
        case "escape":
            return _escaped(state)
        case "?":
            return _toggled(state, Shown.HELP)
        case "enter":
            return _toggled(state, Shown.DETAIL) if listed else replace(state, shown=Shown.NODES)
        case "/":
            return replace(state, shown=Shown.NODES, is_typing=True)
        case "c" if listed and state.shown is not Shown.HELP:
            return replace(state, asks_about=state.selected if state.selected in listed else listed[0])
    return _moved(state, key, listed, page)


def _typed(state: ScreenState, key: str) -> ScreenState | None:
    """The state after a key that belongs to the filter; None for a key that does not, such as an arrow."""
    match key:
        case "enter":
            return replace(state, is_typing=False)
        case "escape":
            return replace(state, is_typing=False, filter="")
        case "backspace":
            return replace(state, filter=state.filter[:-1])
        case "clear":
            return replace(state, filter="")
        case _ if len(key) == 1:
            return replace(state, filter=(state.filter + key)[:LONGEST_FILTER], first=0, first_troubled=0)
    return None


def _escaped(state: ScreenState) -> ScreenState:
    """Go back to the nodes; there, show all of them."""
    if state.shown is not Shown.NODES:
        return replace(state, shown=Shown.NODES, scroll=0)
    return replace(state, filter="")


def _toggled(state: ScreenState, shown: Shown) -> ScreenState:
    return replace(state, shown=Shown.NODES if state.shown is shown else shown, scroll=0)


def _sorted_by(state: ScreenState, sort: str) -> ScreenState:
    is_reversed = sort == state.sort and not state.is_reversed
    return replace(state, sort=sort, is_reversed=is_reversed, shown=Shown.NODES, first=0)


def _moved(state: ScreenState, key: str, listed: Sequence[str], page: int) -> ScreenState:
    steps = {"up": -1, "k": -1, "down": 1, "j": 1, "page up": -page, "page down": page}
    ends = {"home": 0, "g": 0, "end": -1, "G": -1}
    if key not in steps and key not in ends:
        return state
    if state.shown is not Shown.NODES:  # the view limits it to what there is
        at = 0 if ends.get(key) == 0 else 1_000_000 if key in ends else state.scroll + steps[key]
        return replace(state, scroll=max(at, 0))
    if not listed:
        return state
    at = listed.index(state.selected) if state.selected in listed else 0
    to = ends[key] % len(listed) if key in ends else min(max(at + steps[key], 0), len(listed) - 1)
    return replace(state, selected=listed[to])
