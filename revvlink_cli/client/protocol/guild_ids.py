"""Ids of guilds: numbers of 64 bits, which programs have as int and the protocol writes as text."""

from __future__ import annotations

from functools import lru_cache

MAX_ID = 2**64 - 1
"""The largest id that Discord's numbers have room for."""

MAX_DIGITS = len(str(MAX_ID))


def read_guild_id(value: object) -> int | None:
    """The guild id in a value that a server sent, as text or as a number; None when it is none."""
    if isinstance(value, str):
        return guild_id_in(value) if len(value) <= MAX_DIGITS else None
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    return int(value) if 0 < value <= MAX_ID else None


@lru_cache(maxsize=16_384)  # nearly every message of a server has one of a few guilds in it
def guild_id_in(text: str) -> int | None:
    """The guild id that a text of at most `MAX_DIGITS` characters is; None when it is none."""
    # A leading zero, sign, blank or underscore is taken by int(), and would not come back as it was.
    if not text.isascii() or not text.isdigit() or text[0] == "0":
        return None
    number = int(text)
    return number if number <= MAX_ID else None


def checked_guild_id(value: object) -> int:
    """The guild id that a program gave, as int or as text.

    Raises:
        TypeError: It is neither.
        ValueError: No guild can have it.
    """
    if type(value) is int and 0 < value <= MAX_ID:  # nearly every call
        return value
    if not isinstance(value, int | str) or isinstance(value, bool):
        raise TypeError(f"guild_id must be an int, or its digits as str, not {type(value).__name__}")
    guild_id = read_guild_id(value)
    if guild_id is None:
        shown = repr(value)[:60] if isinstance(value, str) or value.bit_length() <= 128 else "a larger one"
        raise ValueError(f"guild_id must be a number from 1 to {MAX_ID}, not {shown}")
    return guild_id
