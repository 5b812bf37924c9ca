"""Measures the SQLite store with 100,000 entries, and a search with a stored result."""

from __future__ import annotations

import random
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.measure import A_LIMIT, Row, Samples, at_most, seconds
from benchmarks.processes import BIN, beside_typer, run
from revvlink_cli.client.cache.entries import Key, entry_for
from revvlink_cli.client.cache.sqlite import SQLiteStore
from revvlink_cli.client.protocol.tracks import Playable
from revvlink_cli.services.cache_handle import run_synchronously

if TYPE_CHECKING:
    from collections.abc import Iterator

ENTRIES = 100_000

TRACKS = 20
"""Tracks of one result, as many as a search on a genuine server has."""

NODE = "http://127.0.0.1:1"


def _tracks(query: str) -> tuple[Playable, ...]:
    return tuple(
        Playable(
            encoded="QAAA" * 60, identifier=f"{query}-{number}", title=f"{query}, take {number}", author="Somebody",
            length=200_000, uri=f"https://tracks.invalid/{number}", source="youtube", is_seekable=True,
        )
        for number in range(TRACKS)
    )  # fmt: skip


@contextmanager
def _filled(entries: int) -> Iterator[Path]:
    """A folder with a configuration and a database of so many entries."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "c.toml").write_text(
            f'[cache]\ncapacity = {ENTRIES}\npath = "tracks.db"\n\n'
            f'[[nodes]]\nidentifier = "n"\nuri = "{NODE}"\npassword = "benchmark"\n',
            encoding="utf-8",
        )
        (folder / "c.toml").chmod(0o600)
        store = SQLiteStore(folder / "tracks.db", capacity=ENTRIES, fleet=NODE, in_thread=False)
        for start in range(0, entries, 2000):
            made = [
                entry_for(Key.of(f"ytsearch:{number}"), _tracks(str(number)), now=time.time())
                for number in range(start, min(start + 2000, entries))
            ]
            run_synchronously(store.put_all([(entry, 1) for entry in made if entry is not None]))
        run_synchronously(store.close())
        yield folder


def hit() -> Samples:
    """One hit among 100,000 entries of 20 tracks, including the update of its use count; beside a millisecond."""
    with _filled(ENTRIES) as folder:
        store = SQLiteStore(folder / "tracks.db", capacity=ENTRIES, fleet=NODE, in_thread=False)
        chosen = random.Random(7)
        keys = [Key.of(f"ytsearch:{chosen.randrange(ENTRIES)}") for _ in range(3000)]
        took = [seconds(lambda key=key: run_synchronously(store.get(key)).payload()) for key in keys]  # type: ignore[misc,union-attr]
        run_synchronously(store.close())
    return Samples(took, [1e-3])


def stats() -> Samples:
    """``revvlink cache stats`` on 100,000 entries, beside 300 ms."""
    with _filled(ENTRIES) as folder:
        command = (str(BIN / "revvlink"), "--config", str(folder / "c.toml"), "cache", "stats")
        run(*command)
        return Samples([seconds(lambda: run(*command)) for _ in range(11)], [0.3])


def search() -> Samples:
    """A cached ``revvlink search -o plain``, beside importing Typer alone."""
    with _filled(1000) as folder:
        command = ("--config", str(folder / "c.toml"), "search", "7", "-o", "plain", "-q")
        return beside_typer(*command, folder=str(folder))


ROWS = {
    "sqlite-hit": Row(
        hit, A_LIMIT, at_most(1), "One answer from a cache on disk of 100,000 searches.",
    ),
    "cache-stats": Row(
        stats, A_LIMIT, at_most(1), "How long `cache stats` takes on the same cache, start-up included.",
    ),
    "cached-search": Row(
        search, "`import typer`", at_most(1.3), "How long `search` takes when the cache on disk has the answer.",
    ),
}  # fmt: skip
