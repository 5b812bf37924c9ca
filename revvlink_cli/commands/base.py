"""What all commands share: the global options, which stand before or after the command, and how Typer is set up.

Annotations are evaluated here, because Typer reads those of a function within a function.
"""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Annotated, Any, TypeAlias

import typer
from typer.core import TyperCommand, TyperGroup

from revvlink_cli.commands.options import files, seconds
from revvlink_cli.output.renderer import CommonFormat, Format
from revvlink_cli.output.result import ExitCode, Result

CommandLineError: type[Exception] = next(
    kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException"
)
"""What Typer raises for a command line that cannot be understood; only its newest versions export it by a name."""

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
        output: Output format.
        given_timeout: Seconds that the whole command may take.
        usual_timeout: The same where nothing is given.
        quiet: Whether to keep notes to oneself.
        verbose: How much of the log to show on stderr: 0 nothing, 1 what happens, 2 everything and tracebacks.
        no_color: Whether to leave colours out.
        export: File to write the table to as well, or None.
    """

    command: str = ""
    usage_exit_code: int = ExitCode.USAGE
    defect_exit_code: int = ExitCode.FAILED
    most_errors: int | None = None
    config: str | None = None
    output: Format | None = None
    given_timeout: float | None = None
    usual_timeout: float = DEFAULT_TIMEOUT
    quiet: bool = False
    verbose: int = 0
    no_color: bool = False
    export: str | None = None

    @property
    def timeout(self) -> float:
        """Seconds that the whole command may take."""
        return self.given_timeout if self.given_timeout is not None else self.usual_timeout


@cache
def global_options(*, environment: bool, formats: type[StrEnum] = CommonFormat) -> list[Any]:
    """The global options as parameters of a command; those of the root also read the environment."""

    def option(
        *flags: str, name: str, kept_as: str | None = None, check: Callable[[Any], Any] | None = None, **more: Any
    ) -> Any:
        variable = f"REVVLINK_{name.upper()}"
        return typer.Option(
            *flags,
            callback=_keeper(kept_as or name, check),
            # REVVLINK_CONFIG is no other way to write --config: it ranks below REVVLINK_URI, see config.load.
            envvar=variable if environment and name not in ("config", "export") else None,
            show_envvar=environment,
            show_default=False,
            **more,
        )

    def declare(
        global_config: Annotated[
            str | None,
            option("--config", name="config", metavar="PATH", help="Configuration file.", autocompletion=files),
        ] = None,
        global_output: Annotated[
            formats | None,  # type: ignore[valid-type] # Typer reads it when the program runs
            option(
                "--output",
                "-o",
                name="output",
                check=Format,
                help="Output format; table on a terminal, plain elsewhere.",
            ),
        ] = None,
        global_timeout: Annotated[
            str | None,
            option(
                "--timeout",
                name="timeout",
                kept_as="given_timeout",
                metavar="TIME",
                check=seconds,
                help="Time for all of it, such as 30 or 1m; default 15s.",
            ),
        ] = None,
        global_quiet: Annotated[bool, option("--quiet", "-q", name="quiet", help="Errors only on stderr.")] = False,
        global_verbose: Annotated[
            int, option("--verbose", "-v", name="verbose", count=True, help="Log to stderr; -vv with everything.")
        ] = 0,
        global_no_color: Annotated[bool, option("--no-color", name="no_color", help="No colours.")] = False,
        global_export: Annotated[
            str | None,
            option(
                "--export",
                name="export",
                metavar="FILE",
                check=_exportable,
                help="Write the table to a file, too: .svg, .html, .md or .csv.",
                autocompletion=files,
            ),
        ] = None,
    ) -> None:
        """Never called: Typer reads the options from the signature."""

    carrier = typer.Typer(add_completion=False, rich_markup_mode=None)
    carrier.command()(declare)
    found = [param for param in typer.main.get_command(carrier).params if (param.name or "").startswith("global_")]
    for param in found:
        param.expose_value = False
    return found


def _keeper(name: str, check: Callable[[Any], Any] | None) -> Callable[..., Any]:
    """A callback that stores an option in the shared `Options` when it was really given."""

    def keep(ctx: typer.Context, value: Any) -> Any:
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


class Command(TyperCommand):
    """A command that takes the global options too."""

    usage_exit_code = ExitCode.USAGE
    defect_exit_code = ExitCode.FAILED
    most_errors: int | None = None
    formats: type[StrEnum] = CommonFormat
    usual_timeout = DEFAULT_TIMEOUT

    def get_params(self, ctx: Any) -> list[Any]:
        """Own parameters, then the global ones."""
        return [*super().get_params(ctx), *global_options(environment=False, formats=self.formats)]

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


def make_app() -> typer.Typer:
    """A Typer app for one module, set up so that nothing loads Rich; what it is for stands in `app.COMMANDS`."""
    return typer.Typer(
        cls=TyperGroup,
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
