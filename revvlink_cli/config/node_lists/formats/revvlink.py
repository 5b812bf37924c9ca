"""revvlink, the Python library: Wavelink's nodes, each with a region."""

from __future__ import annotations

from revvlink_cli.config.node_lists.entries import Fields, marks
from revvlink_cli.config.node_lists.formats.node_format import NodeFormat, finder
from revvlink_cli.config.node_lists.formats.wavelink import write_python

FORMAT = NodeFormat(
    name="revvlink",
    title="revvlink (Python)",
    reads="calls of `revvlink.Node` in Python; tables with `uri`, `password` and `region`",
    find=finder(Fields(marks=marks("uri password region"), uri=("uri",), calls={"revvlink.Node": ()})),
    write=lambda nodes: write_python(nodes, "revvlink", has_region=True),
    has_region=True,
)
