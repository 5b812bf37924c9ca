"""The options of ``--watch``, and the stream of samples behind them, for every command that has it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from revvlink_cli._record import record
from revvlink_cli.commands.shared import node_selection
from revvlink_cli.commands.shared.values import optional_seconds
from revvlink_cli.output import diagnostics
from revvlink_cli.output.formats import Format
from revvlink_cli.output.result import CommandError, Result, Stream
from revvlink_cli.output.streams import can_redraw

if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
    from contextlib import AbstractAsyncContextManager

    from revvlink_cli.client.settings import NodeSettings
    from revvlink_cli.client.snapshot import NodeSnapshot
    from revvlink_cli.commands.shared.command import Options
    from revvlink_cli.config.settings import Settings
    from revvlink_cli.services.watching import Watch, WatchControl

Watching = Annotated[
    bool,
    typer.Option("--watch", help="Refresh until interrupted; through a pipe, print one JSON object a line."),
]
Interval = Annotated[
    str | None, typer.Option("--interval", metavar="TIME", help="With --watch, time between two samples; default 2s.")
]
Count = Annotated[
    int | None, typer.Option("--count", metavar="N", min=1, help="With --watch, end after this many samples.")
]
Duration = Annotated[str | None, typer.Option("--duration", metavar="TIME", help="With --watch, end after this time.")]

DEFAULT_INTERVAL = 2.0
"""Seconds between two samples."""

SHORTEST = 0.1
"""Seconds between two samples at least."""


@record(frozen=True)
class Span:
    """How often and how long to sample.

    Attributes:
        interval: Seconds between two samples.
        count: Samples, None for no bound.
        duration: Seconds, None for no bound.
    """

    interval: float
    count: int | None
    duration: float | None


def read_span(interval: str | None, count: int | None, lasting: str | None, *, watch: bool) -> Span:
    """Read the options of ``--watch``.

    Raises:
        typer.BadParameter: They make no sense.
    """
    for name, given in (("--interval", interval), ("--count", count), ("--duration", lasting)):
        if given is not None and not watch:
            raise typer.BadParameter("goes with --watch only", param_hint=name)
    pause = optional_seconds(interval, "--interval") or DEFAULT_INTERVAL
    if pause < SHORTEST:
        raise typer.BadParameter(f"must be {SHORTEST:g}s or longer", param_hint="--interval")
    return Span(pause, count, optional_seconds(lasting, "--duration"))


@record
class WatchJob:
    """A fleet to watch.

    Attributes:
        settings: The configuration.
        options: The global options.
        span: How often and how long.
        chosen: The nodes.
        choose: Picks them from a configuration that was read again, on SIGHUP.
        notes: Why the configuration could not be read again, if so.
        waits_for_all: Whether the first sample waits until every node has sent statistics or failed.
    """

    settings: Settings
    options: Options
    span: Span
    chosen: tuple[NodeSettings, ...]
    choose: Callable[[Settings], tuple[NodeSettings, ...]]
    notes: tuple[str, ...] = ()
    waits_for_all: bool = False

    def samples(self, control: WatchControl | None = None) -> AbstractAsyncContextManager[AsyncGenerator[Watch, None]]:
        """Yield one sample after the other; leaving ends the watch."""
        from contextlib import aclosing

        from revvlink_cli.services.watching import watch

        return aclosing(
            watch(
                self.chosen,
                regions=self.settings.regions,
                timeout=self.options.timeout,
                interval=self.span.interval,
                count=self.span.count,
                duration=self.span.duration,
                reload=self._reload if self.settings.source.path is not None else None,
                control=control,
                waits_for_all=self.waits_for_all,
            )
        )

    def _reload(self) -> Sequence[NodeSettings] | None:
        """Read the nodes from the file again; None, with a note, if the file is wrong: nothing changes then."""
        self.notes = ()
        try:
            return self.choose(node_selection.load_settings(self.options))
        except CommandError as error:
            warning = f"the configuration is wrong, so the nodes stay as they are: {error.failures[0].message}"
            self.notes = (warning,)
            if not can_redraw():
                diagnostics.warnings([warning])
            return None

    def outcome(self, nodes: Sequence[NodeSnapshot]) -> Result:
        """The result of a watch, from the nodes of its last sample."""
        return node_selection.final_result(nodes, self.options.timeout)


def watch_stream(
    job: WatchJob,
    *,
    row: type,
    make_row: Callable[[Watch], Any | Awaitable[Any]],
    frame: Callable[[Any], Result],
    outcome: Callable[[Watch], Result] | None = None,
) -> Stream:
    """A stream of samples of a fleet.

    Args:
        job: The fleet.
        row: The type of one sample.
        make_row: Makes the row of a sample, or a coroutine that does.
        frame: Makes a table of a row.
        outcome: Makes the result in the end from the last sample; None for the failures of its nodes.
    """

    def table_of(sample: Any) -> Result:
        return replace(frame(sample), time=sample.time)

    async def samples() -> AsyncGenerator[Any, None]:
        from inspect import isawaitable

        last: Watch | None = None
        async with job.samples() as taken:
            async for seen in taken:
                made = make_row(seen)
                yield await made if isawaitable(made) else made
                last = seen
        if last is not None:
            yield outcome(last) if outcome is not None else job.outcome(last.snapshot.nodes)

    return Stream(row, samples(), piped_format=Format.JSONL, table_of=table_of, is_endless=True)


def wake_on_resize(wake: asyncio.Event) -> None:
    """Redraw the screen when the terminal changes its size, as long as the event loop runs."""
    import asyncio
    import signal
    import sys

    if sys.platform != "win32":
        asyncio.get_running_loop().add_signal_handler(signal.SIGWINCH, wake.set)


def timestamp() -> str:
    """The time of a sample."""
    from datetime import datetime

    return datetime.now().astimezone().isoformat(timespec="milliseconds")
