"""Markdown tables of checks and of plays, for job summaries, issues and chats."""

from __future__ import annotations

from typing import TYPE_CHECKING

from revvlink_cli.health.findings import Skipped, subject_of
from revvlink_cli.output import check_rows
from revvlink_cli.output.export import document_notes, markdown_cell, markdown_table
from revvlink_cli.output.renderer import ReportRenderer
from revvlink_cli.output.result import CheckResult
from revvlink_cli.output.text import clean

if TYPE_CHECKING:
    from collections.abc import Sequence

    from revvlink_cli.health.fleet import Report
    from revvlink_cli.output.result import Failure, Result

SIZE = 512 * 1024
"""Characters of the table at most; GitHub accepts a summary of 1 MiB."""


class MarkdownRenderer(ReportRenderer):
    """Writes the verdict and all checks of a `check`, the worst first; of other results a table of the rows."""

    def end(self, result: Result) -> None:
        """Write the report of a check, or the rows and what to do about the errors."""
        if isinstance(result, CheckResult) or result.data is None or result.row_type is None:
            super().end(result)
            return
        text = markdown_table(self.columns_of(result.row_type), result.data, result.title or "")
        hints = [f"- {_cell(error.node or 'fleet')}: {_cell(error.hint)}" for error in result.errors if error.hint]
        notes = document_notes(result)
        self.write_text("\n".join(["\n".join([text, *hints, ""]) if hints else text, *notes]))

    def format_report(self, report: Report) -> str:
        """Heading and table."""
        return _document(report)

    def format_errors(self, errors: Sequence[Failure]) -> str:
        """A list of the errors."""
        lines = ["### UNKNOWN: no check was made", "", *(f"- {_cell(failure.message)}" for failure in errors)]
        return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    """Text from outside in a cell."""
    return markdown_cell(clean(text))


def _document(report: Report) -> str:
    lines = [
        f"### {_cell(check_rows.headline(report))}",
        "",
        "| verdict | node | check | message |",
        "| --- | --- | --- | --- |",
    ]
    left = SIZE
    findings = check_rows.by_gravity(report.findings)
    for index, finding in enumerate(findings):
        hint = f" ({finding.hint})" if finding.hint else ""
        line = (
            f"| {check_rows.verdict_of(finding)} | {_cell(subject_of(finding))} | {finding.check} "
            f"| {_cell(check_rows.message_of(finding) + hint)} |"
        )
        left -= len(line) + 1
        if left < 0:
            lines += ["", f"and {len(findings) - index} more"]
            break
        lines.append(line)
    skipped = sum(isinstance(outcome, Skipped) for outcome in report.outcomes)
    if skipped:
        lines += ["", f"{skipped} check{' was' if skipped == 1 else 's were'} not made."]
    return "\n".join(lines) + "\n"
