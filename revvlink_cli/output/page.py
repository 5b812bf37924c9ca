"""Makes a self-contained HTML page: a table, and charts as inline SVG. No script, nothing from the network."""

from __future__ import annotations

from datetime import datetime
from html import escape
from typing import TYPE_CHECKING, Any, NamedTuple

from revvlink_cli._percent import percent
from revvlink_cli.output.result import Kind, columns_of
from revvlink_cli.output.text import clean, shown

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

WIDTH, HEIGHT, LEFT, BOTTOM = 960, 220, 60, 24
"""Size of a chart and of its margins in pixels."""

COLOURS = ("#4c78a8", "#f58518", "#54a24b", "#e45756", "#72b7b2", "#b279a2", "#eeca3b", "#9d755d", "#ff9da6", "#79706e")

_STYLE = """
body { font: 14px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 1000px; padding: 0 1rem; color: #222;
  background: #fff; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; }
table { border-collapse: collapse; width: 100%; }
th, td { padding: .25rem .6rem; text-align: left; white-space: nowrap; }
th { border-bottom: 2px solid #888; } td { border-bottom: 1px solid #ddd; } .number { text-align: right; }
.wide { overflow-x: auto; } svg { width: 100%; height: auto; } .key { margin-right: 1rem; }
text { font: 11px system-ui, sans-serif; fill: #555; }
@media (prefers-color-scheme: dark) { body { color: #ddd; background: #181818; } td { border-color: #333; }
  text { fill: #aaa; } }
"""


class Chart(NamedTuple):
    """Figures over time.

    Attributes:
        title: What they are.
        unit: Behind each figure; ``%`` makes shares of them.
        series: By name, pairs of seconds since the epoch and the figure, None where it is unknown.
    """

    title: str
    unit: str
    series: Mapping[str, Sequence[tuple[float, float | None]]]


def page(
    title: str,
    about: str,
    rows: Sequence[Any],
    presence: Mapping[str, Sequence[tuple[float, bool]]] | None = None,
    charts: Sequence[Chart] = (),
) -> str:
    """The page.

    Args:
        title: Its heading.
        about: A sentence below it.
        rows: What the table shows.
        presence: By name, whether it was there at each moment; None for no such drawing.
        charts: In their order.
    """
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{_text(title)}</title><style>{_STYLE}</style></head><body>",
        f"<h1>{_text(title)}</h1><p>{_text(about)}</p>",
        table(rows),
        *(("<h2>Connected</h2>", _strips(presence)) if presence else ()),
        *(f"<h2>{_text(chart.title)}</h2>{_drawn(chart)}" for chart in charts),
        "</body></html>",
    ]
    return "\n".join(parts) + "\n"


def table(rows: Sequence[Any]) -> str:
    """Rows as an HTML table."""
    if not rows:
        return "<p>nothing</p>"
    columns = [(name, column) for name, column in columns_of(type(rows[0])) if column.title]
    numbers = [column.kind not in (Kind.TEXT, Kind.STATE) for _, column in columns]
    mark = [' class="number"' if number else "" for number in numbers]
    head = "".join(f"<th{cls}>{_text(column.title)}</th>" for (_, column), cls in zip(columns, mark, strict=True))
    body = "".join(
        "<tr>"
        + "".join(
            f"<td{cls}>{_text(shown(row, name, column), lines=True)}</td>"
            for (name, column), cls in zip(columns, mark, strict=True)
        )
        + "</tr>\n"
        for row in rows
    )
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>\n{body}</tbody></table></div>'


def _strips(presence: Mapping[str, Sequence[tuple[float, bool]]]) -> str:
    """A bar for each node, green while it was connected and red while it was not."""
    moments = [at for strip in presence.values() for at, _ in strip]
    low, high = min(moments), max(moments)
    lines = []
    for number, (name, strip) in enumerate(presence.items()):
        top = number * 20 + 4
        lines.append(f'<text x="0" y="{top + 11}">{_text(name[:24])}</text>')
        for start, end, was_there in _runs(strip):
            left, right = _place(start, low, high, 160), _place(end, low, high, 160)
            colour = "#54a24b" if was_there else "#e45756"
            lines.append(
                f'<rect x="{left:.1f}" y="{top}" width="{max(right - left, 1):.1f}" height="14" fill="{colour}"/>'
            )
    height = len(presence) * 20 + 24
    axis = _times(low, high, height - 6, 160)
    return f'<svg viewBox="0 0 {WIDTH} {height}" role="img">{"".join(lines)}{axis}</svg>'


def _runs(strip: Sequence[tuple[float, bool]]) -> list[tuple[float, float, bool]]:
    """Spans in which nothing changes: start, end, whether the node was connected."""
    runs: list[tuple[float, float, bool]] = []
    for at, was_there in strip:
        if runs and runs[-1][2] is was_there:
            runs[-1] = (runs[-1][0], at, was_there)
        else:
            if runs:
                runs[-1] = (runs[-1][0], at, runs[-1][2])
            runs.append((at, at, was_there))
    return runs


def _drawn(chart: Chart) -> str:
    """A chart with a line for each name, with gaps for unknown figures."""
    points = [(at, value) for series in chart.series.values() for at, value in series if value is not None]
    if not points:
        return "<p>unknown throughout</p>"
    low, high = min(at for at, _ in points), max(at for at, _ in points)
    top = max(value for _, value in points) or 1.0
    lines = []
    for step in range(5):
        value = top * step / 4
        y = _height(value, top)
        lines.append(f'<line x1="{LEFT}" y1="{y:.1f}" x2="{WIDTH}" y2="{y:.1f}" stroke="#888" stroke-opacity=".3"/>')
        lines.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{_figure(value, chart.unit)}</text>')
    for number, (name, series) in enumerate(chart.series.items()):
        colour = COLOURS[number % len(COLOURS)]
        for stretch in _stretches(series):
            places = [f"{_place(at, low, high, LEFT):.1f},{_height(value, top):.1f}" for at, value in stretch]
            tooltip = f"<title>{_text(name)}</title>"
            if len(places) == 1:  # a line of one point is invisible
                across, _, down = places[0].partition(",")
                lines.append(f'<circle fill="{colour}" cx="{across}" cy="{down}" r="2">{tooltip}</circle>')
            else:
                lines.append(
                    f'<polyline fill="none" stroke="{colour}" stroke-width="1.5" points="{" ".join(places)}">'
                    f"{tooltip}</polyline>"
                )
    keys = "".join(
        f'<span class="key"><span style="color:{COLOURS[number % len(COLOURS)]}">&#9632;</span> {_text(name)}</span>'
        for number, name in enumerate(chart.series)
    )
    axis = _times(low, high, HEIGHT - 6, LEFT)
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img">{"".join(lines)}{axis}</svg><p>{keys}</p>'


def _stretches(series: Sequence[tuple[float, float | None]]) -> list[list[tuple[float, float]]]:
    """The parts of a series without unknown figures."""
    found: list[list[tuple[float, float]]] = [[]]
    for at, value in series:
        if value is None:
            found.append([])
        else:
            found[-1].append((at, value))
    return [stretch for stretch in found if stretch]


def _times(low: float, high: float, y: float, left: int) -> str:
    """The time axis below a chart."""
    form = "%H:%M:%S" if high - low < 2 * 86400 else "%d %b %H:%M"
    marks = []
    for step in range(5):
        at = low + (high - low) * step / 4
        anchor = {0: "start", 4: "end"}.get(step, "middle")
        label = datetime.fromtimestamp(at).astimezone().strftime(form)
        marks.append(f'<text x="{_place(at, low, high, left):.1f}" y="{y}" text-anchor="{anchor}">{label}</text>')
        if high == low:
            break
    return "".join(marks)


def _place(at: float, low: float, high: float, left: int) -> float:
    return left + (at - low) / (high - low) * (WIDTH - left) if high > low else float(left)


def _height(value: float, top: float) -> float:
    return 8 + (1 - value / top) * (HEIGHT - BOTTOM - 8)


def _figure(value: float, unit: str) -> str:
    return percent(value) if unit == "%" else f"{value:.3g}{unit}"


def _text(text: str, *, lines: bool = False) -> str:
    return "<br>".join(_text(line) for line in text.split("\n")) if lines else escape(clean(text))
