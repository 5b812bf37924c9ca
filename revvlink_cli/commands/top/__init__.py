"""``revvlink top``: the whole fleet on one screen, live."""

from __future__ import annotations

import typer

from revvlink_cli.commands.nodes import status, status_rows
from revvlink_cli.commands.shared import node_selection, watch_options
from revvlink_cli.commands.shared.command import Rows, command, make_app, options_of
from revvlink_cli.commands.shared.options import Nodes, Region, Tags
from revvlink_cli.output.result import FullScreen

app = make_app()


@command(
    app,
    prints=lambda: {"": Rows(status_rows.StatusTick)},
    examples=("revvlink top", "revvlink top --tag prod --interval 2s"),
)
def top(
    ctx: typer.Context,
    node_names: Nodes = None,
    tag: Tags = None,
    region: Region = None,
    interval: watch_options.Interval = None,
) -> FullScreen:
    """Fill the terminal with the fleet, live.

    Broken nodes stay on top. The screen shows totals, regions, every node and the last events; `?` shows the keys. The
    nodes send their figures over the websocket. Through a pipe, this command is `nodes status --watch`.
    """
    options = options_of(ctx)
    span = watch_options.read_span(interval or "1s", None, None, watch=True)
    settings = node_selection.load_settings(options)

    choose = node_selection.make_chooser(options, node_names, tag, region)
    job = watch_options.WatchJob(settings, options, span, choose(settings), choose)
    from revvlink_cli.commands.top.console import Console

    console = Console(job, options.source.context if options.source is not None else None)
    return FullScreen(console.pictures, console.press, status.watched_status(job, "penalty"))
