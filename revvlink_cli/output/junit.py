"""JUnit XML for CI systems.

A node is a suite and a check is a case. CRITICAL and WARNING are failures, UNKNOWN is an error.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from revvlink_cli.health.findings import Finding, Skipped, Verdict, subject_of
from revvlink_cli.output.check_rows import message_of
from revvlink_cli.output.renderer import ReportRenderer
from revvlink_cli.output.text import clean

if TYPE_CHECKING:
    from collections.abc import Sequence

    from revvlink_cli.health.findings import Outcome
    from revvlink_cli.health.fleet import Report
    from revvlink_cli.output.result import Failure


class JUnitRenderer(ReportRenderer):
    """Writes one XML document."""

    def format_report(self, report: Report) -> str:
        """The document."""
        root = _root()
        _add_report(root, report)
        return _to_text(root)

    def format_errors(self, errors: Sequence[Failure]) -> str:
        """A document with one suite that holds the errors."""
        root = _root()
        suite = ET.SubElement(root, "testsuite", {"name": "revvlink"})
        for failure in errors:
            case = ET.SubElement(suite, "testcase", {"name": failure.code, "classname": "revvlink", "time": "0"})
            attributes = {"message": clean(failure.message), "type": failure.code}
            ET.SubElement(case, "error", attributes).text = clean(failure.hint or "")
        _count(suite)
        return _to_text(root)


def _root() -> ET.Element:
    return ET.Element("testsuites", {"name": "revvlink check"})


def _to_text(root: ET.Element) -> str:
    _add_totals(root)
    ET.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def _add_report(root: ET.Element, report: Report) -> None:
    at = datetime.fromtimestamp(report.at, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    root.set("time", f"{report.took:.3f}")
    suites: dict[tuple[str | None, str | None], ET.Element] = {}
    for outcome in report.outcomes:
        place = (outcome.context, outcome.node)
        if place not in suites:
            name = clean(subject_of(outcome, fleet="(fleet)"))  # as in the table
            suites[place] = ET.SubElement(
                root, "testsuite", {"name": name, "timestamp": at, "time": f"{report.took:.3f}"}
            )
        _add_case(suites[place], outcome)
    for suite in suites.values():
        _count(suite)


def _add_case(suite: ET.Element, outcome: Outcome) -> None:
    subject = getattr(outcome, "subject", None)
    name = f"{outcome.check} {clean(subject)}" if subject is not None else outcome.check
    case = ET.SubElement(suite, "testcase", {"name": name, "classname": f"revvlink.{suite.get('name')}", "time": "0"})
    if isinstance(outcome, Skipped):
        ET.SubElement(case, "skipped", {"message": clean(outcome.reason)})
    elif outcome.silence is not None:
        ET.SubElement(case, "skipped", {"message": clean(message_of(outcome))})
    elif outcome.verdict is Verdict.OK:
        ET.SubElement(case, "system-out").text = clean(outcome.message)
    else:
        kind = "error" if outcome.verdict is Verdict.UNKNOWN else "failure"
        attributes = {"message": clean(outcome.message), "type": outcome.verdict.name}
        ET.SubElement(case, kind, attributes).text = _details(outcome)


def _details(finding: Finding) -> str:
    parts = (("code", finding.code), ("stage", finding.stage), ("hint", finding.hint))
    return "\n".join(f"{name}: {clean(value)}" for name, value in parts if value)


_COUNTED = {"failures": "failure", "errors": "error", "skipped": "skipped"}


def _count(suite: ET.Element) -> None:
    suite.set("tests", str(len(suite.findall("testcase"))))
    for name, tag in _COUNTED.items():
        suite.set(name, str(len(suite.findall(f"testcase/{tag}"))))
    suite.attrib.setdefault("time", "0")


def _add_totals(root: ET.Element) -> None:
    for name in ("tests", "failures", "errors"):  # Jenkins' schema has no total of skipped cases
        root.set(name, str(sum(int(suite.get(name, "0")) for suite in root)))
