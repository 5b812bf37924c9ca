"""How a result becomes output: one renderer a format, all with the same three steps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from revvlink_cli.output.result import Result


class Writer(Protocol):
    """Where a renderer's text goes."""

    def write(self, text: str) -> None:
        """Take it."""


class Renderer(Protocol):
    """Writes one command's result.

    `begin` is called once, `item` for every row as it is known, `end` once with what the command came to.
    """

    def begin(self, row: type | None) -> None:
        """Rows of this type follow; None when there will be none."""

    def item(self, row: Any) -> None:
        """One row of a stream."""

    def end(self, result: Result) -> None:
        """The outcome. Its data, unless None, has not been passed to `item`."""


class WholeRenderer:
    """What formats of monitoring systems share: they are written as a whole, in the end."""

    def __init__(self, output: Writer) -> None:
        self._output = output

    def begin(self, row: type | None) -> None:
        """Nothing is known yet."""

    def item(self, row: Any) -> None:
        """Checks are no stream."""
