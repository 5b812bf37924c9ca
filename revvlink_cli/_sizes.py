"""Sizes and spans of time in the units that fit them."""

from __future__ import annotations


def size(count: float) -> str:
    """Bytes with a binary unit and three digits: ``513 MiB``, ``23.5 GiB``."""
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if abs(count) < 1000 or unit == "TiB":
            return f"{count:.0f} {unit}" if unit == "B" or abs(count) >= 99.95 else f"{count:.1f} {unit}"
        count /= 1024
    raise AssertionError("the loop returns")


def span(seconds: int) -> str:
    """A span of time in its two largest units: ``3d 4h``, ``12m 5s``, ``0s``."""
    parts: list[str] = []
    for unit, length in (("d", 86_400), ("h", 3600), ("m", 60), ("s", 1)):
        count, seconds = divmod(seconds, length)
        if count or parts or unit == "s":
            parts.append(f"{count}{unit}")
    return " ".join(parts[:2])
