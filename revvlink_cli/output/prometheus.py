"""Prometheus text format, for the textfile collector."""

from __future__ import annotations

from typing import TYPE_CHECKING

from revvlink_cli.health.exposition import of_run
from revvlink_cli.output.renderer import ReportRenderer
from revvlink_cli.output.text import clean

if TYPE_CHECKING:
    from collections.abc import Sequence

    from revvlink_cli.health.fleet import Report
    from revvlink_cli.output.result import Failure


class PrometheusRenderer(ReportRenderer):
    """Writes every figure and verdict as a metric. Without a check there are none, and the timestamp stays old."""

    def format_report(self, report: Report) -> str:
        """The metrics."""
        return of_run(report)

    def format_errors(self, errors: Sequence[Failure]) -> str:
        """The errors as comments."""
        return "".join(f"# {clean(' '.join(failure.message.split()))}\n" for failure in errors)
