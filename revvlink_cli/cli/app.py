"""The command line: which commands there are, and what their arguments mean.

Commands are modules that are imported when they are used. What they return is data, a coroutine or a stream, and
`running` makes output and an exit code of it.
"""

from __future__ import annotations

import os
from dataclasses import replace
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from revvlink_cli._version import __version__
from revvlink_cli.cli.runner import defect, render, settle, show
from revvlink_cli.commands.shared.command import Group, Options, global_options
from revvlink_cli.commands.shared.typer_adapter import CommandLineError, CompletionItem
from revvlink_cli.config import secrets_in_use
from revvlink_cli.output import diagnostics
from revvlink_cli.output.envelope import envelope
from revvlink_cli.output.formats import COMMON, Format, default_format
from revvlink_cli.output.result import CommandError, ExitCode, Failure, Result, Script
from revvlink_cli.output.streams import Output, OutputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from revvlink_cli.config.source import Source

COMMANDS = {
    "nodes": "The configured nodes: list them, see how they are doing, add one.",
    "top": "Fill the terminal with the fleet, live.",
    "connect": "Connect to every node and tell how it went.",
    "search": "Search tracks as a bot would.",
    "play": "Play a track on nodes, and report whether it sounds.",
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


class Root(Group):
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
    secrets_in_use.forget()
    try:
        outcome = _outcome(arguments, options)
        if options.verbose:
            _show_log(options.verbose)
        if options.source is not None and options.source.instead_of is not None and not options.quiet:
            diagnostics.warnings([_replaced(options.source)])
        if isinstance(outcome, Script):
            return _play(outcome, options, output, _format(arguments, options))
        return show(outcome, _format(arguments, options), options, output)
    except OutputError as error:
        diagnostics.errors([Failure("output", str(error), hint="make room, or write elsewhere")])
        return ExitCode.FAILED
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED


def _replaced(source: Source) -> str:
    """What people should know where a file of the working directory takes the place of their own."""
    why = "trusted" if source.trusted else "not trusted: review it, then run `revvlink config trust`"
    return f"using {source.path} of this folder ({why}) instead of {source.instead_of}; --config names another"


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
    except OutputError:
        raise
    except Exception as error:  # noqa: BLE001 - see defect
        return defect(error, options)


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
                    result = settle(outcome, inner)
                    envelopes.append(envelope(inner.command, result))
                    code = code or int(result.exit_code)
                    continue
                if not options.quiet:
                    diagnostics.heading(f"$ revvlink {' '.join(step)}")
            code = show(outcome, _format(step, inner), inner, output) or code
            if output.is_closed:
                break
    if envelopes:
        inner = replace(options, command=name)
        render(Result(tuple(envelopes), exit_code=code), Format.JSON, inner, output)
    return code


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
