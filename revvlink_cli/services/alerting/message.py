"""What an alert says, before a channel gives it its form: changes with one cause are one group."""

from __future__ import annotations

import json
import socket
from dataclasses import dataclass
from itertools import takewhile
from typing import TYPE_CHECKING, Any

from revvlink_cli.config.secrets_in_use import redacted
from revvlink_cli.health.damping import OK, ChangeKind
from revvlink_cli.health.findings import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from revvlink_cli.health.fleet import Report
    from revvlink_cli.services.alerting.state import Change

FLEET = "fleet"
"""The name of the whole fleet in messages."""

LONGEST_TEXT = 500
"""Characters of one text of a node in a message."""

MOST_NAMES = 20
"""Names that one group lists."""

PAYLOAD_VERSION = 1
"""Version of the payload of JSON webhooks: a new field keeps it, a field with another meaning does not."""

MOST_CHANGES = 1000
"""Changes in one payload of a JSON webhook."""


@dataclass(frozen=True, slots=True)
class Group:
    """Changes of the same kind with the same cause.

    Attributes:
        kind: What kind of change.
        verdict: The verdict now.
        before: Name of the verdict that was reported before.
        check: Code of the check.
        names: The nodes, with what was checked on them where there are several such things.
        texts: What was found, one text for each name; empty when the check is OK.
        hint: What to do, or None.
        since: When the first of them began, in seconds since the epoch.
        until: When the last of them ended, or now where none has.
        changed: How often the verdict has changed, the highest number of them.
    """

    kind: ChangeKind
    verdict: Verdict
    before: str
    check: str
    names: tuple[str, ...]
    texts: tuple[str, ...]
    hint: str | None
    since: float
    until: float
    changed: int = 0

    @property
    def text(self) -> str:
        """What the texts have in common, "" for none."""
        return common_text(self.texts)

    @property
    def is_worse(self) -> bool:
        """Whether somebody should act now who did not have to act before."""
        if self.kind is ChangeKind.CHANGED:
            return self.verdict.gravity > Verdict[self.before].gravity
        return self.kind in (ChangeKind.BEGAN, ChangeKind.UNSTABLE)

    @property
    def lasts(self) -> bool:
        """Whether it is a problem that is there now, so that readers ask since when."""
        return self.kind in (ChangeKind.BEGAN, ChangeKind.CHANGED, ChangeKind.LASTS, ChangeKind.UNSTABLE)

    def place(self) -> str:
        """Where: ``us-1 reach``, ``12 nodes reach``."""
        name = self.names[0] if len(self.names) == 1 else f"{len(self.names)} nodes"
        node, _, subject = name.partition("\n")
        return f"{node} {self.check}{f' {subject}' if subject else ''}"

    def what(self) -> str:
        """What happened, without the text of the finding."""
        span = format_span(self.until - self.since)
        are = "is" if len(self.names) == 1 else "are"
        match self.kind:
            case ChangeKind.RECOVERED:
                return f"{are} OK again, after {'' if len(self.names) == 1 else 'up to '}{span} of {self.before}"
            case ChangeKind.LASTS:
                return f"{self.verdict.name}, for {span}"
            case ChangeKind.CHANGED:
                return f"{self.verdict.name}, was {self.before}"
            case ChangeKind.UNSTABLE:
                return f"{are} unstable, {self.changed} changes within {span}, now {self.verdict.name}"
            case ChangeKind.STEADY:
                return f"{are} steady again, {self.verdict.name}"
            case ChangeKind.BEGAN:
                return self.verdict.name

    def listed(self) -> list[str]:
        """A line for each name, at most `MOST_NAMES`; with its text where the texts differ."""
        differ = len(set(self.texts)) > 1
        lines = [
            f"{name.replace(chr(10), ' ')}: {text[:LONGEST_TEXT]}" if differ else name.replace("\n", " ")
            for name, text in zip(self.names, self.texts or ("",) * len(self.names), strict=True)
        ]
        left = len(lines) - MOST_NAMES
        return [*lines[:MOST_NAMES], f"and {left} more"] if left > 0 else lines


@dataclass(frozen=True, slots=True)
class Alert:
    """A message for people, in parts.

    Attributes:
        headline: The verdict on the fleet, in a few words.
        verdict: The verdict on the fleet.
        fleet: The context, None without one.
        host: The machine that made the check.
        nodes: Number of nodes that were checked.
        healthy: Number of healthy nodes.
        at: When, in seconds since the epoch.
        changes: The changes.
        groups: The changes by cause, the most severe first.
        is_test: Whether it only shows that the channel works.
    """

    headline: str
    verdict: Verdict
    fleet: str | None
    host: str
    nodes: int
    healthy: int
    at: float
    changes: tuple[Change, ...] = ()
    groups: tuple[Group, ...] = ()
    is_test: bool = False

    @property
    def is_worse(self) -> bool:
        """Whether somebody should act now who did not have to act before."""
        return any(group.is_worse for group in self.groups)

    @property
    def origin(self) -> str:
        """Who sends this: ``revvlink on host, fleet prod``."""
        return f"revvlink on {self.host}" + (f", fleet {self.fleet}" if self.fleet is not None else "")

    def lines(self) -> list[str]:
        """The groups as plain text, one line for each, then its names, since when it lasts, and its hint."""
        found: list[str] = []
        for group in self.groups:
            text = group.text[:LONGEST_TEXT]
            found.append(_one_line(f"{group.place()} {group.what()}{f': {text}' if text else ''}"))
            if len(group.names) > 1:
                names = group.listed()
                names = names if len(set(group.texts)) > 1 else [", ".join(names)]
                found += [_one_line(f"  {line}") for line in names]
            if group.lasts:
                found.append(f"  since {_utc(group.since)}")
            if group.hint:
                found.append(_one_line(f"  what to do: {group.hint[:LONGEST_TEXT]}"))
        return found


def make_alert(report: Report, found: Sequence[Change], now: float) -> Alert:
    """The alert on these changes, with every secret masked."""
    report, changed = redacted(report), redacted(tuple(found))
    return Alert(
        headline=f"{report.verdict.name}: {report.healthy_nodes}",
        verdict=report.verdict,
        fleet=report.context,
        host=host_name(),
        nodes=report.nodes,
        healthy=report.healthy,
        at=now,
        changes=changed,
        groups=_groups(changed, now),
    )


def make_test_alert(fleet: str | None, nodes: int, now: float) -> Alert:
    """An alert that only shows that a channel works."""
    what = f"Test: alerts of {fleet if fleet is not None else 'revvlink'} arrive here"
    return Alert(what, Verdict.OK, fleet, host_name(), nodes, 0, now, is_test=True)


def host_name() -> str:
    """The name of this machine."""
    return socket.gethostname() or "localhost"


def _groups(found: Iterable[Change], now: float) -> tuple[Group, ...]:
    by_cause: dict[Any, list[Change]] = {}
    for change in found:
        finding = change.finding
        code = (finding.code, finding.verdict) if finding is not None else None
        before = change.before if change.kind in (ChangeKind.CHANGED, ChangeKind.RECOVERED) else None
        by_cause.setdefault((change.kind, json.loads(change.key)[1], before, code), []).append(change)
    groups = [_group(changes, now) for changes in by_cause.values()]
    return tuple(sorted(groups, key=lambda group: (not group.is_worse, -group.verdict.gravity, -len(group.names))))


def _group(found: list[Change], now: float) -> Group:
    first = found[0]
    finding = first.finding
    hints = [change.finding.hint for change in found if change.finding is not None and change.finding.hint]
    starts = [_began(change) for change in found]
    ends = [change.state.found_since if first.kind is ChangeKind.RECOVERED else now for change in found]
    return Group(
        kind=first.kind,
        verdict=finding.verdict if finding is not None else Verdict.OK,
        before=first.before,
        check=json.loads(first.key)[1],
        names=tuple(_name(change) for change in found),
        texts=tuple(change.finding.message for change in found if change.finding is not None),
        hint=common_text(hints) or None,
        since=min(starts),
        until=max(ends),
        changed=max(len(change.state.changes) for change in found),
    )


def _began(change: Change) -> float:
    """When what a change reports began."""
    if change.kind is ChangeKind.UNSTABLE and change.state.unstable_since is not None:
        return change.state.unstable_since
    return change.state.found_since if change.kind is ChangeKind.STEADY else change.state.since


def _name(change: Change) -> str:
    node, _, subject = json.loads(change.key)
    name = FLEET if node.startswith("\0") else node.replace("\n", " ")
    return f"{name}\n{subject}" if subject else name


def common_text(texts: Sequence[str]) -> str:
    """What texts have in common: their first and their last words, with an ellipsis between them."""
    if not texts:
        return ""
    if len(set(texts)) == 1:
        return texts[0]
    words = [text.split() for text in texts]
    shortest = min(map(len, words))
    start = [same[0] for same in takewhile(_is_same, zip(*words, strict=False))]
    start = start[:shortest]
    backwards = [each[len(start) :][::-1] for each in words]
    end = [same[0] for same in takewhile(_is_same, zip(*backwards, strict=False))][::-1]
    return " ".join([*start, "\N{HORIZONTAL ELLIPSIS}", *end]) if start or end else "different causes"


def _is_same(words: Sequence[str]) -> bool:
    return len(set(words)) == 1


def format_span(seconds: float) -> str:
    """A time in words, at least one second."""
    from revvlink_cli.health.ranges import Unit

    return Unit.SECONDS.show(max(round(seconds), 1))


def visible(text: str) -> str:
    """A text on one line, without invisible characters."""
    return "".join(char if char.isprintable() else " " for char in text)


def _one_line(text: str) -> str:
    """A text that no chat reads as a mention: `@` and `<` are followed by a zero-width space."""
    return "".join(f"{char}\u200b" if char in "@<" else char for char in visible(text))


def shortened(text: str, limit: int, escape: Callable[[str], str] = str, measure: Callable[[str], int] = len) -> str:
    """A text, escaped, with an ellipsis in place of what goes beyond a limit; no escape is cut in two.

    Args:
        text: The text.
        limit: Longest result.
        escape: Escapes one character.
        measure: The length of a text, as the receiver counts it.
    """
    parts: list[str] = []
    used = 0
    for char in text:
        part = escape(char)
        if used + measure(part) > limit:
            while parts and used + 1 > limit:
                used -= measure(parts.pop())
            return "".join(parts) + "\N{HORIZONTAL ELLIPSIS}"
        used += measure(part)
        parts.append(part)
    return "".join(parts)


def payload(alert: Alert) -> dict[str, Any]:
    """The payload of a JSON webhook; its JSON Schema is ``schemas/alert.json`` in this package."""
    return {
        "version": PAYLOAD_VERSION,
        "kind": "test" if alert.is_test else "alert",
        "at": _iso(alert.at),
        "host": alert.host,
        "fleet": alert.fleet,
        "verdict": alert.verdict.name,
        "nodes": alert.nodes,
        "healthy": alert.healthy,
        "headline": _one_line(alert.headline),
        "text": "\n".join([_one_line(alert.headline), _one_line(alert.origin), *alert.lines()])[:4000],
        "changes": [_change(change) for change in alert.changes[:MOST_CHANGES]],
        "omitted": max(len(alert.changes) - MOST_CHANGES, 0),
    }


def _change(change: Change) -> dict[str, Any]:
    node, check, subject = json.loads(change.key)
    finding = change.finding
    is_over = change.kind is ChangeKind.RECOVERED
    return {
        "change": change.kind.value,
        "node": None if node.startswith("\0") else node,
        "check": check,
        "subject": subject,
        "verdict": finding.verdict.name if finding is not None else OK,
        "before": change.before,
        "code": finding.code if finding is not None else None,
        "message": finding.message if finding is not None else None,
        "hint": finding.hint if finding is not None else None,
        "since": _iso(_began(change)),
        "lasted_s": max(change.state.found_since - change.state.since, 0.0) if is_over else None,
    }


def _utc(moment: float) -> str:
    """A moment for readers of whom no zone is known."""
    from datetime import UTC, datetime

    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d %H:%M UTC")


def _iso(moment: float) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
