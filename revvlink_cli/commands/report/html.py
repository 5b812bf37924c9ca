"""Writes the page of `revvlink report --html`."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from revvlink_cli.commands.report.rows import incidents_of
from revvlink_cli.commands.shared import node_selection
from revvlink_cli.config.secrets_in_use import redact
from revvlink_cli.output.charts import MOST_LINES, MOST_STRIPS, Chart, Limit, Series, Strip
from revvlink_cli.output.heading import heading
from revvlink_cli.output.report_page import ReportPage, report_page
from revvlink_cli.output.result import CommandError, ExitCode, Failure, columns_of
from revvlink_cli.output.streams import write_file
from revvlink_cli.output.text import duration, shown
from revvlink_cli.output.time_axis import moment_text, zones_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from revvlink_cli.commands.report.rows import ReportRow
    from revvlink_cli.commands.shared.command import Options
    from revvlink_cli.health.policy import Requirements
    from revvlink_cli.services.availability import History, NodeHistory

MOST_INCIDENTS = 300
"""Incidents of a page: the longest ones."""

_FIELDS = (
    "node", "region", "availability_ratio", "downtime_ms", "losses", "restarts", "observed_ratio",
    "penalty_p50", "penalty_p95", "penalty_max", "cpu_p50_ratio", "cpu_p95_ratio", "playing_p50", "playing_max",
    "latency_p50_ms", "latency_p95_ms",
)  # fmt: skip
"""The columns of the page: what an outage has cost stands beside the availability."""

_CHARTS = (
    ("penalty", "Penalty", "", "penalty", 1.0),
    ("playing", "Playing players", "", "", 1.0),
    ("cpu_load_ratio", "CPU", "%", "cpu", 1.0),
    ("latency_ms", "Latency", " ms", "websocket", 1000.0),
)
"""The charts: figure, title, unit, the check whose thresholds are drawn, and its unit in that of the chart."""


def write_page(
    name: str,
    sources: Sequence[str],
    history: History,
    rows: Sequence[ReportRow],
    verdicts: Sequence[tuple[str, str]],
    about: Sequence[str],
    options: Options,
) -> None:
    """Write the page.

    Raises:
        CommandError: It cannot be written, or would take the place of a recording.
    """
    try:
        if any(_is_same(name, source) for source in sources):
            failure = Failure("usage", f"{name} is the recording itself", hint="name another file for the page")
            raise CommandError(failure, exit_code=ExitCode.USAGE)
        write_file(name, redact(report_page(_page(sources, history, rows, verdicts, about, options))))
    except OSError as error:
        message = f"{name} cannot be written: {error.strerror or error}"
        raise CommandError(Failure("output", message, hint="write elsewhere")) from None


def _page(
    sources: Sequence[str],
    history: History,
    rows: Sequence[ReportRow],
    verdicts: Sequence[tuple[str, str]],
    about: Sequence[str],
    options: Options,
) -> ReportPage:
    worst = sorted(range(len(rows)), key=lambda place: -rows[place].problem_gravity)
    nodes = [history.nodes[place] for place in worst]
    incidents = incidents_of(rows)
    note = ""
    if len(incidents) > MOST_INCIDENTS:
        longest = sorted(incidents, key=lambda incident: -incident.lasted_ms)[:MOST_INCIDENTS]
        note = f"The longest {MOST_INCIDENTS} of {len(incidents)} incidents; `revvlink report --incidents` lists all."
        incidents = tuple(incident for incident in incidents if incident in set(longest))
    files = ", ".join("standard input" if source == "-" else Path(source).name for source in sources)
    period = f"{moment_text(history.start, seconds=False)} to {moment_text(history.end, seconds=False)}"
    steady = _steady(nodes)
    columns = dict(columns_of(type(rows[0])))
    required = _requirements(options)  # before the title: it finds the context
    return ReportPage(
        title=" · ".join(filter(None, ("Fleet report", _context(options), period))),
        verdicts=verdicts,
        about=about,
        rows=[replace(rows[place], incidents=()) for place in worst],
        columns=[
            (name, columns[name])
            for name in _FIELDS
            if name != "observed_ratio" or any(row.observed_ratio < 1 for row in rows)
        ],
        mark=lambda row, field: _mark(row) if field == "availability_ratio" else "",
        incidents=incidents,
        incidents_note=note,
        strips=[_strip(node, rows[place]) for node, place in zip(nodes, worst, strict=True) if node.node not in steady],
        strips_note=f"Connected all the time: {', '.join(steady)}." if steady else "",
        charts=_charts(history, nodes, required),
        start=history.start,
        end=history.end,
        zone=zones_text(history.start, history.end),
        footer=f"{heading('report', _context(options))} · {files}",
    )


def _steady(nodes: Sequence[NodeHistory]) -> dict[str, None]:
    """The nodes that a long page names in a line, because their bar would show nothing; the first ones have theirs."""
    steady = [node.node for node in nodes if all(span.is_up for span in node.spans)]
    spared = max(MOST_STRIPS - (len(nodes) - len(steady)), 0)
    return dict.fromkeys(steady[spared:])


def _mark(row: ReportRow) -> str:
    if row.availability_ratio is None:
        return "gone"
    if row.holds is False:
        return "bad"
    return "good" if row.availability_ratio == 1 or row.holds else "warn"


def _strip(node: NodeHistory, row: ReportRow) -> Strip:
    columns = {"availability_ratio": "", "downtime_ms": "down "}
    texts = _cells(row, columns)
    summary = "not observed" if node.availability is None else "  ".join(texts) if node.outages else texts[0]

    def describe(start: float, end: float) -> str:
        lasted = duration((end - start) * 1000)
        text = f"{node.node}: {moment_text(start)} to {moment_text(end, zone=True)}, {lasted}"
        near = [outage for outage in node.outages if outage.end >= start and outage.start <= end]
        causes = dict.fromkeys(
            cause.message or cause.reason or cause.state for outage in near for cause in outage.causes
        )
        count = f"{len(near)} incidents" if len(near) > 1 else ""
        return "\n".join(filter(None, (text, count, *list(causes)[:3])))

    return Strip(node.node, summary, node.spans, describe)


def _cells(row: ReportRow, fields: Mapping[str, str]) -> list[str]:
    columns = dict(columns_of(type(row)))
    return [f"{before}{shown(row, name, columns[name])}" for name, before in fields.items()]


def _charts(history: History, nodes: Sequence[NodeHistory], required: Requirements | None) -> list[Chart]:
    """The charts, in which the same nodes have the same lines: those with incidents, then those of high penalty."""
    order = sorted(nodes, key=lambda node: (-node.down_s, -(node.percentile("penalty", 95) or 0)))
    named = order if len(order) <= MOST_LINES else order[:MOST_LINES]
    named_set = {node.node for node in named}
    gaps = {node.node: [(span.start, span.end) for span in node.spans if span.is_up is None] for node in nodes}
    charts = []
    for figure, title, unit, check, factor in _CHARTS:
        series = {node.node: Series(node.node, node.times, node.figures[figure], gaps[node.node]) for node in order}
        charts.append(
            Chart(
                title,
                unit,
                history.start,
                history.end,
                [series[node.node] for node in named],
                [found for name, found in series.items() if name not in named_set],
                _limits(required, check, factor) if required is not None and check else (),
            )
        )
    return charts


def _limits(required: Requirements, check: str, factor: float) -> list[Limit]:
    """The thresholds of a check that a rising figure reaches."""
    found = []
    for limit, is_critical in zip(required.bounds_of(check), (False, True), strict=True):
        if limit is None:
            continue
        found += [
            Limit(low * factor, is_critical, f"{'critical' if is_critical else 'warning'}: {limit.shown}")
            for low, _, high, _ in limit.alerting
            if low > 0 and high > low
        ]
    return found


def _requirements(options: Options) -> Requirements | None:
    """The requirements of the configuration, None without one: a report is made where there is no fleet, too.

    Raises:
        CommandError: The command line names a configuration that cannot be used.
    """
    try:
        return node_selection.load_settings(options).policy.common
    except CommandError:
        if options.config is not None or options.context is not None:
            raise
        return None


def _context(options: Options) -> str | None:
    """The name of the context that was chosen, None without one."""
    return options.source.context if options.source is not None else None


def _is_same(name: str, source: str) -> bool:
    """Whether a file is the one that the recording was read from, under whichever name.

    Raises:
        OSError: The files cannot be compared.
    """
    path = Path(name)
    if not path.is_file():
        return False  # a terminal may be both
    read = os.fstat(sys.stdin.fileno()) if source == "-" else Path(source).stat()
    return os.path.samestat(path.stat(), read)
