"""A fleet larger than the limit of open files that processes are usually started with."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

from revvlink_cli.simulator import NodeProfile, Simulator

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def test_more_nodes_than_open_files(write_config: Callable[..., Path]) -> None:
    """The command raises its own limit as far as the system lets it, and reaches every node."""
    with Simulator([NodeProfile(identifier=f"n{number}", password="pw") for number in range(80)]) as simulator:
        path = write_config(
            *({"identifier": node.profile.identifier, "uri": node.uri, "password": "pw"} for node in simulator)
        )
        done = subprocess.run(
            ["sh", "-c", 'ulimit -Sn 100; exec "$@"', "sh", sys.executable, "-m", "revvlink_cli", "--config", str(path),
             "connect", "-o", "json"],
            capture_output=True,
            text=True,
            check=False,
        )  # fmt: skip

    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)["data"]) == 80
