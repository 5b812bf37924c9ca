"""The names of all commands, so that a test notices a new one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from revvlink_cli.cli.app import COMMANDS, app

if TYPE_CHECKING:
    from collections.abc import Iterator


def commands() -> Iterator[str]:
    """Every command there is, as typed."""
    root: Any = typer.main.get_command(app)
    for name in COMMANDS:
        inner = getattr(root.get_command(None, name), "commands", None)
        yield from (f"{name} {sub}" for sub in inner) if inner else (name,)
