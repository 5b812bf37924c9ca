"""``revvlink report``: summarises a recording."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from revvlink_cli.commands.shared.command import Rows, command, make_app
from revvlink_cli.commands.shared.stdin import read_lines
from revvlink_cli.commands.shared.values import files
from revvlink_cli.output.result import CommandError, ExitCode, Failure, Kind, Result, column

if TYPE_CHECKING:
    from revvlink_cli.services.recording import Recording, Track

app = make_app()

LONGEST = 64 * 1024 * 1024
"""Characters of a line that are read; a sample of a thousand nodes has one million."""

_REPORTED_PROBLEMS = 10
"""Problems that are named one by one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportRow:
    """One node over the whole recording. Null is unknown, never zero."""

    node: str = column("NODE")
    region: str | None = column("REGION", rank=5)
    samples: int = column("SAMPLES", Kind.COUNT, rank=6)
    availability_ratio: float | None = column("AVAILABLE", Kind.RATIO)
    losses: int = column("LOST", Kind.COUNT)
    restarts: int = column("RESTARTS", Kind.COUNT, rank=3)
    penalty_p50: float | None = column("PENALTY P50", Kind.SCORE)
    penalty_p95: float | None = column("P95", Kind.SCORE)
    penalty_max: float | None = column("MAX", Kind.SCORE, rank=4)
    cpu_p50_ratio: float | None = column("CPU P50", Kind.RATIO, rank=2)
    cpu_p95_ratio: float | None = column("P95", Kind.RATIO, rank=2)
    playing_p50: int | None = column("PLAYING P50", Kind.COUNT, rank=2)
    playing_max: int | None = column("MAX", Kind.COUNT, rank=2)
    latency_p50_ms: float | None = column("LATENCY P50", Kind.LATENCY_MS, rank=3)
    latency_p95_ms: float | None = column("P95", Kind.LATENCY_MS, rank=3)


@command(
    app,
    prints=lambda: {"": Rows(ReportRow)},
    examples=("revvlink report night.jsonl", "revvlink report night.jsonl --html night.html"),
)
def report(
    file: Annotated[
        str, typer.Argument(metavar="FILE | -", help="Recording made by `revvlink record`.", autocompletion=files)
    ],
    html: Annotated[
        str | None,
        typer.Option("--html", metavar="OUT", help="Also write a page with charts.", autocompletion=files),
    ] = None,
) -> Result:
    """Summarise a recording.

    The table shows the availability of each node, and percentiles of penalty, CPU, players and latency. The page of
    --html is one file that needs no network. Unreadable lines are reported, and the rest is used.
    """
    from revvlink_cli.services.recording import read

    if html in ("", "-"):
        raise typer.BadParameter(f"{html!r} is no file", param_hint="--html")
    recording = read(read_lines(file, longest=LONGEST))
    problems = [Failure("bad_sample", f"{file}: {problem}") for problem in recording.problems[:_REPORTED_PROBLEMS]]
    if len(recording.problems) > _REPORTED_PROBLEMS:
        problems.append(Failure("bad_sample", f"{file}: and {len(recording.problems) - _REPORTED_PROBLEMS} more lines"))
    if not recording.samples:
        hint = "make one with `revvlink record FILE`"
        problems.append(Failure("not_a_recording", f"{file} has no sample of a fleet", hint=hint))
        return Result(None, ReportRow, ExitCode.FAILED, tuple(problems))
    rows = tuple(_row(track) for track in recording.tracks.values())
    notes = [_span(recording)]
    if html is not None:
        _write(html, file, recording, rows)
        notes.append(f"charts in {html}")
    code = ExitCode.PARTIAL if problems else ExitCode.OK
    return Result(rows, ReportRow, code, tuple(problems), notes=tuple(notes))


def _row(track: Track) -> ReportRow:
    return ReportRow(
        node=track.node,
        region=track.region,
        samples=len(track.times),
        availability_ratio=track.availability,
        losses=track.losses,
        restarts=track.restarts,
        penalty_p50=track.percentile("penalty", 50),
        penalty_p95=track.percentile("penalty", 95),
        penalty_max=track.percentile("penalty", 100),
        cpu_p50_ratio=track.percentile("cpu_load_ratio", 50),
        cpu_p95_ratio=track.percentile("cpu_load_ratio", 95),
        playing_p50=_whole(track.percentile("playing", 50)),
        playing_max=_whole(track.percentile("playing", 100)),
        latency_p50_ms=track.percentile("latency_ms", 50),
        latency_p95_ms=track.percentile("latency_ms", 95),
    )


def _whole(value: float | None) -> int | None:
    return None if value is None else int(value)


def _span(recording: Recording) -> str:
    from revvlink_cli.output.text import duration

    lasted = ((recording.ended or 0) - (recording.begun or 0)) * 1000
    return f"{recording.samples} samples of {len(recording.tracks)} nodes in {duration(lasted)}"


def _write(name: str, source: str, recording: Recording, rows: tuple[ReportRow, ...]) -> None:
    """Write the page.

    Raises:
        CommandError: It cannot be written, or would take the place of the recording.
    """
    from datetime import datetime

    from revvlink_cli.output.page import Chart, page
    from revvlink_cli.output.streams import write_file

    tracks = list(recording.tracks.values())
    charts = [
        Chart(title, unit, {track.node: list(zip(track.times, track.figures[figure], strict=True)) for track in tracks})
        for figure, title, unit in (
            ("penalty", "Penalty", ""),
            ("playing", "Playing players", ""),
            ("cpu_load_ratio", "CPU", "%"),
            ("latency_ms", "Latency", " ms"),
        )
    ]
    presence = {track.node: list(zip(track.times, track.present, strict=True)) for track in tracks}
    begun = datetime.fromtimestamp(recording.begun or 0).astimezone().isoformat(sep=" ", timespec="seconds")
    try:
        if _is_same(name, source):
            failure = Failure("usage", f"{name} is the recording itself", hint="name another file for the page")
            raise CommandError(failure, exit_code=ExitCode.USAGE)
        write_file(name, page(f"Fleet from {begun}", _span(recording), rows, presence, charts))
    except OSError as error:
        message = f"{name} cannot be written: {error.strerror or error}"
        raise CommandError(Failure("output", message, hint="write elsewhere")) from None


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
