"""Writes texts as literals of the languages that node lists are written in."""

from __future__ import annotations

import json
import re


def quote(text: str) -> str:
    """A text as JSON, JavaScript and C# have it: everything but ASCII is escaped."""
    return json.dumps(text)


def quote_python(text: str) -> str:
    """A text as Python has it."""
    return "".join(('"', *(_python(character) for character in text), '"'))


def _python(character: str) -> str:
    if character in '"\\':
        return f"\\{character}"
    if character.isprintable():
        return character
    code = ord(character)
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def quote_variable(text: str) -> str:
    """The value of a variable in a ``.env`` file; single quotes keep ``$`` and ``#`` as they are."""
    if re.fullmatch(r"[\w.:/@%+,=-]+", text):
        return text
    if "'" not in text:
        return f"'{text}'"
    return '"' + re.sub(r'(["\\$`])', r"\\\1", text) + '"'


def is_name(text: str) -> bool:
    """Whether a text is a name in code and in shells."""
    return re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", text) is not None
