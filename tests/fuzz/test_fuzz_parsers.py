"""Four thousand inputs for each parser of what comes from outside; `make test-all` and `make fuzz` try many more."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from revvlink_cli.config import secrets_in_use
from revvlink_cli.config.silences import read_silences
from revvlink_cli.services.alerting import state
from tests.example_counts import examples
from tests.fuzz.run import ParserError, input_of, try_cases
from tests.fuzz.targets import TARGETS, Target
from tests.run_in_process import run_in_process

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

CASES = examples(10_000, 100_000)
SEED = 22


@pytest.fixture(autouse=True)
def forget_secrets() -> Iterator[None]:
    """What configurations have for secrets must not be masked in the output of later tests."""
    yield
    secrets_in_use.forget()


@pytest.mark.parametrize("name", TARGETS)
def test_parser_takes_any_input(name: str) -> None:
    """Each input is read or refused as documented, in one short line of text, in bounded time."""
    assert try_cases(name, TARGETS[name], SEED, CASES) == CASES


@pytest.mark.parametrize("name", ["track", "message", "recording", "cache entry"])
def test_samples_are_read(name: str) -> None:
    """The samples are good ones, so that a change of one meets the code behind the first check."""
    assert TARGETS[name].samples
    assert [error for sample in TARGETS[name].samples for error in TARGETS[name].read(sample)] == []


def test_samples_of_files_are_read(isolated: Path) -> None:
    """The same of files: the silence is in force, each form of the state has its check."""
    (isolated / "silences.json").write_text(TARGETS["silences"].samples[0], encoding="utf-8")
    assert [silence.id for silence in read_silences(isolated / "silences.json")] == ["abcde"]
    assert [len(state.read(sample)) for sample in TARGETS["alert state"].samples] == [1, 1]


def test_import_takes_any_line(isolated: Path, write_config: Callable[..., Path]) -> None:
    """`cache import` reads ten thousand changed lines in one run: the good ones are kept, the others are counted."""
    config = write_config(
        {"identifier": "a", "uri": "http://127.0.0.1:1", "password": "x"},
        cache={"backend": "sqlite", "path": str(isolated / "cache.db")},
    )
    lines = (input_of("cache entry", TARGETS["cache entry"], SEED, number) for number in range(10_000))
    text = "".join(f"{line}\n" for line in lines)
    (isolated / "entries.jsonl").write_bytes(text.encode("utf-8", "surrogatepass"))

    ran = run_in_process(["--config", str(config), "cache", "import", "--renew", "entries.jsonl", "-o", "json"])

    assert ran.code == 5, ran.err + ran.out
    assert ran.json["status"] == "partial"
    assert ran.rows["imported"] > 1000
    assert len(ran.json["errors"]) == 11, "ten lines are named, the others are counted"


def test_a_failure_can_be_repeated() -> None:
    """What fails is shown with the seed, the case and the input; an endless parser is stopped."""

    def read(text: str) -> Iterator[str]:
        if len(text) > 5:
            raise ZeroDivisionError
        yield text

    with pytest.raises(ParserError, match=r"(?s)odd, seed 7, case \d+: ZeroDivisionError.*input: '"):
        try_cases("odd", Target(read, ("abcd",)), 7, 1000)
