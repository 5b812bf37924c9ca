"""``revvlink demo``: the tool on a simulated fleet, without a node of your own."""

from __future__ import annotations

from typing import Annotated

import typer

from revvlink_cli.commands.shared.command import Rows, command, make_app, options_of
from revvlink_cli.output.result import Script

app = make_app()

TOUR = (
    ("nodes", "status"),
    ("region", "us-east1.discord.gg:443", "c-gru03-1a2b3c4d.discord.media:8443", "japan7.discord.media", "--route"),
    ("search", "night"),
    ("connect",),
)


@command(
    app,
    prints=lambda: {"": Rows(None)},
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
    examples=("revvlink demo", "revvlink demo -- nodes status"),
)
def demo(
    ctx: typer.Context,
    command: Annotated[
        list[str] | None, typer.Argument(metavar="[-- COMMAND...]", help="A command to run on the simulated fleet.")
    ] = None,
) -> Script:
    """Try every command on a simulated fleet.

    Three simulated nodes start in us, eu and asia. A command after -- runs on them instead of the tour.
    """
    options_of(ctx)

    from revvlink_cli.services.demo import simulated_fleet

    return Script(
        environment=simulated_fleet,
        steps=(tuple(command),) if command else TOUR,
        note="the nodes are simulated: this machine plays their part, nothing leaves it",
    )
