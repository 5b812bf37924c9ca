"""The file of the SQLite store: its permissions, damaged and foreign files, links, and disks without room."""

from __future__ import annotations

import contextlib
import os
import resource
import sqlite3
import stat
import subprocess
from typing import TYPE_CHECKING

import pytest

from revvlink_cli.client.cache.entries import Key
from revvlink_cli.client.errors import Code, StoreException
from tests.client.cache.redis_server import entry
from tests.client.cache.sqlite_stores import (
    DAMAGES,
    asides,
    kept,
    overwrite_in_place,
    put,
    refused,
    use,
    worker,
    write_garbage,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from revvlink_cli import SQLiteStore


def test_the_file_is_its_owners(path: Path) -> None:
    """Nobody else can read it, its companions or its folder."""

    async def look(store: SQLiteStore) -> None:
        await store.put(entry("q"))
        for found in path.parent.iterdir():
            assert stat.S_IMODE(found.stat().st_mode) == 0o600, found
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700

    use(path, look)
    assert sorted(found.name for found in path.parent.iterdir()) == ["tracks.sqlite3"]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_set_aside(path: Path, damage: Callable[[Path], None]) -> None:
    """It is kept as it was under another name, that is told once, and a new one works."""
    path.parent.mkdir()
    damage(path)
    before = path.read_bytes()
    notices: list[str] = []

    put(path, "new", on_notice=notices.append)
    put(path, "newer", on_notice=notices.append)

    assert {"new", "newer"} <= kept(path)
    (aside,) = asides(path)
    assert aside.read_bytes() == before
    (notice,) = notices
    assert str(path) in notice
    assert aside.name in notice


def test_a_file_that_is_damaged_while_in_use(path: Path) -> None:
    """A run that has it open goes on with a new one."""
    notices: list[str] = []

    async def fill(store: SQLiteStore) -> None:
        await store.put_all([(entry(str(number), "x" * 3000), 1) for number in range(100)])

    async def work(store: SQLiteStore) -> None:
        assert await store.get(Key.of("0")) is not None
        overwrite_in_place(path)
        for number in range(100):
            await store.get(Key.of(str(number)))
        await store.put(entry("after"))
        assert await store.get(Key.of("after")) is not None

    use(path, fill, capacity=1000)
    use(path, work, capacity=1000, on_notice=notices.append)
    assert len(asides(path)) == len(notices) == 1


def test_leftovers_of_another_database(path: Path) -> None:
    """The log of a database that somebody deleted is not read into the new one."""

    async def leave(store: SQLiteStore) -> None:
        await store.put(entry("old"))
        wal = path.with_name(path.name + "-wal")
        (path.parent / "copy").write_bytes(wal.read_bytes())

    use(path, leave)
    path.unlink()
    (path.parent / "copy").rename(path.with_name(path.name + "-wal"))

    put(path, "new")

    assert kept(path) == {"new"}


def test_links_that_lead_nowhere(path: Path) -> None:
    """Links that point to each other are told like any other place that cannot be used."""
    path.parent.mkdir()
    other = path.with_name("other")
    path.symlink_to(other)
    other.symlink_to(path)

    assert "cannot be used" in str(refused(path))


def test_an_empty_file(path: Path) -> None:
    """There is nothing to set aside."""
    path.parent.mkdir()
    path.touch()

    put(path, "new")

    assert kept(path) == {"new"}
    assert asides(path) == []


def test_a_link(path: Path, tmp_path: Path) -> None:
    """What it points to is the database, and what is set aside."""
    real = tmp_path / "real.db"
    write_garbage(real)
    path.parent.mkdir()
    path.symlink_to(real)

    put(path, "new")

    assert path.is_symlink()
    assert kept(path) == {"new"}
    assert len(asides(real)) == 1


def test_a_file_from_the_future(path: Path) -> None:
    """It is left alone, and told what to do."""
    put(path, "q")
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 7")
    before = path.read_bytes()

    error = refused(path)

    assert error.code is Code.CACHE_NEWER
    assert "newer revvlink (schema 7" in str(error)
    assert path.read_bytes() == before
    assert asides(path) == []


def test_what_is_no_file(path: Path) -> None:
    """A folder, a pipe and a device in its place are told, and not waited for."""
    path.mkdir(parents=True)
    assert "is not a file" in str(refused(path))
    path.rmdir()
    os.mkfifo(path)
    assert "is not a file" in str(refused(path))
    path.unlink()
    path.parent.rmdir()
    path.parent.write_text("a file where a folder should be", encoding="utf-8")
    assert "cannot be used" in str(refused(path))


@pytest.mark.usefixtures("nobody")
def test_a_read_only_folder(open_folder: Path) -> None:
    """Neither a new database nor one that is there can be used."""
    fresh = open_folder / "fresh"
    fresh.mkdir()
    fresh.chmod(0o555)
    assert "Permission denied" in str(refused(fresh / "c.db"))
    full = open_folder / "full"
    put(full / "c.db", "q")
    (full / "c.db").chmod(0o444)
    full.chmod(0o555)
    refused(full / "c.db")
    full.chmod(0o700)
    fresh.chmod(0o700)


@pytest.mark.parametrize("size", range(64, 160, 8))
def test_a_disk_with_little_room(tmp_path: Path, size: int) -> None:
    """Where a new database just fits, or just does not, it is whole or is none: nothing is ever set aside."""
    place = tmp_path / "small"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}k", "tmpfs", str(place)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("nothing can be mounted here")
    try:
        notices: list[str] = []
        for query in ("q", "r"):
            with contextlib.suppress(StoreException):
                put(place / "c.db", query, on_notice=notices.append)
        assert notices == []
        assert {found.name for found in place.iterdir()} <= {"c.db", "c.db-wal", "c.db-shm"}
    finally:
        subprocess.run(["umount", str(place)], check=True)


def test_a_full_disk(path: Path) -> None:
    """What does not fit is told; what was there is still found, now and later."""
    put(path, *map(str, range(50)))
    size = path.stat().st_size
    code = (
        "import resource, sys, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({size}, {size}))\n"
        "from pathlib import Path\n"
        "from tests.client.cache.sqlite_stores import put, kept, use\n"
        "from revvlink_cli.client.errors import StoreException\n"
        "from tests.client.cache.redis_server import entry\n"
        "async def work(store):\n"
        "    await store.put(entry('large', *['x' * 1000] * 500))\n"
        "try:\n    use(Path(sys.argv[1]), work)\n"
        "except StoreException as error:\n    print(error)\n"
    )
    with worker(code, path) as process:
        told, _ = process.communicate(timeout=60)

    assert "cannot be used" in told
    assert len(kept(path)) == 50
    assert asides(path) == []
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != size
