"""What the report of a failed test has of its nodes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from revvlink_cli.simulator.track_rules import rule_for
from revvlink_cli.testing.calls import described

if TYPE_CHECKING:
    from collections.abc import Iterator

    from revvlink_cli.testing.nodes import Lavalink, LavalinkFleet


MOST_LINES = 20
"""Lines of a section: the last ones."""


def sections(fleet: LavalinkFleet) -> list[tuple[str, str]]:
    """Title and text of each section that has something to say."""
    found = (
        ("lavalink: searches that no track rule matched", [line for node in fleet for line in _unmatched(node)]),
        ("lavalink: refused requests", [line for node in fleet for line in _refused(node)]),
    )
    return [(title, "\n".join(_last(lines))) for title, lines in found if lines]


def _last(lines: list[str]) -> list[str]:
    more = len(lines) - MOST_LINES
    return lines if more <= 0 else [f"... and {more} more before these", *lines[-MOST_LINES:]]


def _unmatched(node: Lavalink) -> Iterator[str]:
    for request in node.requests:
        if request.route == "/v4/loadtracks":
            identifier = request.query.get("identifier", "")
            if rule_for(identifier, node.profile.sources, node.profile.tracks) is None:
                yield f"{node.name}: {identifier}"


def _refused(node: Lavalink) -> Iterator[str]:
    for request in node.requests:
        if request.status is not None and 400 <= request.status < 500:
            yield f"{node.name}: {described(request)}"
