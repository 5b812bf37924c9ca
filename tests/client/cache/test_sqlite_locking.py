"""The SQLite store when several processes use it: locks, interrupted and killed writers."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sqlite3
import subprocess
import time
from typing import TYPE_CHECKING, Any

import pytest

from revvlink_cli import SQLiteStore
from revvlink_cli.client.cache import database
from revvlink_cli.client.cache.entries import Key
from revvlink_cli.client.errors import StoreException
from tests.client.cache.redis_server import entry
from tests.client.cache.sqlite_stores import (
    asides,
    kept,
    put,
    refused,
    use,
    worker,
    write_foreign_database,
    write_garbage,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def test_a_locked_database(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another program that holds it is waited for, but not for ever."""
    put(path, "q")
    monkeypatch.setattr(database, "BUSY_TIMEOUT", 0.2)
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        assert "locked" in str(refused(path))
        notices: list[str] = []

        async def read(store: SQLiteStore) -> Any:
            return await store.get(Key.of("q"))

        assert use(path, read, on_notice=notices.append) is not None  # reading needs no lock, only counting does
        assert len(notices) == 1
        connection.execute("COMMIT")
    put(path, "r")


@pytest.mark.parametrize(
    ("begin", "job", "within"),
    [
        ("BEGIN IMMEDIATE", "hit", 0.8),
        ("BEGIN IMMEDIATE", "miss", 0.8),
        ("BEGIN IMMEDIATE", "put", 2.5),
        ("PRAGMA locking_mode = EXCLUSIVE", "hit", 2.5),
        ("PRAGMA locking_mode = EXCLUSIVE", "put", 2.5),
    ],
)
def test_how_long_a_search_waits(path: Path, begin: str, job: str, within: float) -> None:
    """Hardly at all to count a use, and a second to read and to write: a search can do without the cache."""
    put(path, "q")

    async def work(store: SQLiteStore) -> None:
        with contextlib.suppress(StoreException):
            await (store.put(entry("r")) if job == "put" else store.get(Key.of("q" if job == "hit" else "r")))

    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(begin)
        connection.execute("UPDATE fleets SET hits = hits")
        begun = time.monotonic()
        use(path, work, on_notice=lambda _: None)
        assert time.monotonic() - begun < within


def test_a_miss_that_cannot_be_counted(path: Path) -> None:
    """It is a miss all the same: what is found then may well be kept."""
    put(path, "q")

    async def read(store: SQLiteStore) -> Any:
        return await store.get(Key.of("r"))

    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        assert use(path, read) is None


def test_ctrl_c_while_another_holds_it(path: Path) -> None:
    """Waiting ends at once."""
    put(path, "q")
    code = (
        "import signal, sys; from pathlib import Path; from tests.client.cache.sqlite_stores import use\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "async def work(store):\n"
        "    print('waiting', flush=True)\n"
        "    await store.clear()\n"
        "try:\n    use(Path(sys.argv[1]), work)\n"
        "except KeyboardInterrupt:\n    print('interrupted')\n"
    )
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        with worker(code, path) as process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(0.3)
            begun = time.monotonic()
            process.send_signal(signal.SIGINT)
            told, _ = process.communicate(timeout=60)
            assert time.monotonic() - begun < 2
    assert told == "interrupted\n"


WORKER = """
import sys
from pathlib import Path
from revvlink_cli.client.cache.entries import Key
from tests.client.cache.redis_server import entry
from tests.client.cache.sqlite_stores import use

async def work(store):
    for number in range(40):
        await store.put(entry(f"{sys.argv[2]}-{number}"))
        assert await store.get(Key.of(f"{sys.argv[2]}-{number}")) is not None
        await store.get(Key.of("nobody has this"))

print("loaded", flush=True)
sys.stdin.readline()
use(Path(sys.argv[1]), work, capacity=10_000, on_notice=lambda text: print(text, flush=True))
"""


@pytest.mark.parametrize("damage", [None, write_garbage, write_foreign_database])
def test_sixteen_processes_at_once(path: Path, damage: Callable[[Path], None] | None) -> None:
    """Nothing is lost, also when all of them find a file that one has to set aside."""
    path.parent.mkdir()
    if damage is not None:
        damage(path)
    workers = [worker(WORKER, path, number, stdin=subprocess.PIPE) for number in range(16)]
    for process in workers:  # all begin together, when the last has loaded what it needs
        assert process.stdout is not None
        assert process.stdout.readline() == "loaded\n"
    for process in workers:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    outcomes = [process.communicate(timeout=120) for process in workers]

    assert [process.returncode for process in workers] == [0] * 16, [err for _, err in outcomes]
    assert kept(path) == {f"{writer}-{number}" for writer in range(16) for number in range(40)}

    async def figures(store: SQLiteStore) -> tuple[int, int]:
        stats = await store.stats()
        return stats.hits, stats.misses

    assert use(path, figures) == (640, 640)
    assert len(asides(path)) == (damage is not None)
    assert "".join(out for out, _ in outcomes).count("was unusable") == (damage is not None)


def test_a_killed_writer_loses_nothing(path: Path) -> None:
    """What was stored before a process is killed is there for the next one."""
    code = (
        "import os, sys; from pathlib import Path; from tests.client.cache.redis_server import entry\n"
        "from tests.client.cache.sqlite_stores import use\n"
        "async def work(store):\n"
        "    await store.put(entry('q')); os.kill(os.getpid(), 9)\n"
        "use(Path(sys.argv[1]), work)\n"
    )
    with worker(code, path) as process:
        process.communicate(timeout=60)

    assert kept(path) == {"q"}


def test_the_loop_is_free_while_the_disk_works(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a bot, waiting for a lock is done in a thread."""
    put(path, "q")
    monkeypatch.setattr(database, "BUSY_TIMEOUT", 1.0)

    async def work() -> int:
        store = SQLiteStore(path)
        ticks = 0
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            waiting = asyncio.ensure_future(store.put(entry("r")))
            while not waiting.done():
                await asyncio.sleep(0.05)
                ticks += 1
            with pytest.raises(StoreException, match="locked"):
                await waiting
        await store.close()
        return ticks

    assert asyncio.run(work()) > 5
