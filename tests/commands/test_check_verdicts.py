"""Verdicts of `check` on servers that say odd things: what is blamed, how gravely, and with what reason."""

from __future__ import annotations

import asyncio
import json
import ssl
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import pytest
import trustme

from tests.conftest import run_cli
from tests.fidelity.read_recordings import LAVALINK
from tests.fidelity.replay_server import PASSWORD, read_request, response, serving
from tests.fidelity.scripted_node import Listening
from tests.fidelity.websocket_frames import CLOSE, TEXT, frame, switching
from tests.situations.test_bad_servers import always, http
from tests.situations.test_bad_servers import serving as serving_raw

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from tests.conftest import Ran

    Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

DEAD = "http://127.0.0.1:1"
STATS = {
    "players": 3,
    "playingPlayers": 1,
    "uptime": 3_600_000,
    "memory": {"free": 100, "used": 500, "allocated": 600, "reservable": 1000},
}
INFO = {"sourceManagers": ["http"], "filters": []}
CHALLENGE = "<!DOCTYPE html><title>Just a moment...</title>"


def check(path: Path, *arguments: str) -> Ran:
    """Run `check`."""
    return run_cli("check", "--config", str(path), "--timeout", "5", "-o", "json", *arguments)


def verdicts(ran: Ran, node: str = "n") -> dict[str, str]:
    """By check, the verdict on a node."""
    return {row["check"]: row["verdict"] for row in ran.rows if row["node"] == node}


def bad(ran: Ran) -> list[tuple[str, str]]:
    """The checks of nodes that failed, with their verdicts."""
    return [
        (row["check"], row["verdict"]) for row in ran.rows if row["node"] and row["verdict"] not in ("ok", "skipped")
    ]


def telling(info: dict[str, Any] | None = None, **stats: Any) -> Handler:
    """A server with these statistics; with `info` it is that, and no header tells what kind of server it is."""
    script = Listening(LAVALINK)
    if info is not None:
        script.info = response(info)

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while (request := await read_request(reader)) is not None:
            if request.path == "/v4/stats":
                writer.write(response({**STATS, **stats}))
            elif await script.answer(request, reader, writer):
                return

    return handle


def checked(write_config: Callable[..., Path], handlers: dict[str, Handler], *arguments: str) -> Ran:
    """What `check` finds on these servers."""

    async def work() -> Ran:
        async with AsyncExitStack() as stack:
            uris = {name: await stack.enter_async_context(serving(handle)) for name, handle in handlers.items()}
            nodes = [{"identifier": name, "uri": uri, "password": PASSWORD} for name, uri in uris.items()]
            return await asyncio.to_thread(check, write_config(*nodes), *arguments)

    return asyncio.run(work())


@pytest.mark.parametrize("answer", [
    http("200 OK", CHALLENGE, kind="text/html"),
    http("403 Forbidden", CHALLENGE, kind="text/html"),
    http("429 Too Many Requests", CHALLENGE, kind="text/html"),
    http("503 Service Unavailable", CHALLENGE, kind="text/html"),
    http("503 Service Unavailable", "wait", "cf-mitigated: challenge\r\n", kind="text/plain"),
    http("200 OK", '<script src="/challenge.js">', kind="text/html; charset=utf-8"),
])  # fmt: skip
def test_a_challenge_page(write_config: Callable[..., Path], answer: bytes) -> None:
    """It is one thing whatever its status: no bot gets through, and this machine has to be let through."""
    with serving_raw(always(answer)) as port:
        ran = check(write_config({"identifier": "n", "uri": f"http://127.0.0.1:{port}", "password": "pw"}))

    (error,) = ran.json["errors"]
    assert (ran.code, bad(ran)) == (2, [("reach", "critical")])
    assert (error["code"], "let this machine pass" in error["hint"]) == ("challenge_page", True)


@pytest.mark.parametrize("is_tls", [False, True])
def test_a_wrong_password_that_is_not_looked_for(
    isolated: Path, write_config: Callable[..., Path], is_tls: bool
) -> None:
    """Neither the certificate nor a canary that nobody gave has to do with it: the next check fails in its place."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(isolated / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    refusal = http("401 Unauthorized", headers="Lavalink-Api-Version: 4\r\n")
    with serving_raw(always(refusal), context if is_tls else None) as port:
        uri = f"{'https' if is_tls else 'http'}://127.0.0.1:{port}"
        ran = check(
            write_config({"identifier": "n", "uri": uri, "password": "no", "ca_file": "ca.pem"}), "--skip", "auth"
        )

    assert (ran.code, bad(ran)) == (2, [("version", "critical")])
    assert ran.json["errors"][0]["code"] == "wrong_password"


@pytest.mark.parametrize("skip", ["reach", "connection"])
def test_a_dead_node_that_is_not_reached_for(write_config: Callable[..., Path], isolated: Path, skip: str) -> None:
    """It is CRITICAL, and not for its password: who is alerted for that would look for the wrong thing."""
    report = isolated / "x.prom"
    ran = check(
        write_config({"identifier": "n", "uri": DEAD, "password": "pw"}),
        "--skip", skip, "--report", f"prometheus={report}",
    )  # fmt: skip

    assert (ran.code, bad(ran)) == (2, [("version", "critical")])
    assert 'revvlink_check_status{node="n",check="version"} 2' in report.read_text("utf-8")
    assert 'check="auth"' not in report.read_text("utf-8")


@pytest.mark.parametrize(
    ("version", "wanted", "expected"),
    [("4.0.8", "99.0.0", "critical"), ("4.0.8", "4.0.8", "ok"), ("", "4.0.8", "unknown"), ("x", "4.0.8", "unknown")],
)
def test_a_version_without_a_header(
    write_config: Callable[..., Path], version: str, wanted: str, expected: str
) -> None:
    """A proxy may take the header away that tells a Lavalink: what is demanded of its version is judged anyhow."""
    info = {**INFO, "version": {"semver": version, "major": 4, "minor": 0, "patch": 8}}

    ran = checked(write_config, {"n": telling(info)}, "--min-version", wanted, "--only", "version")

    assert verdicts(ran) == {"version": expected}


@pytest.mark.parametrize(
    ("cpu", "expected"),
    [
        (None, "unknown"),
        ({"cores": 2, "systemLoad": "0.5", "lavalinkLoad": 0.1}, "unknown"),
        ({"cores": 2, "systemLoad": "NaN", "lavalinkLoad": "NaN"}, "unknown"),
        ({"cores": 2, "systemLoad": 0, "lavalinkLoad": 0}, "ok"),
        ({"cores": 2, "systemLoad": 0.95, "lavalinkLoad": 0.1}, "critical"),
    ],
)
def test_a_cpu_that_is_not_told(write_config: Callable[..., Path], cpu: dict[str, Any] | None, expected: str) -> None:
    """With a threshold that is UNKNOWN, as with every figure; exactly 0 and 0 is not measured yet.

    The default threshold judges the load that a node sends, and asks for none.
    """
    handlers = {"n": telling(cpu=cpu)}

    assert verdicts(checked(write_config, handlers, "--critical", "cpu=90%"))["cpu"] == expected
    assert verdicts(checked(write_config, handlers))["cpu"] == ("warning" if expected == "critical" else "ok")
    assert verdicts(checked(write_config, handlers, "--no-defaults"))["cpu"] == "ok"


def test_the_cpu_of_another_node(write_config: Callable[..., Path]) -> None:
    """A node whose own CPU is not known is not CRITICAL for that of its neighbour, and its penalty says so."""
    busy = telling(cpu={"cores": 2, "systemLoad": 1.0, "lavalinkLoad": 0.9})
    ran = checked(write_config, {"busy": busy, "nocpu": telling(cpu=None)}, "--critical", "penalty=1000")

    assert (verdicts(ran, "busy")["penalty"], verdicts(ran, "nocpu")["penalty"]) == ("critical", "ok")
    (told,) = [row["message"] for row in ran.rows if (row["node"], row["check"]) == ("nocpu", "penalty")]
    assert told.startswith(">=~1306.5, not judged")


def test_a_node_that_closes_after_it_was_ready(write_config: Callable[..., Path]) -> None:
    """Name, port, HTTP and password were all fine: it is the websocket that fails."""
    script = Listening(LAVALINK)

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while (request := await read_request(reader)) is not None:
            if request.path == "/v4/websocket":
                upgrade = {"Upgrade": "websocket", "Connection": "Upgrade"}
                writer.write(switching(request.headers["sec-websocket-key"], upgrade))
                writer.write(frame(TEXT, script.first) + frame(CLOSE, (4006).to_bytes(2)))
                return
            await script.answer(request, reader, writer)

    ran = checked(write_config, {"n": handle})

    assert (ran.code, bad(ran)) == (2, [("websocket", "critical")])


def test_nothing_is_told_of_regions_that_are_none(write_config: Callable[..., Path]) -> None:
    """Nodes without regions are said to have none."""
    ran = check(write_config(*({"identifier": name, "uri": DEAD, "password": "pw"} for name in "ab")))

    (row,) = [row for row in ran.rows if row["check"] == "regions"]
    assert (row["verdict"], "no node has a region" in json.dumps(row)) == ("skipped", True)
