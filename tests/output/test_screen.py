"""Drawing on the whole terminal: only what has changed is written, and names never move the cursor."""

from __future__ import annotations

import asyncio
import re
import signal

import pytest

from revvlink_cli.output.cells import cells, cut
from revvlink_cli.output.painting import fitted, painted
from revvlink_cli.output.picture import Picture, Span, line_of
from revvlink_cli.output.screen import Page, Screen

HOSTILE = ("a\x1b[2Jb", "\x9b31m", "\r\n\t", "\u202e\u2066", "日本語", "👩‍👩‍👧‍👦", "e\u0301" * 9, "\x07\x08")


@pytest.fixture
def size(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Lines and columns of the terminal, which a test may change."""
    found = [5, 20]
    monkeypatch.setattr(Screen, "size", staticmethod(lambda: tuple(found)))
    return found


def test_only_changed_lines_are_written(size: list[int]) -> None:
    """A first picture is whole, an equal one writes nothing, another one its changed lines, another size all."""
    page = Page()
    screen = Screen(page, no_color=True)  # type: ignore[arg-type]  # it only writes

    def drawn(*lines: str, is_fresh: bool = False) -> str:
        page.text = ""
        screen.draw(Picture(tuple(map(line_of, lines)), is_fresh))
        return page.text

    assert re.findall(r"\x1b\[2K(\w*)", drawn("one", "two")) == ["one", "two", "", "", ""]
    assert drawn("one", "two") == ""
    assert drawn("one", "three") == "\x1b[?2026h\x1b[2;1H\x1b[2Kthree\x1b[?2026l"
    assert drawn("one") == "\x1b[?2026h\x1b[2;1H\x1b[2K\x1b[?2026l"
    assert drawn("one", is_fresh=True).startswith("\x1b[?2026h\x1b[H")
    size[:] = [3, 10]
    assert drawn("one").count("\x1b[2K") == 3
    assert "12345678901" not in drawn("1234567890123")
    assert drawn(*"abcdefgh").count("\x1b[2K") <= 3


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("width", [1, 2, 3, 7, 40])
def test_no_text_leaves_its_place(text: str, width: int) -> None:
    """Whatever a name holds, it takes no more columns than it is given, and no sequence of it is written."""
    line = painted((Span(text, "red"), Span(text)), width, has_colour=False)
    cell = fitted(text, width)

    assert cells(line) <= width
    assert cells(cell) == width
    assert not re.search(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", line + cell)


def test_styles() -> None:
    """Colours are left out where there are none; bold, dim and reverse stay, so that a selection is seen."""
    line = (Span("a", "bold red"), Span("b", "green"), Span("c", "reverse"))

    assert painted(line, 9, has_colour=True) == "\x1b[1;31ma\x1b[0m\x1b[32mb\x1b[0m\x1b[7mc\x1b[0m"
    assert painted(line, 9, has_colour=False) == "\x1b[1ma\x1b[0mb\x1b[7mc\x1b[0m"
    assert cut("abcdef", 4) == "abc…"
    assert cut("abc", 3) == "abc"


def test_an_error_restores_the_terminal() -> None:
    """Whatever ends a command, the terminal gets its usual screen, its cursor and its handlers of signals back."""

    async def fail(page: Page) -> None:
        with Screen(page, no_color=True) as screen:  # type: ignore[arg-type]  # it only writes
            screen.draw(Picture((line_of("x"),)))
            assert signal.getsignal(signal.SIGTSTP) != before
            raise ZeroDivisionError

    before = signal.getsignal(signal.SIGTSTP)
    page = Page()
    with pytest.raises(ZeroDivisionError):
        asyncio.run(fail(page))

    assert page.text.startswith("\x1b[?1049h")
    assert page.text.endswith("\x1b[?7h\x1b[?25h\x1b[?1049l")
    assert signal.getsignal(signal.SIGTSTP) == before
