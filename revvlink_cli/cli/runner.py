"""What becomes of a command's outcome: it is awaited within the command's time, rendered, and turned into an exit code.

Whatever goes wrong on the way ends as one line on stderr (and in the JSON envelope), never as a traceback unless -vv
asks for it.
"""

from __future__ import annotations

import gc
import inspect
import sys
from contextlib import ExitStack, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from revvlink_cli.client.connection.local_limits import limit_of
from revvlink_cli.output import diagnostics
from revvlink_cli.output.formats import REPORTS, Format, default_format
from revvlink_cli.output.progress import ProgressBar
from revvlink_cli.output.renderers import renderer
from revvlink_cli.output.result import CommandError, ExitCode, Failure, Frame, Live, Result, Stream
from revvlink_cli.output.screen import Screen, can_be_drawn_on
from revvlink_cli.output.streams import OutputError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

    from revvlink_cli.commands.shared.command import Options
    from revvlink_cli.output.renderer import Renderer
    from revvlink_cli.output.streams import Output


def show(outcome: Any, chosen: Format, options: Options, output: Output) -> int:
    """Await what has to be awaited, and render it; gives the exit code."""
    if isinstance(outcome, int):
        return outcome
    if isinstance(outcome, Live):
        if options.output in (None, Format.TABLE) and can_be_drawn_on():
            return _awaited(_live(outcome, options, output), chosen, options, output)
        outcome = outcome.piped
    if isinstance(outcome, Stream):
        return _awaited(_follow(outcome, options, output), chosen, options, output)
    result = settle(outcome, options)
    failures = [
        *_tried(lambda: render(result, chosen, options, output)),
        *_tried(lambda: _export(result, options)),
        *_write_reports(result, options),
    ]
    diagnostics.errors(failures, options.most_errors)
    if result.afterwards is not None:
        _do_afterwards(result.afterwards(), options)
    if not failures:
        return int(result.exit_code)
    # What a check has found counts for more than that somebody was not told in writing.
    is_verdict = options.defect_exit_code == ExitCode.UNREACHABLE and result.exit_code != ExitCode.OK
    return int(result.exit_code) if is_verdict else options.defect_exit_code


def _tried(write: Callable[[], None]) -> list[Failure]:
    """Write something; what keeps it from being written is no reason to leave the rest undone."""
    try:
        write()
    except OutputError as error:
        return [Failure("output", str(error), hint="make room, or write elsewhere")]
    return []


def _do_afterwards(work: Coroutine[Any, Any, tuple[str, ...]], options: Options) -> None:
    """What was left to do: whatever becomes of it, Ctrl-C included, the outcome stands."""
    try:
        warnings = _wait(work)
    except KeyboardInterrupt:
        return
    except CommandError as error:
        diagnostics.errors(error.failures)
    except Exception as error:  # noqa: BLE001 - see defect
        diagnostics.errors(defect(error, options).errors)
    else:
        if not options.quiet:
            diagnostics.warnings(warnings)


def _write_reports(result: Result, options: Options) -> list[Failure]:
    """Write the files that the command asked for, each whole or not at all; gives those that could not be."""
    if not result.reports or result.report is None:
        return []
    from revvlink_cli.output.screen import Page
    from revvlink_cli.output.streams import write_file

    failures = []
    for kind, name in result.reports:
        page = Page()
        writer = renderer(kind, options.command, page, no_color=True)
        writer.begin(result.row_type)
        writer.end(result)
        try:
            # The collector that reads it runs as somebody else.
            write_file(name, page.text, mode=0o644 if kind is Format.PROMETHEUS else None)
        except OSError as error:
            told = f"--report {kind}={name}: cannot be written: {error.strerror or error}"
            failures.append(Failure("output", told, hint="write FORMAT=FILE, FILE in a folder that is there"))
    return failures


def _export(result: Result, options: Options) -> None:
    """Write the table to a file as well, where one is named and there is a table."""
    if options.export is not None and result.data is not None:
        from revvlink_cli.output.export import export

        export(result, options.export)


def settle(outcome: Any, options: Options) -> Result:
    """A command's `Result`, awaited within its time where it has to be."""
    try:
        settled = _wait(_within(outcome, options.timeout)) if inspect.iscoroutine(outcome) else outcome
    except CommandError as error:
        return Result(exit_code=error.exit_code, errors=error.failures)
    except Exception as error:  # noqa: BLE001 - see defect
        return defect(error, options)
    finally:
        if inspect.iscoroutine(outcome):
            outcome.close()  # Ctrl-C may come before it has begun
    if not isinstance(settled, Result):
        raise TypeError(f"a command returned {type(settled).__name__}")
    return settled


def defect(error: Exception, options: Options) -> Result:
    """The last resort: a defect is told in one line, and in full with -vv."""
    if options.verbose > 1:
        diagnostics.trace(error)
    if (limit := limit_of(error)) is not None:  # no defect: the event loop itself could not open what it needs
        return Result(exit_code=options.defect_exit_code, errors=(Failure("local_limit", limit.what, hint=limit.hint),))
    what = f"{type(error).__name__}: {error}"
    return Result(
        exit_code=options.defect_exit_code,
        errors=(Failure("internal_error", f"this is a defect of revvlink: {what}", hint="report it, with -vv"),),
    )


def render(result: Result, chosen: Format, options: Options, output: Output) -> None:
    """Write a result, and say what belongs on stderr."""
    writer = renderer(chosen, options.command, output, no_color=options.no_color)
    writer.begin(result.row_type)
    writer.end(result)
    _talk(result, chosen, options)


def _talk(result: Result, chosen: Format, options: Options) -> None:
    """Notes and errors, for people. A one-line outcome has named its errors, and JSON carries them."""
    unexplained = result.exit_code == ExitCode.FAILED and not result.errors
    if not options.quiet:
        diagnostics.warnings(result.warnings)
        diagnostics.notes([result.origin] if result.origin is not None else [])
        diagnostics.notes(f"{failure.node}: {failure.message}" for failure in result.left_out)
        diagnostics.notes(result.notes if chosen is Format.TABLE or unexplained else [])
    is_told = chosen in REPORTS and result.report is not None
    if not is_told and (result.line is None or chosen is not Format.PLAIN):
        diagnostics.errors(result.errors, options.most_errors)


def _awaited(work: Coroutine[Any, Any, int], chosen: Format, options: Options, output: Output) -> int:
    """The exit code of something that goes on."""
    try:
        return int(_wait(work))
    except CommandError as error:
        result = Result(exit_code=error.exit_code, errors=error.failures)
    except OutputError:
        raise
    except Exception as error:  # noqa: BLE001 - see defect
        result = defect(error, options)
    render(result, chosen, options, output)
    return int(result.exit_code)


async def _live(live: Live, options: Options, output: Output) -> int:
    """Fill the terminal, until a key or a signal ends it."""
    from revvlink_cli.output.keys import Keys

    if options.export is not None:
        raise CommandError(
            Failure("usage", "what fills the terminal is no table", hint="use `nodes status --watch --export FILE`"),
            exit_code=ExitCode.USAGE,
        )
    result = Result()
    with Screen(output, no_color=options.no_color) as screen, Keys(live.key) as keys:

        def resume() -> None:
            keys.listen()
            screen.show_again()

        screen.on_resume = resume
        frames = live.frames(screen.size)
        try:
            async for frame in frames:
                if isinstance(frame, Result):
                    result = frame
                    break
                screen.show(frame)
        finally:
            await frames.aclose()
    _talk(result, Format.TABLE, options)
    return int(result.exit_code)


async def _follow(stream: Stream, options: Options, output: Output) -> int:
    """Render a stream as it comes."""
    import asyncio

    if options.export is not None and stream.frame is None:
        raise CommandError(
            Failure("usage", "there is no table to export: rows come one by one", hint="leave out --export"),
            exit_code=ExitCode.USAGE,
        )
    usual = default_format()
    chosen = options.output or stream.otherwise or (stream.piped if usual is Format.PLAIN else None) or usual
    output.is_dispensable = stream.is_service
    writer = renderer(chosen, options.command, output, no_color=options.no_color)
    writer.begin(stream.row)
    result, last = Result(), None
    with ExitStack() as held:
        show = _shower(stream, chosen, writer, options, output, held)
        try:
            with nullcontext() if stream.is_service else _until_nobody_reads(output):
                async for item in stream.items:
                    if isinstance(item, Result):
                        result = item
                        break
                    show(item)
                    last = item
                    if output.is_closed and not stream.is_service:
                        return ExitCode.OK
        except asyncio.CancelledError:
            if stream.is_service or not output.is_closed:
                raise
            return ExitCode.OK
        finally:
            await stream.items.aclose()
            if last is not None and stream.frame is not None:  # however it ends: Ctrl-C is the usual way
                _export(stream.frame(last), options)
    writer.end(result)
    _talk(result, chosen, options)
    return int(result.exit_code)


def _shower(
    stream: Stream, chosen: Format, writer: Renderer, options: Options, output: Output, held: ExitStack
) -> Callable[[Any], None]:
    """What shows one row of a stream; what it holds of the terminal is given back in the end."""
    frame = stream.frame
    if frame is not None and chosen is Format.TABLE:
        if not can_be_drawn_on():
            return lambda item: writer.end(frame(item))
        screen = held.enter_context(Screen(output, no_color=options.no_color))
        held.enter_context(screen.kept_up())
        return lambda item: screen.show(Frame(frame(item)))
    if frame is not None and chosen is Format.PLAIN:
        return lambda item: writer.end(frame(item))
    if chosen is not Format.TABLE or options.quiet:
        return writer.item
    bar = ProgressBar(stream.total)
    held.callback(bar.clear)

    def beside_bar(item: Any) -> None:
        bar.clear()
        if not bar.is_shown or stream.beside_bar is None or stream.beside_bar(item):
            writer.item(item)
        bar.advance()

    return beside_bar


@contextmanager
def _until_nobody_reads(output: Output) -> Iterator[None]:
    """Cancel the running task when the reader of a pipe goes, so that a quiet stream ends too.

    The writing end of a pipe becomes readable, with an error, when its reader closes it.
    """
    import asyncio

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


async def _within(work: Coroutine[Any, Any, Result], timeout: float) -> Result:
    """The result, or a failure once the command's time is over.

    Commands give their nodes the same time and then still have to close what is open, hence a little more here. The
    clock starts where the command first waits: what it loads until then, at leisure on a busy machine, would be taken
    from the time for closing, and the verdict go with it.
    """
    import asyncio

    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(None) as limit:
            starting = loop.call_soon(lambda: limit.reschedule(loop.time() + timeout + CLOSING_TIME))
            try:
                return await work
            finally:
                starting.cancel()
    except TimeoutError:
        return Result(
            exit_code=ExitCode.UNREACHABLE,
            errors=(Failure("timeout", f"not done within {timeout:g} s", hint="give it longer with --timeout"),),
        )


CLOSING_TIME = 2.0
"""Seconds beyond its timeout in which a command may still say what it found: nodes have a quarter of one to say why
they failed, and then connections are closed in order."""


def _wait(work: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine to its end; SIGTERM and SIGQUIT end it as orderly as Ctrl-C does."""
    gc.enable()  # see __main__: this may go on for long
    try:
        return _run(work)
    finally:
        work.close()  # Ctrl-C may come before it has begun


def _run(work: Coroutine[Any, Any, Any]) -> Any:
    import asyncio
    import signal

    ended_by: signal.Signals | None = None

    async def supervised() -> Any:
        task = asyncio.ensure_future(work)

        def end(number: signal.Signals) -> None:
            nonlocal ended_by
            ended_by = number
            task.cancel()

        if sys.platform != "win32":
            for number in (signal.SIGTERM, signal.SIGQUIT):
                asyncio.get_running_loop().add_signal_handler(number, end, number)
        return await task

    with asyncio.Runner() as runner:
        try:
            return runner.run(supervised())
        except asyncio.CancelledError:
            if ended_by is None:
                raise
            failure = Failure("terminated", f"ended by {ended_by.name}")
            raise CommandError(failure, exit_code=ExitCode(128 + ended_by)) from None
