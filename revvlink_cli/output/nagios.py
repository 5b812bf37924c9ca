"""What Nagios, Icinga and everything that runs their plugins reads.

The first line is what somebody is paged with. Performance data stands behind the one ``|`` there is, at the end of the
last line, whatever the verdict, and as much of it as is kept. Source: Monitoring Plugins Development Guidelines,
"Plugin Output".
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from revvlink_cli.health.ranges import Unit, number
from revvlink_cli.output import check_rows
from revvlink_cli.output.renderer import WholeRenderer
from revvlink_cli.output.text import clean

if TYPE_CHECKING:
    from collections.abc import Iterator

    from revvlink_cli.health.findings import Figure
    from revvlink_cli.health.fleet import Report
    from revvlink_cli.output.result import Result

WIDTH = 80
"""Characters of the first line."""

LIMIT = 8_000
"""Bytes of all of it: Nagios keeps 8 KiB of an output, and cuts through the middle of a figure."""

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
        bad = check_rows.trouble(report)
        told = [f"{finding.verdict.name}: {check_rows.told(finding)}" for finding in bad[:LINES]]
        if len(bad) > LINES:
            told.append(f"and {len(bad) - LINES} more")
        if not told:
            told = [f"{len(report.findings)} checks passed in {report.took:.1f} s"]
        lines = [check_rows.summary(report, 1, ", "), *told]
        data = list(performance(report))
        kept = _fitting(data, LIMIT - _size(lines))
        if len(kept) < len(data):
            kept = _fitting(data, LIMIT - _size([*lines, _left_out(len(data), len(data))]))
            lines.append(_left_out(len(data) - len(kept), len(data)))
        text = "\n".join(_lines(lines))
        self._output.write(" | ".join([text, *([" ".join(kept)] if kept else [])]) + "\n")


def _left_out(count: int, all_there_are: int) -> str:
    return f"{count} of {all_there_are} figures are left out: have a service for each node, or use the exporter"


def _size(lines: list[str]) -> int:
    """Bytes of the text, and of what stands around the figures."""
    return len("\n".join(_lines(lines)).encode()) + len(" | \n")


def _fitting(data: list[Datum], room: int) -> list[str]:
    """Whole figures in so many bytes: those of the fleet, which nobody else has, and of as many nodes as there is room.

    They stay in their order, for some graphs go by it.
    """
    kept: set[int] = set()
    for index in sorted(range(len(data)), key=lambda index: not data[index].is_of_fleet):
        room -= len(data[index].text.encode()) + 1
        if room < 0:
            break
        kept.add(index)
    return [datum.text for index, datum in enumerate(data) if index in kept]


def _lines(lines: list[str]) -> Iterator[str]:
    """Lines that hold no ``|``, the first one short."""
    for index, line in enumerate(lines):
        safe = clean(line).replace("|", "!")
        yield check_rows.shortened(safe, WIDTH) if index == 0 else safe


class Datum(NamedTuple):
    """One figure as performance data.

    Attributes:
        text: Label and value.
        is_of_fleet: Whether it is of no single node.
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
            label = _unique(_bare(f"{names[finding.node]} {figure.name}{ending}{subject}"), taken)
            yield Datum(f"'{label}'={_data(figure)}", finding.node is None)


def _names(report: Report) -> dict[str | None, str]:
    """What labels call each node: one of which nothing is known has a name too, lest another one take it meanwhile."""
    nodes = dict.fromkeys(outcome.node for outcome in report.outcomes if outcome.node is not None)
    taken: set[str] = set()
    names: dict[str | None, str] = {None: "fleet"}
    for node in sorted(nodes, key=lambda node: _bare(node) != node):
        names[node] = _unique(_bare(node), taken)
    return names


def _bare(text: str) -> str:
    """A text without what no label may have."""
    return re.sub(r"[='|\s]+", " ", clean(text)).strip()


def _unique(label: str, taken: set[str]) -> str:
    """The label, with a number where there is one like it."""
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
