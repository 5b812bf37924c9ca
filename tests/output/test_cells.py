"""Text in the columns of a terminal: characters as people see them stay whole."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from revvlink_cli.output.cells import cells, clusters, cut, first, padded, wrapped
from revvlink_cli.output.text import clean

FAMILY = "👨\u200d👩\u200d👧\u200d👦"
FLAG = "🇩🇪"
WHOLE = (FAMILY, FLAG, "👍🏽", "❤\ufe0f", "1\ufe0f\u20e3", "e\u0301\u0323", "音", "한", "a", "ש", "\u0e01\u0e39\u0e49")
TEXTS = st.text() | st.lists(st.sampled_from((*WHOLE, " ", "x"))).map("".join)


@given(st.lists(st.sampled_from((*WHOLE, " "))))
def test_clusters_are_what_people_see(parts: list[str]) -> None:
    """Joined emoji, flags, skin tones, keycaps and marks belong to one character."""
    assert list(clusters("".join(parts))) == parts


@given(TEXTS, st.integers(0, 12))
def test_cut_and_padded_texts_have_their_width(text: str, width: int) -> None:
    """A cut text is no wider than asked, consists of whole characters, and is padded to exactly the width."""
    text = clean(text)
    short = cut(text, width)

    assert cells(short) <= width
    assert cells(padded(short, width)) == width
    assert set(clusters(first(text, width))) <= {*clusters(text), " "}


@given(TEXTS, st.integers(2, 12), st.sampled_from(("", "  ")))
def test_wrapped_lines_hold_the_whole_text(text: str, width: int, indent: str) -> None:
    """No line is too wide and no character is lost, taken apart or put elsewhere."""
    text = clean(text)
    lines = wrapped(text, width, indent)

    assert all(cells(line) <= width or len(list(clusters(line.strip()))) == 1 for line in lines)
    assert "".join("".join(lines).split()) == "".join(text.split())
    assert {*clusters("".join(lines).replace(" ", ""))} <= {*clusters(text.replace(" ", ""))}


@pytest.mark.parametrize(
    ("text", "width", "expected"),
    [
        ("eine lange Zeile", 10, ["eine lange", "Zeile"]),
        ("eine lange Zeile", 4, ["eine", "lang", "e", "Zeil", "e"]),
        (FAMILY * 3, 5, [FAMILY * 2, FAMILY]),
        (FLAG * 3, 3, [FLAG, FLAG, FLAG]),
        ("", 5, [""]),
    ],
)
def test_lines(text: str, width: int, expected: list[str]) -> None:
    """Lines break at spaces, and longer words between characters."""
    assert wrapped(text, width) == expected
