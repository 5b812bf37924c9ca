"""Runs the screen of `top`: takes samples, acts on keys, and draws."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from revvlink_cli.commands.nodes.status_rows import mark_silenced
from revvlink_cli.commands.shared import watch_options
from revvlink_cli.commands.top import view
from revvlink_cli.commands.top.event_log import EventLog
from revvlink_cli.commands.top.model import Fleet
from revvlink_cli.commands.top.row_cache import RowCache
from revvlink_cli.commands.top.state import Action, ScreenState, press
from revvlink_cli.output.picture import Picture
from revvlink_cli.output.result import Result
from revvlink_cli.services.watching import WatchControl

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Sequence

    from revvlink_cli.client.snapshot import NodeSnapshot
    from revvlink_cli.services.watching import Watch

TICK = 0.5
"""Seconds between two pictures while the first node connects."""


class Console:
    """The screen, its state, and the keys that change it."""

    def __init__(self, job: watch_options.WatchJob, context: str | None) -> None:
        self._has_keys = True
        self._job = job
        self._context = context
        self._control: WatchControl | None = None
        self._state = ScreenState()
        self._listed: tuple[str, ...] = ()
        self._page = 1
        self._is_fresh = False
        self._events = EventLog()
        self._rows = RowCache()
        self._given_up: Sequence[NodeSnapshot] = ()
        self._watch: Watch | None = None
        self._fleet: Fleet | None = None

    async def pictures(
        self, size: Callable[[], tuple[int, int]], has_keys: bool
    ) -> AsyncGenerator[Picture | Result, None]:
        """The screen whenever there is something new on it, then the result.

        Args:
            size: Returns the lines and columns of the terminal.
            has_keys: Whether keys can be read.
        """
        self._has_keys = has_keys
        self._control = control = WatchControl()
        watch_options.wake_on_resize(control.wake)
        async with self._job.samples(control) as samples:
            async for picture in self._connect(samples, control, size):
                yield picture
            if control.is_over:
                yield Result()
                return
            if self._watch is not None:
                yield self._draw(size)
            async for seen in samples:
                self._take(seen)
                yield self._draw(size)
        yield self._job.outcome(self._given_up)

    async def _connect(
        self, samples: AsyncGenerator[Watch, None], control: WatchControl, size: Callable[[], tuple[int, int]]
    ) -> AsyncGenerator[Picture, None]:
        """The screen until the first sample has been taken, or a key ends it."""
        begun = time.monotonic()
        first = asyncio.create_task(_next(samples), name="first sample")
        try:
            while not first.done() and not control.is_over:
                control.wake.clear()
                waited = time.monotonic() - begun
                drawn = view.draw_connecting(
                    len(self._job.chosen), waited, self._context, self._state, view.Size(*size())
                )
                self._listed, self._page = (), drawn.page
                yield self._picture(drawn)
                woken = asyncio.create_task(control.wake.wait(), name="key")
                try:
                    await asyncio.wait({first, woken}, timeout=TICK, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    woken.cancel()
            if not control.is_over:
                seen = await first
                if seen is not None:
                    self._take(seen)
        finally:
            if not first.done():
                first.cancel()
                await asyncio.wait([first])

    # Keys.

    def press(self, key: str) -> None:
        """Act on a key."""
        control = self._control
        if control is None:
            return
        self._state, action = press(self._state, key, self._listed, self._page)
        match action:
            case Action.QUIT:
                control.is_over = True
            case Action.PAUSE:
                control.is_paused = not control.is_paused
            case Action.REDRAW:
                self._is_fresh = True
            case Action.CORDON:
                self._cordon()
        control.wake.set()

    def _cordon(self) -> None:
        """Cordon or uncordon the node that the user has been asked about."""
        name = self._state.asks_about
        self._state = replace(self._state, asks_about=None)
        if self._watch is None:
            return
        node = next((node for node in self._watch.fleet.members if node.identifier == name), None)
        if node is not None:
            (node.uncordon if node.is_cordoned else node.cordon)()
            self._watch.refresh()

    # Pictures.

    def _take(self, seen: Watch) -> None:
        """Make the picture's input from a sample, unless it is made already."""
        self._given_up = seen.snapshot.nodes if seen.is_hopeless else ()
        for at, event in seen.take_news():
            self._events.add(at, event)
        is_paused = self._control is not None and self._control.is_paused
        if self._fleet is not None and self._watch is seen and seen.snapshot.at == self._fleet.now:
            self._fleet = replace(
                self._fleet, time=time.time(), is_paused=is_paused, notes=self._job.notes, has_keys=self._has_keys
            )
            return
        self._watch = seen
        self._fleet = Fleet(
            rows=mark_silenced(self._rows.rows(seen, self._job.options), seen.snapshot.nodes, self._job.settings),
            snapshots={node.identifier: node for node in seen.snapshot.nodes},
            now=seen.snapshot.at,
            time=time.time(),
            context=self._context,
            is_paused=is_paused,
            trends=seen.trends,
            events=self._events,
            policy=self._job.settings.policy,
            notes=self._job.notes,
            has_keys=self._has_keys,
        )

    def _draw(self, size: Callable[[], tuple[int, int]]) -> Picture:
        if self._fleet is None:
            raise AssertionError("there is no sample yet")
        drawn = view.draw(self._fleet, self._state, view.Size(*size()))
        self._listed, self._page = drawn.listed, drawn.page
        return self._picture(drawn)

    def _picture(self, drawn: view.Drawn) -> Picture:
        self._state = drawn.state
        is_fresh, self._is_fresh = self._is_fresh, False
        return Picture(drawn.lines, is_fresh)


async def _next(samples: AsyncGenerator[Watch, None]) -> Watch | None:
    return await anext(samples, None)
