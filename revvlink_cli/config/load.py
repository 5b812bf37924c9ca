"""Turns a configuration into frozen settings, or reports every mistake in it."""

from __future__ import annotations

from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from revvlink_cli._suggestions import nearest
from revvlink_cli.client.cache.backends import BACKENDS
from revvlink_cli.client.settings import host_and_port
from revvlink_cli.config import schema, secrets_in_use
from revvlink_cli.config.checker import DocumentChecker
from revvlink_cli.config.documents import read_toml
from revvlink_cli.config.files import read_text, readable_by_others
from revvlink_cli.config.problems import ConfigError, Problem
from revvlink_cli.config.settings import (
    AlertSettings,
    CacheSettings,
    DiscordSettings,
    NodeEntry,
    Origin,
    PageSettings,
    PlaySettings,
    Settings,
    beside,
)
from revvlink_cli.config.silences_path import path_beside
from revvlink_cli.config.values import read_duration, read_texts, read_threshold, read_value
from revvlink_cli.health.hold import Hold

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from revvlink_cli.config.locate import Path as KeyPath
    from revvlink_cli.config.source import Source


def load(source: Source) -> Settings:
    """Read and check a configuration.

    Raises:
        ConfigError: It has mistakes; every one is named.
    """
    if source.path is None:
        return _from_environment(source)
    return parse(read_text(source.path) if source.text is None else source.text, source)


def _from_environment(source: Source) -> Settings:
    """One node from variables alone."""
    environment = source.environment
    raw: dict[str, Any] = {"uri": environment["REVVLINK_URI"]}
    for name in ("identifier", "region", "password_file"):
        if environment.get(f"REVVLINK_{name.upper()}"):
            raw[name] = environment[f"REVVLINK_{name.upper()}"]
    if environment.get("REVVLINK_PASSWORD"):
        raw["password_env"] = "REVVLINK_PASSWORD"  # noqa: S105 - the name of a variable
        raw.pop("password_file", None)
    problems: list[Problem] = []
    if environment.get("REVVLINK_USER_ID"):
        try:
            raw["user_id"] = int(environment["REVVLINK_USER_ID"])
        except ValueError:
            problems.append(Problem("must be a Discord id of 17 to 20 digits", key="REVVLINK_USER_ID"))
    if "password_env" not in raw and "password_file" not in raw:
        problems.append(
            Problem("is set, and neither REVVLINK_PASSWORD nor REVVLINK_PASSWORD_FILE is", key="REVVLINK_URI")
        )
    values: dict[str, Any] = {}
    for key in schema.NODE:
        if key.name in raw:
            try:
                values[key.name] = read_value(key, raw[key.name])
            except ValueError as error:
                name = str(source.kind) if key.name == "uri" else f"REVVLINK_{key.name.upper()}"
                problems.append(Problem(str(error), key=name))
    if problems:
        raise ConfigError(problems)
    values.setdefault("identifier", host_and_port(values["uri"]))
    origins = {key: Origin(f"REVVLINK_{key.upper()}") for key in values}
    origins["password_env"] = Origin("REVVLINK_PASSWORD")
    entry = NodeEntry(MappingProxyType(values), MappingProxyType(origins), 0)
    return _settings(source, (entry,), {}, None, (), {})


def parse(text: str, source: Source) -> Settings:
    """Check the text of a configuration; `source` says how far it is trusted.

    Raises:
        ConfigError: It has mistakes; every one is named.
    """
    return _Checker(read_toml(text, source.path), text, source).settings()


class _Checker(DocumentChecker):
    """Checks a configuration and collects values, origins and every mistake."""

    def __init__(self, document: dict[str, Any], text: str, source: Source) -> None:
        super().__init__(document, text, source.path)
        self.source = source

    def settings(self) -> Settings:
        self.numbers()
        known = [*schema.SECTIONS, "regions"]
        for name in self.document:
            if name not in known:
                self.problem((name,), "is not a section", nearest(name, known))
        plain = {name: self.section(name) for name in schema.SECTIONS if name != "nodes"}
        self.cache(plain["cache"])
        self.play(plain["play"])
        self.one_address("discord", schema.WEBHOOKS, plain["discord"])
        self.one_address("alert", schema.WEBHOOKS, plain["alert"])
        self.one_address("alert", schema.HEARTBEATS, plain["alert"])
        if any(not entry.startswith(("env:", "file:")) for entry in plain["alert"].get("apprise", ())):
            self.warn_if_readable(("alert", "apprise"), '"file:PATH"')
        regions = self.regions()
        nodes = self.nodes(plain["defaults"])
        if not self.problems and (plain["check"] or any("check" in node.values for node in nodes)):
            self.requirements(plain["check"], nodes)
        self.raise_problems()
        origins = {(section, key): self.origin((section, key)) for section, values in plain.items() for key in values}
        return _settings(self.source, nodes, plain, regions, tuple(self.warnings), origins)

    def origin(self, path: KeyPath) -> Origin:
        return Origin(str(self.source.path), lambda: self.place(path)[0])

    def section(self, name: str) -> dict[str, Any]:
        """The checked values of a plain section."""
        raw = self.document.get(name, {})
        if not isinstance(raw, dict):
            self.problem((name,), f"must be a table, written [{name}]")
            return {}
        return self.values(raw, (name,), schema.SECTIONS[name])

    def before_reading(self, key: schema.Key, value: Any, path: KeyPath) -> None:
        if key.reaches_out and not self.source.trusted:
            self.problem(
                path,
                f"{self.source.path.name if self.source.path else 'it'} in this folder is not trusted yet",
                "review it, then run `revvlink config trust`",
            )
        if key.secret:  # also a wrong value: the report on it may show it
            secrets_in_use.use(secrets_in_use.of_setting(key.name, value))

    def within(self, key: schema.Key, value: Any, path: KeyPath) -> Any:
        """A checked value; the entries of a table with names of the user's own are checked one by one."""
        if key.kind is schema.Kind.RANGES:
            return self.ranges(value, path)
        if key.kind is schema.Kind.REQUIREMENTS:
            return self.values(value, path, schema.REQUIREMENTS)
        if key.kind is not schema.Kind.TAGS:
            return value
        found: dict[str, dict[str, Any]] = {}
        for tag, table in value.items():
            if isinstance(table, dict):
                found[tag] = self.values(table, (*path, tag), schema.REQUIREMENTS)
            else:
                self.problem((*path, tag), "must be a table, written [check.tags.NAME]")
        return found

    def ranges(self, raw: dict[str, Any], path: KeyPath) -> dict[str, Any]:
        from revvlink_cli.health.policy import read_judged

        found: dict[str, Any] = {}
        for name, value in raw.items():
            try:
                code = read_judged(name)
                found[code] = read_threshold(code, value)
            except ValueError as error:
                self.problem((*path, name), str(error))
        return found

    def requirements(self, section: dict[str, Any], nodes: tuple[NodeEntry, ...]) -> None:
        """Report tags that no node has, and pairs of thresholds that contradict each other."""
        from revvlink_cli.config.requirements import policy_of, swapped

        used = sorted({tag for node in nodes for tag in node.tags})
        for tag in section.get("tags", {}):
            if tag not in used:
                self.warn(("check", "tags", tag), "no node has this tag", nearest(tag, used) if used else None)
        policy = policy_of(section, nodes)
        if "min_healthy" in section and "quorum" in section.get("critical", {}):
            self.problem(("check", "critical", "quorum"), "min_healthy says the same", "keep one of them")
        common = swapped(policy.common)
        for code in common:
            self.problem(("check", "warning", code), SWAPPED, "exchange the two")
        for entry in nodes:
            for code in swapped(policy.of(entry.identifier)):
                if code not in common:
                    self.problem(("nodes", entry.position, "check"), f"{code}: {SWAPPED}", "exchange the two")

    def play(self, values: dict[str, Any]) -> None:
        """Check what the voice server needs."""
        for key, needed in (("advertise", "listen"), ("cert", "listen"), ("key", "cert")):
            if key in values and needed not in values:
                self.problem(("play", key), f"means nothing without {needed}", f"add {needed}")
        if "listen" in values and values["listen"].is_every and "advertise" not in values:
            self.problem(("play", "listen"), "nodes cannot connect to every address", "add advertise")

    def one_address(self, section: str, keys: tuple[str, ...], values: dict[str, Any]) -> None:
        """Check that at most one of the keys for an address is given: the first holds the address itself."""
        given = [name for name in keys if name in values]
        if len(given) > 1:
            self.problem((section, given[1]), f"there is a {given[0]} already", "keep one of them")
        if keys[0] in given:
            self.warn_if_readable((section, keys[0]), f"{keys[0]}_file")

    def cache(self, values: dict[str, Any]) -> None:
        """Check the key that a backend needs."""
        for name, backend in BACKENDS.items():
            if (required := backend.required) is None:
                continue
            value = values.get(required.name)
            if value is not None and (found := required.problem(value)) is not None:
                self.problem(("cache", required.name), *found)
            elif value is None and values.get("backend") == name:
                hint = f"add {required.name} = {required.example}"
                self.problem(("cache", "backend"), f"{name} needs {required.noun}", hint)

    def regions(self) -> Mapping[str, tuple[str, ...]] | None:
        raw = self.document.get("regions")
        if raw is None:
            return None
        if not isinstance(raw, dict):
            self.problem(("regions",), "must be a table, written [regions]")
            return None
        found: dict[str, tuple[str, ...]] = {}
        for label, parts in raw.items():
            try:
                found[label] = read_texts(parts)
            except ValueError as error:
                self.problem(("regions", label), str(error))
        return MappingProxyType(found)

    def nodes(self, defaults: dict[str, Any]) -> tuple[NodeEntry, ...]:
        raw = self.document.get("nodes")
        if raw is None or raw == []:
            self.problem(("nodes",), "there are no nodes", "add one with `revvlink nodes add`, or a [[nodes]] table")
            return ()
        if not isinstance(raw, list) or not all(isinstance(table, dict) for table in raw):
            self.problem(("nodes",), "must be tables, each written [[nodes]]")
            return ()
        entries: list[NodeEntry] = []
        first_with: dict[str, int] = {}
        for index, table in enumerate(raw):
            path: KeyPath = ("nodes", index)
            own = self.values(table, path, schema.NODE)
            for key in schema.NODE:
                if key.required and key.name not in table:
                    self.problem(path, f"has no {key.name}", f"add {key.name} = {key.example}")
            self.password(table, path)
            name = own.get("identifier")
            if name in first_with:
                line = self.place(("nodes", first_with[name], "identifier"))[0]
                self.problem(
                    (*path, "identifier"), f"{name} is taken by the node on line {line}", "give it another name"
                )
            elif name is not None:
                first_with[name] = index
            origins = {key: self.origin(("defaults", key)) for key in defaults}
            origins |= {key: self.origin((*path, key)) for key in own}
            values = {**defaults, **own}
            entries.append(NodeEntry(MappingProxyType(values), MappingProxyType(origins), index))
        return tuple(entries)

    def password(self, table: dict[str, Any], path: KeyPath) -> None:
        given = [name for name in schema.PASSWORDS if name in table]
        if not given:
            self.problem(path, "has no password", "add password_env, password_file or password")
        elif len(given) > 1:
            self.problem((*path, given[1]), f"there is a {given[0]} already", "keep one of them")
        if "password" in given:
            self.warn_if_readable((*path, "password"), "password_file")

    def warn_if_readable(self, path: KeyPath, better: str) -> None:
        """Warn of a secret in a file that others can read."""
        if self.source.path is None or not readable_by_others(self.source.path):
            return
        self.warn(path, f"others can read this {path[-1]}", f"chmod 600 {self.source.path}, or use {better}")


SWAPPED = "the warning can never occur, because every value outside it is critical"


def _settings(
    source: Source,
    nodes: tuple[NodeEntry, ...],
    sections: Mapping[str, Mapping[str, Any]],
    regions: Mapping[str, tuple[str, ...]] | None,
    warnings: tuple[Problem, ...],
    origins: Mapping[tuple[str, str], Origin],
) -> Settings:
    for node in nodes:
        secrets_in_use.use((), (node.identifier, node.uri, node.region or "", node.password_source, *node.tags))

    def value(section: str, name: str) -> Any:
        default = next(key.default for key in schema.SECTIONS[section] if key.name == name)
        return sections.get(section, {}).get(name, default)

    return Settings(
        source=source,
        nodes=nodes,
        search_source=value("search", "source"),
        cache=CacheSettings(
            capacity=value("cache", "capacity"),
            ttl_s=read_duration(value("cache", "ttl")),
            backend=value("cache", "backend"),
            path=beside(source, path) if (path := value("cache", "path")) is not None else None,
            url=value("cache", "url"),
            context=source.context,
        ),
        regions=regions,
        check=sections.get("check", {}),
        play=PlaySettings(
            listen=value("play", "listen"),
            advertise=value("play", "advertise"),
            cert=beside(source, path) if (path := value("play", "cert")) is not None else None,
            key=beside(source, path) if (path := value("play", "key")) is not None else None,
            duration_s=read_duration(value("play", "duration")),
            interval_s=read_duration(value("play", "interval")),
        ),
        page=PageSettings(
            enabled=value("page", "enabled"),
            public=value("page", "public"),
            title=value("page", "title"),
            history=beside(source, path) if (path := value("page", "history")) is not None else None,
        ),
        discord=_discord(sections.get("discord", {})),
        alert=_alert(sections.get("alert", {}), partial(value, "alert")),
        silences_file=_silences_file(source, value("silences", "file")),
        warnings=warnings,
        origins=MappingProxyType(dict(origins)),
    )


def _silences_file(source: Source, name: str | None) -> Path | None:
    if name is not None:
        return beside(source, name)
    return path_beside(source.path) if source.path is not None else None


def _discord(values: Mapping[str, Any]) -> DiscordSettings:
    key = next((name for name in schema.WEBHOOKS if name in values), None)
    address = values[key] if key is not None else ""
    return DiscordSettings(key, address, values.get("remind"), values.get("mention"), values.get("thread"))


def _alert(values: Mapping[str, Any], value: Callable[[str], Any]) -> AlertSettings:
    webhook, heartbeat = (
        next((name for name in keys if name in values), None) for keys in (schema.WEBHOOKS, schema.HEARTBEATS)
    )
    return AlertSettings(
        after=values.get("after", Hold(value("after"))),
        recover_after=values.get("recover_after", Hold(value("recover_after"))),
        unstable_changes=value("unstable_changes"),
        unstable_window_s=read_duration(value("unstable_window")),
        remind_s=values.get("remind"),
        webhook_key=webhook,
        webhook=values[webhook] if webhook is not None else "",
        heartbeat_key=heartbeat,
        heartbeat=values[heartbeat] if heartbeat is not None else "",
        apprise=value("apprise"),
    )
