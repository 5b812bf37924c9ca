"""What all commands share: the global options, which stand before or after the command, and how Typer is set up.

Annotations are evaluated here, because Typer reads those of a function within a function.
"""

import sys
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, TypeVar

import typer
from typer.core import TyperCommand, TyperGroup, TyperOption

from revvlink_cli import _interrupts
from revvlink_cli.commands.shared.typer_adapter import Choice
from revvlink_cli.commands.shared.values import files, seconds
from revvlink_cli.output.formats import CommonFormat, Format
from revvlink_cli.output.result import CommandError, ExitCode, Failure, Result
from revvlink_cli.output.streams import Output
from revvlink_cli.output.text import clean

if TYPE_CHECKING:
    from revvlink_cli.config.source import Source

F = TypeVar("F", bound=Callable[..., Any])

Work: TypeAlias = Coroutine[Any, Any, Result]
"""What a command returns that has to be awaited."""


DEFAULT_TIMEOUT = 15.0
"""Seconds for all of a command, where it says nothing else."""


@dataclass(slots=True)
class Options:
    """The global options as given; None where nothing was said.

    Attributes:
        command: The command that runs, as typed: ``nodes status``.
        usage_exit_code: Exit code for a wrong command line or configuration.
        defect_exit_code: Exit code when the program itself, or its output, fails.
        most_errors: How many errors are told one by one, None for all.
        config: Path of the configuration file.
        uri: Address of the one node to use, in place of a configuration.
        password_env: Variable that holds the password of that node.
        environment: The environment with that node, once the password is known.
        output: Output format.
        given_timeout: Seconds that the whole command may take.
        usual_timeout: The same where nothing is given.
        quiet: Whether to keep notes to oneself.
        verbose: How much of the log to show on stderr: 0 nothing, 1 what happens, 2 everything and tracebacks.
        no_color: Whether to leave colours out.
        export: File to write the table to as well, or None.
        source: The configuration that the command uses, once it has looked for one.
    """

    command: str = ""
    usage_exit_code: int = ExitCode.USAGE
    defect_exit_code: int = ExitCode.FAILED
    most_errors: int | None = None
    config: str | None = None
    uri: str | None = None
    password_env: str | None = None
    environment: "Mapping[str, str] | None" = None
    output: Format | None = None
    given_timeout: float | None = None
    usual_timeout: float = DEFAULT_TIMEOUT
    quiet: bool = False
    verbose: int = 0
    no_color: bool = False
    export: str | None = None
    source: "Source | None" = None

    @property
    def timeout(self) -> float:
        """Seconds that the whole command may take."""
        return self.given_timeout if self.given_timeout is not None else self.usual_timeout


@cache
def global_options(*, environment: bool, formats: type[StrEnum] = CommonFormat) -> list[Any]:
    """The global options as parameters of a command; those of the root also read the environment."""

    def option(name: str, *flags: str, check: Callable[[Any], Any] | None = None, **more: Any) -> TyperOption:
        variable = f"REVVLINK_{name.removeprefix('given_').upper()}"
        return TyperOption(
            param_decls=[f"global_{name}", *flags],
            callback=_keeper(name, check),
            # REVVLINK_CONFIG is no other way to write --config: it ranks below REVVLINK_URI, see config.load.
            envvar=variable if environment and name not in ("config", "uri", "password_env", "export") else None,
            show_envvar=environment,
            expose_value=False,
            **more,
        )

    def of_files(ctx: typer.Context, args: list[str], incomplete: str) -> list[str]:  # noqa: ARG001 - Typer's signature
        return files(incomplete)

    return [
        option("config", "--config", metavar="PATH", help="Configuration file.", autocompletion=of_files),
        option("uri", "--uri", metavar="URI", help="Use this one node instead of a configuration."),
        option(
            "password_env", "--password-env", metavar="NAME", help="Variable with the password of the node of --uri."
        ),
        option(
            "output",
            "--output",
            "-o",
            type=Choice([str(kind) for kind in formats]),
            check=Format,
            help="Output format; table on a terminal, plain elsewhere.",
        ),
        option(
            "given_timeout",
            "--timeout",
            metavar="TIME",
            check=seconds,
            help="Time for all of it, such as 30 or 1m; default 15s.",
        ),
        option("quiet", "--quiet", "-q", is_flag=True, help="Errors only on stderr."),
        option("verbose", "--verbose", "-v", type=int, count=True, help="Log to stderr; -vv with everything."),
        option("no_color", "--no-color", is_flag=True, help="No colours."),
        option(
            "export",
            "--export",
            metavar="FILE",
            check=_exportable,
            help="Write the table to a file, too: .svg, .html, .md or .csv.",
            autocompletion=of_files,
        ),
    ]


def _keeper(name: str, check: Callable[[Any], Any] | None) -> Callable[..., Any]:
    """A callback that stores an option in the shared `Options` when it was really given."""

    def keep(ctx: typer.Context, param: object, value: Any) -> Any:  # noqa: ARG001 - Typer's signature
        if value is not None and value is not False and not (name == "verbose" and value == 0):
            setattr(ctx.find_root().obj, name, check(value) if check is not None else value)
        return value

    return keep


def _exportable(name: str) -> str:
    from revvlink_cli.output.export import ending_of

    try:
        ending_of(name)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    return name


def _help_option_of(option: Any) -> Any:
    """``--help`` that writes as everything else does: to a full disk, or to a reader who has gone."""

    def write(ctx: typer.Context, _param: Any, value: bool) -> None:
        if value and not ctx.resilient_parsing:
            Output().write(f"{ctx.get_help()}\n")
            ctx.exit()

    if option is not None:
        option.callback = write
    return option


class Group(TyperGroup):
    """A group of commands."""

    def get_help_option(self, ctx: Any) -> Any:
        """``--help``."""
        return _help_option_of(super().get_help_option(ctx))


class Command(TyperCommand):
    """A command that takes the global options too."""

    usage_exit_code = ExitCode.USAGE
    defect_exit_code = ExitCode.FAILED
    most_errors: int | None = None
    formats: type[StrEnum] = CommonFormat
    usual_timeout = DEFAULT_TIMEOUT

    def get_help_option(self, ctx: Any) -> Any:
        """``--help``."""
        return _help_option_of(super().get_help_option(ctx))

    def get_params(self, ctx: Any) -> list[Any]:
        """Own parameters, then the global ones whose flags the command does not use for its own."""
        own = super().get_params(ctx)
        taken = {flag for param in own for flag in param.opts}
        shared = global_options(environment=False, formats=self.formats)
        return [*own, *(option for option in shared if taken.isdisjoint(option.opts))]

    def invoke(self, ctx: Any) -> Any:
        """Run, and let the root know under what name."""
        options = ctx.find_root().obj
        options.command = ctx.command_path.partition(" ")[2]
        options.usage_exit_code = self.usage_exit_code
        options.defect_exit_code = self.defect_exit_code
        options.most_errors = self.most_errors
        options.usual_timeout = self.usual_timeout
        if options.output is not None and options.output not in set(self.formats):
            asked, options.output = options.output, None
            raise typer.BadParameter(
                f"{str(asked)!r} is not one of {', '.join(self.formats)}; `check` has it",
                ctx=ctx,
                param_hint="--output",
            )
        _interrupts.raise_again()  # all that the command line needs has been loaded
        return super().invoke(ctx)

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Own options first, then the global ones under a heading of their own."""
        own: list[Any] = []
        shared: list[Any] = []
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if record is not None:
                target = shared if (param.name or "").startswith("global_") else own
                if getattr(param, "param_type_name", "") == "option":
                    target.append(record)
        for title, records in (("Options", own), ("Global options", shared)):
            if records:
                with formatter.section(title):
                    formatter.write_dl(records)


class MonitorCommand(Command):
    """A command whose exit codes a monitoring system reads: a mistake in the command line is UNKNOWN, not CRITICAL."""

    usage_exit_code = ExitCode.UNREACHABLE
    defect_exit_code = ExitCode.UNREACHABLE
    formats = Format


class ProbeCommand(Command):
    """A command of which there are two exit codes only, as container engines want it."""

    usage_exit_code = ExitCode.FAILED
    most_errors = 1


class PlayCommand(Command):
    """A command that loads, plays and measures."""

    usual_timeout = 60.0


class WaitCommand(Command):
    """A command that waits for what may take a while."""

    usual_timeout = 60.0


class Rows(NamedTuple):
    """A command prints rows: a list in JSON.

    Attributes:
        kind: Their type; None for objects of any kind.
        in_json: Whether they end, so that a JSON envelope can hold them.
    """

    kind: type | None
    in_json: bool = True


class Record(NamedTuple):
    """A command prints one record: an object in JSON.

    Attributes:
        kind: Its type; None for an object of any kind.
    """

    kind: type | None


Prints: TypeAlias = Callable[[], Mapping[str, Rows | Record]]
"""Option -> what a command prints with it, "" without any; called for JSON Schemas and documentation only."""


def command(
    app: typer.Typer, name: str | None = None, *, prints: Prints, cls: type[Command] = Command, **settings: Any
) -> Callable[[F], F]:
    """Add a function to `app` as a command.

    Args:
        app: The Typer app of its module.
        name: Its name, the function's where left out.
        prints: What it prints: the JSON Schema and the documentation are made from it.
        cls: How its exit codes and options work.
        settings: Passed on to Typer.
    """

    def register(function: F) -> F:
        function.prints = prints  # type: ignore[attr-defined] # Typer keeps a function's attributes, see `prints_of`
        return app.command(name, cls=cls, **settings)(function)

    return register


def prints_of(found: Any) -> Mapping[str, Rows | Record]:
    """What a command, as Typer made it, prints."""
    prints: Prints = found.callback.prints
    return prints()


def make_app() -> typer.Typer:
    """A Typer app for one module, set up so that nothing loads Rich; what it is for stands in `app.COMMANDS`."""
    return typer.Typer(
        cls=Group,
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
    )


def options_of(ctx: typer.Context) -> Options:
    """The global options of a running command."""
    found = ctx.find_root().obj
    if not isinstance(found, Options):
        raise TypeError("commands run under the root command")
    return found


def confirm(question: str, *, yes: bool) -> None:
    """Have the user say yes to what cannot be undone.

    Args:
        question: What is asked on a terminal.
        yes: Whether the command line has said so.

    Raises:
        CommandError: There is nobody to ask.
        typer.Abort: The answer is no.
    """
    if yes:
        return
    if sys.stdin is None or not sys.stdin.isatty():
        raise CommandError(
            Failure("usage", "nothing is destroyed without being asked for twice", hint="add --yes"),
            exit_code=ExitCode.USAGE,
        )
    typer.confirm(clean(question), abort=True, err=True)
