"""Versions in the order of Semantic Versioning: 4.2.2-beta.1 < 4.2.2-beta.2 < 4.2.2 < 4.3."""

from __future__ import annotations

import re
from functools import total_ordering

_IDENTIFIERS = r"[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*"
_VERSION = re.compile(rf"([0-9]{{1,9}}(?:\.[0-9]{{1,9}})*)(?:-({_IDENTIFIERS}))?(?:\+{_IDENTIFIERS})?")
PATTERN = rf"^v?\d+(\.\d+)*(-{_IDENTIFIERS})?(\+{_IDENTIFIERS})?$"
"""The same pattern for a JSON Schema."""


@total_ordering
class Version:
    """A version that compares with others; missing parts are 0, so 4.2 equals 4.2.0.

    Source: semver.org, "Precedence". A build (``+abc``) makes no difference.
    """

    __slots__ = ("_key", "text")

    def __init__(self, text: str) -> None:
        """Reads a version.

        Raises:
            ValueError: The text is not a version.
        """
        self.text = text.strip().removeprefix("v")
        found = _VERSION.fullmatch(self.text)
        if found is None:
            raise ValueError(f"{text!r} is not a version: write numbers and dots, such as 4.2.0")
        numbers = list(map(int, found[1].split(".")))
        while numbers and numbers[-1] == 0:
            numbers.pop()
        # A release comes after its pre-releases; numeric identifiers come before words.
        before = [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in (found[2] or "").split(".")]
        self._key = (numbers, found[2] is None, before)

    def __eq__(self, other: object) -> bool:
        """Whether both have the same precedence."""
        return isinstance(other, Version) and self._key == other._key

    def __lt__(self, other: Version) -> bool:
        """Whether this one comes before the other."""
        return self._key < other._key

    def __hash__(self) -> int:
        """Equal versions have equal hashes."""
        return hash(str(self._key))

    def __str__(self) -> str:
        """The original text, without a ``v``."""
        return self.text

    def __repr__(self) -> str:
        """The version, as in messages."""
        return f"Version({self.text!r})"
