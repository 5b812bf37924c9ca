"""Keeps the repeated jobs of the exporter running: a defect ends one round of a job, and not the job."""

from __future__ import annotations

import logging
import time
from enum import StrEnum
from typing import TYPE_CHECKING

from revvlink_cli.health import metrics
from revvlink_cli.health.metrics import Sample

if TYPE_CHECKING:
    from collections.abc import Coroutine

log = logging.getLogger(__name__)
log.addHandler(logging.NullHandler())  # without -v the counter alone shows a defect


class Job(StrEnum):
    """What the exporter does round after round."""

    VERDICTS = "verdicts"
    CANARIES = "canaries"
    STATUS_PAGE = "status_page"


class Defects:
    """Runs rounds of jobs, and counts those that ended with a defect."""

    def __init__(self) -> None:
        self._counts = dict.fromkeys(Job, 0)
        self._created = time.time()

    async def contain(self, job: Job, work: Coroutine[object, object, None]) -> bool:
        """Run one round of a job. A defect in it is logged, with its traceback in the detailed log, and counted.

        Returns:
            Whether it ended without a defect.
        """
        try:
            await work
        except Exception as error:
            self._counts[job] += 1
            log.error("defect in a round of %s, the next one runs as usual: %r", job, error)  # noqa: TRY400 - at -vv
            log.debug("defect in a round of %s", job, exc_info=error)
            return False
        return True

    def count(self, job: Job) -> int:
        """The number of rounds of a job that ended with a defect."""
        return self._counts[job]

    def samples(self) -> list[Sample]:
        """The numbers of defects as metrics."""
        return [
            Sample(metrics.DEFECTS, (("job", job),), float(count), self._created) for job, count in self._counts.items()
        ]
