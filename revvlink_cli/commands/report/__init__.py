"""``revvlink report``: summarises recordings."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from revvlink_cli.commands.report.rows import IncidentRow, ReportRow, incidents_of, node_rows
from revvlink_cli.commands.shared.command import Rows, command, make_app, options_of
from revvlink_cli.commands.shared.moments import FORMS, read_moment
from revvlink_cli.commands.shared.stdin import LONGEST_SAMPLE, read_lines
from revvlink_cli.commands.shared.values import files, optional_share
from revvlink_cli.output.result import ExitCode, Failure, Result

if TYPE_CHECKING:
    from collections.abc import Sequence

    from revvlink_cli.services.availability import History
    from revvlink_cli.services.recording import Recording

app = make_app()

_MOST_HINTS = 5
"""Nodes below the minimum that a terminal shows one by one; more of them are shown together."""

_REPORTED_PROBLEMS = 10
"""Problems of a file that are named one by one."""


@command(
    app,
    prints=lambda: {"": Rows(ReportRow), "--incidents": Rows(IncidentRow)},
    examples=(
        "revvlink report night.jsonl --html night.html",
        "revvlink report night.jsonl --since 24h --min-availability 99.9",
    ),
)
def report(
    ctx: typer.Context,
    recordings: Annotated[
        list[str],
        typer.Argument(metavar="FILE... | -", help="Recordings made by `revvlink record`.", autocompletion=files),
    ],
    node: Annotated[
        list[str] | None,
        typer.Option("--node", metavar="PATTERN", help="Only these nodes, such as 'us-*'; repeatable."),
    ] = None,
    since: Annotated[
        str | None, typer.Option("--since", metavar="MOMENT", help=f"Begin of the time to look at: {FORMS}.")
    ] = None,
    until: Annotated[str | None, typer.Option("--until", metavar="MOMENT", help="Its end, in the same forms.")] = None,
    min_availability: Annotated[
        str | None,
        typer.Option("--min-availability", metavar="PERCENT", help="Exit with 1 if a node was available for less."),
    ] = None,
    incidents: Annotated[
        bool, typer.Option("--incidents", help="List when nodes were not connected, and why.")
    ] = False,
    html: Annotated[
        str | None,
        typer.Option("--html", metavar="OUT", help="Also write a page with charts.", autocompletion=files),
    ] = None,
) -> Result:
    """Summarise recordings.

    The table shows the availability of each node, and percentiles of penalty, CPU, players and latency. Several files
    are merged by node and in time. The page of --html is one file that needs no network. Unreadable lines are reported,
    and the rest is used.
    """
    from revvlink_cli.services.availability import history_of
    from revvlink_cli.services.recording import distinguish_contexts, read

    if html in ("", "-"):
        raise typer.BadParameter(f"{html!r} is not a file", param_hint="--html")
    if recordings.count("-") > 1:
        raise typer.BadParameter("standard input can be read once", param_hint="FILE")
    start, end = _window(since, until)
    least = optional_share(min_availability, "--min-availability", "99.9")
    read_files = {file: read(read_lines(file, longest=LONGEST_SAMPLE)) for file in dict.fromkeys(recordings)}
    distinguish_contexts(list(read_files.values()))
    problems = [problem for file, recording in read_files.items() for problem in _problems(file, recording)]
    if not any(recording.samples for recording in read_files.values()):
        return Result(None, ReportRow, ExitCode.FAILED, tuple(problems))
    for recording in read_files.values():
        recording.tracks = {name: track for name, track in recording.tracks.items() if _is_wanted(name, node)}
    if not any(recording.tracks for recording in read_files.values()):
        failure = Failure("unknown_node", f"no node fits {', '.join(node or ())}", hint="leave out --node to see all")
        return Result(None, ReportRow, ExitCode.USAGE, (*problems, failure))
    history = history_of(tuple(read_files.values()), start, end)
    if history is None:
        return Result(
            None, ReportRow, ExitCode.FAILED, (*problems, _nothing_there(tuple(read_files.values()), start, end))
        )
    rows = node_rows(history, least)
    about = (_span(history), _time(history))
    verdict = _verdict(history, rows, min_availability if least is not None else None)
    notes = [verdict[1], *about]
    if html is not None:
        from revvlink_cli.commands.report.html import write_page

        write_page(html, tuple(read_files), history, rows, (verdict,), (*about, *_gaps(rows)), options_of(ctx))
        notes.append(f"charts in {html}")
    elif not incidents and any(row.incidents for row in rows):
        notes.append("--incidents lists when and why")
    broken = _broken(rows, least, min_availability)
    code = ExitCode.FAILED if broken else ExitCode.PARTIAL if problems else ExitCode.OK
    gaps = _gaps(rows)
    return Result(
        incidents_of(rows) if incidents else rows,
        IncidentRow if incidents else ReportRow,
        code,
        (*problems, *broken),
        notes=(*notes, *(gaps if least is None else ())),
        warnings=gaps if least is not None else (),
    )


def _is_wanted(name: str, patterns: Sequence[str] | None) -> bool:
    """Whether a node fits one of the patterns, or there are none."""
    from fnmatch import fnmatchcase

    return not patterns or any(fnmatchcase(name, pattern) for pattern in patterns)


def _window(since: str | None, until: str | None) -> tuple[float | None, float | None]:
    """The time to look at, in seconds since the epoch; None for no bound.

    Raises:
        typer.BadParameter: A moment cannot be read, or the end is not after the begin.
    """
    from datetime import datetime

    now = datetime.now().astimezone()
    found: list[float | None] = []
    for name, text in (("--since", since), ("--until", until)):
        try:
            found.append(read_moment(text, now).timestamp() if text is not None else None)
        except ValueError as error:
            raise typer.BadParameter(str(error), param_hint=name) from None
    start, end = found
    if start is not None and end is not None and end <= start:
        raise typer.BadParameter("is not after --since", param_hint="--until")
    return start, end


def _problems(file: str, recording: Recording) -> list[Failure]:
    """The lines of a file that could not be read."""
    found = [Failure("bad_sample", f"{file}: {problem}") for problem in recording.problems[:_REPORTED_PROBLEMS]]
    if len(recording.problems) > _REPORTED_PROBLEMS:
        found.append(Failure("bad_sample", f"{file}: and {len(recording.problems) - _REPORTED_PROBLEMS} more lines"))
    if not recording.samples:
        hint = "make one with `revvlink record FILE`"
        found.append(Failure("not_a_recording", f"{file} has no sample of a fleet", hint=hint))
    return found


def _nothing_there(recordings: Sequence[Recording], start: float | None, end: float | None) -> Failure:
    """The failure of a time without a sample."""
    from revvlink_cli.output.time_axis import moment_text
    from revvlink_cli.services.availability import extent

    bounds = [
        f"{word} {moment_text(at, zone=True)}" for word, at in (("since", start), ("until", end)) if at is not None
    ]
    found = extent(recordings) or (0.0, 0.0)
    covered = f"{moment_text(found[0])} to {moment_text(found[1], zone=True)}"
    message = f"no sample {' '.join(bounds)}".rstrip()
    return Failure("no_sample", message, hint=f"the recording covers {covered}")


def _span(history: History) -> str:
    from revvlink_cli.output.text import duration

    lasted = duration((history.last - history.first) * 1000)
    return f"{history.samples} samples of {len(history.nodes)} nodes in {lasted}"


def _time(history: History) -> str:
    from revvlink_cli.output.time_axis import moment_text, zones_text

    start, end = moment_text(history.start), moment_text(history.end)
    return f"{start} to {end}, {zones_text(history.start, history.end)}"


def _verdict(history: History, rows: Sequence[ReportRow], minimum: str | None) -> tuple[str, str]:
    """The class of the page's style, and the sentence, for the whole fleet."""
    from revvlink_cli._percent import availability

    count = sum(len(row.incidents) for row in rows)
    concerned = sum(bool(row.incidents) for row in rows)
    share = history.availability
    fleet = f"fleet availability {availability(share)}" if share is not None else "no node was observed"
    if count:
        incidents = f"{count} incident{'s' if count > 1 else ''} on {concerned} of {len(rows)} nodes; {fleet}"
    else:
        incidents = f"no incident; {fleet}"
    if minimum is None:
        return ("warn" if count else "good"), incidents
    below = sum(row.holds is False for row in rows)
    wanted = f"{minimum.strip().removesuffix('%')}%"
    if below:
        return "bad", f"{below} of {len(rows)} nodes did not hold {wanted}; {incidents}"
    return "good", f"every node held {wanted}; {incidents}"


def _broken(rows: Sequence[ReportRow], least: float | None, minimum: str | None) -> list[Failure]:
    """The nodes that were available for less than required, the worst first."""
    from revvlink_cli._percent import availability
    from revvlink_cli.output.text import duration

    found = []
    for row in sorted(rows, key=lambda row: -row.problem_gravity):
        if row.holds is not False or least is None or minimum is None:
            continue
        if row.availability_ratio is None or row.downtime_ms is None:
            found.append(Failure("not_observed", "was not observed, so its availability is unknown", node=row.node))
            continue
        observed = row.downtime_ms / (1 - row.availability_ratio)
        message = (
            f"was available for {availability(row.availability_ratio)}, less than {minimum.strip().removesuffix('%')}%"
        )
        allowed = f"down for {duration(row.downtime_ms)}, {duration(round(observed * (1 - least)))} allowed"
        found.append(Failure("availability", message, node=row.node, hint=allowed))
    if len(found) > _MOST_HINTS:
        found = [replace(failure, hint=None) for failure in found]
    return found


def _gaps(rows: Sequence[ReportRow]) -> tuple[str, ...]:
    """A line on nodes that were not observed all the time; nothing if all were."""
    from revvlink_cli._percent import percent

    partial = sorted((row for row in rows if row.observed_ratio < 1), key=lambda row: row.observed_ratio)
    if not partial:
        return ()
    names = ", ".join(f"{row.node} {percent(row.observed_ratio)}" for row in partial[:3])
    more = f" and {len(partial) - 3} more" if len(partial) > 3 else ""
    return (f"not observed all the time: {names}{more}; gaps count neither as up nor as down",)
