"""``revvlink context``: several fleets, each with a configuration of its own."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from revvlink_cli.commands.shared import node_selection
from revvlink_cli.commands.shared.command import Record, Rows, command, make_app, options_of
from revvlink_cli.commands.shared.questions import confirm
from revvlink_cli.commands.shared.values import contexts, files
from revvlink_cli.config.contexts import context_names, context_path, find_context, state_folder, unusable_names
from revvlink_cli.config.load import load
from revvlink_cli.config.problems import ConfigError
from revvlink_cli.config.source import SourceKind, context_source
from revvlink_cli.output.result import CommandError, ExitCode, Failure, Kind, Result, column
from revvlink_cli.output.text import MISSING

if TYPE_CHECKING:
    from pathlib import Path

    from revvlink_cli.commands.shared.command import Options
    from revvlink_cli.config.settings import Settings

app = make_app()

OVERRIDING = ("REVVLINK_URI", "REVVLINK_CONFIG", "REVVLINK_CONTEXT")
"""Variables that go before the context that was chosen."""


def _names(ctx: typer.Context, args: list[str], incomplete: str) -> list[str]:  # noqa: ARG001 - Typer's signature
    return contexts(incomplete)


Name = Annotated[str, typer.Argument(metavar="NAME", help="The context.", autocompletion=_names)]


def _mark(row: ContextRow) -> str:
    return "*" if row.is_current else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextRow:
    """A context, and its mistake if it cannot be used."""

    context: str = column("CONTEXT", rank=0)
    is_current: bool = column("CURRENT", cell=_mark, rank=0)
    nodes: int | None = column("NODES", Kind.COUNT)
    path: str = column("FILE", flexible=True, rank=2)
    problem: str | None = column("PROBLEM", wraps=True)


@command(
    app,
    "list",
    prints=lambda: {"": Rows(ContextRow)},
    examples=("revvlink context list", "revvlink context list -o json"),
)
def list_contexts(ctx: typer.Context) -> Result:
    """List the contexts and mark the one in use.

    A context whose file has mistakes is listed with the first of them.
    """
    options = options_of(ctx)
    current, notes, warnings = _in_use(options)
    rows = []
    for name in context_names():
        settings, problems = _read(name)
        rows.append(
            ContextRow(
                context=name,
                is_current=name == current,
                nodes=len(settings.nodes) if settings is not None else None,
                path=str(context_path(name)),
                problem=_summary(problems),
            )
        )
    if not rows:
        notes = ("there are no contexts; add one with `revvlink context add NAME`",)
    warnings += tuple(f"{name} is not a context: rename the file" for name in unusable_names())
    return Result(tuple(rows), ContextRow, notes=notes, warnings=warnings)


def _summary(problems: tuple[str, ...]) -> str | None:
    if not problems:
        return None
    return problems[0] + (f" (and {len(problems) - 1} more)" if len(problems) > 1 else "")


def _read(name: str) -> tuple[Settings | None, tuple[str, ...]]:
    """The configuration of a context, None if it has mistakes, and its mistakes."""
    try:
        return load(context_source(name, SourceKind.CONTEXT, os.environ)), ()
    except ConfigError as error:
        return None, tuple(problem.without_file for problem in error.problems)


def _in_use(options: Options) -> tuple[str | None, tuple[str, ...], tuple[str, ...]]:
    """The context that commands use, None for another configuration; a note on that one; and warnings."""
    try:
        source = node_selection.find_source(options)
    except ConfigError as error:
        if error.is_missing:
            return None, ("no context is in use; choose one with `revvlink context use NAME`",), ()
        return None, (), tuple(f"{problem} ({problem.hint})" for problem in error.problems)
    if source.context is not None:
        return source.context, (), ()
    return None, (f"no context is in use; commands use {source.path or source.kind}",), ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextRecord:
    """A context and what it holds."""

    context: str = column("Context")
    is_current: bool = column("Current")
    path: str = column("File")
    nodes: tuple[str, ...] | None = column("Nodes", cell=lambda row: _listed(row.nodes))
    regions: tuple[str, ...] | None = column("Regions", cell=lambda row: _listed(row.regions))
    tags: tuple[str, ...] | None = column("Tags", cell=lambda row: _listed(row.tags))
    cache: str | None = column("Cache")
    state: str = column("State")
    problems: tuple[str, ...] = column("Problems", cell=lambda row: row.problems or MISSING)


def _listed(values: tuple[str, ...] | None) -> str:
    return ", ".join(values) if values else MISSING


@command(
    app,
    prints=lambda: {"": Record(ContextRecord)},
    examples=("revvlink context show", "revvlink context show prod -o json"),
)
def show(
    ctx: typer.Context,
    name: Annotated[
        str | None,
        typer.Argument(metavar="[NAME]", help="The context; the one in use if left out.", autocompletion=_names),
    ] = None,
) -> Result:
    """Show a context: its file, nodes, cache and state."""
    from revvlink_cli.commands.shared.cache_access import cache_location

    options = options_of(ctx)
    current, notes, warnings = _in_use(options)
    if name is None and (name := current) is None:
        if warnings:
            raise CommandError(Failure("configuration", warnings[0]), exit_code=options.usage_exit_code)
        raise CommandError(Failure("no_context", notes[0].partition(";")[0], hint=_choice_hint()))
    path = _find(name, options)
    settings, problems = _read(name)
    nodes = settings.nodes if settings is not None else ()
    return Result(
        ContextRecord(
            context=name,
            is_current=name == current,
            path=str(path),
            nodes=tuple(node.identifier for node in nodes) if settings is not None else None,
            regions=tuple(dict.fromkeys(node.region for node in nodes if node.region)) if settings else None,
            tags=tuple(dict.fromkeys(tag for node in nodes for tag in node.tags)) if settings is not None else None,
            cache=cache_location(settings) if settings is not None else None,
            state=str(state_folder(name)),
            problems=problems,
        )
    )


def _choice_hint() -> str:
    names = context_names()
    if not names:
        return "add one with `revvlink context add NAME`"
    return f"the contexts are {', '.join(names[:5])}{' ...' if len(names) > 5 else ''}"


def _find(name: str, options: Options) -> Path:
    try:
        return find_context(name)
    except ConfigError as error:
        raise node_selection.config_failure(error, options) from None


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextFileRecord:
    """A context that was added, or removed."""

    context: str = column("Context")
    path: str = column("File")


@command(
    app,
    prints=lambda: {"": Record(ContextFileRecord)},
    examples=("revvlink context add staging", "revvlink context add prod --from ./revvlink.toml"),
)
def add(
    ctx: typer.Context,
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="Name of the context: letters, digits, '-', '_' and '.'.")
    ],
    from_: Annotated[
        str | None,
        typer.Option("--from", metavar="FILE", help="Configuration to copy; a starter if left out.",
                     autocompletion=files),
    ] = None,
) -> Result:  # fmt: skip
    """Add a context: a configuration of its own.

    Only you can read the file. With --from, relative paths in the copy are made absolute. The plain configuration stays
    as it is.
    """
    from pathlib import Path

    from revvlink_cli.config.context_files import add_context, text_from
    from revvlink_cli.config.starter import starter_text

    options = options_of(ctx)
    try:
        text = text_from(Path(from_)) if from_ is not None else starter_text()
        path = add_context(name, text)
    except ConfigError as error:
        raise node_selection.config_failure(error, options) from None
    first = () if from_ is not None else (f"now put your nodes in {path}",)
    notes = (*first, f"try it with `revvlink --context {name} nodes status`, or choose it with `context use {name}`")
    return Result(ContextFileRecord(context=name, path=str(path)), text=str(path), notes=notes)


@dataclass(frozen=True, slots=True, kw_only=True)
class RenameRecord:
    """A context that was renamed."""

    before: str = column("Before")
    context: str = column("Context")
    path: str = column("File")


@command(app, prints=lambda: {"": Record(RenameRecord)}, examples=("revvlink context rename staging test",))
def rename(
    ctx: typer.Context,
    old: Annotated[str, typer.Argument(metavar="OLD", help="The context.", autocompletion=_names)],
    new: Annotated[str, typer.Argument(metavar="NEW", help="Its new name.")],
) -> Result:
    """Rename a context, with its cache and its state.

    If it is the one in use, it stays in use.
    """
    from revvlink_cli.config.context_files import rename_context

    options = options_of(ctx)
    try:
        path, warnings = rename_context(old, new)
    except ConfigError as error:
        raise node_selection.config_failure(error, options) from None
    return Result(RenameRecord(before=old, context=new, path=str(path)), text=str(path), warnings=warnings)


@command(app, prints=lambda: {"": Record(ContextFileRecord)}, examples=("revvlink context remove staging --yes",))
def remove(
    ctx: typer.Context,
    name: Name,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Remove it without asking.")] = False,
) -> Result:
    """Remove a context: its file, its cache and its state.

    A terminal asks first; elsewhere --yes is needed. The context in use is not removed.
    """
    from revvlink_cli.config.context_files import remove_context

    options = options_of(ctx)
    path = _find(name, options)
    settings, _ = _read(name)
    count = f" with {len(settings.nodes)} node{'' if len(settings.nodes) == 1 else 's'}" if settings is not None else ""
    confirm(f"Remove the context {name} and its file {path}{count}?", yes=yes)
    try:
        path, warnings = remove_context(name)
    except ConfigError as error:
        raise node_selection.config_failure(error, options) from None
    return Result(ContextFileRecord(context=name, path=str(path)), text=f"removed {path}", warnings=warnings)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChoiceRecord:
    """The context that commands use from now on; null for the plain configuration."""

    context: str | None = column("Context")
    path: str | None = column("File")


@command(
    app,
    prints=lambda: {"": Record(ChoiceRecord)},
    examples=("revvlink context use prod", "revvlink context use --none"),
)
def use(
    ctx: typer.Context,
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="The context.", autocompletion=_names)
    ] = None,
    none: Annotated[
        bool, typer.Option("--none", help="Use no context, but the plain configuration again.")
    ] = False,
) -> Result:  # fmt: skip
    """Choose the context that commands use from now on.

    The choice counts for every later command and every terminal, until another one is made. --context and
    REVVLINK_CONTEXT choose for one command or one shell.
    """
    from revvlink_cli.config.context_files import choose_context

    options = options_of(ctx)
    if none == (name is not None):
        raise CommandError(
            Failure("usage", "give the name of one context, or --none", hint=_choice_hint()), exit_code=ExitCode.USAGE
        )
    try:
        path = choose_context(name)
    except ConfigError as error:
        raise node_selection.config_failure(error, options) from None
    record = ChoiceRecord(context=name, path=str(path) if path is not None else None)
    warnings = [f"{variable} is set, and goes before it" for variable in OVERRIDING if os.environ.get(variable)]
    if name is None:
        _, notes, _ = _in_use(options)
        options.source = None
        return Result(record, text="no context", notes=notes, warnings=tuple(warnings))
    problem = _summary(_read(name)[1])
    if problem is not None:
        warnings.append(f"it cannot be used yet: {problem}")
    return Result(record, text=name, notes=(f"commands use {path} from now on",), warnings=tuple(warnings))
