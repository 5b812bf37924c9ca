"""Sizes in the unit that fits them."""

from __future__ import annotations


def size(count: float) -> str:
    """Bytes with a binary unit and three digits: ``513 MiB``, ``23.5 GiB``."""
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if abs(count) < 1000 or unit == "TiB":
            return f"{count:.0f} {unit}" if unit == "B" or abs(count) >= 99.95 else f"{count:.1f} {unit}"
        count /= 1024
    raise AssertionError("the loop returns")
