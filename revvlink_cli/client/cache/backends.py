"""The cache backends, one row each.

The configuration takes its choices and its validation from `BACKENDS`; the commands take from it how a store is opened,
where it is, and how it behaves. A new backend is a module with its store, and a row here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from revvlink_cli._folders import user_cache_folder
from revvlink_cli._record import NamedTuple
from revvlink_cli.client.cache.addresses import address_of, url_problem

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from revvlink_cli.client.cache.store import OpenStore

FILE_NAME = "tracks.sqlite3"

DEFAULT_BACKEND = "sqlite"


class BackendSettings(Protocol):
    """What the configuration gives to a backend."""

    @property
    def capacity(self) -> int:
        """Entries to keep."""

    @property
    def path(self) -> Path | None:
        """The database file, None for the usual one."""

    @property
    def url(self) -> str | None:
        """Address of the server; it may hold a password."""

    @property
    def context(self) -> str | None:
        """Name of the fleet, where its entries are kept apart from those of other fleets; else None."""


class RequiredKey(NamedTuple):
    """The key of the configuration without which a backend cannot work.

    Attributes:
        name: The key, in the section ``[cache]``.
        noun: What it names, as in ``redis needs an address``.
        example: A value, in TOML.
        problem: What is wrong with a value, and what to do about it if that is known; None when nothing is.
    """

    name: str
    noun: str
    example: str
    problem: Callable[[str], tuple[str, str | None] | None]


class CacheBackend(NamedTuple):
    """What is known of one backend; no field has a default, so that mypy reports a forgotten one.

    Attributes:
        extra: The package's extra that the backend needs, None if it needs none.
        required: The key of the configuration that it needs, None if it needs none.
        is_synchronous: Whether its store never waits for an event loop.
        is_server: Whether entries are on a server that others use too.
        open: Makes a store from the settings, the fleet's name and a callback for notices; None if the backend keeps
            nothing between runs. It raises StoreException when the extra is not installed.
        location: Gives the place of the entries, without any password; None where `open` is None.
    """

    extra: str | None
    required: RequiredKey | None
    is_synchronous: bool
    is_server: bool
    open: Callable[[BackendSettings, str, Callable[[str], None]], OpenStore] | None
    location: Callable[[BackendSettings], str] | None


def cache_folder(context: str | None) -> Path:
    """The usual folder of the entries of a fleet; `context` is as in `BackendSettings`."""
    folder = user_cache_folder()
    return folder if context is None else folder / "contexts" / context


def _database(settings: BackendSettings) -> Path:
    """The file of the SQLite store."""
    return settings.path if settings.path is not None else cache_folder(settings.context) / FILE_NAME


def _open_sqlite(settings: BackendSettings, fleet: str, on_notice: Callable[[str], None]) -> OpenStore:
    from revvlink_cli.client.cache.sqlite import SQLiteStore

    return SQLiteStore(
        _database(settings), capacity=settings.capacity, fleet=fleet, in_thread=False, on_notice=on_notice
    )


def _open_redis(settings: BackendSettings, _fleet: str, on_notice: Callable[[str], None]) -> OpenStore:
    from revvlink_cli.client.cache.redis import RedisStore

    prefix = "revvlink" if settings.context is None else f"revvlink:{settings.context}"
    return RedisStore(settings.url or "", prefix=prefix, on_notice=on_notice)


BACKENDS: Mapping[str, CacheBackend] = {
    "memory": CacheBackend(
        extra=None,
        required=None,
        is_synchronous=True,
        is_server=False,
        open=None,
        location=None,
    ),
    "sqlite": CacheBackend(
        extra=None,
        required=None,
        is_synchronous=True,
        is_server=False,
        open=_open_sqlite,
        location=lambda settings: str(_database(settings)),
    ),
    "redis": CacheBackend(
        extra="redis",
        required=RequiredKey("url", "an address", '"redis://127.0.0.1:6379/0"', url_problem),
        is_synchronous=False,
        is_server=True,
        open=_open_redis,
        location=lambda settings: address_of(settings.url or ""),
    ),
}
"""Name of a backend in the configuration -> what is known of it."""
