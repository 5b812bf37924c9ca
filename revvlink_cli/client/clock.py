"""The clock of the client: every module of it reads the time here.

A process that simulates time replaces `monotonic` before it connects a pool. All modules read the attribute at each
call, so the pool then lives in the simulated time::

    clock.monotonic = loop.time
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

monotonic: Callable[[], float] = time.monotonic
"""Seconds that never go back."""
