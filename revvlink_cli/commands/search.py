"""``revvlink search``: what a bot would find."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated

import typer

from revvlink_cli.commands import fleets
from revvlink_cli.commands.base import Command, Work, make_app, options_of
from revvlink_cli.output.result import CommandError, ExitCode, Failure, Kind, Result, column
from revvlink_cli.output.text import MISSING, clock

if TYPE_CHECKING:
    from revvlink_cli.client.settings import NodeSettings
    from revvlink_cli.client.tracks import Playable
    from revvlink_cli.commands.base import Options
    from revvlink_cli.config.load import Settings

app = make_app("Search tracks as a bot would.")

_PREFIX = re.compile(r"[a-z][a-z0-9_-]*:\S", re.IGNORECASE)


def _length(row: TrackRow) -> str:
    if row.is_stream:
        return "live"
    return MISSING if row.length_ms is None else clock(row.length_ms)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackRow:
    """A track. `length_ms` is null for a live stream and where the length is unknown."""

    title: str = column("TITLE", flexible=True)
    author: str = column("AUTHOR", flexible=True, rank=2)
    length_ms: int | None = column("LENGTH", Kind.DURATION_MS, cell=_length)
    source: str = column("SOURCE", rank=4)
    uri: str | None = column("URI", flexible=True, rank=3)
    identifier: str
    is_stream: bool
    is_seekable: bool
    isrc: str | None
    artwork: str | None
    is_selected: bool
    playlist: str | None
    encoded: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodedTrackRow(TrackRow):
    """A track, with its encoded form shown instead of most else."""

    uri: str | None
    encoded: str = column("ENCODED")


def track_row(
    track: Playable, *, selected: bool = False, playlist: str | None = None, encoded: bool = False
) -> TrackRow:
    """A track as a row."""
    return (EncodedTrackRow if encoded else TrackRow)(
        title=track.title,
        author=track.author,
        length_ms=track.duration,
        source=track.source,
        uri=track.uri,
        identifier=track.identifier,
        is_stream=track.is_stream,
        is_seekable=track.is_seekable,
        isrc=track.isrc,
        artwork=track.artwork,
        is_selected=selected,
        playlist=playlist,
        encoded=track.encoded,
    )


def identifier_for(query: str, source: str) -> str:
    """What to ask a node for: addresses and ``prefix:`` identifiers as they are, words with the source's prefix."""
    words = query.strip()
    if "://" in words or (_PREFIX.match(words) and " " not in words):
        return words
    prefix = words.partition(":")[0]
    from revvlink_cli.client.loading import SOURCES

    if ":" in words and prefix.lower() in SOURCES:
        return words
    return f"{source.rstrip(':')}:{words}"


@app.command(cls=Command)
def search(
    ctx: typer.Context,
    query: Annotated[list[str], typer.Argument(metavar="QUERY...", help="Words, an address, or prefix:words.")],
    source: Annotated[
        str | None,
        typer.Option(
            "--source",
            metavar="PREFIX",
            help="Search prefix for plain words, such as scsearch; the configured one if left out.",
        ),
    ] = None,
    raw: Annotated[bool, typer.Option("--raw", help="Send QUERY as it is: file names of the local source.")] = False,
    node: Annotated[str | None, typer.Option("--node", metavar="NODE", help="Ask this node and no other.")] = None,
    limit: Annotated[int | None, typer.Option("--limit", metavar="N", min=1, help="Show the first N tracks.")] = None,
    encoded: Annotated[bool, typer.Option("--encoded", help="Show each track's encoded form.")] = False,
) -> Work:
    """Search tracks as a bot would: on the best node, on the next one if that fails.

    Plain words are searched with the configured source; addresses and prefix:words pass as they are.
    """
    options = options_of(ctx)
    words = " ".join(query)
    if not words.strip():
        raise CommandError(
            Failure("usage", "the query is empty", hint="give words to search"), exit_code=ExitCode.USAGE
        )
    settings = fleets.load_settings(options)
    entries = fleets.select(settings, (node,) if node else (), options)
    identifier = words if raw else identifier_for(words, source or settings.search_source)
    chosen = fleets.with_secrets(settings, entries, options)
    return _search(identifier, settings, chosen, options, limit, encoded=encoded)


async def _search(
    identifier: str,
    settings: Settings,
    chosen: tuple[NodeSettings, ...],
    options: Options,
    limit: int | None,
    *,
    encoded: bool,
) -> Result:
    from revvlink_cli.client.errors import LavalinkLoadException, RevvlinkException
    from revvlink_cli.client.tracks import Playlist
    from revvlink_cli.services.probe import opened

    on_the_way: list[Failure] = []
    async with opened(chosen, regions=settings.regions, timeout=options.timeout, any_will_do=True) as fleet:
        snapshots = fleet.snapshot().nodes
        unreachable = tuple(f for node in snapshots if (f := fleets.node_failure(node, options.timeout)) is not None)
        if len(unreachable) == len(snapshots):
            return Result(None, TrackRow, fleets.exit_code_for(unreachable, len(snapshots)), unreachable)
        try:
            found = await fleet.fetch_tracks(
                identifier, on_failure=lambda error: on_the_way.append(fleets.failure_of(error))
            )
        except LavalinkLoadException as error:
            return Result(None, TrackRow, ExitCode.FAILED, (fleets.failure_of(error),))
        except RevvlinkException as error:
            return Result(None, TrackRow, ExitCode.UNREACHABLE, tuple(on_the_way) or (fleets.failure_of(error),))
    told = {node.identifier for node in snapshots if node.error is not None}  # slow ones are not waited for
    notes = [f"{f.node}: {f.message}" for f in (*unreachable, *on_the_way) if f.node in told or f in on_the_way]
    if isinstance(found, Playlist):
        rows = tuple(
            track_row(track, selected=index == found.selected, playlist=found.name, encoded=encoded)
            for index, track in enumerate(found.tracks)
        )
        chosen_track = f", selected: {found.tracks[found.selected].title}" if 0 <= found.selected < len(rows) else ""
        title = f"Playlist {found.name}: {_tracks(len(rows))}{chosen_track}"
    else:
        rows = tuple(track_row(track, encoded=encoded) for track in found)
        title = None
    if not rows:
        what = (
            f"the playlist {found.name} is empty" if isinstance(found, Playlist) else f"nothing found for {identifier}"
        )
        return Result((), TrackRow, ExitCode.FAILED, notes=(*notes, what), title=title)
    shown = rows[:limit]
    if len(shown) < len(rows):
        notes.append(f"{len(rows) - len(shown)} more of {len(rows)} not shown; raise --limit")
    return replace(Result(shown, type(rows[0])), notes=tuple(notes), title=title)


def _tracks(count: int) -> str:
    return f"{count} track{'' if count == 1 else 's'}"
