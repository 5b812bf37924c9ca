"""Writes the manual page from ``--help`` and ``revvlink help``; ``--check`` writes nothing and reports a stale page.

python docs/man.py [--check]
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from revvlink_cli._version import __version__
from revvlink_cli.cli.app import COMMAND_GROUPS, app
from revvlink_cli.cli.json_schemas import leaves_below
from revvlink_cli.commands.shared.command import Options, examples_of
from revvlink_cli.commands.shared.help_topics import ENVIRONMENT, FILES, TOPICS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

SPECIAL = {"\\": "\\e", "-": "\\-", "'": "\\(aq", "`": "\\(ga", ".": "\\&."}
"""Characters with a meaning in troff -> their escaped form."""

WIDTH = 72
"""Columns of texts that are not filled: a page has 80, less the indentation."""

DESCRIPTION = (
    """revvlink is the operator's tool for a fleet of Lavalink v4 nodes, the audio servers behind Discord music bots.
    NodeLink 3 works too. It connects to the nodes as a bot would and shows their state. It finds the node for the next
    player, searches and plays tracks, and checks health for people, cron and monitoring.""",
    """The nodes are listed in a configuration, see CONFIGURATION. `revvlink init` writes one. `revvlink demo` shows
    every command on a simulated fleet, without a node of your own.""",
    "Data goes to standard output, messages go to standard error, see OUTPUT.",
)
"""Paragraphs on the program as a whole; the groups of commands follow them."""

PAGE = Path(__file__).parent.parent / "man" / "revvlink.1"


def escaped(text: str) -> str:
    """Escape a text for troff."""
    return "".join(SPECIAL.get(char, char) for char in text)


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


def description() -> Iterator[str]:
    """What the program is for, and what stands where in this page."""
    for paragraph in DESCRIPTION:
        yield from (".PP", escaped(" ".join(paragraph.split())))
    for title, names in COMMAND_GROUPS.items():
        yield from (".TP", f"\\fB{escaped(title)}\\fR", escaped(", ".join(names)))


def examples(contexts: Iterable[Any]) -> Iterator[str]:
    """The first example of each command, and of the first command of each group."""
    seen = set()
    for context in contexts:
        name = context.command_path.split()[1]
        if name not in seen:
            seen.add(name)
            short = context.command.get_short_help_str(sys.maxsize)
            yield from (".TP", f"\\fB{escaped(examples_of(context.command)[0])}\\fR", escaped(short))


def see_also() -> Iterator[str]:
    """Related manual pages, and other documentation."""
    pages = (("curl", 1), ("jq", 1), ("crontab", 5), ("systemd.timer", 5), ("tmux", 1))
    yield ",\n".join(f"\\fB{escaped(name)}\\fR({number})" for name, number in pages)
    yield from (".PP", escaped("`revvlink help TOPIC` and `revvlink COMMAND --help` show parts of this page."))
    yield from (".PP", escaped("The folder docs of the source has pages on monitoring, players, the cache and more."))


def entries(table: Mapping[str, str]) -> Iterator[str]:
    """Names and their meanings."""
    for name, meaning in table.items():
        yield from (".TP", f"\\fB{escaped(name)}\\fR", escaped(meaning))


def topic(name: str) -> Iterator[str]:
    """The text of a help topic, as it is."""
    yield from (".nf", *map(escaped, TOPICS[name][1](WIDTH).split("\n")), ".fi")


def page() -> str:
    """The whole page, with the usual sections in their usual order."""
    root = typer.Context(typer.main.get_command(app), info_name="revvlink", obj=Options())
    contexts = list(leaves_below(root))
    sections: dict[str, Iterable[str]] = {
        "NAME": ["revvlink \\- the operator\\(aqs tool for a fleet of Lavalink nodes"],
        "SYNOPSIS": ["\\fBrevvlink\\fR [\\fIOPTIONS\\fR] \\fICOMMAND\\fR [\\fIARGUMENTS\\fR]"],
        "DESCRIPTION": description(),
        "OPTIONS": ["These options may stand before or after the command.", *parameters(root, shared=True)],
        "COMMANDS": [line for context in contexts for line in section(context)],
        "OUTPUT": topic("output"),
        "CONFIGURATION": topic("configuration"),
        "PENALTY": topic("penalty"),
        "EXIT STATUS": topic("exit-codes"),
        "ENVIRONMENT": entries(ENVIRONMENT),
        "FILES": entries(FILES),
        "EXAMPLES": examples(contexts),
        "SEE ALSO": see_also(),
    }
    lines = [
        f'.TH REVVLINK 1 "" "revvlink {escaped(__version__)}" "User Commands"',
        ".nh",
        ".ad l",
    ]  # no word is split: some are to be typed
    for title, body in sections.items():
        lines += [f".SH {title}", *body]
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
