"""Findings as Prometheus metrics, in the text format that the textfile collector and a scrape read.

Names follow Prometheus' own rules: base units in the name, gauges without ``_total``, what is no number as labels of an
``_info`` metric of value 1. Help texts never change with the values: the collector refuses files that differ in them.
Source: prometheus.io, "Metric and label naming", "Exposition formats", "Writing exporters".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from revvlink_cli.client.errors import Code
from revvlink_cli.health.findings import Finding, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from revvlink_cli.health.findings import Figure
    from revvlink_cli.health.fleet import Report

HELP = {
    "revvlink_node_up": "Whether the node took the connection, the password and the websocket, and answers requests.",
    "revvlink_node_hanging": "Whether the node answers no request though its websocket is open.",
    "revvlink_node_info": "What the node is, as labels.",
    "revvlink_node_ready_seconds": "Time from the first packet until the node was ready.",
    "revvlink_node_certificate_left_seconds": "Time until the node's certificate ends.",
    "revvlink_node_stats_age_seconds": "Age of the node's statistics.",
    "revvlink_node_cpu_system_load_ratio": "Load of the node's machine, all cores busy is 1.",
    "revvlink_node_cpu_lavalink_load_ratio": "Load that the server itself causes, all cores busy is 1.",
    "revvlink_node_cpu_cores": "Processor cores of the node.",
    "revvlink_node_memory_used_ratio": "Memory in use, of what the node may take.",
    "revvlink_node_memory_used_bytes": "Memory in use.",
    "revvlink_node_memory_free_bytes": "Memory that is taken and not in use.",
    "revvlink_node_memory_allocated_bytes": "Memory that is taken.",
    "revvlink_node_memory_reservable_bytes": "Memory that the node may take.",
    "revvlink_node_players": "Players of all bots on the node.",
    "revvlink_node_playing_players": "Those of them that play.",
    "revvlink_node_uptime_seconds": "Time since the node's start.",
    "revvlink_node_websocket_round_trip_seconds": "Round trip of a ping over the websocket.",
    "revvlink_node_penalty": "What one more player would cost; a lower bound where frame statistics are hidden.",
    "revvlink_node_load_seconds": "Time that loading a canary took.",
    "revvlink_fleet_nodes": "Nodes that were checked.",
    "revvlink_fleet_healthy_nodes": "Those of them that are healthy.",
    "revvlink_fleet_unserved_regions": "Regions of the configured nodes without a healthy one.",
    "revvlink_fleet_version_skew": "Versions beyond the first among nodes of one kind of server.",
    "revvlink_fleet_imbalance": "Playing players of the busiest node, as a multiple of its region's mean.",
    "revvlink_check_status": "Verdict of a check on a node: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN.",
    "revvlink_fleet_check_status": "Verdict of a check on the fleet: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN.",
    "revvlink_check_verdict": "The worst of all verdicts: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN.",
    "revvlink_check_timestamp_seconds": "When the checks began, in seconds since the epoch.",
    "revvlink_check_duration_seconds": "Time that the checks took.",
    "revvlink_build_info": "The version of revvlink, as a label.",
    "revvlink_config_reload_success": "Whether the configuration could be read when it was last to be.",
    "revvlink_scrape_duration_seconds": "Time that it took to make these metrics.",
    "probe_success": "Whether every check of the node was OK or a WARNING.",
    "probe_duration_seconds": "Time that the probe took.",
}
"""Every metric there is, in the order in which they are written, and what it is."""


class Sample(NamedTuple):
    """One value of one metric.

    Attributes:
        metric: A key of `HELP`.
        labels: Names and values, in order.
        value: The number.
    """

    metric: str
    labels: tuple[tuple[str, str], ...]
    value: float


def samples(report: Report) -> list[Sample]:
    """What a report says, apart from when it was made."""
    found = [Sample("revvlink_node_up", (("node", node),), float(is_up)) for node, is_up in report.ready.items()]
    hanging = {found.node for found in report.made if found.code == str(Code.REST_UNRESPONSIVE)}
    found += [Sample("revvlink_node_hanging", (("node", node),), float(node in hanging)) for node in report.ready]
    statuses: dict[tuple[str | None, str], Verdict] = {}
    for finding in report.findings:
        place = (finding.node, finding.check)
        known = statuses.get(place)
        statuses[place] = max(known or Verdict.OK, finding.verdict, key=lambda verdict: verdict.gravity)
        if finding.node is not None and finding.facts:
            found.append(Sample("revvlink_node_info", (("node", finding.node), *finding.facts), 1.0))
        found += [_sample(finding, figure) for figure in finding.figures if finding.check != "quorum"]
    for (node, check), verdict in statuses.items():
        labels = (("check", check),)
        if node is None:
            found.append(Sample("revvlink_fleet_check_status", labels, float(verdict)))
        else:
            found.append(Sample("revvlink_check_status", (("node", node), *labels), float(verdict)))
    found += [
        Sample("revvlink_fleet_nodes", (), float(report.nodes)),
        Sample("revvlink_fleet_healthy_nodes", (), float(report.healthy)),
        Sample("revvlink_check_verdict", (), float(report.verdict)),
    ]
    return found


def _sample(finding: Finding, figure: Figure) -> Sample:
    ending = {"count": ""}.get(figure.unit.base, f"_{figure.unit.base}")
    if finding.node is None:
        return Sample(f"revvlink_fleet_{figure.name}{ending}", (), figure.value)
    labels = [("node", finding.node)]
    if finding.subject is not None:
        labels.append(("canary", finding.subject))
    return Sample(f"revvlink_node_{figure.name}{ending}", tuple(labels), figure.value)


def exposition(found: Iterable[Sample]) -> str:
    """Samples as text: each metric once, with its help and type."""
    families: dict[str, dict[tuple[tuple[str, str], ...], float]] = {}
    for sample in found:
        families.setdefault(sample.metric, {})[sample.labels] = sample.value
    lines: list[str] = []
    for metric, about in HELP.items():
        if metric in families:
            lines += [f"# HELP {metric} {about}", f"# TYPE {metric} gauge"]
            lines += [f"{metric}{_labels(labels)} {_value(value)}" for labels, value in families[metric].items()]
    return "\n".join(lines) + "\n"


def of_run(report: Report) -> str:
    """The whole text of one run, for the textfile collector."""
    made = [
        Sample("revvlink_check_timestamp_seconds", (), report.at),
        Sample("revvlink_check_duration_seconds", (), report.took),
    ]
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
