"""Lists of public nodes, as lavalink-list has them."""

from __future__ import annotations

from revvlink_cli.config.node_lists.entries import Fields, marks
from revvlink_cli.config.node_lists.formats.node_format import NodeFormat, finder

FORMAT = NodeFormat(
    name="lavalink-list",
    title="Lists of public nodes",
    reads="objects with `identifier`, `host`, `port`, `password`, and `restVersion` or `authorId`; nodes of v3 are "
    "reported",
    find=finder(
        Fields(
            marks=marks("host port restversion", "host port authorid"),
            host=("host",),
            password=("password", "authorization"),
        )
    ),
)
