"""Runs what a command returns, and turns it into output and an exit code.

Every error becomes one line on stderr (and an entry of the JSON envelope). Only -vv shows a traceback.
"""

from __future__ import annotations

from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, assert_never

from revvlink_cli.cli.event_loop import limit_time, make_spinner, run_coroutine, with_spinner
from revvlink_cli.cli.exit_codes import exit_code_of, result_of
from revvlink_cli.cli.result_writer import write_everywhere, write_result
from revvlink_cli.output import diagnostics
from revvlink_cli.output.formats import TABLES, Format
from revvlink_cli.output.result import CheckResult, FullScreen, Result, Stream
from revvlink_cli.output.streams import OutputError, can_redraw

if TYPE_CHECKING:
    from revvlink_cli.commands.shared.command import Options, Outcome, Work
    from revvlink_cli.output.streams import Output


def run_outcome(outcome: Outcome, chosen: Format, options: Options, output: Output) -> int:
    """Run what a command returned and write it in the chosen format; returns the exit code."""
    match outcome:
        case FullScreen() if options.output in (None, *TABLES) and options.view.program is None and can_redraw():
            from revvlink_cli.cli.full_screen import show_full_screen

            return _run_live(show_full_screen(outcome, options, output), chosen, options, output)
        case FullScreen(stream=stream) | (Stream() as stream):
            if isinstance(outcome, FullScreen):
                from revvlink_cli.cli.full_screen import explain_stream

                explain_stream(options)
            from revvlink_cli.cli.stream_writer import write_stream

            return _run_live(write_stream(stream, options, output), chosen, options, output)
        case Result() | Coroutine():
            return _finish(await_result(outcome, options), chosen, options, output)
        case _:
            assert_never(outcome)


def _run_live(work: Coroutine[Any, Any, int], chosen: Format, options: Options, output: Output) -> int:
    """Run a coroutine that writes its output itself; if it fails, write why."""
    try:
        return run_coroutine(work)
    except OutputError:
        raise
    except Exception as error:  # noqa: BLE001 - a defect, see `result_of`
        result = result_of(error, options)
    write_result(result, chosen, options, output)
    return int(result.exit_code)


def await_result(outcome: Result | Work, options: Options) -> Result:
    """A command's result, awaited within its time limit. An error is a result too."""
    if isinstance(outcome, Result):
        return outcome
    limited = limit_time(outcome, options.timeout)
    try:
        return run_coroutine(with_spinner(limited, make_spinner(options)))
    except Exception as error:  # noqa: BLE001 - a defect, see `result_of`
        return result_of(error, options)
    finally:
        limited.close()  # Ctrl-C may come before it has begun
        outcome.close()


def _finish(result: Result, chosen: Format, options: Options, output: Output) -> int:
    """Write a result and send its notifications; returns the exit code."""
    output_failures = write_everywhere(result, chosen, options, output)
    diagnostics.errors(output_failures, options.most_errors)
    if isinstance(result, CheckResult) and result.notify is not None:
        _notify(result.notify(), options)
    return exit_code_of(result, output_failures, options)


def _notify(work: Coroutine[Any, Any, tuple[str, ...]], options: Options) -> None:
    """Send notifications. The result is written already, so neither an error nor Ctrl-C changes the exit code."""
    try:
        warnings = run_coroutine(work)
    except KeyboardInterrupt:
        return
    except Exception as error:  # noqa: BLE001 - a defect, see `result_of`
        diagnostics.errors(result_of(error, options).errors)
    else:
        if not options.quiet:
            diagnostics.warnings(warnings)
