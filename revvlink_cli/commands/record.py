"""``revvlink record``: records samples of the fleet to a file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from revvlink_cli.commands.nodes import status, status_rows
from revvlink_cli.commands.shared import node_selection, watch_options
from revvlink_cli.commands.shared.command import Record, command, make_app, options_of
from revvlink_cli.commands.shared.options import Nodes, Region, Tags
from revvlink_cli.commands.shared.values import files
from revvlink_cli.output.envelope import to_json
from revvlink_cli.output.result import CommandError, Failure, Kind, Result, Stream, column

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

app = make_app()


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingRecord:
    """A recording that was made."""

    file: str = column("File")
    samples: int = column("Samples", Kind.COUNT)
    nodes: int = column("Nodes", Kind.COUNT)


@command(
    app,
    prints=lambda: {"": Record(RecordingRecord)},
    examples=("revvlink record night.jsonl --interval 1s --count 2",),
)
def record(
    ctx: typer.Context,
    file: Annotated[str, typer.Argument(metavar="FILE", help="File to write.", autocompletion=files)],
    node_names: Nodes = None,
    tag: Tags = None,
    region: Region = None,
    interval: Annotated[str, typer.Option("--interval", metavar="TIME", help="Time between two samples.")] = "10s",
    duration: Annotated[
        str | None,
        typer.Option("--duration", metavar="TIME", help="End after this time; until interrupted if left out."),
    ] = None,
    count: Annotated[
        int | None, typer.Option("--count", metavar="N", min=1, help="End after this many samples.")
    ] = None,
    append: Annotated[bool, typer.Option("--append", help="Append to an existing file.")] = False,
) -> Stream:
    """Record the status of the nodes to a file.

    Each sample is one JSON object on a line, written at once, so that an interrupted recording is complete.
    `revvlink report` summarises the file.
    """
    if file in ("", "-"):
        raise typer.BadParameter(
            f"{file!r} is not a file: `revvlink nodes status --watch` prints samples", param_hint="FILE"
        )
    options = options_of(ctx)
    span = watch_options.read_span(interval, count, duration, watch=True)
    settings = node_selection.load_settings(options)

    choose = node_selection.make_chooser(options, node_names, tag, region)
    job = watch_options.WatchJob(settings, options, span, choose(settings), choose)

    async def items() -> AsyncGenerator[Result, None]:
        from revvlink_cli.services.recording import Writer

        try:
            writer = Writer(Path(file), append=append)
        except FileExistsError:
            failure = Failure("output", f"{file} is there already", hint="name another, or add to it with --append")
            raise CommandError(failure) from None
        except OSError as error:
            raise CommandError(_unwritable(file, error)) from None
        known = 0
        try:
            async with job.samples() as taken:
                async for seen in taken:
                    rows = status.watched_rows(seen, options, "config")
                    known = max(known, len(rows))
                    sample = to_json(status_rows.StatusTick(time=watch_options.timestamp(), nodes=rows))
                    writer.write(sample if settings.context is None else {"context": settings.context, **sample})
        except OSError as error:
            raise CommandError(_unwritable(file, error)) from None
        finally:
            writer.close()
        result = RecordingRecord(file=file, samples=writer.samples, nodes=known)
        yield Result(result, notes=(f"`revvlink report {file}` summarises it",))

    return Stream(RecordingRecord, items())


def _unwritable(file: str, error: OSError) -> Failure:
    return Failure("output", f"{file} cannot be written: {error.strerror or error}", hint="make room, or name another")
