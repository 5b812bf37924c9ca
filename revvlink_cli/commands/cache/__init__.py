"""``revvlink cache``: inspects, fills and clears the track cache."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from revvlink_cli.client.cache.store import Order
from revvlink_cli.commands.cache import transfer
from revvlink_cli.commands.shared import node_selection
from revvlink_cli.commands.shared.cache_access import (
    cache_location,
    cache_off_failure,
    damaged_result,
    missing_result,
    read_keys,
    run_on_cache,
)
from revvlink_cli.commands.shared.command import Record, Rows, Work, command, make_app, options_of
from revvlink_cli.commands.shared.options import Source, node_option
from revvlink_cli.commands.shared.questions import confirm
from revvlink_cli.commands.shared.track_rows import TrackRow, read_result
from revvlink_cli.output.result import CommandError, ExitCode, Failure, Kind, Result, column
from revvlink_cli.output.text import MISSING
from revvlink_cli.services.cache_handle import backend_of, keeps_nothing

if TYPE_CHECKING:
    from revvlink_cli.client.cache.store import Listed, OpenStore

app = make_app()

QUERY_HELP = "As it was searched: words, an address, or prefix:words."
NODE_HELP = "The entry of a search that named this node."


@dataclass(frozen=True, slots=True, kw_only=True)
class StatsRecord:
    """The cache in figures. `capacity` is null where the server decides what to evict."""

    backend: str = column("Backend")
    location: str | None = column("Location")
    capacity: int | None = column("Capacity", Kind.COUNT)
    entries: int = column("Entries", Kind.COUNT)
    expired: int = column("Expired", Kind.COUNT)
    size_bytes: int = column("Size", Kind.BYTES)
    hits: int = column("Hits", Kind.COUNT)
    misses: int = column("Misses", Kind.COUNT)
    hit_ratio: float | None = column("Hit ratio", Kind.RATIO)
    evictions: int = column("Evictions", Kind.COUNT)
    oldest_ms: int | None = column("Oldest", Kind.DURATION_MS)


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryRow:
    """What is kept of one search. `uses` is null where the server does not count them."""

    query: str = column("QUERY", flexible=True)
    node: str | None = column("NODE", rank=4)
    result: str = column("RESULT", rank=2)
    tracks: int = column("TRACKS", Kind.COUNT)
    uses: int | None = column("USES", Kind.COUNT)
    size_bytes: int = column("SIZE", Kind.BYTES, rank=3)
    age_ms: int = column("AGE", Kind.DURATION_MS)
    expires_in_ms: int = column("EXPIRES IN", Kind.DURATION_MS, rank=2)


def _titles(record: CachedRecord) -> tuple[str, ...]:
    return record.titles or (MISSING,)


@dataclass(frozen=True, slots=True, kw_only=True)
class CachedRecord:
    """One entry, and the tracks in it."""

    query: str = column("Query")
    node: str | None = column("Node")
    result: str = column("Result")
    tracks: int = column("Tracks", Kind.COUNT)
    uses: int | None = column("Uses", Kind.COUNT)
    size_bytes: int = column("Size", Kind.BYTES)
    age_ms: int = column("Age", Kind.DURATION_MS)
    expires_in_ms: int = column("Expires in", Kind.DURATION_MS)
    titles: tuple[str, ...] = column("Titles", cell=_titles)
    found: tuple[TrackRow, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClearRecord:
    """The number of deleted entries."""

    removed: int = column("Removed", Kind.COUNT)


@dataclass(frozen=True, slots=True, kw_only=True)
class PathRecord:
    """Where the cache is; null where it lives in memory only."""

    backend: str = column("Backend")
    location: str | None = column("Location")


@command(app, prints=lambda: {"": Record(StatsRecord)}, examples=("revvlink cache stats",))
def stats(ctx: typer.Context) -> Result | Work:
    """Show the size and the hit rate of the cache."""
    options = options_of(ctx)
    settings = node_selection.load_settings(options)
    if keeps_nothing(settings):
        none = dict.fromkeys(("entries", "expired", "size_bytes", "hits", "misses", "evictions"), 0)
        record = StatsRecord(
            backend=settings.cache.backend,
            location=None,
            capacity=settings.cache.capacity,
            hit_ratio=None,
            oldest_ms=None,
            **none,
        )
        return Result(record, notes=(cache_off_failure(settings).message,))
    backend, place = settings.cache.backend, cache_location(settings)

    async def read_figures(store: OpenStore) -> Result:
        figures = await store.stats()
        lookups = figures.hits + figures.misses
        record = StatsRecord(
            backend=backend,
            location=place,
            capacity=figures.capacity,
            entries=figures.entries,
            expired=figures.expired,
            size_bytes=figures.size,
            hits=figures.hits,
            misses=figures.misses,
            hit_ratio=figures.hits / lookups if lookups else None,
            evictions=figures.evictions,
            oldest_ms=_since(figures.oldest) if figures.oldest is not None else None,
        )
        return Result(record, warnings=(figures.remark,) if figures.remark is not None else ())

    return run_on_cache(settings, options, read_figures)


@command(
    app,
    "list",
    prints=lambda: {"": Rows(EntryRow)},
    examples=("revvlink cache list", "revvlink cache list --sort age --limit 10"),
)
def list_(
    ctx: typer.Context,
    sort: Annotated[
        Order, typer.Option("--sort", help="Order of the entries: most used, newest or largest first.")
    ] = Order.USES,
    limit: Annotated[int | None, typer.Option("--limit", metavar="N", min=1, help="Show the first N entries.")] = None,
) -> Result | Work:
    """List the cached searches."""
    options = options_of(ctx)
    settings = node_selection.load_settings(options)

    async def entries(store: OpenStore) -> Result:
        found = await store.listing(sort, limit)
        notes = () if found else ("the cache is empty; `revvlink search` and `revvlink cache warm` fill it",)
        return Result(tuple(map(_entry_row, found)), EntryRow, notes=notes)

    return run_on_cache(settings, options, entries)


@command(app, prints=lambda: {"": Record(CachedRecord)}, examples=("revvlink cache show night",))
def show(
    ctx: typer.Context,
    query: Annotated[list[str], typer.Argument(metavar="QUERY...", help=QUERY_HELP)],
    source: Source = None,
    node: Annotated[str | None, node_option(NODE_HELP)] = None,
) -> Result | Work:
    """Show the cached tracks of one search.

    This does not count as a use of the entry.
    """
    options = options_of(ctx)
    settings = node_selection.load_settings(options)
    keys = read_keys(settings, options, query, source, node)

    async def entry(store: OpenStore) -> Result:
        for key in keys:
            try:
                found = await store.peek(key)
                if found is not None:
                    return Result(_record(found[1], read_result(found[0].payload()).rows))
            except ValueError:
                return damaged_result(key)
        return missing_result(keys[0])

    return run_on_cache(settings, options, entry)


@command(
    app,
    prints=lambda: {"": Record(ClearRecord)},
    examples=("revvlink cache clear night --yes", "revvlink cache clear --expired --yes"),
)
def clear(
    ctx: typer.Context,
    query: Annotated[
        list[str] | None, typer.Argument(metavar="[QUERY]...", help=f"{QUERY_HELP} Everything when left out.")
    ] = None,
    source: Source = None,
    node: Annotated[str | None, node_option(NODE_HELP)] = None,
    expired: Annotated[bool, typer.Option("--expired", help="Delete only expired entries.")] = False,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Delete everything on a shared server without asking.")
    ] = False,
) -> Result | Work:
    """Delete one search, expired entries, or all of the cache.

    On a server that others use too, deleting everything needs a confirmation or --yes.
    """
    options = options_of(ctx)
    settings = node_selection.load_settings(options)
    if expired and query:
        raise CommandError(
            Failure("usage", "a query and --expired do not go together", hint="leave one of them out"),
            exit_code=ExitCode.USAGE,
        )
    if node is not None and not query:
        raise CommandError(
            Failure("usage", "--node selects the search", hint="name the query too"), exit_code=ExitCode.USAGE
        )
    keys = read_keys(settings, options, query, source, node) if query else ()
    if backend_of(settings).is_server and not keys and not expired and not keeps_nothing(settings):
        confirm(f"Forget everything that the cache on {cache_location(settings)} holds, for all who use it?", yes=yes)

    async def forget(store: OpenStore) -> Result:
        if not keys:
            return Result(ClearRecord(removed=await store.clear(expired_only=expired)))
        for key in keys:
            if removed := await store.clear(key):
                return Result(ClearRecord(removed=removed))
        return missing_result(keys[0])

    return run_on_cache(settings, options, forget)


@command(app, prints=lambda: {"": Record(PathRecord)}, examples=("revvlink cache path",))
def path(ctx: typer.Context) -> Result:
    """Print the location of the cache."""
    settings = node_selection.load_settings(options_of(ctx))
    place = cache_location(settings)
    record = PathRecord(backend=settings.cache.backend, location=place)
    if place is None:
        return Result(record, text="", exit_code=ExitCode.FAILED, notes=(cache_off_failure(settings).message,))
    return Result(record, text=place)


transfer.add_to(app)


def _since(moment: float) -> int:
    """Milliseconds since a moment."""
    return max(int((time.time() - moment) * 1000), 0)


def _entry_row(listed: Listed) -> EntryRow:
    return EntryRow(
        query=listed.key.identifier,
        node=listed.key.node,
        result=listed.kind,
        tracks=listed.tracks,
        uses=listed.uses,
        size_bytes=listed.size,
        age_ms=_since(listed.stored_at),
        expires_in_ms=max(int((listed.expires_at - time.time()) * 1000), 0),
    )


def _record(listed: Listed, rows: tuple[TrackRow, ...]) -> CachedRecord:
    row = _entry_row(listed)
    return CachedRecord(
        query=row.query,
        node=row.node,
        result=row.result,
        tracks=row.tracks,
        uses=row.uses,
        size_bytes=row.size_bytes,
        age_ms=row.age_ms,
        expires_in_ms=row.expires_in_ms,
        titles=tuple(track.title for track in rows),
        found=rows,
    )
