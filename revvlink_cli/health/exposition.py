"""Samples as text for Prometheus: its text format 0.0.4, and OpenMetrics 1.0.

Source: prometheus.io, "Exposition formats"; OpenMetrics 1.0, RFC draft, "Text format".
"""

from __future__ import annotations

from enum import Enum
from operator import add
from typing import TYPE_CHECKING

from revvlink_cli.health.catalogue import MetricType
from revvlink_cli.health.findings import Finding, Verdict, worst
from revvlink_cli.health.metrics import (
    CHECK_FAILURE,
    CHECK_STATE,
    CHECK_STATUS,
    HANGING,
    HEALTHY_NODES,
    METRICS,
    NODE_INFO,
    NODE_STATE,
    SILENCED,
    UP,
    Sample,
    graver_of,
    hanging_nodes,
    of_fleet,
    sample_of,
    samples,
    states,
    times,
    why,
)
from revvlink_cli.health.ranges import Unit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from revvlink_cli.health.catalogue import Metric
    from revvlink_cli.health.fleet import Report
    from revvlink_cli.health.metrics import Labels


class TextFormat(Enum):
    """A format of metrics. Its value is the content type."""

    PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"
    OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"


_ORDER = {metric: place for place, metric in enumerate(METRICS)}

_STATES = tuple(verdict.name.lower() for verdict in Verdict)
"""Values of the label ``state``, at the number of their verdict."""

_OWN_LABELS = frozenset({"check", "reason", "state"})
"""Labels whose values are this program's own words: a secret that equals one of them is not masked there."""


def exposition(
    found: Iterable[Sample], form: TextFormat = TextFormat.PROMETHEUS, mask: Callable[[str], str] = str
) -> str:
    """Samples as text: each metric once, with its help and type.

    Args:
        found: The samples, in any order.
        form: The format.
        mask: Masks secrets in the values of labels.
    """
    families: dict[Metric, dict[Labels, Sample]] = {}
    for sample in found:
        families.setdefault(sample.metric, {})[sample.labels] = sample
    lines: list[str] = []
    for metric in sorted(families, key=lambda metric: _ORDER.get(metric, len(_ORDER))):
        lines += _header(metric, form)
        shown = [(sample, label_text(sample.labels, mask)) for sample in families[metric].values()]
        if metric.type is MetricType.COUNTER:
            lines += _counter_lines(metric, shown, form)
        else:
            lines += [f"{metric.full_name}{line}" for sample, labels in shown for line in _bare_lines(sample, labels)]
    if form is TextFormat.OPENMETRICS:
        lines.append("# EOF")
    return "\n".join(lines) + "\n"


def of_run(report: Report) -> str:
    """The whole text of one run, for the textfile collector."""
    return exposition([*samples(report), *times(report)])


def _header(metric: Metric, form: TextFormat) -> list[str]:
    """What a metric is. OpenMetrics names a counter without ``_total`` here, and names the unit."""
    type_ = MetricType.COUNTER if metric.type is MetricType.COUNTER else MetricType.GAUGE
    help_ = metric.full_help.replace("\\", "\\\\").replace("\n", "\\n")
    if form is TextFormat.PROMETHEUS:
        return [f"# HELP {metric.full_name} {help_}", f"# TYPE {metric.full_name} {type_}"]
    unit = [f"# UNIT {metric.family} {metric.unit.base}"] if metric.unit is not Unit.COUNT else []
    help_ = help_.replace('"', '\\"')
    return [f"# TYPE {metric.family} {type_}", *unit, f"# HELP {metric.family} {help_}"]


def _bare_lines(sample: Sample, labels: str) -> list[str]:
    """The lines of a sample, each without the name of the metric at its start."""
    if sample.metric.type is MetricType.STATES:
        return _state_lines(labels, sample.value)
    return [f"{_braced(labels)} {value_text(sample.metric, sample.value)}"]


def _state_lines(labels: str, value: float) -> list[str]:
    start = f"{{{labels}," if labels else "{"
    return [f'{start}state="{state}"}} {int(place == value)}' for place, state in enumerate(_STATES)]


def _counter_lines(metric: Metric, found: Sequence[tuple[Sample, str]], form: TextFormat) -> list[str]:
    """The lines of a counter's samples with their labels. OpenMetrics has the time of 0 right after each value."""
    name, created_name, is_open = metric.full_name, f"{metric.family}_created", form is TextFormat.OPENMETRICS
    values = value_texts(metric, [sample.value for sample, _ in found])
    lines: list[str] = []
    for (sample, labels), value in zip(found, values, strict=True):
        braced = _braced(labels)
        lines.append(f"{name}{braced} {value}")
        if is_open and sample.created is not None:
            lines.append(f"{created_name}{braced} {sample.created:.3f}")
    return lines


def _braced(labels: str) -> str:
    return f"{{{labels}}}" if labels else ""


def label_text(labels: Labels, mask: Callable[[str], str]) -> str:
    """Labels as they stand between braces."""
    return ",".join(f'{name}="{value if name in _OWN_LABELS else escaped(mask(value))}"' for name, value in labels)


class _NodeText:
    """The texts of one node that stay the same from scrape to scrape.

    Attributes:
        label: The label of the node: ``node="us-1"``.
        start: The same between braces, with a space: the start of most of its lines.
        verdicts: The verdicts that the following texts show: check, verdict, check, verdict, ...
        state, check_state, check_status: Their lines, each with its end.
        facts: What the server is, which the next text shows.
        info: The line of that.
    """

    __slots__ = ("check_state", "check_status", "facts", "info", "label", "start", "state", "verdicts")

    def __init__(self, name: str, mask: Callable[[str], str]) -> None:
        self.label = label_text((("node", name),), mask)
        self.start = f"{{{self.label}}} "
        self.verdicts: list[object] = []
        self.state = self.check_state = self.check_status = self.info = ""
        self.facts: Labels = ()

    def show_facts(self, facts: Labels, mask: Callable[[str], str]) -> str:
        """The line of these facts, made anew if they have changed."""
        if facts != self.facts:
            self.facts = facts
            self.info = f"{{{self.label},{label_text(facts, mask)}}} 1"
        return self.info

    def show(self, verdicts: list[object], checks: Mapping[str, Finding]) -> None:
        """Write the lines of these verdicts, if one of them has changed."""
        if verdicts == self.verdicts:
            return
        self.verdicts = verdicts
        labels = {check: f'{self.label},check="{check}"' for check in checks}
        self.state = _lines(NODE_STATE, _state_lines(self.label, worst(checks.values())))
        self.check_state = _lines(
            CHECK_STATE,
            [line for check, found in checks.items() for line in _state_lines(labels[check], found.verdict)],
        )
        self.check_status = _lines(
            CHECK_STATUS, [f"{{{labels[check]}}} {found.verdict.value}" for check, found in checks.items()]
        )


_NOTHING: Mapping[Labels, tuple[Sample, str]] = {}


class _Figures:
    """The values of one metric, each with the start of its line."""

    __slots__ = ("add_start", "add_value", "metric", "starts", "values")

    def __init__(self, metric: Metric) -> None:
        self.metric = metric
        self.starts: list[str] = []
        self.values: list[float] = []
        self.add_start = self.starts.append
        self.add_value = self.values.append


class FleetText:
    """Writes the metrics of one fleet again and again, for an exporter.

    The text has the samples of `exposition`, in a fraction of the time: labels are escaped once, the lines of verdicts
    are written when a verdict changes, and the lines of a metric are joined at once. 500 nodes have 50,000 lines.
    """

    def __init__(self, mask: Callable[[str], str] = str) -> None:
        """Prepare.

        Args:
            mask: Masks secrets in the values of labels. Results are kept: other secrets need another object.
        """
        self._mask = mask
        self._nodes: dict[str, _NodeText] = {}
        self._singles: dict[int, dict[Labels, tuple[Sample, str]]] = {}

    def write(self, report: Report, others: Iterable[Sample], form: TextFormat = TextFormat.PROMETHEUS) -> str:
        """The text of a report on one fleet that has no context, and of other samples."""
        self._nodes = {name: self._nodes.get(name) or _NodeText(name, self._mask) for name in report.ready}
        texts, more = self._texts_of_nodes(report)
        known, self._singles = self._singles, {}
        for sample in (*more, *others):
            number = id(sample.metric)  # a fraction of the time of a metric's hash
            if number not in self._singles:
                self._singles[number] = {}
            was = known.get(number, _NOTHING).get(sample.labels)
            text = was[1] if was is not None else label_text(sample.labels, self._mask)
            self._singles[number][sample.labels] = (sample, text)
        for by_labels in self._singles.values():
            shown = list(by_labels.values())
            metric = shown[0][0].metric
            if metric.type is MetricType.COUNTER:
                text = "\n".join([*_counter_lines(metric, shown, form), ""])
            else:
                text = _lines(metric, [line for sample, label in shown for line in _bare_lines(sample, label)])
            texts.setdefault(metric, []).append(text)
        parts: list[str] = []
        for metric in sorted(texts, key=lambda metric: _ORDER.get(metric, len(_ORDER))):
            if any(texts[metric]):
                parts += ["\n".join([*_header(metric, form), ""]), *texts[metric]]
        if form is TextFormat.OPENMETRICS:
            parts.append("# EOF\n")
        return "".join(parts)  # the only copy of the whole text, which has megabytes

    def _texts_of_nodes(self, report: Report) -> tuple[dict[Metric, list[str]], list[Sample]]:
        """The figures and the verdicts of nodes, which are nearly all lines, and the samples with other labels."""
        nodes = self._nodes
        figures: dict[int, _Figures] = {}
        checks: dict[str, dict[str, Finding]] = {name: {} for name in nodes}
        verdicts: dict[str, list[object]] = {name: [] for name in nodes}
        facts: dict[str, str] = {}
        failing: dict[str, None] = {}
        of_the_fleet: dict[str, Finding] = {}
        others: list[Sample] = []
        current: str | None = None
        node, start, ok = _NodeText("", self._mask), "", Verdict.OK
        of_node: dict[str, Finding] = {}
        shown: list[object] = []
        for finding in report.outcomes:
            if not isinstance(finding, Finding):
                continue
            name, check, verdict = finding.node, finding.check, finding.verdict
            if name is None:
                of_the_fleet[check] = graver_of(of_the_fleet.get(check), finding)
                others += [sample_of(finding, figure) for figure in finding.figures if figure.metric != HEALTHY_NODES]
                continue
            if name is not current:
                current, node, of_node, shown = name, nodes[name], checks[name], verdicts[name]
                start = node.start
            of_node[check] = graver_of(of_node[check], finding) if check in of_node else finding
            shown += (check, verdict)
            if verdict is not ok:
                failing[name] = None
            if finding.facts:
                facts[name] = node.show_facts(finding.facts, self._mask)
            if finding.subject is not None:
                others += [sample_of(finding, figure) for figure in finding.figures]
                continue
            for figure in finding.figures:
                of_metric = figures.get(id(figure.metric))
                if of_metric is None:
                    of_metric = figures[id(figure.metric)] = _Figures(figure.metric)
                of_metric.add_start(start)
                of_metric.add_value(figure.value)
        hanging = hanging_nodes(report)
        lines = {
            UP: [f"{nodes[name].start}{int(is_up)}" for name, is_up in report.ready.items()],
            HANGING: [f"{node.start}{int(name in hanging)}" for name, node in nodes.items()],
            SILENCED: [f"{node.start}{int(name in report.silenced)}" for name, node in nodes.items()],
            NODE_INFO: list(facts.values()),
        }
        for found in figures.values():
            lines[found.metric] = list(map(add, found.starts, value_texts(found.metric, found.values)))
        texts = {metric: [_lines(metric, of_metric)] for metric, of_metric in lines.items()}
        texts |= self._texts_of_verdicts(checks, verdicts)
        others += [
            Sample(CHECK_FAILURE, (("node", name), ("check", check), *why(finding)), 1.0)
            for name in failing
            for check, finding in checks[name].items()
            if finding.verdict is not Verdict.OK
        ]
        return texts, [*others, *states((), of_the_fleet), *of_fleet(report)]

    def _texts_of_verdicts(
        self, checks: Mapping[str, Mapping[str, Finding]], verdicts: Mapping[str, list[object]]
    ) -> dict[Metric, list[str]]:
        """The verdicts of the nodes that have any, node by node."""
        judged = {name: node for name, node in self._nodes.items() if checks[name]}
        for name, node in judged.items():
            node.show(verdicts[name], checks[name])
        return {
            NODE_STATE: [node.state for node in judged.values()],
            CHECK_STATE: [node.check_state for node in judged.values()],
            CHECK_STATUS: [node.check_status for node in judged.values()],
        }


def _lines(metric: Metric, lines: Sequence[str]) -> str:
    """Lines without the name of their metric as one text, with the name before each; "" for none."""
    name = metric.full_name
    return name + f"\n{name}".join(lines) + "\n" if lines else ""


_ESCAPES: Mapping[int, str] = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n"})


def escaped(text: str) -> str:
    """A label's value; what terminals act on, and half characters, which cannot be encoded, are replaced."""
    visible = "".join(char if char.isprintable() or char == "\n" else "\N{REPLACEMENT CHARACTER}" for char in text)
    return visible.translate(_ESCAPES)


def value_text(metric: Metric, value: float) -> str:
    """A value. Shares and times are rounded: more digits are noise, and do not compress."""
    return value_texts(metric, (value,))[0]


def value_texts(metric: Metric, values: Sequence[float]) -> list[str]:
    """The values of a metric."""
    if metric.unit in _ROUNDED:
        form = _SMALL if max(values) < _LARGE else _GREAT
        return list(map(form.__mod__, values))
    whole = list(map(int, values))
    if max(map(abs, whole)) < _EXACT and whole == list(values):
        return list(map(str, whole))  # nearly always, and much faster than one by one
    return [
        str(number) if number == value and abs(value) < _EXACT else repr(value)
        for number, value in zip(whole, values, strict=True)
    ]


_ROUNDED = (Unit.RATIO, Unit.SECONDS, Unit.DAYS)
_LARGE = 1000.0
_SMALL = "%.6g"
_GREAT = "%.13g"
"""The format of times that may be points in time: microseconds of the present."""

_EXACT = 1e15
"""Integers below this are exact as floats, and have no exponent."""
