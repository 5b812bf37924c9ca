"""The table of output formats. To add one: one line here, one module with its renderer, one test."""

from __future__ import annotations

import sys
from enum import Enum, StrEnum, auto
from typing import Self

from revvlink_cli.output.streams import is_terminal


class Layout(Enum):
    """How a format arranges data, which decides how a command's outcome is written in it."""

    TEXT = auto()
    """Text for people and scripts. Of a command with `--watch` it shows each sample as a whole table."""
    OBJECTS = auto()
    """One object per line, as rows arrive."""
    DOCUMENT = auto()
    """One document, written at the end, so it cannot hold rows without end."""
    REPORT = auto()
    """One document made from the report of a check, which contains its errors. `play` has Markdown as well."""


class Format(StrEnum):
    """The output formats: the name after ``-o``, the module and class of the renderer, the layout."""

    module: str
    renderer: str
    layout: Layout

    def __new__(cls, name: str, renderer: str, layout: Layout) -> Self:
        """Make one format; the renderer is named, not imported, so that only the chosen one is loaded."""
        made = str.__new__(cls, name)
        made._value_ = name
        made.module, _, made.renderer = renderer.partition(":")
        made.layout = layout
        return made

    @classmethod
    def named(cls, name: str) -> Self:
        """The format of that name."""
        return cls[name.upper()]

    TABLE = "table", "table:TableRenderer", Layout.TEXT
    WIDE = "wide", "table:WideTableRenderer", Layout.TEXT
    PLAIN = "plain", "plain:PlainRenderer", Layout.TEXT
    CSV = "csv", "csv_format:CsvRenderer", Layout.TEXT
    NAME = "name", "name:NameRenderer", Layout.TEXT
    JSON = "json", "json_format:JsonRenderer", Layout.DOCUMENT
    JSONL = "jsonl", "json_format:JsonLinesRenderer", Layout.OBJECTS
    YAML = "yaml", "yaml_format:YamlRenderer", Layout.DOCUMENT
    NAGIOS = "nagios", "nagios:NagiosRenderer", Layout.REPORT
    PROMETHEUS = "prometheus", "prometheus:PrometheusRenderer", Layout.REPORT
    JUNIT = "junit", "junit:JUnitRenderer", Layout.REPORT
    GITHUB = "github", "github:GitHubRenderer", Layout.REPORT
    MARKDOWN = "markdown", "markdown:MarkdownRenderer", Layout.REPORT


TABLES = (Format.TABLE, Format.WIDE)
"""The formats for people: tables, with notes, and with rows in trouble first."""

WITH_COLUMNS = (Format.TABLE, Format.WIDE, Format.PLAIN, Format.CSV)
"""The formats with columns, which `--columns` chooses."""

REPORTS = tuple(kind for kind in Format if kind.layout is Layout.REPORT)
"""The formats of monitoring and CI systems, which only `check` has."""

COMMON = tuple(kind for kind in Format if kind not in REPORTS)
"""The formats of every command."""

HELP = "Output format; table on a terminal, plain elsewhere."
"""Help of ``--output``."""


def default_format(terminal: Format = Format.TABLE, piped: Format = Format.PLAIN) -> Format:
    """The format when none is given: `terminal` if stdout is a terminal, else `piped`."""
    return terminal if is_terminal(sys.stdout) else piped
