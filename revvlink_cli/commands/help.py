"""``revvlink help``: commands, and what concerns all of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import typer

from revvlink_cli._suggestions import closest
from revvlink_cli.commands.shared.command import (
    Record,
    command,
    help_width,
    make_app,
    options_of,
    similar_commands,
)
from revvlink_cli.commands.shared.help_topics import TOPICS, list_topics
from revvlink_cli.output.result import CommandError, ExitCode, Failure, Result, column

app = make_app()


@dataclass(frozen=True, slots=True, kw_only=True)
class HelpRecord:
    """A text of the manual."""

    topic: str = column("Topic")
    text: str = column("Text")


def topics(incomplete: str) -> list[tuple[str, str]]:
    """The topics."""
    return [(name, about) for name, (about, _) in TOPICS.items() if name.startswith(incomplete)]


@command(app, "help", prints=lambda: {"": Record(HelpRecord)}, examples=("revvlink help", "revvlink help exit-codes"))
def help_(
    ctx: typer.Context,
    topic: Annotated[
        list[str] | None,
        typer.Argument(metavar="[TOPIC | COMMAND]...", help="A topic, or a command.", autocompletion=topics),
    ] = None,
) -> Result:
    """Explain a topic or a command.

    Without one, it lists the topics.
    """
    words = topic or []
    if not words:
        text = list_topics(help_width())
        return Result(HelpRecord(topic="topics", text=text), text=text, is_help=True)
    name = " ".join(words)
    if name in TOPICS:
        text = TOPICS[name][1](help_width())
        return Result(HelpRecord(topic=name, text=text), text=text, is_help=True)
    return _of_command(ctx, words)


def _of_command(ctx: typer.Context, words: list[str]) -> Result:
    """The help of a command."""
    from typer.core import TyperGroup

    options = options_of(ctx)
    here: Any = ctx.find_root()
    for word in words:
        command = here.command
        inner = command.get_command(here, word) if isinstance(command, TyperGroup) else None
        if inner is None:
            raise CommandError(_unknown(" ".join(words), here), exit_code=ExitCode.USAGE)
        here = typer.Context(inner, parent=here, info_name=word, obj=options)
    text = here.get_help()
    return Result(HelpRecord(topic=" ".join(words), text=text), text=text, is_help=True)


def _unknown(name: str, here: Any) -> Failure:
    from typer.core import TyperGroup

    command = here.command
    known = command.list_commands(here) if isinstance(command, TyperGroup) else []
    if here.parent is None:
        known = [*TOPICS, *known]
    last = name.rsplit(maxsplit=1)[-1]
    if (close := closest(last, known)) is not None:
        hint = f"did you mean {close}?"
    elif isinstance(command, TyperGroup) and (similar := similar_commands(last, here)):
        hint = f"did you mean {' or '.join(f'`{path}`' for path in similar)}?"
    else:
        hint = f"topics: {', '.join(TOPICS)}"
    return Failure("usage", f"MISS {name}", hint=hint)
