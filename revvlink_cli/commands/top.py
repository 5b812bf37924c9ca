"""``revvlink top``: the whole fleet on one screen, live."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import typer

from revvlink_cli.commands.nodes import status
from revvlink_cli.commands.shared import node_selection, penalty_columns, watch_options
from revvlink_cli.commands.shared.command import Rows, command, make_app, options_of
from revvlink_cli.commands.shared.options import Nodes, Region, Tags
from revvlink_cli.output.fitting import TROUBLE, trouble_first
from revvlink_cli.output.result import Frame, FullScreen, Kind, Result, column
from revvlink_cli.output.sizes import FEWEST, HEAD, clipped, wrapped
from revvlink_cli.output.text import MISSING, duration, human, sparkline

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Sequence

    from revvlink_cli.client.snapshot import NodeSnapshot
    from revvlink_cli.commands.nodes.status import StatusRow
    from revvlink_cli.services.watching import Watch, WatchControl

app = make_app()

SORTS = ("penalty", "node", "region", "cpu", "memory", "playing", "latency", "uptime", "state")
"""The orders of the rows; the key `s` steps through them."""

KEYS = "q quit  up/down move  s sort  / filter  p pause  c cordon  enter detail  ? help"

HELP = (
    "?            these lines, and back to the nodes",
    "q            quit",
    "up, down     move, as do k and j, page up, page down, home, end",
    "s, S         sort by the next column, by the one before",
    "/            show nodes only whose name, region, state or tag has the text; escape shows all",
    "p, space     pause or continue",
    "c            cordon the node, or uncordon it: only this revvlink avoids it, bots still use it",
    "enter        the node's detail; escape goes back",
    "",
    "grey         the last figures of a lost node; their age is beside its state",
    ">= and ~     a lower bound of a penalty, and one with an assumed CPU (`revvlink help penalty`)",
    "CPU          up to 30 seconds old; a node that was just started has none yet",
)
HELP_INDENT = 13 * " "

EVENTS = 0.15
"""Share of the screen that shows the last events."""

TREND = 12
"""Samples that a trend shows."""

BAR = 8
"""Characters of a bar."""


def _bar(share: float | None) -> str:
    if share is None:
        return MISSING
    filled = round(min(max(share, 0), 1) * BAR)
    return f"{'█' * filled}{'░' * (BAR - filled)} {human(share, Kind.RATIO):>4}"


def _cpu(row: TopRow) -> str:
    return "no baseline" if row.cpu_has_baseline is False else _bar(row.cpu_load_ratio)


def _memory(row: TopRow) -> str:
    return _bar(row.memory_ratio)


def _gravity(states: tuple[str, int]) -> tuple[bool, str]:
    """Order of states: trouble first."""
    return states[0] not in TROUBLE, states[0]


def _packed(words: Sequence[str], width: int) -> list[str]:
    """Put words beside each other on as few lines as possible."""
    lines: list[str] = []
    for word in words:
        joined = f"{lines[-1]}  |  {word}" if lines else word
        if lines and clipped(joined, width) == joined:
            lines[-1] = joined
        else:
            lines.append(word)
    return lines


def _trend(values: Sequence[float | None]) -> str:
    return sparkline(values[-TREND:]).ljust(TREND) if len(values) > 1 else " " * TREND  # of one width: columns stay


@dataclass(frozen=True, slots=True, kw_only=True)
class TopRow:
    """A node on the screen."""

    node: str = column("NODE", flexible=True, rank=0)
    state: str = column("STATE", Kind.STATE, cell=penalty_columns.state_of, rank=0)
    region: str | None = column("REGION", rank=5)
    cpu_load_ratio: float | None = column("CPU", cell=_cpu, rank=2)
    cpu_has_baseline: bool | None
    memory_ratio: float | None = column("MEMORY", cell=_memory, rank=4)
    players: str = column("PLAYERS")
    playing_trend: tuple[float | None, ...] = column("TREND", cell=lambda row: _trend(row.playing_trend), rank=6)
    penalty: str = column("PENALTY")
    penalty_trend: tuple[float | None, ...] = column("TREND", cell=lambda row: _trend(row.penalty_trend), rank=3)
    latency_ms: float | None = column("LATENCY", Kind.LATENCY_MS, rank=7)
    uptime_ms: int | None = column("UPTIME", Kind.DURATION_MS, rank=8)
    reason: str | None = column("REASON", cell=penalty_columns.reason_of, wraps=True)
    message: str | None
    stats_age_s: float | None
    is_stale: bool
    is_selected: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Detail:
    """Everything about one node."""

    node: str = column("Node")
    uri: str = column("URI")
    state: str = column("State", Kind.STATE)
    reason: str | None = column("Reason")
    server: str | None = column("Server")
    session: str | None = column("Session")
    region: str | None = column("Region")
    tags: tuple[str, ...] = column("Tags")
    players: str = column("Players")
    load: str = column("CPU")
    memory: str = column("Memory")
    uptime: str = column("Uptime")
    latency: str = column("Latency")
    penalty: str = column("Penalty")
    figures: str = column("Figures")
    sources: tuple[str, ...] | None = column("Sources")
    plugins: tuple[str, ...] = column("Plugins")


@command(
    app,
    prints=lambda: {"": Rows(status.StatusTick)},
    examples=("revvlink top", "revvlink top --tag prod --interval 2s"),
)
def top(
    ctx: typer.Context,
    node_names: Nodes = None,
    tag: Tags = None,
    region: Region = None,
    interval: watch_options.Interval = None,
) -> FullScreen:
    """Fill the terminal with the fleet, live.

    The screen shows totals, regions, every node and the last events; `?` shows the keys. The nodes send their figures
    over the websocket. Through a pipe, this command is `nodes status --watch`.
    """
    options = options_of(ctx)
    span = watch_options.read_span(interval or "1s", None, None, watch=True)
    settings = node_selection.load_settings(options)

    choose = node_selection.make_chooser(options, node_names, tag, region)
    job = watch_options.WatchJob(settings, options, span, choose(settings), choose)
    console = Console(job)
    return FullScreen(console.frames, console.press, status.watched_status(job, "penalty"))


class Console:
    """The state of the screen, and the keys that change it."""

    def __init__(self, job: watch_options.WatchJob) -> None:
        self._job = job
        self._control: WatchControl | None = None
        self._seen: Watch | None = None
        self._sort = 0
        self._filter = ""
        self._is_typing = False
        self._shows = "nodes"
        self._selected: str | None = None
        self._listed: list[str] = []
        self._page = 10

    async def frames(self, size: Callable[[], tuple[int, int]]) -> AsyncGenerator[Frame | Result, None]:
        """The screen whenever there is something new on it; `size` returns its lines and columns."""
        from revvlink_cli.services.watching import WatchControl

        self._control = WatchControl()
        watch_options.wake_on_resize(self._control.wake)
        yield Frame(Result(), above=("connecting ...",))
        given_up: Sequence[NodeSnapshot] = ()
        async with self._job.samples(self._control) as taken:
            async for seen in taken:
                self._seen = seen
                yield self._frame(seen, *size())
                given_up = seen.snapshot.nodes if seen.is_hopeless else ()
        yield self._job.outcome(given_up)

    # Keys.

    def press(self, key: str) -> None:
        """Act on a key."""
        control = self._control
        if control is None:
            return
        if self._is_typing:
            self._type(key)
        elif key == "q":
            control.is_over = True
        elif key in ("p", " "):
            control.is_paused = not control.is_paused
        elif key == "escape":
            self._filter, self._shows = ("", "nodes") if self._shows == "nodes" else (self._filter, "nodes")
        elif key == "?":
            self._shows = "nodes" if self._shows == "help" else "help"
        elif key == "enter":
            self._shows = "nodes" if self._shows == "detail" else "detail"
        elif key in ("s", "S"):
            self._sort = (self._sort + (1 if key == "s" else -1)) % len(SORTS)
        elif key == "/":
            self._is_typing, self._filter, self._shows = True, "", "nodes"
        elif key == "c":
            self._cordon()
        else:
            self._move(key)
        control.wake.set()

    def _type(self, key: str) -> None:
        if key == "enter":
            self._is_typing = False
        elif key == "escape":
            self._is_typing, self._filter = False, ""
        elif key == "backspace":
            self._filter = self._filter[:-1]
        elif len(key) == 1:
            self._filter += key

    def _move(self, key: str) -> None:
        steps = {"up": -1, "k": -1, "down": 1, "j": 1, "page up": -self._page, "page down": self._page}
        at = self._listed.index(self._selected) if self._selected in self._listed else 0
        last = len(self._listed) - 1
        at = {"home": 0, "end": last}.get(key, at + steps.get(key, 0))
        if self._listed:
            self._selected = self._listed[min(max(at, 0), last)]

    def _cordon(self) -> None:
        members = self._seen.fleet.members if self._seen is not None else ()
        node = next((node for node in members if node.identifier == self._selected), None)
        if node is not None and self._seen is not None:
            (node.uncordon if node.is_cordoned else node.cordon)()
            self._seen.sample()

    # Pictures.

    def _frame(self, seen: Watch, height: int, width: int) -> Frame:
        if self._shows == "help":
            return Frame(Result(), above=tuple(line for text in HELP for line in wrapped(text, width, HELP_INDENT)))
        rows = status.watched_rows(seen, self._job.options, SORTS[self._sort])
        total = len(rows)
        rows = trouble_first(row for row in rows if self._fits(row))
        self._listed = [row.node for row in rows]
        if self._selected not in self._listed:
            self._selected = self._listed[0] if self._listed else None
        if self._shows == "detail" and self._selected is not None:
            return self._detail(seen, next(row for row in rows if row.node == self._selected))
        # On a low screen, nodes come before regions, and regions before events.
        spare = height - 2 - HEAD - min(len(rows), FEWEST)
        regions = self._regions(rows, width, min(spare - 1, 4)) if spare > 1 else []
        above = (self._totals(rows, total), *regions, *([""] if regions else []))
        spare -= len(above) - 1
        events = self._events(seen, min(max(int(height * EVENTS), 2), spare - 1)) if spare > 1 else []
        below = (*([""] if events else []), *events, self._prompt())
        room = max(height - len(above) - len(below) - HEAD, 1)
        self._page = room
        at = self._listed.index(self._selected) if self._selected is not None else None
        return Frame(Result(tuple(self._row(seen, row) for row in rows), TopRow), above, below, selected=at)

    def _fits(self, row: StatusRow) -> bool:
        """Whether the filter lets a node through."""
        return self._filter.casefold() in " ".join((row.node, row.region or "", row.state, *row.tags)).casefold()

    def _prompt(self) -> str:
        if self._is_typing:
            return f"filter: {self._filter}_   (enter keeps it, escape shows all)"
        return KEYS

    def _totals(self, rows: Sequence[StatusRow], total: int) -> str:
        states: dict[str, int] = {}
        for row in rows:
            states[row.state] = states.get(row.state, 0) + 1
        counts = ", ".join(f"{count} {state}" for state, count in sorted(states.items(), key=_gravity))
        playing = sum(row.playing or 0 for row in rows if not row.is_stale)
        players = sum(row.players or 0 for row in rows if not row.is_stale)
        paused = "  PAUSED" if self._control is not None and self._control.is_paused else ""
        parts = [
            f"{watch_options.timestamp()[11:19]}{paused}  {len(rows)} nodes ({counts or 'none'})",
            f"players {playing}/{players}",
            f"by {SORTS[self._sort]}",
        ]
        if self._filter:
            parts.append(f"filter {self._filter!r} of {total}")
        return "  |  ".join(parts)

    @staticmethod
    def _regions(rows: Sequence[StatusRow], width: int, most: int) -> list[str]:
        """A few words on each region, on as few lines as possible, at most `most`."""
        groups: dict[str, list[StatusRow]] = {}
        for row in rows:
            groups.setdefault(row.region or "no region", []).append(row)
        words = []
        for label, members in groups.items():
            alive = [row for row in members if not row.is_stale and row.state != "hanging" and row.penalty is not None]
            playing = sum(row.playing or 0 for row in alive)
            best = min((row.penalty or 0 for row in alive), default=None)
            lowest = f", lowest penalty {human(best, Kind.SCORE)}" if best is not None else ""
            words.append(f"{label} {len(alive)}/{len(members)} nodes, {playing} playing{lowest}")
        lines = _packed(words, width)
        kept = len(words)
        while len(lines) > most and kept:
            kept = min(kept - 1, most * width // 20)  # the shortest words have twenty characters
            lines = _packed([*words[:kept], f"and {len(words) - kept} more regions"], width)
        return lines

    @staticmethod
    def _events(seen: Watch, room: int) -> list[str]:
        from revvlink_cli.commands.events import event_row

        rows = [event_row(event, at) for at, event in list(seen.news)[-room:]]
        lines = [f"{row.time[11:19]}  {row.node}  {row.event}  {row.detail or ''}".rstrip() for row in rows]
        return [*lines, *[""] * (room - len(lines))]

    def _row(self, seen: Watch, row: StatusRow) -> TopRow:
        return TopRow(
            node=row.node,
            state=row.state,
            region=row.region,
            cpu_load_ratio=row.cpu_load_ratio,
            cpu_has_baseline=row.cpu_has_baseline,
            memory_ratio=status.memory_share(row),
            players=status.players_of(row),
            playing_trend=tuple(seen.players.get(row.node, ())),
            penalty=penalty_columns.penalty_of(row),
            penalty_trend=tuple(seen.penalties.get(row.node, ())),
            latency_ms=row.latency_ms,
            uptime_ms=row.uptime_ms,
            reason=row.reason,
            message=row.message,
            stats_age_s=row.stats_age_s,
            is_stale=row.is_stale,
            is_selected=row.node == self._selected,
        )

    def _detail(self, seen: Watch, row: StatusRow) -> Frame:
        shot: NodeSnapshot = next(node for node in seen.snapshot.nodes if node.identifier == row.node)
        terms = f" = {penalty_columns.sum_of(asdict(row.penalty_terms))}" if row.penalty_terms is not None else ""
        age = (
            f"{duration(row.stats_age_s * 1000)} old, by {row.stats_origin}" if row.stats_age_s is not None else MISSING
        )
        info = shot.info
        detail = Detail(
            node=row.node,
            uri=row.uri,
            state=row.state,
            reason=row.message,
            server=f"{row.server} {row.version}" if row.server is not None else None,
            session=shot.session_id,
            region=row.region,
            tags=row.tags,
            players=status.players_of(row),
            load="no baseline yet" if row.cpu_has_baseline is False else human(row.cpu_load_ratio, Kind.RATIO),
            memory=status.memory_of(row),
            uptime=human(row.uptime_ms, Kind.DURATION_MS),
            latency=human(row.latency_ms, Kind.LATENCY_MS),
            penalty=penalty_columns.penalty_of(row) + terms,
            figures=age,
            sources=info.sources if info is not None else None,
            plugins=tuple(f"{plugin.name} {plugin.version}".strip() for plugin in info.plugins) if info else (),
        )
        return Frame(Result(detail), below=("", "escape goes back  c cordon  q quit"))
