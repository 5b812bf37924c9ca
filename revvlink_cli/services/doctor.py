"""Examines all that a check of the nodes takes for granted: the machine, the configuration, the way to the nodes.

Every checkup is a function that tells what it found. One that crashes is a finding of its own and stops nothing.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import statistics
import sys
import time
from dataclasses import dataclass, replace
from email.utils import parsedate_to_datetime
from enum import StrEnum
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from revvlink_cli._version import __version__
from revvlink_cli.client.errors import RevvlinkException
from revvlink_cli.client.snapshot import NodeStatus
from revvlink_cli.client.transport import Progress, Resolver
from revvlink_cli.config.load import beside, load
from revvlink_cli.config.problems import ConfigError
from revvlink_cli.config.source import find, user_path
from revvlink_cli.health.findings import Finding, Verdict
from revvlink_cli.health.fleet import Report, assess
from revvlink_cli.services.checking import as_checker, without_canaries
from revvlink_cli.services.probe import connecting

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence

    from revvlink_cli.client.node import Node
    from revvlink_cli.config.load import NodeEntry, Settings

ROOM = 16 * 1024 * 1024
"""Bytes that should be free where files are kept."""

SLOW_NAME = 1.0
"""Seconds after which a name server is slow."""

CLOSING = 0.75
"""Seconds beyond its time in which a checkup closes what it has opened."""

SKEW = 5.0
"""Seconds by which clocks may differ; an HTTP date has whole seconds, and the way takes its time."""

SECRET = 0o027
"""Bits of a mode that no file with a secret should have; that a group may read it is somebody's decision."""

MOUNTED = ("/run/secrets", "/var/run/secrets", "/run/credentials")
"""Folders where container engines and systemd put secrets, with modes of their own."""


class State(StrEnum):
    """What a checkup came to."""

    OK = "ok"
    FIXED = "fixed"
    WARNING = "warning"
    FAILED = "failed"
    CRASHED = "crashed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """One finding.

    Attributes:
        checkup: Which checkup it is of.
        subject: What it is about: a node, a file, a host; None for the whole.
        state: How bad it is.
        message: What was found, one line.
        fix: What to do, None where nothing has to be done.
    """

    checkup: str
    subject: str | None
    state: State
    message: str
    fix: str | None = None


class Seen(NamedTuple):
    """What the nodes were seen to be.

    Attributes:
        report: What `check` makes of them.
        ahead: By node, by how many seconds its clock is ahead of this machine's.
    """

    report: Report
    ahead: Mapping[str, float]


class Patient:
    """What is examined.

    Attributes:
        config: Configuration file that was named, or None.
        environment: The variables that count.
        directory: The current folder.
        timeout: Seconds that the nodes have.
        fixes: Whether permissions are to be repaired.
        settings: The configuration, None when it cannot be used.
        mistakes: Why not.
    """

    def __init__(
        self, config: str | None, environment: Mapping[str, str], directory: Path, *, timeout: float, fixes: bool
    ) -> None:
        self.config = config
        self.environment = environment
        self.directory = directory
        self.timeout = timeout
        self.fixes = fixes
        self.settings: Settings | None = None
        self.mistakes: ConfigError | None = None
        self._looking: asyncio.Task[Seen | str] | None = None
        try:
            self.settings = load(find(config, environment, directory))
        except ConfigError as error:
            self.mistakes = error

    async def look(self) -> Seen | str:
        """Look at the nodes, once for all who ask; or why that cannot be done."""
        if self._looking is None:
            self._looking = asyncio.create_task(self._look(), name="look")
        return await asyncio.shield(self._looking)  # one who has no more time takes it from nobody else

    async def let_go(self) -> None:
        """End the look at the nodes."""
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.wait([self._looking])

    async def _look(self) -> Seen | str:
        if self.settings is None:
            return "there is no configuration"
        try:
            chosen = self.settings.resolve()
        except ConfigError:
            return "the configuration has to be put right first"
        policy = without_canaries(replace(self.settings.policy, min_healthy=None))
        checkers = [as_checker(entry, self.timeout) for entry in chosen]
        async with connecting(checkers, self.settings.regions, self.timeout) as opening:
            await opening.until_connected()
            await opening.until_settled()
            nodes = [node for node in opening.fleet.members if node.status is NodeStatus.CONNECTED]
            clocks = await asyncio.gather(*(_clock_of(node, opening.deadline) for node in nodes))
            report = assess(opening.fleet.snapshot(), policy, timeout=self.timeout)
        ahead = {node.identifier: by for node, by in zip(nodes, clocks, strict=True) if by is not None}
        return Seen(report, ahead)


Found = list[Diagnosis]


class Finder(NamedTuple):
    """Makes the diagnoses of one checkup."""

    name: str

    def ok(self, message: str, subject: str | None = None) -> Diagnosis:
        """All is well."""
        return Diagnosis(self.name, subject, State.OK, message)

    def warn(self, message: str, fix: str, subject: str | None = None) -> Diagnosis:
        """It works, and is unwise."""
        return Diagnosis(self.name, subject, State.WARNING, message, fix)

    def fail(self, message: str, fix: str, subject: str | None = None) -> Diagnosis:
        """It does not work."""
        return Diagnosis(self.name, subject, State.FAILED, message, fix)

    def skip(self, reason: str) -> Found:
        """It could not be looked at."""
        return [Diagnosis(self.name, None, State.SKIPPED, reason)]


async def _program(_: Patient) -> Found:
    """Version of revvlink, of Python and of what it is built on."""
    find = Finder("program")
    found = [find.ok(f"revvlink {__version__}, Python {sys.version.split()[0]}, {sys.platform}")]
    for package in ("typer", "rich", "aiohttp", "msgspec", "tomli-w", "platformdirs"):
        try:
            found.append(find.ok(version(package), package))
        except PackageNotFoundError:
            found.append(
                find.fail("is not installed", "install revvlink-cli again, into an environment of its own", package)
            )
    numbers = [int(part) for part in re.findall(r"\d+", version("typer"))[:2]]
    if numbers >= [0, 29]:
        fix = "pip install 'typer<0.29'"
        found.append(find.warn("loads pydantic at every start, which more than doubles its time", fix, "typer"))
    return found


async def _machine(patient: Patient) -> Found:
    """Open files, the encoding of the output."""
    find = Finder("machine")
    found: Found = []
    nodes = len(patient.settings.nodes) if patient.settings is not None else 1
    if sys.platform != "win32":
        import resource

        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = 3 * nodes + 128
        if hard != resource.RLIM_INFINITY and hard < wanted:
            message = f"{hard} files may be open, and {nodes} nodes may take {wanted}"
            found.append(find.fail(message, "raise the limit: ulimit -Hn, or LimitNOFILE= of the systemd unit"))
        else:
            found.append(find.ok(f"{'any number of' if hard == resource.RLIM_INFINITY else hard} files may be open"))
    encoding = (sys.stdout.encoding or "").lower().replace("-", "") if sys.stdout is not None else ""
    if encoding != "utf8":
        found.append(
            find.warn(f"the output is encoded as {encoding or 'nothing'}", "set LANG or PYTHONIOENCODING to UTF-8")
        )
    else:
        found.append(find.ok("the output is encoded as UTF-8"))
    return found


async def _folders(_: Patient) -> Found:
    """Whether files can be kept where they belong."""
    import platformdirs

    find = Finder("folders")
    found: Found = []
    for what, path in (
        ("cache", Path(platformdirs.user_cache_path("revvlink"))),
        ("state", Path(platformdirs.user_state_path("revvlink"))),
    ):
        there = next(folder for folder in (path, *path.parents) if folder.exists())
        if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
            found.append(
                find.fail(f"{path} cannot be written to", f"give yourself the right to write to {there}", what)
            )
            continue
        free = shutil.disk_usage(there).free
        if free < ROOM:
            message = f"{free // 1024} KiB are free where {path} is"
            found.append(find.warn(message, "make room there", what))
        else:
            found.append(find.ok(f"{path} can be written to", what))
    return found


async def _configuration(patient: Patient) -> Found:
    """Whether there is one, and what is wrong with it."""
    find = Finder("configuration")
    if patient.mistakes is not None:
        hint = "see docs/configuration.md, or `revvlink config schema`"
        return [find.fail(str(problem), problem.hint or hint) for problem in patient.mistakes.problems]
    settings = patient.settings
    if settings is None:
        return find.skip("there is none")
    where = str(settings.source.path or "the environment")
    nodes = f"{len(settings.nodes)} node{'' if len(settings.nodes) == 1 else 's'}"
    found = [find.ok(f"{where}, {nodes}, found by {settings.source.kind}")]
    try:
        settings.resolve()
    except ConfigError as error:
        found += [find.fail(str(problem), problem.hint or "correct it") for problem in error.problems]
    try:
        settings.webhook()
    except ConfigError as error:
        found += [find.warn(str(problem), problem.hint or "correct it") for problem in error.problems]
    if not settings.source.trusted:
        fix = "look at it, then run `revvlink config trust`"
        found.append(find.warn(f"{where} is not trusted with anything outside it", fix))
    return found


async def _permissions(patient: Patient) -> Found:
    """Who else can read secrets, or change what is run with."""
    find = Finder("permissions")
    settings = patient.settings
    if settings is None or os.name != "posix":
        return find.skip("there is no configuration" if settings is None else "files have no such modes here")
    found: Found = []
    for path, (mask, secret) in _guarded(settings).items():
        if not path.exists() or str(path.resolve()).startswith(MOUNTED):
            continue
        mode = path.stat().st_mode & 0o777
        if mode & mask:
            what = f"others can read {secret}" if secret and mode & 0o004 else "others can change it"
            found.append(_tightened(find, path, mode & ~mask, what, fixes=patient.fixes))
    return found or [find.ok("only you can read secrets and change the configuration")]


def _guarded(settings: Settings) -> dict[Path, tuple[int, str]]:
    """Files and folders that others have no business with: bits of the mode that are too much, and what is in them."""
    found: dict[Path, tuple[int, str]] = {}
    if settings.source.path is not None:
        has_secrets = any(map(_keeps_secrets, settings.nodes)) or settings.discord.key == "webhook"
        has_secrets = has_secrets or settings.cache.url is not None
        found[settings.source.path] = (SECRET, "its secrets") if has_secrets else (0o022, "")
    for entry in settings.nodes:
        if "password_file" in entry.values:
            found[beside(settings.source, entry.values["password_file"])] = (SECRET, "the password")
    if settings.discord.key == "webhook_file":
        found[beside(settings.source, settings.discord.value)] = (SECRET, "the webhook")
    if user_path().parent.is_dir():
        found[user_path().parent] = (0o022, "")
    return found


def _tightened(find: Finder, path: Path, mode: int, what: str, *, fixes: bool) -> Diagnosis:
    """A file whose mode gives away too much, repaired where that is wanted."""
    fix = f"chmod {mode:o} {path}"
    if not fixes:
        return find.warn(what, f"{fix}, or run `revvlink doctor --fix`", str(path))
    try:
        path.chmod(mode)
    except OSError as error:
        return find.fail(f"{what}, and that cannot be repaired: {error.strerror}", fix, str(path))
    return Diagnosis(find.name, str(path), State.FIXED, f"{what} no more: its mode is {mode:o} now")


def _keeps_secrets(entry: NodeEntry) -> bool:
    return any(key in entry.values for key in ("password", "headers", "proxy"))


async def _cache(patient: Patient) -> Found:
    """Whether search results can be kept, and how."""
    from revvlink_cli.client.errors import StoreException
    from revvlink_cli.services.cache import opened

    find = Finder("cache")
    settings = patient.settings
    if settings is None:
        return find.skip("there is no configuration")
    try:
        cache = opened(settings)
    except StoreException as error:
        return [find.fail(error.message, error.hint or "see docs/cache.md")]
    except ValueError:  # whose words may hold a part of the password
        return [find.fail("cache.url is no address of a Redis server", "correct cache.url")]
    if cache is None:
        return [find.ok("search results are not kept between runs")]
    try:
        stats = await cache.store.stats()
        found = [find.ok(f"{settings.cache.backend}, {stats.entries} entries")]
        if stats.remark is not None:
            found.append(find.warn(stats.remark, "set maxmemory-policy to allkeys-lfu on the server"))
    except StoreException as error:
        return [find.fail(error.message, error.hint or "see docs/cache.md")]
    finally:
        await cache.store.close()
    return [*found, *(find.warn(warning, "see docs/cache.md") for warning in cache.warnings)]


async def _names(patient: Patient) -> Found:
    """Whether the hosts of the nodes can be resolved, and how fast."""
    find = Finder("names")
    settings = patient.settings
    if settings is None:
        return find.skip("there is no configuration")
    hosts = dict.fromkeys(urlsplit(entry.uri).hostname or "" for entry in settings.nodes)
    return list(await asyncio.gather(*(_name(find, host, patient.timeout) for host in hosts)))


async def _name(find: Finder, host: str, timeout: float) -> Diagnosis:
    begun = time.monotonic()
    fix = "check the host in uri, and this machine's DNS"
    try:
        async with asyncio.timeout(timeout):
            answers = await Resolver().resolve(host, 0)
    except TimeoutError:
        return find.fail(f"no name server answered within {timeout:g} s", fix, host)
    except OSError as error:
        return find.fail(f"cannot be resolved: {error}", fix, host)
    took = time.monotonic() - begun
    count = len({answer["host"] for answer in answers})
    told = f"{count} address{'' if count == 1 else 'es'} in {took * 1000:.0f} ms"
    if took > SLOW_NAME:
        return find.warn(told, "the name server is slow: look at this machine's DNS", host)
    return find.ok(told, host)


async def _proxies(patient: Patient) -> Found:
    """Proxies that are on the way, or seem to be."""
    find = Finder("proxies")
    settings = patient.settings
    if settings is None:
        return find.skip("there is no configuration")
    named = [name for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy")
             if patient.environment.get(name)]  # fmt: skip
    followers = [entry.identifier for entry in settings.nodes if entry.values.get("trust_env")]
    found: Found = []
    if named and followers:
        found.append(find.ok(f"{', '.join(named)} count for {', '.join(followers)}"))
    elif named:
        found.append(find.ok(f"{', '.join(named)} are set and do not count: no node has trust_env"))
    proxies = {entry.values["proxy"] for entry in settings.nodes if entry.values.get("proxy")}
    for proxy in sorted(proxies):
        parts = urlsplit(proxy)
        where = f"{parts.hostname}:{parts.port or 80}"
        try:
            async with asyncio.timeout(patient.timeout):
                _, writer = await asyncio.open_connection(parts.hostname, parts.port or 80)
                writer.close()
                await writer.wait_closed()
        except (OSError, TimeoutError):
            found.append(find.fail("does not take connections", "start the proxy, or correct proxy", where))
        else:
            found.append(find.ok("takes connections", where))
    return found or [find.ok("there are none")]


async def _nodes(patient: Patient) -> Found:
    """Each node stage by stage, as `check` does it, canaries apart."""
    find = Finder("nodes")
    seen = await patient.look()
    return _found_of(find, seen.report) if isinstance(seen, Seen) else find.skip(seen)


async def _clocks(patient: Patient) -> Found:
    """Whether this machine's clock and those of the nodes agree."""
    find = Finder("clocks")
    seen = await patient.look()
    return _clock(find, seen.ahead) if isinstance(seen, Seen) else find.skip(seen)


def _found_of(find: Finder, report: Report) -> Found:
    states = {Verdict.OK: State.OK, Verdict.WARNING: State.WARNING, Verdict.UNKNOWN: State.FAILED,
              Verdict.CRITICAL: State.FAILED}  # fmt: skip
    by_node: dict[str | None, list[Finding]] = {}
    for finding in report.findings:
        by_node.setdefault(finding.node, []).append(finding)
    found: Found = []
    for node, findings in by_node.items():
        bad = [finding for finding in findings if finding.verdict is not Verdict.OK]
        for finding in bad:
            fix = finding.hint or "look at the node's log"
            message = f"{finding.check}: {finding.message}"
            found.append(Diagnosis(find.name, node or "fleet", states[finding.verdict], message, fix))
        if not bad:
            passed = ", ".join(dict.fromkeys(finding.check for finding in findings))
            found.append(find.ok(passed, node or "fleet"))
    return found


async def _clock_of(node: Node, deadline: float) -> float | None:
    """By how many seconds a node's clock is ahead of this one; None when it does not tell, or not in time."""
    progress = Progress()
    try:
        async with asyncio.timeout_at(deadline):
            answer = await node.rest.request("GET", "/version", accept="*/*", progress=progress)
    except (RevvlinkException, TimeoutError):
        return None
    sent = time.time() - (time.monotonic() - (progress.began or time.monotonic()))
    arrived = time.time()
    try:
        told = parsedate_to_datetime(answer.headers.get("Date", "")).timestamp()
    except (ValueError, TypeError):
        return None
    # The date is cut to a second, somewhere between sending and arriving.
    return 0.0 if sent - 1 <= told <= arrived else told - (sent if told < sent else arrived)


def _clock(find: Finder, ahead: Mapping[str, float]) -> Found:
    if not ahead:
        return find.skip("no node tells the time")
    middle = statistics.median(ahead.values())
    fix = "let NTP set it: see `timedatectl`"
    if abs(middle) > SKEW and len(ahead) > 1:
        return [find.warn(f"this machine's clock differs from those of most nodes by {abs(middle):.0f} s", fix)]
    wrong = {name: by for name, by in ahead.items() if abs(by) > SKEW}
    if not wrong:
        return [find.ok(f"agrees with {len(ahead)} node{'' if len(ahead) == 1 else 's'} to within {SKEW:g} s")]
    return [
        find.warn(f"its clock and this machine's differ by {abs(by):.0f} s", fix, name) for name, by in wrong.items()
    ]


CHECKUPS: dict[str, Callable[[Patient], Awaitable[Found]]] = {
    "program": _program,
    "machine": _machine,
    "folders": _folders,
    "configuration": _configuration,
    "permissions": _permissions,
    "cache": _cache,
    "names": _names,
    "proxies": _proxies,
    "nodes": _nodes,
    "clocks": _clocks,
}
"""Name of the checkup -> what makes it, in the order in which they are made: those that take long come last."""


async def examine(patient: Patient, wanted: Sequence[str]) -> AsyncGenerator[Diagnosis, None]:
    """What each of these checkups finds, in their order; they are made at the same time, each within the time."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(_made(patient, name), name=f"checkup {name}") for name in wanted]
    finally:
        await patient.let_go()
    for task in tasks:
        for diagnosis in task.result():
            yield diagnosis


async def _made(patient: Patient, name: str) -> Found:
    """One checkup, whatever becomes of it."""
    try:
        async with asyncio.timeout(patient.timeout + CLOSING):
            return await CHECKUPS[name](patient)
    except TimeoutError:
        fix = "give it longer with --timeout"
        return [Diagnosis(name, None, State.FAILED, f"not done within {patient.timeout:g} s", fix)]
    except Exception as error:  # noqa: BLE001 - one checkup that is broken must not stop the others
        told = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        return [Diagnosis(name, None, State.CRASHED, told, "this is a defect of revvlink: report it")]


class Redactor:
    """Takes out of texts what tells where nodes are: hosts, addresses, the name of one's home."""

    _ADDRESS = re.compile(
        r"(?:[a-z][a-z0-9+.-]*:)?//[^\s,;)]+|\b\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?\b|\[[0-9A-Fa-f:.%]+\](?::\d+)?"
        r"|(?<![\w:])(?:(?:[0-9A-Fa-f]{1,4}:){4,7}[0-9A-Fa-f]{1,4}"
        r"|(?:[0-9A-Fa-f]{1,4}(?::[0-9A-Fa-f]{1,4})*)?::(?:[0-9A-Fa-f]{1,4}(?::[0-9A-Fa-f]{1,4})*)?)(?![\w:])"
    )

    def __init__(self, patient: Patient) -> None:
        self._names: dict[str, str] = {}
        entries = patient.settings.nodes if patient.settings is not None else ()
        hosts = [urlsplit(entry.uri).hostname or "" for entry in entries]
        hosts += [urlsplit(entry.values["proxy"]).hostname or "" for entry in entries if entry.values.get("proxy")]
        if patient.settings is not None and patient.settings.cache.url:
            hosts.append(urlsplit(patient.settings.cache.url).hostname or "")  # which the configuration has checked
        for host in hosts:
            if host and host not in self._names:
                self._names[host] = f"host-{len(self._names) + 1}"
        self._home = str(Path.home())

    def of(self, text: str | None) -> str | None:
        """The text without them."""
        if text is None:
            return None
        for host, name in sorted(self._names.items(), key=lambda item: -len(item[0])):
            # A name with a point is a place wherever it stands; one without may be any word.
            around = ("", "") if "." in host else (r"(?<![\w.-])", r"(?![\w-])")
            pattern = rf"{around[0]}{re.escape(host)}{around[1]}(?::\d+)?"
            text = re.sub(pattern, name, text, flags=re.IGNORECASE)
        text = self._ADDRESS.sub("(address)", text)
        return text.replace(self._home, "~") if len(self._home) > 1 else text

    def redacted(self, diagnosis: Diagnosis) -> Diagnosis:
        """A diagnosis without them."""
        return replace(
            diagnosis,
            subject=self.of(diagnosis.subject),
            message=self.of(diagnosis.message) or "",
            fix=self.of(diagnosis.fix),
        )
