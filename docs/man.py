"""Writes the manual page from ``--help`` and ``revvlink help``; ``--check`` writes nothing and reports a stale page.

python docs/man.py [--check]
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperGroup

from revvlink_cli.cli.app import app
from revvlink_cli.commands.shared.command import Options, examples_of
from revvlink_cli.commands.shared.help_topics import TOPICS

if TYPE_CHECKING:
    from collections.abc import Iterator

SPECIAL = {"\\": "\\e", "-": "\\-", "'": "\\(aq", "`": "\\(ga", ".": "\\&."}
"""Characters with a meaning in troff -> their escaped form."""

PAGE = Path(__file__).parent.parent / "man" / "revvlink.1"


def escaped(text: str) -> str:
    """Escape a text for troff."""
    return "".join(SPECIAL.get(char, char) for char in text)


def commands(context: Any) -> Iterator[Any]:
    """The contexts of all commands below one, in the order of the help."""
    for name in context.command.list_commands(context):
        inner = typer.Context(context.command.get_command(context, name), parent=context, info_name=name)
        if isinstance(inner.command, TyperGroup):
            yield from commands(inner)
        else:
            yield inner


def parameters(context: Any, *, shared: bool) -> Iterator[str]:
    """The options and arguments of a command; `shared` selects the global options instead."""
    for param in context.command.get_params(context):
        if (param.name or "").startswith("global_") is not shared or param.name == "help":
            continue
        record = param.get_help_record(context)
        if record is None:
            continue
        yield ".TP"
        yield f"\\fB{escaped(record[0])}\\fR"
        yield escaped(" ".join(record[1].split()))


def section(context: Any) -> Iterator[str]:
    """The section of one command."""
    path = context.command_path
    usage = " ".join(context.command.collect_usage_pieces(context))
    yield f".SS {escaped(path.partition(' ')[2])}"
    yield f"\\fB{escaped(path)}\\fR {escaped(usage)}"
    for paragraph in (context.command.help or "").split("\n\n"):
        yield ".PP"
        yield escaped(" ".join(paragraph.split()))
    yield from parameters(context, shared=False)
    if examples := examples_of(context.command):
        yield from (".PP", "Examples:", ".nf", *(f"    {escaped(example)}" for example in examples), ".fi")


def page() -> str:
    """The whole page."""
    root = typer.Context(typer.main.get_command(app), info_name="revvlink", obj=Options())
    lines = [
        ".TH REVVLINK 1",
        ".SH NAME",
        "revvlink \\- the operator\\(aqs tool for a fleet of Lavalink nodes",
        ".SH SYNOPSIS",
        "\\fBrevvlink\\fR [\\fIOPTIONS\\fR] \\fICOMMAND\\fR [\\fIARGUMENTS\\fR]",
        ".SH OPTIONS",
        "These options may stand before or after the command.",
        *parameters(root, shared=True),
        ".SH COMMANDS",
    ]
    for context in commands(root):
        lines += section(context)
    for name, (_, text) in TOPICS.items():
        if name == "options":  # they have a section of their own above
            continue
        lines += [f".SH {escaped(name.upper().replace('-', ' '))}", ".nf", *map(escaped, text().split("\n")), ".fi"]
    return "\n".join(lines) + "\n"


def main() -> int:
    """Write the page, or check it."""
    text = page()
    if "--check" not in sys.argv:
        PAGE.parent.mkdir(exist_ok=True)
        PAGE.write_text(text, encoding="utf-8")
        return 0
    if PAGE.read_text(encoding="utf-8") == text:
        return 0
    sys.stderr.write("the manual page is stale; run python docs/man.py\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
