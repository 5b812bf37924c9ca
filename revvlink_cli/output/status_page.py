"""Draws the status page of a fleet: HTML without external parts, which a small script refreshes.

Days stand side by side in a bar: the worse a day, the taller, and one with an outage shows its figures below the
pointer. The script replaces only what has changed, so that the selection, the place and the reading of a screen reader
stay; a screen reader speaks of another state of the fleet, not of other figures. When the page can no longer be
fetched, it says how old it is.
"""

from __future__ import annotations

import base64
import hashlib
from datetime import UTC, date, datetime
from functools import lru_cache, partial
from typing import TYPE_CHECKING

from revvlink_cli._percent import availability
from revvlink_cli.output.page import document, html_text
from revvlink_cli.output.text import MISSING
from revvlink_cli.output.time_axis import moment_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from revvlink_cli.services.status_view import AvailabilityShares, IncidentView, NodeDays, NodeView, StatusView

REFRESH = 30
"""Seconds between two refreshes."""

HEIGHT = 24
"""Height of a bar, in its own units; a day is 4 wide."""

MANY = 24
"""Nodes beyond which those that are well are drawn small, so that a wall has room for all."""

BAD_DAY = 0.95
"""Availability below which a day is a bad one."""

_GRAVITY = {"critical": 0, "warning": 1, "unknown": 2, "ok": 3}

_CLASSES = {"ok": "good", "warning": "warn", "critical": "bad", "unknown": "gone"}

_WORDS = {"ok": "OK", "warning": "Warning", "critical": "Critical", "unknown": "Unknown"}

_KEY = (
    ("u", "no outage"),
    ("w", "an outage"),
    ("d", f"less than {BAD_DAY:.0%} available"),
    ("n", "not observed"),
)
"""Class of a day in a bar -> what it means. Each has a height of its own, so that they differ without colours."""

_TOPS = {"u": 6, "w": 3, "d": 0, "n": 9}
"""Class of a day -> where it begins below the top of the bar; it ends as far above the bottom."""

_STYLE = """
header{margin:0 0 .75rem}
.fleet{border:2px solid;border-left-width:.6rem;border-radius:8px;padding:.7rem 1rem;margin:0 0 .75rem}
.fleet.good-edge{border-color:var(--good)} .fleet.warn-edge{border-color:var(--warn)}
.fleet.bad-edge{border-color:var(--bad)} .fleet.gone-edge{border-color:var(--gap)}
.fleet p{margin:0} .fleet .state{font-size:1.3rem;font-weight:600;line-height:1.35}
.fleet .about{font-size:.9rem;margin-top:.2rem}
.nodes{list-style:none;margin:0;padding:0;display:grid;gap:.6rem;
grid-template-columns:repeat(auto-fill,minmax(min(100%,23rem),1fr))}
.nodes.small{grid-template-columns:repeat(auto-fill,minmax(min(100%,12rem),1fr));gap:.4rem}
.nodes>li{background:var(--panel);border:1px solid var(--rule);border-radius:8px;padding:.6rem .8rem;min-width:0;
break-inside:avoid}
.nodes>li.is-bad,.nodes>li.is-warn{border-left-width:.4rem}
.nodes>li.is-bad{border-color:var(--bad)} .nodes>li.is-warn{border-color:var(--warn)}
.nodes h3{font-size:1rem;margin:0;display:flex;gap:.75rem;justify-content:space-between;align-items:baseline}
.nodes h3 .name{overflow-wrap:anywhere;min-width:0} .nodes h3 .verdict{flex:none}
.nodes p{font-size:.85rem}
.small>li{padding:.35rem .55rem;border-radius:6px} .small h3{font-size:.9rem;gap:.4rem}
.small svg.days{height:.8rem;margin:.2rem 0 0} .small p{font-size:.75rem;margin:0}
.span,.shares{display:flex;justify-content:space-between;gap:.5rem;font-size:.75rem;color:var(--muted)}
.shares{margin-top:.3rem;font-size:.8rem;font-variant-numeric:tabular-nums}
.shares b{color:var(--text)}
svg.days{display:block;width:100%;height:1.5rem;margin:.4rem 0 .1rem}
.u{fill:var(--good)} .n{fill:var(--gap)} .w{fill:var(--warn)} .d{fill:var(--bad)}
.incidents{list-style:none;margin:0;padding:0}
.incidents li{padding:.35rem 0;border-bottom:1px solid var(--rule);overflow-wrap:anywhere;break-inside:avoid}
.incidents b::before{font-weight:400}
.incidents .about,.key li{display:inline-block}
.key{list-style:none;margin:.5rem 0 0;padding:0;font-size:.8rem;color:var(--muted)} .key li{margin:0 1.2rem .2rem 0}
.key svg{width:.5rem;height:1rem;vertical-align:-.15rem;margin-right:.35rem}
.stale{background:var(--bad);color:var(--back);padding:.5rem .8rem;border-radius:6px;font-weight:600;margin:0 0 .75rem}
.stale[hidden]{display:none}
footer{margin-top:2rem;border-top:1px solid var(--rule);padding-top:.5rem;color:var(--muted);font-size:.85rem}
a{color:var(--line0)}
@media (min-width:1280px){body{max-width:1900px;padding-left:2rem;padding-right:2rem}}
@media (min-width:1900px){html{font-size:20px} body{font-size:1rem;max-width:none} html:has(.small){font-size:16px}}
@media print{.stale{display:none} .nodes{grid-template-columns:1fr 1fr}
.nodes.small{grid-template-columns:repeat(4,1fr)}}
"""

SCRIPT = f"""
(() => {{
  const stale = document.getElementById("stale");
  let failed = 0;
  const patch = (old, fresh) => {{
    if (old.isEqualNode(fresh)) return;
    if (old.nodeType !== 1 || old.nodeName !== fresh.nodeName) return old.replaceWith(fresh);
    for (const each of [...old.attributes]) if (!fresh.hasAttribute(each.name)) old.removeAttribute(each.name);
    for (const each of fresh.attributes)
      if (old.getAttribute(each.name) !== each.value) old.setAttribute(each.name, each.value);
    const before = [...old.childNodes], after = [...fresh.childNodes];
    after.forEach((each, place) => place < before.length ? patch(before[place], each) : old.append(each));
    before.slice(after.length).forEach(each => each.remove());
  }};
  const refresh = async () => {{
    try {{
      const answer = await fetch(location.href, {{cache: "no-cache", signal: AbortSignal.timeout(15000)}});
      if (!answer.ok) throw new Error(answer.status);
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      if (!fresh.getElementById("fleet")) throw new Error("no page");
      for (const part of ["main", "footer"]) patch(document.querySelector(part), fresh.querySelector(part));
      document.title = fresh.title;
      failed = 0;
      stale.hidden = true;
    }} catch {{
      if (++failed > 1 && stale.hidden) {{
        stale.hidden = false;
        const at = document.getElementById("at").textContent;
        stale.textContent = "This page cannot be refreshed. It shows " + at + ".";
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


def status_page(view: StatusView) -> str:
    """The page as HTML."""
    kind = _kind_of_fleet(view)
    state = _state(view)
    figures = " · ".join((_figures(view), *_availability(view)))
    parts = [
        f'<noscript><meta http-equiv="refresh" content="{REFRESH}"></noscript>',
        '<p id="stale" class="stale" role="alert" hidden></p>',
        "<main>",
        f'<div id="fleet" class="fleet {kind}-edge">',
        f'<p class="state {kind}" role="status">{html_text(state)}</p>',
        f'<p class="about">{html_text(figures)}</p></div>',
        f"<div>{_maintenance(view)}</div>",
        *_nodes(view),
        "<h2>Incidents</h2>",
        _incidents(view.incidents),
        "</main>",
        "<footer>",
        f'<p>As of <span id="at">{_moment(view.at)}</span>. The page refreshes every {REFRESH} seconds.</p>',
        f"<p>A bar has a part for each of the last {len(view.days)} days.</p>",
        "<p>Shares are of the observed time, rounded down.</p>",
        f'<ul class="key">{"".join(_key(kind, text) for kind, text in _KEY)}</ul>',
        '<p><a href="status.json">JSON</a> · <a href="badge/fleet.svg">Badge</a></p></footer>',
        f"<script>{SCRIPT}</script>",
    ]
    return document(view.title, parts, style=_STYLE, has_landmarks=True, window=f"{state}: {view.title}")


def _kind_of_fleet(view: StatusView) -> str:
    """The class of the fleet's state: a fleet of which every node is in maintenance is not green."""
    is_idle = view.verdict == "ok" and all(node.in_maintenance for node in view.nodes)
    return "gone" if is_idle else _CLASSES[view.verdict]


def _state(view: StatusView) -> str:
    """The state of the fleet in one sentence."""
    troubled = sum(_is_troubled(node) for node in view.nodes)
    resting = sum(node.in_maintenance for node in view.nodes)
    if view.verdict == "unknown":
        return "The state is not known yet"
    if view.verdict != "ok":
        some = f"{troubled} of {view.nodes_total} nodes {'has' if troubled == 1 else 'have'} trouble"
        some = "the node has trouble" if view.nodes_total == 1 else some
        return f"{_WORDS[view.verdict]}: {some if troubled else 'the fleet has trouble'}"
    if not resting:
        return "The node is well" if view.nodes_total == 1 else "All nodes are well"
    rest = f"{_number(resting, 'node')} in maintenance"
    return rest if resting == view.nodes_total else f"{rest}, all others are well"


def _is_troubled(node: NodeView) -> bool:
    return node.verdict != "ok" and not node.in_maintenance


def _number(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _figures(view: StatusView) -> str:
    """How many nodes are connected, and what plays."""
    players = f"{view.playing} of {_number(view.players, 'player')} playing" if view.players else "no players"
    return f"{view.nodes_connected} of {view.nodes_total} connected · {players}"


def _availability(view: StatusView) -> list[str]:
    """The availability of the fleet, as far as it was observed."""
    texts = [f"{label} {_share(value)}" for label, value in _labelled(view.availability) if value is not None]
    return [f"availability {', '.join(texts)}"] if texts else []


def _nodes(view: StatusView) -> list[str]:
    """The nodes, those with trouble first. In a large fleet, those that are well are small."""
    nodes = sorted(view.nodes, key=lambda node: (node.in_maintenance, _GRAVITY[node.verdict]))
    draw = partial(_node, days=view.days)
    if len(nodes) <= MANY:
        return ["<h2>Nodes</h2>", f'<ul class="nodes">{"".join(map(draw, nodes))}</ul>']
    large = [node for node in nodes if _is_troubled(node)]
    resting = [node for node in nodes if node.in_maintenance]
    well = [node for node in nodes if not _is_troubled(node) and not node.in_maintenance]
    groups = (
        ("with trouble", large, draw, ""),
        ("in maintenance", resting, draw, ""),
        ("OK", well, partial(_small, days=view.days), " small"),
    )
    return [
        f"<section><h2>{_number(len(some), 'node')} {title}</h2>"
        f'<ul class="nodes{kind}">{"".join(map(make, some))}</ul></section>'
        for title, some, make, kind in groups
        if some
    ]


def _labelled(shares: AvailabilityShares) -> tuple[tuple[str, float | None], ...]:
    return ("24 h", shares.last_24h_ratio), ("7 days", shares.last_7d_ratio), ("30 days", shares.last_30d_ratio)


def _share(value: float | None) -> str:
    return availability(value) if value is not None else MISSING


def _maintenance(view: StatusView) -> str:
    if not view.maintenance:
        return ""
    lines = "".join(
        f'<li>{", ".join(map(_name, each.nodes))} <span class="about">until {_moment(each.until)}</span></li>'
        for each in view.maintenance
    )
    return f'<h2>Maintenance</h2><ul class="incidents">{lines}</ul>'


def _name(name: str) -> str:
    """A name, kept apart from the direction of the text around it."""
    return f"<bdi>{html_text(name)}</bdi>"


def _node(node: NodeView, days: Sequence[str]) -> str:
    kind = "gone" if node.in_maintenance else _CLASSES[node.verdict]
    verdict = "Maintenance" if node.in_maintenance else _WORDS[node.verdict]
    facts = [
        _name(node.region) if node.region else "",
        f"since {_moment(node.since)}" if node.since is not None else "",
    ]
    if node.players is not None:
        facts.append(f"{node.playing or 0} of {node.players} playing" if node.players else "no players")
    reason = f"<p>{html_text(node.reason_text[:1].upper() + node.reason_text[1:])}</p>" if node.reason_text else ""
    shares = "".join(f"<span>{label} <b>{_share(value)}</b></span> " for label, value in _labelled(node.availability))
    return (
        f'<li class="is-{kind}"><h3><bdi class="name">{html_text(node.name)}</bdi> '
        f'<span class="verdict {kind}">{verdict}</span></h3>'
        f'<p class="about">{" · ".join(filter(None, facts))}</p>{reason}'
        f'{_bar(node.days, days)}<div class="span"><span>{_first(node.days, days)}</span> <span>today</span></div>'
        f'<div class="shares" role="group" aria-label="Availability">{shares}</div></li>\n'
    )


def _small(node: NodeView, days: Sequence[str]) -> str:
    """A node that is well, in a large fleet."""
    kind = _CLASSES[node.verdict]
    facts = [_name(node.region) if node.region else "", f"30 days {_share(node.availability.last_30d_ratio)}"]
    return (
        f'<li class="is-{kind}"><h3><bdi class="name">{html_text(node.name)}</bdi> '
        f'<span class="verdict {kind}">{_WORDS[node.verdict]}</span></h3>'
        f'{_bar(node.days, days)}<p class="about">{" · ".join(filter(None, facts))}</p></li>\n'
    )


def _first(node: NodeDays, days: Sequence[str]) -> str:
    """Where a bar begins, or since when the node is observed."""
    seen = next((place for place, share in enumerate(node.availability_ratio) if share is not None), None)
    if seen is None:
        return "not observed yet"
    return f"{len(days)} days ago" if seen == 0 else f"observed since {_day(days[seen])}"


@lru_cache(maxsize=2048)
def _bar(node: NodeDays, days: Sequence[str]) -> str:
    """The days of one node: those of one kind are one path, those with an outage show their figures."""
    plain: dict[str, list[str]] = {"n": [], "u": []}
    bad: list[tuple[float, str]] = []
    drawn = []
    for place, (share, down) in enumerate(zip(node.availability_ratio, node.down_seconds, strict=True)):
        if share is None or not down:
            kind = "n" if share is None else "u"
            plain[kind].append(_day_shape(place, kind))
            continue
        text = f"{_day(days[place])}: {_share(share)}, {_length(down)} not connected"
        bad.append((share, text))
        kind = "w" if share >= BAD_DAY else "d"
        drawn.append(f'<path class="{kind}" d="{_day_shape(place, kind)}"><title>{text}</title></path>')
    paths = "".join(f'<path class="{kind}" d="{"".join(shapes)}"/>' for kind, shapes in plain.items() if shapes)
    observed = len(plain["u"]) + len(bad)
    label = f"{_number(observed, 'day')} observed, {len(bad) or 'none'} with outages"
    if bad:
        label += f"; the worst: {min(bad)[1]}"
    return (
        f'<svg class="days" viewBox="0 0 {4 * len(days)} {HEIGHT}" preserveAspectRatio="none" role="img" '
        f'aria-label="{label}">{paths}{"".join(drawn)}</svg>'
    )


def _day_shape(place: int, kind: str) -> str:
    """The path of a day: a column with a gap behind it."""
    top = _TOPS[kind]
    return f"M{4 * place} {top}h3v{HEIGHT - 2 * top}h-3z"


def _key(kind: str, text: str) -> str:
    """An entry of the key to the bars."""
    return (
        f'<li><svg viewBox="0 0 3 {HEIGHT}" preserveAspectRatio="none" aria-hidden="true">'
        f'<path class="{kind}" d="{_day_shape(0, kind)}"/></svg>{html_text(text)}</li>'
    )


@lru_cache(maxsize=512)
def _day(text: str) -> str:
    """A day as people write it: ``28 Nov``."""
    moment = date.fromisoformat(text)
    return f"{moment.day} {moment:%b}"


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
        return "<p>No incidents so far.</p>"
    return f'<ul class="incidents">{"".join(map(_incident, incidents))}</ul>'


def _incident(incident: IncidentView) -> str:
    if incident.ended is None:
        mark, when = "bad", f"since {_moment(incident.started)}"
    else:
        mark = "gone"
        length = _seconds(incident.ended) - _seconds(incident.started)
        when = f"{_moment(incident.started)} for {_length(length)}"
    return (
        f'<li><b class="{mark}">{_name(incident.node)}</b>: {html_text(incident.reason_text)} '
        f'<span class="about">{when}</span></li>'
    )


def _seconds(moment: str) -> float:
    return datetime.fromisoformat(moment).replace(tzinfo=UTC).timestamp()


@lru_cache(maxsize=4096)
def _moment(moment: str) -> str:
    """A moment of the view for people, in the local zone of the exporter."""
    return html_text(moment_text(_seconds(moment), zone=True, seconds=False))
