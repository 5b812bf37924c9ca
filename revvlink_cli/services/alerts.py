"""Tells a Discord channel when something has changed since the last run, and only then.

What has been told is kept in the state folder, one file for a webhook and a configuration. Each run compares what it
found with that: what it did not look at is left as it was, so that runs on parts of a fleet do not contradict each
other. Trouble goes by the check that failed, whichever of them reports it: runs that leave out others tell the same.
Nothing here changes a verdict: whatever fails is a warning.
"""

from __future__ import annotations

import hashlib
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from revvlink_cli.config.files import write_atomically
from revvlink_cli.config.locking import locked
from revvlink_cli.config.problems import ConfigError
from revvlink_cli.config.secrets_in_use import redacted
from revvlink_cli.health.findings import Finding, Skipped, Verdict

if TYPE_CHECKING:
    from collections.abc import Collection

    from revvlink_cli.health.fleet import Report

TIMEOUT = 5.0
"""Seconds that the webhook may take."""

CONNECT_TIMEOUT = 3.0
"""Seconds of these that connecting to it may take."""

LENGTH = 2000
"""Characters of the longest message that Discord takes."""

KEPT = 30 * 86_400
"""Seconds after which trouble that no run has looked at any more is forgotten."""

_SIGNS = {Verdict.CRITICAL: "\N{LARGE RED CIRCLE}", Verdict.WARNING: "\N{LARGE YELLOW CIRCLE}",
          Verdict.UNKNOWN: "\N{MEDIUM WHITE CIRCLE}", Verdict.OK: "\N{LARGE GREEN CIRCLE}"}  # fmt: skip


class AlertState(NamedTuple):
    """Trouble that somebody was told of.

    Attributes:
        verdict: How bad it was said to be.
        since: When it was first seen, in seconds since the epoch.
        told: When it was last told of.
        seen: When it was last looked at.
    """

    verdict: str
    since: float
    told: float
    seen: float


class Change(NamedTuple):
    """Something to tell.

    Attributes:
        key: What it is about.
        finding: The trouble; None when it is over.
        before: What was told before, None when it is new.
    """

    key: str
    finding: Finding | None
    before: AlertState | None


def changes(
    report: Report, told: dict[str, AlertState], *, remind: float | None, now: float, scope: str
) -> tuple[list[Change], dict[str, AlertState]]:
    """What there is to tell, and what will have been told then.

    Args:
        report: What was found now.
        told: By key, what was told before.
        remind: Seconds after which trouble that goes on is told again, None for never.
        now: Seconds since the epoch.
        scope: Tells fleets apart: what is found of one says nothing about another.
    """
    found: list[Change] = []
    after = {key: entry for key, entry in told.items() if now - entry.seen < KEPT}
    for finding in report.findings:
        if finding.verdict is Verdict.OK:
            continue
        key = _key(finding, scope)
        before = after.get(key)
        if before is None or before.verdict != _own(finding):
            found.append(Change(key, finding, before))
            after[key] = AlertState(_own(finding), before.since if before else now, now, now)
        elif remind is not None and now - before.told >= remind:
            found.append(Change(key, finding, before))
            after[key] = before._replace(told=now, seen=now)
        else:
            after[key] = before._replace(seen=now)
    # What is left out was looked at all the same, and what does not apply any more is no trouble.
    well = {_key(each, scope) for each in (*report.findings, *report.made) if each.verdict is Verdict.OK}
    pointless = [
        [each.node, each.check]
        for each in report.outcomes
        if isinstance(each, Skipped) and each.needs is None and each.node is not None
    ]
    over = [key for key in after if key in well or json.loads(key)[:2] in pointless]
    found += [Change(key, None, after.pop(key)) for key in over]
    return found, after


def _own(finding: Finding) -> str:
    """The verdict apart from what a quorum makes of it: that depends on which nodes a run has looked at."""
    return (finding.raw_verdict or finding.verdict).name


def _key(finding: Finding, scope: str) -> str:
    node = finding.node if finding.node is not None else f"\0{scope}"
    return json.dumps([node, finding.origin or finding.check, finding.subject])


def message(report: Report, found: list[Change], now: float) -> str:
    """The message: the verdict, then a line for each change, the gravest first."""
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
    """Text that Discord shows as it is: no markup, no mentions, one line."""
    visible = "".join(char if char.isprintable() else " " for char in text)
    return "".join(f"\\{char}" if char in "\\*_~`|>#[]()<@:-" else char for char in visible)


def _span(seconds: float) -> str:
    from revvlink_cli.health.ranges import Unit

    return Unit.SECONDS.show(max(round(seconds), 1))


async def tell_discord(
    report: Report, address: str, *, known: Collection[str], source: str, scope: str, remind: float | None
) -> tuple[str, ...]:
    """Tell what has changed, if anything has.

    Args:
        report: What was found.
        address: The webhook.
        known: Nodes that are configured; trouble of others is forgotten.
        source: The configuration and what else is demanded, which tell states apart.
        scope: Which part of the fleet this is, "" for all of it.
        remind: Seconds after which trouble that goes on is told again, None for never.

    Returns:
        Warnings: what kept somebody from being told. They never hold the address, which is a secret.
    """
    if not _is_webhook(address):
        return ("nobody is told: the webhook's address must begin with https://",)
    name = hashlib.sha256(f"{address}\n{source}".encode()).hexdigest()[:16]
    try:
        lock = _folder() / f"{name}.lock"
        _insist_on_file(lock)
        with locked(lock) as is_alone:
            if not is_alone:
                return ()  # another run is telling; what it does not know yet, the next run will
            path = _folder() / f"{name}.json"
            told = {key: entry for key, entry in _read(path).items() if _is_of(key, known)}
            now = time.time()
            found, after = changes(report, told, remind=remind, now=now, scope=scope)
            if not found:
                _write(path, after)
                return ()
            _write(path, told)  # where this cannot be kept, every run would tell the same again
            failure, may_have_arrived = await _post(address, message(report, found, now))
            if failure is None or may_have_arrived:
                _write(path, after)
            if failure is not None:
                return (failure if may_have_arrived else f"nobody is told: {failure}",)
    except (OSError, ConfigError) as error:
        return (f"nobody is told, for what was told cannot be kept: {getattr(error, 'strerror', None) or error}",)
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
    """Send a message; gives why that failed, None when it did not, and whether it may have arrived all the same."""
    import aiohttp

    body = {"username": "revvlink", "content": text, "allowed_mentions": {"parse": []}}
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT, connect=CONNECT_TIMEOUT)) as session,
            session.post(address, json=body, allow_redirects=False) as answer,
        ):
            status = answer.status
    except aiohttp.ConnectionTimeoutError:
        return f"the webhook did not take a connection within {CONNECT_TIMEOUT:g} s", False
    except TimeoutError:  # sent, and not answered: to send it again with every run would be worse than to lose it
        return f"the webhook did not answer within {TIMEOUT:g} s, and the message may not have arrived", True
    except (aiohttp.ClientConnectorError, ValueError) as error:
        return f"the webhook cannot be reached ({type(error).__name__})", False
    except (aiohttp.ClientError, OSError) as error:  # it may have taken the message before it hung up
        return f"the webhook broke off ({type(error).__name__}), and the message may not have arrived", True
    if status < 300:
        return None, True
    why = {401: ", it is not valid", 404: ", it is gone", 429: ", it had too many messages"}.get(status, "")
    return f"the webhook answered {status}{why}", False


def _folder() -> Path:
    import platformdirs

    folder = Path(platformdirs.user_state_path("revvlink")) / "alerts"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder


def _insist_on_file(path: Path) -> None:
    """Open nothing else: a pipe in its place would be waited for without end.

    Raises:
        OSError: There is something else.
    """
    if path.exists() and not path.is_file():
        raise OSError(f"{path} is no file")


def _read(path: Path) -> dict[str, AlertState]:
    """What was told; what cannot be read was not."""
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


def _write(path: Path, told: dict[str, AlertState]) -> None:
    write_atomically(path, json.dumps(told) + "\n")
