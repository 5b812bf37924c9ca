"""Makes frozen settings of a configuration, or tells every mistake in it."""

from __future__ import annotations

import re
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from revvlink_cli.client.settings import NodeSettings, host_and_port
from revvlink_cli.config import schema
from revvlink_cli.config.files import read_text, readable_by_others, unreadable
from revvlink_cli.config.problems import ConfigError, Problem, nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from revvlink_cli.config.locate import Path as KeyPath
    from revvlink_cli.config.source import Source
    from revvlink_cli.health.policy import Policy


class Origin:
    """Where a value came from: a file, the environment, or nowhere (``default``)."""

    def __init__(self, text: str, place: Callable[[], int | None] = lambda: None) -> None:
        self.text = text
        self._place = place

    @property
    def line(self) -> int | None:
        """Its line in the file; the file is looked through when the first line is asked for."""
        return self._place()


class NodeEntry(NamedTuple):
    """A node as configured, its password not read yet.

    Attributes:
        values: Every key of the schema that has a value, checked.
        origins: By key, where the value came from.
        position: Among the nodes, from 0.
    """

    values: Mapping[str, Any]
    origins: Mapping[str, Origin]
    position: int

    def __repr__(self) -> str:
        """Name and address only: the values may hold a password."""
        return f"NodeEntry({self.identifier!r}, {self.uri!r})"

    @property
    def identifier(self) -> str:
        """Name of the node."""
        return str(self.values["identifier"])

    @property
    def uri(self) -> str:
        """Address of the node."""
        return str(self.values["uri"])

    @property
    def region(self) -> str | None:
        """Region label."""
        return self.values.get("region")

    @property
    def tags(self) -> tuple[str, ...]:
        """Free labels."""
        return tuple(self.values.get("tags", ()))

    @property
    def password_source(self) -> str:
        """Where the password comes from, never the password: ``env NAME``, ``file PATH`` or ``inline``."""
        if "password_env" in self.values:
            return f"env {self.values['password_env']}"
        return f"file {self.values['password_file']}" if "password_file" in self.values else "inline"


class CacheSettings(NamedTuple):
    """Where and how long search results are kept; `url` may hold a password, `path` is None for the usual one."""

    capacity: int
    ttl_s: float
    backend: str
    path: Path | None
    url: str | None

    def __repr__(self) -> str:
        """Without the address."""
        return f"CacheSettings({self.capacity}, {self.ttl_s:g} s, {self.backend})"


class DiscordSettings(NamedTuple):
    """Where messages about checks go: `key` of the three webhook keys and its value, None when there is none."""

    key: str | None
    value: str
    remind_s: float | None

    def __repr__(self) -> str:
        """Without the address, which is a secret."""
        return f"DiscordSettings({self.key})"


class Settings(NamedTuple):
    """A whole configuration.

    Attributes:
        source: Where it came from.
        nodes: At least one.
        search_source: Prefix for plain words.
        cache: Where search results are kept.
        regions: The user's region map, None for the built-in one.
        check: What checks demand, as it stands in ``[check]``; see `policy`.
        discord: Where messages about checks go.
        warnings: What is unwise and works.
        origins: By section and key, where the other values came from.
    """

    source: Source
    nodes: tuple[NodeEntry, ...]
    search_source: str
    cache: CacheSettings
    regions: Mapping[str, tuple[str, ...]] | None
    check: Mapping[str, Any]
    discord: DiscordSettings
    warnings: tuple[Problem, ...]
    origins: Mapping[tuple[str, str], Origin]

    def resolve(self, entries: Sequence[NodeEntry] | None = None) -> tuple[NodeSettings, ...]:
        """These nodes, or all, with their passwords read.

        Raises:
            ConfigError: A password cannot be had; all that cannot are named.
        """
        problems: list[Problem] = []
        found = [self._resolved(entry, problems) for entry in (self.nodes if entries is None else entries)]
        if problems:
            raise ConfigError(problems)
        return tuple(node for node in found if node is not None)

    def _resolved(self, entry: NodeEntry, problems: list[Problem]) -> NodeSettings | None:
        values = dict(entry.values)
        key = next(name for name in schema.PASSWORDS if name in values)
        values.pop("check", None)
        if "ca_file" in values:
            values["ca_file"] = str(beside(self.source, values["ca_file"]))
            if (trouble := unreadable(Path(values["ca_file"]))) is not None:
                place = entry.origins["ca_file"].line
                where = f"nodes[{entry.position}].ca_file"
                hint = "name a PEM file with the certificate authority"
                problems.append(Problem(f"cannot be read: {trouble}", self.source.path, place, key=where, hint=hint))
        try:
            return NodeSettings(password=self._secret(key, values.pop(key)), **values)
        except ValueError as error:  # no password, or one that no header can carry
            problems.append(
                Problem(
                    str(error),
                    self.source.path,
                    entry.origins[key].line,
                    key=f"nodes[{entry.position}].{key}" if self.source.path else None,
                    hint=_PASSWORD_HINTS[key],
                )
            )
            return None

    @property
    def policy(self) -> Policy:
        """What checks demand of each node."""
        from revvlink_cli.config.demands import policy_of

        return policy_of(self.check, self.nodes)

    def webhook(self) -> str | None:
        """The address of the Discord webhook, read where it is kept; None when there is none.

        Raises:
            ConfigError: It cannot be had.
        """
        key = self.discord.key
        if key is None:
            return None
        try:
            return self._secret(key, self.discord.value)
        except ValueError as error:
            origin = self.origins.get(("discord", key))
            line = origin.line if origin is not None else None
            hint = "export the variable, or use webhook_file" if key == "webhook_env" else "write the address into it"
            raise ConfigError([Problem(str(error), self.source.path, line, key=f"discord.{key}", hint=hint)]) from None

    def _secret(self, key: str, value: str) -> str:
        """A secret by the key that says where it is: in the environment, in a file, or here.

        Raises:
            ValueError: It is not there, or nothing that can be sent.
        """
        if not key.endswith(("_env", "_file")):
            return value
        if key.endswith("_env"):
            secret = self.source.environment.get(value)
            if secret is None:
                raise ValueError(f"the environment variable {value} is not set")
            secret = secret.rstrip("\r\n")  # as it comes of a file that somebody has made a variable of
            where = f"the environment variable {value}"
        else:
            where = f"the file {value}"
            try:
                with beside(self.source, value).open(encoding="utf-8") as file:
                    secret = file.readline(65_536).rstrip("\r\n")
            except (OSError, UnicodeDecodeError) as error:
                raise ValueError(f"{where} cannot be read: {getattr(error, 'strerror', None) or 'not text'}") from None
        if not secret:
            raise ValueError(f"{where} is empty")
        if re.search(r"[\x00-\x1f\x7f]", secret):
            raise ValueError(f"{where} has control characters, which nothing sent over HTTP can have")
        return secret


def beside(source: Source, name: str) -> Path:
    """A path that a configuration names, from the file's own folder."""
    folder = source.path.parent if source.path is not None else Path()
    return folder / Path(name).expanduser()


_PASSWORD_HINTS = {
    "password": None,
    "password_env": "export the variable, or use password_file",
    "password_file": "write the password into the first line of that file",
}


def load(source: Source) -> Settings:
    """Read and check a configuration.

    Raises:
        ConfigError: It has mistakes; every one is named.
    """
    if source.path is None:
        return _from_environment(source)
    text = read_text(source.path)
    return parse(text, source)


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
                values[key.name] = schema.check(key, raw[key.name])
            except ValueError as error:
                problems.append(Problem(str(error), key=f"REVVLINK_{key.name.upper()}"))
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
    import tomllib

    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([_syntax(error, text, source)]) from None
    except RecursionError:
        raise ConfigError([Problem("is nested too deep", source.path)]) from None
    return _Checker(document, text, source).settings()


def _syntax(error: Exception, text: str, source: Source) -> Problem:
    found = re.search(r"^(.*) \(at (?:line (\d+), column (\d+)|end of document)\)$", str(error), re.DOTALL)
    if found is None:
        return Problem(f"is not valid TOML: {error}", source.path)
    if found[2] is None:
        return Problem(f"is not valid TOML: {found[1]}", source.path, text.count("\n") + 1, 1)
    return Problem(f"is not valid TOML: {found[1]}", source.path, int(found[2]), int(found[3]))


class _Checker:
    """Goes through a document once and collects values, origins and every mistake."""

    def __init__(self, document: dict[str, Any], text: str, source: Source) -> None:
        self.document = document
        self.text = text
        self.source = source
        self.problems: list[Problem] = []
        self.warnings: list[Problem] = []
        self.places: dict[KeyPath, tuple[int, int]] | None = None

    def settings(self) -> Settings:
        known = [*schema.SECTIONS, "regions"]
        for name in self.document:
            if name not in known:
                self.problem((name,), "is no section", nearest(name, known))
        plain = {name: self.section(name) for name in schema.SECTIONS if name != "nodes"}
        self.cache(plain["cache"])
        self.discord(plain["discord"])
        regions = self.regions()
        nodes = self.nodes(plain["defaults"])
        if not self.problems and (plain["check"] or any("check" in node.values for node in nodes)):
            self.demands(plain["check"], nodes)
        if self.problems:
            raise ConfigError(sorted(self.problems, key=lambda problem: (problem.line or 0, problem.column or 0)))
        origins = {(section, key): self.origin((section, key)) for section, values in plain.items() for key in values}
        return _settings(self.source, nodes, plain, regions, tuple(self.warnings), origins)

    def place(self, path: KeyPath) -> tuple[int, int] | tuple[None, None]:
        from revvlink_cli.config.locate import find as find_place
        from revvlink_cli.config.locate import locate

        if self.places is None:
            self.places = locate(self.text)
        return find_place(self.places, path)

    def origin(self, path: KeyPath) -> Origin:
        return Origin(str(self.source.path), lambda: self.place(path)[0])

    def problem(self, path: KeyPath, message: str, hint: str | None = None) -> None:
        line, column = self.place(path)
        self.problems.append(Problem(message, self.source.path, line, column, _written(path), hint))

    def section(self, name: str) -> dict[str, Any]:
        """The checked values of a plain section."""
        raw = self.document.get(name, {})
        if not isinstance(raw, dict):
            self.problem((name,), f"must be a table, written [{name}]")
            return {}
        return self.values(raw, (name,), schema.SECTIONS[name])

    def values(self, raw: dict[str, Any], path: KeyPath, keys: tuple[schema.Key, ...]) -> dict[str, Any]:
        by_name = {key.name: key for key in keys}
        found: dict[str, Any] = {}
        for name, value in raw.items():
            if name not in by_name:
                self.problem((*path, name), "is no key", nearest(name, list(by_name)))
                continue
            if by_name[name].reaches_out and not self.source.trusted:
                self.problem(
                    (*path, name),
                    "this file was merely found here and is not trusted with anything outside it",
                    "look at it, then run `revvlink config trust`",
                )
            try:
                found[name] = self.within(by_name[name], schema.check(by_name[name], value), (*path, name))
            except ValueError as error:
                self.problem((*path, name), str(error))
        return found

    def within(self, key: schema.Key, value: Any, path: KeyPath) -> Any:
        """A value as it counts: what is in tables of the user's own names is checked one by one."""
        if key.kind is schema.Kind.RANGES:
            return self.ranges(value, path)
        if key.kind is schema.Kind.DEMANDS:
            return self.values(value, path, schema.DEMANDS)
        if key.kind is not schema.Kind.TAGS:
            return value
        found: dict[str, dict[str, Any]] = {}
        for tag, table in value.items():
            if isinstance(table, dict):
                found[tag] = self.values(table, (*path, tag), schema.DEMANDS)
            else:
                self.problem((*path, tag), "must be a table, written [check.tags.NAME]")
        return found

    def ranges(self, raw: dict[str, Any], path: KeyPath) -> dict[str, Any]:
        from revvlink_cli.health.policy import read_judged

        found: dict[str, Any] = {}
        for name, value in raw.items():
            try:
                code = read_judged(name)
                found[code] = schema.range_of(code, value)
            except ValueError as error:
                self.problem((*path, name), str(error))
        return found

    def demands(self, section: dict[str, Any], nodes: tuple[NodeEntry, ...]) -> None:
        """Pairs of thresholds that make no sense together, wherever each of them stands."""
        from revvlink_cli.config.demands import policy_of, swapped

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

    def discord(self, values: dict[str, Any]) -> None:
        given = [name for name in schema.WEBHOOKS if name in values]
        if len(given) > 1:
            self.problem(("discord", given[1]), f"there is a {given[0]} already", "keep one of them")
        if "webhook" in given:
            self.warn_if_readable(("discord", "webhook"), "webhook_file")

    def cache(self, values: dict[str, Any]) -> None:
        """What no key of the section can tell alone."""
        url = values.get("url")
        if values.get("backend") == "redis" and url is None:
            self.problem(("cache", "backend"), "redis needs an address", 'add url = "redis://127.0.0.1:6379/0"')
        if url is not None and url.partition("://")[0] not in ("redis", "rediss", "unix"):
            self.problem(("cache", "url"), "must begin with redis://, rediss:// or unix://")
        elif url is not None and not _is_address(url):  # what its parser would say may hold a part of the password
            hint = "percent-encode what is special in user and password: / is %2F, # is %23, @ is %40"
            self.problem(("cache", "url"), "is no address of a Redis server", hint)

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
                found[label] = schema.texts(parts)
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

    def warn(self, path: KeyPath, message: str, hint: str | None) -> None:
        line, column = self.place(path)
        self.warnings.append(Problem(message, self.source.path, line, column, _written(path), hint))


def _is_address(url: str) -> bool:
    """Whether host and port of an address can be told."""
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(url)
        return parts.port is None or bool(parts.hostname)
    except ValueError:
        return False


SWAPPED = "the warning could never be given: all that it would tell of is critical"


def _written(path: KeyPath) -> str:
    """A path as people write it: ``nodes[0].uri``."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f"{'.' if text else ''}{part}"
    return text


def _settings(
    source: Source,
    nodes: tuple[NodeEntry, ...],
    sections: Mapping[str, Mapping[str, Any]],
    regions: Mapping[str, tuple[str, ...]] | None,
    warnings: tuple[Problem, ...],
    origins: Mapping[tuple[str, str], Origin],
) -> Settings:
    def value(section: str, name: str) -> Any:
        default = next(key.default for key in schema.SECTIONS[section] if key.name == name)
        return sections.get(section, {}).get(name, default)

    return Settings(
        source=source,
        nodes=nodes,
        search_source=value("search", "source"),
        cache=CacheSettings(
            capacity=value("cache", "capacity"),
            ttl_s=schema.duration(value("cache", "ttl")),
            backend=value("cache", "backend"),
            path=beside(source, path) if (path := value("cache", "path")) is not None else None,
            url=value("cache", "url"),
        ),
        regions=regions,
        check=sections.get("check", {}),
        discord=_discord(sections.get("discord", {})),
        warnings=warnings,
        origins=MappingProxyType(dict(origins)),
    )


def _discord(values: Mapping[str, Any]) -> DiscordSettings:
    key = next((name for name in schema.WEBHOOKS if name in values), None)
    remind = values.get("remind")
    return DiscordSettings(key, values[key] if key is not None else "", remind)
