"""The input of checkups, and the diagnoses that they give."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, replace
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from revvlink_cli.client.connection.exchange import Progress
from revvlink_cli.client.errors import RevvlinkException
from revvlink_cli.client.snapshot import NodeStatus
from revvlink_cli.config.load import load
from revvlink_cli.config.problems import ConfigError
from revvlink_cli.config.source import find
from revvlink_cli.health.fleet import Report, assess
from revvlink_cli.services.checking import as_checker, without_canaries
from revvlink_cli.services.fleet_session import connecting

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from revvlink_cli.client.node import Node
    from revvlink_cli.config.settings import Settings
    from revvlink_cli.config.source import Source
    from revvlink_cli.health.policy import Policy


class State(StrEnum):
    """The result of a checkup."""

    OK = "ok"
    FIXED = "fixed"
    WARNING = "warning"
    FAILED = "failed"
    CRASHED = "crashed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """One finding of a checkup.

    Attributes:
        checkup: The name of the checkup.
        subject: The node, file or host that it is about; None for no single one.
        state: How severe it is.
        message: The finding, on one line.
        fix: The next step, None where nothing has to be done.
    """

    checkup: str
    subject: str | None
    state: State
    message: str
    fix: str | None = None


class NodeReport(NamedTuple):
    """The state of the nodes.

    Attributes:
        report: The findings of `check`.
        clock_offsets: By node, the seconds by which its clock is ahead of this machine's.
    """

    report: Report
    clock_offsets: Mapping[str, float]


class DoctorContext:
    """The input of all checkups, and their shared connection to the nodes.

    Attributes:
        config: Value of --config, or None.
        environment: The environment variables.
        directory: The current folder.
        timeout: Seconds until the nodes' deadline.
        fixes: Whether to repair permissions.
        source: The location of the configuration, None when there is none.
        settings: The configuration, None when it cannot be used. Its nodes are those to examine.
        whole: The same with all of its nodes.
        policy: The requirements for the nodes in place of the configured ones, or None.
        error: Why the configuration cannot be used, None when it can.
    """

    def __init__(
        self,
        config: str | None,
        environment: Mapping[str, str],
        directory: Path,
        *,
        timeout: float,
        fixes: bool,
        uri: str | None = None,
        context: str | None = None,
    ) -> None:
        self.config = config
        self.environment = environment
        self.directory = directory
        self.timeout = timeout
        self.fixes = fixes
        self.source: Source | None = None
        self.settings: Settings | None = None
        self.policy: Policy | None = None
        self.error: ConfigError | None = None
        self._nodes: asyncio.Task[NodeReport | str] | None = None
        try:
            self.source = find(config, environment, directory, uri=uri, context=context)
            self.settings = load(self.source)
        except ConfigError as error:
            self.error = error
        self.whole = self.settings

    async def node_report(self) -> NodeReport | str:
        """Check the nodes, once for all checkups; gives the reason when that is not possible."""
        if self._nodes is None:
            self._nodes = asyncio.create_task(self._check_nodes(), name="check nodes")
        return await asyncio.shield(self._nodes)  # a checkup that times out must not cancel it for the others

    async def close(self) -> None:
        """Cancel the check of the nodes, and wait for its end."""
        if self._nodes is not None:
            self._nodes.cancel()
            await asyncio.wait([self._nodes])

    async def _check_nodes(self) -> NodeReport | str:
        if self.settings is None:
            return "there is no configuration"
        try:
            chosen = self.settings.resolve()
        except ConfigError:
            return "correct the configuration first"
        policy = without_canaries(replace(self.policy or self.settings.policy, min_healthy=None))
        checkers = [as_checker(entry, self.timeout) for entry in chosen]
        async with connecting(checkers, self.settings.regions, self.timeout) as opening:
            await opening.until_connected()
            await opening.until_settled()
            nodes = [node for node in opening.fleet.members if node.status is NodeStatus.CONNECTED]
            clocks = await asyncio.gather(*(_clock_of(node, opening.deadline) for node in nodes))
            report = assess(opening.fleet.snapshot(), policy, timeout=self.timeout)
        offsets = {node.identifier: by for node, by in zip(nodes, clocks, strict=True) if by is not None}
        return NodeReport(report, offsets)


Found = list[Diagnosis]


class Finder(NamedTuple):
    """Makes the diagnoses of one checkup."""

    name: str

    def ok(self, message: str, subject: str | None = None) -> Diagnosis:
        """A diagnosis without a problem."""
        return Diagnosis(self.name, subject, State.OK, message)

    def warn(self, message: str, fix: str, subject: str | None = None) -> Diagnosis:
        """A diagnosis of something that works but is risky."""
        return Diagnosis(self.name, subject, State.WARNING, message, fix)

    def fail(self, message: str, fix: str, subject: str | None = None) -> Diagnosis:
        """A diagnosis of something that does not work."""
        return Diagnosis(self.name, subject, State.FAILED, message, fix)

    def skip(self, reason: str) -> Found:
        """The only diagnosis of a checkup that cannot be made."""
        return [Diagnosis(self.name, None, State.SKIPPED, reason)]


async def _clock_of(node: Node, deadline: float) -> float | None:
    """Seconds by which a node's clock is ahead of this one; None when it sends no date in time."""
    progress = Progress()
    try:
        async with asyncio.timeout_at(deadline):
            answer = await node.rest.request("GET", "/version", accept="*/*", progress=progress)
    except (RevvlinkException, TimeoutError):
        return None
    sent = time.time() - (time.monotonic() - (progress.began or time.monotonic()))
    arrived = time.time()
    try:
        date = parsedate_to_datetime(answer.headers.get("Date", "")).timestamp()
    except (ValueError, TypeError):
        return None
    # The server wrote the date between the request and the answer, and cut it to a whole second.
    return 0.0 if sent - 1 <= date <= arrived else date - (sent if date < sent else arrived)
