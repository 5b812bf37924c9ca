"""Writes a command's result: data to stdout, messages to stderr, and the files that the command line names."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from revvlink_cli.cli.exit_codes import output_failure
from revvlink_cli.commands.shared.titles import with_title
from revvlink_cli.output import diagnostics
from revvlink_cli.output.formats import TABLES, Format, Layout
from revvlink_cli.output.renderers import create_renderer
from revvlink_cli.output.result import CheckResult, ExitCode, Failure
from revvlink_cli.output.sizes import HEAD, terminal_size
from revvlink_cli.output.streams import OutputError, is_terminal

if TYPE_CHECKING:
    from collections.abc import Callable

    from revvlink_cli.commands.shared.command import Options
    from revvlink_cli.output.result import Result
    from revvlink_cli.output.streams import Output


def write_everywhere(result: Result, chosen: Format, options: Options, output: Output) -> list[Failure]:
    """Write a result to stdout, stderr and files. Where one of them fails the others are still written.

    Returns:
        What could not be written.
    """
    result = with_title(result, options)
    return [
        *_catch_output_error(lambda: write_result(result, chosen, options, output)),
        *_catch_output_error(lambda: export(result, options)),
        *_write_report_files(result, options),
    ]


def _catch_output_error(write: Callable[[], None]) -> list[Failure]:
    try:
        write()
    except OutputError as error:
        return [output_failure(error)]
    return []


def write_result(result: Result, chosen: Format, options: Options, output: Output) -> None:
    """Write a result to stdout, and its messages to stderr."""
    has_table = result.text is None or isinstance(result, CheckResult) or options.view.chooses
    layout = Format.PLAIN if chosen in TABLES and not has_table else chosen  # a text needs no Rich
    renderer = create_renderer(layout, options.command, output, no_color=options.no_color, view=options.view)
    renderer.begin(result.row_type)
    renderer.end(result)
    show_messages(result, chosen, options)


def show_messages(result: Result, chosen: Format, options: Options) -> None:
    """Show warnings, notes and errors on stderr, except errors that the output contains already."""
    if not options.quiet:
        diagnostics.warnings(result.warnings)
        diagnostics.notes([result.origin] if result.origin is not None else [])
        diagnostics.notes(f"{failure.node}: {failure.message}" for failure in result.left_out)
        diagnostics.notes(_notes_of(result, chosen, options))
    if not _contains_errors(result, chosen, options):
        diagnostics.errors(result.errors, options.most_errors)
    if not options.quiet:
        diagnostics.notes(filter(None, [options.view.remark(result), _summary(result, chosen, options)]))


def _notes_of(result: Result, chosen: Format, options: Options) -> tuple[str, ...]:
    """The notes to show: those of a table, or those that explain a failure which has no error."""
    if chosen in TABLES:
        return options.view.notes_of(result)
    return result.notes if result.exit_code == ExitCode.FAILED and not result.errors else ()


def _summary(result: Result, chosen: Format, options: Options) -> str | None:
    """How many rows of a table have a problem, if it is too long for the terminal: the first rows are out of sight."""
    if chosen not in TABLES or options.view.problems or not is_terminal(sys.stdout):
        return None
    shown = options.view.applied(result, chosen)
    rows = shown.table_rows if shown.table_rows is not None else shown.data
    if not isinstance(rows, tuple) or len(rows) + HEAD < terminal_size()[1]:
        return None
    from revvlink_cli.output.problems import summary

    counts = summary(rows)
    return f"{counts}; --problems shows only {'it' if counts.startswith('1 ') else 'these'}" if counts else None


def _contains_errors(result: Result, chosen: Format, options: Options) -> bool:
    """Whether the output states the errors in words for people: reports, one line of a check, and some tables do."""
    if chosen in TABLES and result.has_errors_in_table:
        return not options.view.chooses
    if not isinstance(result, CheckResult):
        return False
    if chosen.layout is Layout.REPORT:
        return result.report is not None
    return chosen is Format.PLAIN and result.line is not None and not options.view.chooses


def export(result: Result, options: Options) -> None:
    """Write the table to the file of ``--export``, if it is given and there is a table."""
    if options.export is not None and result.data is not None:
        from revvlink_cli.output.export import export_table

        kind = Format.CSV if options.export.lower().endswith(".csv") else Format.TABLE
        export_table(
            options.view.applied(result, kind),
            options.export,
            command=options.command,
            context=options.source.context if options.source is not None else None,
            no_color=options.no_color,
            view=options.view,
        )


def _write_report_files(result: Result, options: Options) -> list[Failure]:
    """Write the files of ``--report`` atomically; returns those that could not be written."""
    if not isinstance(result, CheckResult) or not result.report_files:
        return []
    from revvlink_cli.output.screen import Page
    from revvlink_cli.output.streams import write_file

    failures = []
    for kind, name in result.report_files:
        page = Page()
        renderer = create_renderer(kind, options.command, page, no_color=True)
        renderer.begin(result.row_type)
        renderer.end(result)
        try:
            # Prometheus' textfile collector runs as another user.
            write_file(name, page.text, mode=0o644 if kind is Format.PROMETHEUS else None)
        except OSError as error:
            message = f"--report {kind}={name}: cannot be written: {error.strerror or error}"
            failures.append(Failure("output", message, hint="write FORMAT=FILE, with FILE in an existing folder"))
    return failures
