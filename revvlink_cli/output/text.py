"""Values as people read them, and text that cannot do a terminal any harm."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any, assert_never

from revvlink_cli.output.result import Column, Kind

if TYPE_CHECKING:
    from collections.abc import Sequence

_UNSAFE = (
    "[\x00-\x1f\x7f-\x9f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ufffe\uffff\ud800-\udfff"
    "\U000e0000-\U000e007f]"
)
"""Control characters, direction marks and overrides, invisible characters, lone surrogates, no characters at all."""


@cache
def _unsafe() -> re.Pattern[str]:
    return re.compile(_UNSAFE)  # when it is needed: most text is harmless


_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}

MISSING = "-"
"""Shown where a value is unknown: never 0, which would be a value."""


def clean(text: str) -> str:
    r"""`text` with everything that is not plainly visible written out: ``\x1b``, ``\u202e``, ``\n``."""
    return text if text.isprintable() else _unsafe().sub(_written_out, text)


def clean_json(text: str) -> str:
    """JSON text in which what terminals act on is escaped the JSON way; it means the same to a parser."""
    text = re.sub(r"##(?=\w*\[)", r"#\\u0023", text)  # a command where a workflow's machine reads what is printed
    return _unsafe().sub(lambda found: found.group() if found.group() == "\n" else _json_escape(found.group()), text)


def _written_out(found: re.Match[str]) -> str:
    char = found.group()
    if char in _SHORT:
        return _SHORT[char]
    code = ord(char)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _json_escape(char: str) -> str:
    code = ord(char)
    if code < 0x10000:
        return f"\\u{code:04x}"
    code -= 0x10000
    return f"\\u{0xD800 + (code >> 10):04x}\\u{0xDC00 + (code & 0x3FF):04x}"


def plain(value: Any) -> str:
    """A value for programs: numbers in full, lists joined by commas, "" where there is none."""
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
            return ",".join(f"{key}={plain(item)}" for key, item in value.items())
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
            return f"{value * 100:.0f}%" if value >= 0.0995 or value == 0 else f"{value * 100:.1f}%"
        case Kind.DURATION_MS:
            return duration(value)
        case Kind.LATENCY_MS:
            return f"{value:.1f} ms" if value < 10 else f"{value:.0f} ms"
        case Kind.SCORE:
            return f"{value:.1f}" if value < 10_000 else f"{value:.3g}"
        case _:
            assert_never(kind)


def shown(row: Any, name: str, column: Column) -> str:
    """The table's cell of one field."""
    return column.cell(row) if column.cell is not None else human(getattr(row, name), column.kind)


def size(count: float) -> str:
    """Bytes with a binary unit and three digits: ``513 MiB``."""
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if count < 1000 or unit == "TiB":
            return f"{count:.0f} {unit}" if unit == "B" or count >= 99.95 else f"{count:.1f} {unit}"
        count /= 1024
    raise AssertionError("the loop returns")


def duration(milliseconds: float) -> str:
    """A span by its two largest units: ``3d 4h``, ``12m 5s``."""
    seconds = int(milliseconds // 1000)
    parts: list[str] = []
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        count, seconds = divmod(seconds, length)
        if count or parts or unit == "s":
            parts.append(f"{count}{unit}")
    return " ".join(parts[:2])


def clock(milliseconds: int) -> str:
    """The length of a track: ``3:07``, ``1:02:03``."""
    seconds = milliseconds // 1000
    hours, minutes = seconds // 3600, seconds // 60 % 60
    return f"{hours}:{minutes:02}:{seconds % 60:02}" if hours else f"{minutes}:{seconds % 60:02}"


_BLOCKS = "▁▂▃▄▅▆▇█"


def sparkline(values: Sequence[float | None]) -> str:
    """A run of values as bars between their lowest and highest; a gap where one is unknown."""
    known = [value for value in values if value is not None]
    if not known:
        return MISSING
    low, span = min(known), max(known) - min(known)
    return "".join(
        " " if value is None else _BLOCKS[int((value - low) / span * (len(_BLOCKS) - 1)) if span else 0]
        for value in values
    )
