"""Reads ``--problems``, ``--columns``, ``--filter`` and ``--jq`` for the rows that a command prints."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Protocol, get_args, get_origin, get_type_hints

import typer

from revvlink_cli._suggestions import nearest
from revvlink_cli.output.formats import WITH_COLUMNS, Format, Layout
from revvlink_cli.output.problems import has_problems
from revvlink_cli.output.result import CommandError, Failure, all_columns_of
from revvlink_cli.output.view import View

if TYPE_CHECKING:
    from revvlink_cli.output.filtering import Condition


class ViewOptions(Protocol):
    """The options that choose rows and columns, of the global options."""

    command: str
    usage_exit_code: int
    output: Format | None
    problems: bool
    columns: str | None
    filter: str | None
    jq: str | None
    view: View


def make_view(options: ViewOptions, kind: type | None, *, is_record: bool) -> None:
    """Set `options.view`, and the output format that ``--jq`` needs.

    Args:
        options: The global options as given.
        kind: Type of what the command prints; None for any type.
        is_record: Whether it prints one of them, not rows.

    Raises:
        CommandError: A condition or program is wrong.
        typer.BadParameter: An option does not go with the command, or with the format.
    """
    if options.jq is not None:
        _check_program(options)
    if kind is None:
        options.view = View(program=options.jq)
        return  # a command that runs others, which get the options too
    kind = _row_of(kind)
    if options.output is not None and options.output.layout is Layout.REPORT:
        for name, given in (("--filter", options.filter), ("--problems", options.problems)):
            if given:
                raise typer.BadParameter(f"goes with no report such as {options.output}", param_hint=name)
    if options.problems or options.filter is not None:
        name = "--filter" if options.filter is not None else "--problems"
        if is_record:
            raise typer.BadParameter(f"`{options.command}` prints one record, not rows", param_hint=name)
        if options.problems and not has_problems(kind):
            what = (
                f"rows of `{options.command}` do not say whether there is a problem; "
                "`revvlink nodes status --problems` shows the broken nodes"
            )
            raise typer.BadParameter(what, param_hint="--problems")
    options.view = View(
        kind,
        condition=_condition(options, kind) if options.filter is not None else None,
        problems=options.problems,
        columns=_columns(options, kind) if options.columns is not None else None,
        program=options.jq,
    )


def _row_of(kind: type) -> type:
    """The type of the rows in a sample of ``--watch``, which has a time and rows; else the type itself."""
    hints = get_type_hints(kind)
    if "time" not in hints:
        return kind
    inner = [get_args(hint)[0] for hint in hints.values() if get_origin(hint) is tuple]
    rows = [found for found in inner if isinstance(found, type) and dataclasses.is_dataclass(found)]
    return rows[0] if len(rows) == 1 else kind


def _condition(options: ViewOptions, kind: type) -> Condition:
    from revvlink_cli.output.filter_syntax import parse
    from revvlink_cli.output.filtering import FilterError

    text = options.filter or ""
    try:
        return parse(text).bound_to(kind)
    except FilterError as error:
        failure = Failure(
            "usage", f"--filter: {error}", hint="see `revvlink help output`", excerpt=_excerpt(text, error.at)
        )
        raise CommandError(failure, exit_code=options.usage_exit_code) from None


def _excerpt(text: str, at: int) -> str:
    """The text with a caret below one of its characters."""
    from revvlink_cli.output.cells import cells
    from revvlink_cli.output.text import clean

    return f"  {clean(text)}\n  {' ' * cells(clean(text[:at]))}^"


def _columns(options: ViewOptions, kind: type) -> tuple[str, ...]:
    """The fields that the names mean, in order, each once."""
    if options.output is not None and options.output not in WITH_COLUMNS:
        raise typer.BadParameter(
            f"{options.output} has no columns; they are in {', '.join(WITH_COLUMNS)}", param_hint="--columns"
        )
    known = {entry.name.casefold(): entry.name for entry in dataclasses.fields(kind)}
    titles = {column.title.casefold(): name for name, column in all_columns_of(kind) if column.title}
    found: list[str] = []
    for asked in (options.columns or "").split(","):
        name = asked.strip().casefold()
        if not name:
            what = f"a name is missing: write names with commas between them, of {', '.join(known.values())}"
            raise typer.BadParameter(what, param_hint="--columns")
        field = known.get(name) or known.get(name.replace(" ", "_").replace("-", "_")) or titles.get(name)
        if field is None:
            hint = nearest(name, list(dict.fromkeys((*known.values(), *titles))))
            raise typer.BadParameter(f"there is no column {asked.strip()!r}: {hint}", param_hint="--columns")
        found.append(field)
    return tuple(dict.fromkeys(found))


def _check_program(options: ViewOptions) -> None:
    """Compile the program."""
    if options.output not in (None, Format.JSON, Format.JSONL):
        raise typer.BadParameter(f"goes with --output json or jsonl, not {options.output}", param_hint="--jq")
    try:
        from revvlink_cli.output.jq_format import INSTALL, JqError, compiled

        compiled(options.jq or ".")
    except ModuleNotFoundError:
        failure = Failure("usage", "--jq needs the extra `jq`, which is not installed", hint=INSTALL)
    except JqError as error:
        failure = Failure("usage", str(error), hint=error.hint)
    else:
        return
    raise CommandError(failure, exit_code=options.usage_exit_code)
