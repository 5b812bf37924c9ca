"""``revvlink simulate``, as typed and with the name of its default command."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from tests.conftest import run_cli
from tests.run_in_process import run_in_process

SCENARIO = """
seed = 1
[[nodes]]
name = "us-1"
region = "us"
[[nodes]]
name = "eu-1"
kind = "nodelink"
guards = false
[[tracks]]
match = "ytsearch:broken*"
result = "error"
message = "This video is unavailable"
[[tracks]]
match = "*"
"""


def two_free_ports() -> int:
    """The first of two free ports, below those that the system gives to the servers of other tests."""
    for port in random.Random().sample(range(20_000, 30_000, 2), 100):
        with socket.socket() as first, socket.socket() as second, suppress(OSError):
            first.bind(("127.0.0.1", port))
            second.bind(("127.0.0.1", port + 1))
            return port
    raise AssertionError("there are no free ports")


@pytest.mark.skipif(sys.platform == "win32", reason="sends signals")
def test_nodes_serve_until_interrupted(isolated: Path) -> None:
    """On ports one after the other, by the ready file; other commands find tracks and failures; nothing is left."""
    (isolated / "bot.toml").write_text(SCENARIO, encoding="utf-8")
    ready = isolated / "ready.json"
    port = two_free_ports()
    command = [sys.executable, "-W", "error", "-m", "revvlink_cli", "simulate", "bot.toml", "--ready-file", str(ready)]
    command += ["--admin", "0", "--admin-token-env", "ADMIN_TOKEN"]
    with subprocess.Popen(
        [*command, "--listen", f"127.0.0.1:{port}"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "ADMIN_TOKEN": "given-token"},
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        lines = [process.stdout.readline().split("\t") for _ in range(2)]
        given = json.loads(ready.read_text(encoding="utf-8"))
        config = {"REVVLINK_CONFIG": given["config"]}
        rows = run_in_process(["nodes", "status", "-o", "json"], **config).rows
        found = run_in_process(["search", "summer rain", "--node", "us-1", "-o", "json"], **config).rows
        broken = run_in_process(["search", "broken", "--node", "eu-1"], **config)
        killed = run_in_process(["simulate", "ctl", "kill", "us-1", "--ready-file", str(ready), "-o", "json"]).rows
        beside = json.loads(Path(given["config"]).with_name("admin.json").read_text(encoding="utf-8"))
        process.send_signal(signal.SIGINT)
        said = process.stderr.read()

    assert [line[1] for line in lines] == ["us-1", "eu-1"]
    assert [line[3].rstrip("\n") for line in lines] == ["lavalink 4.2.2", "nodelink 3.7.0"]
    assert [(node["name"], node["port"]) for node in given["nodes"]] == [("us-1", port), ("eu-1", port + 1)]
    assert {(row["node"], row["state"]) for row in rows} == {("us-1", "connected"), ("eu-1", "connected")}
    assert found[0]["title"] == "Summer Rain"
    assert broken.code == 1
    assert [(row["node"], row["state"]) for row in killed] == [("us-1", "down")]
    assert beside == {"admin": given["admin"]}
    assert (given["admin"]["token"], "given-token" in said) == ("given-token", False)
    assert process.returncode == 130
    assert "export REVVLINK_CONFIG=" in said
    assert "Traceback" not in said
    assert not ready.exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("none.toml",), "none.toml: there is no such file"),
        (("rnu",), "rnu: there is no such file (name a TOML file, or see the commands"),
        (("bot.toml", "--nodes", "2"), "the SCENARIO has nodes of its own"),
        (("--kind", "x"), "'x' is not one of lavalink, nodelink"),
        (("--listen", "127.0.0.1:70000"), "is not HOST:PORT"),
        (("--nodes", "9", "--listen", "127.0.0.1:65530"), "9 nodes need the ports 65530 to 65538"),
        (("--password-env", "NOT_SET"), "NOT_SET is not set"),
        (("-o", "json"), "simulate"),
        (("--tls-cert", "bot.toml"), "a certificate and its key go together"),
        (("--tls-cert", "bot.toml", "--tls-key", "bot.toml"), "are not a certificate and its key"),
        (("--tls-cert", "bot.toml", "--tls-key", "none.pem"), "none.pem: No such file"),
        (("--clock", "quick"), "'quick' is not real, fast, manual or a speed such as 60x"),
        (("--clock", "-1x"), "is not real, fast, manual"),
        (("--clock", "manual"), "nothing moves a manual clock without --admin"),
        (("--admin-token-env", "TOKEN"), "there is no admin API without --admin"),
        (("--admin", "0", "--admin-token-env", "NOT_SET"), "NOT_SET is not set"),
        (("--admin", "70000"), "70000"),
    ],
)
def test_what_cannot_be_served(arguments: tuple[str, ...], said: str, isolated: Path) -> None:
    """One line says why, and the exit code is that of a wrong command line."""
    (isolated / "bot.toml").write_text(SCENARIO, encoding="utf-8")
    ran = run_cli("simulate", *arguments)

    assert ran.code == 2
    assert said in ran.err


def test_every_mistake_of_a_scenario(isolated: Path) -> None:
    """Each with file and line; a port in use is a failure of this machine."""
    (isolated / "bot.toml").write_text("sed = 1\n[[nodes]]\n", encoding="utf-8")
    ran = run_cli("simulate", "bot.toml")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        busy = run_cli("simulate", "--listen", f"127.0.0.1:{taken.getsockname()[1]}")

    assert ran.code == 2
    assert "bot.toml:1:1: sed: is not a key" in ran.err
    assert "bot.toml:2:1: nodes[0]: has no name" in ran.err
    assert (busy.code, "in use" in busy.err) == (1, True)
    assert run_cli("simulate", "--schema").json["title"] == "revvlink scenario"


def test_words_that_name_no_command_are_a_scenario(isolated: Path) -> None:
    """`simulate` and `simulate run` are the same; a file named as a command is read after `run`, or by its path."""
    (isolated / "run").write_text("sed = 1", encoding="utf-8")
    (isolated / "bot.toml").write_text("sed = 1", encoding="utf-8")

    for line in (("bot.toml",), ("run", "bot.toml"), ("run", "run"), ("./run",)):
        assert "sed: is not a key" in run_cli("simulate", *line).err
    assert "[SCENARIO]" in run_cli("simulate", "--help").out
    assert "COMMAND" in run_cli("simulate", "--help").out
    assert run_cli("simulate", "run", "--help").code == 0
