"""Sends alerts to a Discord channel when findings have changed since the last run.

The findings that have been reported are kept in the state folder, in one file for each webhook and configuration. Each
run compares its findings with them. A run leaves the state of nodes and checks that it did not examine as it was, so
runs on parts of a fleet do not contradict each other. A problem is identified by the check that failed, also where
another check reports it. A failure in this module becomes a warning and never changes a verdict.
"""

from __future__ import annotations

import hashlib
import json
import time
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from revvlink_cli.config.contexts import state_folder
from revvlink_cli.config.files import write_atomically
from revvlink_cli.config.locking import locked
from revvlink_cli.config.problems import ConfigError
from revvlink_cli.config.secrets_in_use import redacted
from revvlink_cli.health.findings import Finding, Skipped, Verdict

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from revvlink_cli.health.fleet import Report

TIMEOUT = 5.0
"""Seconds that one request to the webhook may take."""

CONNECT_TIMEOUT = 3.0
"""Seconds of `TIMEOUT` that connecting may take."""

LENGTH = 2000
"""Characters in the longest message that Discord accepts."""

KEPT = 30 * 86_400
"""Seconds after which a problem that no run has examined again is forgotten."""

_SIGNS = {Verdict.CRITICAL: "\N{LARGE RED CIRCLE}", Verdict.WARNING: "\N{LARGE YELLOW CIRCLE}",
          Verdict.UNKNOWN: "\N{MEDIUM WHITE CIRCLE}", Verdict.OK: "\N{LARGE GREEN CIRCLE}"}  # fmt: skip


class AlertState(NamedTuple):
    """A problem that was reported.

    Attributes:
        verdict: The name of the reported verdict.
        since: When it was first seen, in seconds since the epoch.
        reported_at: When it was last reported.
        seen_at: When a run last examined it.
    """

    verdict: str
    since: float
    reported_at: float
    seen_at: float


class Change(NamedTuple):
    """A change to report.

    Attributes:
        key: Node, check and subject as JSON.
        finding: The problem; None when it is over.
        before: The state that was reported before, None when the problem is new.
    """

    key: str
    finding: Finding | None
    before: AlertState | None


def changes(
    report: Report, reported: dict[str, AlertState], *, remind: float | None, now: float, scope: str
) -> tuple[list[Change], dict[str, AlertState]]:
    """Compare a report with the reported states.

    Args:
        report: The findings of this run.
        reported: The states that were reported before, by key.
        remind: Seconds after which a lasting problem is reported again, None for never.
        now: Seconds since the epoch.
        scope: Identifies the part of the fleet that was checked. Findings about the whole of one part say nothing
            about another part.

    Returns:
        The changes to report, and the states once these changes have been reported.
    """
    found: list[Change] = []
    after = {key: entry for key, entry in reported.items() if now - entry.seen_at < KEPT}
    for finding in report.findings:
        if finding.verdict is Verdict.OK:
            continue
        key = _key(finding, scope)
        before = after.get(key)
        if before is None or before.verdict != _own(finding):
            found.append(Change(key, finding, before))
            after[key] = AlertState(_own(finding), before.since if before else now, now, now)
        elif remind is not None and now - before.reported_at >= remind:
            found.append(Change(key, finding, before))
            after[key] = before._replace(reported_at=now, seen_at=now)
        else:
            after[key] = before._replace(seen_at=now)
    # A finding that --only hides was made all the same. A check that no longer applies has no problem.
    passed = {_key(each, scope) for each in (*report.findings, *report.made) if each.verdict is Verdict.OK}
    not_applicable = [
        [each.node, each.check]
        for each in report.outcomes
        if isinstance(each, Skipped) and each.needs is None and each.node is not None
    ]
    over = [key for key in after if key in passed or json.loads(key)[:2] in not_applicable]
    found += [Change(key, None, after.pop(key)) for key in over]
    return found, after


def _own(finding: Finding) -> str:
    """The finding's verdict before the quorum was applied, which depends on the nodes that the run checked."""
    return (finding.raw_verdict or finding.verdict).name


def _key(finding: Finding, scope: str) -> str:
    node = finding.node if finding.node is not None else f"\0{scope}"
    return json.dumps([node, finding.origin or finding.check, finding.subject])


def message(report: Report, found: list[Change], now: float) -> str:
    """The alert: the verdict, then a line for each change, the most severe first."""
    report, found = redacted(report), redacted(found)
    lines = [f"**{report.verdict.name}: {report.healthy_nodes}**"]
    ordered = sorted(found, key=lambda change: -change.finding.verdict.gravity if change.finding else 1)
    for index, change in enumerate(ordered):
        line = _line(change, now)
        rest = f"and {len(ordered) - index} more"
        if sum(len(each) + 1 for each in lines) + len(line) + len(rest) + 2 > LENGTH:
            lines.append(rest)
            break
        lines.append(line)
    return "\n".join(lines)


def _line(change: Change, now: float) -> str:
    node, check, subject = json.loads(change.key)
    place = f"{'fleet' if node.startswith(chr(0)) else node} {check}{f' {subject}' if subject else ''}"
    if change.finding is None:
        lasted = _span(now - change.before.since) if change.before is not None else ""
        return f"{_SIGNS[Verdict.OK]} **{_plain(place)}** is OK again, after {lasted}"
    finding, before = change.finding, change.before
    still = ""
    if before is not None:
        same = before.verdict == _own(finding)
        still = f", for {_span(now - before.since)}" if same else f", was {before.verdict}"
    sign = _SIGNS[finding.verdict]
    return f"{sign} **{_plain(place)}** {finding.verdict.name}{still}: {_plain(finding.message)[:500]}"


def _plain(text: str) -> str:
    """Escape a text so that Discord shows it without markup or mentions, on one line."""
    visible = "".join(char if char.isprintable() else " " for char in text)
    return "".join(f"\\{char}" if char in "\\*_~`|>#[]()<@:-" else char for char in visible)


def _span(seconds: float) -> str:
    from revvlink_cli.health.ranges import Unit

    return Unit.SECONDS.show(max(round(seconds), 1))


async def send_alert(
    report: Report,
    address: str,
    *,
    known: Collection[str],
    source: str,
    scope: str,
    remind: float | None,
    context: str | None = None,
) -> tuple[str, ...]:
    """Send the changes since the last run to a Discord webhook, if there are any.

    Args:
        report: The findings of this run.
        address: The webhook.
        known: Configured nodes; problems of other nodes are forgotten.
        source: The configuration and the requirements. Each combination has a state of its own.
        scope: Identifies the part of the fleet that was checked, "" for all of it.
        remind: Seconds after which a lasting problem is reported again, None for never.
        context: The context of the fleet, which has a state folder of its own; None without one.

    Returns:
        Warnings: why the alert was not sent. They never hold the address, which is a secret.
    """
    if not _is_webhook(address):
        return ("alert not sent: the webhook's address must begin with https://",)
    name = hashlib.sha256(f"{address}\n{source}".encode()).hexdigest()[:16]
    try:
        folder = _folder(context)
        lock = folder / f"{name}.lock"
        _insist_on_file(lock)
        with locked(lock) as is_alone:
            if not is_alone:
                return ()  # another run is sending; the next run reports what that one does not know yet
            path = folder / f"{name}.json"
            reported = {key: entry for key, entry in _read(path).items() if _is_of(key, known)}
            now = time.time()
            found, after = changes(report, reported, remind=remind, now=now, scope=scope)
            if not found:
                _write(path, after)
                return ()
            _write(path, reported)  # if this fails, send nothing: every later run would send the same alert again
            failure, may_have_arrived = await _post(address, message(report, found, now))
            if failure is None or may_have_arrived:
                _write(path, after)
            if failure is not None:
                return (failure if may_have_arrived else f"alert not sent: {failure}",)
    except (OSError, ConfigError) as error:
        return (f"alert not sent: its state cannot be saved: {getattr(error, 'strerror', None) or error}",)
    return ()


def _is_webhook(address: str) -> bool:
    try:
        parts = urlsplit(address)
        return bool(parts.hostname) and (
            parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in ("127.0.0.1", "::1", "localhost"))
        )
    except ValueError:
        return False


def _is_of(key: str, known: Collection[str]) -> bool:
    node = json.loads(key)[0]
    return str(node).startswith("\0") or node in known


async def _post(address: str, text: str) -> tuple[str | None, bool]:
    """Send a message.

    Returns:
        The reason of a failure or None, and whether the message may have arrived.
    """
    import aiohttp

    body = {"username": "revvlink", "content": text, "allowed_mentions": {"parse": []}}
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT, connect=CONNECT_TIMEOUT)) as session,
            session.post(address, json=body, allow_redirects=False) as answer,
        ):
            status = answer.status
    except aiohttp.ConnectionTimeoutError:
        return f"the webhook did not accept a connection within {CONNECT_TIMEOUT:g} s", False
    except TimeoutError:  # sent, but not answered: repeating it with every run would be worse than losing it
        return f"the webhook did not answer within {TIMEOUT:g} s, and the message may not have arrived", True
    except (aiohttp.ClientConnectorError, ValueError) as error:
        return f"the webhook cannot be reached ({type(error).__name__})", False
    except (aiohttp.ClientError, OSError) as error:  # it may have taken the message before it closed
        return f"the webhook closed the connection ({type(error).__name__}), the message may not have arrived", True
    if status < 300:
        return None, True
    why = {401: ", it is not valid", 404: ", it no longer exists", 429: ", too many messages"}.get(status, "")
    return f"the webhook answered {status}{why}", False


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


def _read(path: Path) -> dict[str, AlertState]:
    """Read the reported states; a file that cannot be read counts as empty."""
    _insist_on_file(path)
    try:
        raw: Any = json.loads(path.read_text(encoding="utf-8"))
        found = {str(key): AlertState(str(v[0]), float(v[1]), float(v[2]), float(v[3])) for key, v in raw.items()}
        for key in found:
            node, check, _ = json.loads(key)
            assert isinstance(node, str) and isinstance(check, str)  # noqa: S101, PT018
    except FileNotFoundError:
        return {}
    except (ValueError, TypeError, AttributeError, KeyError, IndexError, AssertionError, RecursionError):
        return {}
    return found


def _write(path: Path, reported: dict[str, AlertState]) -> None:
    write_atomically(path, json.dumps(reported) + "\n")
