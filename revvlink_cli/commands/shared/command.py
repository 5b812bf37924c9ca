"""The base of all commands: the global options, accepted before and after the command, and the set-up of Typer.

Annotations are evaluated in this module, because Typer reads those of nested functions.

This file has more than 400 lines because the options of a command, its help and its parsing change together.
"""

import sys
from collections.abc import Callable, Coroutine, Iterator, Mapping
from dataclasses import field
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar, get_type_hints

import typer
from typer.core import TyperCommand, TyperGroup, TyperOption

from revvlink_cli import _interrupts
from revvlink_cli._record import NamedTuple, record
from revvlink_cli.commands.shared.node_flag import node_flag
from revvlink_cli.commands.shared.typer_adapter import Choice, CommandLineError
from revvlink_cli.commands.shared.values import contexts, files, seconds
from revvlink_cli.output.formats import COMMON, HELP, Format, Layout
from revvlink_cli.output.help_text import show_help_text
from revvlink_cli.output.result import CommandError, ExitCode, Failure, FullScreen, Result, Stream
from revvlink_cli.output.sizes import terminal_size
from revvlink_cli.output.streams import Output
from revvlink_cli.output.view import View

if TYPE_CHECKING:
    from revvlink_cli.config.source import Source

F = TypeVar("F", bound=Callable[..., Any])

Work: TypeAlias = Coroutine[Any, Any, Result]
"""A result that has to be awaited."""

Outcome: TypeAlias = Result | Work | Stream | FullScreen
"""What a command returns, but for `demo`, which returns a `Script`."""

DEFAULT_TIMEOUT = 15.0
"""Time limit of a command in seconds, unless its class sets another one."""


NARROWEST_HELP = 30
"""Width of help texts in columns, at least."""


USUAL_WIDTH = 72
"""Width in columns from which options and their texts stand side by side."""


WITHOUT_VARIABLE = (
    "config", "context", "uri", "password_env", "export", "problems", "columns", "filter", "jq",
)  # fmt: skip
"""Global options that no variable sets: REVVLINK_CONFIG and REVVLINK_CONTEXT rank below REVVLINK_URI, see `find`."""


@record
class Options:
    """The global options as given, None for those that are not, and the settings of the command that runs.

    Attributes:
        command: The command that runs, as typed: ``nodes status``.
        usage_exit_code: Exit code for a wrong command line or configuration.
        defect_exit_code: Exit code if the program itself fails, or cannot write its output.
        most_errors: Number of errors to show, None for all.
        config: Path of the configuration file.
        context: Name of the context, a configuration of its own.
        uri: Address of the one node to use, in place of a configuration.
        password_env: Variable that holds the password of that node.
        environment: The environment with that node, once the password is known.
        output: Output format.
        given_timeout: Time limit for the whole command in seconds.
        usual_timeout: Time limit if none is given.
        quiet: Whether to leave out notes and warnings.
        verbose: Level of the log on stderr: 0 none, 1 events, 2 everything and tracebacks.
        no_color: Whether to write without colours.
        export: File to write the table to as well, or None.
        problems: Whether to show only rows with a problem.
        columns: Names of the columns to show, with commas between them.
        filter: The condition on rows to show.
        jq: The jq program that makes the output.
        view: What the four above mean for the rows of the command that runs.
        source: The configuration that the command uses, once it is found.
    """

    command: str = ""
    usage_exit_code: int = ExitCode.USAGE
    defect_exit_code: int = ExitCode.FAILED
    most_errors: int | None = None
    config: str | None = None
    context: str | None = None
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
    problems: bool = False
    columns: str | None = None
    filter: str | None = None
    jq: str | None = None
    view: View = field(default_factory=View)
    source: "Source | None" = None

    @property
    def timeout(self) -> float:
        """Time limit for the whole command in seconds."""
        return self.given_timeout if self.given_timeout is not None else self.usual_timeout


@cache
def global_options(*, environment: bool, formats: tuple[Format, ...] = COMMON) -> list[Any]:
    """The global options as parameters of a command; the root also reads them from the environment."""

    def option(name: str, *flags: str, check: Callable[[Any], Any] | None = None, **more: Any) -> TyperOption:
        variable = f"REVVLINK_{name.removeprefix('given_').upper()}"
        return TyperOption(
            param_decls=[f"global_{name}", *flags],
            callback=_make_callback(name, check),
            envvar=variable if environment and name not in WITHOUT_VARIABLE else None,
            show_envvar=environment,
            expose_value=False,
            **more,
        )

    def complete_files(ctx: typer.Context, args: list[str], incomplete: str) -> list[str]:  # noqa: ARG001 - Typer's signature
        return files(incomplete)

    def complete_contexts(ctx: typer.Context, args: list[str], incomplete: str) -> list[str]:  # noqa: ARG001 - Typer's signature
        return contexts(incomplete)

    return [
        option("config", "--config", metavar="PATH", help="Configuration file.", autocompletion=complete_files),
        option(
            "context",
            "--context",
            metavar="NAME",
            help="Context: the fleet to use, see `revvlink context --help`.",
            autocompletion=complete_contexts,
        ),
        option("uri", "--uri", metavar="URI", help="Use this one node instead of a configuration."),
        option(
            "password_env", "--password-env", metavar="NAME", help="Variable with the password of the node of --uri."
        ),
        option(
            "output",
            "--output",
            "-o",
            type=Choice([str(kind) for kind in formats]),
            check=Format.named,
            help=HELP,
        ),
        option(
            "given_timeout",
            "--timeout",
            metavar="TIME",
            check=seconds,
            help="Time limit for the whole command, such as 30 or 1m; default 15s.",
        ),
        option("quiet", "--quiet", "-q", is_flag=True, help="Show only errors on stderr."),
        option("verbose", "--verbose", "-v", type=int, count=True, help="Show the log on stderr; -vv shows all of it."),
        option("no_color", "--no-color", is_flag=True, help="Write without colours."),
        option("problems", "--problems", is_flag=True, help="Show only rows with a problem."),
        option(
            "columns", "--columns", metavar="NAME,...", help="Show these columns, by the names of their JSON fields."
        ),
        option(
            "filter",
            "--filter",
            metavar="EXPR",
            help="Show only rows for which this holds, such as 'playing>100 and region==us'.",
        ),
        option("jq", "--jq", metavar="EXPR", help="Print what this jq program makes of the JSON output."),
        option(
            "export",
            "--export",
            metavar="FILE",
            check=_check_export_file,
            help="Also write the table to a .svg, .html, .md or .csv file.",
            autocompletion=complete_files,
        ),
    ]


def _make_callback(name: str, check: Callable[[Any], Any] | None) -> Callable[..., Any]:
    """Make a callback that stores an option in the shared `Options` if it is given."""

    def store(ctx: typer.Context, param: object, value: Any) -> Any:  # noqa: ARG001 - Typer's signature
        if value is not None and value is not False and not (name == "verbose" and value == 0):
            setattr(ctx.find_root().obj, name, check(value) if check is not None else value)
        return value

    return store


def _check_export_file(name: str) -> str:
    from revvlink_cli.output.export import ending_of

    try:
        ending_of(name)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    return name


def _use_output_for_help(option: Any) -> Any:
    """Make ``--help`` write through `Output`, which handles full disks and closed pipes."""

    def write(ctx: typer.Context, _param: Any, value: bool) -> None:
        if value and not ctx.resilient_parsing:
            options = ctx.find_root().obj
            text = show_help_text(ctx.get_help(), no_color=options is not None and options.no_color)
            Output().write(f"{text}\n")
            ctx.exit()

    if option is not None:
        option.callback = write
    return option


def help_width() -> int:
    """Width of help texts in columns."""
    return max(terminal_size()[0], NARROWEST_HELP)


def _formatter() -> Any:
    """A formatter of help texts, as wide as the terminal."""
    return typer.Context.formatter_class(width=help_width())


def _folded(option: str, width: int) -> str:
    """An option with its choices, on as many lines as they need."""
    if len(option) <= width or "|" not in option:
        return option
    lines = [""]
    for part in option.replace("|", "|\0").split("\0"):
        if lines[-1] and len(lines[-1]) + len(part) > width:
            lines.append(" " * 6)
        lines[-1] += part
    return "\n".join(lines)


def _write_records(records: list[Any], formatter: Any) -> None:
    """Write options and their texts; on a narrow terminal most texts stand below their option.

    Choices that are wider than the terminal take several lines.
    """
    room = formatter.width - formatter.current_indent
    records = [(_folded(option, room), text) for option, text in records]
    formatter.write_dl(records, col_max=30 if formatter.width >= USUAL_WIDTH else formatter.width // 4)


def _help_of(command: Any, ctx: Any) -> str:
    """The help of a command, as wide as the terminal."""
    formatter = _formatter()
    command.format_help(ctx, formatter)
    return str(formatter.getvalue()).rstrip("\n")


def global_option_help() -> str:
    """Every global option, with the environment variable that sets it."""
    ctx = typer.Context(TyperCommand("revvlink"))
    formatter = _formatter()
    formatter.write_text(
        "Every command takes these options, before or after its name. Only `check` has all formats of --output."
    )
    options = global_options(environment=True, formats=tuple(Format))
    with formatter.section("Options"):
        _write_records([option.get_help_record(ctx) for option in options], formatter)
    return str(formatter.getvalue()).rstrip("\n")


def write_options(command: Any, ctx: Any, formatter: Any) -> None:
    """Write the options of a command, its examples, and the names of the global options."""
    own: list[Any] = []
    shared: list[str] = []
    for param in command.get_params(ctx):
        record = param.get_help_record(ctx)
        if record is None or getattr(param, "param_type_name", "") != "option":
            continue
        if (param.name or "").startswith("global_"):
            shared.append(max(param.opts, key=len))
        else:
            own.append(record)
    with formatter.section("Options"):
        _write_records(own, formatter)
    if examples := examples_of(command):
        with formatter.section("Examples"):
            for example in examples:
                formatter.write(f"{'':>{formatter.current_indent}}{example}\n")
    if shared:
        with formatter.section("Global options"):
            from textwrap import fill

            indent = " " * formatter.current_indent
            text = f"{', '.join(shared)}; see `revvlink help options`."
            width = formatter.width
            formatter.write(fill(text, width, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False))
            formatter.write("\n")


SYNONYMS = {
    "rm": "remove", "delete": "remove", "del": "remove",
    "ls": "list", "ps": "status", "get": "list", "describe": "info", "inspect": "info", "ping": "test", "new": "add",
    "create": "add", "mv": "rename", "logs": "events", "monitor": "top", "watch": "top", "verify": "validate",
    "select": "use", "switch": "use",
}  # fmt: skip
"""Names of commands of other tools -> what the command is called here."""

OUT_OF_USE = ("cordon", "drain", "disable")
"""What other tools call taking a node out of use."""


def similar_commands(name: str, ctx: Any) -> list[str]:
    """The commands that a wrong name may stand for.

    These are near names in this group, else the same name elsewhere. A name of another tool means our word for it.
    """
    from difflib import get_close_matches

    if name in OUT_OF_USE:
        return [f"{ctx.find_root().command_path} {path}" for path in ("nodes remove", "silence add")]
    if name in SYNONYMS:
        return _commands_named(name, ctx) or _commands_named(SYNONYMS[name], ctx)
    near = get_close_matches(name, ctx.command.list_commands(ctx))
    return [f"{ctx.command_path} {match}" for match in near] or _commands_named(name, ctx)


def _commands_named(name: str, ctx: Any) -> list[str]:
    """The command of this name in this group, else on top, else in all groups."""
    root = ctx.find_root()
    top = root.command.list_commands(root)
    for group, known in ((ctx, ctx.command.list_commands(ctx)), (root, top)):
        if name in known:
            return [f"{group.command_path} {name}"]
    found = []
    for group_name in top:
        group = root.command.get_command(root, group_name)
        if isinstance(group, TyperGroup) and name in group.list_commands(root):
            found.append(f"{root.command_path} {group_name} {name}")
    return found


def set_view(options: Options, command: Any, ctx: Any) -> None:
    """Set what ``--problems``, ``--columns``, ``--filter`` and ``--jq`` mean for the command that runs."""
    if (options.problems, options.columns, options.filter, options.jq) == (False, None, None, None):
        return
    from revvlink_cli.commands.shared.view_options import make_view

    printed = _printed_by(command, ctx)
    try:
        make_view(options, printed.kind if printed is not None else None, is_record=isinstance(printed, Record))
    except typer.BadParameter as error:
        error.ctx = ctx
        raise


def _printed_by(command: Any, ctx: Any) -> "Rows | Record | None":
    """What a command prints with the options that are given; None if that depends on more than those."""
    variants = prints_of(command)
    names = {flag: param.name for param in command.params for flag in param.opts}
    given = [variants[flag] for flag in variants if flag and ctx.params.get(names.get(flag, ""))]
    return given[0] if given else variants.get("")


class Group(TyperGroup):
    """A group of commands."""

    def get_help(self, ctx: Any) -> str:
        """The help, as wide as the terminal."""
        return _help_of(self, ctx)

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """The commands with their whole lines, then the options."""
        self.write_commands(ctx, formatter)
        write_options(self, ctx, formatter)

    def write_commands(self, ctx: Any, formatter: Any) -> None:
        """The commands with their whole lines."""
        commands: list[Any] = [self.get_command(ctx, name) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl([(command.name, command.get_short_help_str(sys.maxsize)) for command in commands])

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the command; an error suggests commands of all groups."""
        self.suggest_commands = False
        try:
            return super().resolve_command(ctx, args)
        except CommandLineError as error:
            if similar := similar_commands(args[0], ctx):
                error.message += f" Did you mean {' or '.join(f'`{path}`' for path in similar)}?"
            raise

    def get_help_option(self, ctx: Any) -> Any:
        """``--help``."""
        return _use_output_for_help(super().get_help_option(ctx))


class _LateCommands(Mapping[str, Any]):
    """The commands of a group by name. The module of a command is loaded when the command is looked up."""

    def __init__(self, package: str, modules: Mapping[str, str]) -> None:
        self._package = package
        self._modules = modules
        self._loaded: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._loaded:
            app = make_app()
            # As the statement does, so that `-X importtime` lists it, which is how start-up is measured and tested.
            __import__(f"{self._package}.{self._modules[name]}", fromlist=["add_to"]).add_to(app)
            self._loaded.update(typer.main.get_group(app).commands)
        return self._loaded[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def __len__(self) -> int:
        return len(self._modules)


class LateGroup(Group):
    """A group that loads the module of a command when the command is used; made by `make_group`."""

    package = ""
    modules: Mapping[str, str] = MappingProxyType({})

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.commands: Any = _LateCommands(self.package, self.modules)

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - Typer's signature
        """The commands, in the order of the table."""
        return list(self.commands)


class DefaultGroup(LateGroup):
    """A group with a command that runs when none is named; made by `make_group`.

    Any other word is one of the default command: ``simulate bot.toml`` is ``simulate run bot.toml``.
    """

    default = ""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Name the default command, unless the first word is a command or asks for help."""
        is_named = bool(args) and args[0] in (*self.commands, *ctx.help_option_names)
        is_completed = ctx.resilient_parsing and not args  # the next word may be a command
        return super().parse_args(ctx, args if is_named or is_completed else [self.default, *args])

    def shell_complete(self, ctx: Any, incomplete: str) -> Any:
        """The commands; else the options of the default command, or values of its first argument."""
        inner = self._default(ctx)
        if incomplete.startswith("-"):
            return inner.command.shell_complete(inner, incomplete)
        arguments = [param for param in inner.command.params if param.param_type_name == "argument"]
        return super().shell_complete(ctx, incomplete) or arguments[0].shell_complete(inner, incomplete)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """The help of the default command, with the commands of the group."""
        inner = self._default(ctx)
        inner.command.format_usage(inner, formatter)
        self.format_usage(ctx, formatter)
        inner.command.format_help_text(inner, formatter)
        self.write_commands(ctx, formatter)
        inner.command.format_options(inner, formatter)

    def _default(self, ctx: Any) -> Any:
        """The context of the default command, as typed without its name."""
        return typer.Context(self.commands[self.default], parent=ctx.parent, info_name=ctx.info_name)


class Command(TyperCommand):
    """A command that accepts the global options too."""

    usage_exit_code = ExitCode.USAGE
    defect_exit_code = ExitCode.FAILED
    most_errors: int | None = None
    formats: tuple[Format, ...] = COMMON
    usual_timeout = DEFAULT_TIMEOUT

    def get_help_option(self, ctx: Any) -> Any:
        """``--help``."""
        return _use_output_for_help(super().get_help_option(ctx))

    def get_help(self, ctx: Any) -> str:
        """The help, as wide as the terminal."""
        return _help_of(self, ctx)

    def get_params(self, ctx: Any) -> list[Any]:
        """The parameters of the command, then the global ones whose flags it does not use itself."""
        own = super().get_params(ctx)
        if all("--node" not in param.opts for param in own):
            flags = [flag for param in own if (flag := node_flag(param)) is not None]
            arguments = sum(param.param_type_name == "argument" for param in own)
            own[arguments:arguments] = flags
        taken = {flag for param in own for flag in param.opts}
        shared = global_options(environment=False, formats=self.formats)
        return [*own, *(option for option in shared if taken.isdisjoint(option.opts))]

    def invoke(self, ctx: Any) -> Any:
        """Set the options of the command that runs, then run it."""
        options = ctx.find_root().obj
        options.command = ctx.command_path.partition(" ")[2]
        options.usage_exit_code = self.usage_exit_code
        options.defect_exit_code = self.defect_exit_code
        options.most_errors = self.most_errors
        options.usual_timeout = self.usual_timeout
        if options.output is not None and options.output not in self.formats:
            asked, options.output = options.output, None
            raise typer.BadParameter(
                f"{str(asked)!r} is not one of {', '.join(self.formats)}; `check` has it",
                ctx=ctx,
                param_hint="--output",
            )
        set_view(options, self, ctx)
        _interrupts.raise_again()  # all modules for the command line are loaded
        return super().invoke(ctx)

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """The options and examples of the command, then the names of the global options."""
        write_options(self, ctx, formatter)


class MonitorCommand(Command):
    """A command with the exit codes of monitoring systems: a wrong command line is UNKNOWN, not CRITICAL."""

    usage_exit_code = ExitCode.UNREACHABLE
    defect_exit_code = ExitCode.UNREACHABLE
    formats = tuple(Format)


class ProbeCommand(Command):
    """A command with two exit codes, 0 and 1, as container engines expect."""

    usage_exit_code = ExitCode.FAILED
    most_errors = 1


class PlayCommand(Command):
    """A command that loads, plays and measures; its report can be Markdown."""

    formats = (*COMMON, Format.MARKDOWN)

    usual_timeout = 60.0


class WaitCommand(Command):
    """A command that waits for nodes."""

    usual_timeout = 60.0


class Rows(NamedTuple):
    """A command prints rows: a list in JSON.

    Attributes:
        kind: Their type; None for objects of any type.
        in_json: Whether a JSON envelope can hold them, because they end.
    """

    kind: type | None
    in_json: bool = True


class Record(NamedTuple):
    """A command prints one record: an object in JSON.

    Attributes:
        kind: Its type; None for an object of any type.
    """

    kind: type | None


Prints: TypeAlias = Callable[[], Mapping[str, Rows | Record]]
"""Option -> what a command prints with it, "" for none; called for JSON Schemas and documentation only."""


def command(
    app: typer.Typer,
    name: str | None = None,
    *,
    prints: Prints,
    examples: tuple[str, ...] = (),
    cls: type[Command] = Command,
    **settings: Any,
) -> Callable[[F], F]:
    """Add a function to `app` as a command.

    Args:
        app: The Typer app of its module.
        name: Its name; that of the function if None.
        prints: What it prints; the JSON Schema and the documentation are made from it.
        examples: Command lines for its help, as typed; a test runs them.
        cls: Decides its exit codes and its options.
        settings: Passed on to Typer.
    """

    def register(function: F) -> F:
        # Typer would evaluate the text of each annotation four times, which takes longer than all else that it does.
        function.__annotations__ = get_type_hints(function, include_extras=True)
        function.prints = prints  # type: ignore[attr-defined] # Typer keeps a function's attributes, see `prints_of`
        function.examples = examples  # type: ignore[attr-defined] # see `examples_of`
        return app.command(name, cls=cls, **settings)(function)

    return register


def prints_of(found: Any) -> Mapping[str, Rows | Record]:
    """What a Typer command prints."""
    prints: Prints = found.callback.prints
    return prints()


def examples_of(found: Any) -> tuple[str, ...]:
    """The examples of a Typer command; none for a group."""
    return getattr(found.callback, "examples", ())


def make_app() -> typer.Typer:
    """Make the Typer app of one module, set up so that nothing loads Rich. `app.COMMANDS` holds its help."""
    return typer.Typer(
        cls=Group,
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
    )


def make_group(package: str, modules: Mapping[str, str], *, default: str | None = None) -> typer.Typer:
    """Make the Typer app of a group whose commands are loaded when they are used.

    Args:
        package: Full name of the group's package.
        modules: Command -> its module in the package, whose `add_to` adds it to an app; in the order of the help.
        default: The command that runs when none is named, None for none.
    """
    app = make_app()
    group = LateGroup if default is None else DefaultGroup
    app.info.cls = type("Group", (group,), {"package": package, "modules": modules, "default": default})
    app.callback()(lambda: None)  # Typer makes no group of an app that has neither commands nor this
    return app


def options_of(ctx: typer.Context) -> Options:
    """The global options of a running command."""
    found = ctx.find_root().obj
    if not isinstance(found, Options):
        raise TypeError("commands run under the root command")
    return found


def refuse_endless_json(options: Options, subject: str) -> None:
    """Refuse ``--output json`` for a stream that never ends.

    Raises:
        CommandError: It was given.
    """
    if options.output is not None and options.output.layout is Layout.DOCUMENT:
        kind = options.output.upper()
        raise CommandError(
            Failure("usage", f"{subject} does not end, so it cannot be one {kind} document", hint="use --output jsonl"),
            exit_code=ExitCode.USAGE,
        )
