"""How much one process takes: nodes and players, up to where it breaks.

``python -m benchmarks.limits serve`` answers for any number of nodes; ``python -m benchmarks.limits nodes COUNT URI``
connects to so many of them, and ``python -m benchmarks.limits players COUNT`` makes so many players. Each is a process
of its own.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
import resource
import subprocess
import sys
import time
from typing import Any

from benchmarks.measure import A_LIMIT, Row, Samples, Unit, at_least, at_most
from benchmarks.processes import resident

NODES = (500, 1000, 2000, 4000, 8000, 16_000)
"""Nodes that are tried one after the other, until one does not work."""

NODES_WANTED = 1000

OPEN_FILES = 1024
"""Open files that a process may have by default on most systems; each connected node takes one."""

PATIENCE = 30.0
"""Seconds after which a fleet that is not connected counts as too large."""

PLAYERS = 50_000
PLAYER_SIZE = 8 * 1024
"""Bytes that one player may take."""


def _run(*arguments: str) -> dict[str, Any]:
    """The JSON answer of one of the processes below; ``error`` says why it did not work."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.limits", *arguments], capture_output=True, text=True, check=False
    )
    if not done.stdout:
        return {"error": done.stderr.strip().splitlines()[-1] if done.stderr.strip() else f"exit {done.returncode}"}
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def nodes() -> Samples:
    """The most nodes that one process connects with the usual limit of open files lifted; and what gives first."""
    command = [sys.executable, "-m", "benchmarks.limits", "serve"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        assert server.stdin is not None
        uri = server.stdout.readline().strip()
        usual = _largest(uri, OPEN_FILES)
        lifted = _largest(uri, 0)
        server.stdin.close()
    most, last, why = lifted[-1][0], lifted[-1][1], lifted[-1][2]
    first = (
        f"{most:,} nodes take {last['seconds']:.1f} s to connect, {last['bytes'] / 2**20:.0f} MiB and "
        f"{last['share']:.0%} of a core while idle"
    )
    texts = [first, why, f"with {OPEN_FILES:,} open files, {usual[-1][0]:,} nodes; {usual[-1][2]}"]
    return Samples(
        [most],
        [NODES_WANTED],
        Unit.NODES,
        notes=texts,
        points=[(count, answer["seconds"]) for count, answer, _ in lifted],
        points_of="nodes",
    )


def _largest(uri: str, open_files: int) -> list[tuple[int, dict[str, Any], str]]:
    """The counts that worked with their answers; the last one has the reason why the next did not."""
    worked: list[tuple[int, dict[str, Any], str]] = []
    for count in NODES:
        answer = _run("nodes", str(count), uri, str(open_files))
        if "error" in answer:
            reason = re.sub(r"127\.0\.0\.1:\d+", "a node", answer["error"])
            worked[-1] = (*worked[-1][:2], f"{count:,} do not connect: {reason}")
            return worked
        worked.append((count, answer, f"{NODES[-1]:,} were the most tried"))
    return worked


async def _connect(count: int, uri: str) -> dict[str, Any]:
    from revvlink_cli.client.fleet import Fleet
    from revvlink_cli.client.node import Node

    fleet = Fleet()
    before, began = resident(), time.perf_counter()
    made = [
        Node(identifier=f"n{number}", uri=uri, password="x", resume_timeout=0, heartbeat=15.0, timeout=30.0)
        for number in range(count)
    ]
    try:
        async with asyncio.timeout(PATIENCE):
            await fleet.connect(made)
    except TimeoutError:
        return {"error": f"not connected within {PATIENCE:.0f} s"}
    took = time.perf_counter() - began
    used, idle = time.process_time(), 4.0
    await asyncio.sleep(idle)
    share = (time.process_time() - used) / idle
    answer = {"seconds": took, "bytes": resident() - before, "share": share}
    await fleet.close()
    return answer


def players() -> Samples:
    """Memory of each of 50,000 players."""
    answer = _run("players", str(PLAYERS))
    note = f"{PLAYERS:,} players take {answer['bytes'] / 2**20:.0f} MiB"
    return Samples([answer["bytes"] / PLAYERS], [PLAYER_SIZE], Unit.BYTES, notes=[note])


def _make_players(count: int) -> dict[str, Any]:
    from benchmarks.library import make_fleet

    fleet, _ = make_fleet(50)
    before = resident()
    for guild in range(1, count + 1):
        fleet.create_player(guild, node=fleet.get_node(region="eu"))
    return {"bytes": resident() - before}


async def _serve() -> None:
    from aiohttp import web

    from benchmarks.storm import FakeNode

    runner = web.AppRunner(FakeNode(()).application())
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, backlog=4096).start()
    print(f"http://127.0.0.1:{runner.addresses[0][1]}", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    await runner.cleanup()


def main(what: str, *arguments: str) -> None:
    """Be one of the processes."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    logging.disable(logging.CRITICAL)
    match what:
        case "serve":
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            asyncio.run(_serve())
        case "nodes":
            count, uri, open_files = int(arguments[0]), arguments[1], int(arguments[2])
            resource.setrlimit(resource.RLIMIT_NOFILE, (open_files or hard, hard))
            try:
                print(json.dumps(asyncio.run(_connect(count, uri))))
            except Exception as error:  # noqa: BLE001 - what gives first is what is asked
                print(json.dumps({"error": str(error) or type(error).__name__}))
        case _:
            print(json.dumps(_make_players(int(arguments[0]))))


ROWS = {
    "limit-nodes": Row(
        nodes, A_LIMIT, at_least(1),
        "How many nodes one process connects. Each takes one open file, so the usual limit of 1,024 open files gives "
        "first; `ulimit -n` or `LimitNOFILE=` lifts it.",
    ),
    "limit-players": Row(
        players, A_LIMIT, at_most(1),
        "Memory of each player of a bot, without its track. Memory gives first, not the choice of a node.",
    ),
}  # fmt: skip

if __name__ == "__main__":
    main(*sys.argv[1:])
