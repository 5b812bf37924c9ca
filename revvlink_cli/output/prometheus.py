"""Prometheus' text format, for the textfile collector."""

from __future__ import annotations

from typing import TYPE_CHECKING

from revvlink_cli.health.metrics import of_run
from revvlink_cli.output.renderer import WholeRenderer
from revvlink_cli.output.text import clean

if TYPE_CHECKING:
    from revvlink_cli.output.result import Result


class PrometheusRenderer(WholeRenderer):
    """Every figure and every verdict as a metric; without checks there are none, which shows as an old timestamp."""

    def end(self, result: Result) -> None:
        """The metrics."""
        if result.report is not None:
            self._output.write(of_run(result.report))
        else:
            self._output.write("".join(f"# {clean(' '.join(failure.message.split()))}\n" for failure in result.errors))
