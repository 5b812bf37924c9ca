"""The output formats by name."""

from __future__ import annotations

import sys
from enum import StrEnum

from revvlink_cli.output.streams import is_terminal


class Format(StrEnum):
    """The output formats."""

    TABLE = "table"
    PLAIN = "plain"
    JSON = "json"
    JSONL = "jsonl"
    NAGIOS = "nagios"
    PROMETHEUS = "prometheus"
    JUNIT = "junit"
    GITHUB = "github"
    MARKDOWN = "markdown"


class CommonFormat(StrEnum):
    """Those that every command has; `check` has all."""

    TABLE = "table"
    PLAIN = "plain"
    JSON = "json"
    JSONL = "jsonl"


COMMON = tuple(map(Format, CommonFormat))
"""The same among all."""

REPORTS = tuple(kind for kind in Format if kind not in COMMON)
"""Those of monitoring systems, which carry what went wrong."""


def default_format() -> Format:
    """A table for people, plain text for programs."""
    return Format.TABLE if is_terminal(sys.stdout) else Format.PLAIN
