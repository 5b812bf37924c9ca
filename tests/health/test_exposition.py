"""The text of metrics: Prometheus' own readers take both formats, and the fast writer writes what the slow one does."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_text

from revvlink_cli.client.errors import Code, NodeException, Stage
from revvlink_cli.client.routing.penalty import compute
from revvlink_cli.client.snapshot import FleetSnapshot
from revvlink_cli.health import metrics
from revvlink_cli.health.catalogue import BY_CODE, CHECKS, Metric, MetricType
from revvlink_cli.health.checks.context import Load
from revvlink_cli.health.exposition import FleetText, TextFormat, exposition
from revvlink_cli.health.fleet import assess
from revvlink_cli.health.metrics import METRICS, REASONS, Sample, samples
from revvlink_cli.health.policy import Policy, Requirements
from revvlink_cli.health.ranges import Bounds, Unit, parse
from revvlink_cli.services.content_types import negotiated
from tests.health.judged_nodes import DOWN, NOW, STATS, snapshot

if TYPE_CHECKING:
    from collections.abc import Iterable

    from revvlink_cli.client.snapshot import NodeSnapshot
    from revvlink_cli.health.fleet import Report

PACKAGE = Path(metrics.__file__).parents[1]
read_openmetrics: Any = openmetrics.text_string_to_metric_families
REFUSED = NodeException("nothing listens", code=Code.REFUSED, stage=Stage.CONNECT)
HANGS = NodeException("no answer", code=Code.REST_UNRESPONSIVE, stage=Stage.REQUEST)
COUNTER = Metric("connections_lost", Unit.COUNT, 'A "new" one\\.', type=MetricType.COUNTER)
SECONDS = Metric("waiting", Unit.SECONDS, "A new one.", type=MetricType.COUNTER)
HOSTILE = 'eu\x1b[31m"|1\\\n%s'


def nodes(**more: Any) -> tuple[NodeSnapshot, ...]:
    """One that is well, others that are busy, refuse or hang, and one with a name made to break formats."""
    busy = replace(STATS, system_load=0.99)
    return (
        snapshot(identifier="us-1", uri="https://h", certificate_expires=NOW + 1e7, region="us", **more),
        snapshot(identifier="us-2", region="us", timed_stats=replace(snapshot().timed_stats, stats=busy)),  # type: ignore[type-var]
        snapshot(identifier="eu-1", region="eu", **{**DOWN, "error": REFUSED}),
        snapshot(identifier="eu-2", hanging=HANGS),
        snapshot(identifier=HOSTILE, region="eu"),
    )


def report(found: Iterable[NodeSnapshot], **demands: Any) -> Report:
    """What is made of them, with a limit for the CPU and two canaries."""
    found = tuple(found)
    demands = {"bounds": {"cpu": Bounds(parse("90", Unit.RATIO), None)}, "canaries": ("x", "y"), **demands}
    loads = {node.identifier: [Load("x", 0.25, 2), Load("y", 0.5, 0)] for node in found}
    penalties = {node.identifier: compute(STATS) for node in found}
    policy = Policy(common=Requirements(**demands))
    return assess(FleetSnapshot(NOW, found, penalties), policy, timeout=5.0, loads=loads)


def read(text: str, reader: Any = read_text) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Every sample, by name and labels; none is there twice."""
    found = [sample for family in reader(text) for sample in family.samples]
    by_name = {(sample.name, tuple(sorted(sample.labels.items()))): sample.value for sample in found}
    assert len(by_name) == len(found)
    return by_name


def test_the_writer_of_an_exporter_says_what_is_known() -> None:
    """From scrape to scrape: a fleet, a node that recovers, one that leaves; in both formats, and without old lines."""
    writer = FleetText()
    well = snapshot(identifier="eu-1", region="eu")
    for fleet in (nodes(), nodes(), (*nodes()[:2], well, *nodes()[3:]), nodes()[1:], (), nodes(latency_ms=7.0)):
        made = report(fleet)
        more = [Sample(COUNTER, (("node", name),), 3.0, 1_795_622_400.25) for name in (HOSTILE, "us-1")]
        for form, reader in ((TextFormat.PROMETHEUS, read_text), (TextFormat.OPENMETRICS, read_openmetrics)):
            text = writer.write(made, more, form)
            fast, slow = read(text, reader), read(exposition([*samples(made), *more], form), reader)
            assert fast == pytest.approx(slow, rel=1e-5)
            assert [line for line in text.splitlines() if line.startswith("#")] == [
                line for line in exposition([*samples(made), *more], form).splitlines() if line.startswith("#")
            ]
        assert text.endswith("\n# EOF\n")
        nodes_shown = {dict(labels)["node"] for _, labels in fast if "node" in dict(labels)}
        assert nodes_shown >= {node.identifier.replace("\x1b", "\ufffd") for node in fleet}
        up = {dict(labels)["node"] for name, labels in fast if name == "revvlink_node_state"}
        assert ("us-1" in up) == ("us-1" in made.ready), "series vanish with their node"


def test_each_state_is_a_gauge_and_each_failure_has_a_reason() -> None:
    """Exactly one state of each node and check is 1, and reasons come from the list."""
    found = read(exposition(samples(report(nodes()))))
    states: dict[tuple[str, tuple[tuple[str, str], ...]], dict[str, float]] = {}
    for (name, labels), value in found.items():
        if name.endswith("_state"):
            rest = tuple(pair for pair in labels if pair[0] != "state")
            states.setdefault((name, rest), {})[dict(labels)["state"]] = value

    assert all(list(values) == ["ok", "warning", "critical", "unknown"] for values in states.values())
    assert {sum(values.values()) for values in states.values()} == {1.0}
    assert states["revvlink_node_state", (("node", "eu-1"),)]["critical"] == 1
    assert states["revvlink_node_state", (("node", "us-2"),)]["critical"] == 1, "a canary loads nothing"
    failures = [dict(labels) for name, labels in found if name == "revvlink_check_failure"]
    assert {"node": "us-2", "check": "cpu", "state": "warning", "reason": "threshold"} in failures
    assert {"node": "eu-1", "check": "reach", "state": "critical", "reason": "connection_refused"} in failures
    assert {"node": "us-1", "check": "load", "state": "critical", "reason": "empty"} in failures
    assert {labels["reason"] for labels in failures} <= REASONS
    made = report(nodes())
    other = replace(made, outcomes=tuple(replace(one, code="free text") for one in made.findings))
    shown = {dict(labels)["reason"] for name, labels in read(exposition(samples(other))) if name.endswith("_failure")}
    assert shown == {"other"}


def test_every_code_of_a_finding_is_a_reason() -> None:
    """The code of no check is shown as `other`, because somebody forgot to list it."""
    folders = (PACKAGE / "health", PACKAGE / "services" / "playing")
    sources = [path.read_text("utf-8") for folder in folders for path in folder.rglob("*.py")]
    checks = {check.code for check in CHECKS} | {"configuration"}
    codes = {code for text in sources for code in re.findall(r'\bcode="(\w+)"', text)}

    assert "no_quorum" in codes
    assert codes - checks <= REASONS


def test_openmetrics_has_units_and_creation_times() -> None:
    """A counter has its name without `_total` in the description, and when it was 0; the text format has neither."""
    found = [
        Sample(COUNTER, (("node", "a"),), 3.0, 1_795_622_400.25),
        Sample(COUNTER, (("node", "b"),), 0.0, 1_795_622_400.25),
        Sample(SECONDS, (), 1.5),
        Sample(BY_CODE["memory"].metric("memory_used", Unit.RATIO), (("node", "a"),), 0.25),
    ]
    text = exposition(found, TextFormat.OPENMETRICS)
    families = {family.name: family for family in read_openmetrics(text)}

    assert {(family.type, family.unit) for family in families.values()} == {
        ("counter", ""), ("counter", "seconds"), ("gauge", "ratio")}  # fmt: skip
    assert families["revvlink_node_connections_lost"].documentation == COUNTER.help
    assert read(text, read_openmetrics)["revvlink_node_connections_lost_created", (("node", "a"),)] == 1_795_622_400.25
    plain = exposition(found)
    assert "# TYPE revvlink_node_connections_lost_total counter\n" in plain
    assert "_created" not in plain
    assert "# UNIT" not in plain


def test_promtool_finds_nothing_to_complain_about() -> None:
    """The names follow Prometheus' rules: base units, `_total`, help."""
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed")
    text = exposition([Sample(metric, (("node", "a"),), 1.0) for metric in (*METRICS, COUNTER, SECONDS)])
    done = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_secret_in_a_label_is_masked() -> None:
    """Names and versions pass through the mask, this program's own words do not."""
    text = FleetText(lambda label: label.replace("reach", "***").replace("us-1", "***")).write(report(nodes()), ())

    assert 'node="us-1"' not in text
    assert 'node="***",check="reach",state="ok"' in text


PROMETHEUS_3 = (
    "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.6,"
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,"
    "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1"
)
"""What Prometheus 3 sends where native histograms are on."""


@pytest.mark.parametrize(("accept", "is_openmetrics"), [
    ((), False),
    (("*/*",), False),
    (("text/plain",), False),
    (("application/openmetrics-text; version=1.0.0",), True),
    (("application/openmetrics-text",), True),
    (("application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,text/plain;version=0.0.4;q=0.3",), True),
    (("application/openmetrics-text; version=0.0.1,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",), True),
    ((PROMETHEUS_3,), True),
    (("text/plain;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=1.0.0;q=0.5",), False),
    (("application/openmetrics-text;version=2.0.0",), False),
    (("application/openmetrics-text;q=0.2", "text/plain"), False),
    (('APPLICATION/OPENMETRICS-TEXT;Version="1.0.0"',), True),
    (("application/openmetrics-text;q=0",), False),
    (("application/openmetrics-text;q=nonsense;;,=,",), False),
])  # fmt: skip
def test_the_header_accept_chooses_the_format(accept: tuple[str, ...], is_openmetrics: bool) -> None:
    """OpenMetrics is sent to who names it and does not prefer plain text."""
    assert (negotiated(accept) is TextFormat.OPENMETRICS) == is_openmetrics
