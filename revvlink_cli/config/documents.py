"""Reads TOML within limits, because a file found in a folder may be an attack on the parser."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from revvlink_cli.config.problems import ConfigError, Problem

if TYPE_CHECKING:
    from pathlib import Path

MOST_WORK = 5_000_000
"""Limit of the parser's steps for keys. The standard library's parser walks all parts of a dotted key, and of the
header above it, for each part of each key. A file of 8,000 nodes takes 200,000 steps."""


def read_toml(text: str, path: Path | None = None) -> dict[str, Any]:
    """The tables of a TOML document.

    Raises:
        ConfigError: The text is not valid TOML, or exceeds a limit.
    """
    import tomllib

    lines = text.split("\n")
    dots = [line.count(".") for line in lines]
    if max(dots) * (sum(dots) + len(lines)) > MOST_WORK:
        line = dots.index(max(dots)) + 1
        hint = "write tables on lines of their own"
        raise ConfigError(
            [Problem(f"has {max(dots)} dots, which is too many for a configuration", path, line, hint=hint)]
        )
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([_syntax(error, text, path)]) from None
    except RecursionError:
        raise ConfigError([Problem("is nested too deep", path)]) from None
    except ValueError:  # Python reads no decimal number of more than some thousand digits
        raise ConfigError(
            [Problem("has a number of thousands of digits, which is too many for a configuration", path)]
        ) from None


def _syntax(error: Exception, text: str, path: Path | None) -> Problem:
    found = re.search(r"^(.*) \(at (?:line (\d+), column (\d+)|end of document)\)$", str(error), re.DOTALL)
    if found is None:
        return Problem(f"is not valid TOML: {error}", path)
    if found[2] is None:
        return Problem(f"is not valid TOML: {found[1]}", path, text.count("\n") + 1, 1)
    return Problem(f"is not valid TOML: {found[1]}", path, int(found[2]), int(found[3]))
