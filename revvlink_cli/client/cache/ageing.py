"""When old uses begin to weigh less; the same in memory and on disk."""

from __future__ import annotations

AGES_AFTER = 12
"""Uses, for each entry there is room for, after which all counts are halved.

Measured with 20,000 Zipf-distributed keys (s = 0.9) and 1,000 entries (``python -m benchmarks cache-hits``): smaller
figures follow a shift of popularity sooner, larger ones find more when there is none.
"""

AGES_AFTER_AT_LEAST = 1000
"""Uses after which the counts of a small cache are halved."""


def uses_between_halvings(capacity: int) -> int:
    """Uses after which the counts of a cache of `capacity` entries are halved."""
    return max(AGES_AFTER * capacity, AGES_AFTER_AT_LEAST)
