"""The history of the status page: no time is lost or counted twice, whatever happens to clocks, processes and files."""

from __future__ import annotations

import asyncio
import functools
import sqlite3
import sys
import time
from collections import Counter
from contextlib import closing
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from revvlink_cli.services.history import WINDOWS, History, Sample
from revvlink_cli.services.history_store import BUCKETS, QUARTER, Times
from tests.example_counts import examples

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator
    from pathlib import Path

START = datetime(2026, 11, 27, 12, tzinfo=UTC).timestamp()

UP, DOWN, UNKNOWN = Sample(True, 0), Sample(False, 2, "timeout"), Sample(None, 3)


def runs(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Runs a test on an event loop."""

    @functools.wraps(test)
    def run(*args: Any, **kwargs: Any) -> None:
        asyncio.run(test(*args, **kwargs))

    return run


class Machine:
    """A machine with two clocks and an exporter that is started again and again."""

    def __init__(self, path: Path, at: float = START) -> None:
        self.path, self.at, self.clock = path, at, 1000.0
        self.said: list[str] = []
        self.history: History

    async def start(self) -> None:
        self.history = History(self.path, self.said.append, days=9)
        await self.history.open(self.at)

    def sample(self, seconds: float = 0.0, **nodes: Sample) -> None:
        self.at += seconds
        self.clock += seconds
        self.history.add(self.at, self.clock, nodes)

    async def restart(self, pause: float = 2.0) -> None:
        await self.history.close(self.at)
        self.at += pause
        self.clock += pause
        await self.start()

    def windows(self, node: str) -> tuple[Times, ...]:
        return self.history.view(self.at).of_nodes((node,))[node].windows

    def days(self, node: str) -> dict[date, Times]:
        found = self.history.view(self.at).of_nodes((node,))[node].days
        return {day: found[day] for day in self.history.last_days(self.at) if day in found}


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """One that has no history yet."""
    return Machine(tmp_path / "history.sqlite3")


@pytest.fixture
def zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Sets the local zone."""
    if sys.platform == "win32":
        pytest.skip("Windows has no TZ")

    def use(name: str) -> None:
        monkeypatch.setenv("TZ", name)
        time.tzset()

    yield use
    monkeypatch.undo()
    time.tzset()


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("sample"), st.floats(0.5, 14.0), st.sampled_from([UP, DOWN, UNKNOWN])),
        st.tuples(st.just("pause"), st.floats(16.0, 4000.0), st.sampled_from([UP, DOWN])),
        st.tuples(st.just("set"), st.floats(-90_000.0, 90_000.0), st.just(UP)),
        st.tuples(st.just("flush"), st.just(0.0), st.just(UP)),
        st.tuples(st.just("restart"), st.floats(0.0, 2000.0), st.just(UP)),
    ),
    max_size=40,
)


@example(steps=[("sample", 1.0, UP), ("sample", 1.0, UP), ("set", -3.0, UP), ("flush", 0.0, UP), ("set", 1.0, UP)])
@example(steps=[("sample", 1.0, UP), ("set", -18.0, UP), ("flush", 0.0, UP), ("pause", 16.0, UP)])
@given(steps=STEPS)
@settings(max_examples=examples(30, 1000), deadline=None)
def test_time_is_neither_lost_nor_counted_twice(steps: list[Any], tmp_path_factory: pytest.TempPathFactory) -> None:
    """Clocks that are set, pauses, restarts and writes: the file has each observed millisecond once."""
    machine = Machine(tmp_path_factory.mktemp("history") / "history.sqlite3")
    expected = Counter[bool]()

    async def live() -> None:
        await machine.start()
        before: tuple[float, Sample] | None = None
        for what, number, sample in steps:
            if what == "set":
                machine.at += number
            elif what == "flush":
                await machine.history.flush(machine.at)
            elif what == "restart":
                await machine.restart(number)
                before = None
            else:
                machine.sample(number, node=sample)
                if before is not None and before[1].is_up is not None:
                    elapsed = round(machine.clock * 1000) - round(before[0] * 1000)
                    expected[before[1].is_up] += elapsed if elapsed <= 15_000 else 5_000
                before = machine.clock, sample
        await machine.history.flush(machine.at)
        shown = machine.windows("node"), machine.days("node")
        await machine.restart(0)
        assert shown == (machine.windows("node"), machine.days("node")), "a restart changes nothing that is shown"
        await machine.history.close(machine.at)

    asyncio.run(live())
    with closing(sqlite3.connect(machine.path)) as connection:
        up, down = connection.execute("SELECT total(up_ms), total(down_ms) FROM quarter").fetchone()
    assert (up, down) == (expected[True], expected[False])
    assert machine.said == []


@pytest.mark.parametrize(
    ("name", "day", "hours"),
    [
        ("Europe/Berlin", date(2026, 10, 25), 25),
        ("Europe/Berlin", date(2026, 3, 29), 23),
        ("Asia/Kathmandu", date(2026, 10, 25), 24),
        ("America/Sao_Paulo", date(2018, 11, 4), 23),  # midnight is left out
        ("America/Sao_Paulo", date(2018, 2, 17), 25),  # an hour before midnight comes twice
    ],
)
@runs
async def test_days_of_the_local_zone(
    machine: Machine, zone: Callable[[str], None], name: str, day: date, hours: int
) -> None:
    """A day has 23, 24 or 25 hours, before the file is read again and after."""
    zone(name)
    begin = datetime.combine(day, datetime.min.time(), ZoneInfo(name)).timestamp()
    machine.at = begin - 7200
    await machine.start()
    for number in range(int((hours + 4) * 3600 / 10)):
        machine.sample(10.0 if number else 0, us=UP)
        if number % 1000 == 0:
            await machine.history.flush(machine.at)
    for _ in range(2):
        assert machine.days("us")[day] == Times(hours * 3_600_000, 0)
        await machine.restart()
    await machine.history.close(machine.at)


@runs
async def test_windows_move(machine: Machine) -> None:
    """A bad quarter of an hour leaves the last 24 hours after a day, and stays in those of 7 days."""
    await machine.start()
    machine.sample(us=DOWN)
    for number in range(1, 15 * 60 * 25 // 15 * 4 // 4):
        machine.sample(15.0 if number <= 60 else 14.0, us=DOWN if number < 60 else UP)
        if number % 50 == 0:
            await machine.history.flush(machine.at)
    while machine.at < START + 25.5 * 3600:
        machine.sample(15.0, us=UP)
        await machine.history.flush(machine.at) if machine.at % 600 < 15 else None
    await machine.history.flush(machine.at)
    day, week, month = machine.windows("us")
    assert day.down_ms == 0
    assert 23.7 * 3_600_000 < day.up_ms <= 24 * 3_600_000
    assert week == month
    assert week.down_ms == 900_000
    await machine.restart()
    assert machine.windows("us") == (day, week, month)
    await machine.history.close(machine.at)


@runs
async def test_nodes_that_left_are_forgotten(machine: Machine) -> None:
    """When nothing is shown of a node any more, neither the memory nor the file has its name."""
    await machine.start()
    machine.sample(a=UP, b=DOWN)
    machine.sample(5.0, a=UP, b=UP)
    for half_day in range(80):
        machine.sample(43_200.0, a=UP)
        machine.sample(5.0, a=UP)
        await machine.history.flush(machine.at)
        assert (machine.windows("b")[2].up_ms > 0) == (half_day < 59), "30 days"
    view = machine.history.view(machine.at)
    for known in (view.marks, view.days, *view.windows):
        assert "b" not in known
    with closing(sqlite3.connect(machine.path)) as file:
        file.execute("DELETE FROM incident")  # as the bounds of the file do it after 90 days
        file.execute("DELETE FROM quarter WHERE node = (SELECT id FROM node WHERE name = 'b')")
        file.commit()
    await machine.restart()
    machine.sample(5.0, a=UP)
    await machine.history.flush(machine.at)
    await machine.history.close(machine.at)
    with closing(sqlite3.connect(machine.path)) as file:
        assert file.execute("SELECT name FROM node").fetchall() == [("a",)]


@runs
async def test_incidents_and_verdicts_survive_a_restart(machine: Machine) -> None:
    """An outage goes on over a short restart, ends after a long one, and ends when its node is removed."""
    await machine.start()
    machine.sample(us=DOWN, eu=UP, gone=DOWN)
    begun = machine.at
    machine.sample(5, us=DOWN, eu=UP, gone=DOWN)
    machine.sample(5, us=DOWN, eu=UP)
    await machine.restart(30)
    machine.sample(0, us=DOWN, eu=DOWN)
    incidents = machine.history.view(machine.at).incidents
    assert [(each.node, each.ended_ms is None) for each in incidents] == [("eu", True), ("us", True), ("gone", False)]
    past = machine.history.view(machine.at).of_nodes(("us", "eu"))
    assert (past["us"].since, past["eu"].since) == (begun, machine.at)
    await machine.restart(3600)
    machine.sample(0, us=UP, eu=UP)
    assert {each.node: each.ended_ms for each in machine.history.view(machine.at).incidents if each.node != "gone"} == {
        "us": round((begun + 40) * 1000), "eu": round((begun + 40) * 1000)}  # fmt: skip
    assert machine.history.view(machine.at).of_nodes(("us",))["us"].since == machine.at
    assert machine.history.view(machine.at).incidents[0].reason == "timeout"
    await machine.history.close(machine.at)


@pytest.mark.parametrize("damage", ["text", "cut", "newer", "foreign", "while open"])
@runs
async def test_a_file_that_cannot_be_used_is_set_aside(machine: Machine, damage: str) -> None:
    """One line says so, the old file is kept, and the history goes on in a new one."""
    await machine.start()
    for _ in range(5):
        machine.sample(5, us=UP)
    await machine.history.close(machine.at)
    if damage == "while open":
        await machine.start()
    match damage:
        case "text":
            machine.path.write_text("x" * 5000, encoding="utf-8")
        case "cut":
            machine.path.write_bytes(machine.path.read_bytes()[:5000])
        case "newer":
            with closing(sqlite3.connect(machine.path)) as connection:
                connection.execute("PRAGMA user_version = 99")
        case "foreign":
            machine.path.unlink()
            with closing(sqlite3.connect(machine.path)) as connection:
                connection.execute("CREATE TABLE other (x)")
        case _:
            with closing(sqlite3.connect(machine.path)) as connection:
                connection.execute("DROP TABLE quarter")
    if damage != "while open":
        await machine.start()
    for _ in range(5):
        machine.sample(5, us=UP)
    await machine.history.flush(machine.at)
    assert len(machine.said) == 1
    assert machine.said[0].startswith("the history of the status page was unusable (")
    assert len([path for path in machine.path.parent.iterdir() if ".damaged-" in path.name]) == 1
    assert machine.windows("us")[0] == Times(20_000, 0)
    await machine.restart(0)
    assert machine.windows("us")[0] == Times(20_000, 0)
    await machine.history.close(machine.at)
    assert len(machine.said) == 1


@runs
async def test_a_file_that_cannot_be_written_waits(machine: Machine) -> None:
    """Of two exporters one has the file. The other says so once, goes on, and writes all once it can."""
    await machine.start()
    other = Machine(machine.path)
    await other.start()
    for _ in range(5):
        other.sample(5, us=UP)
        await other.history.flush(other.at)
    assert len(other.said) == 1
    assert "another exporter keeps it" in other.said[0]
    assert other.windows("us")[0] == Times(20_000, 0)
    await machine.history.close(machine.at)
    await other.history.flush(other.at)
    await other.restart(0)
    assert other.windows("us")[0] == Times(20_000, 0)
    await other.history.close(other.at)
    assert len(other.said) == 1


@runs
async def test_a_full_disk_is_reported_once(machine: Machine) -> None:
    """The page goes on with what is in memory; when there is room again, nothing is missing."""
    await machine.start()
    machine.sample(us=UP)
    await machine.history.flush(machine.at)
    store: Any = machine.history._store
    connection = store._connection
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count = {pages}")
    names = {f"node-{number}-{'x' * 300}": UP for number in range(200)}
    for _ in range(4):
        machine.sample(5, us=UP, **names)
        await machine.history.flush(machine.at)
    assert [text for text in machine.said if "no space is left on its disk; the page goes on" in text] == machine.said
    assert len(machine.said) == 1
    assert machine.windows("us")[0] == Times(20_000, 0)
    connection.execute("PRAGMA max_page_count = 100000")
    await machine.restart(0)
    assert machine.windows("us")[0] == Times(20_000, 0)
    await machine.history.close(machine.at)


@runs
async def test_ninety_days_of_twenty_nodes(machine: Machine) -> None:
    """They take less than 10 MB, all their bars less than 20 ms, and older buckets are deleted."""
    await machine.start()
    machine.sample(us=UP)
    await machine.history.close(machine.at)
    last = int(machine.at // QUARTER)
    with closing(sqlite3.connect(machine.path)) as connection:
        connection.executemany("INSERT INTO node (id, name) VALUES (?, ?)", [(n + 10, f"n{n}") for n in range(20)])
        connection.executemany(
            "INSERT INTO quarter VALUES (?, ?, ?, ?)",
            ((last - BUCKETS - 95 + b, n + 10, 890_000, 10_000) for b in range(BUCKETS + 96) for n in range(20)),
        )
        connection.commit()
    assert machine.path.stat().st_size < 10_000_000
    await machine.start()
    machine.sample(us=UP)
    assert machine.windows("n7")[-1] == Times(WINDOWS[-1] * 890_000, WINDOWS[-1] * 10_000)
    await machine.history.flush(machine.at)
    took = []
    for _ in range(3):
        begun = time.perf_counter()
        machine.history.view(machine.at).of_nodes(f"n{number}" for number in range(20))
        took.append(time.perf_counter() - begun)
    assert min(took) < 0.02
    await machine.history.close(machine.at)
    with closing(sqlite3.connect(machine.path)) as connection:
        assert connection.execute("SELECT count(DISTINCT bucket) FROM quarter").fetchone()[0] == BUCKETS
