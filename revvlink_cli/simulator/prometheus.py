"""The page for Prometheus of a simulated node."""

from __future__ import annotations

from typing import Any


def metrics(stats: dict[str, Any]) -> str:
    """The statistics in the format of Prometheus."""
    memory, cpu = stats["memory"], stats["cpu"]
    samples = {
        "players_total": ("Total number of players connected.", stats["players"]),
        "playing_players_total": ("Number of players currently playing audio.", stats["playingPlayers"]),
        "uptime_milliseconds": ("Uptime of the node in milliseconds.", stats["uptime"]),
        **{
            f"memory_{name}_bytes": (f"Memory statistics in bytes. ({name.capitalize()})", memory[name])
            for name in ("free", "used", "allocated", "reservable")
        },
        "cpu_cores": ("CPU statistics. (Cores)", cpu["cores"]),
        "cpu_system_load_percentage": ("CPU statistics. (System Load)", cpu["systemLoad"]),
        "cpu_lavalink_load_percentage": ("CPU statistics. (LL Load)", cpu["lavalinkLoad"]),
    }
    return "".join(
        f"# HELP lavalink_{name} {text}\n# TYPE lavalink_{name} gauge\nlavalink_{name} {float(value)}\n"
        for name, (text, value) in samples.items()
    )
