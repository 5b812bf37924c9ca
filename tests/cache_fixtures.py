"""A node to search on, and commands that keep what it answered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from revvlink_cli.simulator import NodeProfile, Simulator
from tests.conftest import run_cli
from tests.run_in_process import run_in_process

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from revvlink_cli.simulator import SimulatedNode
    from tests.conftest import Ran


@pytest.fixture
def node() -> Iterator[SimulatedNode]:
    """A simulated node."""
    with Simulator([NodeProfile(identifier="one")]) as simulator:
        yield simulator["one"]


@pytest.fixture
def run(node: SimulatedNode, write_config: Callable[..., Path]) -> Callable[..., Ran]:
    """Runs a command with a configuration that has the node as its one node; `cache` are keys of ``[cache]``.

    It runs in this process, unless it gets standard input or is interrupted.
    """

    def run_with_config(*arguments: str, cache: dict[str, Any] | None = None, **more: Any) -> Ran:
        one = {"identifier": "one", "uri": node.uri, "password": node.password}
        path = write_config(one, **({"cache": cache} if cache else {}))
        line = ("--config", str(path), *arguments)
        if more.keys() & {"stdin", "timeout", "interrupt_after"}:
            return run_cli(*line, **more)
        ran = run_in_process(line, **{"COLUMNS": "200", **more})
        assert "Traceback" not in ran.err, ran.err
        return ran

    return run_with_config
