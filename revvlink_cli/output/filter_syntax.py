"""The language of ``--filter``: conditions over the JSON fields of a row, such as ``playing>100 and region==us``.

The grammar, from the weakest to the strongest::

    either     = both ("or" both)*             also ||
    both       = negated ("and" negated)*      also &&
    negated    = "not" negated | single        also !
    single     = "(" either ")" | FIELD | FIELD OPERATOR VALUE
    OPERATOR   = "==" | "!=" | ">" | ">=" | "<" | "<=" | "~"
    FIELD      = name ("." name)*
    VALUE      = word | 'text' | "text"        null, true and false as words
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple, NoReturn

from revvlink_cli.output.filtering import (
    KEYWORDS,
    And,
    Comparison,
    Condition,
    FilterError,
    Not,
    Or,
    Truth,
    Value,
    compiled,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_DEEPEST = 50
"""Number of parentheses and negations within each other."""

_TOKEN = re.compile(
    r"""(?P<space>\s+)
    | (?P<text>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")
    | (?P<operator>==|!=|>=|<=|&&|\|\||[><~!()])
    | (?P<word>[^\s()'"=!<>~&|]+)""",
    re.VERBOSE | re.DOTALL,
)

_MEANT = {"=": "==", "=~": "~", "!~": "not FIELD ~", "<>": "!=", "&": "and", "|": "or", "=>": ">=", "=<": "<="}
"""What people of other languages type -> what is meant."""


class _Token(NamedTuple):
    kind: str
    text: str
    at: int


def parse(text: str) -> Condition:
    """Read a condition.

    Raises:
        FilterError: It cannot be read.
    """
    return _Parser(text).whole()


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = list(_tokens(text))
        self._next = 0
        self._depth = 0

    def whole(self) -> Condition:
        if not self._tokens[:-1]:
            raise FilterError("the condition is empty; write FIELD OPERATOR VALUE, such as playing>100", 0)
        made = self._either()
        token = self._peek()
        if token.kind != "end":
            if token.text == ")":
                raise FilterError("this ) closes nothing", token.at)
            self._refuse("'and' or 'or' is missing before", token)
        return made

    def _peek(self) -> _Token:
        return self._tokens[self._next]

    def _take(self) -> _Token:
        token = self._tokens[self._next]
        self._next += token.kind != "end"
        return token

    def _skip(self, *texts: str) -> bool:
        token = self._peek()
        name = {"word": token.text.lower(), "operator": token.text}.get(token.kind)
        if name in texts:
            self._next += 1
            return True
        return False

    def _either(self) -> Condition:
        parts = [self._both()]
        while self._skip("or", "||"):
            parts.append(self._both())
        return parts[0] if len(parts) == 1 else Or(_flat(Or, parts))

    def _both(self) -> Condition:
        parts = [self._negated()]
        while self._skip("and", "&&"):
            parts.append(self._negated())
        return parts[0] if len(parts) == 1 else And(_flat(And, parts))

    def _negated(self) -> Condition:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise FilterError(f"more than {_DEEPEST} parentheses or negations within each other", self._peek().at)
        made = Not(self._negated()) if self._skip("not", "!") else self._single()
        self._depth -= 1
        return made

    def _single(self) -> Condition:
        opening = self._take()
        if opening.text == "(" and opening.kind == "operator":
            made = self._either()
            if not self._skip(")"):
                if self._peek().kind == "end":
                    raise FilterError("the ) of this ( is missing", opening.at)
                self._refuse("a ) is missing before", self._peek())
            return made
        if opening.kind != "word" or opening.text.lower() in KEYWORDS:
            self._refuse("a field is missing before", opening)
        path = tuple(opening.text.split("."))
        if not all(path):
            raise FilterError(f"{opening.text!r} is not names with dots between them", opening.at)
        operator = self._peek()
        if operator.kind != "operator" or operator.text in ("(", ")", "!", "&&", "||"):
            return Truth(path, opening.at)
        self._take()
        return Comparison(path, operator.text, self._value(operator), opening.at)

    def _value(self, operator: _Token) -> Value:
        token = self._take()
        if token.kind == "end":
            raise FilterError(f"a value is missing after {operator.text}", token.at)
        if token.kind == "operator":
            self._refuse("a value is missing before", token)
        if token.kind == "word":
            if token.text.lower() in KEYWORDS:
                raise FilterError(f'a value is missing before {token.text}, or write "{token.text}"', token.at)
            value = Value(token.text, at=token.at)
        else:
            quote = token.text[0]
            inside = re.sub(rf"\\([\\{quote}])", r"\1", token.text[1:-1])
            value = Value(inside, is_quoted=True, at=token.at)
        if operator.text == "~":
            compiled(value)
        return value

    @staticmethod
    def _refuse(what: str, token: _Token) -> NoReturn:
        raise FilterError(f"{what} {token.text or 'the end'}", token.at)


def _flat(kind: type[And | Or], parts: Sequence[Condition]) -> tuple[Condition, ...]:
    """The parts, with those of the same kind taken apart: parentheses that change nothing."""
    return tuple(inner for part in parts for inner in (part.parts if isinstance(part, kind) else (part,)))


def _tokens(text: str) -> Iterator[_Token]:
    at = 0
    while at < len(text):
        found = _TOKEN.match(text, at)
        near = text[at : at + 2] if text[at : at + 2] in _MEANT else text[at]
        if near in _MEANT and (found is None or len(near) > len(found.group())):
            raise FilterError(f"{near} is not an operator here: write {_MEANT[near]}", at)
        if found is None:
            raise FilterError(f"the {text[at]} that ends this text is missing", at)
        if found.lastgroup != "space":
            yield _Token(str(found.lastgroup), found.group(), at)
        at = found.end()
    yield _Token("end", "", len(text))
