"""``revvlink cache warm``, ``export`` and ``import``: fill the cache from a file, and copy it elsewhere."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from revvlink_cli._awaited import awaiting
from revvlink_cli.client.cache.entries import MAX_BODY, Entry, Key, entry_for, result_from
from revvlink_cli.client.errors import Code, RevvlinkException, StoreException
from revvlink_cli.commands.shared import cache_access, node_selection
from revvlink_cli.commands.shared.command import Record, Rows, Work, command, options_of
from revvlink_cli.commands.shared.options import Source
from revvlink_cli.commands.shared.queries import identifier_for
from revvlink_cli.commands.shared.stdin import read_lines, read_texts
from revvlink_cli.commands.shared.values import files
from revvlink_cli.output.formats import Format
from revvlink_cli.output.result import CommandError, ExitCode, Failure, Kind, Result, Stream, column

if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncGenerator, Mapping, Sequence

    from revvlink_cli.client.cache.store import OpenStore
    from revvlink_cli.client.fleet import Fleet
    from revvlink_cli.client.settings import NodeSettings
    from revvlink_cli.commands.shared.command import Options
    from revvlink_cli.config.settings import Settings
    from revvlink_cli.services.cache_handle import CacheHandle

FILE_HELP = "A file, or - for standard input."

_BATCH = 200
"""Entries that are written at a time."""

_MOST_NAMED = 10
"""Faulty lines that are named one by one."""

_LONGEST = 2 * MAX_BODY
"""Characters of a line that are read."""


def _finite(value: float) -> float:
    """A number that one can divide by."""
    if not math.isfinite(value):
        raise typer.BadParameter(f"{value} is not a number of queries")
    return value


@dataclass(frozen=True, slots=True, kw_only=True)
class WarmRow:
    """What came of one query: ``loaded``, ``cached`` already, ``empty``, ``stream`` (never kept) or ``failed``."""

    query: str = column("QUERY", flexible=True)
    outcome: str = column("OUTCOME", Kind.STATE)
    tracks: int | None = column("TRACKS", Kind.COUNT)
    took_ms: float = column("TOOK", Kind.LATENCY_MS)
    message: str | None = column("MESSAGE", wraps=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportRow:
    """One entry; `result` is in the form of a node's answer to ``/v4/loadtracks``."""

    identifier: str = column("QUERY", flexible=True)
    node: str | None = column("NODE")
    stored_at: str = column("STORED")
    expires_at: str = column("EXPIRES")
    uses: int = column("USES", Kind.COUNT)
    result: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportRecord:
    """What came of an import."""

    imported: int = column("Imported", Kind.COUNT)
    expired: int = column("Expired", Kind.COUNT)
    invalid: int = column("Invalid", Kind.COUNT)


def add_to(app: typer.Typer) -> None:
    """Make these the app's commands."""
    command(app, prints=lambda: {"": Rows(WarmRow)}, examples=("revvlink cache warm queries.txt",))(warm)
    command(app, prints=lambda: {"": Rows(ExportRow)}, examples=("revvlink cache export > cache.jsonl",))(export)
    command(app, "import", prints=lambda: {"": Record(ImportRecord)}, examples=("revvlink cache import cache.jsonl",))(
        import_
    )


def warm(
    ctx: typer.Context,
    file: Annotated[
        str,
        typer.Argument(metavar="FILE | -", help="Queries, one a line; - reads standard input.", autocompletion=files),
    ],
    source: Source = None,
    refresh: Annotated[bool, typer.Option("--refresh", help="Search cached queries again.")] = False,
    parallel: Annotated[
        int, typer.Option("--parallel", metavar="N", min=1, max=8, help="Queries sent at the same time; default 2.")
    ] = 2,
    rate: Annotated[
        float,
        typer.Option("--rate", metavar="N", min=0.01, callback=_finite, help="Queries a second at most; default 5."),
    ] = 5.0,
) -> Stream:
    """Search every query of a file, to fill the cache.

    Queries that are cached already are skipped. --timeout limits reaching the nodes, not the whole list. Ctrl-C keeps
    what was found.
    """
    options = options_of(ctx)
    settings = node_selection.load_settings(options)
    prefix = source or settings.search_source
    queries = tuple(dict.fromkeys(identifier_for(line, prefix) for line in read_texts(file)))
    if not queries:
        raise CommandError(Failure("usage", "there are no queries", hint="one a line"), exit_code=ExitCode.USAGE)
    cache = cache_access.open_required(settings, options)
    chosen = node_selection.with_secrets(settings, settings.nodes, options)
    rows = _warm(queries, cache, settings, chosen, options, refresh=refresh, parallel=parallel, rate=rate)
    return Stream(WarmRow, rows, total=len(queries), is_shown_with_progress=lambda row: row.outcome == "failed")


async def _warm(
    queries: Sequence[str],
    cache: CacheHandle[OpenStore],
    settings: Settings,
    chosen: tuple[NodeSettings, ...],
    options: Options,
    *,
    refresh: bool,
    parallel: int,
    rate: float,
) -> AsyncGenerator[WarmRow | Result, None]:
    import asyncio

    from revvlink_cli.services.fleet_session import open_fleet

    counts = dict.fromkeys(("loaded", "cached", "empty", "stream", "failed"), 0)
    failures: list[Failure] = []
    under_way: set[asyncio.Task[WarmRow]] = set()
    done: set[asyncio.Task[WarmRow]] = set()
    waiting = iter(queries)
    pace = _Pace(rate)
    try:
        async with open_fleet(chosen, regions=settings.regions, timeout=options.timeout, any_will_do=True) as fleet:
            snapshots = fleet.snapshot().nodes
            lost = node_selection.failures_of(snapshots, options.timeout)
            left_out = node_selection.settled_failures(snapshots, options.timeout)
            if len(lost) == len(snapshots):
                yield Result(exit_code=node_selection.exit_code_for(lost, len(snapshots)), errors=lost)
                return
            try:
                while True:
                    for query in waiting:
                        under_way.add(asyncio.create_task(_warmed(query, cache, fleet, pace, refresh=refresh)))
                        if len(under_way) >= parallel:
                            break
                    if not under_way:
                        break
                    with awaiting(lambda: _progress(counts, len(queries))):
                        done, under_way = await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
                    for task in done:
                        row = task.result()
                        counts[row.outcome] += 1
                        yield row
            except StoreException as error:
                failures.append(node_selection.failure_of(error))
            except RevvlinkException as error:  # no node is left
                failures.append(node_selection.failure_of(error))
            finally:
                for task in under_way:
                    task.cancel()
                # The cause stops every query (a full disk, say), and is reported already.
                await asyncio.gather(*done, *under_way, return_exceptions=True)
    finally:
        await cache.store.close()
    yield replace(_warm_result(counts, failures, len(queries), tuple(cache.warnings)), left_out=left_out)


def _progress(counts: Mapping[str, int], total: int) -> str:
    """What is awaited before the first query is done; then a bar shows it."""
    return "" if any(counts.values()) else f"0 of {total} queries done; waiting for the first"


class _Pace:
    """Limits how many queries start in a second."""

    def __init__(self, per_second: float) -> None:
        self._pause = 1 / per_second
        self._free_at = 0.0

    async def turn(self) -> None:
        """Wait until the next query may start."""
        import asyncio

        now = time.monotonic()
        mine = max(now, self._free_at)
        self._free_at = mine + self._pause
        await asyncio.sleep(mine - now)  # time itself is what is waited for


async def _warmed(query: str, cache: CacheHandle[OpenStore], fleet: Fleet, pace: _Pace, *, refresh: bool) -> WarmRow:
    """One query, kept in the end.

    Raises:
        StoreException: The cache cannot be used.
        RevvlinkException: No node is left that could be asked.
    """
    key, begun = Key.of(query), time.monotonic()
    kept = await _readable(cache.store, key) if not refresh else None
    if kept is not None:
        return _row(query, "cached", begun, kept.tracks)
    await pace.turn()
    begun = time.monotonic()
    try:
        found = await fleet.fetch_tracks(query)
    except RevvlinkException as error:
        if error.code is Code.NO_NODE:
            raise
        return _row(query, "failed", begun, None, error.message)
    loaded = tuple(found) if isinstance(found, list) else found
    entry = entry_for(key, loaded, now=time.time(), ttl=cache.ttl)
    if entry is None:
        return _row(query, "stream", begun, len(found), "streams are not kept")
    await cache.store.put(entry)
    return _row(query, "loaded" if entry.tracks else "empty", begun, entry.tracks)


async def _readable(store: OpenStore, key: Key) -> Entry | None:
    """The entry under a key, None when there is none, or one that a search could not read either."""
    try:
        kept = await store.peek(key)
        if kept is not None:
            kept[0].loaded()
    except ValueError:
        return None
    return kept[0] if kept is not None else None


def _row(query: str, outcome: str, begun: float, tracks: int | None, message: str | None = None) -> WarmRow:
    took = (time.monotonic() - begun) * 1000
    return WarmRow(query=query, outcome=outcome, tracks=tracks, took_ms=took, message=message)


def _warm_result(counts: dict[str, int], failures: list[Failure], total: int, warnings: tuple[str, ...]) -> Result:
    done = sum(counts.values())
    summary = ", ".join(f"{count} {outcome}" for outcome, count in counts.items() if count)
    notes = [f"{summary or 'nothing'} of {total} queries"]
    if done < total:
        notes.append(f"{total - done} were not tried")
    bad = counts["failed"] + total - done
    code = ExitCode.OK if not bad else ExitCode.FAILED if bad == total else ExitCode.PARTIAL
    return Result(exit_code=code, errors=tuple(failures), notes=tuple(notes), warnings=warnings)


def export(ctx: typer.Context) -> Stream:
    """Print every entry for `revvlink cache import`.

    Each line is one JSON object.
    """
    options = options_of(ctx)
    settings = node_selection.load_settings(options)
    cache = cache_access.open_required(settings, options)
    return Stream(ExportRow, _export(cache, settings), terminal_format=Format.JSONL, piped_format=Format.JSONL)


async def _export(cache: CacheHandle[OpenStore], settings: Settings) -> AsyncGenerator[ExportRow | Result, None]:
    failures: tuple[Failure, ...] = ()
    try:
        async for entry, uses in cache.store.entries():
            yield ExportRow(
                identifier=entry.key.identifier,
                node=entry.key.node,
                stored_at=_written(entry.stored_at),
                expires_at=_written(entry.expires_at),
                uses=uses,
                result=entry.payload(),
            )
    except StoreException as error:
        failures = (node_selection.failure_of(error),)
    finally:
        await cache.store.close()
    code = cache_access.exit_code_for(settings) if failures else ExitCode.OK
    yield Result(exit_code=code, errors=failures, warnings=tuple(cache.warnings))


def import_(
    ctx: typer.Context,
    file: Annotated[str, typer.Argument(metavar="FILE | -", help=FILE_HELP, autocompletion=files)],
    renew: Annotated[bool, typer.Option("--renew", help="Restart the age of every entry, expired ones too.")] = False,
) -> Result | Work:
    """Import what `revvlink cache export` printed.

    Expired entries are skipped.
    """
    options = options_of(ctx)
    settings = node_selection.load_settings(options)
    ttl = settings.cache.ttl_s

    async def take_in(store: OpenStore) -> Result:
        imported = expired = 0
        failures: list[Failure] = []
        invalid = 0
        batch: list[tuple[Entry, int]] = []
        for number, line in read_lines(file, longest=_LONGEST):
            try:
                entry, uses = _read(line, time.time(), ttl, renew=renew)
            except ValueError as error:
                invalid += 1
                if invalid <= _MOST_NAMED:
                    failures.append(Failure("not_an_entry", f"line {number}: {error}", hint="see `cache export`"))
                continue
            if not entry.is_valid(time.time()):
                expired += 1
                continue
            batch.append((entry, uses))
            imported += 1
            if len(batch) >= _BATCH:
                await store.put_all(batch)
                batch.clear()
        if batch:
            await store.put_all(batch)
        if invalid > _MOST_NAMED:
            failures.append(Failure("not_an_entry", f"and {invalid - _MOST_NAMED} more lines that are not entries"))
        code = ExitCode.OK if not invalid else ExitCode.PARTIAL if imported else ExitCode.FAILED
        notes = (f"{expired} are too old; --renew takes them all the same",) if expired else ()
        record = ImportRecord(imported=imported, expired=expired, invalid=invalid)
        return Result(record, ImportRecord, code, tuple(failures), notes)

    return cache_access.run_on_cache(settings, options, take_in)


def _read(line: str | None, now: float, ttl: float, *, renew: bool) -> tuple[Entry, int]:
    """An entry and its uses from a line of an export.

    Raises:
        ValueError: It is none; the text says why.
    """
    import json

    if line is None:
        raise ValueError(f"it has {_LONGEST} characters or more")
    try:
        fields = json.loads(line)
    except RecursionError:
        raise ValueError("it is nested too deep") from None
    except ValueError:
        raise ValueError("it is not JSON") from None
    if (
        not isinstance(fields, dict)
        or not isinstance(fields.get("identifier"), str)
        or not fields["identifier"].strip()
    ):
        raise ValueError("it has no identifier")
    node, uses = fields.get("node"), fields.get("uses", 1)
    if not (node is None or isinstance(node, str)):
        raise ValueError("its node is not text")
    if not isinstance(uses, int) or isinstance(uses, bool) or not 0 < uses < 2**31:
        raise ValueError("its uses are not a number above 0")
    stored_at = now if renew else _moment(fields, "stored_at", now)
    expires_at = now + ttl if renew else _moment(fields, "expires_at", stored_at + ttl)
    entry = entry_for(Key.of(fields["identifier"], node), result_from(fields.get("result")), now=stored_at, ttl=ttl)
    if entry is None:
        raise ValueError("it has a stream, which is never kept")
    return entry._replace(expires_at=min(expires_at, entry.expires_at)), uses


def _written(moment: float) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _moment(fields: dict[str, Any], name: str, otherwise: float) -> float:
    from datetime import UTC, datetime

    value = fields.get(name)
    if value is None:
        return otherwise
    try:
        moment = datetime.fromisoformat(value)
        return (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).timestamp()
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"its {name} is not a time such as 2026-01-31T12:00:00Z") from None
