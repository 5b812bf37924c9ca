"""``revvlink search``: searches tracks as a bot would."""

from __future__ import annotations

import contextlib
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from revvlink_cli._record import NamedTuple
from revvlink_cli.client.cache.entries import Key, result_payload
from revvlink_cli.client.cache.modes import CacheMode
from revvlink_cli.commands.shared import node_selection
from revvlink_cli.commands.shared.command import Rows, Work, command, make_app, options_of
from revvlink_cli.commands.shared.options import Source, node_option
from revvlink_cli.commands.shared.queries import identifier_for, node_name
from revvlink_cli.commands.shared.track_rows import TrackRow, read_result
from revvlink_cli.output.result import CommandError, ExitCode, Failure, Result
from revvlink_cli.output.text import duration
from revvlink_cli.services.cache_handle import keeps_nothing, open_for_search, run_synchronously

if TYPE_CHECKING:
    from collections.abc import Mapping

    from revvlink_cli.client.cache.entries import Entry, Loaded
    from revvlink_cli.client.settings import NodeSettings
    from revvlink_cli.commands.shared.command import Options
    from revvlink_cli.config.settings import Settings
    from revvlink_cli.services.cache_handle import CacheHandle

app = make_app()


def _encoded_row() -> type[TrackRow]:
    """The row type of ``--encoded``. It is rarely used and takes time to make, so it is loaded late."""
    from revvlink_cli.commands.shared.encoded_track_rows import EncodedTrackRow

    return EncodedTrackRow


def _node_row() -> type:
    """The row type of ``--all-nodes``. It is rarely used, so it is loaded late."""
    from revvlink_cli.commands.shared.node_loads import NodeLoadRow

    return NodeLoadRow


CACHE_MODE_HELP = "Prefer the cache, refresh it, bypass it, or use only the cache."


@command(
    app,
    prints=lambda: {"": Rows(TrackRow), "--encoded": Rows(_encoded_row()), "--all-nodes": Rows(_node_row())},
    examples=("revvlink search night", "revvlink search us-1 night", "revvlink search scsearch:night --all-nodes"),
)
def search(
    ctx: typer.Context,
    query: Annotated[
        list[str],
        typer.Argument(
            metavar="[NODE] QUERY...", help="Words, an address, or prefix:words; a node's name before them as --node."
        ),
    ],
    source: Source = None,
    raw: Annotated[
        bool, typer.Option("--raw", help="Send QUERY unchanged, such as a file name of the local source.")
    ] = False,
    node: Annotated[str | None, node_option("Ask this node and no other.")] = None,
    all_nodes: Annotated[
        bool, typer.Option("--all-nodes", help="Load it on every node and compare; the cache is not used.")
    ] = False,
    sources: Annotated[
        str | None,
        typer.Option(
            "--sources", metavar="A,B", help="Search with each of these prefixes and compare; the cache is not used."
        ),
    ] = None,
    limit: Annotated[int | None, typer.Option("--limit", metavar="N", min=1, help="Show the first N tracks.")] = None,
    encoded: Annotated[bool, typer.Option("--encoded", help="Show each track's encoded form.")] = False,
    cache_mode: Annotated[
        CacheMode, typer.Option("--cache-mode", envvar="REVVLINK_CACHE_MODE", help=CACHE_MODE_HELP)
    ] = CacheMode.PREFER,
) -> Result | Work:
    """Search tracks as a bot would.

    The best node is asked first, then the next one if that fails. Plain words are searched with the configured source;
    addresses and prefix:words are sent unchanged. The result is cached for the next search, see `revvlink cache`.
    """
    options = options_of(ctx)
    if not " ".join(query).strip():
        raise CommandError(
            Failure("usage", "the query is empty", hint="give words to search"), exit_code=ExitCode.USAGE
        )
    prefixes = _prefixes(sources, source, raw=raw)
    settings = node_selection.load_settings(options)
    if node is None:
        node, query = node_selection.split_node(settings, query, options)
    words = " ".join(query)
    entries = node_selection.select(settings, (node,) if node else (), options)
    if all_nodes or prefixes:
        from revvlink_cli.commands.shared.node_loads import compare

        asked = [words] if raw else [identifier_for(words, p) for p in prefixes or (source or settings.search_source,)]
        return compare(
            settings, node_selection.with_secrets(settings, entries, options), list(dict.fromkeys(asked)), options
        )
    identifier = words if raw else identifier_for(words, source or settings.search_source)
    key = Key.of(identifier, node_name(entries) if node else None)
    view = View(identifier, limit, encoded)
    if not cache_mode.asks_nodes and keeps_nothing(settings):
        from revvlink_cli.commands.shared.cache_access import cache_off_failure

        return Result(None, TrackRow, ExitCode.FAILED, (cache_off_failure(settings),))
    cache = open_for_search(settings, cache_mode)
    kept = run_synchronously(_kept(cache, key, view, cache_mode)) if cache.is_synchronous else None
    if kept is not None:
        run_synchronously(cache.store.close())
        return replace(kept, warnings=tuple(cache.warnings))
    chosen = node_selection.with_secrets(settings, entries, options)

    async def work() -> Result:
        try:
            result = None if cache.is_synchronous else await _kept(cache, key, view, cache_mode)
            if result is None:
                result, found = await _ask(view, settings, chosen, options)
                if found is not None and cache_mode.writes:
                    await cache.keep(key, found)
        finally:
            await cache.store.close()
        return replace(result, warnings=tuple(cache.warnings))

    return work()


def _prefixes(sources: str | None, source: str | None, *, raw: bool) -> tuple[str, ...]:
    """The search prefixes of ``--sources``; none where it was not given.

    Raises:
        typer.BadParameter: It names none, or does not go with the other options.
    """
    if sources is None:
        return ()
    if source is not None or raw:
        raise typer.BadParameter("goes neither with --source nor with --raw", param_hint="--sources")
    prefixes = tuple(dict.fromkeys(name.strip().rstrip(":") for name in sources.split(",") if name.strip(" :")))
    if not prefixes:
        raise typer.BadParameter("names no search prefix; write ytsearch,scsearch", param_hint="--sources")
    return prefixes


async def _kept(cache: CacheHandle[Any], key: Key, view: View, mode: CacheMode) -> Result | None:
    """The result from the cache, None if a node must be asked."""
    if not mode.reads:
        return None
    entry = await cache.fallback.get(key)
    if entry is not None:
        with contextlib.suppress(ValueError):  # somebody else wrote it; what is found now takes its place
            return view.kept(entry)
    return None if mode.asks_nodes else view.not_kept()


async def _ask(
    view: View, settings: Settings, chosen: tuple[NodeSettings, ...], options: Options
) -> tuple[Result, Loaded | None]:
    """Ask the nodes: the result to show, and the tracks to keep; None if there is nothing to keep."""
    from revvlink_cli._awaited import awaiting
    from revvlink_cli.client.errors import LavalinkLoadException, RevvlinkException
    from revvlink_cli.services import fleet_session

    refusals: list[Failure] = []
    async with fleet_session.open_fleet(
        chosen, regions=settings.regions, timeout=options.timeout, any_will_do=True
    ) as fleet:
        snapshots = fleet.snapshot().nodes
        unreachable = node_selection.failures_of(snapshots, options.timeout)
        if len(unreachable) == len(snapshots):
            return Result(None, TrackRow, node_selection.exit_code_for(unreachable, len(snapshots)), unreachable), None
        try:
            with awaiting(lambda: f"searching {view.identifier}"):
                found = await fleet.fetch_tracks(
                    view.identifier, on_failure=lambda error: refusals.append(node_selection.failure_of(error))
                )
        except LavalinkLoadException as error:
            return Result(None, TrackRow, ExitCode.FAILED, (node_selection.failure_of(error),)), None
        except RevvlinkException as error:
            failures = tuple(refusals) or (node_selection.failure_of(error),)
            return Result(None, TrackRow, ExitCode.UNREACHABLE, failures), None
    left_out = (*node_selection.settled_failures(snapshots, options.timeout), *refusals)
    loaded: Loaded = tuple(found) if isinstance(found, list) else found
    return replace(view.shown(result_payload(loaded)), left_out=left_out), loaded


class View(NamedTuple):
    """How the result of one search is shown, wherever it comes from.

    Attributes:
        identifier: What was searched.
        limit: Tracks to show, None for all.
        encoded: Whether to show the encoded forms.
    """

    identifier: str
    limit: int | None = None
    encoded: bool = False

    def shown(self, payload: Mapping[str, Any]) -> Result:
        """Tracks or a playlist, in the form of the protocol."""
        found = read_result(payload, kind=_encoded_row() if self.encoded else TrackRow)
        title = None
        if found.playlist is not None:
            selected = f", selected: {found.selected}" if found.selected is not None else ""
            title = f"Playlist {found.playlist}: {_tracks(len(found.rows))}{selected}"
        if not found.rows:
            nothing = f"nothing found for {self.identifier}"
            what = f"the playlist {found.playlist} is empty" if found.playlist is not None else nothing
            return Result((), TrackRow, ExitCode.FAILED, notes=(what,), title=title)
        notes: tuple[str, ...] = ()
        shown = found.rows[: self.limit]
        if len(shown) < len(found.rows):
            more = len(found.rows) - len(shown)
            notes = (f"{more} more of {len(found.rows)} not shown; raise --limit",)
        return Result(shown, type(found.rows[0]), notes=notes, title=title)

    def kept(self, entry: Entry) -> Result:
        """The result that the cache holds, with its age.

        Raises:
            ValueError: It cannot be read.
        """
        age = duration(max(time.time() - entry.stored_at, 0) * 1000)
        origin = f"from the cache, {age} old; --cache-mode refresh asks a node"
        return replace(self.shown(entry.payload()), origin=origin)

    def not_kept(self) -> Result:
        """The result if the cache has nothing and no node may be asked."""
        failure = Failure(
            "not_cached", f"{self.identifier} is not in the cache", hint="--cache-mode prefer asks a node"
        )
        return Result(None, TrackRow, ExitCode.FAILED, (failure,))


def _tracks(count: int) -> str:
    return f"{count} track{'' if count == 1 else 's'}"
