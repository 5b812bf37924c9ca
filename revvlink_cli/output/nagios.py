"""The output of a Nagios plugin, which Icinga and others read too.

The first line is the text of a notification. Performance data follows the only ``|``, at the end of the last line, with
every verdict, as far as it fits. Source: Monitoring Plugins Development Guidelines,
"Plugin Output".
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from revvlink_cli.health.findings import subject_of
from revvlink_cli.health.ranges import Unit, number
from revvlink_cli.output import check_rows
from revvlink_cli.output.renderer import ReportRenderer
from revvlink_cli.output.text import clean

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from revvlink_cli.health.findings import Figure
    from revvlink_cli.health.fleet import Report
    from revvlink_cli.output.result import Failure

WIDTH = 80
"""Characters of the first line."""

LIMIT = 8_000
"""Bytes of the whole output: Nagios keeps 8 KiB and may cut in the middle of a figure."""

LINES = 20
"""Findings that get a line of their own."""

MARKS = {Unit.RATIO: "%", Unit.SECONDS: "s", Unit.DAYS: "s", Unit.BYTES: "B"}
"""Units of performance data."""


class NagiosRenderer(ReportRenderer):
    """Writes a status line, one line per finding that is not OK, and performance data."""

    def format_errors(self, errors: Sequence[Failure]) -> str:
        """UNKNOWN, and the hints."""
        first = errors[0].message if errors else "no check was made"
        lines = [f"UNKNOWN: {first}", *(failure.hint or failure.message for failure in errors)]
        return "\n".join(_lines(lines)) + "\n"

    def format_report(self, report: Report) -> str:
        """The status line, the findings and the performance data."""
        bad = check_rows.trouble(report)
        findings = [f"{finding.verdict.name}: {check_rows.describe(finding)}" for finding in bad[:LINES]]
        if len(bad) > LINES:
            findings.append(f"and {len(bad) - LINES} more")
        silenced = check_rows.silenced(report)
        room = max(LINES - len(bad), 0)
        findings += [f"SILENCED: {check_rows.describe(finding)}" for finding in silenced[:room]]
        if len(silenced) > room:
            findings.append(f"and {len(silenced) - room} more that are silenced")
        if not findings:
            findings = [f"{len(report.findings)} checks passed in {report.took:.1f} s"]
        lines = [check_rows.summary(report, 1, ", "), *findings, *filter(None, [report.remark])]
        data = list(performance(report))
        kept = _fitting(data, LIMIT - _size(lines))
        if len(kept) < len(data):
            kept = _fitting(data, LIMIT - _size([*lines, _left_out(len(data), len(data))]))
            lines.append(_left_out(len(data) - len(kept), len(data)))
        text = "\n".join(_lines(lines))
        return " | ".join([text, *([" ".join(kept)] if kept else [])]) + "\n"


def _left_out(count: int, all_there_are: int) -> str:
    return f"{count} of {all_there_are} figures are left out: define one service per node, or use the exporter"


def _size(lines: list[str]) -> int:
    """Bytes of the text and of the separators around the figures."""
    return len("\n".join(_lines(lines)).encode()) + len(" | \n")


def _fitting(data: list[Datum], room: int) -> list[str]:
    """The figures that fit into so many bytes: first those of the fleet, then those of as many nodes as possible.

    They stay in order, because some graphs depend on it.
    """
    kept: set[int] = set()
    for index in sorted(range(len(data)), key=lambda index: not data[index].is_of_fleet):
        room -= len(data[index].text.encode()) + 1
        if room < 0:
            break
        kept.add(index)
    return [datum.text for index, datum in enumerate(data) if index in kept]


def _lines(lines: list[str]) -> Iterator[str]:
    """The lines without ``|``, the first one shortened."""
    for index, line in enumerate(lines):
        safe = clean(line).replace("|", "!")
        yield check_rows.shortened(safe, WIDTH) if index == 0 else safe


class Datum(NamedTuple):
    """One figure as performance data.

    Attributes:
        text: Label and value.
        is_of_fleet: Whether it describes the fleet, not one node.
    """

    text: str
    is_of_fleet: bool


def performance(report: Report) -> Iterator[Datum]:
    """Performance data of all findings, each with a label of its own."""
    names = _names(report)
    taken: set[str] = set()
    for finding in report.findings:
        for figure in finding.figures:
            subject = f" {finding.subject}" if finding.subject is not None else ""
            ending = {Unit.BYTES: " bytes"}.get(figure.unit, "")
            label = _unique(_bare(f"{names[finding.context, finding.node]} {figure.name}{ending}{subject}"), taken)
            yield Datum(f"'{label}'={_data(figure)}", finding.node is None)


def _names(report: Report) -> dict[tuple[str | None, str | None], str]:
    """Name of each node in labels. A node without figures keeps its name, so that no other node gets it."""
    nodes = {(outcome.context, outcome.node): subject_of(outcome) for outcome in report.outcomes}
    taken: set[str] = set()
    names = {place: name for place, name in nodes.items() if place[1] is None}
    for place, name in sorted(nodes.items(), key=lambda item: _bare(item[1]) != item[1]):
        if place not in names:
            names[place] = _unique(_bare(name), taken)
    return names


def _bare(text: str) -> str:
    """The text without characters that a label must not have."""
    return re.sub(r"[='|\s]+", " ", clean(text)).strip()


def _unique(label: str, taken: set[str]) -> str:
    """The label, with a number if it is taken."""
    found, number = label, 1
    while found in taken:
        number += 1
        found = f"{label} {number}"
    taken.add(found)
    return found


def _data(figure: Figure) -> str:
    factor = 100.0 if figure.unit is Unit.RATIO else 1.0
    warning, critical = (limit.written(factor) if limit is not None else "" for limit in figure.bounds)
    most = number(figure.maximum * factor) if figure.maximum is not None else ""
    fields = [f"{number(figure.value * factor)}{MARKS.get(figure.unit, '')}", warning, critical, "0", most]
    return ";".join(fields).rstrip(";")
