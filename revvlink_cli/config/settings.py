"""A whole configuration as frozen values; the secrets that it names are read when they are needed."""

from __future__ import annotations

import contextlib
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from revvlink_cli._record import NamedTuple
from revvlink_cli.client.settings import Fault, NodeSettings
from revvlink_cli.config import schema, secrets_in_use
from revvlink_cli.config.files import read_line, unreadable
from revvlink_cli.config.problems import ConfigError, Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from revvlink_cli.config.address import Address
    from revvlink_cli.config.source import Source
    from revvlink_cli.health.damping import Rules
    from revvlink_cli.health.hold import Hold
    from revvlink_cli.health.policy import Policy


class Origin:
    """Where a value came from: a file, the environment, or nowhere (``default``)."""

    def __init__(self, text: str, place: Callable[[], int | None] = lambda: None) -> None:
        self.text = text
        self._place = place

    @property
    def line(self) -> int | None:
        """Its line in the file; the first call scans the file."""
        return self._place()


class NodeEntry(NamedTuple):
    """A configured node, whose password is not read yet.

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
    """Where and how long search results are kept.

    Attributes:
        capacity: Entries to keep.
        ttl_s: Seconds for which a result is valid.
        backend: Name of the backend.
        path: The configured database file, None for the default.
        url: Address of the server; it may hold a password.
        context: The context, which has entries of its own; None without one.
    """

    capacity: int
    ttl_s: float
    backend: str
    path: Path | None
    url: str | None
    context: str | None = None

    def __repr__(self) -> str:
        """Without the address."""
        return f"CacheSettings({self.capacity}, {self.ttl_s:g} s, {self.backend})"


class DiscordSettings(NamedTuple):
    """Where messages about checks go in Discord.

    Attributes:
        key: Which of the three webhook keys is given, None when there is none.
        value: Its value.
        remind_s: Seconds after which a lasting problem is reported again; None for what `AlertSettings` says.
        mention: Id of the role to mention when something got worse, or None.
        thread: Id of the thread that gets the messages, or None.
    """

    key: str | None
    value: str
    remind_s: float | None
    mention: str | None = None
    thread: str | None = None

    def __repr__(self) -> str:
        """Without the address, which is a secret."""
        return f"DiscordSettings({self.key})"


class AlertSettings(NamedTuple):
    """When changes are reported and shown, and the channels beside Discord.

    Attributes:
        after: How long a problem must last before it is reported, or shown by an exporter.
        recover_after: How long it must be gone before its end is reported or shown.
        unstable_changes: Changes within the window above which a check is unstable; 0 for never.
        unstable_window_s: Seconds in which they are counted.
        remind_s: Seconds after which a lasting problem is reported again, None for never.
        webhook_key: Which of the three webhook keys is given, None when there is none.
        webhook: Its value.
        heartbeat_key: Which of the three heartbeat keys is given, None when there is none.
        heartbeat: Its value.
        apprise: Addresses in apprise's form, or where they are: ``env:NAME``, ``file:PATH``.
    """

    after: Hold
    recover_after: Hold
    unstable_changes: int
    unstable_window_s: float
    remind_s: float | None
    webhook_key: str | None
    webhook: str
    heartbeat_key: str | None
    heartbeat: str
    apprise: tuple[str, ...]

    def rules(self, remind_s: float | None = None) -> Rules:
        """The rules of damping.

        Args:
            remind_s: Seconds in place of `remind_s`, None for those.
        """
        from revvlink_cli.health.damping import Rules

        return Rules(
            after=self.after,
            recover_after=self.recover_after,
            remind=remind_s if remind_s is not None else self.remind_s,
            unstable_changes=self.unstable_changes,
            unstable_window=self.unstable_window_s,
        )

    @property
    def holds_address(self) -> bool:
        """Whether an address, which is a secret, is in the configuration itself."""
        is_apprise = any(not entry.startswith(("env:", "file:")) for entry in self.apprise)
        return self.webhook_key == "webhook" or self.heartbeat_key == "heartbeat" or is_apprise

    def __repr__(self) -> str:
        """Without the addresses, which are secrets."""
        return (
            f"AlertSettings({self.after.shown}, {self.recover_after.shown}, {self.webhook_key}, {self.heartbeat_key})"
        )


class PlaySettings(NamedTuple):
    """How canaries play.

    Attributes:
        listen: Where the voice server listens that measures them; None measures no sound.
        advertise: The address that nodes are given; None for `listen`.
        cert: PEM file of its certificate.
        key: PEM file of its key, None if `cert` has it.
        duration_s: Seconds that a canary plays.
        interval_s: Seconds between two plays of the exporter on one node.
    """

    listen: Address | None
    advertise: Address | None
    cert: Path | None
    key: Path | None
    duration_s: float
    interval_s: float


class PageSettings(NamedTuple):
    """The status page of the exporter.

    Attributes:
        enabled: Whether it is served.
        public: Whether it needs no password.
        title: Its heading; None for the usual one.
        history: The file of its history; None for the usual one.
    """

    enabled: bool
    public: bool
    title: str | None
    history: Path | None


class Settings(NamedTuple):
    """A whole configuration.

    Attributes:
        source: Where it came from.
        nodes: At least one.
        search_source: Prefix for plain words.
        cache: Where search results are kept.
        regions: The user's region map, None for the built-in one.
        check: The checked values of ``[check]``; see `policy`.
        play: How canaries play.
        page: The status page of the exporter.
        discord: Where messages about checks go in Discord.
        alert: When changes are reported, and the channels beside Discord.
        silences_file: The file of the silences; None for a configuration in the environment, which has none.
        warnings: Problems that do not prevent its use.
        origins: By section and key, where the other values came from.
    """

    source: Source
    nodes: tuple[NodeEntry, ...]
    search_source: str
    cache: CacheSettings
    regions: Mapping[str, tuple[str, ...]] | None
    check: Mapping[str, Any]
    play: PlaySettings
    page: PageSettings
    discord: DiscordSettings
    alert: AlertSettings
    silences_file: Path | None
    warnings: tuple[Problem, ...]
    origins: Mapping[tuple[str, str], Origin]

    @property
    def context(self) -> str | None:
        """The name of the fleet, where this is the configuration of a context; else None."""
        return self.source.context

    def resolve(self, entries: Sequence[NodeEntry] | None = None, *, strict: bool = False) -> tuple[NodeSettings, ...]:
        """These nodes, or all, with their passwords read.

        A node whose own part of the configuration is wrong is returned with its `fault`; the others are usable.

        Args:
            entries: The nodes, None for all.
            strict: Whether one such node is an error.

        Raises:
            ConfigError: None of these nodes can be used, or, if `strict`, not all; every mistake is named.
        """
        problems: list[Problem] = []
        chosen = self.nodes if entries is None else entries
        self.mask_passwords(but=chosen)
        found = [self._resolved(entry, problems) for entry in chosen]
        if problems and (strict or all(node.fault is not None for node in found)):
            raise ConfigError(problems)
        return tuple(found)

    def mistakes(self, entry: NodeEntry) -> tuple[Problem, ...]:
        """The mistakes that make a node unusable."""
        problems: list[Problem] = []
        self._resolved(entry, problems)
        return tuple(problems)

    def _resolved(self, entry: NodeEntry, problems: list[Problem]) -> NodeSettings:
        values = dict(entry.values)
        key = next(name for name in schema.PASSWORDS if name in values)
        values.pop("check", None)
        password, own = "", list[Problem]()
        if "ca_file" in values:
            values["ca_file"] = str(beside(self.source, values["ca_file"]))
            if (trouble := unreadable(Path(values["ca_file"]))) is not None:
                hint = "name a PEM file with the certificate authority"
                own.append(
                    self._problem(entry, "ca_file", f"the file {values['ca_file']} cannot be read: {trouble}", hint)
                )
        try:
            password = self._secret(key, values.pop(key))
        except ValueError as error:  # it is missing, or not valid in a header
            own.append(self._problem(entry, key, str(error), _PASSWORD_HINTS[key]))
        problems += own
        fault = Fault(own[0].message, own[0].hint) if own else None
        node = NodeSettings(password=password, fault=fault, **values)
        from revvlink_cli.client.redaction import secrets_of

        secrets_in_use.use(secrets_of(node))
        return node

    def mask_passwords(self, *, but: Sequence[NodeEntry] = ()) -> None:
        """Masks every readable password, also those of nodes that this run does not use.

        One server may be several nodes, and the cache holds answers of others. Unreadable passwords are skipped.

        Args:
            but: Nodes whose passwords are read and masked elsewhere.
        """
        names = {entry.identifier for entry in but}
        for entry in self.nodes:
            if entry.identifier in names:
                continue
            key = next(name for name in schema.PASSWORDS if name in entry.values)
            if key == "password_file" and not beside(self.source, entry.values[key]).is_file():
                continue  # missing, or a pipe, which would block
            with contextlib.suppress(ValueError, OSError):
                self._secret(key, entry.values[key])

    def _problem(self, entry: NodeEntry, key: str, message: str, hint: str | None) -> Problem:
        """A mistake in a node's own part of the configuration."""
        where = f"nodes[{entry.position}].{key}" if self.source.path is not None else None
        return Problem(message, self.source.path, entry.origins[key].line, key=where, hint=hint)

    @property
    def policy(self) -> Policy:
        """The requirements of the checks."""
        from revvlink_cli.config.requirements import policy_of

        return policy_of(self.check, self.nodes)

    def webhook(self) -> str | None:
        """Reads the address of the Discord webhook; None when there is none.

        Raises:
            ConfigError: The address cannot be read.
        """
        return self._address("discord", "webhook", self.discord.key, self.discord.value)

    def alert_webhook(self) -> str | None:
        """Reads the address of the server that takes alerts as JSON; None when there is none.

        Raises:
            ConfigError: The address cannot be read.
        """
        return self._address("alert", "webhook", self.alert.webhook_key, self.alert.webhook)

    def heartbeat(self) -> str | None:
        """Reads the address that each run of `check` calls; None when there is none.

        Raises:
            ConfigError: The address cannot be read.
        """
        return self._address("alert", "heartbeat", self.alert.heartbeat_key, self.alert.heartbeat)

    def apprise_addresses(self) -> tuple[str, ...]:
        """Reads the addresses of the services that apprise reaches, in the order of the configuration.

        Raises:
            ConfigError: One of them cannot be read.
        """
        found = []
        for entry in self.alert.apprise:
            scheme, _, name = entry.partition(":")
            key, value = (f"apprise_{scheme}", name) if scheme in ("env", "file") else ("apprise", entry)
            found.append(self._address("alert", "apprise", key, value) or "")
        return tuple(found)

    def _address(self, section: str, base: str, key: str | None, value: str) -> str | None:
        """Reads an address that is a secret, and masks it from now on; None when there is none.

        Args:
            section: The section with the key.
            base: The name of the key for the address itself.
            key: The key that is given: `base`, or `base` with ``_env`` or ``_file``.
            value: Its value.

        Raises:
            ConfigError: The address cannot be read.
        """
        if key is None:
            return None
        try:
            address = self._secret(key, value)
        except ValueError as error:
            written = "apprise" if base == "apprise" else key
            origin = self.origins.get((section, written))
            line = origin.line if origin is not None else None
            hint = f"export the variable, or use {base}_file" if key.endswith("_env") else "write the address into it"
            if base == "apprise" and key.endswith("_env"):
                hint = "export the variable, or use file:PATH"
            name = f"{section}.{written}"
            raise ConfigError([Problem(str(error), self.source.path, line, key=name, hint=hint)]) from None
        secrets_in_use.use(secrets_in_use.of_setting(base, (address,) if base == "apprise" else address))
        return address

    def _secret(self, key: str, value: str) -> str:
        """Reads a secret from where its key says: the environment, a file, or the value itself.

        Raises:
            ValueError: The secret is missing, or cannot be sent over HTTP.
        """
        if not key.endswith(("_env", "_file")):
            return value
        if key.endswith("_env"):
            secret = self.source.environment.get(value)
            if secret is None:
                raise ValueError(f"the environment variable {value} is not set")
            secret = secret.rstrip("\r\n")  # a variable that was set from a file may end so
            where = f"the environment variable {value}"
        else:
            where = f"the file {value}"
            try:
                secret = read_line(beside(self.source, value))
            except (OSError, UnicodeDecodeError) as error:
                raise ValueError(f"{where} cannot be read: {getattr(error, 'strerror', None) or 'not text'}") from None
        if not secret:
            raise ValueError(f"{where} is empty")
        if re.search(r"[\ud800-\udfff]", secret):  # bytes that are not text
            raise ValueError(f"{where} is not UTF-8 text")
        if re.search(r"[\x00-\x1f\x7f]", secret):
            raise ValueError(f"{where} has control characters, which nothing sent over HTTP can have")
        from revvlink_cli.client.redaction import Secret

        secrets_in_use.use([Secret(secret)])
        return secret


def beside(source: Source, name: str) -> Path:
    """A path in a configuration, relative to the folder of the file."""
    folder = source.path.parent if source.path is not None else Path()
    return folder / os.path.expanduser(name)  # noqa: PTH111 - Path's raises where a user is unknown


_PASSWORD_HINTS = {
    "password": None,
    "password_env": "export the variable, or use password_file",
    "password_file": "write the password into the first line of that file",
}
