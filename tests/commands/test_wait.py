"""`wait` as start scripts run it."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from tests.conftest import run_cli

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from revvlink_cli.simulator import Simulator


def test_wait(config: Callable[..., Path], simulator: Simulator) -> None:
    """A node that is started later is seen within a second or two; nodes that are there are told at once."""
    path = config()
    simulator["eu-1"].stop()
    timer = threading.Timer(2.0, simulator["eu-1"].start)
    timer.start()
    try:
        ran = run_cli("wait", "--config", str(path), "--timeout", "30s", "-o", "json")
    finally:
        timer.join()

    waited = {row["node"]: row for row in ran.rows}
    assert ran.code == 0
    assert {row["state"] for row in ran.rows} == {"ready"}
    assert waited["us-1"]["waited_ms"] <= waited["eu-1"]["waited_ms"] < 15_000  # equal if the command started late


def test_wait_in_vain(config: Callable[..., Path], simulator: Simulator) -> None:
    """When the time is over the reason is told; a refused password is not waited for."""
    path = config({"asia-1": {"password": "no"}})
    simulator["eu-1"].stop()

    began = time.monotonic()
    some = run_cli("wait", "--config", str(path), "--timeout", "2", "-o", "json")
    assert (some.code, time.monotonic() - began < 20) == (5, True)
    assert {error["code"] for error in some.json["errors"]} == {"connection_refused", "wrong_password"}
    assert run_cli("wait", "eu-1", "--config", str(path), "--timeout", "1").code == 3
    began = time.monotonic()
    refused = run_cli("wait", "asia-1", "--config", str(path))
    assert (refused.code, time.monotonic() - began < 30) == (4, True)


def test_wait_for_health(config: Callable[..., Path], simulator: Simulator) -> None:
    """A node that is ready and not healthy is waited for, until its figures say otherwise."""
    path = config(check={"critical": {"cpu": "50%"}})
    simulator["us-1"].set_load(system_load=0.9)
    assert run_cli("wait", "us-1", "--config", str(path), "--timeout", "10").code == 0
    unhealthy = run_cli("wait", "us-1", "--for", "healthy", "--config", str(path), "--timeout", "2", "-o", "json")
    assert (unhealthy.code, unhealthy.json["errors"][0]["code"]) == (3, "threshold")

    timer = threading.Timer(1.5, lambda: simulator["us-1"].set_load(system_load=0.1))
    timer.start()
    try:
        ran = run_cli("wait", "us-1", "--for", "healthy", "--config", str(path), "--timeout", "20")
    finally:
        timer.join()
    assert ran.code == 0


def test_wait_behind_a_proxy(simulator: Simulator, write_config: Callable[..., Path]) -> None:
    """What answers 404 or 502 in the node's place does not end the waiting."""
    from tests.situations.test_bad_servers import always, http
    from tests.situations.test_bad_servers import serving as serving_raw

    node = simulator["us-1"]
    node.stop()
    with serving_raw(always(http("404 Not Found", "no backend", kind="text/plain"))) as port:
        path = write_config({"identifier": "n", "uri": f"http://127.0.0.1:{port}", "password": "pw"})
        ran = run_cli("wait", "--config", str(path), "--timeout", "2s", "-o", "json")

    assert (ran.code, ran.json["errors"][0]["code"]) == (3, "not_lavalink")
    assert 1900 <= ran.rows[0]["waited_ms"] < 15_000
