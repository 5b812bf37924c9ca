"""The fleet and the configuration that tests of several commands share, and command lines run in this process."""

from __future__ import annotations

import io
import json
import sys
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from revvlink_cli.cli.app import run
from revvlink_cli.cli.json_schemas import FOLDER
from revvlink_cli.simulator import NodeProfile, Simulator
from tests.conftest import Ran

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    """Three nodes in three regions."""
    with Simulator(
        [
            NodeProfile(identifier="us-1", region="us", password="pw", players=10, playing=6, system_load=0.4),
            NodeProfile(identifier="eu-1", region="eu", password="pw", players=4, playing=4, system_load=0.1),
            NodeProfile(identifier="asia-1", region="asia", password="pw"),
        ]
    ) as running:
        yield running


@pytest.fixture
def config(simulator: Simulator, write_config: Callable[..., Path]) -> Callable[..., Path]:
    """Writes a configuration of those nodes; `own` has keys of single nodes, the rest are sections."""

    def write(own: dict[str, dict[str, Any]] | None = None, **sections: Any) -> Path:
        nodes = [
            {
                "identifier": node.profile.identifier,
                "uri": node.uri,
                "password": "pw",
                "region": node.profile.region,
                **(own or {}).get(node.profile.identifier, {}),
            }
            for node in simulator
        ]
        return write_config(*nodes, **sections)

    return write


@pytest.fixture
def line(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Ran]:
    """Runs a command line in this process and checks its JSON; `stdin` is what comes through a pipe."""

    def ran(*arguments: str, stdin: str = "") -> Ran:
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        code = run(arguments)
        found = Ran(code, *capfd.readouterr())
        if "json" in arguments:
            schema = json.loads((FOLDER / f"{found.json['command'].replace(' ', '-')}.json").read_text("utf-8"))
            jsonschema.validate(found.json, schema, jsonschema.Draft202012Validator)
        return found

    return ran
