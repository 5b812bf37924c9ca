"""``revvlink check``: a verdict on the fleet for people, cron and monitoring systems."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from revvlink_cli.commands.shared import check_options, node_selection, notifying, watch_options
from revvlink_cli.commands.shared.all_contexts import AllContexts, BrokenContext, left_out_notes, load_all
from revvlink_cli.commands.shared.command import MonitorCommand, Rows, Work, command, make_app, options_of
from revvlink_cli.commands.shared.options import Nodes, Region, Tags
from revvlink_cli.commands.shared.values import files
from revvlink_cli.config.silences import SilenceFile
from revvlink_cli.output.check_rows import CheckRow, ContextCheckRow
from revvlink_cli.output.formats import COMMON, REPORTS, Format
from revvlink_cli.output.result import CheckResult, CommandError, ExitCode, Result, Stream, column
from revvlink_cli.output.text import MISSING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from revvlink_cli.client.settings import NodeSettings
    from revvlink_cli.commands.shared.command import Options
    from revvlink_cli.config.settings import NodeEntry, Settings
    from revvlink_cli.health.fleet import Report
    from revvlink_cli.health.policy import Policy

app = make_app()

PLAY_TIME = 15.0
"""Seconds beyond its duration that a playing canary gets where no time limit is given."""


def _threshold(row: CatalogueRow) -> str:
    return f"{row.warning or MISSING} / {row.critical or MISSING}" if row.warning or row.critical else MISSING


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogueRow:
    """A check that can be made."""

    check: str = column("CHECK", rank=0)
    stage: str = column("STAGE")
    what: str = column("LOOKS AT", wraps=True, narrowest=48)
    figure: str | None = column("FIGURE", rank=4)
    unit: str | None = column("UNIT", rank=3)
    warning: str | None = column("WARN / CRIT", cell=_threshold, rank=2)
    critical: str | None = column("")
    false_alarm: str = column("FALSE ALARM", rank=5)


def _formats(values: list[str] | None) -> tuple[tuple[Format, str], ...]:
    found = []
    for value in values or ():
        name, equals, path = value.partition("=")
        if path == "-":
            raise typer.BadParameter("- is not a file: use --output for what is to be printed", param_hint="--report")
        if not equals or not path or name not in set(Format):
            raise typer.BadParameter(
                f"{value!r} is not FORMAT=FILE with a format of {', '.join(Format)}", param_hint="--report"
            )
        found.append((Format.named(name), path))
    return tuple(found)


@command(
    app,
    prints=lambda: {"": Rows(CheckRow), "--all-contexts": Rows(ContextCheckRow), "--list": Rows(CatalogueRow)},
    cls=MonitorCommand,
    examples=(
        "revvlink check",
        "revvlink check --tag prod -w cpu=70% -c cpu=90%",
        "revvlink check --watch --count 3",
    ),
)
def check(
    ctx: typer.Context,
    nodes: Nodes = None,
    tag: Tags = None,
    region: Region = None,
    warning: check_options.Warnings = None,
    critical: check_options.Criticals = None,
    skip: check_options.Skips = None,
    only: check_options.Onlys = None,
    min_version: check_options.MinVersion = None,
    require_source: check_options.Sources = None,
    require_plugin: check_options.Plugins = None,
    require_filter: check_options.Filters = None,
    require_youtube_oauth: check_options.YoutubeOauth = False,
    canary: check_options.Canaries = None,
    canary_play: check_options.Plays = None,
    max_latency: check_options.MaxLatency = None,
    max_rest_latency: check_options.MaxRestLatency = None,
    no_defaults: check_options.NoDefaults = False,
    min_healthy: check_options.MinHealthy = None,
    unknown_on_timeout: check_options.UnknownOnTimeout = False,
    report: Annotated[
        list[str] | None,
        typer.Option(
            "--report",
            metavar="FORMAT=FILE",
            help="Write a report to a file as well; may be given more than once.",
            autocompletion=files,
        ),
    ] = None,
    notify: Annotated[
        list[str] | None,
        typer.Option(
            "--notify",
            metavar="CHANNEL",
            help="Send a message when something has changed since the last run: discord, webhook, apprise or all.",
            autocompletion=notifying.complete_channels,
        ),
    ] = None,
    remind: Annotated[
        str | None,
        typer.Option("--remind", metavar="TIME", help="With --notify, repeat what is wrong after this time."),
    ] = None,
    no_silences: Annotated[
        bool, typer.Option("--no-silences", help="Judge silenced nodes like others; see `revvlink silence`.")
    ] = False,
    all_contexts: AllContexts = False,
    exit_zero: Annotated[
        bool, typer.Option("--exit-zero", help="End with 0 for every verdict, for collectors of reports.")
    ] = False,
    list_: Annotated[bool, typer.Option("--list", help="List the checks without connecting.")] = False,
    watch: watch_options.Watching = False,
    interval: watch_options.Interval = None,
    count: watch_options.Count = None,
    duration: watch_options.Duration = None,
) -> Work | Result | Stream:
    """Check every node, and the fleet as a whole.

    Exit code 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN, the worst of all findings in the order OK, UNKNOWN, WARNING,
    CRITICAL. A node that gives no answer is CRITICAL; UNKNOWN is what revvlink could not check. Elsewhere than on a
    terminal the output is one line, for the mail that cron sends; -v shows every check in the table. Thresholds are
    ranges of what is fine: cpu=90%, websocket=500ms, memory=2GiB, players=10:200, uptime=5m:, and what is not with @,
    as in players=@0. A range alone is for the one check of --only.

    --watch stays connected and gives a verdict on each sample; the exit code is that of the last one. It loads and
    plays no canaries.
    """
    options = options_of(ctx)
    reports = _formats(report)
    span = watch_options.read_span(interval, count, duration, watch=watch)
    if watch:
        _refuse_beside_watch({
            "--report": report, "--notify": notify, "--canary": canary, "--canary-play": canary_play, "--list": list_,
            "--all-contexts": all_contexts,
        })  # fmt: skip
    if list_:
        if reports or options.output in REPORTS:
            kinds = ", ".join(COMMON)
            raise typer.BadParameter(
                f"is not a report; it goes with --output {kinds} and no --report", param_hint="--list"
            )
        return Result(_catalogue(), CatalogueRow)
    flags = check_options.CheckOptions.of(
        warning=warning, critical=critical, skip=skip, only=only, min_version=min_version, sources=require_source,
        plugins=require_plugin, filters=require_filter, youtube_oauth=require_youtube_oauth, canaries=canary,
        plays=canary_play, max_latency=max_latency, max_rest_latency=max_rest_latency, no_defaults=no_defaults,
        min_healthy=min_healthy, unknown_on_timeout=unknown_on_timeout,
    )  # fmt: skip
    prepare = partial(
        _prepare, options=options, flags=flags, notify=notify, remind=remind, honours_silences=not no_silences
    )
    if all_contexts:
        found, broken = load_all(options, nodes or (), tags=tag or (), region=region)
        plans: list[Plan] = []
        for each in found:
            try:
                plans.append(prepare(each.settings, each.entries))
            except CommandError as error:
                broken.append(BrokenContext.of(each.name, error.failures))
        return _check_all(plans, broken, options, reports=reports, exit_zero=exit_zero)
    settings = node_selection.load_settings(options, for_verdict=True)

    def plan_of(settings: Settings) -> Plan:
        return prepare(settings, node_selection.select(settings, nodes or (), options, tags=tag or (), region=region))

    if watch:
        return _watch(settings, options, span, plan_of, exit_zero=exit_zero)
    return _check(plan_of(settings), options, reports=reports, exit_zero=exit_zero)


class Plan(NamedTuple):
    """What to check in one fleet.

    Attributes:
        settings: The configuration.
        nodes: The nodes, with their passwords.
        policy: The requirements.
        notify: Sends what has changed and calls the heartbeat; None for neither.
        silences: The silences to honour; those of no file with --no-silences.
    """

    settings: Settings
    nodes: tuple[NodeSettings, ...]
    policy: Policy
    notify: notifying.Messenger | None
    silences: SilenceFile

    async def report(self, options: Options) -> tuple[Report, tuple[str, ...]]:
        """Check the fleet; gives warnings, too."""
        from revvlink_cli.services.checking import run

        settings = self.settings
        silenced, warnings = self.silences.silenced(self.nodes)
        report = await run(
            self.nodes,
            self.policy,
            regions=settings.regions,
            timeout=options.timeout,
            play=settings.play,
            silenced=silenced,
        )
        return replace(report, context=settings.context), warnings


def _prepare(
    settings: Settings,
    entries: Sequence[NodeEntry],
    *,
    options: Options,
    flags: check_options.CheckOptions,
    notify: Sequence[str] | None,
    remind: str | None,
    honours_silences: bool,
) -> Plan:
    """Make the plan for these nodes of a configuration. Canaries that play raise the time limit.

    Raises:
        CommandError: The requirements contradict the configuration, or no password can be read.
    """
    policy = flags.applied(check_options.narrow_policy(settings.policy, settings, entries))
    check_options.refuse_out_of_reach(policy, settings, len(entries), options.usage_exit_code, flags)
    messenger = notifying.make_messenger(settings, entries, flags, notify, remind)
    chosen = node_selection.with_secrets(settings, entries, options)
    if options.given_timeout is None and any(policy.plays(entry.identifier) for entry in entries):
        usual = MonitorCommand.usual_timeout + settings.play.duration_s + PLAY_TIME
        options.usual_timeout = max(options.usual_timeout, usual)
    silences = SilenceFile(settings.silences_file if honours_silences else None)
    return Plan(settings, chosen, policy, messenger, silences)


def _refuse_beside_watch(given: Mapping[str, object]) -> None:
    for flag, value in given.items():
        if value:
            raise typer.BadParameter("goes without --watch", param_hint=flag)


def _watch(
    settings: Settings,
    options: Options,
    span: watch_options.Span,
    prepare: Callable[[Settings], Plan],
    *,
    exit_zero: bool,
) -> Stream:
    from revvlink_cli.commands.shared.watched_checks import watched_checks

    current: list[Plan] = []

    def choose(found: Settings) -> tuple[NodeSettings, ...]:
        plan = prepare(found)
        current[:] = [plan]
        return plan.nodes

    job = watch_options.WatchJob(settings, options, span, choose(settings), choose, waits_for_all=True)
    return watched_checks(
        job,
        lambda: current[0].policy,
        lambda: current[0].silences,
        shows_all=bool(options.verbose),
        exit_zero=exit_zero,
    )


async def _check(
    plan: Plan, options: Options, *, reports: tuple[tuple[Format, str], ...], exit_zero: bool
) -> CheckResult:
    report, warnings = await plan.report(options)
    send = partial(plan.notify, report) if plan.notify is not None else None
    result = result_of(report, options, exit_zero=exit_zero)
    return replace(result, report_files=reports, notify=send, warnings=warnings)


async def _check_all(
    plans: Sequence[Plan],
    broken: Sequence[BrokenContext],
    options: Options,
    *,
    reports: tuple[tuple[Format, str], ...],
    exit_zero: bool,
) -> CheckResult:
    """Check several contexts at the same time."""
    import asyncio
    import time

    from revvlink_cli.health.fleet import combined, unusable

    at = time.time()
    async with asyncio.TaskGroup() as group:
        checks = [group.create_task(plan.report(options), name=f"check {plan.settings.context}") for plan in plans]
    made = [check.result()[0] for check in checks]
    failed = [unusable(each.name, [failure.message for failure in each.failures], at) for each in broken]
    report = combined(sorted((*made, *failed), key=lambda part: part.context or ""))

    async def send() -> tuple[str, ...]:
        sending = [(part, plan.notify(part)) for plan, part in zip(plans, made, strict=True) if plan.notify is not None]
        sent = await asyncio.gather(*(work for _, work in sending))
        return tuple(
            f"{part.context}: {warning}" for (part, _), found in zip(sending, sent, strict=True) for warning in found
        )

    result = result_of(report, options, exit_zero=exit_zero)
    return replace(
        result,
        row=ContextCheckRow,
        notes=(*result.notes, *left_out_notes()),
        warnings=tuple(warning for check in checks for warning in check.result()[1]),
        report_files=reports,
        notify=send if any(plan.notify is not None for plan in plans) else None,
    )


def result_of(report: Report, options: Options, *, exit_zero: bool = False) -> CheckResult:
    """A report as the command's outcome."""
    from revvlink_cli.output import check_rows

    return CheckResult(
        check_rows.rows_of(report.outcomes),
        CheckRow,
        ExitCode.OK if exit_zero else int(report.verdict),
        check_rows.failures(report.findings),
        title=check_rows.headline(report),
        line=check_rows.summary(report),
        table_rows=None if options.verbose else check_rows.table_rows(report),
        report=report,
        notes=tuple(filter(None, [report.remark, None if options.verbose else "-v shows every check"])),
    )


def _catalogue() -> tuple[CatalogueRow, ...]:
    from revvlink_cli.health.catalogue import CHECKS

    rows: list[CatalogueRow] = []
    for found in CHECKS:
        limits = [limit.shown if limit is not None else None for limit in found.bounds]
        rows.append(
            CatalogueRow(
                check=found.code,
                stage=found.stage,
                what=found.what,
                figure=found.figure or None,
                unit=found.units_shown or None,
                warning=limits[0],
                critical=limits[1],
                false_alarm=found.false_alarm,
            )
        )
    return tuple(rows)
