"""Draws charts as inline SVG: functions of data that return text.

The width is that of the page, on a phone too: places across are percentages, and lines stand in a drawing of its own
that is stretched. Each part of a chart shows its figures when the pointer is over it, without a script.
"""

from __future__ import annotations

from math import floor, log10
from typing import TYPE_CHECKING, NamedTuple

from revvlink_cli._percent import percent
from revvlink_cli.output.downsample import downsample, envelope, stretches
from revvlink_cli.output.page import html_text
from revvlink_cli.output.time_axis import marks, moment_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from revvlink_cli.output.downsample import Bucket

WIDTH, HEIGHT, TOP, BOTTOM = 960, 220, 8, 24
"""Size of a chart in its own units, and the margins above and below."""

BUCKETS = 480
"""Parts of the time in which a line has its lowest and its highest figure."""

HOVERS = 96
"""Parts of the time that show their figures below the pointer; a divisor of `BUCKETS`."""

MOST_LINES = 8
"""Lines of a chart that have a name; more cannot be followed, and the others make a range."""

STYLE = """
svg.chart{display:block;width:100%;overflow:visible} svg.chart text{font:11px system-ui,sans-serif;fill:var(--muted)}
svg.chart .halo{paint-order:stroke;stroke:var(--back);stroke-width:3px}
.grid{stroke:var(--rule)} .line{fill:none;stroke-width:1.6;vector-effect:non-scaling-stroke}
.band{fill:var(--gap);fill-opacity:.45}
.limit{stroke-width:1.5;stroke-dasharray:7 3} .limit.warn{stroke:var(--warn)} .limit.bad{stroke:var(--bad)}
svg.chart text.warn{fill:var(--warn)} svg.chart text.bad{fill:var(--bad)} svg.chart text.name{fill:var(--text);
font-size:12px;font-weight:600}
.hit{fill:transparent} .hit:hover{fill:var(--muted);fill-opacity:.14}
.up{fill:var(--good)} .down{fill:var(--bad)} .unseen{fill:none;stroke:var(--gap);stroke-dasharray:3 3}
.key{display:inline-flex;align-items:center;vertical-align:middle;gap:.4rem;margin-right:1.1rem;max-width:100%;overflow-wrap:anywhere}
.key i{flex:none;width:1.6rem;border-top:3px solid} .key i.block{height:.8rem;border:0}
.key i.thin{height:.25rem;border:0;background:var(--good)} .key i.full{height:.9rem;border:0;background:var(--bad)}
.key i.open{height:.5rem;border:1px dashed var(--muted)}
.key i.range{height:.8rem;border:0;background:var(--gap);opacity:.6}
@media (max-width:640px){svg.chart .minor{display:none}}
@media print{figure,svg.chart{break-inside:avoid}}
figure{margin:0 0 .5rem} figcaption{color:var(--muted);font-size:.85rem}
""" + "".join(
    f"svg .l{number}{{stroke:var(--line{number % 4})}} .key i.l{number}{{border-color:var(--line{number % 4})}}"
    + (f"svg .l{number}{{stroke-dasharray:6 3}} .key i.l{number}{{border-top-style:dashed}}" if number > 3 else "")
    for number in range(MOST_LINES)
)
"""Rules of style for charts. Each of the lines has its own colour and dash, and none has the colour of a state."""


class Series(NamedTuple):
    """The figures of one node.

    Attributes:
        name: Its name.
        times: The time of each sample, in seconds since the epoch.
        values: The figures, NaN where unknown.
        gaps: Begin and end of each stretch of time without samples.
    """

    name: str
    times: Sequence[float]
    values: Sequence[float]
    gaps: Sequence[tuple[float, float]] = ()


class Limit(NamedTuple):
    """A threshold.

    Attributes:
        value: The figure from which it alerts.
        is_critical: Whether that is critical, or a warning.
        text: The threshold in words.
    """

    value: float
    is_critical: bool
    text: str


class Chart(NamedTuple):
    """Figures over time.

    Attributes:
        title: What they are.
        unit: Behind each figure; ``%`` makes shares of them.
        start: Begin of the time, in seconds since the epoch.
        end: Its end.
        lines: The series with a line each, at most `MOST_LINES`.
        others: Series that are drawn as one range.
        limits: Thresholds.
    """

    title: str
    unit: str
    start: float
    end: float
    lines: Sequence[Series]
    others: Sequence[Series] = ()
    limits: Sequence[Limit] = ()


def line_chart(chart: Chart) -> str:
    """A chart with a line for each name, with gaps for unknown figures, and thresholds."""
    lines = [_buckets(series, chart) for series in chart.lines]
    others = [_buckets(series, chart) for series in chart.others]
    known = [bucket.high for buckets in (*lines, *others) for bucket in buckets if bucket is not None and bucket.points]
    if not known:
        return "<p>unknown throughout</p>"
    limits = [limit for limit in chart.limits if limit.value <= 4 * max(known)]
    scale = _scale(max([*known, *(limit.value for limit in limits)]))
    top = scale[-1]
    drawn = [_grid(value, top) for value in scale]
    numbered = [(number, series.name, lines[number]) for number, series in enumerate(chart.lines)]
    drawn.append(f'<svg width="100%" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}" preserveAspectRatio="none">')
    drawn.append(_band(others, top))
    drawn += [_line(name, buckets, number, chart, top) for number, name, buckets in numbered]
    drawn.append("</svg>")
    for number, name, buckets in numbered:
        drawn += _dots(name, buckets, number, chart, top)
    drawn += [_limit(limit, top) for limit in limits]
    drawn += [_axis_label(value, top, chart.unit) for value in scale[1:]]
    drawn += [_time_marks(chart.start, chart.end, HEIGHT, HEIGHT - BOTTOM), _hovers(chart, lines, others)]
    beyond = [f"{limit.text}: above the chart" for limit in chart.limits if limit not in limits]
    return (
        f'<figure><svg class="chart" height="{HEIGHT}" role="img" aria-label="{html_text(chart.title)}">'
        f"{''.join(drawn)}</svg>{_legend(chart, beyond)}</figure>"
    )


def _buckets(series: Series, chart: Chart) -> list[Bucket | None]:
    return downsample(series.times, series.values, series.gaps, chart.start, chart.end, BUCKETS)


def _scale(top: float) -> list[float]:
    """Round figures from zero to above `top`."""
    if top < 1e-6:
        return [0.0, 0.25, 0.5, 0.75, 1.0]
    raw = top / 4
    power = 10.0 ** floor(log10(raw))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= raw * 0.999)
    count = int(-(-top * 0.999 // step))
    return [step * number for number in range(max(count, 1) + 1)]


def _grid(value: float, top: float) -> str:
    y = _height(value, top)
    return f'<line class="grid" x1="0" x2="100%" y1="{y:.1f}" y2="{y:.1f}"/>'


def _axis_label(value: float, top: float, unit: str) -> str:
    return f'<text class="halo" x="2" y="{_height(value, top) + 12:.1f}">{_figure(value, unit)}</text>'


def _line(name: str, buckets: Sequence[Bucket | None], number: int, chart: Chart, top: float) -> str:
    """The lines of one series; a line of one point would show nothing, see `_dots`."""
    title = f"<title>{html_text(name)}</title>"
    return "".join(
        f'<polyline class="line l{number}" points="{_points(stretch, chart, top)}">{title}</polyline>'
        for stretch in stretches(buckets)
        if len(stretch) > 1
    )


def _points(stretch: Sequence[tuple[float, float]], chart: Chart, top: float) -> str:
    return " ".join(
        f"{_share(at, chart.start, chart.end) * WIDTH:.1f},{_height(value, top):.1f}" for at, value in stretch
    )


def _dots(name: str, buckets: Sequence[Bucket | None], number: int, chart: Chart, top: float) -> list[str]:
    """A dot for each figure without a neighbour. It stands outside of the stretched drawing, which would flatten it."""
    return [
        f'<circle class="l{number}" fill="none" cx="{_share(at, chart.start, chart.end):.2%}" '
        f'cy="{_height(value, top):.1f}" r="2"><title>{html_text(name)}</title></circle>'
        for stretch in stretches(buckets)
        if len(stretch) == 1
        for at, value in stretch
    ]


def _band(others: Sequence[Sequence[Bucket | None]], top: float) -> str:
    """The range of the series without a line of their own."""
    drawn = []
    for stretch in envelope(others) if others else ():
        step = WIDTH / BUCKETS
        upper = [f"{(number + 0.5) * step:.0f},{_height(high, top):.1f}" for number, _, high in stretch]
        lower = [f"{(number + 0.5) * step:.0f},{_height(low, top):.1f}" for number, low, _ in reversed(stretch)]
        drawn.append(f'<polygon class="band" points="{" ".join((*upper, *lower))}"/>')
    return "".join(drawn)


def _limit(limit: Limit, top: float) -> str:
    y = _height(limit.value, top)
    kind = "bad" if limit.is_critical else "warn"
    return (
        f'<line class="limit {kind}" x1="0" x2="100%" y1="{y:.1f}" y2="{y:.1f}"/>'
        f'<text class="halo {kind}" x="100%" y="{y - 4 if y > 24 else y + 12:.1f}" text-anchor="end">'
        f"{html_text(limit.text)}</text>"
    )


def _time_marks(start: float, end: float, height: int, top: int) -> str:
    """The time axis of a drawing of this height, with a line from `top` down for each mark."""
    drawn = []
    for at, label, is_minor in marks(start, end):
        share = _share(at, start, end)
        anchor = "start" if share < 0.03 else "end" if share > 0.97 else "middle"
        minor = ' class="minor"' if is_minor else ""
        drawn.append(
            f'<line class="grid" x1="{share:.2%}" x2="{share:.2%}" y1="{top}" y2="{height - BOTTOM + 5}"/>'
            f'<text{minor} x="{share:.2%}" y="{height - 6}" text-anchor="{anchor}">{label}</text>'
        )
    return "".join(drawn)


def _hovers(chart: Chart, lines: Sequence[Sequence[Bucket | None]], others: Sequence[Sequence[Bucket | None]]) -> str:
    """Parts of the chart that show their time and figures below the pointer."""
    size = BUCKETS // HOVERS
    width = 100 / HOVERS
    drawn = []
    for number in range(HOVERS):
        part = slice(number * size, (number + 1) * size)
        texts = [
            f"{series.name}: {text}"
            for series, buckets in zip(chart.lines, lines, strict=True)
            if (text := _range(buckets[part], chart.unit))
        ]
        rest = _range([bucket for buckets in others for bucket in buckets[part]], chart.unit)
        texts += [f"{len(others)} others: {rest}"] if rest else []
        if texts:
            at = chart.start + (chart.end - chart.start) * number / HOVERS
            head = moment_text(at, zone=True, seconds=chart.end - chart.start < 7200)
            drawn.append(
                f'<rect class="hit" x="{number * width:.2f}%" y="0" width="{width:.2f}%" height="{HEIGHT - BOTTOM}">'
                f"<title>{'&#10;'.join(map(html_text, (head, *texts)))}</title></rect>"
            )
    return "".join(drawn)


def _range(buckets: Iterable[Bucket | None], unit: str) -> str:
    """The lowest and the highest of some figures, "" if all are unknown."""
    known = [bucket for bucket in buckets if bucket is not None and bucket.points]
    if not known:
        return ""
    low, high = (_figure(value, unit) for value in (min(b.low for b in known), max(b.high for b in known)))
    return low if low == high else f"{low} to {high}"


def _legend(chart: Chart, beyond: Sequence[str]) -> str:
    keys = [
        f'<span class="key"><i class="l{number}"></i>{html_text(series.name)}</span>'
        for number, series in enumerate(chart.lines)
    ]
    if chart.others:
        count = len(chart.others)
        keys.append(f'<span class="key"><i class="range"></i>range of {count} other{"s" if count > 1 else ""}</span>')
    keys += [f'<span class="key">{html_text(text)}</span>' for text in beyond]
    return f"<figcaption>{''.join(keys)}</figcaption>"


def _share(at: float, start: float, end: float) -> float:
    return (at - start) / (end - start) if end > start else 0.0


def _height(value: float, top: float) -> float:
    return TOP + (1 - value / top) * (HEIGHT - BOTTOM - TOP)


def _figure(value: float, unit: str) -> str:
    if unit == "%":
        return percent(value)
    text = f"{value:.4g}" if value < 1e6 else f"{value:.3g}"
    return f"{text}{unit}"


class Strip(NamedTuple):
    """When one node was connected.

    Attributes:
        name: Its name.
        summary: What stands at the right end.
        spans: Begin, end, and whether it was connected; None where that was not observed.
        describe: Makes the text of a stretch without a connection: its begin and its end.
    """

    name: str
    summary: str
    spans: Sequence[tuple[float, float, bool | None]]
    describe: Callable[[float, float], str]


_LONGEST_NAME = 24
"""Characters of a name above a strip."""

ROW = 34
"""Height of a strip with its name."""

MOST_STRIPS = 24
"""Strips of one drawing: paper breaks between drawings."""


def strips(rows: Sequence[Strip], start: float, end: float) -> str:
    """A bar for each node: thin where it was connected, high where it was not, dashed where nothing observed it."""
    drawings = [rows[first : first + MOST_STRIPS] for first in range(0, len(rows), MOST_STRIPS)]
    return (
        f"<figure>{''.join(_strips(some, start, end) for some in drawings)}"
        '<figcaption><span class="key"><i class="thin"></i>connected</span>'
        '<span class="key"><i class="full"></i>not connected</span>'
        '<span class="key"><i class="open"></i>not observed</span></figcaption></figure>'
    )


def _strips(rows: Sequence[Strip], start: float, end: float) -> str:
    height = len(rows) * ROW + BOTTOM
    drawn = []
    for number, row in enumerate(rows):
        top = number * ROW
        drawn.append(
            f'<text class="name" x="0" y="{top + 12}">{_short(row.name)}</text>'
            f'<text x="100%" y="{top + 12}" text-anchor="end">{html_text(row.summary)}</text>'
            f'<rect class="unseen" x="0" y="{top + 20.5}" width="100%" height="7"/>'
        )
        drawn += [
            _bar("up", left, right, top + 21, 6, "") for left, right in _joined(row.spans, start, end, (True, False))
        ]
        drawn += [
            _bar("down", left, right, top + 17, 14, row.describe(begun, ended))
            for left, right, begun, ended in _outages(row.spans, start, end)
        ]
    axis = _time_marks(start, end, height, 0)
    return f'<svg class="chart" height="{height}" role="img" aria-label="Connected">{axis}{"".join(drawn)}</svg>'


def _short(name: str) -> str:
    """A name that leaves room for what stands at the right end on a phone; the pointer shows all of it."""
    if len(name) <= _LONGEST_NAME:
        return html_text(name)
    return f"{html_text(name[: _LONGEST_NAME - 1])}…<title>{html_text(name)}</title>"


def _bar(kind: str, left: float, right: float, top: float, height: float, text: str) -> str:
    title = f"<title>{'&#10;'.join(map(html_text, text.splitlines()))}</title>" if text else ""
    return (
        f'<rect class="{kind}" x="{left:.2%}" y="{top}" width="{max(right - left, 0.0015):.2%}" height="{height}">'
        f"{title}</rect>"
    )


_NEAR = 1 / 1000
"""Share of the width below which stretches are drawn as one."""


def _joined(
    spans: Iterable[tuple[float, float, bool | None]], start: float, end: float, wanted: tuple[bool, ...]
) -> list[tuple[float, float]]:
    """Stretches of the wanted states as shares of the width, near ones joined."""
    found: list[tuple[float, float]] = []
    for begun, ended, is_up in spans:
        if is_up is None or is_up not in wanted:
            continue
        left, right = _share(begun, start, end), _share(ended, start, end)
        if found and left - found[-1][1] < _NEAR:
            left = found.pop()[0]
        found.append((left, right))
    return found


def _outages(
    spans: Iterable[tuple[float, float, bool | None]], start: float, end: float
) -> list[tuple[float, float, float, float]]:
    """Stretches without a connection: left and right as shares of the width, begin and end; near ones joined."""
    span = end - start
    return [
        (left, right, start + left * span, start + right * span) for left, right in _joined(spans, start, end, (False,))
    ]
