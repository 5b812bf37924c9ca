"""The database file: who goes when it is full, and what becomes of files that are damaged, foreign, locked or full."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import signal
import sqlite3
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from revvlink_cli import SQLiteStore
from revvlink_cli.client.cache import database
from revvlink_cli.client.cache.entries import Key
from revvlink_cli.client.cache.store import Order
from revvlink_cli.client.errors import Code, StoreException
from revvlink_cli.services.cache_handle import run_synchronously
from tests.client.cache.redis_server import entry

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

T = TypeVar("T")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the database is to be."""
    return tmp_path / "cache" / "tracks.sqlite3"


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


# Who goes.


def test_the_least_used_goes(path: Path) -> None:
    """Not the one just stored; of equally used ones the one used longest ago."""

    async def work(store: SQLiteStore) -> None:
        for query in ("a", "b", "c"):
            await store.put(entry(query))
        for query in ("a", "c", "c"):
            await store.get(Key.of(query))
        await store.put(entry("d"))
        assert {one.key.identifier for one in await store.listing(Order.USES)} == {"a", "c", "d"}
        await store.put(entry("e"))
        assert {one.key.identifier for one in await store.listing(Order.USES)} == {"a", "c", "e"}
        assert (await store.stats()).evictions == 2

    use(path, work, capacity=3)


def test_old_uses_count_for_less(path: Path) -> None:
    """What was used a lot once makes room for what is used now."""

    async def work(store: SQLiteStore) -> None:
        await store.put(entry("yesterday"))
        for _ in range(600):
            await store.get(Key.of("yesterday"))
        await store.put(entry("today"))
        for _ in range(2000):
            await store.get(Key.of("today"))
        uses = {one.key.identifier: one.uses or 0 for one in await store.listing(Order.USES)}
        assert uses["today"] > 3 * uses["yesterday"]

    use(path, work, capacity=2)


def test_a_smaller_capacity_keeps_the_most_used(path: Path) -> None:
    """From the next entry on."""
    put(path, "a", "b", "c", "d", capacity=10)

    async def work(store: SQLiteStore) -> None:
        await store.get(Key.of("a"))
        await store.put(entry("e"))

    use(path, work, capacity=2)

    assert kept(path, capacity=2) == {"a", "e"}


def test_fleets_keep_apart(path: Path) -> None:
    """What one finds is nothing to another, nor does it take its room or its figures."""
    put(path, "a", "b", fleet="one", capacity=2)
    put(path, "c", "d", "e", fleet="two", capacity=2)

    assert kept(path, fleet="one") == {"a", "b"}
    assert kept(path, fleet="two") == {"d", "e"}

    async def clear(store: SQLiteStore) -> int:
        return await store.clear()

    assert use(path, clear, fleet="two") == 2
    assert kept(path, fleet="one") == {"a", "b"}


def test_nothing_is_left_of_what_is_too_old(path: Path) -> None:
    """Storing drops what is too old, of fleets that are gone too, bodies included."""

    async def old(store: SQLiteStore) -> None:
        await store.put_all([(entry(str(number), age=100, ttl=50), 1) for number in range(20)])

    use(path, old, fleet="gone for good")
    put(path, "new")

    with contextlib.closing(sqlite3.connect(path)) as connection:
        counts = [connection.execute(f"SELECT count(*) FROM {table}").fetchone() for table in ("entries", "bodies")]
    assert counts == [(1,), (1,)]


def test_clearing_gives_the_room_back(path: Path) -> None:
    """The file of an emptied cache is small again."""

    async def fill(store: SQLiteStore) -> None:
        await store.put_all([(entry(str(number), "x" * 5000), 1) for number in range(200)])

    async def clear(store: SQLiteStore) -> None:
        await store.clear()

    use(path, fill, capacity=1000)
    full = path.stat().st_size
    use(path, clear)

    assert path.stat().st_size < full / 10


OPERATIONS = st.lists(st.tuples(st.sampled_from(["get", "put"]), st.integers(0, 9)), max_size=60)


@settings(max_examples=30, deadline=None)
@given(OPERATIONS, st.integers(1, 6))
def test_any_sequence_keeps_its_promises(tmp_path_factory: pytest.TempPathFactory, operations: Any, size: int) -> None:
    """Never more than the capacity; what was just stored is there; what is found is what was stored last."""

    async def work(store: SQLiteStore) -> None:
        last: dict[str, bytes] = {}
        for number, (what, name) in enumerate(operations):
            query = str(name)
            if what == "put":
                made = entry(query, f"v{number}")
                last[query] = made.body
                await store.put(made)
                there = await store.peek(made.key)
                assert there is not None
                assert there[0].body == made.body
            else:
                found = await store.get(Key.of(query))
                assert found is None or found.body == last[query]
            assert len(await store.listing(Order.USES)) <= size

    use(tmp_path_factory.mktemp("model") / "c.db", work, capacity=size)


# The file.


def test_the_file_is_its_owners(path: Path) -> None:
    """Nobody else can read it, its companions or its folder."""

    async def look(store: SQLiteStore) -> None:
        await store.put(entry("q"))
        for found in path.parent.iterdir():
            assert stat.S_IMODE(found.stat().st_mode) == 0o600, found
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700

    use(path, look)
    assert sorted(found.name for found in path.parent.iterdir()) == ["tracks.sqlite3"]


def _garbage(path: Path) -> None:
    path.write_bytes(os.urandom(20_000))


def _text(path: Path) -> None:
    path.write_text("this is no database\n" * 100, encoding="utf-8")


def _truncated(path: Path) -> None:
    put(path, *map(str, range(50)))
    path.write_bytes(path.read_bytes()[:5000])


def _overwritten(path: Path) -> None:
    put(path, *map(str, range(50)))
    data = path.read_bytes()
    path.write_bytes(data[:4096] + os.urandom(len(data) - 4096))


def _foreign(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE notes (text)")
        connection.execute("INSERT INTO notes VALUES ('mine')")
        connection.commit()


def _of_other_columns(path: Path) -> None:
    put(path, "q")
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("ALTER TABLE entries DROP COLUMN size")


def _without_a_table(path: Path) -> None:
    put(path, "q")
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TABLE bodies")


DAMAGES = [_garbage, _text, _truncated, _overwritten, _foreign, _of_other_columns, _without_a_table]


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


def _overwrite(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(os.urandom(path.stat().st_size))


def test_a_file_that_is_damaged_while_in_use(path: Path) -> None:
    """A run that has it open goes on with a new one."""
    notices: list[str] = []

    async def fill(store: SQLiteStore) -> None:
        await store.put_all([(entry(str(number), "x" * 3000), 1) for number in range(100)])

    async def work(store: SQLiteStore) -> None:
        assert await store.get(Key.of("0")) is not None
        _overwrite(path)
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
    _garbage(real)
    path.parent.mkdir()
    path.symlink_to(real)

    put(path, "new")

    assert path.is_symlink()
    assert kept(path) == {"new"}
    assert len(asides(real)) == 1


def refused(path: Path, **more: Any) -> StoreException:
    """Why the store cannot be used."""
    with pytest.raises(StoreException) as caught:
        put(path, "q", **more)
    assert caught.value.hint
    assert "\n" not in str(caught.value)
    return caught.value


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
    assert "no file" in str(refused(path))
    path.rmdir()
    os.mkfifo(path)
    assert "no file" in str(refused(path))
    path.unlink()
    path.parent.rmdir()
    path.parent.write_text("a file where a folder should be", encoding="utf-8")
    assert "cannot be used" in str(refused(path))


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
        "import signal, sys; from pathlib import Path; from tests.client.cache.test_sqlite import use\n"
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


@pytest.fixture
def nobody() -> Iterator[None]:
    """Without the rights of root, who may write anywhere."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that anybody may enter."""
    import tempfile

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o777)
        yield folder


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
        "from tests.client.cache.test_sqlite import put, kept, use\n"
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


# Many at once.

WORKER = """
import sys
from pathlib import Path
from revvlink_cli.client.cache.entries import Key
from tests.client.cache.redis_server import entry
from tests.client.cache.test_sqlite import use

async def work(store):
    for number in range(40):
        await store.put(entry(f"{sys.argv[2]}-{number}"))
        assert await store.get(Key.of(f"{sys.argv[2]}-{number}")) is not None
        await store.get(Key.of("nobody has this"))

sys.stdin.readline()
use(Path(sys.argv[1]), work, capacity=10_000, on_notice=lambda text: print(text, flush=True))
"""


@pytest.mark.parametrize("damage", [None, _garbage, _foreign])
def test_sixteen_processes_at_once(path: Path, damage: Callable[[Path], None] | None) -> None:
    """Nothing is lost, also when all of them find a file that one has to set aside."""
    path.parent.mkdir()
    if damage is not None:
        damage(path)
    workers = [worker(WORKER, path, number, stdin=subprocess.PIPE) for number in range(16)]
    time.sleep(1)  # so that all have loaded what they need and begin together
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
        "from tests.client.cache.test_sqlite import use\n"
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


def test_capacity() -> None:
    """A cache without room is a mistake."""
    with pytest.raises(ValueError, match="at least one"):
        SQLiteStore("c.db", capacity=0)
