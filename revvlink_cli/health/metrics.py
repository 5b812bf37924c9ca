"""Findings as Prometheus metrics, in the text format that the textfile collector and a scrape read.

Names follow Prometheus' own rules: base units in the name, gauges without ``_total``, what is no number as labels of an
``_info`` metric of value 1. Help texts never change with the values: the collector refuses files that differ in them.
Source: prometheus.io, "Metric and label naming", "Exposition formats", "Writing exporters".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from revvlink_cli.client.errors import Code
from revvlink_cli.health.catalogue import BY_CODE, FLEET, FLEET_CHECKS, NODE_CHECKS, Metric
from revvlink_cli.health.findings import Finding, Verdict
from revvlink_cli.health.ranges import Unit

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from revvlink_cli.health.findings import Figure
    from revvlink_cli.health.fleet import Report

UP = Metric(
    "up", Unit.COUNT, "Whether the node took the connection, the password and the websocket, and answers requests."
)
HANGING = Metric("hanging", Unit.COUNT, "Whether the node answers no request though its websocket is open.")
NODE_INFO = Metric("info", Unit.COUNT, "What the node is, as labels.")
FLEET_NODES = Metric("nodes", Unit.COUNT, "Nodes that were checked.", prefix=FLEET)
HEALTHY_NODES = BY_CODE["quorum"].metric("healthy_nodes", Unit.COUNT)
CHECK_STATUS = Metric(
    "status",
    Unit.COUNT,
    "Verdict of a check on a node: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN.",
    prefix="revvlink_check_",
)
FLEET_CHECK_STATUS = Metric(
    "check_status", Unit.COUNT, "Verdict of a check on the fleet: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN.", prefix=FLEET
)
CHECK_VERDICT = Metric(
    "verdict",
    Unit.COUNT,
    "The worst of all verdicts: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN.",
    prefix="revvlink_check_",
)
CHECK_TIMESTAMP = Metric(
    "timestamp", Unit.SECONDS, "When the checks began, in seconds since the epoch.", prefix="revvlink_check_"
)
CHECK_DURATION = Metric("duration", Unit.SECONDS, "Time that the checks took.", prefix="revvlink_check_")
BUILD_INFO = Metric("info", Unit.COUNT, "The version of revvlink, as a label.", prefix="revvlink_build_")
CONFIG_RELOAD_SUCCESS = Metric(
    "success",
    Unit.COUNT,
    "Whether the last reload of the configuration succeeded.",
    prefix="revvlink_config_reload_",
)
SCRAPE_DURATION = Metric(
    "duration", Unit.SECONDS, "Time that collecting these metrics took.", prefix="revvlink_scrape_"
)
CANARY = "revvlink_canary_"
"""Prefix of metrics of canaries that play, with node and canary as labels."""

CANARY_SUCCESS = Metric(
    "success", Unit.COUNT, "Whether the playing canary was OK or a WARNING when it last played.", prefix=CANARY
)
CANARY_STATUS = Metric(
    "status",
    Unit.COUNT,
    "Verdict on the last play of a canary: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN.",
    prefix=CANARY,
)
CANARY_START = Metric(
    "start", Unit.SECONDS, "Time from the request to play to the track's start, when it last played.", prefix=CANARY
)
CANARY_PACKETS = Metric(
    "packets_per_second",
    Unit.COUNT,
    "Packets of sound in a second when the canary last played, of which 50 are expected.",
    prefix=CANARY,
)
CANARY_SILENCE = Metric("silence", Unit.RATIO, "Share of silence when the canary last played.", prefix=CANARY)
CANARY_TIMESTAMP = Metric(
    "timestamp", Unit.SECONDS, "When the canary last played, in seconds since the epoch.", prefix=CANARY
)
PROBE_SUCCESS = Metric("success", Unit.COUNT, "Whether every check of the node was OK or a WARNING.", prefix="probe_")
PROBE_DURATION = Metric("duration", Unit.SECONDS, "Time that the probe took.", prefix="probe_")

METRICS = (
    UP,
    HANGING,
    NODE_INFO,
    *(metric for code in NODE_CHECKS for metric in BY_CODE[code].metrics),
    FLEET_NODES,
    *(metric for code in FLEET_CHECKS for metric in BY_CODE[code].metrics),
    CHECK_STATUS,
    FLEET_CHECK_STATUS,
    CHECK_VERDICT,
    CHECK_TIMESTAMP,
    CHECK_DURATION,
    BUILD_INFO,
    CONFIG_RELOAD_SUCCESS,
    SCRAPE_DURATION,
    CANARY_SUCCESS,
    CANARY_STATUS,
    CANARY_START,
    CANARY_PACKETS,
    CANARY_SILENCE,
    CANARY_TIMESTAMP,
    PROBE_SUCCESS,
    PROBE_DURATION,
)
"""Every metric, in the order in which they are written and documented: those of the checks, and these."""

_ORDER = {metric: place for place, metric in enumerate(METRICS)}


@dataclass(frozen=True, slots=True)
class Sample:
    """One value of one metric.

    Attributes:
        metric: What it is a value of, with the help text.
        labels: Names and values, in order.
        value: The number.
    """

    metric: Metric
    labels: tuple[tuple[str, str], ...]
    value: float

    def of_context(self, context: str) -> Sample:
        """The same value, as one of a fleet with this name."""
        return Sample(self.metric, (("context", context), *self.labels), self.value)


def samples(report: Report) -> list[Sample]:
    """What a report says, apart from when it was made. A fleet with a name has it as the label ``context``."""
    if report.parts:
        return [sample for part in report.parts for sample in samples(part)]
    found = _samples(report)
    if report.context is None:
        return found
    return [sample.of_context(report.context) for sample in found]


def _samples(report: Report) -> list[Sample]:
    found = [Sample(UP, (("node", node),), float(is_up)) for node, is_up in report.ready.items()]
    hanging = {found.node for found in report.made if found.code == str(Code.REST_UNRESPONSIVE)}
    found += [Sample(HANGING, (("node", node),), float(node in hanging)) for node in report.ready]
    statuses: dict[tuple[str | None, str], Verdict] = {}
    for finding in report.findings:
        place = (finding.node, finding.check)
        known = statuses.get(place)
        statuses[place] = max(known or Verdict.OK, finding.verdict, key=lambda verdict: verdict.gravity)
        if finding.node is not None and finding.facts:
            found.append(Sample(NODE_INFO, (("node", finding.node), *finding.facts), 1.0))
        found += [_sample(finding, figure) for figure in finding.figures if figure.metric != HEALTHY_NODES]
    for (node, check), verdict in statuses.items():
        labels = (("check", check),)
        if node is None:
            found.append(Sample(FLEET_CHECK_STATUS, labels, float(verdict)))
        else:
            found.append(Sample(CHECK_STATUS, (("node", node), *labels), float(verdict)))
    found += [
        Sample(FLEET_NODES, (), float(report.nodes)),
        Sample(HEALTHY_NODES, (), float(report.healthy)),
        Sample(CHECK_VERDICT, (), float(report.verdict)),
    ]
    return found


def _sample(finding: Finding, figure: Figure) -> Sample:
    labels = [("node", finding.node)] if finding.node is not None else []
    if finding.subject is not None:
        labels.append((BY_CODE[finding.check].subject or "subject", finding.subject))
    return Sample(figure.metric, tuple(labels), figure.value)


def exposition(found: Iterable[Sample]) -> str:
    """Samples as text: each metric once, with its help and type."""
    families: dict[Metric, dict[tuple[tuple[str, str], ...], float]] = {}
    for sample in found:
        families.setdefault(sample.metric, {})[sample.labels] = sample.value
    lines: list[str] = []
    for metric in sorted(families, key=lambda metric: _ORDER.get(metric, len(_ORDER))):
        name = metric.full_name
        lines += [f"# HELP {name} {metric.help}", f"# TYPE {name} gauge"]
        lines += [f"{name}{_labels(labels)} {_value(value)}" for labels, value in families[metric].items()]
    return "\n".join(lines) + "\n"


def of_run(report: Report) -> str:
    """The whole text of one run, for the textfile collector."""
    made: list[Sample] = []
    for part in report.parts or (report,):
        times = [Sample(CHECK_TIMESTAMP, (), part.at), Sample(CHECK_DURATION, (), part.took)]
        made += times if part.context is None else [sample.of_context(part.context) for sample in times]
    return exposition([*samples(report), *made])


def _labels(labels: tuple[tuple[str, str], ...]) -> str:
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in labels) + "}" if labels else ""


_ESCAPES: Mapping[int, str] = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n"})


def _escaped(text: str) -> str:
    """A label's value; what terminals act on, and half characters, which cannot be encoded, are replaced."""
    visible = "".join(char if char.isprintable() or char == "\n" else "\N{REPLACEMENT CHARACTER}" for char in text)
    return visible.translate(_ESCAPES)


def _value(value: float) -> str:
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value)
