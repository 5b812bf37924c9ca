"""Checks as a Markdown table: for job summaries, issues and chats."""

from __future__ import annotations

from typing import TYPE_CHECKING

from revvlink_cli.health.findings import Skipped
from revvlink_cli.output import check_rows
from revvlink_cli.output.export import markdown_cell
from revvlink_cli.output.renderer import WholeRenderer
from revvlink_cli.output.text import clean

if TYPE_CHECKING:
    from revvlink_cli.output.result import Result

SIZE = 512 * 1024
"""Characters at most; GitHub takes a summary of 1 MiB."""


class MarkdownRenderer(WholeRenderer):
    """A heading with the verdict, and a table of all checks, what is wrong first."""

    def end(self, result: Result) -> None:
        """The table."""
        self._output.write(document(result))


def cell(text: str) -> str:
    """Text of a node in a cell."""
    return markdown_cell(clean(text))


def document(result: Result) -> str:
    """Heading and table."""
    report = result.report
    if report is None:
        lines = ["### UNKNOWN: no check was made", ""]
        return "\n".join([*lines, *(f"- {cell(failure.message)}" for failure in result.errors)]) + "\n"
    lines = [
        f"### {cell(check_rows.headline(report))}",
        "",
        "| verdict | node | check | message |",
        "| --- | --- | --- | --- |",
    ]
    left = SIZE
    findings = check_rows.by_gravity(report.findings)
    for index, finding in enumerate(findings):
        hint = f" ({finding.hint})" if finding.hint else ""
        line = (
            f"| {finding.verdict.name} | {cell(finding.node or 'fleet')} | {finding.check} "
            f"| {cell(finding.message + hint)} |"
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
