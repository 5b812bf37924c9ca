"""Writes the tables of the documentation that derive from the code; ``--check`` writes nothing and reports stale ones.

python docs/generate.py [--check]
"""

from __future__ import annotations

import dataclasses
import json
import re
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from revvlink_cli.cli.json_schemas import printed
from revvlink_cli.client import events
from revvlink_cli.client.errors import Code
from revvlink_cli.client.protocol.dialects import TRAITS, Traits
from revvlink_cli.client.protocol.messages import Event
from revvlink_cli.client.protocol.voice_codes import VOICE_CLOSES
from revvlink_cli.client.routing.penalty import TERMS
from revvlink_cli.commands.shared.help_topics import ENVIRONMENT
from revvlink_cli.config import schema
from revvlink_cli.config.node_lists.catalogue import FORMATS
from revvlink_cli.health.catalogue import CHECKS
from revvlink_cli.health.failure_codes import EXPLANATIONS
from revvlink_cli.health.metrics import METRICS
from revvlink_cli.health.ranges import NO_BOUNDS
from revvlink_cli.output.result import EXIT_CODE_MEANINGS, columns_of
from revvlink_cli.services import scenario_files
from revvlink_cli.services.simulator_admin.openapi import document
from revvlink_cli.services.simulator_admin.routes import ROUTES

if TYPE_CHECKING:
    from collections.abc import Iterable

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))  # for `benchmarks` and `tests`, which are not part of the package

from benchmarks import report  # noqa: E402 - see above
from tests.third_party import catalogue  # noqa: E402 - see above

FILES = (
    HERE / "reference.md",
    HERE / "configuration.md",
    HERE / "dialects.md",
    HERE / "players.md",
    HERE / "monitoring.md",
    HERE / "other-clients.md",
    HERE / "performance.md",
    HERE / "prometheus.md",
    HERE / "simulate.md",
    HERE / "simulate-admin.md",
    HERE / "explanation" / "routing.md",
)


OPENAPI = HERE / "simulate-admin.openapi.json"
"""The OpenAPI document of the admin API of simulated nodes."""


def openapi() -> str:
    """The text of that document."""
    return f"{json.dumps(document(), indent=2)}\n"


def admin_routes() -> str:
    """The routes of the admin API of simulated nodes."""
    rows = ["| route | what it does | query | body |", "| --- | --- | --- | --- |"]
    for route in ROUTES:
        query = ", ".join(f"`{key.name}`" for key in route.query)
        body = "any JSON object" if route.body is None else ", ".join(f"`{key.name}`" for key in route.body)
        rows.append(f"| `{route.method} {route.path}` | {route.help} | {query} | {body} |")
    return "\n".join(rows)


def exit_codes() -> str:
    """The table of exit codes."""
    rows = [f"| {int(code)} | {meaning} |" for code, meaning in EXIT_CODE_MEANINGS.items()]
    return "\n".join(["| code | meaning |", "| ---: | --- |", *rows])


def environment() -> str:
    """The table of environment variables."""
    return "\n".join(["| variable | meaning |", "| --- | --- |", *(f"| `{k}` | {v} |" for k, v in ENVIRONMENT.items())])


def error_codes() -> str:
    """The codes of errors from nodes."""
    return ", ".join(f"`{code}`" for code in Code)


def failure_codes() -> str:
    """The codes of tracks that do not load or play."""
    rows = []
    for code, known in EXPLANATIONS.items():
        meaning = known.meaning or "Not known for sure: the server's own words are shown."
        advice = f"{known.advice} [More]({known.link})" if known.link else known.advice
        rows.append(f"| `{code}` | {meaning} | {advice} |")
    return "\n".join(["| code | what happened | what to do |", "| --- | --- | --- |", *rows])


def voice_closes() -> str:
    """The close codes of voice connections."""
    rows = [f"| {code} | {known.meaning} | {known.advice} |" for code, known in VOICE_CLOSES.items()]
    return "\n".join(["| code | what happened | what to do |", "| ---: | --- | --- |", *rows])


def keys_of(keys: Iterable[schema.Key]) -> str:
    """The keys of one table of TOML."""
    parts = ["| key | value | default | meaning |", "| --- | --- | --- | --- |"]
    for key in keys:
        kind = " \\| ".join(f"`{choice}`" for choice in key.choices) or key.kind.value
        default = "required" if key.required else f"`{key.default}`" if key.default not in (None, ()) else ""
        parts.append(f"| `{key.name}` | {kind} | {default} | {key.help} |")
    return "\n".join(parts)


def configuration() -> str:
    """Every key of the configuration, section by section."""
    parts = []
    for section, keys in schema.SECTIONS.items():
        name = f"[[{section}]]" if section == "nodes" else f"[{section}]"
        parts += [f"### `{name}`", "", keys_of(keys), ""]
    parts += ["### `[regions]`", "", f"{schema.REGIONS_HELP}."]
    return "\n".join(parts)


def plain_columns() -> str:
    """The fields of the plain output, by command."""
    lines = []
    for command, variants in printed().items():
        for option, data in variants.items():
            if data.kind is not None and columns_of(data.kind):
                fields = ", ".join(f"`{key}`" for key, _ in columns_of(data.kind))
                lines.append(f"| `{f'{command} {option}'.strip()}` | {fields} |")
    return "\n".join(["| command | fields |", "| --- | --- |", *lines])


TRAIT_MEANINGS = {
    "stats_interval": "seconds between two `stats` messages; silence of 2.5 intervals ends the connection",
    "stats_at_connect": "the server sends a `stats` message with `ready`",
    "empty_403_is_password": "a 403 without a body means a wrong password",
    "load_is_average": "`systemLoad` is a load average; revvlink divides it by the cores",
    "zero_own_load_is_untold": "an own load of exactly 0 means that the server does not measure it",
    "frames_are_totals": "`frameStats` counts from the server's start; two messages give a rate",
    "requests_per_10s": "requests that the client sends at most in ten seconds",
    "players_at_once": "requests for players at the same time, at most",
}
"""The meaning of each field of `Traits`."""


def traits() -> str:
    """The traits of each kind of server."""
    head = ["| | " + " | ".join(TRAITS) + " |", "| --- |" + " --- |" * len(TRAITS)]
    rows = []
    for field in dataclasses.fields(Traits):
        values = (getattr(dialect, field.name) for dialect in TRAITS.values())
        rows.append(f"| {TRAIT_MEANINGS[field.name]} | " + " | ".join(map(_cell, values)) + " |")
    return "\n".join([*head, *rows])


def pool_events() -> str:
    """Every event of the pool."""
    rows = []
    for kind in get_args(events.PoolEvent):
        meaning = (kind.__doc__ or "").partition("\n")[0].rstrip(".")
        fields = ", ".join(f"`{field.name}`" for field in dataclasses.fields(kind))
        names = (
            [events.name_of(event) for event in get_args(Event)] if kind is events.NodeEvent else [events.name_of(kind)]
        )
        shown = ", ".join(f"`{name}`" for name in names)
        rows.append(f"| `{kind.__name__}` | {shown} | {meaning} | {fields} |")
    return "\n".join(["| type | name | when | fields |", "| --- | --- | --- | --- |", *rows])


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "no limit" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def checks() -> str:
    """Every check."""
    rows = []
    for check_ in CHECKS:
        limits = [limit.shown if limit is not None else None for limit in check_.bounds]
        usual = ", ".join(f"{name} `{limit}`" for name, limit in zip(("warn", "crit"), limits, strict=True) if limit)
        figure = f"{check_.figure} ({check_.units_shown})" if check_.figure else ""
        rows.append(f"| `{check_.code}` | {check_.stage} | {check_.what} | {figure} | {usual} | {check_.false_alarm} |")
    head = "| check | stage | examines | figure | usual thresholds | false alarm |"
    return "\n".join([head, "| --- | --- | --- | --- | --- | --- |", *rows])


def default_thresholds() -> str:
    """Every default threshold, with its reason."""
    rows = []
    for check_ in CHECKS:
        if check_.bounds != NO_BOUNDS:
            limits = (f"`{limit.shown}`" if limit is not None else "" for limit in check_.bounds)
            rows.append(f"| `{check_.code}` | {check_.figure} | {' | '.join(limits)} | {check_.why} |")
    return "\n".join(["| check | figure | WARNING | CRITICAL | why |", "| --- | --- | --- | --- | --- |", *rows])


def penalty_terms() -> str:
    """Every term of the penalty."""
    rows = (f"| {term.label} | `{term.formula}` | `{term.variable}`: {term.meaning} ({term.unit}) |" for term in TERMS)
    return "\n".join(["| term | cost | where |", "| --- | --- | --- |", *rows])


def metrics() -> str:
    """Every metric, without those that the next version drops."""
    rows = (f"| `{metric.full_name}` | {metric.type} | {metric.help} |" for metric in METRICS if not metric.successor)
    return "\n".join(["| metric | type | meaning |", "| --- | --- | --- |", *rows])


def old_metrics() -> str:
    """Every metric that the next version drops."""
    rows = (f"| `{metric.full_name}` | `{metric.successor}` |" for metric in METRICS if metric.successor)
    return "\n".join(["| metric | successor |", "| --- | --- |", *rows])


def node_formats() -> str:
    """Every format of a node list."""
    rows = (
        f"| `{entry.name}` | {entry.title} | {entry.reads} | {_cell(entry.write is not None)} |" for entry in FORMATS
    )
    return "\n".join(["| format | of | recognised by | exported |", "| --- | --- | --- | --- |", *rows])


def keys_of_top() -> str:
    """The keys of `top`, as its help shows them."""
    from revvlink_cli.commands.top.view import HELP

    keys = dict(list(HELP.items())[: list(HELP).index("")])
    return "\n".join(
        ["| key | what it does |", "| --- | --- |", *(f"| `{key}` | {what} |" for key, what in keys.items())]
    )


def third_parties() -> str:
    """What other people's clients come to on simulated nodes."""
    pinned = catalogue.pinned()
    rows = []
    for client in catalogue.third_parties():
        for kind in client.kinds:
            phases = pinned[kind][client.name]
            cells = (_loads(phases["controls"]), _controls(phases["controls"]), _end(phases["controls"]))
            lost = (_after_drop(phases["drop"]), _after_kill(phases["kill"]))
            name = f"{client.name} {client.version}"
            rows.append(f"| {name} | {kind} | " + " | ".join((*cells, *lost)) + " |")
    head = "| client | server | loads | voice to filters | end of a track | connection lost | node lost |"
    return "\n".join([head, "| --- | --- | --- | --- | --- | --- | --- |", *rows])


def _loads(steps: dict[str, str]) -> str:
    """The loads that do not come to what a reader expects."""
    usual = {"search": "tracks", "url": "track", "playlist": "playlist", "empty": "nothing", "error": "error"}
    odd = [
        f"{step}: {steps[step]}"
        for step, outcome in usual.items()
        if step in steps and steps[step] != outcome and not (step == "error" and steps[step].startswith("raises "))
    ]
    return ", ".join(odd) or ("yes" if "search" in steps else "not tried")


def _controls(steps: dict[str, str]) -> str:
    """The commands that do not do what they say."""
    names = ("voice", "play", "pause", "resume", "seek", "volume", "filters")
    odd = [name for name in names if steps[name] != "ok"]
    return "no" if len(odd) == len(names) else f"not {', '.join(odd)}" if odd else "yes"


def _end(steps: dict[str, str]) -> str:
    return steps.get("end", "not tried").partition(",")[0]


def _after_drop(steps: dict[str, str]) -> str:
    kept = "player kept" if steps["pause after drop"] == "ok" else "player lost"
    return f"{steps['drop']}, {kept}"


def _after_kill(steps: dict[str, str]) -> str:
    move = steps.get("move")
    if move is None or steps["kill"].startswith("no player"):
        return steps["kill"].partition(" to ")[0]
    how = {"ok": "moves when asked", "has no call for it": "has no call to move"}
    return f"{steps['kill']}, {how.get(move, f'moving {move}')}"


BLOCKS = {
    "third-party clients": third_parties,
    **{f"scenario {name}": partial(keys_of, keys) for name, keys in scenario_files.TABLES.items()},
    "admin routes": admin_routes,
    "keys of top": keys_of_top,
    "traits": traits,
    "pool events": pool_events,
    "plain columns": plain_columns,
    "exit codes": exit_codes,
    "environment": environment,
    "error codes": error_codes,
    "failure codes": failure_codes,
    "voice close codes": voice_closes,
    "configuration": configuration,
    "checks": checks,
    "default thresholds": default_thresholds,
    "metrics": metrics,
    "old metrics": old_metrics,
    "penalty terms": penalty_terms,
    "node formats": node_formats,
    "performance machine": report.machine_line,
    "performance figures": report.figures_table,
    "performance meanings": report.meanings,
    "performance charts": report.charts,
    "performance limits": report.limits,
}


def current(text: str) -> str:
    """The text with every generated block written anew."""
    for name, make in BLOCKS.items():
        text = re.sub(
            rf"(<!-- {name}: generated[^\n]*-->\n).*?(<!-- end -->)",
            lambda found, make=make: f"{found[1]}{make()}\n{found[2]}",  # type: ignore[misc] # bound at once
            text,
            flags=re.DOTALL,
        )
    return text


def main() -> int:
    """Write the tables, or check them."""
    pages = "".join(path.read_text(encoding="utf-8") for path in FILES)
    missing = [name for name in BLOCKS if f"<!-- {name}: generated" not in pages]
    if missing:
        sys.stderr.write(f"no page has the block: {', '.join(missing)}\n")
        return 1
    stale = []
    for path in (*FILES, OPENAPI):
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        wanted = openapi() if path == OPENAPI else current(text)
        if wanted != text:
            stale.append(path.name)
            if "--check" not in sys.argv:
                path.write_text(wanted, encoding="utf-8")
    if stale and "--check" in sys.argv:
        sys.stderr.write(f"not current, run `make docs`: {', '.join(stale)}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
