"""The table of Prometheus metrics, and reports as samples of them. `revvlink_cli.health.exposition` writes the text.

Names follow Prometheus' own rules: base units in the name, counters with ``_total`` and gauges without, what is no
number as labels of an ``_info`` metric of value 1. A verdict is a gauge for each state, not a number: ``max`` of a
number says that UNKNOWN (3) is worse than CRITICAL (2). A metric that gets another name stays for one version beside
its successor. Help texts never change with the values: the textfile collector refuses files that differ in them.
Source: prometheus.io, "Metric and label naming", "Exposition formats", "Writing exporters".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from revvlink_cli.client.errors import Code
from revvlink_cli.health.catalogue import BY_CODE, FLEET, FLEET_CHECKS, NODE_CHECKS, Metric, MetricType
from revvlink_cli.health.damping import UNSTABLE
from revvlink_cli.health.failure_codes import FailureCode
from revvlink_cli.health.findings import Finding, Verdict, worst
from revvlink_cli.health.ranges import Unit

if TYPE_CHECKING:
    from revvlink_cli.health.findings import Figure
    from revvlink_cli.health.fleet import Report

CHECK = "revvlink_check_"
"""Prefix of metrics of checks, with node and check as labels."""

UP = Metric(
    "up", Unit.COUNT, "Whether the node took the connection, the password and the websocket, and answers requests."
)
HANGING = Metric("hanging", Unit.COUNT, "Whether the node answers no request though its websocket is open.")
SILENCED = Metric("silenced", Unit.COUNT, "Whether the node is silenced, so that its problems count as OK in verdicts.")
NODE_INFO = Metric("info", Unit.COUNT, "What the node is, as labels.")
FLEET_NODES = Metric("nodes", Unit.COUNT, "Nodes that were checked.", prefix=FLEET)
HEALTHY_NODES = BY_CODE["quorum"].metric("healthy_nodes", Unit.COUNT)
NODE_STATE = Metric(
    "state", Unit.COUNT, "Whether this is the worst verdict of the checks of the node.", type=MetricType.STATES
)
CHECK_STATE = Metric(
    "state",
    Unit.COUNT,
    "Whether this is the verdict of the check on the node.",
    prefix=CHECK,
    type=MetricType.STATES,
)
CHECK_FAILURE = Metric(
    "failure",
    Unit.COUNT,
    "1 while the check of the node is not OK, with the state and the reason as labels.",
    prefix=CHECK,
)
FLEET_STATE = Metric(
    "state",
    Unit.COUNT,
    "Whether this is the worst verdict of all checks.",
    prefix=FLEET,
    type=MetricType.STATES,
)
FLEET_CHECK_STATE = Metric(
    "check_state",
    Unit.COUNT,
    "Whether this is the verdict of the check on the fleet.",
    prefix=FLEET,
    type=MetricType.STATES,
)
FLEET_CHECK_FAILURE = Metric(
    "check_failure",
    Unit.COUNT,
    "1 while the check of the fleet is not OK, with the state and the reason as labels.",
    prefix=FLEET,
)
CHECK_STATUS = Metric(
    "status",
    Unit.COUNT,
    "Verdict of a check on a node: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN.",
    prefix=CHECK,
    successor=CHECK_STATE.full_name,
)
FLEET_CHECK_STATUS = Metric(
    "check_status",
    Unit.COUNT,
    "Verdict of a check on the fleet: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN.",
    prefix=FLEET,
    successor=FLEET_CHECK_STATE.full_name,
)
CHECK_VERDICT = Metric(
    "verdict",
    Unit.COUNT,
    "The worst of all verdicts: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN.",
    prefix=CHECK,
    successor=FLEET_STATE.full_name,
)
CHECK_TIMESTAMP = Metric("timestamp", Unit.SECONDS, "When the checks began, in seconds since the epoch.", prefix=CHECK)
CHECK_DURATION = Metric("duration", Unit.SECONDS, "Time that the checks took.", prefix=CHECK)
NODE_LOST_CONNECTIONS = Metric(
    "lost_connections",
    Unit.COUNT,
    "Connections to the node that the exporter lost.",
    type=MetricType.COUNTER,
)
NODE_RECONNECTS = Metric(
    "reconnects",
    Unit.COUNT,
    "Connections to the node that the exporter restored after a loss.",
    type=MetricType.COUNTER,
)
PROBES = Metric(
    "probes",
    Unit.COUNT,
    "Probes of the node by result: success, failure or timeout.",
    prefix="revvlink_",
    type=MetricType.COUNTER,
)
CANARY_RUNS = Metric(
    "runs",
    Unit.COUNT,
    "Canaries that were loaded by probes or played, by result: ok, warning, critical or unknown.",
    prefix="revvlink_canary_",
    type=MetricType.COUNTER,
)
BUILD_INFO = Metric("info", Unit.COUNT, "The versions of revvlink and Python, as labels.", prefix="revvlink_build_")
PROCESS = "process_"
"""Prefix of metrics of the exporter's process, named as in Prometheus' client libraries."""

PROCESS_CPU = Metric(
    "cpu",
    Unit.SECONDS,
    "Processor time of the exporter, of the user and the system.",
    prefix=PROCESS,
    type=MetricType.COUNTER,
)
PROCESS_RESIDENT_MEMORY = Metric("resident_memory", Unit.BYTES, "Memory of the exporter in RAM.", prefix=PROCESS)
PROCESS_VIRTUAL_MEMORY = Metric("virtual_memory", Unit.BYTES, "Virtual memory of the exporter.", prefix=PROCESS)
PROCESS_START_TIME = Metric(
    "start_time", Unit.SECONDS, "When the exporter was started, in seconds since the epoch.", prefix=PROCESS
)
PROCESS_OPEN_FDS = Metric("open_fds", Unit.COUNT, "Open file descriptors of the exporter.", prefix=PROCESS)
PROCESS_MAX_FDS = Metric("max_fds", Unit.COUNT, "Limit of open file descriptors of the exporter.", prefix=PROCESS)
CONFIG_RELOAD_TIMESTAMP = Metric(
    "last_reload_success_timestamp",
    Unit.SECONDS,
    "When the configuration was last read with success, in seconds since the epoch.",
    prefix="revvlink_config_",
)
CONFIG_RELOAD_SUCCESSFUL = Metric(
    "last_reload_successful",
    Unit.COUNT,
    "Whether the last reload of the configuration succeeded.",
    prefix="revvlink_config_",
)
CONFIG_RELOAD_SUCCESS = Metric(
    "success",
    Unit.COUNT,
    "Whether the last reload of the configuration succeeded.",
    prefix="revvlink_config_reload_",
    successor=CONFIG_RELOAD_SUCCESSFUL.full_name,
)
SCRAPE_DURATION = Metric(
    "duration", Unit.SECONDS, "Time that collecting these metrics took.", prefix="revvlink_scrape_"
)
DEFECTS = Metric(
    "defects",
    Unit.COUNT,
    "Rounds of a job of the exporter that ended with a defect: verdicts, canaries or status_page.",
    prefix="revvlink_exporter_",
    type=MetricType.COUNTER,
)
CANARY = "revvlink_canary_"
"""Prefix of metrics of canaries that play, with node and canary as labels."""

CANARY_SUCCESS = Metric(
    "success", Unit.COUNT, "Whether the playing canary was OK or a WARNING when it last played.", prefix=CANARY
)
CANARY_STATE = Metric(
    "state",
    Unit.COUNT,
    "Whether this is the verdict on the last play of the canary.",
    prefix=CANARY,
    type=MetricType.STATES,
)
CANARY_STATUS = Metric(
    "status",
    Unit.COUNT,
    "Verdict on the last play of a canary: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN.",
    prefix=CANARY,
    successor=CANARY_STATE.full_name,
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
    SILENCED,
    NODE_LOST_CONNECTIONS,
    NODE_RECONNECTS,
    NODE_STATE,
    NODE_INFO,
    *(metric for code in NODE_CHECKS for metric in BY_CODE[code].metrics),
    FLEET_STATE,
    FLEET_NODES,
    *(metric for code in FLEET_CHECKS for metric in BY_CODE[code].metrics),
    CHECK_STATE,
    CHECK_FAILURE,
    FLEET_CHECK_STATE,
    FLEET_CHECK_FAILURE,
    CHECK_TIMESTAMP,
    CHECK_DURATION,
    BUILD_INFO,
    CONFIG_RELOAD_SUCCESSFUL,
    CONFIG_RELOAD_TIMESTAMP,
    SCRAPE_DURATION,
    DEFECTS,
    PROCESS_CPU,
    PROCESS_RESIDENT_MEMORY,
    PROCESS_VIRTUAL_MEMORY,
    PROCESS_START_TIME,
    PROCESS_OPEN_FDS,
    PROCESS_MAX_FDS,
    PROBES,
    CANARY_RUNS,
    CANARY_SUCCESS,
    CANARY_STATE,
    CANARY_START,
    CANARY_PACKETS,
    CANARY_SILENCE,
    CANARY_TIMESTAMP,
    PROBE_SUCCESS,
    PROBE_DURATION,
    CHECK_STATUS,
    FLEET_CHECK_STATUS,
    CHECK_VERDICT,
    CONFIG_RELOAD_SUCCESS,
    CANARY_STATUS,
)
"""Every metric, in the order in which they are written and documented: those that the next version drops come last."""

REASONS = frozenset(
    (
        *Code,
        *FailureCode,
        "audio_interrupted",
        "audio_stopped",
        "cannot_listen",
        "empty",
        "imbalance",
        "missing",
        "no_audio",
        "no_figure",
        "no_quorum",
        "no_sources",
        "no_start",
        "no_stats",
        "no_youtube_token",
        "plugin_skew",
        "plugin_version",
        "silence",
        "skew",
        "threshold",
        "too_old",
        "unserved",
        UNSTABLE,
    )
)
"""The values of the label ``reason``. A code that is not listed is ``other``: labels must have few values."""

Labels: TypeAlias = tuple[tuple[str, str], ...]
"""Names and values, in order."""


class Sample(NamedTuple):
    """One value of one metric.

    Attributes:
        metric: What it is a value of, with the help text.
        labels: Names and values, in order.
        value: The number; that of a verdict where the metric shows states.
        created: When a counter was 0, in seconds since the epoch; None if unknown, or for a gauge.
    """

    metric: Metric
    labels: Labels
    value: float
    created: float | None = None

    def of_context(self, context: str) -> Sample:
        """The same value, as one of a fleet with this name."""
        return self._replace(labels=(("context", context), *self.labels))


def samples(report: Report) -> list[Sample]:
    """What a report says, apart from when it was made. A fleet with a name has it as the label ``context``."""
    if report.parts:
        return [sample for part in report.parts for sample in samples(part)]
    found = _samples(report)
    if report.context is None:
        return found
    return [sample.of_context(report.context) for sample in found]


def times(report: Report) -> list[Sample]:
    """When the checks of a report began, and how long they took."""
    made: list[Sample] = []
    for part in report.parts or (report,):
        found = [Sample(CHECK_TIMESTAMP, (), part.at), Sample(CHECK_DURATION, (), part.took)]
        made += found if part.context is None else [sample.of_context(part.context) for sample in found]
    return made


def _samples(report: Report) -> list[Sample]:
    found = [Sample(UP, (("node", node),), float(is_up)) for node, is_up in report.ready.items()]
    hanging = hanging_nodes(report)
    found += [Sample(HANGING, (("node", node),), float(node in hanging)) for node in report.ready]
    found += [Sample(SILENCED, (("node", node),), float(node in report.silenced)) for node in report.ready]
    statuses: dict[str | None, dict[str, Finding]] = {}
    for finding in report.findings:
        checks = statuses.setdefault(finding.node, {})
        checks[finding.check] = graver_of(checks.get(finding.check), finding)
        if finding.node is not None and finding.facts:
            found.append(Sample(NODE_INFO, (("node", finding.node), *finding.facts), 1.0))
        found += [sample_of(finding, figure) for figure in finding.figures if figure.metric != HEALTHY_NODES]
    for node, checks in statuses.items():
        labels = (("node", node),) if node is not None else ()
        found += states(labels, checks)
    return [*found, *of_fleet(report)]


def hanging_nodes(report: Report) -> set[str | None]:
    """The nodes that answer no request though their websocket is open."""
    code = str(Code.REST_UNRESPONSIVE)
    return {found.node for found in report.made if found.code == code}


def graver_of(known: Finding | None, finding: Finding) -> Finding:
    """The graver of two findings of one check, which has several where there are several canaries."""
    return finding if known is None or finding.verdict.gravity > known.verdict.gravity else known


def states(labels: Labels, checks: dict[str, Finding]) -> list[Sample]:
    """The verdicts of the checks of one node, or of the fleet, and the reasons of those that are not OK.

    Args:
        labels: The node; none for the fleet.
        checks: The gravest finding of each check.
    """
    state, status, failure = (
        (CHECK_STATE, CHECK_STATUS, CHECK_FAILURE)
        if labels
        else (FLEET_CHECK_STATE, FLEET_CHECK_STATUS, FLEET_CHECK_FAILURE)
    )
    found = [Sample(NODE_STATE, labels, float(worst(checks.values())))] if labels else []
    for check, finding in checks.items():
        of_check = (*labels, ("check", check))
        found += [Sample(state, of_check, float(finding.verdict)), Sample(status, of_check, float(finding.verdict))]
        if finding.verdict is not Verdict.OK:
            found.append(Sample(failure, (*of_check, *why(finding)), 1.0))
    return found


def why(finding: Finding) -> Labels:
    """The state and the reason of a failure, as labels."""
    reason = finding.code if finding.code in REASONS else FailureCode.OTHER
    return (("state", finding.verdict.name.lower()), ("reason", str(reason)))


def of_fleet(report: Report) -> list[Sample]:
    """The number of nodes, and the worst verdict."""
    return [
        Sample(FLEET_NODES, (), float(report.nodes)),
        Sample(HEALTHY_NODES, (), float(report.healthy)),
        Sample(FLEET_STATE, (), float(report.verdict)),
        Sample(CHECK_VERDICT, (), float(report.verdict)),
    ]


def sample_of(finding: Finding, figure: Figure) -> Sample:
    """A figure of a finding as a sample."""
    labels = [("node", finding.node)] if finding.node is not None else []
    if finding.subject is not None:
        labels.append((BY_CODE[finding.check].subject or "subject", finding.subject))
    return Sample(figure.metric, tuple(labels), figure.value)
