"""The command line: the table of commands, and the way from arguments to an exit code.

The module of a command is imported when the command is used. The runner turns what it returns into output and an exit
code.
"""

from __future__ import annotations

import os
from collections.abc import Coroutine
from contextlib import ExitStack
from dataclasses import replace
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperGroup, TyperOption

from revvlink_cli._version import __version__
from revvlink_cli.cli.event_loop import TerminatedError, raise_on_signals
from revvlink_cli.cli.exit_codes import result_of
from revvlink_cli.cli.result_writer import write_result
from revvlink_cli.cli.runner import await_result, run_outcome
from revvlink_cli.commands.shared.command import Group, Options, global_options, write_options
from revvlink_cli.commands.shared.typer_adapter import CommandLineError, CompletionItem
from revvlink_cli.config import secrets_in_use
from revvlink_cli.output import diagnostics
from revvlink_cli.output.formats import COMMON, Format, Layout, default_format
from revvlink_cli.output.help_text import show_help_text
from revvlink_cli.output.result import CommandError, ExitCode, Failure, Result, Script
from revvlink_cli.output.streams import Output, OutputError, end_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from revvlink_cli.commands.shared.command import Outcome
    from revvlink_cli.config.source import Source

COMMAND_GROUPS = {
    "Fleet": {
        "nodes": "List, test and change the nodes, and show their status.",
        "top": "Fill the terminal with the fleet, live.",
        "connect": "Connect to every node and report the result.",
        "wait": "Wait until the nodes are ready or healthy.",
        "events": "Print the events of the nodes as they happen.",
        "players": "List, show and destroy the players of a bot's session.",
    },
    "Routing": {
        "region": "Map Discord voice endpoints to regions.",
        "route": "Show which node would serve a region or endpoint, and why.",
        "routeplanner": "Show failing addresses of route planners, and free them.",
    },
    "Tracks": {
        "search": "Search tracks as a bot would.",
        "play": "Play a track on nodes and report whether it sounds.",
        "cache": "Inspect, fill and clear the track cache.",
        "track": "Decode the encoded tracks that bots store and send.",
    },
    "Monitoring": {
        "check": "Check the nodes' health, for people, cron and monitoring.",
        "healthcheck": "Check one node, for Docker and Kubernetes.",
        "alert": "Test the channels that alerts go to.",
        "doctor": "Diagnose the machine, the configuration and each node.",
        "exporter": "Serve metrics of the nodes to Prometheus.",
        "silence": "Silence nodes during maintenance, until a given time.",
        "record": "Record the status of the nodes to a file.",
        "drill": "Rehearse an outage on a simulated copy of the fleet.",
        "report": "Summarise a recording, as a table or a page with charts.",
    },
    "Set-up": {
        "init": "Write a starter configuration.",
        "context": "Choose between several fleets, each with its own file.",
        "config": "Show, change, validate and trust the configuration.",
        "demo": "Try every command on a simulated fleet.",
        "simulate": "Serve simulated nodes to bots and tests.",
        "completion": "Print the script that completes command lines.",
        "help": "Explain a topic or a command.",
        "version": "Show the version.",
    },
}
"""Heading in the help -> its commands, each of which is also its module in `commands`, with its line; all in order."""

COMMANDS = {name: line for commands in COMMAND_GROUPS.values() for name, line in commands.items()}
"""Command -> its line in the help."""


@cache
def _version_option() -> TyperOption:
    """``--version``."""

    def write(ctx: typer.Context, param: object, value: bool) -> None:  # noqa: ARG001 - Typer's signature
        if value and not ctx.resilient_parsing:  # not while a command line is completed
            Output().write(f"revvlink {__version__}\n")
            raise typer.Exit

    return TyperOption(
        param_decls=["--version", "-V"], is_flag=True, is_eager=True, expose_value=False, callback=write,
        help="Show the version and exit.",
    )  # fmt: skip


class Root(Group):
    """The root command. It loads the module of a command when the command is used."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - Typer's signature
        """The commands, in the order of `COMMANDS`."""
        return list(COMMANDS)

    def shell_complete(self, ctx: Any, incomplete: str) -> Any:
        """Complete commands without loading any of them, or options."""
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

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """The commands under their headings, then the options."""
        width = max(map(len, COMMANDS))
        for title, commands in COMMAND_GROUPS.items():
            with formatter.section(title):
                formatter.write_dl([(name.ljust(width), line) for name, line in commands.items()])
        write_options(self, ctx, formatter)

    def get_params(self, ctx: Any) -> list[Any]:
        """``--version``, and the global options with their environment variables."""
        shared = global_options(environment=True, formats=tuple(Format))
        return [_version_option(), *super().get_params(ctx), *shared]


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


app.callback()(lambda: None)  # without a command or a callback Typer makes no group


def run(arguments: Sequence[str]) -> int:
    """Run one command line; returns the exit code."""
    options = Options(no_color=_is_colour_off(arguments))
    output = Output()
    secrets_in_use.forget()
    try:
        outcome = _call_command(arguments, options)
        if options.verbose:
            _show_log(options.verbose)
        if options.source is not None and not options.quiet:
            diagnostics.warnings(_describe_source(options.source))
        return _run(outcome, options, output)
    except OutputError as error:
        result = result_of(error, options)
        diagnostics.errors(result.errors)
        return result.exit_code
    except KeyboardInterrupt:
        end_line()
        return ExitCode.INTERRUPTED


def _call_command(arguments: Sequence[str], options: Options) -> Outcome | Script | int:
    """What the command returns; a failure is a `Result`. Typer gives an exit code after ``--help`` and Ctrl-C."""
    try:
        outcome: Outcome | Script | int = typer.main.get_command(app).main(
            args=list(arguments), prog_name="revvlink", standalone_mode=False, obj=options
        )
    except CommandError as error:
        return result_of(error, options)
    except CommandLineError as error:
        return _refuse_command_line(error, arguments, options)
    except typer.Abort:  # a question has been left with Ctrl-C, or answered with no
        return ExitCode.INTERRUPTED
    except OutputError:
        raise
    except Exception as error:  # noqa: BLE001 - a defect, see `result_of`
        options.output = options.output or _find_format(arguments, tuple(Format))
        return result_of(error, options)
    return outcome


def _refuse_command_line(error: Exception, arguments: Sequence[str], options: Options) -> Result:
    """The result of a command line that cannot be parsed."""
    command = _find_command(arguments)
    options.output = options.output or _find_format(arguments, getattr(command, "formats", COMMON))
    context = getattr(error, "ctx", None)
    options.command = context.command_path.partition(" ")[2] if context is not None else ""
    message = _message_of(error)
    path = context.command_path if context is not None else "revvlink"
    code = getattr(command, "usage_exit_code", ExitCode.USAGE)
    if type(error).__name__ == "NoArgsIsHelpError":
        if not arguments and context is not None:
            from revvlink_cli.cli.overview import overview

            return _show_help(f"{overview(options)}\n\n{context.get_help()}", options, ExitCode.OK)
        return _show_help(context.get_help() if context is not None else message, options, code)
    return Result(exit_code=code, errors=(Failure("usage", message, hint=f"see `{path} --help`"),))


def _message_of(error: Exception) -> str:
    """The message of a command line that cannot be parsed, on one line."""
    if similar := getattr(error, "possibilities", None):  # of an unknown option; `Group` names similar commands
        return f"{getattr(error, 'message', error)}. Did you mean {' or '.join(similar)}?"
    message = error.format_message() if hasattr(error, "format_message") else str(error)
    return " ".join(message.split()).rstrip(".")


def _show_help(text: str, options: Options, code: int) -> Result:
    Output().write(f"{show_help_text(text, no_color=options.no_color)}\n")
    return Result(exit_code=code)


def _is_colour_off(arguments: Sequence[str]) -> bool:
    """Whether the line or the environment turns colour off. ``--help`` is written before other options are read."""
    own = arguments[: arguments.index("--")] if "--" in arguments else arguments
    variable = os.environ.get("REVVLINK_NO_COLOR", "").strip().lower()
    return "--no-color" in own or variable in ("1", "true", "t", "yes", "y", "on")


def _find_command(arguments: Sequence[str]) -> Any:
    """The command, or group, that a command line names first; None if it names none."""
    name = next((argument for argument in arguments if argument in COMMANDS), None)
    return typer.main.get_command(app).get_command(None, name) if name is not None else None  # type: ignore[attr-defined] # a Root


def _find_format(arguments: Sequence[str], known: Sequence[Format]) -> Format | None:
    """The output format of a command line that could not be parsed; None if it names none."""
    for before, argument in zip(("", *arguments), arguments, strict=False):
        value = argument if before in ("-o", "--output") else argument.removeprefix("--output=").removeprefix("-o")
        if (value != argument or before in ("-o", "--output")) and value in known:
            return Format.named(value)
    name = os.environ.get("REVVLINK_OUTPUT")
    return Format.named(name) if name is not None and name in known else None


def _describe_source(source: Source) -> list[str]:
    """The warning that one of two configurations is used, where the user may expect the other one."""
    if source.passed_over is not None:
        return [f"using the context {source.context} instead of {source.passed_over}; --config names another"]
    if source.instead_of is None:
        return []
    why = "trusted" if source.trusted else "not trusted: review it, then run `revvlink config trust`"
    return [f"using {source.path} of this folder ({why}) instead of {source.instead_of}; --config names another"]


def _run(outcome: Outcome | Script | int, options: Options, output: Output) -> int:
    """Run what a command line has returned; returns the exit code."""
    chosen = options.output or (Format.JSON if options.view.program is not None else default_format())
    match outcome:
        case int():
            return outcome
        case Script():
            try:
                return _run_script(outcome, chosen, options, output)
            except TerminatedError as error:
                return _run(result_of(error, options), options, output)
        case _:
            return run_outcome(outcome, chosen, options, output)


def _run_script(script: Script, chosen: Format, options: Options, output: Output) -> int:
    """Run the command lines of a script one after the other; JSON puts all their envelopes into one."""
    from revvlink_cli._shell import join
    from revvlink_cli.output.envelope import envelope

    if not options.quiet:
        diagnostics.notes([script.note])
    name, code, envelopes = options.command, int(ExitCode.OK), []
    is_document = chosen.layout is Layout.DOCUMENT
    with ExitStack() as stack:
        stack.enter_context(raise_on_signals())
        path = stack.enter_context(script.environment())
        for step in script.steps:
            if step.text and not options.quiet and not is_document:
                diagnostics.heading(step.text)
            if not step.arguments:
                continue
            inner = replace(options, config=str(path), context=None, command="")
            outcome = _call_command(step.arguments, inner)
            if isinstance(outcome, Script):
                hint = "name another command behind `--`"
                failure = Failure("usage", "the simulated fleet runs commands, not itself again", hint=hint)
                outcome = Result(exit_code=ExitCode.USAGE, errors=(failure,))
            if step.text and is_document and isinstance(outcome, (Result, Coroutine)):
                result = await_result(outcome, inner)
                envelopes.append(envelope(inner.command, result))
                ended = int(result.exit_code)
            else:
                if step.text and not options.quiet:
                    diagnostics.lines([f"$ revvlink {join(step.arguments)}"])
                ended = _run(outcome, inner, output)
            code = code or (ended if ended not in step.exit_codes else 0)
            if ended in (ExitCode.INTERRUPTED, ExitCode.TERMINATED, ExitCode.QUIT):
                return ended
            if output.is_closed:
                break
    if envelopes:
        write_result(Result(tuple(envelopes), exit_code=code), chosen, replace(options, command=name), output)
    if script.ending and not options.quiet:
        diagnostics.heading(script.ending[0])
        diagnostics.lines(script.ending[1:])
    return code


def _show_log(verbose: int) -> None:
    """Show the log of the package on stderr."""
    import logging

    from revvlink_cli.output.logs import LogHandler

    log = logging.getLogger("revvlink_cli")
    log.setLevel(logging.DEBUG if verbose > 1 else logging.INFO)
    log.addHandler(LogHandler())
    if verbose > 1:
        logging.getLogger("asyncio").addHandler(LogHandler())
