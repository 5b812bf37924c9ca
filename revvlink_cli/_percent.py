"""Shares as percentages that never round to 0% or 100%."""

from __future__ import annotations

from math import floor

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
    digits = max(decimals, 0 if nearest >= 10 else 1 if nearest >= 1 else 2 if nearest >= 0.1 else _DIGITS)
    step = 10.0**-digits
    if round(value, digits) in (0, 100):
        value = (0 if nearest == abs(value) else 100) + (step if value > 100 or 0 < value < 50 else -step)
    text = f"{value:.{digits}f}"
    return f"{text.rstrip('0').rstrip('.') if '.' in text else text}%"


def availability(share: float) -> str:
    """A share of time with the decimals of a service level, rounded down from one half: 99.8999 % is not 99.9 %.

    Args:
        share: From 0 to 1.
    """
    if not 0.5 <= share < 1:
        return percent(share, 2)
    digits = _DIGITS if share > 0.999 else 2
    step = 10**digits
    highest = 100 * step - 1
    value = min(floor(share * 100 * step + 1e-6), highest) / step  # 0.999 is a little less than that in binary
    return f"{f'{value:.{digits}f}'.rstrip('0').rstrip('.')}%"
