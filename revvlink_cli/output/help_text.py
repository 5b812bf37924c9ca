"""Shows help texts, in colour where stdout takes it. It writes plain ANSI sequences and loads no library for them."""

from __future__ import annotations

import re
import sys

from revvlink_cli.output.streams import acts_on_sequences, wants_colour
from revvlink_cli.output.text import clean_lines

_HEADING = r"Usage:|\S.*:$|\[+[\w.]+\]+$"
"""``Usage:`` before a command line, a heading, or the name of a section of the configuration."""

_ENTRY = r" {0,2}(\S(?:\S| (?! ))*)(?=  )"
"""The name at the start of an entry: what stands before two spaces."""

_LONG_ENTRY = r" {2}(-\S.*)$"
"""An option so long that its text stands on the next line."""

_OPTION = r"--[a-z][\w-]*"

_BOLD, _CYAN, _RESET = "\x1b[1m", "\x1b[36m", "\x1b[0m"


def show_help_text(text: str, *, no_color: bool) -> str:
    """The cleaned text, with coloured headings and names if stdout takes colour."""
    text = clean_lines(text)
    has_colour = wants_colour(sys.stdout, no_color=no_color) and acts_on_sequences(sys.stdout)
    return coloured(text) if has_colour else text


def coloured(text: str) -> str:
    """A help text with its headings in bold, and the names of its options and commands in cyan."""
    lines, heading = [], ""
    for line in text.split("\n"):
        is_heading = re.match(_HEADING, line) is not None
        heading = line if is_heading else heading if line else ""
        lines.append(_coloured(line, heading))
    return "\n".join(lines)


def _coloured(line: str, heading: str) -> str:
    """One line below its heading, "" for none; the heading itself is bold."""
    if found := re.match(_HEADING, line):
        return f"{_BOLD}{found.group()}{_RESET}{line[found.end() :]}"
    if heading == "Global options:":
        return re.sub(_OPTION, rf"{_CYAN}\g<0>{_RESET}", line)
    entry = re.match(_ENTRY, line) or (re.match(_LONG_ENTRY, line) if heading else None)
    if entry is None or heading == "Examples:":
        return line
    return f"{line[: entry.start(1)]}{_CYAN}{entry[1]}{_RESET}{line[entry.end(1) :]}"
