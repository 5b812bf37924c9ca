"""Prometheus' text format, for the textfile collector."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from revvlink_cli.health.metrics import of_run

if TYPE_CHECKING:
    from revvlink_cli.output.renderer import Writer
    from revvlink_cli.output.result import Result


class PrometheusRenderer:
    """Every figure and every verdict as a metric; without checks there are none, which shows as an old timestamp."""

    def __init__(self, output: Writer) -> None:
        self._output = output

    def begin(self, row: type | None) -> None:
        """Metrics need no heading."""

    def item(self, row: Any) -> None:
        """Checks are no stream."""

    def end(self, result: Result) -> None:
        """The metrics."""
        if result.report is not None:
            self._output.write(of_run(result.report))
        else:
            self._output.write("".join(f"# {' '.join(failure.message.split())}\n" for failure in result.errors))
