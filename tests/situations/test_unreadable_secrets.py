"""A node whose secret cannot be had: it costs that node, and the others work."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from revvlink_cli.simulator import NodeProfile, Simulator
from tests.conftest import run_cli

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.conftest import Ran


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    """Two nodes."""
    with Simulator([NodeProfile(identifier="good", password="pw"), NodeProfile(identifier="bad")]) as running:
        yield running


@pytest.fixture
def run(simulator: Simulator, isolated: Path) -> Callable[..., Ran]:
    """Runs a command on both nodes; `keys` is where the bad one's password is said to be."""

    def run_with(*arguments: str, keys: dict[str, Any] | None = None, good: bool = True, **more: Any) -> Ran:
        import tomli_w

        bad = {"identifier": "bad", "uri": simulator["bad"].uri, **(keys or {"password_env": "UNSET"})}
        nodes = [{"identifier": "good", "uri": simulator["good"].uri, "password": "pw"}, bad][not good :]
        path = isolated / "nodes.toml"
        path.write_text("".join(f"[[nodes]]\n{tomli_w.dumps(node)}" for node in nodes), encoding="utf-8")
        path.chmod(0o600)
        return run_cli("--config", str(path), *arguments, **more)

    return run_with


@pytest.mark.parametrize(
    "command",
    [
        ("nodes", "status"),
        ("nodes", "penalties"),
        ("connect",),
        ("wait", "--timeout", "20"),
        ("routeplanner", "status"),
    ],
)
def test_the_others_work(run: Callable[..., Ran], command: tuple[str, ...]) -> None:
    """The command is done for the good node at once, and ends as one of which a part has failed."""
    ran = run(*command, "-o", "json" if command[0] != "wait" else "jsonl")

    assert ran.code == 5, ran.err
    assert "bad: config: the environment variable UNSET is not set (export the variable, or use" in ran.err
    if command[0] != "wait":
        (error,) = ran.json["errors"]
        assert (error["node"], error["stage"], error["code"]) == ("bad", "config", "configuration")


def test_a_search_asks_the_others(run: Callable[..., Ran]) -> None:
    """What the good node finds is the answer."""
    ran = run("search", "night", "-o", "json", "--cache-mode", "bypass")

    assert ran.code == 0, ran.err
    assert ran.rows


@pytest.mark.parametrize(
    ("keys", "sentence"),
    [
        ({"password_env": "UNSET"}, "the environment variable UNSET is not set"),
        ({"password_env": "EMPTY"}, "the environment variable EMPTY is empty"),
        ({"password_env": "CONTROL"}, "has control characters"),
        ({"password_env": "BYTES"}, "the environment variable BYTES is not UTF-8 text"),
        ({"password_file": "missing"}, "the file missing cannot be read: No such file or directory"),
        ({"password_file": "."}, "cannot be read: Is a directory"),
        ({"password_file": "~nobody-of-that-name/x"}, "cannot be read: No such file or directory"),
        ({"password_file": "binary"}, "cannot be read: not text"),
        ({"password_file": "/dev/zero"}, "control characters"),
        ({"password_file": "pipe"}, "cannot be read"),
        ({"password": "x", "ca_file": "pipe"}, "cannot be read: it is not a file"),
        ({"password": "x", "ca_file": "missing.pem"}, "missing.pem cannot be read: No such file or directory"),
    ],
)
def test_every_kind_of_broken_secret(
    run: Callable[..., Ran], isolated: Path, keys: dict[str, Any], sentence: str
) -> None:
    """A check gives a verdict on the good node, and says that the other's configuration is why it knows nothing."""
    (isolated / "binary").write_bytes(b"\xff\xfe")
    os.mkfifo(isolated / "pipe")

    ran = run("check", "-o", "json", keys=keys, EMPTY="", CONTROL="a\tb", BYTES="\udcff")

    assert ran.code == 3, ran.out
    (error,) = (error for error in ran.json["errors"] if error.get("node") is not None)
    assert (error["node"], error["stage"], error["code"]) == ("bad", "config", "configuration")
    assert sentence in error["message"]
    verdicts = {(row["node"], row["check"]): row["verdict"] for row in ran.rows}
    assert verdicts["good", "reach"] == "ok"
    assert verdicts["bad", "reach"] == "unknown"


def test_no_secret_at_all(run: Callable[..., Ran]) -> None:
    """Where no node that was asked for can be used the configuration is at fault: 2, or 3 for a monitoring system."""
    assert run("nodes", "status", "bad").code == 2
    assert run("nodes", "status", good=False).code == 2
    assert run("check", good=False).code == 3
    assert run("healthcheck", "bad").code == 1
    assert run("healthcheck", "good").code == 0
    assert run("config", "validate").code == 2
    doctor = run("doctor", "-o", "json")
    assert doctor.code == 1
    states = {(row["checkup"], row["subject"]): row["state"] for row in doctor.rows}
    assert states["nodes", "good"] == "ok"
    assert states["nodes", "bad"] == "failed"


@pytest.mark.parametrize("option", [("--password-file", "missing"), ("--password-env", "UNSET")])
def test_a_node_is_added_with_a_warning(run: Callable[..., Ran], isolated: Path, option: tuple[str, str]) -> None:
    """The node is written, its secret may come later; that it is not there is said at once, and breaks nothing."""
    run("nodes", "list")
    ran = run_cli("--config", str(isolated / "nodes.toml"), "nodes", "add", "new", "http://127.0.0.1:1", *option)

    assert ran.code == 0
    assert ran.err.startswith("warning: the ")
    listed = run_cli("--config", str(isolated / "nodes.toml"), "nodes", "list")
    assert [line.partition("\t")[0] for line in listed.out.splitlines()] == ["good", "bad", "new"]
    assert run_cli("--config", str(isolated / "nodes.toml"), "nodes", "status").code == 5


def test_a_secret_that_is_mended(run: Callable[..., Ran], simulator: Simulator, isolated: Path) -> None:
    """What goes on takes the node in as soon as the configuration is read again."""
    secret = isolated / "secret"
    run("nodes", "list", keys={"password_file": str(secret)})
    watch = subprocess.Popen(
        [sys.executable, "-m", "revvlink_cli", "--config", str(isolated / "nodes.toml"), "nodes", "status",
         "--watch", "--interval", "200ms", "--duration", "60s"],
        stdout=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    try:
        assert watch.stdout is not None
        is_mended = False
        for line in watch.stdout:
            states = {row["node"]: row["state"] for row in json.loads(line)["nodes"]}
            if not is_mended and states["good"] == "connected":
                assert states["bad"] == "failed"
                secret.write_text(f"{simulator['bad'].password}\n", encoding="utf-8")
                watch.send_signal(signal.SIGHUP)
                is_mended = True
            if states.get("bad") == "connected":  # it leaves for a moment, and joins anew
                break
        else:
            pytest.fail("the node never came")
    finally:
        watch.kill()
        watch.communicate()
