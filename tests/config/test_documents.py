"""TOML that was written to keep its reader busy."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from revvlink_cli.config.documents import read_toml
from revvlink_cli.config.load import load
from revvlink_cli.config.problems import ConfigError
from revvlink_cli.config.source import find
from tests.conftest import run_cli

if TYPE_CHECKING:
    from pathlib import Path

NODE = '[[nodes]]\nidentifier = "a"\nuri = "http://h"\npassword = "x"\n'
MEGABYTE = 1_000_000


def dotted(parts: int, last: str = "z") -> str:
    """A key of so many parts."""
    return ".".join(["a"] * (parts - 1) + [last])


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (f"{dotted(16_000)} = 1\n", "dots"),
        (f"{dotted(MEGABYTE // 2 - 10)} = 1\n", "dots"),
        (f"[{dotted(16_000)}]\n", "dots"),
        (f"[[{dotted(16_000)}]]\n", "dots"),
        (f"x = {{ {dotted(16_000)} = 1 }}\n", "dots"),
        (".".join(['"a,"'] * 16_000) + " = 1\n", "dots"),
        (f"[{dotted(1000)}]\n" + "".join(f"k{i} = 1\n" for i in range(80_000)), "dots"),
        ("".join(f"{dotted(100, f'z{i}')} = 1\n" for i in range(4_900)), "dots"),
        (f"x = {'[' * 200_000}", "nested too deep"),
        (f"x = {'9' * 500_000}\n", "thousands of digits"),
        ("x" * (MEGABYTE * 2), "larger than"),
    ],
)
def test_what_would_never_end_is_refused(isolated: Path, text: str, told: str) -> None:
    """By size and at once, in one line that says why."""
    path = isolated / "revvlink.toml"
    path.write_text(text, encoding="utf-8")
    begun = time.process_time()

    with pytest.raises(ConfigError, match=told) as caught:
        load(find(None, {}, isolated))

    assert time.process_time() - begun < 2
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    "text",
    [
        "".join(f"k{i} = 1\n" for i in range(20_000)),
        "".join(f"[k{i}]\n" for i in range(20_000)),
        f"{'k' * (MEGABYTE - 10)} = 1\n",
        f"{NODE}{'k' * (MEGABYTE - 100)} = 1\n",
        "[[nodes]]\n" * 20_000,
        f"x = [{'{},' * 50_000}]\n",
    ],
)
def test_thousands_of_mistakes(isolated: Path, text: str) -> None:
    """It ends, and what is told of them is something that can be read."""
    path = isolated / "revvlink.toml"
    path.write_text(text, encoding="utf-8")
    begun = time.process_time()

    with pytest.raises(ConfigError) as caught:
        load(find(None, {}, isolated))

    assert time.process_time() - begun < 15
    assert len(caught.value.problems) <= 101
    assert max(len(str(problem)) for problem in caught.value.problems) < 1_000


HUGE = "0x" + "f" * 300


@pytest.mark.parametrize(
    "line",
    [
        f"{NODE}timeout = {HUGE}",
        f"{NODE}user_id = {HUGE}",
        f"{NODE}retries = {10**4000}",
        f"{NODE}tags = [{HUGE}]",
        f"{NODE}headers = {{ x = {HUGE} }}",
        f"{NODE}check = {{ warning = {{ cpu = {HUGE} }} }}",
        f"[cache]\nttl = {HUGE}\n{NODE}",
        f"[check]\nmin_healthy = {HUGE}\n{NODE}",
        f"[regions]\nus = [{HUGE}]\n{NODE}",
        f"{HUGE[2:40]} = {HUGE}\n{NODE}",
    ],
)
def test_numbers_beyond_reason(isolated: Path, line: str) -> None:
    """They are a mistake at their place, never a defect."""
    path = isolated / "revvlink.toml"
    path.write_text(line, encoding="utf-8")

    ran = run_cli("nodes", "list")

    assert ran.code == 2
    assert "must be a number of 64 bits" in ran.err
    assert len(ran.err) < 500


@pytest.mark.parametrize("digits", [30, 400, 5_000])
@pytest.mark.parametrize("key", ["ttl", "remind", "min_healthy", "min_version", "cpu"])
def test_texts_with_numbers_beyond_reason(isolated: Path, key: str, digits: int) -> None:
    """What is a number in quotes is refused in a line, or is as good as another; it is not a defect."""
    number = "9" * digits
    sections = {
        "ttl": f'[cache]\nttl = "{number}s"\n',
        "remind": f'[discord]\nremind = "{number}d"\n',
        "min_healthy": f'[check]\nmin_healthy = "{number}%"\n',
        "min_version": f'[check]\nmin_version = "{number}.0"\n',
        "cpu": f'[check]\nwarning = {{ cpu = "{number}%" }}\n',
    }
    path = isolated / "revvlink.toml"
    path.write_text(sections[key] + NODE, encoding="utf-8")

    try:
        load(find(None, {}, isolated))
    except ConfigError as error:
        (problem,) = error.problems
        assert key in str(problem)
        assert "sys." not in str(problem)


def test_large_fleets_are_read() -> None:
    """Thousands of nodes are within the limits, in tables or a few hundred of them in one line."""
    tables = "".join(NODE.replace('"a"', f'"n{i}"').replace("//h", "//10.0.0.1:2333") for i in range(8_000))
    assert len(read_toml(tables)["nodes"]) == 8_000
    one = '{ identifier = "n", uri = "http://10.0.0.1:2333", password = "x", timeout = 5.0 }'
    assert len(read_toml(f"nodes = [{', '.join([one] * 400)}]")["nodes"]) == 400
