"""Rows of several fleets, each with the context of its fleet."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, TypeVar

from revvlink_cli.output.result import column


@dataclass(frozen=True, kw_only=True)
class InContext:
    """The base of rows of several fleets: it gives them a first column with the context."""

    context: str = column("CONTEXT", rank=0)


R = TypeVar("R", bound=InContext)


def in_context(kind: type[R], row: Any, context: str) -> R:
    """A row as one of several fleets.

    Args:
        kind: A type with the fields of the row and those of `InContext`.
        row: The row.
        context: The context.
    """
    return kind(context=context, **{entry.name: getattr(row, entry.name) for entry in dataclasses.fields(row)})
