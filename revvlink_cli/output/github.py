"""Annotations for GitHub Actions, and a table in the summary of the job.

A step shows ten errors and ten warnings and drops the rest silently, so the worst come first and the last one states
how many more there are. Source: actions/toolkit, "command.ts"; GitHub, "Workflow commands".
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from revvlink_cli.health.findings import Verdict
from revvlink_cli.output import check_rows
from revvlink_cli.output.markdown import MarkdownRenderer
from revvlink_cli.output.renderer import ReportRenderer
from revvlink_cli.output.streams import Output, write_error_line
from revvlink_cli.output.text import clean

if TYPE_CHECKING:
    from collections.abc import Sequence

    from revvlink_cli.health.fleet import Report
    from revvlink_cli.output.result import Failure, Result

MOST = 10
"""Annotations of one level that a step shows."""

LEVELS = {Verdict.CRITICAL: "error", Verdict.UNKNOWN: "error", Verdict.WARNING: "warning"}


class GitHubRenderer(ReportRenderer):
    """Writes an annotation for each finding that is not OK, and the verdict as a notice."""

    def end(self, result: Result) -> None:
        """Write the annotations; if they go to stdout, add a table to the summary of the job."""
        super().end(result)
        summary = os.environ.get("GITHUB_STEP_SUMMARY")
        if summary and isinstance(self._output, Output):
            try:
                with Path(summary).open("a", encoding="utf-8", errors="backslashreplace") as file:
                    MarkdownRenderer(file).end(result)
            except OSError as error:
                write_error_line(f"warning: the job summary cannot be written: {error.strerror or error}")

    def format_report(self, report: Report) -> str:
        """The annotations of a report."""
        lines = [_command("notice", "revvlink check", check_rows.headline(report))]
        for level in ("error", "warning"):
            bad = [finding for finding in check_rows.trouble(report) if LEVELS[finding.verdict] == level]
            room = MOST if len(bad) <= MOST else MOST - 1
            lines += [
                _command(level, f"{check_rows.place(finding)} {finding.verdict.name}", finding.message)
                for finding in bad[:room]
            ]
            if len(bad) > room:
                lines.append(_command(level, "revvlink check", f"and {len(bad) - room} more, see the job summary"))
        silenced = check_rows.silenced(report)
        room = MOST - 1 if len(silenced) < MOST else MOST - 2  # the verdict is a notice, too
        lines += [
            _command("notice", f"{check_rows.place(finding)} SILENCED", check_rows.message_of(finding))
            for finding in silenced[:room]
        ]
        if len(silenced) > room:
            lines.append(_command("notice", "revvlink check", f"and {len(silenced) - room} more that are silenced"))
        return "".join(lines)

    def format_errors(self, errors: Sequence[Failure]) -> str:
        """An annotation for each error."""
        return "".join(_command("error", failure.code, failure.message) for failure in errors)

    def write_text(self, text: str) -> None:
        """Write the annotations, which are commands, unchanged."""
        if isinstance(self._output, Output):
            self._output.write_commands(text)
        else:
            super().write_text(text)


def _command(level: str, title: str, message: str) -> str:
    return f"::{level} title={_escaped(clean(title), property_too=True)}::{_escaped(clean(message))}\n"


def _escaped(text: str, *, property_too: bool = False) -> str:
    for char, code in (("%", "%25"), ("\r", "%0D"), ("\n", "%0A")):
        text = text.replace(char, code)
    if property_too:
        text = text.replace(":", "%3A").replace(",", "%2C")
    return text
