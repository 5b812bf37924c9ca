"""Writes the rows of a stream as they arrive."""

from __future__ import annotations

import asyncio
import sys
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any, assert_never

from revvlink_cli.cli.event_loop import make_spinner, with_spinner
from revvlink_cli.cli.result_writer import export, show_messages
from revvlink_cli.commands.shared.titles import context_title
from revvlink_cli.output import diagnostics
from revvlink_cli.output.formats import TABLES, Format, Layout, default_format
from revvlink_cli.output.renderers import create_renderer
from revvlink_cli.output.result import CommandError, ExitCode, Failure, Frame, Result
from revvlink_cli.output.screen import Screen
from revvlink_cli.output.streams import can_redraw

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from revvlink_cli.commands.shared.command import Options
    from revvlink_cli.output.progress import Spinner
    from revvlink_cli.output.renderer import Renderer
    from revvlink_cli.output.result import Stream
    from revvlink_cli.output.streams import Output


async def write_stream(stream: Stream, options: Options, output: Output) -> int:
    """Write a stream to its end, or until the reader of a pipe leaves; returns the exit code."""
    spinner = make_spinner(options)
    work = _write(stream, options, output, spinner)
    try:
        return await with_spinner(work, spinner)
    finally:
        work.close()  # Ctrl-C may come before it has begun


async def _write(stream: Stream, options: Options, output: Output, spinner: Spinner | None) -> int:
    chosen = options.output or _default_format(stream, options)
    _refuse_impossible(stream, chosen, options)
    output.is_dispensable = stream.is_service
    ends_with_reader = not (stream.is_service or stream.has_verdict)
    renderer = create_renderer(chosen, options.command, output, no_color=options.no_color, view=options.view)
    if stream.table_of is None and chosen in TABLES and not options.quiet:  # samples have a title
        diagnostics.notes(filter(None, [context_title(options)]))
    renderer.begin(stream.row)
    result, last = Result(), None
    total = shown = 0
    with ExitStack() as terminal:
        write_item = _create_item_writer(stream, chosen, renderer, options, output, terminal)
        try:
            with _cancel_when_reader_leaves(output) if ends_with_reader else nullcontext():
                async for item in stream.items:
                    if isinstance(item, Result):
                        result = item
                        break
                    if spinner is not None:
                        spinner.rest(asyncio.get_running_loop().time())
                    write_item(item)
                    total, shown, last = total + 1, shown + options.view.shows(item), item
                    if output.is_closed and ends_with_reader:
                        return ExitCode.OK
        except asyncio.CancelledError:
            if not (output.is_closed and ends_with_reader):
                raise
            return ExitCode.OK
        finally:
            await stream.items.aclose()
            if last is not None and stream.table_of is not None:  # also after Ctrl-C, the usual end
                export(replace(stream.table_of(last), title=None), options)  # the title says how to end the watch
    if spinner is not None:
        spinner.erase()
    renderer.end(result)
    show_messages(result, chosen, options)
    if stream.table_of is None and not options.quiet:  # samples say it themselves
        diagnostics.notes(filter(None, [options.view.remark_on(total, shown)]))
    return int(result.exit_code)


def _default_format(stream: Stream, options: Options) -> Format:
    """The format of a stream if none is given: one that has what the command line asks for."""
    if options.view.program is not None:
        return Format.JSONL if stream.is_endless else Format.JSON
    piped = stream.piped_format if options.view.columns is None else Format.PLAIN
    return default_format(stream.terminal_format, piped)


def _refuse_impossible(stream: Stream, chosen: Format, options: Options) -> None:
    """Raise `CommandError` if the format or ``--export`` cannot hold the stream."""
    failure: Failure | None = None
    if options.export is not None and stream.table_of is None:
        failure = Failure("usage", "there is no table to export: rows come one by one", hint="leave out --export")
    elif stream.is_endless and chosen.layout in (Layout.DOCUMENT, Layout.REPORT):
        message = f"--watch has no end, so one {chosen.upper()} document cannot hold its output"
        failure = Failure("usage", message, hint="use --output jsonl")
    if failure is not None:
        raise CommandError(failure, exit_code=options.usage_exit_code)


def _create_item_writer(
    stream: Stream, chosen: Format, renderer: Renderer, options: Options, output: Output, terminal: ExitStack
) -> Callable[[Any], None]:
    """Make the function that writes one row. It restores the terminal when `terminal` is left."""
    match chosen.layout:
        case Layout.TEXT if (table_of := stream.table_of) is not None:
            if chosen not in TABLES or not can_redraw():
                return lambda item: renderer.end(table_of(item))
            view = replace(options.view, wide=chosen is Format.WIDE)
            screen = terminal.enter_context(Screen(output, no_color=options.no_color, view=view))
            terminal.enter_context(screen.redraw_on_resize())
            return lambda item: screen.show(Frame(table_of(item)))
        case Layout.TEXT if chosen in TABLES and not options.quiet:
            return _write_above_progress(stream, renderer, terminal)
        case Layout.TEXT | Layout.OBJECTS | Layout.DOCUMENT | Layout.REPORT:
            return renderer.item
        case _:
            assert_never(chosen.layout)


def _write_above_progress(stream: Stream, renderer: Renderer, terminal: ExitStack) -> Callable[[Any], None]:
    """Make a function that writes one row above a progress bar."""
    from revvlink_cli.output.progress import ProgressBar

    bar = ProgressBar(stream.total)
    terminal.callback(bar.clear)

    def write_item(item: Any) -> None:
        bar.clear()
        if not bar.is_shown or stream.is_shown_with_progress(item):
            renderer.item(item)
        bar.advance()

    return write_item


@contextmanager
def _cancel_when_reader_leaves(output: Output) -> Iterator[None]:
    """Cancel the running task when the reader of a pipe leaves, so that a stream without new rows ends too.

    The writing end of a pipe becomes readable, with an error, when its reader closes it.
    """
    loop, task, pipe = asyncio.get_running_loop(), asyncio.current_task(), output.pipe

    def stop() -> None:
        output.is_closed = True
        if pipe is not None:
            loop.remove_reader(pipe)
        if task is not None:
            task.cancel()

    if pipe is None or sys.platform == "win32":
        yield
        return
    loop.add_reader(pipe, stop)
    try:
        yield
    finally:
        loop.remove_reader(pipe)
