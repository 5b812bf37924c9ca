"""Samples the verdicts of a connected fleet, so that the exporter and the status page show those that have held.

A scrape is not a sample: two Prometheus servers that scrape one exporter must not count a problem twice.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from revvlink_cli.health.damped_findings import Damping
from revvlink_cli.health.damping import OK, advance, initial
from revvlink_cli.health.findings import Verdict
from revvlink_cli.health.fleet import assess
from revvlink_cli.services.checking import without_canaries
from revvlink_cli.services.defects import Job
from revvlink_cli.services.history import INTERVAL, Outage
from revvlink_cli.services.status_view import is_connected
from revvlink_cli.services.worker import run_beside_loop

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from revvlink_cli.client.fleet import Fleet
    from revvlink_cli.client.snapshot import FleetSnapshot
    from revvlink_cli.health.damped_findings import Known
    from revvlink_cli.health.damping import CheckState, Rules
    from revvlink_cli.health.policy import Policy
    from revvlink_cli.services.defects import Defects


class VerdictLoop:
    """The damped verdicts of one fleet, sampled again and again.

    Attributes:
        outages: By node, whether it is lost for longer than a moment; nothing on nodes that were not tried yet.
    """

    def __init__(
        self,
        fleet: Fleet,
        plan: Callable[[], tuple[Policy, Rules]],
        timeout: float,
        defects: Defects,
        interval: float = INTERVAL,
    ) -> None:
        """Prepare; `run` samples.

        Args:
            fleet: The nodes.
            plan: Gives what is required, and when a verdict has held, as of now.
            timeout: Seconds that a request to a node may take, for messages.
            defects: Contains a sample that fails.
            interval: Seconds between two samples.
        """
        self._fleet = fleet
        self._plan = plan
        self._timeout = timeout
        self._defects = defects
        self._interval = interval
        self._known: Known = {}
        self._connections: dict[str, CheckState] = {}
        self.outages: Mapping[str, Outage] = {}

    def view(self) -> Damping:
        """What gives the findings of one moment the verdicts that have held until the last sample."""
        return Damping(self._known)

    async def run(self) -> None:
        """Sample until cancelled."""
        while True:
            if not await self._defects.contain(Job.VERDICTS, self._sample()):
                # Verdicts that stay as they were would hide all later trouble: those of the moment are shown.
                self._known, self._connections, self.outages = {}, {}, {}
            await asyncio.sleep(self._interval)

    async def _sample(self) -> None:
        fleet = self._fleet.snapshot()
        policy, rules = self._plan()
        now = time.monotonic()
        self._sample_connections(fleet, rules, now)
        damping = Damping(self._known, rules, now)
        policy, timeout = without_canaries(policy), self._timeout
        await run_beside_loop(lambda: assess(fleet, policy, timeout=timeout, damping=damping))
        damping.follow({node.identifier for node in fleet.nodes})
        self._known = damping.known

    def _sample_connections(self, fleet: FleetSnapshot, rules: Rules, now: float) -> None:
        """Sample which nodes are lost. One that is lost again and again is lost until it is steady."""
        states: dict[str, CheckState] = {}
        outages: dict[str, Outage] = {}
        for node in fleet.nodes:
            is_up = is_connected(node, fleet.at)
            if is_up is None:
                continue
            found = (Verdict.OK if is_up else Verdict.CRITICAL).name
            before = self._connections.get(node.identifier)
            state = initial(now, found) if before is None else advance(before, found, now, rules)[0]
            if state is None:
                raise AssertionError("a known state stays known")
            states[node.identifier] = state
            lasts = state.reported != OK or state.unstable_since is not None
            turned = state.found_since if not lasts else state.unstable_since or state.since
            outages[node.identifier] = Outage(lasts, max(now - turned, 0.0))
        self._connections, self.outages = states, outages
