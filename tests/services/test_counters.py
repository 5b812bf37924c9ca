"""The counters of the exporter, and the figures of its process."""

from __future__ import annotations

import os
import platform
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from revvlink_cli._version import __version__
from tests.services.running_exporter import ask, configured, entry, eventually, exporter, fleet, samples, ups

if TYPE_CHECKING:
    from collections.abc import Callable


def test_what_happens_is_counted(write_config: Callable[..., Path]) -> None:
    """Losses, returns, probes and canaries are counted from 0, and the series of a node end when it leaves."""
    check = {"canaries": ["ytsearch:night"]}
    with fleet() as simulator, exporter(configured(write_config, simulator, check=check)) as running:

        def counted(name: str, **labels: str) -> float | None:
            found = samples(ask(f"{running.url}/metrics").text)
            return found.get((f"revvlink_{name}_total", tuple(sorted(labels.items()))))

        eventually(lambda: ups(running) == {"us-1": 1.0, "us-2": 1.0, "eu-1": 1.0}, "every node is up")
        assert counted("node_lost_connections", node="us-1") == 0
        assert counted("node_reconnects", node="us-1") == 0
        assert [counted("probes", node="us-1", result=each) for each in ("success", "failure", "timeout")] == [0, 0, 0]
        simulator["us-1"].drop()
        eventually(lambda: counted("node_lost_connections", node="us-1") == 1, "the loss is counted")
        eventually(lambda: counted("node_reconnects", node="us-1") == 1, "the return is counted")
        assert counted("node_lost_connections", node="us-2") == 0

        ask(f"{running.url}/probe?target=us-1")
        simulator["us-2"].kill()
        ask(f"{running.url}/probe?target=us-2")
        assert counted("probes", node="us-1", result="success") == 1
        assert counted("probes", node="us-2", result="failure") == 1
        canary = {"check": "load", "canary": "ytsearch:night", "node": "us-1"}
        assert counted("canary_runs", result="ok", **canary) == 1
        assert counted("canary_runs", result="critical", **canary) == 0

        opened = ask(f"{running.url}/metrics", {"Accept": "application/openmetrics-text; version=1.0.0"})
        assert 'revvlink_node_lost_connections_created{node="us-1"} ' in opened.text
        write_config(entry(simulator["eu-1"]), check=check)
        assert ask(f"{running.url}/-/reload", method="POST").status == 200
        eventually(lambda: ups(running) == {"eu-1": 1.0}, "two nodes have left")
        left = ask(f"{running.url}/metrics").text
        assert "us-1" not in left
        assert "us-2" not in left
        assert "revvlink_config_last_reload_successful 1" in left


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux'")
def test_the_process_shows_itself(write_config: Callable[..., Path]) -> None:
    """The figures are those of the exporter's process, and the versions are labels."""
    with fleet() as simulator, exporter(configured(write_config, simulator)) as running:
        found = samples(ask(f"{running.url}/metrics").text)
        status = Path(f"/proc/{running.process.pid}/status").read_text("utf-8")
        size = int(status.partition("VmRSS:")[2].split()[0]) * 1024

        assert abs(found["process_resident_memory_bytes", ()] - size) < size / 5
        stat = Path(f"/proc/{running.process.pid}/stat").read_text("utf-8").rpartition(")")[2].split()
        used = (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK")
        assert 0.0 < found["process_cpu_seconds_total", ()] == pytest.approx(used, abs=0.5)
        assert abs(found["process_start_time_seconds", ()] - time.time()) < 120
        assert 5 < found["process_open_fds", ()] < 100
        assert found["process_max_fds", ()] > 100
        assert found["process_virtual_memory_bytes", ()] > size
        versions = (("python", platform.python_version()), ("version", __version__))
        assert found["revvlink_build_info", versions] == 1
        assert abs(found["revvlink_config_last_reload_success_timestamp_seconds", ()] - time.time()) < 120
