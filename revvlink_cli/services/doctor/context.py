"""What the doctor examines, and what a diagnosis is."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, replace
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from revvlink_cli.client.connection.transport import Progress
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


class State(StrEnum):
    """What a checkup came to."""

    OK = "ok"
    FIXED = "fixed"
    WARNING = "warning"
    FAILED = "failed"
    CRASHED = "crashed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """One finding.

    Attributes:
        checkup: Which checkup it is of.
        subject: What it is about: a node, a file, a host; None for the whole.
        state: How bad it is.
        message: What was found, one line.
        fix: What to do, None where nothing has to be done.
    """

    checkup: str
    subject: str | None
    state: State
    message: str
    fix: str | None = None


class Seen(NamedTuple):
    """What the nodes were seen to be.

    Attributes:
        report: What `check` makes of them.
        ahead: By node, by how many seconds its clock is ahead of this machine's.
    """

    report: Report
    ahead: Mapping[str, float]


class DoctorContext:
    """What is examined.

    Attributes:
        config: Configuration file that was named, or None.
        environment: The variables that count.
        directory: The current folder.
        timeout: Seconds that the nodes have.
        fixes: Whether permissions are to be repaired.
        source: Where the configuration is, None when there is none.
        settings: The configuration, None when it cannot be used.
        mistakes: Why not.
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
    ) -> None:
        self.config = config
        self.environment = environment
        self.directory = directory
        self.timeout = timeout
        self.fixes = fixes
        self.source: Source | None = None
        self.settings: Settings | None = None
        self.mistakes: ConfigError | None = None
        self._looking: asyncio.Task[Seen | str] | None = None
        try:
            self.source = find(config, environment, directory, uri=uri)
            self.settings = load(self.source)
        except ConfigError as error:
            self.mistakes = error

    async def look(self) -> Seen | str:
        """Look at the nodes, once for all who ask; or why that cannot be done."""
        if self._looking is None:
            self._looking = asyncio.create_task(self._look(), name="look")
        return await asyncio.shield(self._looking)  # one who has no more time takes it from nobody else

    async def let_go(self) -> None:
        """End the look at the nodes."""
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.wait([self._looking])

    async def _look(self) -> Seen | str:
        if self.settings is None:
            return "there is no configuration"
        try:
            chosen = self.settings.resolve()
        except ConfigError:
            return "the configuration has to be put right first"
        policy = without_canaries(replace(self.settings.policy, min_healthy=None))
        checkers = [as_checker(entry, self.timeout) for entry in chosen]
        async with connecting(checkers, self.settings.regions, self.timeout) as opening:
            await opening.until_connected()
            await opening.until_settled()
            nodes = [node for node in opening.fleet.members if node.status is NodeStatus.CONNECTED]
            clocks = await asyncio.gather(*(_clock_of(node, opening.deadline) for node in nodes))
            report = assess(opening.fleet.snapshot(), policy, timeout=self.timeout)
        ahead = {node.identifier: by for node, by in zip(nodes, clocks, strict=True) if by is not None}
        return Seen(report, ahead)


Found = list[Diagnosis]


class Finder(NamedTuple):
    """Makes the diagnoses of one checkup."""

    name: str

    def ok(self, message: str, subject: str | None = None) -> Diagnosis:
        """All is well."""
        return Diagnosis(self.name, subject, State.OK, message)

    def warn(self, message: str, fix: str, subject: str | None = None) -> Diagnosis:
        """It works, and is unwise."""
        return Diagnosis(self.name, subject, State.WARNING, message, fix)

    def fail(self, message: str, fix: str, subject: str | None = None) -> Diagnosis:
        """It does not work."""
        return Diagnosis(self.name, subject, State.FAILED, message, fix)

    def skip(self, reason: str) -> Found:
        """It could not be looked at."""
        return [Diagnosis(self.name, None, State.SKIPPED, reason)]


async def _clock_of(node: Node, deadline: float) -> float | None:
    """By how many seconds a node's clock is ahead of this one; None when it does not tell, or not in time."""
    progress = Progress()
    try:
        async with asyncio.timeout_at(deadline):
            answer = await node.rest.request("GET", "/version", accept="*/*", progress=progress)
    except (RevvlinkException, TimeoutError):
        return None
    sent = time.time() - (time.monotonic() - (progress.began or time.monotonic()))
    arrived = time.time()
    try:
        told = parsedate_to_datetime(answer.headers.get("Date", "")).timestamp()
    except (ValueError, TypeError):
        return None
    # The date is cut to a second, somewhere between sending and arriving.
    return 0.0 if sent - 1 <= told <= arrived else told - (sent if told < sent else arrived)
