"""What Nagios, Icinga and everything that runs their plugins reads.

The first line is what somebody is paged with. Performance data stands behind the one ``|`` there is, at the end of the
last line, complete whatever the verdict. Source: Monitoring Plugins Development Guidelines, "Plugin Output".
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from revvlink_cli.health.ranges import Unit, number
from revvlink_cli.output import verdicts
from revvlink_cli.output.renderer import WholeRenderer
from revvlink_cli.output.text import clean

if TYPE_CHECKING:
    from collections.abc import Iterator

    from revvlink_cli.health.findings import Figure, Finding
    from revvlink_cli.output.result import Result

WIDTH = 80
"""Characters of the first line."""

LINES = 20
"""Findings that are told one by one."""

MARKS = {Unit.RATIO: "%", Unit.SECONDS: "s", Unit.DAYS: "s", Unit.BYTES: "B"}
"""Units as performance data knows them."""


class NagiosRenderer(WholeRenderer):
    """A status line, what is wrong line by line, and performance data."""

    def end(self, result: Result) -> None:
        """Everything."""
        report = result.report
        if report is None:
            first = result.errors[0].message if result.errors else "no check was made"
            lines = [f"UNKNOWN: {first}", *(failure.hint or failure.message for failure in result.errors)]
            self._output.write("\n".join(_lines(lines)) + "\n")
            return
        bad = verdicts.trouble(report)
        told = [f"{finding.verdict.name}: {verdicts.told(finding)}" for finding in bad[:LINES]]
        if len(bad) > LINES:
            told.append(f"and {len(bad) - LINES} more")
        if not told:
            told = [f"{len(report.findings)} checks passed in {report.took:.1f} s"]
        data = " ".join(performance(report.findings))
        text = "\n".join(_lines([verdicts.summary(report, 1, ", "), *told]))
        self._output.write(f"{text}{f' | {data}' if data else ''}\n")


def _lines(lines: list[str]) -> Iterator[str]:
    """Lines that hold no ``|``, the first one short."""
    for index, line in enumerate(lines):
        safe = clean(line).replace("|", "!")
        yield verdicts.shortened(safe, WIDTH) if index == 0 else safe


def performance(findings: tuple[Finding, ...]) -> Iterator[str]:
    """Performance data of all findings, each label once."""
    seen: set[str] = set()
    for finding in findings:
        for figure in finding.figures:
            subject = f" {finding.subject}" if finding.subject is not None else ""
            ending = {Unit.BYTES: " bytes"}.get(figure.unit, "")
            label = re.sub(r"[='|\s]+", " ", clean(f"{finding.node or 'fleet'} {figure.name}{ending}{subject}")).strip()
            if label not in seen:
                seen.add(label)
                yield f"'{label}'={_data(figure)}"


def _data(figure: Figure) -> str:
    factor = 100.0 if figure.unit is Unit.RATIO else 1.0
    warning, critical = (limit.written(factor) if limit is not None else "" for limit in figure.bounds)
    most = number(figure.maximum * factor) if figure.maximum is not None else ""
    fields = [f"{number(figure.value * factor)}{MARKS.get(figure.unit, '')}", warning, critical, "0", most]
    return ";".join(fields).rstrip(";")
