"""Decodes the encodings within a text, and maps each decoded character to its place in the text."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

from revvlink_cli._record import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

ROUNDS = 6
"""How many nested encodings are decoded."""


class View(NamedTuple):
    """A decoded text, with the place of each of its characters in the original text."""

    text: str
    starts: Sequence[int]
    ends: Sequence[int]

    @classmethod
    def of(cls, text: str) -> View:
        """The view of a text without decoding."""
        return cls(text, range(len(text)), range(1, len(text) + 1))

    def folded(self) -> View:
        """The same in lower case; one upper-case letter may become two letters."""
        if self.text.isascii():
            return self._replace(text=self.text.lower())
        small: list[str] = []
        starts: list[int] = []
        ends: list[int] = []
        for index, char in enumerate(self.text):
            letters = char.casefold()
            small.append(letters)
            starts += [self.starts[index]] * len(letters)
            ends += [self.ends[index]] * len(letters)
        return View("".join(small), starts, ends)


def has_mark(text: str) -> bool:
    """Whether a text has a character that encodings begin with, or white space to remove; False for most texts."""
    return "%" in text or "&" in text or "\\" in text or "  " in text or not text.isprintable()


def may_be_encoded(text: str) -> bool:
    """Whether a text may have an encoding, a line break or an invisible character."""
    return has_mark(text) and _encoded().search(text) is not None


@cache
def _encoded() -> re.Pattern[str]:
    """Matches an encoding, a line break or an invisible character; compiled on demand, because few texts have any."""
    return re.compile(
        r"%[0-9A-Fa-f]{2}|\\\S|&#?\w{1,31};"
        r"|[\x00-\x1f\x7f-\xa0\xad\u180e\u2000-\u200f\u2028-\u202f\u205f-\u206f\u3000\ufeff\U000e0000-\U000e007f]"
    )


@cache
def _token() -> re.Pattern[str]:
    """Matches one encoded character; also compiled on demand."""
    return re.compile(
        r"(?P<percent>(?:%[0-9A-Fa-f]{2})+)"
        r"|\\+u(?P<pair>[dD][89abAB][0-9A-Fa-f]{2}\\+u[dD][c-fC-F][0-9A-Fa-f]{2})"
        r"|\\+(?:u\{?|U0{2,3}|x)(?P<code>(?<=x)[0-9A-Fa-f]{2}|(?<=[u{])[0-9A-Fa-f]{4,5}(?=\})|(?<=u)[0-9A-Fa-f]{4}"
        r"|(?<=0)[0-9A-Fa-f]{5,6})\}?"
        r"|\\+(?P<octal>[0-3][0-7]{2})"
        r"|\\+(?P<space>[nrtvf])"
        r"|\\+(?P<mark>[!-/:-@\[\]^-`{-~])"
        r"|(?P<backslashes>\\{2,})"
        r"|(?P<html>&#?\w{1,31};)"
        r"|(?P<nothing>\s*[\n\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029]\s*"
        r"|[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\u00ad\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff"
        r"\U000e0000-\U000e007f]+)"
        r"|(?P<gap>\s\s+|[^\S ])"
    )


def decoded(view: View) -> View:
    """Decode a text, nested encodings too, and remove line breaks."""
    for _ in range(ROUNDS):
        if not has_mark(view.text) or _token().search(view.text) is None:
            break
        view = _decoded_once(view)
    return view


def _decoded_once(view: View) -> View:
    parts: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    done = 0
    for token in _token().finditer(view.text):
        first, last = token.span()
        parts.append(view.text[done:first])
        starts += view.starts[done:first]
        ends += view.ends[done:first]
        for char, begin, end in _meaning(token):
            parts.append(char)
            starts.append(view.starts[first + begin])
            ends.append(view.ends[first + end - 1])
        done = last
    parts.append(view.text[done:])
    starts += view.starts[done:]
    ends += view.ends[done:]
    return View("".join(parts), starts, ends)


def _meaning(token: re.Match[str]) -> Iterator[tuple[str, int, int]]:
    """The characters that a token encodes, each with its start and end in the token."""
    written = token.group()
    if token.lastgroup == "percent":
        yield from _percent_decoded(written)
        return
    meant = _MEANINGS[token.lastgroup or ""](token.group(token.lastgroup or 0))
    is_none = meant == written  # as of a name between & and ; that HTML does not know
    for index, char in enumerate(meant):
        yield (char, index, index + 1) if is_none else (char, 0, len(written))


def _percent_decoded(written: str) -> Iterator[tuple[str, int, int]]:
    data = bytes.fromhex(written.replace("%", ""))
    try:
        chars, is_utf8 = data.decode(), True
    except UnicodeDecodeError:
        chars, is_utf8 = data.decode("latin-1"), False
    at = 0
    for char in chars:
        size = len(char.encode()) if is_utf8 else 1
        yield char, 3 * at, 3 * (at + size)
        at += size


def _of_surrogates(pair: str) -> str:
    high, low = int(pair[:4], 16), int(pair[-4:], 16)
    return chr(0x10000 + ((high - 0xD800) << 10) + low - 0xDC00)


def _of_html(written: str) -> str:
    from html import unescape

    return unescape(written)


_MEANINGS: dict[str, Callable[[str], str]] = {
    "pair": _of_surrogates,
    "code": lambda digits: chr(code) if (code := int(digits, 16)) < 0x110000 else "",
    "octal": lambda digits: chr(int(digits, 8)),
    "space": lambda letter: " " if letter == "t" else "\n",
    "mark": str,
    "backslashes": lambda _: "\\",
    "html": _of_html,
    "nothing": lambda _: "",
    "gap": lambda _: " ",
}
"""Group of `_token` -> what its text stands for."""
