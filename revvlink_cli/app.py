"""The command line: which commands there are, and what becomes of their outcome.

Commands are modules that are imported when they are used. What they return is data, a coroutine or a stream; here it
is awaited within the command's time, rendered, and turned into the exit code. Whatever goes wrong on the way ends as
one line on stderr (and in the JSON envelope), never as a traceback unless -vv asks for it.
"""

from __future__ import annotations

import gc
import inspect
import os
import sys
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer._click.shell_completion import CompletionItem
from typer.core import TyperGroup

from revvlink_cli._version import __version__
from revvlink_cli.commands.base import CommandLineError, Options, global_options
from revvlink_cli.output import diagnostics
from revvlink_cli.output.envelope import envelope
from revvlink_cli.output.progress import ProgressBar
from revvlink_cli.output.renderer import COMMON, REPORTS, Format, default_format, renderer
from revvlink_cli.output.result import CommandError, ExitCode, Failure, Frame, Live, Result, Script, Stream
from revvlink_cli.output.screen import Screen, can_be_drawn_on
from revvlink_cli.output.streams import Output, OutputError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator, Sequence

    from revvlink_cli.output.renderer import Renderer

COMMANDS = {
    "nodes": "The configured nodes: list them, see how they are doing, add one.",
    "top": "Fill the terminal with the fleet, live.",
    "connect": "Connect to every node and tell how it went.",
    "search": "Search tracks as a bot would.",
    "cache": "What searches have left behind: look into it, fill it, empty it.",
    "region": "Tell the region of Discord voice endpoints.",
    "route": "Tell which node would serve a voice endpoint or a region, and why.",
    "track": "Encoded tracks: what bots store and send.",
    "events": "Tail what happens on the nodes.",
    "players": "The players of a bot's session on a node: list, show, destroy.",
    "routeplanner": "The route planners of nodes: which addresses fail, and to try them again.",
    "record": "Write how the nodes are doing to a file, look by look.",
    "report": "Sum up a recording, with charts on a page.",
    "check": "Check the nodes' health, for people, cron and monitoring systems.",
    "healthcheck": "Tell whether one node is healthy, for Docker and Kubernetes.",
    "wait": "Wait until nodes are ready, or healthy.",
    "doctor": "Find out what is wrong: the machine, the configuration, each node.",
    "exporter": "Serve the nodes' figures and health to Prometheus.",
    "init": "Write a starter configuration.",
    "config": "The configuration: where it is, what it says, whether it is right.",
    "demo": "Try every command on a simulated fleet.",
    "help": "Explain a topic or a command.",
}
"""Command, and module in `commands` -> what it is for, in the order of the help."""

MONITOR, PROBE = "check", "healthcheck"
"""Commands whose exit codes are those of monitoring systems, and of container engines."""


class Root(TyperGroup):
    """Knows every command by name and loads its module when it is asked for."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - Typer's signature
        """The commands, in the order of `COMMANDS`."""
        return list(COMMANDS)

    def shell_complete(self, ctx: Any, incomplete: str) -> Any:
        """The commands, without loading any of them; or the options."""
        if incomplete.startswith("-"):
            return super().shell_complete(ctx, incomplete)
        return [CompletionItem(name, help=text) for name, text in COMMANDS.items() if name.startswith(incomplete)]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002 - Typer's signature
        """The command of that name, or None."""
        if cmd_name not in COMMANDS:
            return None
        command = typer.main.get_command(import_module(f"revvlink_cli.commands.{cmd_name}").app)
        command.name = cmd_name
        command.short_help = COMMANDS[cmd_name]
        if isinstance(command, TyperGroup):
            command.help = COMMANDS[cmd_name]
        return command

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """As Typer does, with the nearest command where there is none of that name."""
        self.commands = dict.fromkeys(COMMANDS, self)  # Typer suggests from the keys
        return super().resolve_command(ctx, args)

    def get_params(self, ctx: Any) -> list[Any]:
        """``--version``, and the global options with their environment variables."""
        return [*super().get_params(ctx), *global_options(environment=True, formats=Format)]


app = typer.Typer(
    name="revvlink",
    cls=Root,
    help="The operator's tool for a fleet of Lavalink v4 nodes.",
    epilog="Exit codes: 0 ok, 1 failed or nothing found, 2 usage or configuration, 3 unreachable, 4 password refused, "
    "5 some nodes failed, 130 interrupted. Start with `revvlink demo`, then `revvlink init`.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(ctx: typer.Context, value: bool) -> None:
    if value and not ctx.resilient_parsing:  # a line that is being completed asks for nothing
        Output().write(f"revvlink {__version__}\n")
        raise typer.Exit


@app.callback()
def root(
    *,
    _version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", is_eager=True, callback=_version)
    ] = False,
) -> None:
    """The operator's tool for a fleet of Lavalink v4 nodes."""


def run(arguments: Sequence[str]) -> int:
    """Run one command line; returns the exit code."""
    options = Options()
    output = Output()
    try:
        outcome = _outcome(arguments, options)
        if options.verbose:
            _show_log(options.verbose)
        if isinstance(outcome, Script):
            return _play(outcome, options, output, _format(arguments, options))
        return _show(outcome, arguments, options, output)
    except OutputError as error:
        diagnostics.errors([Failure("output", str(error), hint="make room, or write elsewhere")])
        return ExitCode.FAILED
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED


def _outcome(arguments: Sequence[str], options: Options) -> Any:
    """What the command returns, or a failure as a `Result`; an exit code after ``--help`` and the like."""
    try:
        return typer.main.get_command(app).main(
            args=list(arguments), prog_name="revvlink", standalone_mode=False, obj=options
        )
    except CommandError as error:
        return Result(exit_code=error.exit_code, errors=error.failures)
    except CommandLineError as error:
        return _usage(error, arguments, options)
    except typer.Abort:
        raise KeyboardInterrupt from None
    except Exception as error:  # noqa: BLE001 - see _defect
        return _defect(error, options)


def _show(outcome: Any, arguments: Sequence[str], options: Options, output: Output) -> int:
    """Await what has to be awaited and render it."""
    if isinstance(outcome, int):
        return outcome
    chosen = _format(arguments, options)
    if isinstance(outcome, Live):
        if options.output in (None, Format.TABLE) and can_be_drawn_on():
            return _awaited(_live(outcome, options, output), chosen, options, output)
        outcome = outcome.piped
    if isinstance(outcome, Stream):
        return _awaited(_follow(outcome, options, output), chosen, options, output)
    result = _settle(outcome, options)
    _render(result, chosen, options, output)
    _export(result, options)
    is_written = _write_reports(result, options)
    if result.afterwards is not None:
        _do_afterwards(result.afterwards(), options)
    return int(result.exit_code) if is_written else int(result.exit_code) or ExitCode.UNREACHABLE


def _do_afterwards(work: Coroutine[Any, Any, tuple[str, ...]], options: Options) -> None:
    """What was left to do: whatever becomes of it, the outcome stands."""
    try:
        warnings = _wait(work)
    except CommandError as error:
        diagnostics.errors(error.failures)
    except Exception as error:  # noqa: BLE001 - see _defect
        diagnostics.errors(_defect(error, options).errors)
    else:
        if not options.quiet:
            diagnostics.warnings(warnings)


def _write_reports(result: Result, options: Options) -> bool:
    """Write the files that the command asked for, each whole or not at all; the verdict has been told before."""
    if not result.reports or result.report is None:
        return True
    from revvlink_cli.output.screen import Page
    from revvlink_cli.output.streams import write_file

    failures = []
    for kind, name in result.reports:
        page = Page()
        writer = renderer(kind, options.command, page, no_color=True)
        writer.begin(result.row_type)
        writer.end(result)
        try:
            write_file(name, page.text)
        except OSError as error:
            told = f"--report {kind}={name}: cannot be written: {error.strerror or error}"
            failures.append(Failure("output", told, hint="write FORMAT=FILE, FILE in a folder that is there"))
    diagnostics.errors(failures)
    return not failures


def _export(result: Result, options: Options) -> None:
    """Write the table to a file as well, where one is named and there is a table."""
    if options.export is not None and result.data is not None:
        from revvlink_cli.output.export import export

        export(result, options.export)


def _settle(outcome: Any, options: Options) -> Result:
    """A command's `Result`, awaited within its time where it has to be."""
    try:
        settled = _wait(_within(outcome, options.timeout)) if inspect.iscoroutine(outcome) else outcome
    except CommandError as error:
        return Result(exit_code=error.exit_code, errors=error.failures)
    except Exception as error:  # noqa: BLE001 - see _defect
        return _defect(error, options)
    finally:
        if inspect.iscoroutine(outcome):
            outcome.close()  # Ctrl-C may come before it has begun
    if not isinstance(settled, Result):
        raise TypeError(f"a command returned {type(settled).__name__}")
    return settled


def _defect(error: Exception, options: Options) -> Result:
    """The last resort: a defect is told in one line, and in full with -vv."""
    if options.verbose > 1:
        raise error
    what = f"{type(error).__name__}: {error}"
    return Result(
        exit_code=ExitCode.FAILED,
        errors=(Failure("internal_error", f"this is a defect of revvlink: {what}", hint="report it, with -vv"),),
    )


def _render(result: Result, chosen: Format, options: Options, output: Output) -> None:
    writer = renderer(chosen, options.command, output, no_color=options.no_color)
    writer.begin(result.row_type)
    writer.end(result)
    _talk(result, chosen, options)


def _play(script: Script, options: Options, output: Output, chosen: Format) -> int:
    """Run the command lines of a script, one after the other; JSON gets one envelope with all of theirs."""
    if not options.quiet:
        diagnostics.notes([script.note])
    name, code, envelopes = options.command, int(ExitCode.OK), []
    with script.environment() as path:
        for step in script.steps:
            inner = replace(options, config=str(path), command="")
            outcome = _outcome(step, inner)
            if isinstance(outcome, Script):
                hint = "name another command behind `--`"
                failure = Failure("usage", "the simulated fleet runs commands, not itself again", hint=hint)
                outcome = Result(exit_code=ExitCode.USAGE, errors=(failure,))
            if len(script.steps) > 1:
                if chosen is Format.JSON:
                    result = _settle(outcome, inner)
                    envelopes.append(envelope(inner.command, result))
                    code = code or int(result.exit_code)
                    continue
                if not options.quiet:
                    diagnostics.heading(f"$ revvlink {' '.join(step)}")
            code = _show(outcome, step, inner, output) or code
    if envelopes:
        inner = replace(options, command=name)
        _render(Result(tuple(envelopes), exit_code=code), Format.JSON, inner, output)
    return code


def _talk(result: Result, chosen: Format, options: Options) -> None:
    """Notes and errors, for people. A one-line outcome has named its errors, and JSON carries them."""
    unexplained = result.exit_code == ExitCode.FAILED and not result.errors
    if not options.quiet:
        diagnostics.warnings(result.warnings)
        diagnostics.notes([result.origin] if result.origin is not None else [])
        diagnostics.notes(result.notes if chosen is Format.TABLE or unexplained else [])
    is_told = chosen in REPORTS and result.report is not None
    if not is_told and (result.line is None or chosen is not Format.PLAIN):
        diagnostics.errors(result.errors)


def _awaited(work: Coroutine[Any, Any, int], chosen: Format, options: Options, output: Output) -> int:
    """The exit code of something that goes on."""
    try:
        return int(_wait(work))
    except CommandError as error:
        result = Result(exit_code=error.exit_code, errors=error.failures)
    except OutputError:
        raise
    except Exception as error:  # noqa: BLE001 - see _defect
        result = _defect(error, options)
    _render(result, chosen, options, output)
    return int(result.exit_code)


async def _live(live: Live, options: Options, output: Output) -> int:
    """Fill the terminal, until a key or a signal ends it."""
    from revvlink_cli.output.keys import Keys

    result = Result()
    with Screen(output, no_color=options.no_color) as screen, Keys(live.key) as keys:
        screen.on_resume = keys.listen
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
    writer = renderer(chosen, options.command, output, no_color=options.no_color)
    writer.begin(stream.row)
    result, last = Result(), None
    with ExitStack() as held:
        show = _shower(stream, chosen, writer, options, output, held)
        try:
            with _until_nobody_reads(output):
                async for item in stream.items:
                    if isinstance(item, Result):
                        result = item
                        break
                    show(item)
                    last = item
                    if output.is_closed:
                        return ExitCode.OK
        except asyncio.CancelledError:
            if not output.is_closed:
                raise
            return ExitCode.OK
        finally:
            await stream.items.aclose()
    writer.end(result)
    _talk(result, chosen, options)
    if last is not None and stream.frame is not None:
        _export(stream.frame(last, sys.maxsize), options)
    return int(result.exit_code)


def _shower(
    stream: Stream, chosen: Format, writer: Renderer, options: Options, output: Output, held: ExitStack
) -> Callable[[Any], None]:
    """What shows one row of a stream; what it holds of the terminal is given back in the end."""
    frame = stream.frame
    if frame is not None and chosen is Format.TABLE:
        if not can_be_drawn_on():
            return lambda item: writer.end(frame(item, sys.maxsize))
        screen = held.enter_context(Screen(output, no_color=options.no_color))
        return lambda item: screen.show(Frame(frame(item, screen.rows)))
    if frame is not None and chosen is Format.PLAIN:
        return lambda item: writer.end(frame(item, sys.maxsize))
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

    Commands give their nodes the same time and then still have to close what is open, hence a little more here.
    """
    import asyncio

    try:
        async with asyncio.timeout(timeout + CLOSING_TIME):
            return await work
    except TimeoutError:
        return Result(
            exit_code=ExitCode.UNREACHABLE,
            errors=(Failure("timeout", f"not done within {timeout:g} s", hint="give it longer with --timeout"),),
        )


CLOSING_TIME = 1.0
"""Seconds beyond its timeout in which a command may still say what it found: nodes have a quarter of one to say why
they failed, and then connections are closed in order."""


def _wait(work: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine to its end; SIGTERM ends it as orderly as Ctrl-C does."""
    gc.enable()  # see __main__: this may go on for long
    try:
        return _run(work)
    finally:
        work.close()  # Ctrl-C may come before it has begun


def _run(work: Coroutine[Any, Any, Any]) -> Any:
    import asyncio
    import signal

    terminated = False

    async def supervised() -> Any:
        nonlocal terminated
        task = asyncio.ensure_future(work)

        def terminate() -> None:
            nonlocal terminated
            terminated = True
            task.cancel()

        if sys.platform != "win32":
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, terminate)
        return await task

    with asyncio.Runner() as runner:
        try:
            return runner.run(supervised())
        except asyncio.CancelledError:
            if not terminated:
                raise
            raise CommandError(Failure("terminated", "ended by SIGTERM"), exit_code=ExitCode.TERMINATED) from None


def _usage(error: Exception, arguments: Sequence[str], options: Options) -> Result:
    """A command line that cannot be understood."""
    context = getattr(error, "ctx", None)
    options.command = context.command_path.partition(" ")[2] if context is not None else ""
    message = error.format_message() if hasattr(error, "format_message") else str(error)
    message = " ".join(message.split()).rstrip(".")
    path = context.command_path if context is not None else "revvlink"
    first = next((argument for argument in arguments if argument in COMMANDS), "")
    code = {MONITOR: ExitCode.UNREACHABLE, PROBE: ExitCode.FAILED}.get(first, ExitCode.USAGE)
    if type(error).__name__ == "NoArgsIsHelpError":
        Output().write(f"{context.get_help() if context is not None else message}\n")
        return Result(exit_code=code)
    return Result(exit_code=code, errors=(Failure("usage", message, hint=f"see `{path} --help`"),))


def _format(arguments: Sequence[str], options: Options) -> Format:
    """The output format; read from the bare arguments where the command line could not be understood."""
    if options.output is not None:
        return options.output
    known = set(Format) if MONITOR in arguments else set(COMMON)
    for before, argument in zip(("", *arguments), arguments, strict=False):
        value = argument if before in ("-o", "--output") else argument.removeprefix("--output=").removeprefix("-o")
        if (value != argument or before in ("-o", "--output")) and value in known:
            return Format(value)
    told = os.environ.get("REVVLINK_OUTPUT")
    return Format(told) if told in known else default_format()


def _show_log(verbose: int) -> None:
    """Let the package's log go to stderr."""
    import logging

    from revvlink_cli.output.logs import LogHandler

    log = logging.getLogger("revvlink_cli")
    log.setLevel(logging.DEBUG if verbose > 1 else logging.INFO)
    log.addHandler(LogHandler())
    if verbose > 1:
        logging.getLogger("asyncio").addHandler(LogHandler())
