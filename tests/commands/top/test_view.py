"""The screen of `top` as a pure function: what it shows at which size, and that no key breaks it."""

from __future__ import annotations

import os
import re
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from revvlink_cli.client.redaction import Secret
from revvlink_cli.commands.top.state import Action, ScreenState, Shown, press
from revvlink_cli.commands.top.view import Drawn, Size, draw, draw_connecting
from revvlink_cli.config import secrets_in_use
from revvlink_cli.output.cells import cells
from revvlink_cli.output.painting import painted
from revvlink_cli.output.picture import text_of
from revvlink_cli.output.text import clean
from tests.commands.top.fleets import BROKEN, make_fleet, make_row
from tests.example_counts import examples

if TYPE_CHECKING:
    from collections.abc import Iterator

    from revvlink_cli.commands.top.model import Fleet

GOLDEN = Path(__file__).resolve().parents[2] / "data" / "golden"

FLEET = make_fleet()


@pytest.fixture(autouse=True)
def berlin() -> Iterator[None]:
    """A zone other than UTC."""
    before = os.environ.get("TZ")
    os.environ["TZ"] = "Europe/Berlin"
    time.tzset()
    yield
    os.environ.pop("TZ")
    if before is not None:
        os.environ["TZ"] = before
    time.tzset()


def texts(drawn: Drawn) -> list[str]:
    """The lines without styles."""
    return [text_of(line).rstrip() for line in drawn.lines]


def typed(fleet: Fleet, keys: list[str], size: Size, state: ScreenState | None = None) -> Drawn:
    """The screen after these keys."""
    drawn = draw(fleet, state or ScreenState(), size)
    for key in keys:
        drawn = draw(fleet, press(drawn.state, key, drawn.listed, drawn.page).state, size)
    return drawn


@pytest.mark.parametrize(
    ("name", "keys"),
    [("nodes", []), ("detail", ["enter"]), ("help", ["?"]), ("filter", [*"/us-1"]), ("cordon", ["end", "c"])],
)
@pytest.mark.parametrize("size", [(40, 12), (80, 24), (120, 40), (200, 50)])
def test_golden_screens(name: str, keys: list[str], size: tuple[int, int]) -> None:
    """A fleet of 200 nodes, of which 40 are broken, is drawn as the files say."""
    width, height = size
    drawn = typed(FLEET, keys, Size(height, width))
    written = "\n".join(texts(drawn)) + "\n"
    path = GOLDEN / f"top-{name}-{width}x{height}.txt"
    if os.environ.get("REVVLINK_TEST_GOLDEN") == "write":
        path.write_text(written, encoding="utf-8", newline="\n")

    assert written == path.read_text(encoding="utf-8")
    assert len(drawn.lines) == height
    assert all(cells(clean(text_of(line))) <= width for line in drawn.lines)


@pytest.mark.parametrize("size", [Size(12, 40), Size(24, 80), Size(40, 120), Size(50, 200)])
@pytest.mark.parametrize(
    "keys", [[], ["N"], ["N", "N"], ["C", "end"], ["V", "end"], [*"/us-1"], [*"/connected", "enter"]]
)
def test_trouble_stays_on_top(size: Size, keys: list[str]) -> None:
    """However nodes are sorted, moved through or filtered, broken ones are above the others, counted and named."""
    drawn = typed(FLEET, keys, size)
    lines = texts(drawn)
    table = next(number for number, line in enumerate(lines) if line.startswith("NODE"))

    counted = r"(\d+ of \d+ failed, \d+ lost|filter hides \d+ of 200 in trouble)"
    assert any(re.match(counted + (": (us|eu|asia)-1" if size.width >= 80 else ""), line) for line in lines[:table]), (
        lines
    )
    rows = [line for line in lines[table:] if re.match(r"(us|eu|asia)-\d+ +(failed|lost|connected)", line)]
    states = ["connected" if " connected" in row else "broken" for row in rows]
    assert states == sorted(states)
    if "end" in keys:
        assert any(f"{drawn.state.selected} " in row for row in rows)


def test_trouble_that_comes_is_selected() -> None:
    """Until a key has moved the selection, it is on the first row, so that `enter` shows the node that breaks."""
    well = make_fleet(rows=(make_row(0), make_row(1)))
    drawn = draw(well, ScreenState(), Size(24, 80))
    broken = make_fleet(rows=(make_row(0), make_row(1, BROKEN[2])))
    after = typed(broken, ["enter"], Size(24, 80), drawn.state)
    assert texts(after)[0].endswith("eu-1")
    moved = typed(well, ["down", "up"], Size(24, 80))
    assert texts(typed(broken, ["enter"], Size(24, 80), moved.state))[0].endswith("us-0")


def test_every_reason_is_in_full() -> None:
    """On 80 columns, the sentence of each kind of trouble is whole, and equal ones are not repeated in full."""
    lines = texts(draw(FLEET, ScreenState(), Size(24, 80)))
    told = " ".join(re.split(r" {2,}", line)[-1] for line in lines)

    for _, _, sentence in BROKEN:
        assert sentence in told
    assert any(line.endswith("…") and "the node closed the connection" in line for line in lines)


def test_hidden_trouble_of_one_node_says_why() -> None:
    """A single broken node that the filter hides is named with its state and its reason."""
    fleet = make_fleet(rows=(make_row(0), make_row(1, BROKEN[1]), make_row(3)))
    lines = texts(typed(fleet, [*"/us", "enter"], Size(24, 80)))

    assert "filter hides eu-1, failed: the node refused the password" in lines
    assert not any(line.startswith("eu-1 ") for line in lines)


def test_the_head_has_context_and_zone() -> None:
    """The context and the local time with its zone stand in the head of the nodes and of one node."""
    for keys in ([], ["enter"]):
        assert texts(typed(FLEET, keys, Size(24, 100)))[0].startswith("prod  15:39:05 CET")
    assert texts(draw(replace(FLEET, context=None), ScreenState(), Size(24, 80)))[0].startswith(
        "15:39:05 CET  200 nodes"
    )


def test_bars_are_coloured_by_load() -> None:
    """The colour of a bar follows the thresholds; the figure stands beside it."""
    rows = tuple(make_row(number, cpu_load_ratio=load) for number, load in enumerate((0.1, 0.7, 0.9, 0.3)))
    drawn = draw(make_fleet(rows=rows), ScreenState(sort="node", selected=rows[3].node), Size(24, 120))
    styles = {
        span.text.split()[-1]: span.style
        for line in drawn.lines
        for span in line
        if "░" in span.text or "█" in span.text
    }

    assert (styles["10%"], styles["70%"]) == ("green", "yellow")
    assert styles["90%"] == "red"


def test_trends_say_what_they_are() -> None:
    """Two trends, named with their figure and the time that they cover."""
    head = next(line for line in texts(draw(FLEET, ScreenState(), Size(40, 120))) if line.startswith("NODE"))

    assert "CPU, last 10 min" in head
    assert "PLAYERS, last 10 min" in head


def test_cordon_asks_first() -> None:
    """Only `y` cordons; the question says whom it affects and whom it does not."""
    drawn = typed(FLEET, ["end", "c"], Size(24, 80))
    question = " ".join(texts(drawn)[-4:])

    assert f"Cordon {drawn.listed[-1]}? Only this `revvlink top` leaves it out" in question
    assert "Bots still send it players" in question
    assert press(drawn.state, "y", drawn.listed, drawn.page).action is Action.CORDON
    left = press(drawn.state, "q", drawn.listed, drawn.page)
    assert (left.action, left.state.asks_about) == (None, None)


def test_a_detail_says_what_to_do() -> None:
    """The failures of a node are sentences with a count and with what to do next; its penalty has every term."""
    lines = texts(typed(FLEET, [*"/lost", "enter", "enter"], Size(60, 100)))
    text = "\n".join(lines)

    assert re.search(r"(?s)The node could not be connected: .* \(x3\s+since \d\d:\d\d\)", text)
    assert "What to do: start the node" in text
    for label in ("CPU", "deficit", "nulled", "players", "reserved"):
        assert re.search(rf"(?m)^  {label} +\d+\.\d", text)
    assert re.search(r"Players, last 10 min +[▁▂▃▄▅▆▇█]{20}  now 29, highest 29", text)


def test_events_are_folded() -> None:
    """Equal failures of several nodes are one line with a count and the time of the first one."""
    lines = texts(draw(FLEET, ScreenState(), Size(24, 80)))

    assert any(re.match(r"15:\d\d:\d\d  \S+ and 39 more  node_failed  x120 since 15:\d\d  ", line) for line in lines)


HOSTILE = (
    "\x1b[2J\x1b]0;x\x07",
    "日本語-ノード",
    "👩‍👩‍👧‍👦-1",
    "\u202eabc",
    "a\nb\rc\td",
    "x" * 300,
    "e\u0301" * 40,
    "",
)

SMALL = make_fleet(
    rows=(
        *(make_row(number, version=name, node=f"{name}{number}", region=name or None, tags=(name,))
          for number, name in enumerate(HOSTILE)),
        *(make_row(number + 8, ("lost", name, f"{name} {name}"), node=f"{number}{name}")
          for number, name in enumerate(HOSTILE)),
        *(make_row(number + 20, BROKEN[number % 3]) for number in range(6)),
        *(make_row(number + 30) for number in range(10)),
    )
)  # fmt: skip

KEYS = st.sampled_from([
    "up", "down", "page up", "page down", "home", "end", "enter", "escape", "backspace", "clear", "/", "s", "S", "c",
    "y", "n", "?", "p", "redraw", "resize", *"NTRPCEMLUV", "u", "s", "-", "é", "日",
])  # fmt: skip

SIZES = st.one_of(
    st.builds(Size, st.integers(1, 60), st.integers(1, 220)), st.sampled_from([Size(10, 40), Size(24, 80)])
)


@given(st.lists(st.one_of(KEYS, SIZES), max_size=30))
@settings(deadline=None, max_examples=examples(25, 1000))
def test_no_key_and_no_size_breaks_it(steps: list[str | Size]) -> None:
    """After any keys and resizes the picture fits the terminal, has no sequence of a name, and shows the selection."""
    size = Size(24, 80)
    drawn = draw(SMALL, ScreenState(), size)
    for step in steps:
        if isinstance(step, Size):
            size = step
            drawn = draw(SMALL, drawn.state, size)
        else:
            drawn = draw(SMALL, press(drawn.state, step, drawn.listed, drawn.page).state, size)
        assert len(drawn.lines) <= size.height
        for line in drawn.lines:
            text = painted(line, size.width, has_colour=False, has_styles=False)
            assert cells(text) <= size.width
            assert text.isprintable() or "\u200d" in text
        if size.height >= 8 and size.width >= 20 and drawn.state.shown is Shown.NODES and drawn.listed:
            assert any(
                span.style == "reverse" and span.text.strip() != "PAUSED" for line in drawn.lines for span in line
            )


def test_while_connecting() -> None:
    """The screen counts the seconds until the first node answers; help and quit work."""
    lines = texts(draw_connecting(200, 2.4, "prod", ScreenState(), Size(24, 80)))

    assert lines[0] == "prod: connecting to 200 nodes, 2 s"
    assert "q quit" in lines[2]


def test_pages_reach_every_node() -> None:
    """Page down passes every row of 1,000 nodes once, up to the last one; home and end are the ends."""
    fleet, size = make_fleet(1000, 3), Size(24, 80)
    drawn = draw(fleet, ScreenState(), size)
    seen: set[str] = set()
    for _ in range(100):
        seen |= {line.split()[0] for line in texts(drawn) if re.match(r"(us|eu|asia)-\d+ ", line)}
        if drawn.state.selected == drawn.listed[-1]:
            break
        drawn = typed(fleet, ["page down"], size, drawn.state)

    assert seen == set(drawn.listed)
    assert len(seen) == 1000
    assert typed(fleet, ["home"], size, drawn.state).state.selected == drawn.listed[0]
    assert typed(fleet, ["end"], size).state.selected == drawn.listed[-1]


def test_a_secret_that_a_server_echoes_is_masked() -> None:
    """A password in the words of a server is masked before they are cut or wrapped, in every view of the node."""
    secret = "canary pass phrase of eu-1"
    secrets_in_use.use([Secret(secret, "password")])
    try:
        row = make_row(1, ("failed", "http_error", f"the node answered 500: no entry for {secret} in the table"))
        fleet = make_fleet(rows=(row, make_row(0)))
        for keys in ([], ["enter"], [*"/us", "enter"]):
            for width in (40, 60, 80, 200):
                drawn = typed(fleet, keys, Size(24, width))
                text = " ".join(" ".join(texts(drawn)).split())
                assert not any(word in text for word in ("canary", "phrase"))
                assert "500: no entry" in text or keys == [*"/us", "enter"]
    finally:
        secrets_in_use.forget()
