"""Commands on the cache, and searches, that meet what they should not: odd lines, odd options, odd places."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import time
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.conftest import Ran


@pytest.fixture
def exported(run: Callable[..., Ran]) -> str:
    """A line of an export."""
    run("search", "night")
    line = run("cache", "export").out
    run("cache", "clear")
    return line


def test_lines_that_are_too_long(run: Callable[..., Ran], exported: str) -> None:
    """One is a problem with its number, and is read past; those before and behind it are taken in."""
    other = exported.replace("ytsearch:night", "ytsearch:day")
    long = '{"identifier":"x","result":"' + "x" * (17 * 1024 * 1024) + '"}\n'

    ran = run("cache", "import", "-", "-o", "json", stdin=exported + long + other)

    assert (ran.code, ran.rows) == (5, {"imported": 2, "expired": 0, "invalid": 1})
    (error,) = ran.json["errors"]
    assert error["message"].startswith("line 2: it has ")


def test_numbers_of_lines(run: Callable[..., Ran], exported: str) -> None:
    """Lines without anything count, too."""
    ran = run("cache", "import", "-", "-o", "json", stdin=f"\n{exported}\n \nnonsense\n")

    assert [error["message"] for error in ran.json["errors"]] == ["line 5: it is not JSON"]


@pytest.mark.parametrize("command", [("cache", "warm", "-"), ("region", "-")])
def test_queries_that_are_too_long(run: Callable[..., Ran], command: tuple[str, ...]) -> None:
    """Where a line is what to do, one out of all proportion is a usage error that names it."""
    ran = run(*command, stdin="\n" + "x" * (1024 * 1024 + 1) + "\n")

    assert ran.code == 2
    assert "line 2 of standard input is longer than 1048576 characters" in ran.err


def test_a_mark_at_the_beginning(run: Callable[..., Ran], exported: str) -> None:
    """The mark with which editors begin a file means nothing on standard input either."""
    warmed = run("cache", "warm", "-", "-o", "jsonl", stdin="\ufeffnight\n")
    assert json.loads(warmed.out.splitlines()[0])["query"] == "ytsearch:night"
    assert run("cache", "import", "-", stdin="\ufeff" + exported).code == 0


def test_importing_what_is_older(run: Callable[..., Ran], exported: str) -> None:
    """What a search found since then stays, and importing a file once more changes nothing."""
    old = json.loads(exported)
    old["result"]["data"] = old["result"]["data"][:1]
    old["stored_at"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 3000))
    for _ in range(3):
        run("cache", "import", "-", stdin=exported)
    assert [row["uses"] for row in run("cache", "list", "-o", "json").rows] == [1]

    assert run("cache", "import", "-", stdin=json.dumps(old)).code == 0

    (row,) = run("cache", "list", "-o", "json").rows
    assert (row["tracks"], row["uses"]) == (3, 1)
    assert row["expires_in_ms"] > 3_000_000


@pytest.mark.parametrize("rate", ["nan", "inf", "-inf", "0"])
def test_rates_that_are_none(run: Callable[..., Ran], rate: str) -> None:
    """They are usage errors."""
    ran = run("cache", "warm", "-", "--rate", rate, stdin="night\n")

    assert ran.code == 2
    assert ran.err.count("\n") == 1


def test_a_limit_beyond_all_numbers(run: Callable[..., Ran]) -> None:
    """It limits nothing."""
    run("search", "night")

    assert len(run("cache", "list", "--limit", "9" * 20, "-o", "json").rows) == 1


@pytest.mark.parametrize("cache", [{"capacity": 0}, {"backend": "memory"}])
def test_only_what_is_kept_where_nothing_is(run: Callable[..., Ran], cache: dict[str, Any]) -> None:
    """It is said that the cache is off, and not that the query is not in it."""
    ran = run("search", "night", "--cache-mode", "only", "-o", "json", cache=cache)

    assert ran.code == 1
    assert ran.json["errors"][0]["code"] == "cache_off"


def test_a_place_that_leads_nowhere(run: Callable[..., Ran], tmp_path: Path) -> None:
    """A folder that is a link to itself costs a warning, in one line."""
    (tmp_path / "loop").symlink_to(tmp_path / "loop")

    ran = run("search", "night", cache={"path": str(tmp_path / "loop" / "c.db")})

    assert ran.code == 0
    assert ran.err.count("\n") == 1
    assert ran.err.startswith("warning: the cache")
    assert "None" not in ran.err


@pytest.mark.parametrize(
    "url",
    [
        "redis://:sesame@127.0.0.1:1/0?socket_timeout=abc",
        "redis://:sesame@127.0.0.1:1/0?foo=abc",
        "redis://:sesame@127.0.0.1:1/0?decode_responses=True",
        "redis://:sesame@127.0.0.1:1/0?ssl_ca_certs=/ca.pem",
        "unix:///run/redis.sock?db=sesame",
        "redis://me?sesame@127.0.0.1:1/0",
    ],
)
def test_options_of_an_address(run: Callable[..., Ran], url: str) -> None:
    """What the client would not understand, or misunderstand, is a mistake of the configuration, told without it."""
    for command in (("search", "night"), ("config", "validate"), ("cache", "stats")):
        ran = run(*command, cache={"backend": "redis", "url": url})
        assert ran.code == 2
        assert "cache.url" in ran.err
        assert "sesame" not in ran.err
        assert ran.err.count("error:") == 1


def test_a_hit_while_another_holds_the_database(run: Callable[..., Ran]) -> None:
    """It is not waited for: a use that is not counted is not a loss."""
    run("search", "night")
    path = run("cache", "path").out.strip()
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        begun = time.monotonic()
        ran = run("search", "night")
        assert time.monotonic() - begun < 3

    assert ran.code == 0
    assert "from the cache" in ran.err
