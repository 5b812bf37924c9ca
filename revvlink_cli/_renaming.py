"""Renames files. On Windows a file that another program has open for a moment, such as a virus scanner, cannot be."""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

PATIENCE = 1.0
"""Seconds to wait on Windows until other programs have closed a file."""

POLL = 0.02
"""Seconds between two attempts."""


def replace(source: Path, target: Path) -> None:
    """Rename a file or a folder, in place of a file that has the name.

    This program must have closed both: Windows renames no file that is open.

    Raises:
        OSError: It cannot be renamed; on Windows also when another program keeps it open.
    """
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            os.replace(source, target)  # noqa: PTH105 - as `Path.replace`, but tests follow this one name
        except PermissionError:
            if sys.platform != "win32" or time.monotonic() >= deadline:
                raise
            time.sleep(POLL)
        else:
            return
