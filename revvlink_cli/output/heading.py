"""The line above pictures and pages: which command made them, of which context, and when."""

from __future__ import annotations

from datetime import UTC, datetime


def heading(command: str, context: str | None = None, at: datetime | None = None) -> str:
    """The command, the context if there is one, and the local time with its zone.

    Args:
        command: The command as typed: ``nodes status``.
        context: Name of the context, or None.
        at: When the data was taken; now if None.
    """
    moment = (at if at is not None else datetime.now(UTC)).astimezone()
    parts = [f"revvlink {command}".rstrip(), context, f"{moment:%Y-%m-%d %H:%M} {zone_of(moment)}"]
    return " · ".join(part for part in parts if part)


def zone_of(moment: datetime) -> str:
    """The name of the zone of a moment: ``CET``, or ``UTC+05:30`` where the zone has only a number for a name."""
    name = moment.tzname() or ""
    if name and name[0].isalpha() and len(name) < 12:  # Windows has long names
        return name
    offset = f"{moment:%z}"
    return f"UTC{offset[:3]}:{offset[3:5]}"
