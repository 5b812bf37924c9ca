"""What goes wrong, and how each command ends then: the table in docs/monitoring.md, held against real sockets."""

from __future__ import annotations

import asyncio
import json
import os
import re
import socket
import ssl
import subprocess
import sys
import threading
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import tomli_w
import trustme

from revvlink_cli.simulator import NodeProfile, Simulator
from tests.faults.faulty_network import Network
from tests.situations.test_bad_servers import always, http, serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

DOCS = Path(__file__).parents[2] / "docs" / "monitoring.md"
TABLE = re.compile(
    r"(?<=<!-- situations: compared by tests/situations/test_exit_codes.py -->\n).*?(?=\n<!-- end -->)", re.DOTALL
)

COMMANDS = {
    "check": ["check"],
    "healthcheck": ["healthcheck", "a"],
    "wait": ["wait"],
    "connect": ["connect"],
    "nodes status": ["nodes", "status"],
    "route": ["route", "us-east1.discord.gg"],
    "region --route": ["region", "us-east1.discord.gg", "--route"],
    "search": ["search", "night", "--cache-mode", "bypass"],
    "doctor": ["doctor"],
}
"""The columns: commands, and what is typed."""

PASSWORD = "matrix-pass-phrase"
NOT_FOUND = http("404 Not Found", "nothing here", kind="text/plain")
HANGS = b""
"""An answer that never comes."""


def paths(**answers: bytes) -> Callable[[bytes], bytes | None]:
    """Answers some paths of a server in its place, by their last part; ``all`` is every other one."""

    def answer(line: bytes) -> bytes | None:
        path = line.split(b" ")[1].decode().partition("?")[0]
        return answers.get(path.rpartition("/")[2], answers.get("all"))

    return answer


ANSWERS = {
    "mute": paths(all=HANGS),
    "403": paths(all=http("403 Forbidden", "Forbidden", kind="text/plain")),
    "404": paths(all=NOT_FOUND),
    "429": paths(all=http("429 Too Many Requests", "slowly", kind="text/plain")),
    "500": paths(all=http("500 Internal Server Error", '{"message":"boom"}')),
    "challenge": paths(all=http("403 Forbidden", "<html>Just a moment...</html>", kind="text/html")),
    "web page": paths(all=http("200 OK", "<html>hello</html>", kind="text/html")),
    "REST hangs": paths(info=HANGS, stats=HANGS, loadtracks=HANGS, version=HANGS),
    "websocket hangs": paths(websocket=HANGS),
    "no statistics": paths(stats=NOT_FOUND),
    "no CPU": paths(stats=http("200 OK", json.dumps({"players": 0, "playingPlayers": 0, "uptime": 1_000_000}))),
    "statistics hang": paths(stats=HANGS),
    "loads hang": paths(loadtracks=HANGS),
}
"""What stands before a node, and answers in its place."""

GOOD, OTHER, THIRD = ({"identifier": name} for name in "bcd")
DEAD = {"uri": "http://127.0.0.1:1"}
SILENT = {"behind": "silent"}
QUIET = {"of": "nodelink"}
"""Gives statistics over REST only, for the time of a command."""
FLEET = [GOOD, OTHER]

SITUATIONS: dict[str, tuple[list[dict[str, Any]], dict[str, Any]]] = {
    # What the first node, "a", is like, then other nodes; and sections of the configuration.
    "all is well": ([{}], {}),
    "it answers slowly, but within the time": ([{"of": "slow"}], {}),
    "nothing listens": ([DEAD], {}),
    "it is off, or drops packets": ([SILENT], {}),
    "it takes connections and says nothing": ([{"behind": "mute"}], {}),
    "its name does not resolve": ([{"uri": "http://lavalink.invalid:2333"}], {}),
    "its certificate is not trusted": ([{"behind": "tls"}], {}),
    "it refuses the password": ([{"password": "another"}], {}),
    "it answers 403": ([{"behind": "403"}], {}),
    "a challenge page is in front of it": ([{"behind": "challenge"}], {}),
    "it answers 429": ([{"behind": "429"}], {}),
    "it answers 404": ([{"behind": "404"}], {}),
    "it answers 500": ([{"behind": "500"}], {}),
    "it is a web page": ([{"behind": "web page"}], {}),
    "its websocket works, REST hangs": ([{"behind": "REST hangs"}], {}),
    "REST works, its websocket hangs": ([{"behind": "websocket hangs"}], {}),
    "its statistics hang": ([{**QUIET, "behind": "statistics hang"}], {}),
    "it gives no statistics": ([{**QUIET, "behind": "no statistics"}], {}),
    "it does not give a figure that has no threshold": ([{**QUIET, "behind": "no CPU"}], {}),
    "it does not give a figure that has a threshold": ([{**QUIET, "behind": "no CPU"}], {"critical": {"cpu": "90%"}}),
    "a figure is worth a WARNING": ([{}], {"warning": {"players": "1"}}),
    "a figure is CRITICAL": ([{}], {"critical": {"players": "1"}}),
    "a canary finds nothing": ([{}], {"canaries": ["sim:fails"]}),
    "a canary hangs": ([{"behind": "loads hang"}], {"canaries": ["ytsearch:night"]}),
    "its proxy is dead": ([{"proxy": "http://127.0.0.1:1"}], {}),
    "its CA file is missing": ([{"ca_file": "gone.pem"}], {}),
    "the configuration has a mistake": ([{}], {"warning": {"cpuu": "1"}}),
    "it is silent, with `unknown_on_timeout`": ([SILENT], {"unknown_on_timeout": True}),
    "more healthy nodes are demanded than there are": ([{}], {"min_healthy": 2}),
    "one of three: nothing listens": ([DEAD, *FLEET], {}),
    "one of three is silent": ([SILENT, *FLEET], {}),
    "one of three is silent, another has a WARNING": (
        [SILENT, GOOD, {**OTHER, "check": {"warning": {"players": "1"}}}], {},
    ),
    "one of three is behind a dead proxy": ([{"proxy": "http://127.0.0.1:1"}, *FLEET], {}),
    "one of three is silent, the only one of its region": (
        [{**SILENT, "region": "us"}, *({**node, "region": "eu"} for node in FLEET)], {},
    ),
    "one of three: nothing listens, the quorum holds": ([DEAD, *FLEET], {"min_healthy": 2}),
    "one of three is silent, the quorum holds": ([SILENT, *FLEET], {"min_healthy": 2}),
    "one of three has no name, the quorum holds": (
        [{"uri": "http://lavalink.invalid:2333"}, *FLEET], {"min_healthy": "60%"},
    ),
    "one of three refuses the password, the quorum holds": ([{"password": "another"}, *FLEET], {"min_healthy": 2}),
    "one of three is behind a dead proxy, the quorum holds": (
        [{"proxy": "http://127.0.0.1:1"}, *FLEET], {"min_healthy": 2},
    ),
    "one of three gives no statistics, the quorum holds": (
        [{**QUIET, "behind": "no statistics"}, *FLEET], {"min_healthy": 2},
    ),
    "two of three are silent, the quorum is missed": (
        [SILENT, {**GOOD, **SILENT}, OTHER], {"min_healthy": 2},
    ),
    "one of three is silent, one gives no statistics, the quorum is missed": (
        [SILENT, {**GOOD, **QUIET, "behind": "no statistics"}, OTHER], {"min_healthy": 2},
    ),
    "all are dead": ([DEAD, {**GOOD, **DEAD}], {}),
    "all are silent": ([SILENT, {**GOOD, **SILENT}], {}),
    "all are silent, one is demanded": ([SILENT, {**GOOD, **SILENT}], {"min_healthy": 1}),
    "all are silent, one is demanded, with `unknown_on_timeout`": (
        [SILENT, {**GOOD, **SILENT}], {"min_healthy": 1, "unknown_on_timeout": True},
    ),
    "all are behind a dead proxy, one is demanded": (
        [{"proxy": "http://127.0.0.1:1"}, {**GOOD, "proxy": "http://127.0.0.1:1"}], {"min_healthy": 1},
    ),
    "all refuse the password": ([{"password": "another"}, {**GOOD, "password": "another"}], {}),
}  # fmt: skip
"""The rows."""

PROFILES = (
    *(NodeProfile(identifier=name, password=PASSWORD, players=3, playing=2) for name in "abcd"),
    NodeProfile(identifier="slow", password=PASSWORD, players=3, playing=2, answer_delay=0.2),
    NodeProfile.nodelink(identifier="nodelink", password=PASSWORD),
)


@contextmanager
def silent() -> Iterator[str]:
    """An address that answers no packet: nobody takes its connections, and there is room for no more."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(8):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


@asynccontextmanager
async def networks(ports: dict[str, int]) -> AsyncIterator[dict[str, str]]:
    """By node and what it does, the address of each network before the nodes with these ports."""
    async with AsyncExitStack() as stack:
        found = {}
        for node, port in ports.items():
            for name, answer in ANSWERS.items():
                network = await stack.enter_async_context(Network(port))
                network.answer = answer
                found[f"{node} {name}"] = network.uri
        yield found


@contextmanager
def in_a_thread(ports: dict[str, int]) -> Iterator[dict[str, str]]:
    """The networks, on a loop of their own."""
    found: dict[str, str] = {}
    ready, over = threading.Event(), asyncio.Event()
    loop = asyncio.new_event_loop()

    async def work() -> None:
        async with networks(ports) as addresses:
            found.update(addresses)
            ready.set()
            await over.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(work()))
    thread.start()
    try:
        assert ready.wait(10)
        yield found
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join()
        loop.close()


@contextmanager
def places() -> Iterator[tuple[Simulator, dict[str, str]]]:
    """The simulated nodes, and the addresses of everything that stands in a node's place."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    with (
        Simulator(PROFILES) as simulator,
        in_a_thread({name: int(simulator[name].uri.rpartition(":")[2]) for name in ("a", "nodelink")}) as found,
        silent() as dropping,
        serving(always(NOT_FOUND), context) as encrypted,
    ):
        yield simulator, {**found, "silent": dropping, "tls": f"https://127.0.0.1:{encrypted}"}


def configure(home: Path, situation: str, simulator: Simulator, found: dict[str, str]) -> Path:
    """The configuration of a situation, in a folder of its own."""
    nodes, check = SITUATIONS[situation]
    written = []
    for node in nodes:
        values = {"identifier": "a", "password": PASSWORD, "timeout": 2.0, **node}
        place = values.pop("of", "a" if "behind" in values else values["identifier"])
        behind = values.pop("behind", None)
        if behind is not None:
            values["uri"] = found.get(behind) or found[f"{place} {behind}"]
        values.setdefault("uri", simulator[place].uri)
        written.append(values)
    path = home / "nodes.toml"
    path.touch(mode=0o600)
    path.write_text(tomli_w.dumps({"check": check, "nodes": written}), encoding="utf-8")
    return path


def measured(folder: Path) -> dict[str, dict[str, dict[str, Any]]]:
    """By situation and command, how it ended."""
    jobs = []
    with places() as (simulator, found):
        for number, situation in enumerate(SITUATIONS):
            for column, command in COMMANDS.items():
                home = folder / f"{number}-{column.split()[0]}{len(command)}"
                home.mkdir()
                path = configure(home, situation, simulator, found)
                canaries = SITUATIONS[situation][1].get("canaries", ()) if column == "healthcheck" else ()
                given = [word for canary in canaries for word in ("--canary", canary)]
                # What is silent is given up after the node's own timeout; only `wait` takes all of the time.
                arguments = [*command, *given, "--config", str(path), "--timeout", "4" if column == "wait" else "15"]
                jobs.append({"arguments": arguments, "home": str(home)})
        ran = subprocess.run(
            [sys.executable, "-W", "error", "-m", "tests.fork_command_lines"],
            input=json.dumps(jobs), capture_output=True,
            encoding="utf-8", timeout=300, check=False, cwd=Path(__file__).parents[2],
        )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    answers = iter(json.loads(ran.stdout))
    return {situation: {column: next(answers) for column in COMMANDS} for situation in SITUATIONS}


@pytest.mark.skipif(sys.platform == "win32", reason="forks")
def test_every_situation_and_command(tmp_path: Path) -> None:
    """Each command ends as the table says, for every situation, on real sockets; the table has them all."""
    found = measured(tmp_path)

    head = ["situation", *(f"`{column}`" for column in COMMANDS)]
    rule = ["---", *("---:" for _ in COMMANDS)]
    rows = [[situation, *(str(ran["code"]) for ran in found[situation].values())] for situation in SITUATIONS]
    table = "\n".join(f"| {' | '.join(cells)} |" for cells in (head, rule, *rows))
    docs = DOCS.read_text(encoding="utf-8")
    if os.environ.get("REVVLINK_TEST_GOLDEN") == "write":
        DOCS.write_text(TABLE.sub(lambda _: table, docs), encoding="utf-8", newline="\n")
        docs = DOCS.read_text(encoding="utf-8")
    written = TABLE.search(docs)
    assert written is not None
    expected = dict(line.partition(" | ")[::2] for line in written.group().splitlines())
    for line in table.splitlines():
        situation, _, codes = line.partition(" | ")
        said = {column: ran["said"][:300] for column, ran in found.get(situation[2:], {}).items()}
        assert expected.pop(situation, None) == codes, said
    assert not expected, "the table has rows of which nothing is known"
    for ran in (ran for commands in found.values() for ran in commands.values()):
        assert "Traceback" not in ran["said"]
        assert "defect" not in ran["said"]
