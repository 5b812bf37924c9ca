"""Values of options: how they are read, and what completes names of files and contexts."""

from __future__ import annotations

import typer

FILES = "\0files"
"""Ends what is offered in place of values when the shell is to complete names of files."""


def files(incomplete: str) -> list[str]:
    """Names of files."""
    return [incomplete + FILES]  # Typer drops what does not begin as the word does


def contexts(incomplete: str) -> list[str]:
    """Names of contexts; only the names of files are read."""
    from revvlink_cli.config.contexts import context_names

    return [name for name in context_names() if name.startswith(incomplete)]


def seconds(text: str, flag: str | None = None) -> float:
    """Seconds of a time typed by a person: ``30``, ``1.5``, ``90s``, ``1h``.

    Args:
        text: The time.
        flag: The option that an error names.

    Raises:
        typer.BadParameter: It is none, or no time at all.
    """
    from revvlink_cli.config.values import read_duration

    try:
        return read_duration(float(text) if text.replace(".", "", 1).isdecimal() else text)
    except ValueError as error:
        more = ", or a number of seconds" if str(error).startswith("must be a duration") else ""
        raise typer.BadParameter(f"{text!r} {error}{more}", param_hint=flag) from None


def optional_seconds(text: str | None, flag: str) -> float | None:
    """As `seconds`; None for an option that was not given."""
    return None if text is None else seconds(text, flag)


def optional_share(text: str | None, flag: str, example: str) -> float | None:
    """The share, 0 to 1, that a percentage is; None for an option that was not given.

    Raises:
        typer.BadParameter: It is not above 0 and up to 100; `example` says how to write one.
    """
    if text is None:
        return None
    try:
        share = float(text.strip().removesuffix("%")) / 100
    except ValueError:
        share = -1.0
    if not 0 < share <= 1:
        raise typer.BadParameter(f"{text!r} is not a percentage up to 100, such as {example}", param_hint=flag)
    return share
