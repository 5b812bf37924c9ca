"""`config get`, `set` and `unset`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.commands.config.conftest import CONFIG

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.conftest import Ran

pytestmark = pytest.mark.usefixtures("path")


@pytest.mark.parametrize(
    ("key", "value", "text"),
    [
        ("defaults.timeout", 4, "4"),
        ("defaults.heartbeat", 15.0, "15.0"),
        ("cache.capacity", 512, "512"),
        ("cache.ttl", "3600s", "3600s"),
        ("check.warning.cpu", "85%", "85%"),
        ("check.youtube_oauth", False, "false"),
        ("nodes.us-1.timeout", 4.0, "4.0"),
        ("nodes.us-1.tags", ["prod"], '["prod"]'),
        ("nodes.us-1.password", "********", "********"),
        ("nodes.us-1.check.warning.cpu", "85%", "85%"),
        ("nodes.eu.example.password_env", "EU_PASSWORD", "EU_PASSWORD"),
        ("nodes[eu.example].uri", "http://127.0.0.1:2", "http://127.0.0.1:2"),
        ("nodes[0].identifier", "us-1", "us-1"),
    ],
)
def test_get(key: str, value: Any, text: str, line: Callable[..., Ran]) -> None:
    """The value in force is printed: of the file, of [defaults] or the default; JSON keeps its type."""
    assert line("config", "get", key).out == f"{text}\n"
    found = line("config", "get", key, "-o", "json").rows["value"]
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("get", "check.warnin.cpu"), 2, "did you mean warning?"),
        (("get", "chekc.skip"), 2, "did you mean check?"),
        (("get", "nodes.us-2.uri"), 2, "did you mean nodes.us-1?"),
        (("get", "nodes.us-1"), 2, "nodes.us-1 is a table (name one of its keys"),
        (("get", "nodes.us-1.region"), 1, "not set, and has no default"),
        (("get", "check.warning.nonsense"), 2, "is not a check"),
        (("get", ""), 2, "is empty"),
        (("get", "a]b"), 2, "is not a name of a key"),
        (("set", "defaults.timeout", "soon"), 2, "defaults.timeout: must be a number"),
        (("set", "defaults.timeout=-1"), 2, "must be above 0"),
        (("set", "defaults.retries=1.5"), 2, "must be a whole number"),
        (("set", "cache.backend", "paper"), 2, "must be one of memory, sqlite, redis"),
        (("set", "check.warning.cpu", "a lot"), 2, "check.warning.cpu: "),
        (("set", "check.warning", "85%"), 2, "set its keys one by one"),
        (("set", "defaults.trust_env", "maybe"), 2, "must be true or false"),
        (("set", "defaults.timeout"), 2, "which value?"),
        (("set", "defaults.timeout=1", "defaults.retries"), 2, "defaults.retries has no value"),
        (("set", "nodes.us-1.identifier", "eu.example"), 2, "is taken"),
        (("set", "nodes.us-1.password", "on-the-line"), 2, "is a secret, which other users could read"),
        (("set", "nodes.us-1.password"), 2, "it is empty"),
        (("unset", "nodes.us-1.uri"), 2, "has no uri"),
        (("unset", "nodes.us-1"), 2, "revvlink nodes remove"),
    ],
)
def test_mistakes(arguments: tuple[str, ...], code: int, message: str, line: Callable[..., Ran], path: Path) -> None:
    """Each is one line that says what to do, and the file stays as it is."""
    ran = line("config", *arguments)

    assert (ran.code, ran.out, ran.err.count("\n")) == (code, "", 1)
    assert message in ran.err
    assert path.read_text(encoding="utf-8") == CONFIG


def test_set_and_unset(line: Callable[..., Ran], path: Path) -> None:
    """Several keys change at once, in place; old and new value are printed; twice is not a change."""
    wanted = ("defaults.timeout=3", "nodes.us-1.tags=prod, canary", "cache.ttl=90", "nodes[eu.example].region=eu")
    ran = line("config", "set", *wanted, "-o", "json")

    assert ran.code == 0, ran.err
    assert [(row["key"], row["before"], row["after"]) for row in ran.rows] == [
        ("defaults.timeout", 4, 3),
        ("nodes.us-1.tags", ["prod"], ["prod", "canary"]),
        ("cache.ttl", None, 90),
        ("nodes[eu.example].region", None, "eu"),
    ]
    changed = CONFIG.replace("timeout = 4", "timeout = 3").replace('["prod"]', '["prod", "canary"]')
    changed = changed.replace('"EU_PASSWORD"\n', '"EU_PASSWORD"\nregion = "eu"\n')
    assert path.read_text(encoding="utf-8") == f"{changed}\n[cache]\nttl = 90\n"
    assert "no change" in line("config", "set", *wanted, "-o", "table").err
    assert line("config", "unset", "cache", "nodes[eu.example].region").code == 0
    assert line("config", "set", "defaults.timeout", "4").code == 0
    assert line("config", "set", "nodes.us-1.tags", "prod").code == 0
    assert path.read_text(encoding="utf-8") == CONFIG


def test_a_secret_comes_through_a_pipe(line: Callable[..., Ran], path: Path) -> None:
    """It replaces the other source of the password, and is shown nowhere."""
    ran = line("config", "set", "nodes[eu.example].password", stdin="new-secret-pw\nmore\n")

    assert ran.code == 0, ran.err
    assert "new-secret-pw" not in ran.out + ran.err
    assert "nodes[eu.example].password_env\tEU_PASSWORD" in ran.out
    assert 'password = "new-secret-pw"' in path.read_text(encoding="utf-8")
    assert "EU_PASSWORD" not in path.read_text(encoding="utf-8")


def test_a_change_may_mend_the_file(line: Callable[..., Ran], path: Path) -> None:
    """A wrong file is refused with its mistakes, each with its line, unless the change mends all of them."""
    path.write_text(CONFIG.replace("eu.example", "us-1").replace("timeout = 4", "timeout = 0"), encoding="utf-8")

    refused = line("config", "set", "defaults.timeout", "4")
    assert refused.code == 2
    assert f"{path}:16:1: nodes[1].identifier: us-1 is taken by the node on line 10" in refused.err
    assert "timeout" not in refused.err
    assert "write nodes[0] or nodes[1]" in line("config", "set", "nodes.us-1.region", "us").err
    assert line("config", "set", "defaults.timeout=4", "nodes[1].identifier=eu.example").code == 0
    assert path.read_text(encoding="utf-8") == CONFIG


def test_a_file_that_is_not_trusted(line: Callable[..., Ran], isolated: Path) -> None:
    """One that uses the environment is not changed before it is trusted; another one is, and what it uses is not."""
    here = isolated / "revvlink.toml"
    here.write_text(CONFIG, encoding="utf-8")
    assert "is not trusted yet" in line("config", "set", "defaults.timeout", "3").err
    assert here.read_text(encoding="utf-8") == CONFIG

    here.write_text(CONFIG.replace('password_env = "EU_PASSWORD"', 'password = "another-pw"'), encoding="utf-8")
    ran = line("config", "set", "nodes[eu.example].password_env", "HOME")
    assert ran.code == 0
    assert "is not trusted with this" in ran.err
    assert line("config", "get", "cache.ttl").code == 2


def test_no_file_to_change(line: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch) -> None:
    """A node of the environment has values, and no file to change."""
    monkeypatch.setenv("REVVLINK_URI", "http://127.0.0.1:3")
    monkeypatch.setenv("REVVLINK_PASSWORD", "some-password")

    assert line("config", "get", "nodes[127.0.0.1:3].uri").out == "http://127.0.0.1:3\n"
    assert "there is no file to change" in line("config", "set", "cache.ttl", "1h").err
