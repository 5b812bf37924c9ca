"""Shares as percentages that never round to 0% or 100%."""

from __future__ import annotations

_DIGITS = 3
"""Decimals at most: enough to distinguish 99.999% from 100%."""


def percent(share: float, decimals: int = 0) -> str:
    """A share of 1 as a percentage: 100% and 0% only where it is exactly that.

    The nearer it is to one of the two, the more decimals it has: 47%, 97.5%, 99.58%, 99.958%. What is nearer still is
    shown as 99.999% or 0.001%.

    Args:
        share: 1 is 100%; it may be more, or less than 0.
        decimals: Digits behind the point at least; zeros at the end are left out.
    """
    value = share * 100
    if share in (0, 1):
        return f"{value:.0f}%"
    nearest = min(abs(value), abs(100 - value))
    digits = max(decimals, next((count for count, from_ in enumerate((10.0, 1.0, 0.1)) if nearest >= from_), _DIGITS))
    step = 10.0**-digits
    if round(value, digits) in (0, 100):
        value = (0 if nearest == abs(value) else 100) + (step if value > 100 or 0 < value < 50 else -step)
    text = f"{value:.{digits}f}"
    return f"{text.rstrip('0').rstrip('.') if '.' in text else text}%"
