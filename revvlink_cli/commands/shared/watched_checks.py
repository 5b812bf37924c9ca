"""``check --watch``: the verdict on a fleet that stays connected, sample by sample."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from revvlink_cli.commands.shared import watch_options
from revvlink_cli.output.check_rows import CheckRow
from revvlink_cli.output.result import CheckResult, ExitCode, Result

if TYPE_CHECKING:
    from collections.abc import Callable

    from revvlink_cli.config.silences import SilenceFile
    from revvlink_cli.health.fleet import Report
    from revvlink_cli.health.policy import Policy
    from revvlink_cli.output.result import Stream
    from revvlink_cli.services.watching import Watch


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckTick:
    """The verdict at one moment: ok, warning, critical or unknown, with the outcome of every check."""

    time: str
    verdict: str
    checks: tuple[CheckRow, ...]


NOTE = "canaries, route planners and plugins are not asked while --watch runs"
"""What a watch leaves out: these checks send requests of their own."""


def watched_checks(
    job: watch_options.WatchJob,
    policy: Callable[[], Policy],
    silences: Callable[[], SilenceFile],
    *,
    shows_all: bool,
    exit_zero: bool,
) -> Stream:
    """The verdict on nodes under watch. The exit code is that of the last sample.

    Args:
        job: The fleet.
        policy: Returns the requirements, which change when the configuration is read again.
        silences: Returns the silences to honour, which change in the same way.
        shows_all: Whether the table shows every check.
        exit_zero: Whether the exit code is 0 for every verdict.
    """
    from revvlink_cli.output import check_rows
    from revvlink_cli.output.problems import problems_first

    last: list[Report] = []
    complaints: list[str] = []

    def make_row(seen: Watch) -> CheckTick:
        from revvlink_cli.health.fleet import assess
        from revvlink_cli.services.checking import without_canaries

        silenced, complaints[:] = silences().silenced(seen.snapshot.nodes)
        report = assess(seen.snapshot, without_canaries(policy()), timeout=job.options.timeout, silenced=silenced)
        report = replace(report, context=job.settings.context)
        last[:] = [report]
        rows = check_rows.rows_of(report.outcomes)
        return CheckTick(time=watch_options.timestamp(), verdict=report.verdict.name.lower(), checks=rows)

    def frame(tick: CheckTick) -> Result:
        (report,) = last
        rows = tick.checks if shows_all else check_rows.table_rows(report)
        return CheckResult(
            problems_first(rows),
            CheckRow,
            title=f"{check_rows.headline(report)}, {tick.time[11:19]}; Ctrl-C ends",
            line=check_rows.summary(report),
            report=report,
            notes=(*complaints, *job.notes, NOTE, *(() if shows_all else ("-v shows every check",))),
        )

    def outcome(_: Watch) -> Result:
        (report,) = last
        failures = check_rows.failures(report.findings)
        code = ExitCode.OK if exit_zero else int(report.verdict)
        return Result(exit_code=code, errors=failures, warnings=tuple(complaints))

    return watch_options.watch_stream(job, row=CheckTick, make_row=make_row, frame=frame, outcome=outcome)
