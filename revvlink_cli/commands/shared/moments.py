"""Moments that people type: ``24h``, ``yesterday``, ``yesterday 22:00``, ``2026-11-28T22:00``."""

from __future__ import annotations

import re
from datetime import datetime, time, timedelta
from typing import TYPE_CHECKING

from revvlink_cli.config.values import read_duration

if TYPE_CHECKING:
    from datetime import date

FORMS = "24h, today, yesterday, 22:00, 'yesterday 22:00' or 2026-11-28T22:00"
"""The accepted forms, for messages and helps."""

_CLOCK = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2}))?")


def read_moment(text: str, now: datetime) -> datetime:
    """Reads a moment.

    Args:
        text: A duration before now; ``now``; a time, which is the last one that has passed; ``today`` or
            ``yesterday``, alone (its first moment) or with a time; or an ISO 8601 date with or without time and zone.
            Without a zone, it is in the local one.
        now: The current time, with its zone.

    Raises:
        ValueError: It is none of these; the message says what to write.
    """
    wanted = text.strip().lower()
    if wanted == "now":
        return now
    try:
        return now - timedelta(seconds=read_duration(wanted.removesuffix(" ago").removeprefix("-")))
    except (ValueError, OverflowError):
        pass
    day, _, clock = wanted.partition(" ")
    if _CLOCK.fullmatch(day) and not clock:
        at = _local(now.astimezone().date(), day, text)
        return at if at <= now else _local(now.astimezone().date() - timedelta(days=1), day, text)
    today = now.astimezone().date()
    days = {"today": today, "yesterday": today - timedelta(days=1)}
    if day in days and (not clock or _CLOCK.fullmatch(clock)):
        return _local(days[day], clock, text)
    try:
        return datetime.fromisoformat(text.strip()).astimezone()
    except (ValueError, OverflowError):
        raise ValueError(f"{text!r} is not a moment: write {FORMS}") from None


FUTURE_FORMS = "22:00, 'tomorrow 08:00' or 2026-11-28T22:00"
"""The accepted forms of moments to come."""


def read_deadline(text: str, now: datetime) -> datetime:
    """Reads a moment to come.

    Args:
        text: A time, which is the next one; ``today`` or ``tomorrow`` with a time; or an ISO 8601 date with or without
            time and zone. Without a zone, it is in the local one.
        now: The current time, with its zone.

    Raises:
        ValueError: It is none of these, or has passed; the message says what to write.
    """
    day, _, clock = text.strip().lower().partition(" ")
    today = now.astimezone().date()
    days = {"today": today, "tomorrow": today + timedelta(days=1)}
    if _CLOCK.fullmatch(day) and not clock:
        at = _local(today, day, text, FUTURE_FORMS)
        at = at if at > now else _local(today + timedelta(days=1), day, text, FUTURE_FORMS)
    elif day in days and _CLOCK.fullmatch(clock):
        at = _local(days[day], clock, text, FUTURE_FORMS)
    else:
        try:
            at = datetime.fromisoformat(text.strip()).astimezone()
        except (ValueError, OverflowError):
            raise ValueError(f"{text!r} is not a moment to come: write {FUTURE_FORMS}") from None
    if at <= now:
        raise ValueError(f"{text!r} has passed")
    return at


def _local(day: date, clock: str, text: str, forms: str = FORMS) -> datetime:
    found = _CLOCK.fullmatch(clock)
    try:
        hour, minute, second = (int(part or 0) for part in found.groups()) if found is not None else (0, 0, 0)
        at = time(hour, minute, second)
    except ValueError:
        raise ValueError(f"{text!r} is not a moment: write {forms}") from None
    return datetime.combine(day, at).astimezone()
