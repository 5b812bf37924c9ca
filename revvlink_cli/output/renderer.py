"""The interface of renderers. `formats` names the renderer of each format."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Protocol

from revvlink_cli.output.result import CheckResult, columns_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from revvlink_cli.health.fleet import Report
    from revvlink_cli.output.result import Column, Failure, Result
    from revvlink_cli.output.view import View


class Writer(Protocol):
    """Where a renderer writes its text."""

    def write(self, text: str) -> object:
        """Write the text."""


class Renderer(Protocol):
    """Writes the outcome of one command: `begin` once, `item` for each row of a stream, `end` once."""

    def begin(self, row: type | None) -> None:
        """Start output of rows of this type; None if there are none."""

    def item(self, row: Any) -> None:
        """Write one row of a stream, or keep it for `end`."""

    def end(self, result: Result) -> None:
        """Write the result. Its data, unless None, has not been passed to `item`."""


class BaseRenderer(ABC):
    """A renderer that writes everything in `end`; a subclass overrides what it does differently."""

    def __init__(self, output: Writer, *, command: str = "", no_color: bool = False, view: View | None = None) -> None:
        self._output = output
        self._command = command
        self._no_color = no_color
        self._view = view

    def columns_of(self, kind: type) -> tuple[tuple[str, Column], ...]:
        """Field names and columns to show of a row type."""
        return self._view.columns_of(kind) if self._view is not None else columns_of(kind)

    def begin(self, row: type | None) -> None:  # noqa: B027 - most write all at the end
        """Write nothing yet."""

    def item(self, row: Any) -> None:  # noqa: B027 - most write all at the end
        """Write nothing yet."""

    @abstractmethod
    def end(self, result: Result) -> None:
        """Write the result."""


class ReportRenderer(BaseRenderer):
    """A renderer for monitoring and CI systems: it writes the report of a check, or why there is none."""

    def end(self, result: Result) -> None:
        """Write the report, or the errors."""
        report = result.report if isinstance(result, CheckResult) else None
        self.write_text(self.format_errors(result.errors) if report is None else self.format_report(report))

    @abstractmethod
    def format_report(self, report: Report) -> str:
        """The text of a report."""

    @abstractmethod
    def format_errors(self, errors: Sequence[Failure]) -> str:
        """The text when no check was made."""

    def write_text(self, text: str) -> None:
        """Write the whole text."""
        self._output.write(text)
