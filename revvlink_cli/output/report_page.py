"""The page of `revvlink report`: the verdict, the nodes with the worst first, the incidents, and charts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from revvlink_cli.output.charts import STYLE, line_chart, strips
from revvlink_cli.output.page import document, html_text, table
from revvlink_cli.output.result import columns_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from revvlink_cli.output.charts import Chart, Strip
    from revvlink_cli.output.result import Column

_STYLE = (
    STYLE
    + """
.verdict{font-size:1.1rem;font-weight:600;margin:.6rem 0}
.verdict span,.about{display:block}
footer{margin-top:2.5rem;border-top:1px solid var(--rule);padding-top:.5rem}
"""
)


class ReportPage(NamedTuple):
    """What the page shows.

    Attributes:
        title: Its heading.
        verdicts: Sentences on the whole fleet, each with its class of the style: ``good``, ``warn``, ``bad`` or "".
        about: Lines on the recording: its samples, its time.
        rows: The nodes, the worst first.
        columns: Names of fields and their columns to show.
        mark: Returns a class of the style for a cell of these.
        incidents: Outages, in order of time.
        incidents_note: A line below them, or "".
        strips: When each node was connected.
        strips_note: A line below them, or "".
        charts: Figures over time, in their order.
        start: Begin of the time, in seconds since the epoch.
        end: Its end.
        zone: The local zone of that time.
        footer: Which command made the page, and when.
    """

    title: str
    verdicts: Sequence[tuple[str, str]]
    about: Sequence[str]
    rows: Sequence[Any]
    columns: Sequence[tuple[str, Column]]
    mark: Callable[[Any, str], str]
    incidents: Sequence[Any]
    incidents_note: str
    strips: Sequence[Strip]
    strips_note: str
    charts: Sequence[Chart]
    start: float
    end: float
    zone: str
    footer: str


def report_page(page: ReportPage) -> str:
    """The page as HTML."""
    parts = [f"<p>{html_text(line)}</p>" for line in page.about]
    parts += [f'<p class="verdict"><span class="{kind}">{html_text(text)}</span></p>' for kind, text in page.verdicts]
    parts += [table(page.rows, page.columns, mark=page.mark), "<h2>Incidents</h2>"]
    parts.append(
        table(page.incidents, columns_of(type(page.incidents[0])))
        if page.incidents
        else "<p>none: each node was connected whenever it was observed</p>"
    )
    parts += [f'<p class="note">{html_text(page.incidents_note)}</p>'] if page.incidents_note else []
    zone = f'<p class="note">Times in {html_text(page.zone)}.</p>'
    parts += ["<h2>Connected</h2>", zone, strips(page.strips, page.start, page.end)]
    parts += [f'<p class="note">{html_text(page.strips_note)}</p>'] if page.strips_note else []
    parts += [f"<h2>{html_text(chart.title)}</h2>{line_chart(chart)}" for chart in page.charts]
    parts.append(f'<footer class="note">{html_text(page.footer)}</footer>')
    return document(page.title, parts, style=_STYLE)
