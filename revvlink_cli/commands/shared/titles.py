"""Titles of tables: they name the context, so that one fleet is not mistaken for another."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from revvlink_cli.commands.shared.command import Options
    from revvlink_cli.output.result import Result

SUBJECTS = {
    "nodes": "Nodes",
    "nodes info": "Node",
    "connect": "Connections",
    "events": "Events",
    "wait": "Nodes",
    "players": "Players",
    "route": "Nodes",
    "routeplanner": "Route planners",
    "search": "Tracks",
    "play": "Nodes",
    "cache": "Cache",
    "silence list": "Silences",
    "config show": "Configuration",
}
"""Command, or group of commands -> what its table shows. A table without an entry here gets no title."""


def named(subject: str, context: str | None) -> str:
    """A title: ``Nodes``, or in a context ``Nodes of prod``."""
    return subject if context is None else f"{subject} of {context}"


def in_context(title: str, context: str | None) -> str:
    """A title that is a whole sentence, after the name of its context: ``prod: us is served by us-1``."""
    return title if context is None else f"{context}: {title}"


def context_title(options: Options) -> str | None:
    """The title of what a command shows of a context: ``Events of prod``; None without a context."""
    context = options.source.context if options.source is not None else None
    subject = SUBJECTS.get(options.command) or SUBJECTS.get(options.command.partition(" ")[0])
    return named(subject, context) if context is not None and subject is not None else None


def with_title(result: Result, options: Options) -> Result:
    """A result whose table says of which context it is. A result with a title, or without a context, stays as it is."""
    title = context_title(options)
    return result if title is None or result.title is not None or result.data is None else replace(result, title=title)
