"""The examples in the help of every command; `test_command_lines.py` runs them on the pages of the commands."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from revvlink_cli.cli.json_schemas import leaves
from revvlink_cli.commands.shared.command import examples_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Ran

EXAMPLES = {context.command_path: examples_of(context.command) for context in leaves()}
"""Command -> its examples."""


@pytest.mark.parametrize("command", EXAMPLES)
def test_every_command_has_examples(command: str) -> None:
    """A command has one to three examples, which begin with its name and fit into 80 columns.

    Those of a default command leave its name out.
    """
    assert 1 <= len(EXAMPLES[command]) <= 3
    for line in EXAMPLES[command]:
        assert line.startswith("revvlink simulate" if command == "revvlink simulate run" else command)
        assert len(line) <= 76


def test_help_shows_the_examples(cli: Callable[..., Ran]) -> None:
    """Examples stand after the options of the command and before the global ones."""
    out = cli("route", "--help").out

    assert out.index("--explain ") < out.index("Examples:\n  revvlink route ") < out.index("Global options:")
