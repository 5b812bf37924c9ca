"""Decides the exit code of every command: of its result, of its errors, and of its output.

What an exit code means stands in `output.result.ExitCode`. A command chooses the code of its own result.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from revvlink_cli.cli.event_loop import TerminatedError, TimeLimitError
from revvlink_cli.output import diagnostics
from revvlink_cli.output.result import CommandError, ExitCode, Failure, Result
from revvlink_cli.output.streams import OutputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from revvlink_cli.commands.shared.command import Options


def exit_code_of(result: Result, output_failures: Sequence[Failure], options: Options) -> int:
    """The exit code of a result, some of whose output may not have been written."""
    if not output_failures:
        return int(result.exit_code)
    if any(failure.code == "usage" for failure in output_failures):
        return options.usage_exit_code
    # A verdict that is not OK is more important to a monitoring system than output that could not be written.
    is_verdict = options.defect_exit_code == ExitCode.UNREACHABLE and result.exit_code != ExitCode.OK
    return int(result.exit_code) if is_verdict else options.defect_exit_code


def result_of(error: Exception, options: Options) -> Result:
    """The result of a command that raised an exception. A defect is shown in one line, with its traceback for -vv."""
    match error:
        case CommandError():
            return Result(exit_code=error.exit_code, errors=error.failures)
        case TimeLimitError():
            failure = Failure("timeout", str(error), hint="give it longer with --timeout")
            return Result(exit_code=ExitCode.UNREACHABLE, errors=(failure,))
        case TerminatedError():
            return Result(exit_code=ExitCode(128 + error.signal), errors=(Failure("terminated", str(error)),))
        case OutputError():
            code = options.usage_exit_code if error.is_usage else ExitCode.FAILED
            return Result(exit_code=code, errors=(output_failure(error),))
    if options.verbose > 1:
        diagnostics.trace(error)
    from revvlink_cli.client.connection.local_limits import limit_of

    if (limit := limit_of(error)) is not None:  # no defect: the event loop itself could not open what it needs
        return Result(exit_code=options.defect_exit_code, errors=(Failure("local_limit", limit.what, hint=limit.hint),))
    what = f"this is a defect of revvlink: {type(error).__name__}: {error}"
    failure = Failure("internal_error", what, hint="report it, with -vv")
    return Result(exit_code=options.defect_exit_code, errors=(failure,))


def output_failure(error: OutputError) -> Failure:
    """The failure of output that could not be written."""
    return Failure("usage" if error.is_usage else "output", str(error), hint=error.hint)
