"""Finds the requests that a test expects, and explains what is wrong with the nearest ones."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from revvlink_cli.simulator.requests import Request

NEAREST = 3
"""Requests that a failure shows."""

LONGEST_BODY = 200
"""Characters of a body that a failure shows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A request that a test expects.

    Attributes:
        method: Its method, such as ``PATCH``.
        path: Pattern of its path, with or without the query; ``*`` stands for any text.
        guild: The guild of the player that it is for, None for any request.
        json_contains: What its body has, and perhaps more; None for any body.
    """

    method: str
    path: str = "*"
    guild: str | None = None
    json_contains: Any = None

    @classmethod
    def of(cls, method: str, path: str, guild: int | str | None, json_contains: Any) -> Call:
        """The call that a test names."""
        guild = None if guild is None else str(guild)
        return cls(method=method.upper(), path=path, guild=guild, json_contains=json_contains)

    def __str__(self) -> str:
        """``PATCH of guild 5 with {"volume": 30}``."""
        path = f" {self.path}" if self.path != "*" else ""
        guild = f" of guild {self.guild}" if self.guild is not None else ""
        body = f" with {_shown(self.json_contains)}" if self.json_contains is not None else ""
        return f"{self.method}{path}{guild}{body}"

    def differences(self, request: Request) -> list[str]:
        """Why a request is another one, the most important difference first; none if it is expected."""
        found = []
        if request.method != self.method:
            found.append(f"the method is {request.method}, not {self.method}")
        if not fnmatchcase(request.route, self.path) and not fnmatchcase(request.path, self.path):
            found.append(f"the path is not {self.path}")
        if self.guild is not None and request.guild != self.guild:
            found.append(f"it is not of guild {self.guild}")
        if self.json_contains is not None:
            found += different(self.json_contains, request.body)
        return found


def different(expected: Any, found: Any, place: str = "body") -> Iterator[str]:
    """What of an expected JSON value is not in another one. Objects may have more keys; all else must be equal."""
    if isinstance(expected, Mapping) and isinstance(found, Mapping):
        for key, value in expected.items():
            if key in found:
                yield from different(value, found[key], f"{place}.{key}")
            else:
                yield f"{place}.{key} is missing"
    elif _is_list(expected) and _is_list(found) and len(expected) == len(found):
        for number, (one, other) in enumerate(zip(expected, found, strict=True)):
            yield from different(one, other, f"{place}[{number}]")
    elif isinstance(expected, bool) != isinstance(found, bool) or expected != found:
        yield f"{place} is {_shown(found)}, not {_shown(expected)}"


def find_call(requests: Sequence[Request], call: Call, *, is_answered: bool = False) -> Request | None:
    """The last request that is the expected one, or the last answered one; None without any."""
    found = (request for request in reversed(requests) if not is_answered or request.status is not None)
    return next((request for request in found if not call.differences(request)), None)


def check_called(requests: Sequence[Request], call: Call, where: str) -> Request:
    """The last request that is the expected one.

    Raises:
        AssertionError: There is none; the message has the nearest requests.
    """
    __tracebackhide__ = True
    found = find_call(requests, call)
    if found is not None:
        return found
    raise AssertionError("\n".join((f"no request {call}", *_nearest(requests, call, where))))


def check_not_called(requests: Sequence[Request], call: Call) -> None:
    """Check that none of the requests is this one.

    Raises:
        AssertionError: One is.
    """
    __tracebackhide__ = True
    found = [described(request) for request in requests if not call.differences(request)]
    if found:
        raise AssertionError("\n".join((f"there is a request {call}:", *(f"  {line}" for line in found[-NEAREST:]))))


def _nearest(requests: Sequence[Request], call: Call, where: str) -> Iterator[str]:
    """Lines on the requests with the fewest differences, the latest first."""
    if not requests:
        yield f"no request came at all: does the bot connect to {where}?"
        return
    yield f"{len(requests)} requests came; the nearest:"
    latest_first = [(request, call.differences(request)) for request in reversed(requests)]
    for request, differences in sorted(latest_first, key=lambda pair: len(pair[1]))[:NEAREST]:
        yield f"  {described(request)}"
        yield from (f"    {line}" for line in differences)


def described(request: Request) -> str:
    """A request on one line."""
    status = f" -> {request.status}" if request.status is not None else ""
    body = f" {_shown(request.body)}" if request.body is not None else ""
    return f"{request.method} {request.path}{status}{body}"


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=repr)
    return text if len(text) <= LONGEST_BODY else f"{text[:LONGEST_BODY]}..."


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, (str, bytes))
