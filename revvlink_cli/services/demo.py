"""A simulated fleet for trying commands, and its configuration."""

from __future__ import annotations

import secrets
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import tomli_w

from revvlink_cli.simulator import NodeProfile, Simulator

if TYPE_CHECKING:
    from collections.abc import Iterator


def profiles(password: str) -> tuple[NodeProfile, ...]:
    """Three nodes with different loads and regions; they really send sound to voice servers, as of `play --listen`."""
    loads = (("us", 64, 41, 0.34), ("eu", 120, 97, 0.58), ("asia", 9, 6, 0.12))
    return tuple(
        NodeProfile(
            identifier=f"sim-{region}",
            region=region,
            password=password,
            players=players,
            playing=playing,
            system_load=load,
            audio="sound",
        )
        for region, players, playing, load in loads
    )


@contextmanager
def simulated_fleet() -> Iterator[Path]:
    """Start three simulated nodes on free loopback ports; gives the path of a configuration file for them."""
    password = secrets.token_urlsafe(18)
    with Simulator(profiles(password)) as simulator, tempfile.TemporaryDirectory(prefix="revvlink-demo-") as folder:
        path = Path(folder) / "revvlink.toml"
        path.touch(mode=0o600)
        nodes = [
            {
                "identifier": node.profile.identifier,
                "uri": node.uri,
                "password": node.password,
                "region": node.profile.region,
                "tags": ["simulated"],
            }
            for node in simulator
        ]
        path.write_text(tomli_w.dumps({"cache": {"path": "cache.sqlite3"}, "nodes": nodes}), encoding="utf-8")
        yield path
