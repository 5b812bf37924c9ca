"""``revvlink simulate ctl``: controls simulated nodes that run, through their admin API."""

from __future__ import annotations

from typing import TYPE_CHECKING

from revvlink_cli.commands.shared.command import make_group

if TYPE_CHECKING:
    import typer

GROUP = make_group(
    "revvlink_cli.commands.simulate.ctl",
    {
        "nodes": "lists", "players": "lists", "requests": "lists", "events": "lists", "faults": "lists",
        "kill": "actions", "stop": "actions", "start": "actions", "drop": "actions", "freeze": "actions",
        "thaw": "actions",
        "load": "changes", "frames": "changes", "event": "changes", "close-voice": "changes", "fault": "changes",
        "end-fault": "changes",
        "wait": "waiting", "clock": "waiting", "advance": "waiting", "reset": "waiting",
    },
)  # fmt: skip


def add_to(app: typer.Typer) -> None:
    """Add the group."""
    app.add_typer(GROUP, name="ctl", help="Control simulated nodes that run: see `simulate --admin`.")
