"""`check` as people and monitoring systems run it, on simulated nodes and worse."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import ssl
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
import trustme

from revvlink_cli.health.catalogue import CHECKS, FLEET_CHECKS, NODE_CHECKS
from revvlink_cli.simulator import NodeProfile, Simulator
from tests.commands.run_check import check, check_beside, verdicts
from tests.conftest import run_cli
from tests.fidelity.read_recordings import LAVALINK, NODELINK
from tests.fidelity.replay_server import PASSWORD, read_request, serving
from tests.fidelity.scripted_node import Listening

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from tests.conftest import Ran

    Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def test_a_fleet_that_is_well(config: Callable[..., Path]) -> None:
    """One line elsewhere than on a terminal, exit code 0; every check of every node in JSON."""
    path = config()

    plain = check(path)
    assert (plain.code, plain.out, plain.err) == (0, "OK: 3 of 3 nodes healthy\n", "")
    found = verdicts(check(path, "-o", "json"))
    assert len(found) == 3 * len(NODE_CHECKS) + len(FLEET_CHECKS)
    assert set(found.values()) == {"ok", "skipped"}


def test_one_node_that_is_down_hides_no_other(config: Callable[..., Path], simulator: Simulator) -> None:
    """It is CRITICAL with its reason; the others are judged all the same, and its region is said to be unserved."""
    path = config()
    simulator["eu-1"].stop()

    ran = check(path, "-o", "json", "--warning", "cpu=20%")

    found = verdicts(ran)
    assert ran.code == 2
    assert (found["eu-1", "reach"], found["eu-1", "auth"], found["us-1", "cpu"]) == ("critical", "skipped", "warning")
    assert found[None, "regions"] == "warning"
    errors = {error["node"]: error["code"] for error in ran.json["errors"] if "node" in error}
    assert errors == {"eu-1": "connection_refused", "us-1": "threshold"}


def test_a_wrong_password(config: Callable[..., Path]) -> None:
    """It is the check of the password that fails, and the password is nowhere to be seen."""
    ran = check(config({"us-1": {"password": "canary-phrase"}}), "-o", "json", "-vv")

    assert (ran.code, verdicts(ran)["us-1", "auth"], verdicts(ran)["us-1", "reach"]) == (2, "critical", "ok")
    assert "canary-phrase" not in ran.out + ran.err


def test_a_frozen_node_is_critical(config: Callable[..., Path], simulator: Simulator) -> None:
    """It serves nobody, and the stage is named; where that is demanded, it is UNKNOWN, for a node or for all."""
    path = config(defaults={"timeout": 1.0})
    simulator["asia-1"].freeze()

    ran = check(path, "-o", "json")

    (row,) = [row for row in ran.rows if row["verdict"] == "critical" and row["node"] == "asia-1"]
    assert ran.code == 2
    assert (row["check"], row["stage"]) == ("reach", "request")
    kinds = ("nagios", "prometheus", "junit", "github", "markdown")
    reports = {kind: path.parent / f"frozen.{kind}" for kind in kinds}
    check(path, *(word for kind, name in reports.items() for word in ("--report", f"{kind}={name}")))
    told = {kind: name.read_text(encoding="utf-8") for kind, name in reports.items()}
    assert told["nagios"].startswith("CRITICAL: 2 of 3 nodes healthy, asia-1 reach: ")
    assert "\nrevvlink_check_verdict 2\n" in told["prometheus"]
    assert 'revvlink_check_status{node="asia-1",check="reach"} 2' in told["prometheus"]
    assert 'type="CRITICAL"' in told["junit"]
    assert "::error title=asia-1 reach CRITICAL" in told["github"]
    assert "| CRITICAL | asia-1 | reach |" in told["markdown"]
    mild = check(path, "-o", "json", "--unknown-on-timeout", "--skip", "fleet")
    assert (mild.code, verdicts(mild)["asia-1", "reach"]) == (3, "unknown")
    own = config({"asia-1": {"check": {"unknown_on_timeout": True}}}, defaults={"timeout": 1.0})
    assert check(own, "--skip", "fleet").code == 3
    both = config(defaults={"timeout": 1.0}, check={"unknown_on_timeout": True})
    assert check(both, "--skip", "fleet").code == 3
    assert check(both, "--min-healthy", "2", "--skip", "regions").code == 1


def test_canaries_count_for_the_fleet(config: Callable[..., Path]) -> None:
    """A fleet is as healthy as its nodes, also where nothing but the fleet is reported; a node's own keys count."""
    path = config(check={"canaries": ["sim:fails"], "min_healthy": 1})
    assert (check(path).code, check(path, "--only", "quorum").code, check(path, "--only", "fleet").code) == (2, 2, 2)
    assert check(path, "--only", "cpu").code == 0
    own = config({"us-1": {"check": {"skip": [], "canaries": ["sim:fails"]}}}, check={"skip": ["load"]})
    assert verdicts(check(own, "-o", "json"))["us-1", "load"] == "critical"


def test_nothing_to_check(config: Callable[..., Path]) -> None:
    """When no check could be made, the reason is told."""
    ran = check(config(), "--only", "certificate")

    assert (ran.code, ran.out) == (3, "UNKNOWN: no check was made: the node speaks plain HTTP\n")


def test_what_is_wrong_with_this_machine(config: Callable[..., Path]) -> None:
    """A certificate authority that is not there costs its node only; a dead proxy is not a dead node."""
    missing = check(config({"us-1": {"ca_file": "gone.pem"}}))
    assert (missing.code, "gone.pem cannot be read" in missing.out) == (3, True)
    proxied = check(config({"us-1": {"proxy": "http://127.0.0.1:1"}}), "-o", "json", "--skip", "fleet")
    assert (proxied.code, verdicts(proxied)["us-1", "reach"]) == (3, "unknown")


def test_exit_zero(config: Callable[..., Path], simulator: Simulator) -> None:
    """For collectors the verdict costs nothing; a mistake still does."""
    path = config()
    simulator["us-1"].stop()

    ran = check(path, "--exit-zero", "-o", "nagios")
    assert (ran.code, ran.out[:8]) == (0, "CRITICAL")
    assert check(path, "--exit-zero", "nobody").code == 3


def test_the_list() -> None:
    """Every check, with what it looks at and how often it cries wolf; no configuration is needed."""
    ran = run_cli("check", "--list", "-o", "json")

    assert ran.code == 0
    assert [row["check"] for row in ran.rows] == [entry.code for entry in CHECKS]
    assert all(row["what"] and row["false_alarm"] for row in ran.rows)


def test_the_table(config: Callable[..., Path], simulator: Simulator) -> None:
    """What is wrong line by line, one line for a node that is well; -v shows every check."""
    path = config()
    simulator["eu-1"].stop()

    short = check(path, "-o", "table").out
    assert "13 checks" in short
    assert "nothing listens" in short
    assert len(short.splitlines()) < 10
    assert len(check(path, "-o", "table", "-v").out.splitlines()) > 40


def closing(handle: Handler) -> Handler:
    """The same, closing its connection in the end."""

    async def handle_and_close(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await handle(reader, writer)
        finally:
            writer.close()
            with contextlib.suppress(OSError):  # the other side may have gone without a word
                await writer.wait_closed()

    return handle_and_close


def test_a_certificate_that_ends_soon(isolated: Path, write_config: Callable[..., Path]) -> None:
    """Its days are counted on the connection itself, and are worth a warning before they are over."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(isolated / "ca.pem"))
    soon = authority.issue_cert("127.0.0.1", not_after=datetime.now(UTC) + timedelta(days=10))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    soon.configure_cert(context)
    script = Listening(LAVALINK)

    async def work() -> Ran:
        server = await asyncio.start_server(closing(script.handle), "127.0.0.1", 0, ssl=context)
        async with server:
            port = server.sockets[0].getsockname()[1]
            path = write_config(
                {"identifier": "n", "uri": f"https://127.0.0.1:{port}", "password": PASSWORD, "ca_file": "ca.pem"}
            )
            ran = await asyncio.to_thread(check_beside, path, "-o", "json")
            server.close()
        return ran

    ran = asyncio.run(work())

    (row,) = [row for row in ran.rows if row["check"] == "certificate"]
    assert (ran.code, row["verdict"]) == (1, "warning")
    assert row["figures"][0]["value"] == pytest.approx(10 * 86_400, abs=3600)
    assert (row["figures"][0]["warning"], row["figures"][0]["critical"]) == ("1209600:", "259200:")


def test_a_node_that_does_not_say_goodbye(isolated: Path, write_config: Callable[..., Path]) -> None:
    """One that answers neither the end of the websocket nor that of TLS leaves no connection behind."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(isolated / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)

    class Rude(Listening):
        async def _read(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:  # noqa: ARG002
            while await reader.read(1):  # and no pong, no close frame
                pass

    async def work() -> Ran:
        server = await asyncio.start_server(closing(Rude(LAVALINK).handle), "127.0.0.1", 0, ssl=context)
        async with server:
            uri = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            node = {"identifier": "n", "uri": uri, "password": PASSWORD, "ca_file": "ca.pem", "timeout": 2.0}
            path = write_config(node)
            ran = await asyncio.to_thread(check_beside, path)
            server.close()
        return ran

    ran = asyncio.run(work())  # run_cli fails on what is unclosed
    assert (ran.code, "answered no ping" in ran.out) == (2, True), ran


@pytest.mark.parametrize("server", [LAVALINK, NODELINK])
def test_nodes_are_asked_politely(server: str, write_config: Callable[..., Path]) -> None:
    """Whatever is checked, handshakes and canaries included, no node is asked for more than two things a second."""
    script = Listening(server)
    asked: list[float] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while (request := await read_request(reader)) is not None:
            asked.append(time.monotonic())
            if await script.answer(request, reader, writer):
                return

    async def work() -> Ran:
        async with serving(handle) as uri:
            path = write_config({"identifier": "n", "uri": uri, "password": PASSWORD})
            canaries = [word for number in range(4) for word in ("--canary", f"q{number}")]
            return await asyncio.to_thread(check_beside, path, *canaries, "--timeout", "15")

    ran = asyncio.run(work())

    assert ran.code == 2  # this server knows no tracks
    assert len(asked) >= 6
    assert all(third - first >= 1.0 for first, third in zip(asked, asked[2:], strict=False))


def test_a_canary_that_hangs(write_config: Callable[..., Path]) -> None:
    """It is CRITICAL when the time is over, and the node's other checks are judged all the same.

    Each of many says how long it took, or that its turn did not come: none was "not loaded within 0.0 s".
    """
    script = Listening(LAVALINK)

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while (request := await read_request(reader)) is not None:
            if request.path.startswith("/v4/loadtracks"):
                await reader.read()
                return
            if await script.answer(request, reader, writer):
                return

    async def work() -> Ran:
        async with serving(handle) as uri:
            path = write_config({"identifier": "n", "uri": uri, "password": PASSWORD})
            canaries = [word for name in "qrstuvwxyz" for word in ("--canary", name)]
            return await asyncio.to_thread(check_beside, path, "-o", "json", *canaries, "--timeout", "3")

    ran = asyncio.run(work())

    found = verdicts(ran)
    messages = [row["message"] for row in ran.rows if row["check"] == "load"]
    assert len(messages) == 10
    assert re.search(r"q was not loaded within [1-3]\.\d s", messages[0])
    assert "z was not tried: the time was over before its turn" in messages[-1]
    assert (ran.code, found["n", "load"], found["n", "stats"]) == (2, "critical", "ok")


def test_interrupted(config: Callable[..., Path], simulator: Simulator) -> None:
    """Ctrl-C ends it at once, with its exit code and no traceback."""
    path = config()
    simulator["us-1"].freeze()
    process = subprocess.Popen(
        [sys.executable, "-m", "revvlink_cli", "check", "--config", str(path)], stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 20
    while simulator["eu-1"].open_sockets == 0 and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=10)

    assert (process.returncode, err) == (130, "")


def test_processes_leave_nothing_behind(config: Callable[..., Path], simulator: Simulator) -> None:
    """After checks, probes of health and waiting no node holds a socket of theirs."""
    path = str(config())
    for command in (["check"], ["healthcheck", "us-1"], ["wait"]):
        run_cli(*command, "--config", path)

    deadline = time.monotonic() + 5
    while any(node.open_sockets for node in simulator) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert [node.open_sockets for node in simulator] == [0, 0, 0]
    assert os.environ.get("REVVLINK_CONFIG") is None


def test_node_that_cannot_speak_dave(write_config: Callable[..., Path]) -> None:
    """A Lavalink 4.1 plays for nobody: CRITICAL with what to do, healthy again where the check is left out."""
    with Simulator([NodeProfile(identifier="old", password="pw", version="4.1.1")]) as running:
        path = write_config({"identifier": "old", "uri": running["old"].uri, "password": "pw"})
        ran = check(path, "-o", "json")
        row = next(row for row in ran.rows if row["check"] == "voice")
        assert (ran.code, row["verdict"], row["code"]) == (2, "critical", "voice_dave_required")
        assert "4.2.0" in row["hint"]
        assert check(path, "--skip", "voice").code == 0
