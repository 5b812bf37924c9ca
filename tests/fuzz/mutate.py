"""Changes samples at random, from a seed: the same seed, target and number give the same input again."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.fidelity.mutations import DROPPED, REPLACEMENTS

if TYPE_CHECKING:
    import random
    from collections.abc import Sequence

TOKENS = (
    "", " ", "\n", "\r\n", "\t", "\0", "\x1b[2J", "\x85", "\u2028",
    "\u202e", "\ufeff", "\ud800", "\U0001f3b5", "\u0130", "\u017f",
    '"', "'", '"""', "\\", "\\u0000", "\\ud800", "{", "}", "[", "]", "[[", "]]", "(", ")", "<", ">", ":", ",", ".", "=",
    "#", "//", "/*", "*/", "${", "%", "@", "~", "&a", "*a", "!!", "---", "|", "-", "+", "*", "?", "$",
    "null", "true", "false", "nan", "NaN", "inf", "-Infinity", "1e400", "-0", "0x10", "1_000", "9" * 20, "9" * 5000,
    "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "2026-02-30", "1" * 40 + "." + "1" * 40, "٣", "½",
)  # fmt: skip
"""What parsers stumble over."""

MOST = 20_000
"""Characters of the longest input."""

REPEATS = (2, 2, 2, 10, 10, 100, 100, 2000)
"""How often a part is repeated."""


def mutated(samples: Sequence[str], source: random.Random, tokens: Sequence[str] = ()) -> str:
    """One of the samples with one to four changes of its text or, if it is JSON, of its values."""
    text = source.choice(samples)
    for _ in range(source.choice((1, 1, 1, 2, 3, 4))):
        text = _change_value(text, source) if source.random() < 0.5 else _change_text(text, samples, source, tokens)
        text = text[:MOST]
    return text


def _change_text(text: str, samples: Sequence[str], source: random.Random, tokens: Sequence[str]) -> str:
    start = source.randrange(len(text) + 1)
    end = min(len(text), start + source.choice((0, 1, 1, 2, 5, 20, 100)))
    match source.randrange(9):
        case 0:
            return text[:start] + text[end:]
        case 1:
            return text[:end] + text[start:]
        case 2 | 3:
            return text[:start] + source.choice(TOKENS) + text[end:]
        case 4:
            return text[:start] + source.choice(tokens or TOKENS) + text[end:]
        case 5:
            return text[:start]
        case 6:
            other = source.choice(samples)
            return text[:start] + other[source.randrange(len(other) + 1) :]
        case 7:
            return text[:start] + text[start:end] * source.choice(REPEATS) + text[end:]
        case _:
            return text[:start] + chr(source.choice((source.randrange(128), source.randrange(0xD800)))) + text[end:]


def _change_value(text: str, source: random.Random) -> str:
    """One value of JSON dropped or replaced; of several lines, one line is changed. Other text stays as it is."""
    before, line, after = "", text, ""
    if "\n" in text.strip() and text[:1] == "{":
        lines = text.split("\n")
        place = source.randrange(len(lines))
        before, line, after = "\n".join([*lines[:place], ""]), lines[place], "\n".join(["", *lines[place + 1 :]])
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        try:
            value, before, after = json.loads(text), "", ""
        except (ValueError, RecursionError):
            return text
    changed = _changed(value, source)
    new = "" if changed is DROPPED else json.dumps(changed, ensure_ascii=source.random() < 0.5)
    return f"{before}{new}{after}"


def _changed(value: Any, source: random.Random) -> Any:
    if isinstance(value, (dict, list)) and value and source.random() < 0.85:
        keys = list(value) if isinstance(value, dict) else list(range(len(value)))
        key = source.choice(keys)
        new = _changed(value[key], source)
        if isinstance(value, list):
            return [*value[:key], *(() if new is DROPPED else (new,)), *value[key + 1 :]]
        rest = {name: item for name, item in value.items() if name != key}
        return rest if new is DROPPED else {**rest, source.choice((key, key, key, "\x1b[2J", "")): new}
    if isinstance(value, str) and source.random() < 0.5:
        at = source.randrange(len(value) + 1)
        return value[:at] + source.choice(TOKENS) + value[at:]
    new = source.choice((DROPPED, *REPLACEMENTS))
    return new if not isinstance(new, int) or abs(new) < 10**300 else 10**300
