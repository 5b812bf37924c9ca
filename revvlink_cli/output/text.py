"""Formats values for people and programs, and removes from text what a terminal would act on."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any, assert_never

from revvlink_cli._percent import percent
from revvlink_cli._sizes import size, span
from revvlink_cli.output.result import Column, Kind

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

_UNSAFE = (
    "[\x00-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f"
    "\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff\ud800-\udfff\U00013430-\U0001343f\U0001bca0-\U0001bca3"
    "\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
"""Control characters, direction marks and overrides, invisible characters, lone surrogates, noncharacters."""

_PICTURE = (
    "[\u00a9\u00ae\u203c\u2049\u2122\u2139\u2194-\u21aa\u231a-\u23ff\u24c2\u25aa-\u27bf\u2934\u2935\u2b05-\u2b55\u3030\u303d"
    "\u3297\u3299\U0001f000-\U0001faff][\U0001f3fb-\U0001f3ff]?[\ufe0e\ufe0f]?"
)
"""An emoji with its invisible modifiers: skin tone, and text or picture style."""

EMOJI = f"{_PICTURE}(?:\u200d{_PICTURE})*|[0-9#*]\ufe0f?\u20e3"
"""One emoji, or several joined into one."""


@cache
def _unsafe() -> re.Pattern[str]:
    return re.compile(f"(?P<emoji>{EMOJI})|{_UNSAFE}")  # compiled on demand: most text is harmless


_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}

MISSING = "-"
"""Shown for an unknown value, which is never shown as 0."""


def clean(text: str) -> str:
    r"""`text` with invisible and control characters escaped: ``\x1b``, ``\u202e``, ``\n``."""
    return text if text.isascii() and text.isprintable() else _unsafe().sub(_written_out, text)


def clean_lines(text: str) -> str:
    """Text of several lines, each of them cleaned, because a name in it may contain anything."""
    return "\n".join(map(clean, text.split("\n")))


def clean_json(text: str) -> str:
    """JSON text with control characters escaped as in JSON; a parser reads the same value."""
    text = re.sub(r"##(?=\w*\[)", r"#\\u0023", text)  # a workflow command of a CI system
    return _unsafe().sub(_escaped, text)


def _written_out(found: re.Match[str]) -> str:
    char = found.group()
    if found["emoji"] is not None:
        return char
    if char in _SHORT:
        return _SHORT[char]
    code = ord(char)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _escaped(found: re.Match[str]) -> str:
    char = found.group()
    if found["emoji"] is not None or char == "\n":
        return char
    code = ord(char)
    if code < 0x10000:
        return f"\\u{code:04x}"
    code -= 0x10000
    return f"\\u{0xD800 + (code >> 10):04x}\\u{0xDC00 + (code & 0x3FF):04x}"


def plain(value: Any) -> str:
    """A value for programs: numbers in full, lists joined by commas, "" for none."""
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case float():
            return f"{value:.6g}" if abs(value) < 1e6 else f"{value:.0f}"
        case tuple() | list():
            return ",".join(plain(item) for item in value)
        case dict():
            return ",".join(f"{plain(key)}={plain(item)}" for key, item in value.items())
    return clean(str(value))


def human(value: Any, kind: Kind) -> str:
    """A value for people, with its unit."""
    if value is None:
        return MISSING
    match kind:
        case Kind.TEXT | Kind.STATE:
            if isinstance(value, bool):
                return "yes" if value else "no"
            if isinstance(value, (tuple, list)):
                return ", ".join(human(item, kind) for item in value) or MISSING
            return clean(str(value)) or MISSING
        case Kind.COUNT:
            return f"{value:,}".replace(",", " ")
        case Kind.BYTES:
            return size(value)
        case Kind.RATIO:
            return percent(value)
        case Kind.DURATION_MS:
            return duration(value)
        case Kind.LATENCY_MS:
            return latency(value)
        case Kind.SCORE:
            return f"{value:.1f}" if value < 10_000 else f"{value:.3g}"
        case Kind.TIME:
            at = moment(value)
            return at.strftime("%H:%M:%S") if at is not None else clean(str(value))
        case _:
            assert_never(kind)


def shown(row: Any, name: str, column: Column) -> str:
    """The cell of one field in a table, cleaned, also if a function of the column made it."""
    if column.cell is None:
        return human(getattr(row, name), column.kind)
    made = column.cell(row)
    return clean(made) if isinstance(made, str) else "\n".join(map(clean, made))


def bare(row: Any, name: str, column: Column) -> str:
    """One field for programs."""
    return plain(column.plain(row) if column.plain is not None else getattr(row, name))


def latency(milliseconds: float) -> str:
    """A short time with three digits at most: ``0.6 ms``, ``131 ms``, ``4.2 s``; from a minute on as a duration."""
    if milliseconds < 999.5:
        return f"{milliseconds:.1f} ms" if milliseconds < 10 else f"{milliseconds:.0f} ms"
    if milliseconds < 60_000:
        return f"{milliseconds / 1000:.1f} s"
    return duration(milliseconds)


def moment(value: Any) -> datetime | None:
    """A time in ISO 8601 as the local one; None for other values."""
    from datetime import datetime

    try:
        return datetime.fromisoformat(value).astimezone()
    except (TypeError, ValueError, OverflowError):
        return None


def duration(milliseconds: float) -> str:
    """A duration in its two largest units: ``3d 4h``, ``12m 5s``."""
    return span(int(milliseconds // 1000))


def clock(milliseconds: int) -> str:
    """The length of a track: ``3:07``, ``1:02:03``."""
    seconds = milliseconds // 1000
    hours, minutes = seconds // 3600, seconds // 60 % 60
    return f"{hours}:{minutes:02}:{seconds % 60:02}" if hours else f"{minutes}:{seconds % 60:02}"


_BLOCKS = "▁▂▃▄▅▆▇█"


def sparkline(values: Sequence[float | None], low: float | None = None, high: float | None = None) -> str:
    """Values as bars between `low` and `high`, else the lowest and the highest; a gap stands for an unknown one."""
    known = [value for value in values if value is not None]
    if not known:
        return MISSING
    low = min(known) if low is None else low
    span = (max(known) if high is None else high) - low
    top = len(_BLOCKS) - 1
    return "".join(
        " " if value is None else _BLOCKS[min(max(int((value - low) / span * top), 0), top) if span > 0 else 0]
        for value in values
    )
