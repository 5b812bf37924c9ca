"""`check` with checks that run on demand: what is sent to nodes, what is found, and that no token is ever shown."""

from __future__ import annotations

import asyncio
import json
import time
import traceback
from typing import TYPE_CHECKING, Any

import pytest

from revvlink_cli.client.errors import RevvlinkException
from revvlink_cli.client.fleet import Fleet
from revvlink_cli.client.node import Node
from revvlink_cli.output.formats import REPORTS, Format
from revvlink_cli.simulator import NodeProfile, Simulator
from tests.conftest import run_cli
from tests.fidelity.read_recordings import LAVALINK
from tests.fidelity.replay_server import PASSWORD, read_request, response, serving
from tests.fidelity.scripted_node import Listening
from tests.services.running_exporter import PASSWORD as EXPORTER_PASSWORD
from tests.services.running_exporter import ask, entry, exporter, samples

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from pathlib import Path

    from tests.conftest import Ran

    Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

TOKEN = "1//quokka-refresh-token_5up3r53cr3t"
INFO = {
    "version": {"semver": "4.2.2", "major": 4, "minor": 2, "patch": 2, "preRelease": ""},
    "sourceManagers": ["youtube"],
    "filters": [],
    "plugins": [{"name": "youtube-plugin", "version": "1.13.5"}],
}


def check(path: Path, *arguments: str) -> Ran:
    """Run `check`."""
    return run_cli("check", "--config", str(path), "--timeout", "5", *arguments)


def rows(ran: Ran, code: str) -> dict[str | None, dict[str, Any]]:
    """By node, the row of a check in the JSON output."""
    return {row["node"]: row for row in ran.rows if row["check"] == code}


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    """Nodes with and without route planners and YouTube plugins."""
    with Simulator(
        [
            NodeProfile(
                identifier="rotates",
                password=PASSWORD,
                route_planner="RotateOnBan",
                failing_addresses=64,
                youtube_plugin="1.13.5",
                youtube_token=TOKEN,
            ),
            NodeProfile(
                identifier="huge",
                password=PASSWORD,
                route_planner="RotatingNanoSwitch",
                failing_addresses=5,
                youtube_plugin="1.13.5",
            ),
            NodeProfile(identifier="unused", password=PASSWORD, route_planner="RotateOnBan", youtube_plugin="1.11.0"),
            NodeProfile(identifier="plain", password=PASSWORD),
            NodeProfile.nodelink(identifier="link", password=PASSWORD),
        ]
    ) as running:
        yield running


@pytest.fixture
def config(simulator: Simulator, write_config: Callable[..., Path]) -> Callable[..., Path]:
    """Writes a configuration of those nodes, with these sections."""

    def write(**sections: Any) -> Path:
        nodes = [{"identifier": node.profile.identifier, "uri": node.uri, "password": PASSWORD} for node in simulator]
        return write_config(*nodes, **sections)

    return write


def test_nothing_is_sent_unless_asked_for(config: Callable[..., Path], simulator: Simulator) -> None:
    """Without a threshold or --only, no node gets a request for its planner or its plugin, and -v says how to ask."""
    ran = check(config(), "-o", "json", "--skip", "plugins")

    assert ran.code == 0, ran.out
    assert {row["verdict"] for row in rows(ran, "routeplanner").values()} == {"skipped"}
    assert all("--only youtube" in row["message"] for row in rows(ran, "youtube").values())
    sent = [path for node in simulator for _, path in node.requests]
    assert not [path for path in sent if path.startswith(("/youtube", "/v4/routeplanner"))]


def test_route_planners(config: Callable[..., Path]) -> None:
    """A small block is judged as a share or a number, a huge one as a number; others are skipped or not judged."""
    path = config()

    share = check(path, "-o", "json", "--only", "routeplanner", "-w", "routeplanner=10%", "-c", "routeplanner=20%")
    found = rows(share, "routeplanner")
    verdicts = {name: row["verdict"] for name, row in found.items()}
    assert share.code == 2
    assert verdicts == {
        "rotates": "critical", "huge": "unknown", "unused": "ok", "plain": "skipped", "link": "skipped"
    }  # fmt: skip
    assert found["rotates"]["message"].startswith("RotatingIpRoutePlanner: 64 failing addresses of 256 (25%)")
    assert "revvlink routeplanner status rotates" in found["rotates"]["hint"]
    number = rows(check(path, "-o", "json", "-w", "routeplanner=4", "-c", "routeplanner=10"), "routeplanner")
    assert [number[name]["verdict"] for name in ("rotates", "huge", "unused")] == ["critical", "warning", "ok"]
    in_file = config(check={"warning": {"routeplanner": "4"}})
    assert rows(check(in_file, "-o", "json"), "routeplanner")["huge"]["verdict"] == "warning"
    metrics = check(path, "--only", "routeplanner", "-o", "prometheus").out
    assert 'revvlink_node_routeplanner_failing{node="huge"} 5\n' in metrics
    assert 'revvlink_node_routeplanner_failing_ratio{node="rotates"} 0.25\n' in metrics
    assert 'routeplanner_failing_ratio{node="huge"}' not in metrics


def test_youtube_tokens(config: Callable[..., Path]) -> None:
    """A missing token is a WARNING, CRITICAL where the command line or the file requires one."""
    asked = check(config(), "-o", "json", "--only", "youtube")
    found = {name: row["verdict"] for name, row in rows(asked, "youtube").items()}
    assert (asked.code, found) == (
        1,
        {"rotates": "ok", "huge": "warning", "unused": "warning", "plain": "skipped", "link": "skipped"},
    )
    required = rows(check(config(), "-o", "json", "--require-youtube-oauth"), "youtube")
    assert [required[name]["verdict"] for name in ("rotates", "huge")] == ["ok", "critical"]
    in_file = config(check={"youtube_oauth": True})
    assert rows(check(in_file, "-o", "json"), "youtube")["huge"]["code"] == "no_youtube_token"
    shown = run_cli("config", "show", "--config", str(in_file)).out
    assert "check.youtube_oauth" in shown


def test_a_dead_node_fails_the_only_check_that_is_asked_for(config: Callable[..., Path], simulator: Simulator) -> None:
    """Checks on demand make no dead node look healthy."""
    simulator["rotates"].stop()

    ran = check(config(), "-o", "json", "rotates", "--only", "youtube")
    assert (ran.code, rows(ran, "youtube")["rotates"]["verdict"]) == (2, "critical")


@pytest.mark.parametrize("output", sorted({*Format, *REPORTS}))
def test_no_format_shows_the_token(config: Callable[..., Path], output: str) -> None:
    """Neither standard output nor the log with all details has any part of the token."""
    ran = check(config(), "-o", output, "-vv", "--require-youtube-oauth", "--only", "youtube")

    assert ran.code == 2, ran.err
    assert "quokka" not in ran.out + ran.err
    assert "5up3r" not in ran.out + ran.err


def answering(answer: bytes, note: Callable[[], None] = lambda: None) -> Handler:
    """A server with the YouTube plugin that answers ``/youtube`` with these bytes, and notes each request."""
    script = Listening(LAVALINK)
    script.info = response(INFO)

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while (request := await read_request(reader)) is not None:
            note()
            if request.path == "/youtube":
                writer.write(answer)
            elif await script.answer(request, reader, writer):
                return

    return handle


def raw(status: str, body: str) -> bytes:
    """An answer of a Lavalink with this body."""
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nLavalink-Api-Version: 4\r\n"
    return f"{head}Content-Length: {len(body.encode())}\r\n\r\n{body}".encode()


ODD_ANSWERS = {
    "cut off": raw("200 OK", f'{{"refreshToken": "{TOKEN}'),
    "a list": raw("200 OK", json.dumps([TOKEN])),
    "another key": raw("200 OK", json.dumps({"token": TOKEN})),
    "a number": raw("200 OK", json.dumps({"refreshToken": 5, "other": TOKEN})),
    "an error": raw("500 Internal Server Error", json.dumps({"status": 500, "error": TOKEN, "message": TOKEN})),
    "a bad request": raw("400 Bad Request", TOKEN),
    "no route": raw("404 Not Found", json.dumps({"message": TOKEN, "path": f"/{TOKEN}"})),
}
"""Answers of ``/youtube`` that do not say whether there is a token, but have one."""


@pytest.mark.parametrize("name", ODD_ANSWERS)
def test_odd_answers_are_unknown_and_not_quoted(name: str, write_config: Callable[..., Path]) -> None:
    """They are UNKNOWN with a plain sentence; no output, exception or traceback has the token."""

    async def work() -> tuple[Ran, RevvlinkException]:
        async with serving(answering(ODD_ANSWERS[name])) as uri:
            path = write_config({"identifier": "n", "uri": uri, "password": PASSWORD})
            ran = await asyncio.to_thread(check, path, "-o", "json", "-vv", "--only", "youtube")
            fleet, node = Fleet(), Node(identifier="n", uri=uri, password=PASSWORD, retries=0, resume_timeout=0)
            try:
                await fleet.connect([node])
                with pytest.raises(RevvlinkException) as raised:
                    await node.rest.has_youtube_token()
            finally:
                await fleet.close()
            return ran, raised.value

    ran, error = asyncio.run(work())

    assert (ran.code, rows(ran, "youtube")["n"]["verdict"]) == (3, "unknown")
    assert "/youtube" in rows(ran, "youtube")["n"]["message"]
    whole = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
    assert error.__context__ is None
    assert "quokka" not in ran.out + ran.err + whole


def test_a_plugin_that_does_not_answer(write_config: Callable[..., Path]) -> None:
    """Its check is UNKNOWN within the time limit, and the others of the node are as they were."""

    async def work() -> Ran:
        async with serving(answering(b"")) as uri:
            path = write_config({"identifier": "n", "uri": uri, "password": PASSWORD})
            return await asyncio.to_thread(
                check, path, "-o", "json", "--require-youtube-oauth", "--skip", "cpu", "--timeout", "2"
            )

    begun = time.monotonic()
    ran = asyncio.run(work())

    assert time.monotonic() - begun < 8
    assert rows(ran, "youtube")["n"]["verdict"] == "unknown"
    assert rows(ran, "reach")["n"]["verdict"] == "ok"


def test_requests_on_demand_are_within_the_budget(write_config: Callable[..., Path]) -> None:
    """With both checks and a canary, no node gets more than two requests in any second."""
    sent: list[float] = []
    handle = answering(raw("200 OK", json.dumps({"refreshToken": None})), lambda: sent.append(time.monotonic()))

    async def work() -> Ran:
        async with serving(handle) as uri:
            path = write_config({"identifier": "n", "uri": uri, "password": PASSWORD})
            arguments = ("--only", "youtube", "--only", "routeplanner", "--only", "load", "--canary", "q")
            return await asyncio.to_thread(check, path, "-o", "json", *arguments)

    ran = asyncio.run(work())

    assert rows(ran, "youtube")["n"]["verdict"] == "warning"
    assert len(sent) >= 6
    assert all(third - first >= 1.0 for first, third in zip(sent, sent[2:], strict=False)), sent


def test_probes_of_the_exporter_ask_only_where_it_is_configured(write_config: Callable[..., Path]) -> None:
    """A probe runs the checks that the configuration asks for, and no scrape of the fleet sends a request for them."""
    profiles = [
        NodeProfile(
            identifier=name, region="us", password=EXPORTER_PASSWORD, route_planner="LoadBalance", youtube_plugin="1"
        )
        for name in ("asked", "other")
    ]
    with Simulator(profiles) as simulator:
        nodes = [entry(node) for node in simulator]
        nodes[0]["check"] = {"youtube_oauth": True, "warning": {"routeplanner": "5"}}
        with exporter(write_config(*nodes)) as running:
            ask(running.url + "/metrics")
            sent = [path for node in simulator for _, path in node.requests]
            assert not [path for path in sent if path.startswith(("/youtube", "/v4/routeplanner"))]
            found = samples(ask(running.url + "/probe?target=asked").text)
            assert found["revvlink_check_status", (("check", "youtube"), ("node", "asked"))] == 2
            assert found["revvlink_node_routeplanner_failing", (("node", "asked"),)] == 0
            ask(running.url + "/probe?target=other")
            sent = [path for _, path in simulator["other"].requests]
            assert not [path for path in sent if path.startswith(("/youtube", "/v4/routeplanner"))]
