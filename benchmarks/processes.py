"""Measures whole processes: start-up, the status of a fleet, memory."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.measure import A_LIMIT, Centre, Row, Samples, Unit, at_most, by_turns

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

BIN = Path(sys.executable).parent
ANSWER = 0.3
"""Seconds that a slow node takes for each answer."""

_FLEET = """
import json, sys
from revvlink_cli.simulator import NodeProfile, Simulator
count, delay, interval = int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3])
profiles = [
    NodeProfile(identifier=f"n{i}", password="benchmark", answer_delay=delay, stats_interval=interval)
    for i in range(count)
]
with Simulator(profiles) as fleet:
    print(json.dumps([node.uri for node in fleet]), flush=True)
    sys.stdin.read()
"""


def run(*command: str, cwd: str | None = None, **more: str) -> None:
    """Run a process to its end; `more` are variables of its environment."""
    # Keep the byte code, as in an installation; otherwise each run would compile the sources again.
    environment = {
        k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE" and not k.startswith("REVVLINK_")
    }
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env={**environment, **more}, cwd=cwd)


@contextmanager
def fleet(count: int, delay: float, *, stats_interval: float = 60.0) -> Iterator[list[str]]:
    """Addresses of simulated nodes that run in a process of their own."""
    command = [sys.executable, "-c", _FLEET, str(count), str(delay), str(stats_interval)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())
        assert process.stdin is not None
        process.stdin.close()


def config(folder: str, addresses: Sequence[str]) -> str:
    """The path of a configuration with these nodes."""
    path = Path(folder) / f"fleet-{len(addresses)}.toml"
    path.write_text(
        "".join(
            f'[[nodes]]\nidentifier = "n{number}"\nuri = "{uri}"\npassword = "benchmark"\n'
            for number, uri in enumerate(addresses)
        ),
        encoding="utf-8",
    )
    path.chmod(0o600)
    return str(path)


def beside_typer(*command: str, folder: str, **more: str) -> Samples:
    """Seconds of a whole run of a command, beside a Python that imports Typer and ends."""
    return by_turns(
        lambda: run(str(BIN / "revvlink"), *command, cwd=folder, **more),
        lambda: run(sys.executable, "-c", "import typer", cwd=folder),
        repeats=31,
        centre=Centre.MINIMUM,
    )


def startup_region() -> Samples:
    """``revvlink region X``."""
    with tempfile.TemporaryDirectory() as folder:
        return beside_typer("region", "us-east1.discord.gg", folder=folder)


def startup_list() -> Samples:
    """``revvlink nodes list``."""
    with tempfile.TemporaryDirectory() as folder:
        return beside_typer("--config", config(folder, ["http://127.0.0.1:1"]), "nodes", "list", folder=folder)


def completion() -> Samples:
    """Completion of node names."""
    with tempfile.TemporaryDirectory() as folder:
        line = f"revvlink --config {config(folder, ['http://127.0.0.1:1'] * 2)} nodes status n"
        return beside_typer(" :", line, folder=folder, _REVVLINK_COMPLETE="bash")


_BARE = """
import asyncio, sys, aiohttp
async def main():
    headers = {"Authorization": "benchmark", "User-Id": "170939974227541168", "Client-Name": "benchmark"}
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, headers=headers) as session:
        async def describe(uri):
            async with session.get(f"{uri}/v4/info") as response:
                await response.json()
        async def listen(uri):
            async with session.ws_connect(f"{uri}/v4/websocket") as socket:
                for op in ("ready", "stats"):
                    assert (await socket.receive_json())["op"] == op
        await asyncio.gather(*(ask(uri) for uri in sys.argv[1:] for ask in (describe, listen)))
asyncio.run(main())
"""


def status_of_a_fleet() -> Samples:
    """``nodes status`` over 200 nodes with answers after 0.3 s, beside the same requests sent with aiohttp alone.

    The time for one node without a delay, which is start-up, is taken off both.
    """
    with fleet(200, ANSWER) as many, fleet(1, 0.0) as one, tempfile.TemporaryDirectory() as folder:

        def by_fleet(addresses: Sequence[str]) -> Samples:
            path = config(folder, addresses)
            return by_turns(
                lambda: run(str(BIN / "revvlink"), "--config", path, "nodes", "status", "--output", "json"),
                lambda: run(sys.executable, "-c", _BARE, *addresses),
                repeats=7,
            )

        whole, start = by_fleet(many), by_fleet(one)
    mine, theirs = statistics.median(start.ours), statistics.median(start.beside)
    return Samples([took - mine for took in whole.ours], [took - theirs for took in whole.beside])


MEMORY_NODES = 500

FIRST_NODES = (80, 100, 120, 140, 160)
"""Nodes that are connected before, in each process: what they share, such as modules and buffers, is there then.

Python takes a mebibyte of memory at a time, that of 27 nodes. Where the first one begins differs, so their median says
more than one of them.
"""


def memory_per_node() -> Samples:
    """Resident memory for each idle connected node, in processes that have done nothing else before."""
    with fleet(MEMORY_NODES, 0.0) as addresses:
        each = []
        for first in FIRST_NODES:
            command = [sys.executable, "-m", "benchmarks.processes", str(first), *addresses]
            each.append(float(subprocess.run(command, check=True, capture_output=True).stdout))
    return Samples(each, [38 * 1024], Unit.BYTES)


async def _grown(first: int, addresses: Sequence[str]) -> float:
    """Bytes by which this process grows for each node after so many first ones."""
    from revvlink_cli.client.fleet import Fleet
    from revvlink_cli.client.node import Node

    fleet = Fleet()

    async def connected(addresses: Sequence[str]) -> int:
        nodes = [Node(identifier=uri, uri=uri, password="benchmark", resume_timeout=0) for uri in addresses]
        await fleet.connect(nodes)
        while any(node.snapshot().latency_ms is None for node in nodes):
            await fleet.changed()
        return resident()

    before = await connected(addresses[:first])
    after = await connected(addresses[first:])
    await fleet.close()
    return (after - before) / (len(addresses) - first)


def resident() -> int:
    """Bytes of memory that this process has in use."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * resource.getpagesize()


ROWS = {
    "startup-region": Row(
        startup_region, "`import typer`", at_most(1.2),
        "How long a command that asks no node takes, from Enter to its output. A prompt or a script that calls it "
        "often waits hardly longer than for the library of the command line itself.",
    ),
    "startup-list": Row(
        startup_list, "`import typer`", at_most(1.25),
        "The same for a command that reads the configuration.",
    ),
    "completion": Row(
        completion, "`import typer`", at_most(1.25),
        "How long the shell waits after Tab for the names of nodes.",
    ),
    "status-200": Row(
        status_of_a_fleet, "the requests by aiohttp alone", at_most(1.3),
        "How long `nodes status` of 200 nodes takes when each answers after 0.3 s, start-up taken off. All nodes are "
        "asked at once, so the slowest sets the time.",
    ),
    "memory-per-node": Row(
        memory_per_node, A_LIMIT, at_most(1),
        "Memory that each further connected node takes while nothing plays.",
    ),
}  # fmt: skip

if __name__ == "__main__":
    print(asyncio.run(_grown(int(sys.argv[1]), sys.argv[2:])))
