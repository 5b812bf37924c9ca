"""Opens SQLite stores, fills them, damages their files, and starts processes that use them."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from revvlink_cli import SQLiteStore
from revvlink_cli.client.cache.store import Order
from revvlink_cli.client.errors import StoreException
from revvlink_cli.services.cache_handle import run_synchronously
from tests.client.cache.redis_server import entry

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine


T = TypeVar("T")


def worker(code: str, *arguments: object, **more: Any) -> subprocess.Popen[str]:
    """A process of its own that runs `code`, and finds what this module has."""
    root = str(Path(__file__).resolve().parents[3])
    command = [sys.executable, "-W", "error", "-c", code, *map(str, arguments)]
    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": root},
        **more,
    )


def use(path: Path, job: Callable[[SQLiteStore], Coroutine[Any, Any, T]], **more: Any) -> T:
    """The outcome of a job on a store that is opened for it."""
    store = SQLiteStore(path, in_thread=False, **more)
    try:
        return run_synchronously(job(store))
    finally:
        run_synchronously(store.close())


def put(path: Path, *queries: str, **more: Any) -> None:
    """Keep entries for these queries."""

    async def work(store: SQLiteStore) -> None:
        for query in queries:
            await store.put(entry(query))

    use(path, work, **more)


def kept(path: Path, **more: Any) -> set[str]:
    """The queries that are kept."""

    async def work(store: SQLiteStore) -> set[str]:
        return {listed.key.identifier for listed in await store.listing(Order.AGE)}

    return use(path, work, **more)


def asides(path: Path) -> list[Path]:
    """Databases that were set aside."""
    return sorted(found for found in path.parent.glob("*.aside-*") if not found.name.endswith(("-wal", "-shm")))


def write_garbage(path: Path) -> None:
    """Write random bytes in place of the database."""
    path.write_bytes(os.urandom(20_000))


def write_words(path: Path) -> None:
    """Write a text file in place of the database."""
    path.write_text("this is not a database\n" * 100, encoding="utf-8")


def truncate(path: Path) -> None:
    """Cut the database off after its first pages."""
    put(path, *map(str, range(50)))
    path.write_bytes(path.read_bytes()[:5000])


def overwrite_pages(path: Path) -> None:
    """Overwrite all pages but the first with random bytes."""
    put(path, *map(str, range(50)))
    data = path.read_bytes()
    path.write_bytes(data[:4096] + os.urandom(len(data) - 4096))


def write_foreign_database(path: Path) -> None:
    """Write the database of another program."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE notes (text)")
        connection.execute("INSERT INTO notes VALUES ('mine')")
        connection.commit()


def drop_column(path: Path) -> None:
    """Drop a column of the store's table."""
    put(path, "q")
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("ALTER TABLE entries DROP COLUMN size")


def drop_table(path: Path) -> None:
    """Drop one of the store's tables."""
    put(path, "q")
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TABLE bodies")


DAMAGES = [write_garbage, write_words, truncate, overwrite_pages, write_foreign_database, drop_column, drop_table]


def overwrite_in_place(path: Path) -> None:
    """Overwrite the whole file without replacing it."""
    with path.open("r+b") as file:
        file.write(os.urandom(path.stat().st_size))


def refused(path: Path, **more: Any) -> StoreException:
    """Why the store cannot be used."""
    with pytest.raises(StoreException) as caught:
        put(path, "q", **more)
    assert caught.value.hint
    assert "\n" not in str(caught.value)
    return caught.value
