"""Draws the screen of `top`: a pure function of the fleet, the state of the screen and its size."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from revvlink_cli.commands.nodes import status
from revvlink_cli.commands.shared import penalty_columns
from revvlink_cli.commands.top import summary
from revvlink_cli.commands.top.detail import detail_lines
from revvlink_cli.commands.top.node_table import count_troubled, draw_table
from revvlink_cli.commands.top.state import SORT_KEYS, ScreenState, Shown
from revvlink_cli.config.secrets_in_use import redact
from revvlink_cli.output.cells import ELLIPSIS, cells, cut
from revvlink_cli.output.picture import Line, Span, line_of
from revvlink_cli.output.problems import is_troubled, trouble_first
from revvlink_cli.output.sizes import FEWEST, wrapped
from revvlink_cli.output.text import clean

if TYPE_CHECKING:
    from collections.abc import Sequence

    from revvlink_cli.commands.nodes.status_rows import StatusRow
    from revvlink_cli.commands.top.model import Fleet

EVENTS = 0.15
"""Share of the screen that shows the last events."""

LEAST_EVENTS = 2
"""Lines of events that a screen shows when it has room for them."""

LOW = 12
"""Lines of a screen below which its head has one line."""

KEYS = "? help  q quit  / filter  enter detail  s sort  c cordon  p pause  arrows move"
DETAIL_KEYS = "escape back  q quit  up/down scroll  c cordon"
HELP_KEYS = "escape back  q quit  up/down scroll"

HELP = {
    "?": "these lines, and back to the nodes",
    "q": "quit; Ctrl-C does the same",
    "arrows": "move, as do k and j, page up, page down, home and end",
    "/": "show only nodes of which every word that you type is in the name, region, state, version or a tag",
    "escape": "back to the nodes; there, show all of them again",
    "s, S": "sort by the next column, by the one before",
    " ".join(SORT_KEYS): f"sort by {', '.join(SORT_KEYS.values())}; the same key again reverses the order",
    "enter": "show one node: trends, penalty terms, its last failures and what to do; escape goes back",
    "c": "cordon or uncordon the node, after a question: only this `revvlink top` leaves it out; bots still use it",
    "p, space": "pause or continue",
    "Ctrl-L": "draw the screen again",
    "": "",
    "on top": "nodes in trouble stay above the others in every order, and are named when the filter hides them",
    "x12 since": "an event that came twelve times since then",
    "last 10 min": "a trend of the highest figures; CPU reaches from 0% to 100%, players from 0 to the most; a gap is "
    "unknown",
    "colours": "a bar is yellow and red where `check` warns and fails; without such a threshold, from 60% and 85%",
    "grey": "the last figures of a lost node; their age is beside its state",
    ">= and ~": "a lower bound of a penalty, and one with an assumed CPU (`revvlink help penalty`)",
    "CPU": "up to 30 seconds old; a node that was just started has none yet",
}
"""Key or mark, and its meaning."""


class Size(NamedTuple):
    """The size of a terminal."""

    height: int
    width: int


class Drawn(NamedTuple):
    """A picture, and what the keys need to know about it.

    Attributes:
        lines: The lines.
        state: The state, with the selection and the scrolling that the picture has.
        listed: Names of the nodes that keys reach, in order.
        page: Rows or lines that "page down" moves by.
    """

    lines: tuple[Line, ...]
    state: ScreenState
    listed: tuple[str, ...]
    page: int


def draw(fleet: Fleet, state: ScreenState, size: Size) -> Drawn:
    """Draw the screen."""
    listed = _listed(fleet.rows, state)
    names = tuple(row.node for row in listed)
    if state.selected not in names:  # the first row is marked, and stays the first: trouble that comes is there
        state = replace(state, selected=None)
    if state.shown is Shown.DETAIL and names and state.selected is None:
        state = replace(state, selected=names[0])
    if state.asks_about not in names:
        state = replace(state, asks_about=None)
    match state.shown:
        case Shown.HELP:
            return _draw_text(_help(size.width), [_keys(HELP_KEYS, size.width)], state, names, size)
        case Shown.DETAIL if state.selected is not None:
            row = listed[names.index(state.selected)]
            keys = _below(fleet, state, DETAIL_KEYS, row, size.width)
            head = [summary.node_head(fleet, row, size.width), ()]
            return _draw_text(detail_lines(fleet, row, size.width), keys, state, names, size, head=head)
        case _:
            return _draw_nodes(fleet, state, listed, names, size)


def draw_connecting(count: int, seconds: float, context: str | None, state: ScreenState, size: Size) -> Drawn:
    """Draw the screen while no node has answered yet."""
    if state.shown is Shown.HELP:
        return _draw_text(_help(size.width), [_keys(HELP_KEYS, size.width)], state, (), size)
    where = f"{context}: " if context is not None else ""
    nodes = f"{count} node{'' if count == 1 else 's'}"
    text = f"{where}connecting to {nodes}, {seconds:.0f} s"
    lines = [*map(line_of, wrapped(text, size.width)), (), _keys("q quit  ? help", size.width)]
    return Drawn(tuple(lines[: size.height]), state, (), 1)


# The nodes.


def _draw_nodes(
    fleet: Fleet, state: ScreenState, listed: Sequence[StatusRow], names: tuple[str, ...], size: Size
) -> Drawn:
    height, width = size
    shown = set(names)
    hidden = [row for row in fleet.rows if is_troubled(row) and row.node not in shown] if state.filter else []
    head = summary.head(fleet, listed, state, width, lines=2 if height >= LOW else 1)
    pinned = [line_of(_hidden_trouble(hidden, len(fleet.rows), width), "bold red")] if hidden else []
    asked = next((row for row in listed if row.node == state.asks_about), None)
    below = _below(fleet, state, KEYS, asked, width)
    # On a low screen, nodes come before regions, and regions before events.
    troubled = count_troubled(listed)
    wanted = min(len(listed) + troubled, 2 * FEWEST if troubled else FEWEST)
    spare = height - len(head) - len(pinned) - len(below) - 1 - wanted - bool(troubled)
    regions = summary.regions(listed, width, min(spare, 4)) if spare > 0 else []
    spare -= len(regions)
    few = min(max(int(height * EVENTS), LEAST_EVENTS), spare - 1, len(fleet.events)) if spare > 1 else 0
    room = max(height - len(head) - len(pinned) - len(regions) - (few + 1 if few else 0) - len(below), 2)
    table, state, page = draw_table(fleet, state, listed, width, room)
    left = height - len(head) - len(pinned) - len(regions) - len(table) - len(below)
    events = [(), *_events(fleet, left - 1, width)] if left > 1 else []
    above = [*head, *pinned, *regions, *table]
    lines = [*above, *events, *[()] * (height - len(above) - len(events) - len(below)), *below]
    return Drawn(tuple(lines[:height]), state, names, page)


def _events(fleet: Fleet, most: int, width: int) -> list[Line]:
    """The last events, the newest at the end."""
    return [summary.event(entry, width) for entry in fleet.events.last(most)]


def _hidden_trouble(hidden: Sequence[StatusRow], count: int, width: int) -> str:
    """The nodes in trouble that the filter hides; of a single one, why."""
    if len(hidden) == 1:
        row = hidden[0]
        return cut(clean(redact(f"filter hides {row.node}, {row.state}: {penalty_columns.reason_of(row)}")), width)
    names = ", ".join(row.node for row in hidden)
    return cut(clean(f"filter hides {len(hidden)} of {count} in trouble: {names}"), width)


def _below(fleet: Fleet, state: ScreenState, keys: str, row: StatusRow | None, width: int) -> list[Line]:
    """The lines at the bottom: what is wrong with the watch, and what can be typed."""
    lines = [line_of(line, "yellow") for note in fleet.notes for line in wrapped(note, width)[:2]]
    if state.asks_about is not None and row is not None:
        return [*lines, *(line_of(line, "bold") for line in wrapped(_question(row), width))]
    if state.is_typing:
        typed = (
            cut(clean(state.filter), max(width - 9, 1))
            if cells(clean(state.filter)) < width - 9
            else (ELLIPSIS + clean(state.filter)[-max(width - 12, 1) :])
        )
        hint = "   enter keeps it, escape shows all"
        text = f"filter: {typed}_"
        return [*lines, (Span(text, "bold"), Span(hint if cells(text) + len(hint) <= width else "", "dim"))]
    if not fleet.has_keys:
        return [*lines, line_of("keys do not work, because stdin is not a terminal; Ctrl-C ends", "dim")]
    return [*lines, _keys(keys, width)]


def _keys(keys: str, width: int) -> Line:
    """As many keys as fit a line."""
    parts = keys.split("  ")
    while len(parts) > 1 and len("  ".join(parts)) > width:
        parts.pop()
    return line_of(cut("  ".join(parts), width), "dim")


def _question(row: StatusRow) -> str:
    """What cordoning a node does, and to whom, as a question."""
    if row.state == "cordoned":
        return f"Uncordon {row.node}? This `revvlink top` counts it among the nodes for new players again. y yes, n no"
    return (
        f"Cordon {row.node}? Only this `revvlink top` leaves it out, and only until it ends; its players stay. Bots "
        "still send it players: for them, call Pool.drain in the bot. y yes, n no"
    )


# Pages of text.


def _draw_text(
    text: Sequence[Line],
    below: Sequence[Line],
    state: ScreenState,
    names: tuple[str, ...],
    size: Size,
    *,
    head: Sequence[Line] = (),
) -> Drawn:
    """A page of text that can be scrolled, between its head and the keys."""
    room = max(size.height - len(head) - len(below), 1)
    state = replace(state, scroll=max(min(state.scroll, len(text) - room), 0))
    lines = [*text[state.scroll : state.scroll + room]]
    lines += [()] * (room - len(lines))
    return Drawn(tuple([*head, *lines, *below][: size.height]), state, names, room)


def _help(width: int) -> list[Line]:
    """The keys and what the marks mean."""
    left = max(len(name) for name in HELP) + 2
    lines: list[Line] = []
    for name, meaning in HELP.items():
        if width < left + 24:
            lines += [line_of(name, "bold")] if name else [()]
            lines += [line_of("  " + line) for line in wrapped(meaning, max(width - 2, 1))] if meaning else []
            continue
        first, *rest = wrapped(meaning, width - left)
        lines.append((Span(name.ljust(left), "bold"), Span(first)))
        lines += [line_of(" " * left + line) for line in rest]
    return lines


def _listed(rows: Sequence[StatusRow], state: ScreenState) -> tuple[StatusRow, ...]:
    """The rows that the filter lets through, broken nodes first, then in the order of the state."""
    words = state.filter.casefold().split()
    if words:
        rows = [row for row in rows if _has_words(row, words)]
    key = status.SORTS[state.sort]
    known: list[StatusRow] = []
    unknown: list[StatusRow] = []
    for row in rows:
        (unknown if key(row) is None else known).append(row)
    known.sort(key=key, reverse=state.is_reversed)
    return trouble_first((*known, *unknown))


def _has_words(row: StatusRow, words: Sequence[str]) -> bool:
    texts = (row.node, row.region, row.state, row.version, *row.tags)
    text = " ".join(filter(None, texts)).casefold()
    return all(word in text for word in words)
