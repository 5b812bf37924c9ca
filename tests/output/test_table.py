"""Tables on terminals of any width: what explains a row is never cut."""

from __future__ import annotations

import dataclasses
import os
import re
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from revvlink_cli.commands.connect import ConnectRow
from revvlink_cli.commands.doctor import DoctorRow
from revvlink_cli.commands.region import RouteRow
from revvlink_cli.output.check_rows import CheckRow
from revvlink_cli.output.fitting import fitted
from revvlink_cli.output.formats import Format
from revvlink_cli.output.renderers import create_renderer
from revvlink_cli.output.result import Kind, Result, column
from revvlink_cli.output.screen import Page
from revvlink_cli.output.table import TableRenderer
from tests.output.test_renderers_golden import STATUS

GOLDEN = Path(__file__).resolve().parents[1] / "data" / "golden"
WIDTHS = (40, 80, 120, 200)
WHY = "the certificate of the node at lavalink.example:443 ended 12 days ago, and no client that checks it will connect"
FIX = "renew it, and restart the node with `systemctl restart lavalink-with-a-rather-long-name-to-break@1.service`"

CONNECT = ConnectRow(
    node="us-1", state="failed", server="Lavalink", version="4.2.2", session_id=None, ready_ms=None,
    reason="certificate_expired", message=WHY, uri="https://lavalink.example:443",
)  # fmt: skip
ROUTE = RouteRow(endpoint="c-gru03-1a2b3c4d.discord.media:8443", region="southamerica", node="us-1", reason=WHY)
CHECK = CheckRow(
    node="us-1", check="reach", verdict="critical", message=WHY, subject=None, code=None, stage=None, hint=None,
    figures=(), facts={},
)  # fmt: skip
DOCTOR = DoctorRow(checkup="nodes", subject="lavalink.example", state="failed", message=WHY, fix=FIX)


@dataclass(frozen=True)
class PlaceRow:
    """A place, with what may be wrong with it."""

    name: str = column("NAME", rank=0)
    tags: str | None = column("TAGS")
    path: str = column("PATH", flexible=True)
    problem: str | None = column("PROBLEM", wraps=True)


def test_columns_without_a_value_give_way_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """A long text is not cut for columns that are empty in every row; where there is room they stay."""
    row = PlaceRow("prod", None, "/home/ada/.config/revvlink/contexts/prod.toml", None)
    for width, heads in ((56, ["NAME", "PATH"]), (120, ["NAME", "TAGS", "PATH", "PROBLEM"])):
        monkeypatch.setenv("COLUMNS", str(width))
        page = Page()
        create_renderer(Format.TABLE, "x", page, no_color=True).end(Result((row,)))
        assert page.text.split("\n")[0].split() == heads
        assert row.path in page.text


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("row", [CONNECT, ROUTE, CHECK, DOCTOR], ids=lambda row: type(row).__name__)
def test_an_explanation_is_whole(row: object, width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every word of it is there, no line is wider than the terminal, and names and states stay."""
    monkeypatch.setenv("COLUMNS", str(width))
    page = Page()
    create_renderer(Format.TABLE, "x", page, no_color=True).end(Result((row, row)))
    lines = page.text.splitlines()
    assert max(map(len, lines)) <= width
    seen = re.sub(r"\s", "", "".join(re.split(r" {3,}", line.rstrip())[-1] for line in lines))
    if type(row) is not DoctorRow or width < 120:
        assert seen.count(WHY.replace(" ", "")) == 2
    for words in [WHY.split(), *([FIX.split()] if type(row) is DoctorRow else [])]:
        assert all(word in page.text for word in words if len(word) < 20)
    assert "failed" in page.text or "critical" in page.text or "us-1" in page.text
    assert "certificate_expired" not in page.text


@pytest.mark.parametrize("width", WIDTHS)
def test_golden_widths(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The status table is laid out as the files say."""
    monkeypatch.setenv("COLUMNS", str(width))
    page = Page()
    create_renderer(Format.TABLE, "nodes status", page, no_color=True).end(STATUS)
    path = GOLDEN / f"status-{width}.table"
    if os.environ.get("REVVLINK_TEST_GOLDEN") == "write":
        path.write_text(page.text, encoding="utf-8", newline="\n")
    assert page.text == path.read_text(encoding="utf-8")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A node."""

    node: str = column("NODE", rank=0)
    state: str = column("STATE", Kind.STATE, rank=0)
    reason: str = column("REASON", wraps=True)


@given(
    st.lists(
        st.tuples(st.sampled_from(["connected", "failed", "lost", "tripped"]), st.integers(1, 30)),
        min_size=1,
        max_size=60,
    ),
    st.integers(4, 40),
    st.sampled_from([12, 20, 40, 80]),
    st.none() | st.integers(0, 59),
    st.lists(st.just("a note"), max_size=3),
)
def test_what_does_not_fit_is_counted(
    told: list[tuple[str, int]], room: int, width: int, at: int | None, notes: list[str]
) -> None:
    """Lines never exceed the room; rows that are not shown are counted, trouble by name; a selected row is shown."""
    rows = [
        Row(node=f"n{number:02}", state=state, reason="-" if state == "connected" else "word " * words)
        for number, (state, words) in enumerate(told)
    ]
    selected = None if at is None else at % len(rows)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLUMNS", str(width))
        table = TableRenderer(Page(), no_color=True)
        lines = fitted(table, rows, selected, notes, room=room, width=width)
    assert len(lines) <= room
    assert all(len(line) <= width for line in lines)
    shown = {line[:3] for line in lines if re.match(r"n\d\d ", line)}
    assert shown
    if selected is not None and room > 3:
        assert rows[selected].node in shown
    hidden = [row for row in rows if row.node not in shown and row.state != "connected"]
    if hidden and width >= 20:
        assert re.match(r"\d+ of \d+ (failed|lost|tripped)", lines[0]), lines
    missing = [int(line.split()[1]) for line in lines if line.startswith("and ")]
    if selected is None and room >= 5:
        assert sum(missing) == len(rows) - len(shown), lines


@pytest.mark.parametrize("width", WIDTHS)
def test_the_number_of_missing_rows_is_not_cut(width: int) -> None:
    """On a narrow terminal the states are left out, never half of the line."""
    rows = [dataclasses.replace(STATUS.data[0], node=f"us-{i}") for i in range(200)]
    renderer = TableRenderer(Page(), no_color=True, width=width)
    line = next(line for line in fitted(renderer, rows, None, (), room=8, width=width) if line.startswith("and "))
    assert len(line) <= width
    assert line.count("(") == line.count(")")
    assert re.match(r"and \d+ more nodes \(of 200", line)
