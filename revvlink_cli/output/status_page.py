"""Draws the status page of a fleet: HTML without external parts, which a small script refreshes.

Days stand side by side in a bar: a day without an outage is a line of the drawing, a day with one is taller and shows
its figures below the pointer. The script replaces the content and keeps the place where the reader is; when the page
can no longer be fetched, it says how old it is.
"""

from __future__ import annotations

import base64
import hashlib
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING

from revvlink_cli._percent import availability
from revvlink_cli.output.page import document, html_text
from revvlink_cli.output.text import MISSING
from revvlink_cli.output.time_axis import moment_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from revvlink_cli.services.status_view import AvailabilityShares, DayShare, IncidentView, NodeView, StatusView

REFRESH = 30
"""Seconds between two refreshes."""

HEIGHT = 24
"""Height of a bar, in its own units; a day is 4 wide."""

_GRAVITY = {"critical": 0, "warning": 1, "unknown": 2, "ok": 3}

_CLASSES = {"ok": "good", "warning": "warn", "critical": "bad", "unknown": "gone"}

_WORDS = {"ok": "OK", "warning": "Warning", "critical": "Critical", "unknown": "Unknown"}

_STYLE = """
header{margin:0 0 .75rem}
.fleet{border:2px solid;border-radius:8px;padding:.7rem 1rem;margin:0 0 .75rem;font-size:1.15rem;font-weight:600}
.fleet .about{display:block;font-weight:400;font-size:.9rem}
.nodes{list-style:none;margin:0;padding:0;display:grid;gap:.6rem;
grid-template-columns:repeat(auto-fill,minmax(min(100%,23rem),1fr))}
.nodes>li{background:var(--panel);border:1px solid var(--rule);border-radius:8px;padding:.6rem .8rem;min-width:0}
.nodes>li.is-bad{border-color:var(--bad)} .nodes>li.is-warn{border-color:var(--warn)}
.nodes h3{font-size:1rem;margin:0;display:flex;gap:.75rem;justify-content:space-between;align-items:baseline}
.nodes h3 .name{overflow-wrap:anywhere;min-width:0} .nodes h3 .verdict{flex:none}
.nodes p{font-size:.85rem}
.shares{display:flex;justify-content:space-between;font-size:.8rem;color:var(--muted);
font-variant-numeric:tabular-nums}
.shares b{color:var(--text)}
svg.days{display:block;width:100%;height:1.5rem;margin:.35rem 0 .25rem}
.days path{fill:none;stroke-width:3} .days .u{stroke:var(--good)} .days .n{stroke:var(--gap)}
.days .w{fill:var(--warn)} .days .d{fill:var(--bad)}
.incidents{list-style:none;margin:0;padding:0}
.incidents li{padding:.35rem 0;border-bottom:1px solid var(--rule);overflow-wrap:anywhere}
.stale{background:var(--bad);color:var(--back);padding:.5rem .8rem;border-radius:6px;font-weight:600;margin:0 0 .75rem}
.stale[hidden]{display:none}
footer{margin-top:2rem;border-top:1px solid var(--rule);padding-top:.5rem;color:var(--muted);font-size:.85rem}
@media (min-width:1280px){body{max-width:1900px;padding-left:2rem;padding-right:2rem}}
@media (min-width:1900px){html{font-size:20px} body{font-size:1rem;max-width:none}}
"""

SCRIPT = f"""
(() => {{
  const stale = document.getElementById("stale");
  let failed = 0;
  const refresh = async () => {{
    try {{
      const answer = await fetch(location.href, {{cache: "no-cache", signal: AbortSignal.timeout(15000)}});
      if (!answer.ok) throw new Error(answer.status);
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      const main = fresh.querySelector("main");
      if (!main) throw new Error("no page");
      const before = document.querySelector("main");
      if (before.innerHTML !== main.innerHTML) before.innerHTML = main.innerHTML;
      const status = document.getElementById("fleet"), now = fresh.getElementById("fleet");
      if (status.innerHTML !== now.innerHTML) {{ status.innerHTML = now.innerHTML; status.className = now.className; }}
      document.getElementById("at").textContent = fresh.getElementById("at").textContent;
      document.title = fresh.title;
      failed = 0;
      stale.hidden = true;
    }} catch {{
      if (++failed > 1) {{
        stale.hidden = false;
        stale.textContent = "This page cannot be refreshed: it shows " + document.getElementById("at").textContent;
      }}
    }}
  }};
  setInterval(refresh, {REFRESH * 1000});
  document.addEventListener("visibilitychange", () => document.hidden || refresh());
}})();
"""


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


POLICY = (
    f"default-src 'none'; script-src 'sha256-{_digest(SCRIPT)}'; style-src 'unsafe-inline'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'"
)
"""The ``Content-Security-Policy`` of the page: nothing is loaded from anywhere, and only its own script runs."""


def status_page(view: StatusView, days: Sequence[date]) -> str:
    """The page as HTML.

    Args:
        view: The fleet.
        days: The days that are shown, the last one today.
    """
    nodes = sorted(view.nodes, key=lambda node: (node.in_maintenance, _GRAVITY[node.verdict]))
    kind = _CLASSES[view.verdict]
    parts = [
        f'<noscript><meta http-equiv="refresh" content="{REFRESH}"></noscript>',
        '<p id="stale" class="stale" role="alert" hidden></p>',
        f'<p id="fleet" class="fleet {kind}" role="status">{_headline(view)}</p>',
        "<main>",
        *_maintenance(view),
        f'<h2>Nodes</h2><ul class="nodes">{"".join(_node(node, days) for node in nodes)}</ul>',
        "<h2>Incidents</h2>",
        _incidents(view.incidents),
        "</main>",
        "<footer>",
        f'<p>As of <span id="at">{_moment(view.at)}</span>.</p>',
        f"<p>A bar has a part for each of the last {len(days)} days, today at the right; grey was not observed.</p>",
        "<p>Shares are of the observed time, rounded down.</p>",
        '<p><a href="status.json">JSON</a> · <a href="badge/fleet.svg">badge</a></p></footer>',
        f"<script>{SCRIPT}</script>",
    ]
    return document(view.title, parts, style=_STYLE, has_landmarks=True)


def _headline(view: StatusView) -> str:
    """The state of the fleet in one sentence, and its figures."""
    total, up = view.nodes_total, view.nodes_connected
    match view.verdict:
        case "ok":
            text = "All nodes are well" if total > 1 else "The node is well"
        case "unknown":
            text = "The state is not known yet"
        case _:
            troubled = sum(node.verdict != "ok" and not node.in_maintenance for node in view.nodes)
            text = f"{_WORDS[view.verdict]}: {troubled} of {total} nodes {'has' if troubled == 1 else 'have'} trouble"
    figures = f"{up} of {total} connected · {view.playing} of {view.players} players playing"
    shares = _shares_line(view.availability)
    return f'<span>{html_text(text)}</span><span class="about">{html_text(figures)} · {shares}</span>'


def _shares_line(shares: AvailabilityShares) -> str:
    texts = [f"{label} {_share(value)}" for label, value in _labelled(shares)]
    return html_text("availability " + ", ".join(texts))


def _labelled(shares: AvailabilityShares) -> tuple[tuple[str, float | None], ...]:
    return ("24 h", shares.last_24h_ratio), ("7 days", shares.last_7d_ratio), ("30 days", shares.last_30d_ratio)


def _share(value: float | None) -> str:
    return availability(value) if value is not None else MISSING


def _maintenance(view: StatusView) -> list[str]:
    if not view.maintenance:
        return []
    lines = "".join(
        f'<li>{html_text(", ".join(each.nodes))} <span class="about">until {_moment(each.until)}</span></li>'
        for each in view.maintenance
    )
    return [f'<h2>Maintenance</h2><ul class="incidents">{lines}</ul>']


def _node(node: NodeView, days: Sequence[date]) -> str:
    kind = "gone" if node.in_maintenance else _CLASSES[node.verdict]
    verdict = "Maintenance" if node.in_maintenance else _WORDS[node.verdict]
    facts = [node.region or "", f"since {_moment(node.since)}" if node.since is not None else ""]
    if node.players is not None:
        facts.append(f"{node.playing or 0} of {node.players} playing" if node.players else "no players")
    reason = f"<p>{html_text(node.reason_text[:1].upper() + node.reason_text[1:])}</p>" if node.reason_text else ""
    shares = "".join(f"<span>{label} <b>{_share(value)}</b></span>" for label, value in _labelled(node.availability))
    return (
        f'<li class="is-{kind}"><h3><span class="name">{html_text(node.name)}</span>'
        f'<span class="verdict {kind}">{verdict}</span></h3>'
        f'<p class="about">{html_text(" · ".join(filter(None, facts)))}</p>{reason}'
        f'{_bar(node.days, days[0], len(days))}<div class="shares">{shares}</div></li>\n'
    )


@lru_cache(maxsize=2048)
def _bar(days: tuple[DayShare, ...], first: date, count: int) -> str:
    """The days of one node: those without an outage and those that were not observed are one path each."""
    known: Mapping[str, DayShare] = {each.date: each for each in days}
    good, unseen, bad = [], [], []
    for number in range(count):
        day = known.get((first + timedelta(days=number)).isoformat())
        x = 4 * number
        if day is None or day.availability_ratio is None:
            unseen.append(f"M{x + 2} 9v6")
        elif not day.down_seconds:
            good.append(f"M{x + 2} 4v16")
        else:
            kind = "w" if day.availability_ratio >= 0.95 else "d"
            bad.append(
                f'<rect class="{kind}" x="{x}" y="0" width="4" height="{HEIGHT}"><title>{_day_text(day)}</title></rect>'
            )
    drawn = f'<path class="n" d="{"".join(unseen)}"/>' if unseen else ""
    drawn += f'<path class="u" d="{"".join(good)}"/>' if good else ""
    label = f"{len(good) + len(bad)} days observed, {len(bad)} with outages"
    if bad:
        worst = min((each for each in days if each.down_seconds), key=lambda each: each.availability_ratio or 0.0)
        label += f"; the worst: {_day_text(worst)}"
    return (
        f'<svg class="days" viewBox="0 0 {4 * count} {HEIGHT}" preserveAspectRatio="none" role="img" '
        f'aria-label="{label}">{drawn}{"".join(bad)}</svg>'
    )


def _day_text(day: DayShare) -> str:
    """A day with an outage: ``28 Nov: 99.3%, 10 min not connected``."""
    moment = date.fromisoformat(day.date)
    return f"{moment.day} {moment:%b}: {_share(day.availability_ratio)}, {_length(day.down_seconds)} not connected"


def _length(seconds: float) -> str:
    """A length of time in one or two units."""
    total = max(round(seconds), 1)
    for name, size, small, part in (("d", 86_400, "h", 3600), ("h", 3600, "min", 60)):
        if total >= size:
            rest = total % size // part
            return f"{total // size} {name} {rest} {small}" if rest else f"{total // size} {name}"
    return f"{total // 60} min" if total >= 60 else f"{total} s"


def _incidents(incidents: Sequence[IncidentView]) -> str:
    if not incidents:
        return "<p>none so far</p>"
    return f'<ul class="incidents">{"".join(map(_incident, incidents))}</ul>'


def _incident(incident: IncidentView) -> str:
    if incident.ended is None:
        mark, when = "bad", f"since {_moment(incident.started)}"
    else:
        mark = "gone"
        length = _seconds(incident.ended) - _seconds(incident.started)
        when = f"{_moment(incident.started)} for {_length(length)}"
    return (
        f'<li><b class="{mark}">{html_text(incident.node)}</b> {html_text(incident.reason_text)} '
        f'<span class="about">{when}</span></li>'
    )


def _seconds(moment: str) -> float:
    return datetime.fromisoformat(moment).replace(tzinfo=UTC).timestamp()


@lru_cache(maxsize=4096)
def _moment(moment: str) -> str:
    """A moment of the view for people, in the local zone of the exporter."""
    return html_text(moment_text(_seconds(moment), zone=True, seconds=False))
