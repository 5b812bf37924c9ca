"""Sends alerts to channels when findings have changed since the last run.

What has been reported is kept in the state folder, in one file for each channel and configuration. Each run compares
its findings with it. A run leaves the state of nodes and checks that it did not examine as it was, so runs on parts of
a fleet do not contradict each other. A problem is identified by the check that failed, also where another check reports
it. A failure in this module becomes a warning and never changes a verdict.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from typing import TYPE_CHECKING, NamedTuple

from revvlink_cli.config.contexts import state_folder
from revvlink_cli.config.files import write_atomically
from revvlink_cli.config.locking import locked
from revvlink_cli.config.problems import ConfigError
from revvlink_cli.services.alerting.message import make_alert
from revvlink_cli.services.alerting.state import changes, dumped, read, unsent

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from pathlib import Path

    from revvlink_cli.health.damping import CheckState, Rules
    from revvlink_cli.health.fleet import Report
    from revvlink_cli.services.alerting.channels import Channel


class Run(NamedTuple):
    """What was checked, and how its changes are reported.

    Attributes:
        known: Configured nodes; problems of other nodes are forgotten.
        source: The configuration and the requirements. Each combination has a state of its own.
        scope: Identifies the part of the fleet that was checked, "" for all of it.
        context: The context of the fleet, which has a state folder of its own; None without one.
    """

    known: Collection[str]
    source: str
    scope: str
    context: str | None = None


async def send_alerts(report: Report, channels: Sequence[tuple[Channel, Rules]], run: Run) -> tuple[str, ...]:
    """Send the changes since the last run to each channel, if there are any.

    Args:
        report: The findings of this run.
        channels: The channels, each with its rules.
        run: What was checked.

    Returns:
        Warnings: why alerts were not sent. They never hold an address, which is a secret.
    """
    sent = await asyncio.gather(*(_send_alert(report, channel, rules, run) for channel, rules in channels))
    return tuple(warning for warnings in sent for warning in warnings)


async def _send_alert(report: Report, channel: Channel, rules: Rules, run: Run) -> tuple[str, ...]:
    name = hashlib.sha256(f"{channel.identity}\n{run.source}".encode()).hexdigest()[:16]
    subject = "alert" if channel.name == "discord" else f"alert to {channel.label}"
    if channel.problem is not None:
        return (f"{subject} not sent: {channel.problem}",)
    try:
        folder = _folder(run.context)
        lock = folder / f"{name}.lock"
        _insist_on_file(lock)
        with locked(lock) as is_alone:
            if not is_alone:
                return ()  # another run is sending; the next run reports what that one does not know yet
            path = folder / f"{name}.json"
            states = {key: state for key, state in _read(path).items() if _is_of(key, run.known)}
            now = time.time()
            found, after = changes(report, states, rules, now=now, scope=run.scope)
            if not found:
                _write(path, after)
                return ()
            undone = {change.key: unsent(states.get(change.key), change.state) for change in found}
            _write(path, {**after, **undone})  # if this fails, send nothing: every later run would send it again
            delivery = await channel.send(make_alert(report, found, now))
            if delivery.may_have_arrived:
                _write(path, after)
            if delivery.failure is not None:
                return (delivery.failure if delivery.may_have_arrived else f"{subject} not sent: {delivery.failure}",)
    except (OSError, ConfigError) as error:
        return (f"{subject} not sent: its state cannot be saved: {getattr(error, 'strerror', None) or error}",)
    return ()


def _is_of(key: str, known: Collection[str]) -> bool:
    node = json.loads(key)[0]
    return str(node).startswith("\0") or node in known


def _folder(context: str | None) -> Path:
    folder = state_folder(context) / "alerts"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder


def _insist_on_file(path: Path) -> None:
    """Refuse anything that is not a file: opening a pipe would wait for ever.

    Raises:
        OSError: The path exists and is not a file.
    """
    if path.exists() and not path.is_file():
        raise OSError(f"{path} is not a file")


def _read(path: Path) -> dict[str, CheckState]:
    """Read the states; a file that cannot be read counts as empty."""
    _insist_on_file(path)
    try:
        return read(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, UnicodeDecodeError):
        return {}


def _write(path: Path, states: Mapping[str, CheckState]) -> None:
    write_atomically(path, dumped(states))
