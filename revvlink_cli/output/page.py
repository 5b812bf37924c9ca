"""Makes self-contained HTML pages: the frame, the style, tables and records. No script, nothing from the network.

The style serves a wide screen, a phone and paper, in light and dark. A colour has one meaning: states have theirs and a
sign beside them, so that they can be read without colours; the lines of charts have others. A screen reader reads the
word of a state and leaves out its sign.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

from revvlink_cli.output.result import Kind, columns_of
from revvlink_cli.output.text import MISSING, clean, clean_lines, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from revvlink_cli.output.result import Column, Result

_LIGHT = """--back:#fff;--panel:#f4f6f8;--text:#1c2128;--muted:#57606a;--rule:#d0d7de;--good:#1a7f37;--bad:#cf222e;
--warn:#8a5a00;--gap:#c4ccd4;--line0:#0969da;--line1:#bf3989;--line2:#0b7f93;--line3:#24292f"""

_DARK = """--back:#0d1117;--panel:#161b22;--text:#e6edf3;--muted:#9aa4af;--rule:#30363d;--good:#3fb950;--bad:#ff6a61;
--warn:#d8a038;--gap:#4b545e;--line0:#58a6ff;--line1:#f778ba;--line2:#39c5cf;--line3:#e6edf3"""

_MANY = 10
"""Columns of a table that paper has room for in the usual size."""

_STYLE = f"""
:root{{color-scheme:light dark;{_LIGHT}}}
@media (prefers-color-scheme:dark){{:root{{{_DARK}}}}}
@media print{{:root{{color-scheme:light;{_LIGHT}}}}}
*{{box-sizing:border-box}}
body{{font:15px/1.5 system-ui,sans-serif;margin:0 auto;max-width:1240px;padding:1.5rem 1.25rem 3rem;color:var(--text);
background:var(--back);-webkit-print-color-adjust:exact;print-color-adjust:exact}}
h1{{font-size:1.35rem;line-height:1.3;margin:0 0 .25rem;overflow-wrap:anywhere}}
h2{{font-size:1.05rem;margin:2rem 0 .5rem;break-after:avoid}}
p{{margin:.25rem 0;overflow-wrap:anywhere}}
.about,.note{{color:var(--muted)}} .error{{color:var(--bad)}}
table{{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}}
th,td{{padding:.3rem .5rem;text-align:left;vertical-align:top;border-bottom:1px solid var(--rule)}}
th{{border-bottom:2px solid var(--muted);font-size:.78rem;letter-spacing:.02em;color:var(--muted);
vertical-align:bottom}}
td{{overflow-wrap:anywhere}} td:first-child{{font-weight:600;white-space:nowrap}}
.number{{text-align:right}} td.number{{white-space:nowrap}}
tr{{break-inside:avoid}} thead{{display:table-header-group}}
.good{{color:var(--good)}} .warn{{color:var(--warn)}} .bad{{color:var(--bad)}} .gone{{color:var(--muted)}}
td.state{{white-space:nowrap;font-weight:600}} td.number>span{{font-weight:600}}
.good::before{{content:"\\25cf  ";content:"\\25cf  " / ""}} .warn::before{{content:"\\25b2  ";content:"\\25b2  " / ""}}
.bad::before{{content:"\\2715  ";content:"\\2715  " / ""}} .gone::before{{content:"\\25cb  ";content:"\\25cb  " / ""}}
.wide{{overflow-x:auto}}
dl{{display:grid;grid-template-columns:max-content 1fr;gap:.2rem 1.5rem}} dt{{color:var(--muted)}}
dd{{margin:0;overflow-wrap:anywhere}}
@media (max-width:640px){{
body{{font-size:14px;padding:1rem .75rem 2rem}}
table,tbody,td{{display:block}} thead{{display:none}}
tr{{display:grid;grid-template-columns:1fr 1fr;gap:0 1rem;background:var(--panel);border:1px solid var(--rule);
border-radius:6px;margin:0 0 .6rem;padding:.4rem .7rem}}
td,td.number{{border:0;padding:.1rem 0;text-align:left;white-space:normal}}
td.none{{display:none}} td.text,td.head,td.number.head{{grid-column:1/-1}} td.head,td.number.head{{font-size:1rem}}
td::before{{content:attr(data-label);display:block;color:var(--muted);font-weight:400;font-size:.7rem;line-height:1.2}}
td.head::before{{content:none}}
dl{{grid-template-columns:1fr;gap:0}} dd{{margin:0 0 .5rem}}
}}
@media print{{body{{font-size:9.5pt;max-width:none;padding:0}} th,td{{padding:.15rem .4rem}}
table.many{{font-size:7pt}} .many th,.many td{{padding:.15rem .2rem}} .many th{{font-size:5.5pt}}
.wide{{overflow:visible}}
h2{{margin-top:1.2rem}}}}
@page{{margin:14mm}}
"""


def document(
    title: str, body: Iterable[str], *, style: str = "", has_landmarks: bool = False, window: str | None = None
) -> str:
    """A whole page.

    Args:
        title: Its heading.
        body: Its parts, as HTML.
        style: More rules of style.
        has_landmarks: Whether the parts are landmarks for screen readers, so that the heading has to be in one too.
        window: The title of the browser's window; the heading if left out.
    """
    heading = f"<h1>{html_text(title)}</h1>"
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{html_text(window if window is not None else title)}</title>",
        f"<style>{_STYLE}{style}</style></head><body>",
        f"<header>{heading}</header>" if has_landmarks else heading,
        *body,
        "</body></html>",
    ]
    return "\n".join(parts) + "\n"


def table_page(result: Result, columns: Sequence[tuple[str, Column]], title: str, notes: Sequence[str]) -> str:
    """The page of one result: the rows that a terminal shows, with these columns."""
    rows = result.data
    if result.table_rows is not None:
        rows = result.table_rows
    body = [f'<p class="about">{html_text(result.title)}</p>'] if result.title else []
    is_usual = not rows or not isinstance(rows, tuple) or type(rows[0]) is result.row_type
    shown_columns = columns if is_usual else columns_of(type(rows[0]))
    body.append(table(rows, shown_columns) if isinstance(rows, tuple) else record(rows))
    body += [f'<p class="{"error" if note.startswith("error: ") else "note"}">{html_text(note)}</p>' for note in notes]
    return document(title, body)


def table(
    rows: Sequence[Any],
    columns: Sequence[tuple[str, Column]],
    *,
    mark: Callable[[Any, str], str] | None = None,
) -> str:
    """Rows as an HTML table; a phone shows each row as a card.

    Args:
        rows: The rows.
        columns: Names of fields and their columns; those without a title are for programs.
        mark: Returns a class of the style for a cell: its row and the name of its field.
    """
    if not rows:
        return "<p>nothing</p>"
    columns = [(name, column) for name, column in columns if column.title]
    many = _class("many") if len(columns) > _MANY else ""
    labels = _labels([column.title for _, column in columns])
    head = "".join(f"<th{_class(_kind_of(column))}>{html_text(column.title)}</th>" for _, column in columns)
    body = "".join(f"<tr>{_cells(row, columns, labels, mark)}</tr>\n" for row in rows)
    return f'<div class="wide"><table{many}><thead><tr>{head}</tr></thead><tbody>\n{body}</tbody></table></div>'


def _labels(titles: Sequence[str]) -> list[str]:
    """The titles for where they do not stand side by side: P95 behind PENALTY P50 is PENALTY P95."""
    subject = ""
    labels = []
    for title in titles:
        first, _, more = title.partition(" ")
        subject = first if more else subject
        labels.append(f"{subject} {title}" if subject and titles.count(title) > 1 else title)
    return labels


def record(row: Any) -> str:
    """One row as a list of its fields."""
    entries = [(column.title, shown(row, name, column)) for name, column in columns_of(type(row)) if column.title]
    return f"<dl>{''.join(f'<dt>{html_text(title)}</dt><dd>{_lines(text)}</dd>' for title, text in entries)}</dl>"


def html_text(text: str) -> str:
    """Text for HTML: cleaned, and without a meaning of its own."""
    return escape(clean(text))


def _cells(
    row: Any, columns: Sequence[tuple[str, Column]], labels: Sequence[str], mark: Callable[[Any, str], str] | None
) -> str:
    """The cells of a row."""
    cells = []
    for number, ((name, column), label) in enumerate(zip(columns, labels, strict=True)):
        text = shown(row, name, column)
        classes = [_kind_of(column), "head" if number == 0 else "", "none" if text in ("", MISSING) else ""]
        classes.append("text" if column.wraps or column.flexible else "")
        marks = [state_class(text) if column.kind is Kind.STATE else "", mark(row, name) if mark is not None else ""]
        marked = " ".join(filter(None, marks))
        inner = f'<span class="{marked}">{_lines(text)}</span>' if marked else _lines(text)
        cells.append(f'<td{_class(" ".join(filter(None, classes)))} data-label="{html_text(label)}">{inner}</td>')
    return "".join(cells)


def state_class(text: str) -> str:
    """The class of a state, which gives it its colour and its sign."""
    from revvlink_cli.output.table import colour_of

    return {"green": "good", "yellow": "warn", "red": "bad", "dim": "gone"}.get(colour_of(text), "")


def _kind_of(column: Column) -> str:
    if column.kind is Kind.STATE:
        return "state"
    return "" if column.kind is Kind.TEXT else "number"


def _class(names: str) -> str:
    return f' class="{names}"' if names else ""


def _lines(text: str) -> str:
    return escape(clean_lines(text)).replace("\n", "<br>")
