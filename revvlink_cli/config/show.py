"""Every effective setting with its origin, secrets masked."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from revvlink_cli.config import schema
from revvlink_cli.config.requirements import is_default as is_default_threshold
from revvlink_cli.config.settings import beside
from revvlink_cli.health.catalogue import CHECKS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from revvlink_cli.config.key_names import NamedKey
    from revvlink_cli.config.settings import AlertSettings, NodeEntry, Origin, Settings
    from revvlink_cli.health.policy import Requirements

MASK = "********"


@dataclass(frozen=True, slots=True)
class Effective:
    """One setting.

    Attributes:
        key: As ``nodes[us-1].timeout``.
        value: Its effective value; masked where it is secret, None where there is none.
        origin: The file, the variable, or ``default``.
        line: Line in the file, or None.
    """

    key: str
    value: Any
    origin: str
    line: int | None


def effective(settings: Settings) -> tuple[Effective, ...]:
    """All settings, section by section and node by node."""
    source = settings.source
    rows = [Effective("context", source.context, str(source.kind), None)] if source.context is not None else []
    cache = settings.cache
    plain = {
        ("search", "source"): settings.search_source,
        ("cache", "capacity"): cache.capacity,
        ("cache", "ttl"): f"{cache.ttl_s:g}s",
        ("cache", "backend"): cache.backend,
        ("cache", "path"): str(cache.path) if cache.path is not None else None,
        ("cache", "url"): cache.url,
    }
    discord = settings.discord
    plain |= {("discord", name): discord.value if name == discord.key else None for name in schema.WEBHOOKS}
    plain["discord", "remind"] = f"{discord.remind_s:g}s" if discord.remind_s is not None else None
    plain |= {("discord", "mention"): discord.mention, ("discord", "thread"): discord.thread}
    plain |= _alert(settings.alert)
    plain["silences", "file"] = str(settings.silences_file) if settings.silences_file is not None else None
    play = settings.play
    plain |= {
        ("play", name): str(shown) if (shown := getattr(play, name)) is not None else None
        for name in ("listen", "advertise", "cert", "key")
    }
    plain |= {("play", "duration"): f"{play.duration_s:g}s", ("play", "interval"): f"{play.interval_s:g}s"}
    page = settings.page
    plain |= {("page", name): getattr(page, name) for name in ("enabled", "public", "title")}
    plain["page", "history"] = str(page.history) if page.history is not None else None
    policy = settings.policy
    plain["check", "min_healthy"] = policy.min_healthy
    for (section, name), value in plain.items():
        key = next(key for key in schema.SECTIONS[section] if key.name == name)
        origin = settings.origins.get((section, name))
        rows.append(_row(f"{section}.{name}", key, value, origin))
    rows += _requirements("check", policy.common, lambda *name: _origin_of_requirement(settings, None, *name))
    if settings.regions is not None:
        where = str(settings.source.path)
        rows += [Effective(f"regions.{label}", list(parts), where, None) for label, parts in settings.regions.items()]
    for entry in settings.nodes:
        for key in schema.NODE:
            if key.name in schema.PASSWORDS and key.name not in entry.values:
                continue
            found = entry.origins.get(key.name)
            if key.kind is schema.Kind.REQUIREMENTS:
                own = policy.nodes.get(entry.identifier)
                rows += _requirements_of_node(settings, entry, own) if own is not None else []
                continue
            value = entry.values.get(key.name, key.default)
            name = f"nodes[{entry.identifier}].{key.name}"
            rows.append(_row(name, key, value, found))
    return tuple(rows)


def _alert(alert: AlertSettings) -> dict[tuple[str, str], Any]:
    values: dict[str, Any] = {
        "after": alert.after.shown,
        "recover_after": alert.recover_after.shown,
        "unstable_changes": alert.unstable_changes,
        "unstable_window": f"{alert.unstable_window_s:g}s",
        "remind": f"{alert.remind_s:g}s" if alert.remind_s is not None else None,
        **{name: alert.webhook if name == alert.webhook_key else None for name in schema.WEBHOOKS},
        **{name: alert.heartbeat if name == alert.heartbeat_key else None for name in schema.HEARTBEATS},
        "apprise": list(alert.apprise) or None,
    }
    return {("alert", name): value for name, value in values.items()}


def in_force(settings: Settings, named: NamedKey, document: Mapping[str, Any]) -> Effective:
    """The setting that a name stands for; its value is None where the key has none.

    Args:
        settings: The configuration.
        named: The key, which is not a table.
        document: The configuration as it is in the file: only there are the values of ``[defaults]``.
    """
    if named.key is None:
        raise ValueError(f"{named.name} is a table")
    section, *rest = map(str, named.path)
    is_header = section == "nodes" and rest[1] == "headers"
    if section == "defaults" or is_header:
        return _as_written(settings, named, document)
    if section == "nodes":
        entry = settings.nodes[int(rest[0])]
        name = f"nodes[{entry.identifier}]"
        if rest[1] == "check":
            rows = tuple(_requirements_of_node(settings, entry, settings.policy.of(entry.identifier)))
        else:
            rows = effective(settings._replace(nodes=(entry,)))
        wanted = ".".join((name, *rest[1:]))
    else:
        rows = effective(settings)
        wanted = ".".join((section, *rest))
    found = next((row for row in rows if row.key == wanted and row.value is not None), None)
    return replace(found, key=named.name) if found is not None else _default(named)


def _as_written(settings: Settings, named: NamedKey, document: Mapping[str, Any]) -> Effective:
    """A setting that only the file has, such as one of ``[defaults]``."""
    value: Any = document
    for part in named.path:
        value = value.get(part) if isinstance(value, dict) else value[int(part)] if isinstance(value, list) else None
    if named.key is None or value is None:
        return _default(named)
    origin = settings.origins.get((str(named.path[0]), str(named.path[1])))
    line = origin.line if origin is not None else None
    return Effective(named.name, MASK if named.key.secret else value, str(settings.source.path), line)


def _default(named: NamedKey) -> Effective:
    """A setting that is not given."""
    value = None if named.key is None or named.check is not None else named.key.default
    return Effective(named.name, list(value) if isinstance(value, tuple) else value, "default", None)


def uses(settings: Settings) -> tuple[str, ...]:
    """What a configuration uses outside its file, and for which keys: variables, files, and the server of the cache."""
    found: dict[str, list[str]] = {}
    for entry in settings.nodes:
        for key in schema.NODE:
            if key.reaches_out and entry.values.get(key.name):
                found.setdefault(_used(settings, key, entry.values[key.name]), []).append(
                    f"{key.name} of {entry.identifier}, sent to {entry.uri}"
                    if key.name in schema.PASSWORDS
                    else f"{key.name} of {entry.identifier}"
                )
    cache, discord, alert = settings.cache, settings.discord, settings.alert
    for section, name, value in (("cache", "path", cache.path), ("cache", "url", cache.url),
                                 ("play", "listen", settings.play.listen), ("play", "cert", settings.play.cert),
                                 ("play", "key", settings.play.key), ("page", "history", settings.page.history),
                                 ("discord", discord.key, discord.value), ("alert", alert.webhook_key, alert.webhook),
                                 ("alert", alert.heartbeat_key, alert.heartbeat),
                                 ("silences", "file", _named_silences(settings))):  # fmt: skip
        key = next(key for key in schema.SECTIONS[section] if key.name == (name or "webhook"))
        if key.reaches_out and value is not None:
            found.setdefault(_used(settings, key, value), []).append(f"{section}.{name}")
    for service in alert.apprise:
        kind, _, name = service.partition(":")
        names = {"env": f"the variable {name}", "file": f"the file {beside(settings.source, name).resolve()}"}
        found.setdefault(names.get(kind, "the service of apprise that it names"), []).append("alert.apprise")
    return tuple(f"{what} ({'; '.join(who)})" for what, who in found.items())


def _named_silences(settings: Settings) -> Path | None:
    """The file of the silences where the configuration names it."""
    return settings.silences_file if ("silences", "file") in settings.origins else None


def _used(settings: Settings, key: schema.Key, value: Any) -> str:
    """One thing outside the file, in words."""
    if key.names_file:
        return f"the file {beside(settings.source, str(value)).resolve()}"
    if key.kind is schema.Kind.ENDPOINT:
        return f"the port {value} of this machine"
    if key.secret:
        return "the Redis server that it names"
    return f"the variable {value}" if key.kind is schema.Kind.TEXT else "the proxy variables"


def _origin_of_requirement(settings: Settings, entry: NodeEntry | None, *name: str) -> Origin | None:
    """Where a requirement of a node, or with None of all nodes, comes from: its own table, one of its tags, or all.

    Args:
        settings: The configuration.
        entry: The node.
        name: The key, and for a threshold the code of its check.
    """
    check = settings.check
    tables = [(check, settings.origins.get(("check", name[0])))]
    if entry is not None:
        tags, of_tags = check.get("tags", {}), settings.origins.get(("check", "tags"))
        tables = [(tags[tag], of_tags) for tag in entry.tags if tag in tags] + tables
        tables.insert(0, (entry.values.get("check", {}), entry.origins.get("check")))
    for table, origin in tables:
        if name[0] in table and (len(name) == 1 or name[1] in table[name[0]]):
            return origin
    return None


def _requirements_of_node(settings: Settings, entry: NodeEntry, requirements: Requirements) -> list[Effective]:
    prefix = f"nodes[{entry.identifier}].check"
    return _requirements(prefix, requirements, lambda *name: _origin_of_requirement(settings, entry, *name))


def _requirements(prefix: str, requirements: Requirements, origin_of: Callable[..., Origin | None]) -> list[Effective]:
    """The requirements, with one row for each threshold, including the default ones."""

    def row(value: Any, *name: str, is_default: bool = False) -> Effective:
        origin = None if is_default else origin_of(*name)
        where, line = (origin.text, origin.line) if origin is not None else ("default", None)
        return Effective(".".join((prefix, *name)), value, where, line)

    rows = [row(requirements.has_defaults, "defaults")]
    for check in CHECKS:
        bounds = requirements.bounds_of(check.code)
        for name, limit in zip(("warning", "critical"), bounds, strict=True):
            if limit is not None:
                rows.append(row(limit.shown, name, check.code, is_default=is_default_threshold(check.code, limit)))
    plain = {
        "min_version": str(requirements.min_version) if requirements.min_version is not None else None,
        "sources": list(requirements.sources),
        "plugins": list(map(str, requirements.plugins)),
        "filters": list(requirements.filters),
        "youtube_oauth": requirements.youtube_oauth,
        "canaries": list(requirements.canaries),
        "canary_play": list(requirements.plays),
        "skip": sorted(requirements.skip),
        "unknown_on_timeout": requirements.unknown_on_timeout,
    }
    return [*rows, *(row(value, name) for name, value in plain.items() if value)]


def _row(name: str, key: schema.Key, value: Any, origin: Origin | None) -> Effective:
    if isinstance(value, tuple):
        value = list(value)
    shown = MASK if key.secret and value is not None else value
    return Effective(name, shown, origin.text if origin else "default", origin.line if origin else None)
