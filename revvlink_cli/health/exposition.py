"""Samples as text for Prometheus: its text format 0.0.4, and OpenMetrics 1.0.

Source: prometheus.io, "Exposition formats"; OpenMetrics 1.0, RFC draft, "Text format".
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from revvlink_cli.health.catalogue import MetricType
from revvlink_cli.health.findings import Verdict
from revvlink_cli.health.metrics import METRICS, samples, times
from revvlink_cli.health.ranges import Unit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from revvlink_cli.health.catalogue import Metric
    from revvlink_cli.health.fleet import Report
    from revvlink_cli.health.metrics import Labels, Sample


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
        for sample in families[metric].values():
            lines += _lines(sample, form, mask)
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


def _lines(sample: Sample, form: TextFormat, mask: Callable[[str], str]) -> list[str]:
    metric, labels = sample.metric, label_text(sample.labels, mask)
    if metric.type is MetricType.STATES:
        start = f"{metric.full_name}{{{labels}{',' if labels else ''}"
        return [f'{start}state="{state}"}} {int(place == sample.value)}' for place, state in enumerate(_STATES)]
    braced = f"{{{labels}}}" if labels else ""
    lines = [f"{metric.full_name}{braced} {value_text(metric, sample.value)}"]
    if form is TextFormat.OPENMETRICS and metric.type is MetricType.COUNTER and sample.created is not None:
        lines.append(f"{metric.family}_created{braced} {sample.created:.3f}")
    return lines


def label_text(labels: Labels, mask: Callable[[str], str]) -> str:
    """Labels as they stand between braces."""
    return ",".join(f'{name}="{value if name in _OWN_LABELS else escaped(mask(value))}"' for name, value in labels)


_ESCAPES: Mapping[int, str] = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n"})


def escaped(text: str) -> str:
    """A label's value; what terminals act on, and half characters, which cannot be encoded, are replaced."""
    visible = "".join(char if char.isprintable() or char == "\n" else "\N{REPLACEMENT CHARACTER}" for char in text)
    return visible.translate(_ESCAPES)


def value_text(metric: Metric, value: float) -> str:
    """A value. Shares and times are rounded to six decimals: more digits are noise, and do not compress."""
    if metric.unit is Unit.RATIO or metric.unit.base == "seconds":
        value = round(value, 6)
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value)
