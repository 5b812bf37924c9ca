"""The formats of `check`, each read by a parser that is not ours: whatever nodes say, they stay what they are."""

from __future__ import annotations

import io
import json
import os
import re
from pathlib import Path
from typing import Any

import junitparser
import pytest
import xmlschema
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from revvlink_cli.commands.check import result_of
from revvlink_cli.commands.shared.command import Options
from revvlink_cli.health.catalogue import BY_CODE, CHECKS, MetricType
from revvlink_cli.health.exposition import exposition
from revvlink_cli.health.findings import Figure, Finding, Outcome, Skipped, Verdict, worst
from revvlink_cli.health.fleet import Report
from revvlink_cli.health.metrics import METRICS, Sample, samples
from revvlink_cli.health.ranges import Bounds, Unit, parse
from revvlink_cli.output.formats import Format
from revvlink_cli.output.renderers import create_renderer
from revvlink_cli.output.result import Failure, Result
from revvlink_cli.output.screen import Page

HELP = {metric.full_name: metric.full_help for metric in METRICS}
DATA = Path(__file__).resolve().parents[1] / "data"
SCHEMA = xmlschema.XMLSchema(str(DATA / "junit.xsd"))
CPU = Figure(
    BY_CODE["cpu"].metric("cpu_system_load", Unit.RATIO),
    0.97,
    Bounds(parse("90%", Unit.RATIO), parse("95", Unit.RATIO)),
    1.0,
)
MEMORY = (
    Figure(BY_CODE["memory"].metric("memory_used", Unit.RATIO), 0.25, maximum=1.0),
    Figure(BY_CODE["memory"].metric("memory_used", Unit.BYTES), 134217728.0),
)
LEFT = Figure(
    BY_CODE["certificate"].metric("certificate_left", Unit.DAYS),
    864000.5,
    Bounds(parse("14:", Unit.DAYS), parse("3:", Unit.DAYS)),
)
UNSERVED = Figure(BY_CODE["regions"].metric("unserved_regions", Unit.COUNT), 0.0, Bounds(parse("0", Unit.COUNT)), 2.0)
PLAYERS = BY_CODE["players"].metric("players", Unit.COUNT)
OUTCOMES: tuple[Outcome, ...] = (
    Finding(node="us-1", check="reach", verdict=Verdict.OK, message="ready in 12 ms",
            figures=(Figure(BY_CODE["reach"].metric("ready", Unit.SECONDS), 0.0000012),)),
    Finding(node="us-1", check="certificate", verdict=Verdict.WARNING, message="valid for 10 days (threshold 14: days)",
            code="threshold", hint="renew the node's certificate", figures=(LEFT,)),
    Finding(node="us-1", check="version", verdict=Verdict.OK, message="Lavalink 4.2.2",
            facts=(("server", "Lavalink"), ("version", "4.2.2"), ("runtime", 'a"\\\nb'), ("lavaplayer", ""))),
    Finding(node="us-1", check="cpu", verdict=Verdict.CRITICAL, message="load 97% | on 2 cores", code="threshold",
            figures=(CPU,)),
    Finding(node="us-1", check="memory", verdict=Verdict.OK, message="25% in use", figures=MEMORY),
    Finding(node="us-1", check="load", subject="ytsearch:a=b|c'd", verdict=Verdict.UNKNOWN, code="timeout",
            stage="request", message="was not loaded within 5 s", hint="raise --timeout"),
    Skipped("us-1", "penalty", "stats failed"),
    Finding(node="eu\x1b[31m|1", check="reach", verdict=Verdict.CRITICAL, code="connection_refused", stage="connect",
            message="nothing listens on 127.0.0.1:9\n::error::x <b>&</b> ]]>", hint="start the node"),
    Finding(node=None, check="regions", verdict=Verdict.OK, message="2 regions, each with a healthy node",
            figures=(UNSERVED,)),
    Skipped(None, "quorum", "no quorum set (--min-healthy)"),
)  # fmt: skip
REPORT = Report(worst(OUTCOMES), OUTCOMES, 2, 0, {"us-1": True, "eu\x1b[31m|1": False}, at=1_795_622_400.25, took=1.25)
BROKEN = Result(exit_code=3, errors=(Failure("configuration", "f.toml:1: nodes: there are | none", hint="add one"),))


def rendered(kind: Format, result: Result) -> str:
    """What a format makes of a result."""
    page = Page()
    writer = create_renderer(kind, "check", page, no_color=True)
    writer.begin(result.row_type)
    writer.end(result)
    return page.text


def of(report: Report) -> Result:
    """The command's outcome."""
    return result_of(report, Options())


@pytest.mark.parametrize("kind", Format)
@pytest.mark.parametrize(("name", "result"), [("check", of(REPORT)), ("check-broken", BROKEN)])
def test_golden(kind: Format, name: str, result: Result) -> None:
    """Every format of a report, and of a configuration that is wrong, to the byte."""
    written = rendered(kind, result)
    path = DATA / "golden" / f"{name}.{kind}"
    if os.environ.get("REVVLINK_TEST_GOLDEN") == "write":
        path.write_text(written, encoding="utf-8", newline="\n")
    assert written.encode() == path.read_bytes()


LABEL = r"'[^='|]+'"
NUMBER = r"-?[0-9]+(?:\.[0-9]+)?"
RANGE = rf"@?(?:(?:~|{NUMBER}):)?(?:{NUMBER})?"
ITEM = re.compile(rf"({LABEL})=({NUMBER})(%|s|B|c)?(?:;({RANGE})(?:;({RANGE})(?:;({NUMBER})?(?:;({NUMBER})?)?)?)?)?")


def read_nagios(text: str) -> tuple[list[str], dict[str, tuple[float, str]]]:
    """Lines and performance data by the grammar of the Monitoring Plugins; anything else fails."""
    assert text.endswith("\n")
    words, bar, data = text.rstrip("\n").partition(" | ")
    assert "|" not in words
    lines = words.split("\n")
    assert len(lines[0]) <= 80
    assert re.match(r"(OK|WARNING|CRITICAL|UNKNOWN): ", lines[0])
    found: dict[str, tuple[float, str]] = {}
    position = 0
    while bar and position < len(data):
        item = ITEM.match(data, position)
        assert item is not None, data[position:]
        assert item[1] not in found, f"{item[1]} is there twice"
        found[item[1]] = (float(item[2]), item[3] or "")
        position = item.end()
        assert position == len(data) or data[position] == " "
        position += 1
    return lines, found


def read_prometheus(text: str) -> dict[str, list[Any]]:
    """Samples by metric, as Prometheus' own client reads them; every one has help and type, and no timestamp."""
    found: dict[str, list[Any]] = {}
    for family in text_string_to_metric_families(text):
        assert family.documentation == HELP[family.name]
        assert family.type == "gauge"
        for sample in family.samples:
            assert sample.timestamp is None
            found.setdefault(sample.name, []).append((sample.labels, sample.value))
    return found


def read_junit(text: str) -> junitparser.JUnitXml:
    """The document, valid by the schema; its sums are right."""
    SCHEMA.validate(text)
    read = junitparser.JUnitXml.fromstring(text.encode())
    assert isinstance(read, junitparser.JUnitXml)
    for suite in read:
        counted = (suite.tests, suite.failures, suite.errors, suite.skipped)
        suite.update_statistics()  # type: ignore[no-untyped-call] # junitparser has no types for it
        assert counted == (suite.tests, suite.failures, suite.errors, suite.skipped)
    return read


def test_nagios() -> None:
    """What is paged is short and says the worst; performance data is complete, in base units, with ranges."""
    lines, data = read_nagios(rendered(Format.NAGIOS, of(REPORT)))

    assert lines[0].startswith("CRITICAL: 0 of 2 nodes healthy, us-1 cpu: load 97% ! on 2 cores")
    assert data["'us-1 ready'"] == (0.0000012, "s")
    assert data["'us-1 cpu_system_load'"] == (97.0, "%")
    assert data["'us-1 memory_used bytes'"] == (134217728.0, "B")
    assert len(data) == 6
    assert "'us-1 certificate_left'=864000.5s;1209600:;259200:;0 " in rendered(Format.NAGIOS, of(REPORT))


def test_nagios_of_a_large_fleet() -> None:
    """Nagios cuts off what is beyond eight thousand bytes: whole figures are left out, last those of the fleet."""
    nodes = tuple(
        Finding(node=f"nœud-{number}", check="cpu", verdict=Verdict.OK, message="x", figures=(CPU, *MEMORY))
        for number in range(200)
    )
    report = Report(Verdict.OK, (*nodes, OUTCOMES[-2]), 200, 200, took=1.0)
    written = rendered(Format.NAGIOS, of(report))
    lines, data = read_nagios(written)

    assert 7_800 < len(written.encode()) <= 8_000
    assert f"{601 - len(data)} of 601 figures are left out" in lines[-1]
    assert "exporter" in lines[-1]
    first, *_, last = data
    assert (first, last) == ("'nœud-0 cpu_system_load'", "'fleet unserved_regions'")
    few = Report(Verdict.OK, (*nodes[:20], OUTCOMES[-2]), 20, 20, took=1.0)
    assert len(read_nagios(rendered(Format.NAGIOS, of(few)))[1]) == 61


def test_labels_of_nagios_are_each_of_one_node() -> None:
    """Names that differ in what no label may have keep figures of their own, also while one of the nodes has none."""

    def report(*alive: str) -> Report:
        found = tuple(
            Finding(node=name, check="players", verdict=Verdict.OK, message="x",
                    figures=(Figure(PLAYERS, float(number)),) if name in alive else ())
            for number, name in enumerate(("a'b", "a=b", "a b 2", "a|b"))
        )  # fmt: skip
        return Report(Verdict.OK, found, 4, 4)

    values = {name: value for name, (value, _) in read_nagios(
        rendered(Format.NAGIOS, of(report("a'b", "a=b", "a b 2", "a|b"))))[1].items()}  # fmt: skip
    assert sorted(values.values()) == [0, 1, 2, 3]
    assert values["'a b 2 players'"] == 2, "a name that can be a label is one"
    (name,) = read_nagios(rendered(Format.NAGIOS, of(report("a|b"))))[1]
    assert values[name] == 3


def test_prometheus() -> None:
    """Figures are gauges in base units, verdicts are values and no labels."""
    found = read_prometheus(rendered(Format.PROMETHEUS, of(REPORT)))

    assert found["revvlink_node_up"] == [({"node": "us-1"}, 1.0), ({"node": "eu\ufffd[31m|1"}, 0.0)]
    assert found["revvlink_node_cpu_system_load_ratio"] == [({"node": "us-1"}, 0.97)]
    assert ({"node": "us-1", "check": "load"}, 3.0) in found["revvlink_check_status"]
    assert found["revvlink_node_info"][0][0]["runtime"] == 'a"\\\nb'
    assert found["revvlink_check_timestamp_seconds"] == [({}, 1_795_622_400.25)]
    assert found["revvlink_fleet_check_status"] == [({"check": "regions"}, 0.0)]


def test_junit() -> None:
    """A node is a suite, a check a case; failures, errors and what was skipped are told apart."""
    read = read_junit(rendered(Format.JUNIT, of(REPORT)))

    suites = {suite.name: suite for suite in read}
    assert list(suites) == ["us-1", "eu\\x1b[31m|1", "(fleet)"]
    cases = {case.name: case.result[0] if case.result else None for case in suites["us-1"]}
    assert isinstance(cases["cpu"], junitparser.Failure)
    assert isinstance(cases["load ytsearch:a=b|c'd"], junitparser.Error)
    assert isinstance(cases["penalty"], junitparser.Skipped)
    assert cases["reach"] is None
    assert (read.tests, read.failures, read.errors) == (10, 3, 1)


def read_github(text: str) -> list[tuple[str, str, str]]:
    """Level, title and message of every annotation, as the runner takes them apart."""
    found = []
    for line in text.splitlines():
        command = re.fullmatch(r"::(error|warning|notice) title=([^,:]*)::(.*)", line)
        assert command is not None, line
        title, message = command[2], command[3]
        for code, char in (("%2C", ","), ("%3A", ":"), ("%0A", "\n"), ("%0D", "\r"), ("%25", "%")):
            title, message = title.replace(code, char), message.replace(code, char)
        found.append((command[1], title, message))
    return found


def test_github() -> None:
    """The worst comes first, and nothing that a node says becomes a command of its own."""
    found = read_github(rendered(Format.GITHUB, of(REPORT)))

    assert found[0] == ("notice", "revvlink check", "CRITICAL: 0 of 2 nodes healthy")
    assert [level for level, _, _ in found[1:]] == ["error", "error", "error", "warning"]
    assert found[1][1] == "us-1 cpu CRITICAL"


def test_github_with_more_than_a_step_shows(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Ten of a level are shown, the last one says how many are left; all are in the job's summary."""
    outcomes = tuple(
        Finding(node=f"n{number}", check="reach", verdict=Verdict.CRITICAL, message="x") for number in range(30)
    )
    report = Report(Verdict.CRITICAL, outcomes, 30, 0)
    found = read_github(rendered(Format.GITHUB, of(report)))

    assert len([level for level, _, _ in found if level == "error"]) == 10
    assert found[-1][2] == "and 21 more, see the job summary"

    from revvlink_cli.output.streams import Output

    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    monkeypatch.setattr("sys.stdout", io.StringIO())
    create_renderer(Format.GITHUB, "check", Output(), no_color=True).end(of(report))
    assert (tmp_path / "summary.md").read_text(encoding="utf-8").count("| CRITICAL |") == 30


def test_a_broken_configuration_speaks_every_format() -> None:
    """What kept the checks from being made is UNKNOWN in each format, in its own way."""
    assert read_nagios(rendered(Format.NAGIOS, BROKEN))[0][0].startswith("UNKNOWN: f.toml:1: nodes: there are ! none")
    assert read_prometheus(rendered(Format.PROMETHEUS, BROKEN)) == {}
    assert read_junit(rendered(Format.JUNIT, BROKEN)).errors == 1
    assert read_github(rendered(Format.GITHUB, BROKEN))[0][0] == "error"
    assert "UNKNOWN" in rendered(Format.MARKDOWN, BROKEN)
    assert json.loads(rendered(Format.JSON, BROKEN))["exit_code"] == 3


TEXTS = st.text(max_size=40) | st.sampled_from(["\ufffe\uffff", "a|b`c", "::error::", "%0A", "'=|", "]]>"])
FIGURES = st.builds(
    Figure,
    st.sampled_from([metric for check in CHECKS for metric in check.metrics]),
    st.floats(-1e12, 1e12, allow_nan=False),
    st.just(CPU.bounds),
)
FINDINGS = st.builds(
    Finding,
    node=st.none() | TEXTS,
    check=st.sampled_from([check.code for check in CHECKS]),
    verdict=st.sampled_from(Verdict),
    message=TEXTS,
    subject=st.none() | TEXTS,
    code=st.none() | TEXTS,
    hint=st.none() | TEXTS,
    figures=st.lists(FIGURES, max_size=3).map(tuple),
)
REPORTS = st.lists(FINDINGS | st.builds(Skipped, st.none() | TEXTS, st.just("load"), TEXTS), max_size=6).map(
    lambda found: Report(worst(found), tuple(found), 3, 1, at=1.0, took=0.5)
)


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(REPORTS)
def test_whatever_nodes_say(report: Report) -> None:
    """Texts of any characters, and figures of any size, break no format."""
    result = of(report)

    lines, data = read_nagios(rendered(Format.NAGIOS, result))
    assert lines
    assert len(data) <= sum(len(finding.figures) for finding in report.findings)
    read_junit(rendered(Format.JUNIT, result))
    read_github(rendered(Format.GITHUB, result))
    rows = rendered(Format.MARKDOWN, result).splitlines()
    assert all(row.count("|") - row.count("\\|") == 5 for row in rows if row.startswith("|"))
    made = samples(report)
    most = sum(len(Verdict) if sample.metric.type is MetricType.STATES else 1 for sample in made)
    assert sum(map(len, read_prometheus(exposition(made)).values())) <= most


@given(st.text(), st.floats(allow_nan=False, allow_infinity=False))
def test_labels_and_values(label: str, value: float) -> None:
    """A label comes back as it was, but for what is not visible; so does a value."""
    text = exposition([Sample(BY_CODE["penalty"].metric("penalty", Unit.COUNT), (("node", label),), value)])

    ((labels, read),) = read_prometheus(text)["revvlink_node_penalty"]
    shown = "".join(char if char.isprintable() or char == "\n" else "\ufffd" for char in label)
    assert labels == {"node": shown}
    assert read == value
