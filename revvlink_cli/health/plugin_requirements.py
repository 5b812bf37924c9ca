"""Required plugins: a name, with or without version specifiers, such as ``youtube-plugin>=1.13,<2``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_SPECIFIERS = re.compile(r"[<>=!~]")
"""Where the specifiers of a requirement begin; what comes before is the name."""

EXAMPLE = "write one such as youtube-plugin>=1.13, with several versions separated by commas"


@dataclass(frozen=True, slots=True)
class PluginRequirement:
    """A plugin that a node must have loaded.

    Attributes:
        name: Its name, compared without regard to case.
        specifiers: Version specifiers as in Python packages, such as ``>=1.13,<2``; "" for any version.
    """

    name: str
    specifiers: str = ""

    def __str__(self) -> str:
        """The requirement as in the configuration."""
        return f"{self.name}{self.specifiers}"

    def allows(self, version: str) -> bool | None:
        """Whether a plugin of this version meets the specifiers; None if its version cannot be compared.

        Pre-releases count as versions. A version has a dot: a plugin that was built from a commit has a hash instead.
        """
        if not self.specifiers:
            return True
        from packaging.specifiers import SpecifierSet  # most requirements have no specifier, and start faster without
        from packaging.version import Version

        try:
            found = Version(version) if "." in version else None
        except ValueError:  # also for numbers with more digits than Python reads
            found = None
        return SpecifierSet(self.specifiers).contains(found, prereleases=True) if found is not None else None


def read_plugins(texts: Iterable[str]) -> tuple[PluginRequirement, ...]:
    """Reads required plugins.

    Raises:
        ValueError: Some of the texts are not requirements; the message has all mistakes.
    """
    found: list[PluginRequirement] = []
    mistakes: list[str] = []
    for text in texts:
        start = _SPECIFIERS.search(text)
        name = (text[: start.start()] if start is not None else text).strip()
        if start is None:
            found.append(PluginRequirement(name))
            continue
        clauses = [clause.strip() for clause in text[start.start() :].split(",")]
        mistakes += [f"{text!r} does not name a plugin"] if not name else []
        mistakes += [f"{text!r}: {clause!r} is not a version specifier" for clause in clauses if not _is_valid(clause)]
        found.append(PluginRequirement(name, ",".join(clauses)))
    if mistakes:
        raise ValueError(f"{'; '.join(mistakes)}: {EXAMPLE}")
    return tuple(found)


def _is_valid(clause: str) -> bool:
    from packaging.specifiers import InvalidSpecifier, Specifier

    try:
        Specifier(clause)
    except InvalidSpecifier:
        return False
    return True
