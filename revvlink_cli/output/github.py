"""Annotations for GitHub Actions, and a table in the job's summary.

A step shows ten errors and ten warnings and drops the rest without a word, so the worst come first and what does not
fit is counted. Source: actions/toolkit, "command.ts"; GitHub, "Workflow commands".
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from revvlink_cli.health.findings import Verdict
from revvlink_cli.output import check_rows
from revvlink_cli.output.markdown import document
from revvlink_cli.output.renderer import WholeRenderer
from revvlink_cli.output.streams import Output, say
from revvlink_cli.output.text import clean

if TYPE_CHECKING:
    from revvlink_cli.output.result import Result

MOST = 10
"""Annotations of one level that a step shows; the last one says how many more there are."""

LEVELS = {Verdict.CRITICAL: "error", Verdict.UNKNOWN: "error", Verdict.WARNING: "warning"}


class GitHubRenderer(WholeRenderer):
    """One annotation a finding that is not OK, and the verdict as a notice."""

    def end(self, result: Result) -> None:
        """The annotations; the summary only where this is the job's own output."""
        report = result.report
        if report is None:
            lines = [_command("error", failure.code, failure.message) for failure in result.errors]
        else:
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
        write = self._output.write_commands if isinstance(self._output, Output) else self._output.write
        write("".join(f"{line}\n" for line in lines))
        summary = os.environ.get("GITHUB_STEP_SUMMARY")
        if summary and isinstance(self._output, Output):
            try:
                with Path(summary).open("a", encoding="utf-8", errors="backslashreplace") as file:
                    file.write(document(result))
            except OSError as error:
                say(f"warning: the job summary cannot be written: {error.strerror or error}")


def _command(level: str, title: str, message: str) -> str:
    return f"::{level} title={_escaped(clean(title), property_too=True)}::{_escaped(clean(message))}"


def _escaped(text: str, *, property_too: bool = False) -> str:
    for char, code in (("%", "%25"), ("\r", "%0D"), ("\n", "%0A")):
        text = text.replace(char, code)
    if property_too:
        text = text.replace(":", "%3A").replace(",", "%2C")
    return text
