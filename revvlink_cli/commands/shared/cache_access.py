"""Opens the configured cache, and turns its problems into failures, for every command on it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from revvlink_cli._shell import join
from revvlink_cli.client.cache.backends import DEFAULT_BACKEND
from revvlink_cli.client.cache.entries import Key
from revvlink_cli.client.errors import StoreException
from revvlink_cli.commands.shared import node_selection
from revvlink_cli.commands.shared.queries import identifier_for, node_name
from revvlink_cli.output.result import CommandError, ExitCode, Failure, Result
from revvlink_cli.services.cache_handle import backend_of, on_store, open_cache

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from revvlink_cli.client.cache.store import OpenStore
    from revvlink_cli.commands.shared.command import Options, Work
    from revvlink_cli.config.settings import Settings
    from revvlink_cli.services.cache_handle import CacheHandle


def open_required(settings: Settings, options: Options) -> CacheHandle[OpenStore]:
    """Open the configured cache.

    Raises:
        CommandError: The configuration keeps nothing between runs, or the cache cannot be opened.
    """
    try:
        cache = open_cache(settings)
    except StoreException as error:
        raise CommandError(node_selection.failure_of(error), exit_code=options.usage_exit_code) from None
    if cache is None:
        raise CommandError(cache_off_failure(settings), exit_code=options.usage_exit_code)
    return cache


def cache_off_failure(settings: Settings) -> Failure:
    """The failure when the configuration keeps nothing between runs."""
    if backend_of(settings).open is None:
        name = settings.cache.backend
        hint = f'set cache.backend = "{DEFAULT_BACKEND}"'
        return Failure("cache_off", f"the {name} backend keeps nothing between runs", hint=hint)
    return Failure("cache_off", "the cache is off: cache.capacity is 0", hint="give it a value above 0")


def cache_location(settings: Settings) -> str | None:
    """Where the configured cache is, without any password; None when it is in memory."""
    location = backend_of(settings).location
    return location(settings.cache) if location is not None else None


def run_on_cache(
    settings: Settings, options: Options, job: Callable[[OpenStore], Coroutine[None, None, Result]]
) -> Result | Work:
    """Run a job on the configured cache; if the store fails, the command fails."""
    cache = open_required(settings, options)

    async def guarded(store: OpenStore) -> Result:
        try:
            result = await job(store)
        except StoreException as error:
            result = Result(None, None, exit_code_for(settings), (node_selection.failure_of(error),))
        return replace(result, warnings=(*result.warnings, *cache.warnings))

    return on_store(cache, guarded)


def exit_code_for(settings: Settings) -> ExitCode:
    """The exit code when the cache cannot be used: a server that is down is unreachable, a file is not."""
    return ExitCode.UNREACHABLE if backend_of(settings).is_server else ExitCode.FAILED


def read_keys(
    settings: Settings, options: Options, query: Sequence[str], source: str | None, node: str | None
) -> tuple[Key, ...]:
    """The keys that may hold a search: the identifier that `search` would send, and the words unchanged."""
    words = " ".join(query)
    if not words.strip():
        raise CommandError(
            Failure("usage", "the query is empty", hint="give the words of the search"), exit_code=ExitCode.USAGE
        )
    named = node_name(node_selection.select(settings, (node,), options)) if node else None
    identifiers = (identifier_for(words, source or settings.search_source), words)
    return tuple(dict.fromkeys(Key.of(identifier, named) for identifier in identifiers))


def missing_result(key: Key) -> Result:
    """The result if the cache has no entry for a key."""
    on = f" of {key.node}" if key.node is not None else ""
    return Result(exit_code=ExitCode.FAILED, notes=(f"{key.identifier}{on} is not in the cache",))


def damaged_result(key: Key) -> Result:
    """The result if the entry of a key cannot be read."""
    on = ("--node", key.node) if key.node is not None else ()
    command = join(("revvlink", "cache", "clear", *on, "--", key.identifier))
    failure = Failure(
        "not_an_entry",
        f"the entry of {key.identifier} is damaged",
        hint=f"delete it with `{command}`; the next search stores it again",
    )
    return Result(exit_code=ExitCode.FAILED, errors=(failure,))
