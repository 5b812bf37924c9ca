"""Other people's clients on a simulated node: each step comes to what ``outcomes.json`` has.

Every client does the same steps in a process of its own; ``scripts/`` has a script for each. An outcome is what the
client says, and whether the server has it; a client's own defects stand there as they are. The same scripts run on
genuine servers where ``REVVLINK_TEST_GENUINE`` names a folder that starts them, and must come to the same.

``REVVLINK_TEST_CLIENTS=1`` runs these tests, ``REVVLINK_TEST_GOLDEN=write`` writes the outcomes anew.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import aiohttp
import pytest

from tests.third_party.catalogue import HERE, OUTCOMES, PHASES, ThirdParty, pinned, third_parties
from tests.third_party.environments import KEPT, command
from tests.third_party.gate import Gate
from tests.third_party.stage import Stage, play

if TYPE_CHECKING:
    from pathlib import Path

    from tests.third_party.conftest import Servers

pytestmark = pytest.mark.skipif(
    not os.environ.get("REVVLINK_TEST_CLIENTS"), reason="REVVLINK_TEST_CLIENTS=1 tries other people's clients"
)

STAND_IN = HERE.parents[1] / "docs" / "recipes"
"""The folder of the stand-in for Discord that the documentation has for tests of bots."""

TRIED = [(client, kind, phase) for client in third_parties() for kind in client.kinds for phase in PHASES]


def _pin(kind: str, client: str, phase: str, outcomes: dict[str, str]) -> None:
    """Write the outcomes of one phase; tests run side by side."""
    with OUTCOMES.open("r+", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        table = json.load(file)
        table.setdefault(kind, {}).setdefault(client, {})[phase] = outcomes
        in_order = {name: table[name] for name in sorted(table)}
        for name, clients in in_order.items():
            known = [entry.name for entry in third_parties() if name in entry.kinds and entry.name in clients]
            in_order[name] = {entry: {p: clients[entry][p] for p in PHASES if p in clients[entry]} for entry in known}
        file.seek(0)
        file.truncate()
        file.write(json.dumps(in_order, indent=2, ensure_ascii=False) + "\n")


async def _try(client: ThirdParty, kind: str, phase: str, servers: Servers, log: Path) -> dict[str, str]:
    """The outcomes of one phase of a client's script."""
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(aiohttp.ClientSession())
        nodes = servers.nodes(kind, PHASES[phase])
        gates = [await stack.enter_async_context(Gate(port, password)) for port, password in nodes]
        stage = Stage(gates, http)
        setting = {
            "kind": kind,
            "phase": phase,
            "nodes": [{"host": "127.0.0.1", "port": gate.port, "password": gate.password} for gate in gates],
            "endpoint": servers.endpoint,
            "tracks": servers.tracks(kind),
        }
        environment = {**os.environ, "CLIENT_FOLDER": str(KEPT / client.name), "PYTHONPATH": str(STAND_IN)}
        await play([*command(client), json.dumps(setting)], log, environment, stage)
    return stage.outcomes


@pytest.mark.parametrize(
    ("client", "kind", "phase"), TRIED, ids=[f"{client.name}-{kind}-{phase}" for client, kind, phase in TRIED]
)
def test_client_comes_to_its_outcomes(
    client: ThirdParty, kind: str, phase: str, servers: Servers, tmp_path: Path
) -> None:
    """Each step of a client's script comes to what is pinned, on simulated nodes and on genuine ones."""
    log = tmp_path / f"{client.name}.log"

    outcomes = asyncio.run(_try(client, kind, phase, servers, log))

    if os.environ.get("REVVLINK_TEST_GOLDEN") == "write" and not servers.are_genuine:
        _pin(kind, client.name, phase, outcomes)
    said = log.read_text(encoding="utf-8", errors="replace")[-3000:]
    assert outcomes == pinned()[kind][client.name][phase], said
