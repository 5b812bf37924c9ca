"""``--uri``: commands on a node that no configuration names."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from revvlink_cli.cli.app import run
from revvlink_cli.simulator import NodeProfile, Simulator
from tests.conftest import run_cli
from tests.fake_terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from revvlink_cli.simulator.server import SimulatedNode


@pytest.fixture
def node() -> Iterator[SimulatedNode]:
    """A node whose password is in no configuration."""
    with Simulator([NodeProfile(identifier="public", password="open sesame")]) as running:
        yield next(iter(running))


@pytest.mark.parametrize(
    "command",
    [
        ("nodes", "status"),
        ("nodes", "info"),
        ("nodes", "penalties"),
        ("check",),
        ("search", "night"),
        ("route",),
        ("doctor", "--only", "nodes"),
        ("connect",),
    ],
)
def test_commands(node: SimulatedNode, command: tuple[str, ...], write_config: Callable[..., Path]) -> None:
    """Every command on nodes reaches the node that `--uri` names, whatever the environment configures."""
    other = write_config({"identifier": "other", "uri": "http://127.0.0.1:1", "password": "pw"})
    ran = run_cli(
        *command, "--uri", node.uri, "--password-env", "PUBLIC", "-o", "json",
        PUBLIC="open sesame", REVVLINK_CONFIG=str(other), REVVLINK_IDENTIFIER="wrong", REVVLINK_REGION="eu",
    )  # fmt: skip
    assert ran.code == 0, ran.out + ran.err
    assert "open sesame" not in ran.out + ran.err
    assert "wrong" not in ran.out
    assert '"region": "eu"' not in ran.out


def test_before_the_command(node: SimulatedNode) -> None:
    """The options stand before the command as well, and the password may have its usual name."""
    ran = run_cli("--uri", node.uri, "healthcheck", REVVLINK_PASSWORD="open sesame")
    assert (ran.code, ran.err) == (0, "")


def test_players(node: SimulatedNode) -> None:
    """`players` finds the only node without `--node`: the session is not there, which the node says."""
    ran = run_cli("players", "list", "--session", "none", "--uri", node.uri, REVVLINK_PASSWORD="open sesame")
    assert (ran.code, "no such session" in ran.err) == (1, True)


def test_several_nodes(write_config: Callable[..., Path]) -> None:
    """Without a name, a command on one node refuses to choose among several."""
    config = write_config(*({"identifier": n, "uri": "http://127.0.0.1:1", "password": "pw"} for n in ("a", "b")))
    ran = run_cli("nodes", "info", "--config", str(config))
    assert (ran.code, "name one of a, b" in ran.err) == (2, True)


def test_password_file(node: SimulatedNode, isolated: Path) -> None:
    """REVVLINK_PASSWORD_FILE serves as well."""
    (isolated / "secret").write_text("open sesame\n", encoding="utf-8")
    assert run_cli("nodes", "status", "--uri", node.uri, REVVLINK_PASSWORD_FILE="secret").code == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--uri", "http://h:1"), "--uri needs a password; name the variable"),
        (("--uri", "http://h:1", "--password-env", "NOT_SET"), "NOT_SET is not set"),
        (("--uri", "http://h:1", "--config", "x.toml"), "leave out --config or --uri"),
        (("--password-env", "HOME"), "--password-env goes with --uri"),
        (("--uri", "no address", "--password-env", "HOME"), "--uri: "),
        (("--uri", "", "--password-env", "HOME"), "--uri: "),
    ],
)
def test_mistakes(arguments: tuple[str, ...], words: str) -> None:
    """Each mistake is exit code 2 and names the option; `check` ends with its own code for it."""
    ran = run_cli("nodes", "status", *arguments)
    assert (ran.code, ran.out) == (2, "")
    assert words in ran.err.replace("(", "; ").replace(" ; ", "; ")
    assert run_cli("check", *arguments).code == 3


def test_prompt(node: SimulatedNode) -> None:
    """A terminal is asked for the password, which it does not show."""
    terminal = Terminal(None, "nodes", "status", "--uri", node.uri)
    while "Password of http://" not in terminal.seen:
        assert terminal.read(20)
    terminal.press("open sesame\n")
    assert terminal.end() == 0
    assert "connected" in terminal.seen
    assert "open sesame" not in terminal.seen


def test_node_is_named_as_an_argument_or_with_an_option(
    write_config: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """Every command on nodes takes them both ways; the same name twice is one, and two different ones are refused."""
    profiles = [
        NodeProfile(identifier="a", password="pw", route_planner="NanoSwitch", failing_addresses=2),
        NodeProfile(identifier="b", password="pw"),
    ]
    with Simulator(profiles) as running:
        config = write_config(
            *({"identifier": node.profile.identifier, "uri": node.uri, "password": "pw"} for node in running)
        )

        def ran(*arguments: str) -> tuple[int, str, str]:
            code = run(["--config", str(config), *arguments])
            printed = capsys.readouterr()
            return code, printed.out, printed.err

        for command in (
            ("nodes", "list"), ("nodes", "info"), ("nodes", "status"), ("connect",), ("check",), ("healthcheck",),
            ("wait",), ("doctor", "--only", "nodes"), ("routeplanner", "status"), ("routeplanner", "free", "--all"),
        ):  # fmt: skip
            for names in (("a",), ("--node", "a"), ("a", "--node", "a")):
                code, out, err = ran(*command, *names, "-o", "json")
                assert (code, '"b"' in out, err) == (0, False, ""), (command, names)
            code, _, err = ran(*command, "b", "--node", "a")
            assert (code, "--node: a, but NODE is b: give one of them" in err) == (
                3 if command == ("check",) else 1 if command == ("healthcheck",) else 2,
                True,
            ), command
        assert ran("connect", "--node", "a", "--node", "b")[1].count("connected") == 2
        assert "this command takes one node" in ran("nodes", "info", "--node", "a", "--node", "b")[2]
        for free in (("a", "1.0.0.0"), ("1.0.0.1", "--node", "a")):
            assert ran("routeplanner", "free", *free)[0] == 0
        assert "which node?" in ran("routeplanner", "free", "1.0.0.0")[2]
        for words in (("a", "night"), ("night", "--node", "a")):
            assert (
                ran("search", *words, "--cache-mode", "bypass", "-o", "json")[1]
                == ran("search", "night", "-o", "json")[1]
            )
        _, _, err = ran("search", "a", "night")
        assert "note: a is a node: it alone is asked" in err
        assert "a is a node" not in ran("search", "a night")[2]
