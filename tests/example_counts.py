"""How many random examples a test tries: few in each run, many with ``REVVLINK_TEST_EXAMPLES=large``."""

from __future__ import annotations

import os
from typing import TypeVar

T = TypeVar("T")

IS_LARGE = os.environ.get("REVVLINK_TEST_EXAMPLES") == "large"


def examples(usual: T, large: T) -> T:
    """The count, or the setting, for this run."""
    return large if IS_LARGE else usual
