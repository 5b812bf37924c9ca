"""Messages to Discord: an embed for each group, within Discord's limits, in which no text of a node has a meaning."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from revvlink_cli.health.findings import Verdict
from revvlink_cli.services.alerting.message import LONGEST_TEXT, shortened, visible

if TYPE_CHECKING:
    from revvlink_cli.services.alerting.message import Alert, Group

CONTENT = 2000
"""Characters of the text above the embeds, at most."""

EMBEDS = 10
"""Embeds of one message, at most."""

TOTAL = 6000
"""Characters of all embeds together, at most."""

DESCRIPTION = 1200
"""Characters of a description that are used; Discord takes 4096, but several must fit."""

FIELD = 1024
"""Characters of a field's value, at most."""

FOOTER = 256
"""Characters of a footer that are used; Discord takes 2048."""

_COLOURS = {Verdict.CRITICAL: 0xD93F3F, Verdict.WARNING: 0xE8A33D, Verdict.UNKNOWN: 0x8A8F98, Verdict.OK: 0x3BA55D}

_SIGNS = {Verdict.CRITICAL: "\N{LARGE RED CIRCLE}", Verdict.WARNING: "\N{LARGE YELLOW CIRCLE}",
          Verdict.UNKNOWN: "\N{MEDIUM WHITE CIRCLE}", Verdict.OK: "\N{LARGE GREEN CIRCLE}"}  # fmt: skip


def discord_body(alert: Alert, mention: str | None = None) -> dict[str, Any]:
    """The body of a request to a webhook.

    Args:
        alert: What to send.
        mention: Id of the role to mention when something got worse, None for none. Nothing else can be mentioned.
    """
    embeds: list[dict[str, Any]] = []
    used = sent = 0
    for group in alert.groups:
        embed = _embed(group, alert)
        if used + _size(embed) > TOTAL:
            del embed["fields"]
        if used + _size(embed) > TOTAL or len(embeds) == EMBEDS:
            break
        used += _size(embed)
        sent += len(group.names)
        embeds.append(embed)
    calls = mention is not None and alert.is_worse
    content = f"<@&{mention}> " if calls else ""
    content += (
        f"**{_plain(alert.headline, CONTENT - 200).replace(chr(92) + ':', ':')}**"  # a name of a fleet has no colon
    )
    if (left := sum(len(group.names) for group in alert.groups) - sent) > 0:
        content += f"\nand {left} more change{'' if left == 1 else 's'}: run `revvlink check`"
    if alert.is_test:
        embeds = [{"description": _plain(alert.origin, DESCRIPTION), "color": _COLOURS[Verdict.OK]}]
    allowed: dict[str, Any] = {"parse": []}
    if calls:
        allowed["roles"] = [mention]
    return {"username": "revvlink", "content": content, "embeds": embeds, "allowed_mentions": allowed}


def _embed(group: Group, alert: Alert) -> dict[str, Any]:
    text = group.text
    what = f"{_SIGNS[group.verdict]} **{_plain(group.place(), LONGEST_TEXT)}** {_plain(group.what(), LONGEST_TEXT)}"
    fields: list[dict[str, Any]] = []
    if len(group.names) > 1:
        fields.append({"name": f"Nodes ({len(group.names)})", "value": _listed(group)})
    if group.lasts:
        at = int(group.since)
        fields.append({"name": "Since", "value": f"<t:{at}:f>, <t:{at}:R>", "inline": True})
    if group.hint:
        fields.append({"name": "What to do", "value": _plain(group.hint, FIELD)})
    return {
        "description": what + (f": {_plain(text, LONGEST_TEXT)}" if text else ""),
        "color": _COLOURS[group.verdict],
        "fields": fields,
        "footer": {"text": shortened(visible(alert.origin), FOOTER, measure=_length)},
        "timestamp": datetime.fromtimestamp(alert.at, UTC).isoformat(timespec="seconds"),
    }


def _listed(group: Group) -> str:
    """The names, each on a line where it has a text of its own, else one after the other."""
    lines = group.listed()
    separator = "\n" if len(set(group.texts)) > 1 else ", "
    found = ""
    for index, line in enumerate(lines):
        part = (separator if found else "") + _plain(line, 200)
        rest = f"{separator}and {len(group.names) - index} more"
        if _length(found) + _length(part) + _length(rest) > FIELD:
            return found + rest
        found += part
    return found


def _size(embed: dict[str, Any]) -> int:
    """The characters of an embed that count for `TOTAL`."""
    fields = sum(_length(field["name"]) + _length(field["value"]) for field in embed.get("fields", ()))
    return _length(embed["description"]) + _length(embed["footer"]["text"]) + fields


def _length(text: str) -> int:
    """The length of a text in UTF-16, as Discord's clients count it: never shorter than in characters."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def _plain(text: str, limit: int) -> str:
    """A text on one line that Discord shows as it is, without markup or mentions."""
    return shortened(visible(text), limit, _escaped, _length)


def _escaped(char: str) -> str:
    return f"\\{char}" if char in "\\*_~`|>#[]()<@:-" else char
