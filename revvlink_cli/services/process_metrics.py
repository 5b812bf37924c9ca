"""Figures of this process, under the names that Prometheus' client libraries use. They are read on Linux only."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from revvlink_cli.health import metrics
from revvlink_cli.health.metrics import Sample

_PROC = Path("/proc")

_AFTER_NAME = 3
"""Number of the first field of ``/proc/PID/stat`` after the name, which may contain spaces (proc(5))."""


def samples() -> list[Sample]:
    """The figures; none where the system does not show them, or no file can be opened."""
    if sys.platform != "linux":
        return []
    import resource

    try:
        fields = (_PROC / "self/stat").read_text("utf-8", "replace").rpartition(")")[2].split()
        boot = next(
            int(line.split()[1])
            for line in (_PROC / "stat").read_text("utf-8").splitlines()
            if line.startswith("btime")
        )
        files = len(os.listdir(_PROC / "self/fd")) - 1  # noqa: PTH208 - one of them is that of the listing itself
    except (OSError, StopIteration):
        return []
    ticks = os.sysconf("SC_CLK_TCK")
    user, system, start, size, pages = (int(fields[number - _AFTER_NAME]) for number in (14, 15, 22, 23, 24))
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    begun = boot + start / ticks
    found = [
        Sample(metrics.PROCESS_CPU, (), (user + system) / ticks, begun),
        Sample(metrics.PROCESS_RESIDENT_MEMORY, (), float(pages * resource.getpagesize())),
        Sample(metrics.PROCESS_VIRTUAL_MEMORY, (), float(size)),
        Sample(metrics.PROCESS_START_TIME, (), begun),
        Sample(metrics.PROCESS_OPEN_FDS, (), float(files)),
    ]
    if limit != resource.RLIM_INFINITY:
        found.append(Sample(metrics.PROCESS_MAX_FDS, (), float(limit)))
    return found
