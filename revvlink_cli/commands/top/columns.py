"""The columns of the table of `top`: which ones fit, and the cells of a node."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from revvlink_cli._percent import percent
from revvlink_cli.commands.nodes.status_rows import memory_share, players_of
from revvlink_cli.commands.shared.penalty_columns import penalty_of, state_of
from revvlink_cli.health.ranges import NO_BOUNDS
from revvlink_cli.output.cells import cells
from revvlink_cli.output.painting import fitted
from revvlink_cli.output.picture import Line, Span
from revvlink_cli.output.problems import is_troubled
from revvlink_cli.output.result import Kind
from revvlink_cli.output.text import MISSING, clean, human, sparkline
from revvlink_cli.services.trends import MARKS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from revvlink_cli.commands.nodes.status_rows import StatusRow
    from revvlink_cli.commands.top.model import Fleet
    from revvlink_cli.commands.top.state import ScreenState

GAP = "  "

BAR = 8
"""Columns of a bar, without its figure."""

BARS_FROM = 64
"""Columns of a terminal from which loads have bars."""

HIGH, HIGHEST = 0.6, 0.85
"""Loads from which a bar is yellow and red, where the configuration has no thresholds."""

LONGEST_NAME = 32
"""Columns that names and other texts take at most."""


class Column(NamedTuple):
    """A column.

    Attributes:
        title: Its head.
        rank: Columns of the highest rank are left out first.
        text: The text of a node.
        sort: The order of the rows that it shows, or None.
        is_right: Whether it is aligned to the right.
        style: The style of a node's cell.
        width: Columns that it takes, None for those that its texts need.
    """

    title: str
    rank: int
    text: Callable[[Fleet, StatusRow], str]
    sort: str | None = None
    is_right: bool = False
    style: Callable[[Fleet, StatusRow], str] = lambda _fleet, _row: ""
    width: int | None = None


class Placed(NamedTuple):
    """A column and its width."""

    column: Column
    width: int


def bar(share: float | None, width: int = BAR) -> str:
    """A load as a bar with its figure."""
    if share is None:
        return MISSING
    full = max(round(min(max(share, 0.0), 1.0) * width), int(share > 0))
    return f"{'█' * full}{'░' * (width - full)} {percent(share)}"


def load_style(fleet: Fleet, node: str, check: str, share: float | None) -> str:
    """The colour of a load: red where `check` fails, yellow where it warns."""
    if share is None:
        return ""
    bounds = fleet.policy.of(node).bounds_of(check) if fleet.policy is not None else NO_BOUNDS
    if bounds == NO_BOUNDS:
        return "red" if share >= HIGHEST else "yellow" if share >= HIGH else "green"
    if bounds.critical is not None and bounds.critical.alerts(share):
        return "red"
    return "yellow" if bounds.warning is not None and bounds.warning.alerts(share) else "green"


def state_style(row: StatusRow) -> str:
    """The colour of a node's state."""
    return "bold red" if is_troubled(row) else "green" if row.state == "connected" else "yellow"


def span_of(fleet: Fleet) -> str:
    """The time that the trends cover: ``last 40 s``, ``last 10 min``."""
    span = fleet.trends.span
    return f"last {span:.0f} s" if span < 120 else f"last {span / 60:.0f} min"


def players_trend(fleet: Fleet, row: StatusRow) -> str:
    """The course of the playing players, from 0 to the highest number."""
    values = fleet.trends.of(row.node).players
    return sparkline(values, 0, max((value for value in values if value is not None), default=0))


def cpu_trend(fleet: Fleet, row: StatusRow) -> str:
    """The course of the load, from 0 to 100 %."""
    return sparkline(fleet.trends.of(row.node).cpu, 0, 1)


def _columns(fleet: Fleet, width: int) -> tuple[Column, ...]:
    def cpu(_: Fleet, row: StatusRow) -> str:
        if row.cpu_has_baseline is False:
            return "no baseline"
        return bar(row.cpu_load_ratio) if width >= BARS_FROM else human(row.cpu_load_ratio, Kind.RATIO)

    def memory(_: Fleet, row: StatusRow) -> str:
        return bar(memory_share(row))

    load = BAR + 6 if width >= BARS_FROM else None  # "97.5%" at most, as a rule
    return (
        Column("NODE", 0, lambda _, row: row.node, "node"),
        Column("STATE", 0, lambda _, row: state_of(row), "state", style=lambda _, row: state_style(row)),
        Column("REGION", 8, lambda _, row: row.region or MISSING, "region"),
        Column("PLAYERS", 1, lambda _, row: players_of(row), "playing", is_right=True),
        Column("CPU", 2, cpu, "cpu", style=lambda fleet, row: load_style(fleet, row.node, "cpu", row.cpu_load_ratio),
               width=load),
        Column(
            "MEMORY", 4, memory, "memory", width=load,
            style=lambda fleet, row: load_style(fleet, row.node, "memory", memory_share(row)),
        ),
        Column("PENALTY", 3, lambda _, row: penalty_of(row), "penalty", is_right=True),
        Column(f"CPU, {span_of(fleet)}", 5, cpu_trend, width=MARKS),
        Column(f"PLAYERS, {span_of(fleet)}", 6, players_trend, width=MARKS),
        Column("LATENCY", 9, lambda _, row: human(row.latency_ms, Kind.LATENCY_MS), "latency", is_right=True),
        Column("UPTIME", 10, lambda _, row: human(row.uptime_ms, Kind.DURATION_MS), "uptime", is_right=True),
        Column("VERSION", 11, lambda _, row: row.version or MISSING, "version"),
    )  # fmt: skip


def place_columns(fleet: Fleet, rows: Sequence[StatusRow], width: int) -> list[Placed]:
    """The columns that fit, with the widths that these rows need."""
    shown = [column for column in _columns(fleet, width) if column.title != "MEMORY" or width >= BARS_FROM]
    placed: list[Placed] = []
    for column in sorted(shown, key=lambda column: column.rank):
        each = Placed(column, column.width if column.width is not None else _needed(fleet, column, rows))
        if column.rank and _width([*placed, each]) > width:
            break
        placed.append(each)
    placed.sort(key=lambda each: shown.index(each.column))
    name, state = placed[:2]
    over = _width(placed) - width
    if over > 0:
        name = Placed(name.column, max(name.width - over, min(name.width, 4), 1))
        over = _width([name, state, *placed[2:]]) - width
        state = Placed(state.column, max(state.width - max(over, 0), 0))
    return [name, state, *placed[2:]]


def _needed(fleet: Fleet, column: Column, rows: Sequence[StatusRow]) -> int:
    """Columns that the head and the texts of these rows need."""
    texts = (cells(clean(column.text(fleet, row))) for row in rows if column.rank == 0 or has_figures(row))
    return max(len(column.title) + 1, min(max(texts, default=0), LONGEST_NAME))


def _width(placed: Sequence[Placed]) -> int:
    return sum(place.width for place in placed) + len(GAP) * (len(placed) - 1)


def used_width(placed: Sequence[Placed]) -> int:
    """Columns of a row, with the gap behind it."""
    return _width(placed) + len(GAP)


def has_figures(row: StatusRow) -> bool:
    """Whether a node has figures to show, though they may be old ones."""
    return row.players is not None or row.playing is not None or row.penalty is not None


def head_cells(placed: Sequence[Placed], state: ScreenState) -> Line:
    """The heads; an arrow marks the one that the rows are sorted by."""
    arrow = "↑" if state.is_reversed else "↓"
    spans: list[Span] = []
    for column, width in placed:
        is_sorted = column.sort == state.sort
        title = f"{column.title}{arrow if is_sorted else ''}"
        spans += [Span(fitted(title, width, is_right=column.is_right), "bold"), Span(GAP)]
    return tuple(spans[:-1])


def row_cells(fleet: Fleet, row: StatusRow, placed: Sequence[Placed]) -> list[Span]:
    """The cells of a node with the gaps between them."""
    spans: list[Span] = []
    for column, width in placed:
        spans += [
            Span(fitted(column.text(fleet, row), width, is_right=column.is_right), column.style(fleet, row)),
            Span(GAP),
        ]
    return spans[:-1]
