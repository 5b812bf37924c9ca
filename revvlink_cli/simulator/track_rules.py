"""Rules for the tracks that a node finds; a rule invents what it finds.

The same identifier always gives the same tracks, so that two nodes of a scenario agree.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from revvlink_cli.simulator.invented import Place, invented, place_of
from revvlink_cli.simulator.music import SOURCES, Loaded, look_up

if TYPE_CHECKING:
    from collections.abc import Iterable

RESULTS = ("auto", "track", "search", "playlist", "empty", "error")
"""What a load may give: ``auto`` is what the source gives for words, or for the address of a track or a playlist."""

SEVERITIES = ("common", "suspicious", "fault")
"""Severities of a failed load."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackRule:
    """The answer to identifiers of one kind.

    Attributes:
        match: A pattern of the whole identifier, such as ``ytsearch:*``, or "".
        regex: A regular expression of the whole identifier, in place of `match`.
        result: One of `RESULTS`.
        title: Title of the first track, or name of the playlist; "" invents one.
        author: Author of the tracks; "" invents one.
        length_s: Seconds that each track lasts; None invents it.
        count: Number of tracks in a search or playlist.
        message: The message of an error.
        severity: Severity of an error.
        cause: The innermost cause of an error.
    """

    match: str = ""
    regex: str = ""
    result: str = "auto"
    title: str = ""
    author: str = ""
    length_s: float | None = None
    count: int = 5
    message: str = "Something went wrong while looking up the track."
    severity: str = "fault"
    cause: str = "java.lang.IllegalStateException: the scenario says so"

    def takes(self, identifier: str) -> bool:
        """Whether the rule is for this identifier."""
        if self.regex:
            return re.fullmatch(self.regex, identifier) is not None
        return fnmatchcase(identifier, self.match)

    def load(self, identifier: str, place: Place | None) -> Loaded:
        """The answer to an identifier that the rule takes."""
        if self.result in ("empty", "error") or (place is not None and place.kind == "search" and not place.name):
            kind = "error" if self.result == "error" else "empty"
            return Loaded(kind, reason=self.cause, message=self.message, severity=self.severity)
        place = place or Place("sim", self.result, identifier)
        result = place.kind if self.result == "auto" else self.result
        count = 1 if result == "track" else self.count
        name, tracks = invented(identifier, place, count, self.title, self.author, self.length_s)
        return Loaded(result, tracks, name if result == "playlist" else "")


def rule_for(identifier: str, sources: tuple[str, ...], rules: Iterable[TrackRule]) -> TrackRule | None:
    """The rule that answers an identifier on a node with these sources; None if none does."""
    place = place_of(identifier)
    if place is not None and place.source not in sources:
        return None
    return next((rule for rule in rules if rule.takes(identifier) and (place or rule.result != "auto")), None)


def load(identifier: str, sources: tuple[str, ...], rules: Iterable[TrackRule]) -> Loaded:
    """The answer of a node with these sources and rules; without a rule, what the simulator has."""
    rule = rule_for(identifier, sources, rules)
    return look_up(identifier, sources) if rule is None else rule.load(identifier, place_of(identifier))


ALL_SOURCES = (*SOURCES, "spotify")
"""The simulator's own sources, and those that only rules answer for."""

ANY_WORDS = (TrackRule(match="*", result="auto"),)
"""With this rule any words and the addresses of well-known sources find tracks."""
