"""JUnit XML, as CI systems read it.

A node is a suite and a check a case; CRITICAL and WARNING are failures, UNKNOWN is an error.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from revvlink_cli.health.findings import Finding, Skipped, Verdict
from revvlink_cli.output.renderer import WholeRenderer
from revvlink_cli.output.text import clean

if TYPE_CHECKING:
    from revvlink_cli.health.findings import Outcome
    from revvlink_cli.health.fleet import Report
    from revvlink_cli.output.result import Result


class JUnitRenderer(WholeRenderer):
    """One document."""

    def end(self, result: Result) -> None:
        """The document; what kept the checks from being made is a suite of its own."""
        root = ET.Element("testsuites", {"name": "revvlink check"})
        if result.report is not None:
            _fill(root, result.report)
        else:
            suite = ET.SubElement(root, "testsuite", {"name": "revvlink"})
            for failure in result.errors:
                case = ET.SubElement(suite, "testcase", {"name": failure.code, "classname": "revvlink", "time": "0"})
                told = {"message": clean(failure.message), "type": failure.code}
                ET.SubElement(case, "error", told).text = clean(failure.hint or "")
            _count(suite)
        _total(root)
        ET.indent(root)
        text = ET.tostring(root, encoding="unicode")
        self._output.write(f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n')


def _fill(root: ET.Element, report: Report) -> None:
    at = datetime.fromtimestamp(report.at, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    root.set("time", f"{report.took:.3f}")
    suites: dict[str | None, ET.Element] = {}
    for outcome in report.outcomes:
        if outcome.node not in suites:
            name = clean(outcome.node) if outcome.node is not None else "(fleet)"  # as in the table
            suites[outcome.node] = ET.SubElement(
                root, "testsuite", {"name": name, "timestamp": at, "time": f"{report.took:.3f}"}
            )
        _case(suites[outcome.node], outcome)
    for suite in suites.values():
        _count(suite)


def _case(suite: ET.Element, outcome: Outcome) -> None:
    subject = getattr(outcome, "subject", None)
    name = f"{outcome.check} {clean(subject)}" if subject is not None else outcome.check
    case = ET.SubElement(suite, "testcase", {"name": name, "classname": f"revvlink.{suite.get('name')}", "time": "0"})
    if isinstance(outcome, Skipped):
        ET.SubElement(case, "skipped", {"message": clean(outcome.reason)})
    elif outcome.verdict is Verdict.OK:
        ET.SubElement(case, "system-out").text = clean(outcome.message)
    else:
        kind = "error" if outcome.verdict is Verdict.UNKNOWN else "failure"
        told = {"message": clean(outcome.message), "type": outcome.verdict.name}
        ET.SubElement(case, kind, told).text = _about(outcome)


def _about(finding: Finding) -> str:
    parts = (("code", finding.code), ("stage", finding.stage), ("hint", finding.hint))
    return "\n".join(f"{name}: {clean(value)}" for name, value in parts if value)


_COUNTED = {"failures": "failure", "errors": "error", "skipped": "skipped"}


def _count(suite: ET.Element) -> None:
    suite.set("tests", str(len(suite.findall("testcase"))))
    for name, tag in _COUNTED.items():
        suite.set(name, str(len(suite.findall(f"testcase/{tag}"))))
    suite.attrib.setdefault("time", "0")


def _total(root: ET.Element) -> None:
    for name in ("tests", "failures", "errors"):  # the schema of Jenkins knows no sum of what was skipped
        root.set(name, str(sum(int(suite.get(name, "0")) for suite in root)))
