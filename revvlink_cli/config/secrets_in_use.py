"""The secrets that this run has read, and the last net over everything that leaves the program.

The configuration adds each secret as it is read, wherever that is kept. Every writer (the renderers' results,
stderr, the exporter, recordings, messages to Discord) passes its values through `redact` or `redacted`. There is one
such set for a process, as there is one stderr: `forget` begins anew with each command line. What finds secrets is
loaded with the first of them: a command that reads none starts without it.
"""

from __future__ import annotations

import dataclasses
from enum import Enum
from functools import cache
from operator import is_
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from revvlink_cli.client.redaction import Redactor, Secret

T = TypeVar("T")

OWN_FIELDS = frozenset({"check", "code", "event", "metric", "origin", "stage", "state", "verdict"})
"""Fields of results whose values are this program's own words: a secret that is one of them is none in there."""

_in_use: Redactor | None = None
_public: list[str] = []
"""Texts that are shown anyway, known before the first secret."""


def forget() -> None:
    """Begin with no secrets."""
    global _in_use  # noqa: PLW0603 - see above
    _in_use = None
    _public.clear()


def use(secrets: Iterable[Secret], public: Iterable[str] = ()) -> None:
    """Mask these from now on; `public` are texts that are shown anyway."""
    found = list(secrets)
    if _in_use is None and not found:
        _public.extend(public)
    else:
        redactor().add(found, public)


def redactor() -> Redactor:
    """What masks them, for the client: it makes one line of what nodes say, in which not all could be found again."""
    global _in_use  # noqa: PLW0603 - see above
    if _in_use is None:
        from revvlink_cli.client.redaction import Redactor

        _in_use = Redactor((), _public)
    return _in_use


def redact(text: str) -> str:
    """A text with every secret in use masked."""
    return _in_use(text) if _in_use else text


def redacted(value: T) -> T:
    """A value of a result with every secret in use masked, in all texts that it holds.

    Dataclasses, tuples, lists and mappings are gone through; what has no secret in it is given back as it is.
    """
    masked: T = _masked(value) if _in_use else value
    return masked


def _masked(value: Any) -> Any:
    """The value itself where nothing in it has to be masked."""
    match value:
        case str() if not isinstance(value, Enum):
            return redactor()(value)
        case tuple() | list():
            items = [_masked(item) for item in value]
            if all(map(is_, items, value)):
                return value
            return value._make(items) if hasattr(value, "_make") else type(value)(items)
        case dict() | MappingProxyType():
            return {_masked(key): _masked(item) for key, item in value.items()}
        case _ if dataclasses.is_dataclass(value) and not isinstance(value, type):
            return _masked_record(value)
    return value


def _masked_record(record: Any) -> Any:
    values = {name: getattr(record, name) for name in _fields(record.__class__)}
    # Nearly all rows are flat, and have no secret: their texts are searched at once, which is fast.
    texts = [value for value in values.values() if isinstance(value, str)]
    if not redactor().may_be_in("|".join(texts)):
        values = {name: value for name, value in values.items() if not isinstance(value, str)}
    changed = {name: new for name, value in values.items() if (new := _masked(value)) is not value}
    return dataclasses.replace(record, **changed) if changed else record


@cache
def _fields(kind: type) -> tuple[str, ...]:
    """The fields of a record that may hold a text from elsewhere."""
    return tuple(entry.name for entry in dataclasses.fields(kind) if entry.name not in OWN_FIELDS)


def of_setting(name: str, value: Any) -> Iterator[Secret]:
    """The secrets in the value of a setting that is one, by its name in the configuration."""
    from revvlink_cli.client.redaction import SHORTEST, Secret, secrets_in_header, secrets_in_url

    match name, value:
        case "headers", dict():
            for header, text in value.items():
                if isinstance(text, str):
                    yield from secrets_in_header(header, text)
        case (("proxy" | "url"), str()):
            yield from secrets_in_url(value)
            if "@" in value:
                yield Secret(value, name)
        case (("webhook" | "heartbeat"), str()):
            yield Secret(value, name)
            path = value.partition("://")[2].partition("?")[0]
            last = path.rstrip("/").rpartition("/")[2]
            if len(last) >= 2 * SHORTEST:  # a word such as /hook is not a secret, and stands in texts of our own
                yield Secret(last, name)
        case "apprise", (list() | tuple()):
            for address in value:
                if isinstance(address, str) and not address.startswith(("env:", "file:")):
                    yield Secret(address, name)
                    yield from secrets_in_url(address)
        case _, str():
            yield Secret(value)
