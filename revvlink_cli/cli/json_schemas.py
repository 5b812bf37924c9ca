"""The JSON Schemas of commands and of alerts. `make schemas` writes them into the package; tests compare them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperGroup

from revvlink_cli.cli.app import app
from revvlink_cli.commands.shared.command import Record, Rows, prints_of
from revvlink_cli.output.schema import envelope_schema, record_schema, rows_schema
from revvlink_cli.output.status_json import status_schema
from revvlink_cli.services.alerting.payload_schema import payload_schema

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

FOLDER = Path(__file__).parent.parent / "schemas"
"""Folder of the schemas: one file per command, hyphens for spaces."""


def leaves() -> Iterator[Any]:
    """The context of every command that is not a group, in the order of the help."""
    yield from leaves_below(typer.Context(typer.main.get_command(app), info_name="revvlink"))


def leaves_below(context: Any) -> Iterator[Any]:
    """The contexts of the commands below one, or of this one, that are not groups, in the order of the help."""
    if not isinstance(context.command, TyperGroup):
        yield context
        return
    for name in context.command.list_commands(context):
        inner: Any = context.command.get_command(context, name)
        yield from leaves_below(typer.Context(inner, parent=context, info_name=name))


def printed() -> dict[str, Mapping[str, Rows | Record]]:
    """Command -> what it prints, by the option that changes it."""
    return {context.command_path.partition(" ")[2]: prints_of(context.command) for context in leaves()}


def schemas() -> dict[str, dict[str, Any]]:
    """Command -> JSON Schema of its envelope."""
    return {command: envelope_schema(command, _data_schema(variants)) for command, variants in printed().items()}


def _data_schema(variants: Mapping[str, Rows | Record]) -> dict[str, Any]:
    found: list[dict[str, Any]] = []
    for variant in variants.values():
        match variant:
            case Rows(in_json=False):
                continue
            case Rows(kind=type() as kind):
                one = rows_schema(kind)
            case Rows():
                one = {"type": "array", "items": {"type": "object"}}
            case Record(kind=type() as kind):
                one = record_schema(kind)
            case Record():
                one = {"type": "object"}
        if one not in found:
            found.append(one)
    return found[0] if len(found) == 1 else {"anyOf": found}


def written() -> dict[str, str]:
    """File name -> text of the file in `FOLDER`."""
    found = {command.replace(" ", "-"): schema for command, schema in schemas().items()}
    found["alert"] = payload_schema()  # the group of commands with this name prints nothing itself
    found["status-page"] = status_schema()
    return {f"{name}.json": json.dumps(schema, indent=2) + "\n" for name, schema in found.items()}


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, text in written().items():
        (FOLDER / name).write_text(text, encoding="utf-8")
