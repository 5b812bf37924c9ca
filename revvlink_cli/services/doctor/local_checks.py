"""Checkups of this machine, its files and the configuration."""

from __future__ import annotations

import os
import re
import shutil
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from revvlink_cli._folders import user_cache_folder, user_state_folder
from revvlink_cli._version import __version__
from revvlink_cli.config.problems import ConfigError
from revvlink_cli.config.settings import beside
from revvlink_cli.config.source import user_path
from revvlink_cli.services.doctor.context import Diagnosis, DoctorContext, Finder, Found, State

if TYPE_CHECKING:
    from pathlib import Path

    from revvlink_cli.config.settings import NodeEntry, Settings

ROOM = 16 * 1024 * 1024
"""Bytes that should be free on the disk of the cache and state folders."""

SECRET = 0o027
"""Mode bits that no file with a secret should have. Group read is allowed: that is the operator's decision."""

MOUNTED = ("/run/secrets", "/var/run/secrets", "/run/credentials")
"""Folders where container engines and systemd mount secrets; they set the modes."""


async def program(_: DoctorContext) -> Found:
    """Versions of revvlink, of Python and of the libraries."""
    find = Finder("program")
    found = [find.ok(f"revvlink {__version__}, Python {sys.version.split()[0]}, {sys.platform}")]
    for package in ("typer", "rich", "aiohttp", "msgspec", "tomlkit", "tomli-w", "pyyaml", "platformdirs"):
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


async def machine(context: DoctorContext) -> Found:
    """The limit of open files, and the encoding of the output."""
    find = Finder("machine")
    found: Found = []
    nodes = len(context.settings.nodes) if context.settings is not None else 1
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
        fix = "set PYTHONUTF8 to 1" if sys.platform == "win32" else "set LANG or PYTHONIOENCODING to UTF-8"
        found.append(find.warn(f"the output is encoded as {encoding or 'nothing'}", fix))
    else:
        found.append(find.ok("the output is encoded as UTF-8"))
    return found


async def folders(_: DoctorContext) -> Found:
    """Whether the cache and state folders can be written to."""
    find = Finder("folders")
    found: Found = []
    for what, path in (
        ("cache", user_cache_folder()),
        ("state", user_state_folder()),
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
            found.append(find.warn(message, "free some disk space there", what))
        else:
            found.append(find.ok(f"{path} can be written to", what))
    return found


async def configuration(context: DoctorContext) -> Found:
    """Whether there is a configuration, and its mistakes."""
    find = Finder("configuration")
    if context.error is not None:
        hint = "see docs/configuration.md, or `revvlink config schema`"
        return [find.fail(str(problem), problem.hint or hint) for problem in context.error.problems]
    settings = context.settings
    if settings is None:
        return find.skip("there is none")
    where = str(settings.source.path or "the environment")
    nodes = f"{len(settings.nodes)} node{'' if len(settings.nodes) == 1 else 's'}"
    found = [find.ok(f"{where}, {nodes}, found by {settings.source.kind}")]
    try:
        settings.resolve(strict=True)
    except ConfigError as error:
        found += [find.fail(str(problem), problem.hint or "correct it") for problem in error.problems]
    try:
        settings.webhook()
    except ConfigError as error:
        found += [find.warn(str(problem), problem.hint or "correct it") for problem in error.problems]
    if settings.source.instead_of is not None:
        fix = "choose a file with --config or REVVLINK_CONFIG"
        found.append(find.warn(f"{where} is used in place of {settings.source.instead_of}", fix))
    if not settings.source.trusted:
        fix = "review it, then run `revvlink config trust`"
        found.append(find.warn(f"{where} is not trusted yet: it cannot read the environment or other files", fix))
    return found


async def silences(context: DoctorContext) -> Found:
    """Whether silences can be read, and whether each is for nodes that exist."""
    from revvlink_cli.config.silence_nodes import stale_silences

    find = Finder("silences")
    settings = context.whole
    if settings is None or settings.silences_file is None:
        return find.skip("there is no configuration" if settings is None else "the environment has no file for them")
    subject = str(settings.silences_file)
    try:
        stale = stale_silences(settings, time.time())
    except ConfigError as error:
        return [find.fail(each.without_file, each.hint or "correct it", subject) for each in error.problems]
    if stale:
        return [find.warn(each.without_file, each.hint or "see `revvlink silence list`", subject) for each in stale]
    is_there = settings.silences_file.exists()
    return [find.ok("each silence is for nodes that exist" if is_there else "there are none", subject)]


async def permissions(context: DoctorContext) -> Found:
    """Whether other users can read secrets or change the configuration."""
    find = Finder("permissions")
    settings = context.settings
    if settings is None or sys.platform == "win32":
        return find.skip("there is no configuration" if settings is None else "files have no such modes here")
    found: Found = []
    is_shared = False
    for path, (mask, secret) in _guarded(settings).items():
        if not path.exists() or str(path.resolve()).startswith(MOUNTED):
            continue
        mode = path.stat().st_mode & 0o777
        is_shared = is_shared or bool(secret and mode & 0o040)
        if mode & mask:
            what = f"others can read {secret}" if secret and mode & 0o004 else "others can change it"
            found.append(_tightened(find, path, mode & ~mask, what, fixes=context.fixes))
    if is_shared:
        message = "only you and the file's group can read secrets; only you can change the configuration"
    else:
        message = "only you can read secrets and change the configuration"
    return found or [find.ok(message)]


def _guarded(settings: Settings) -> dict[Path, tuple[int, str]]:
    """Files and folders to protect -> the mode bits that they must not have, and their secret."""
    found: dict[Path, tuple[int, str]] = {}
    if settings.source.path is not None:
        has_secrets = any(map(_keeps_secrets, settings.nodes)) or settings.discord.key == "webhook"
        has_secrets = has_secrets or settings.alert.holds_address
        has_secrets = has_secrets or settings.cache.url is not None
        found[settings.source.path] = (SECRET, "its secrets") if has_secrets else (0o022, "")
    for entry in settings.nodes:
        if "password_file" in entry.values:
            found[beside(settings.source, entry.values["password_file"])] = (SECRET, "the password")
    if settings.discord.key == "webhook_file":
        found[beside(settings.source, settings.discord.value)] = (SECRET, "the webhook")
    alert = settings.alert
    if alert.webhook_key == "webhook_file":
        found[beside(settings.source, alert.webhook)] = (SECRET, "the webhook")
    if alert.heartbeat_key == "heartbeat_file":
        found[beside(settings.source, alert.heartbeat)] = (SECRET, "the address of the heartbeat")
    for service in alert.apprise:
        if service.startswith("file:"):
            found[beside(settings.source, service.removeprefix("file:"))] = (SECRET, "the address of a service")
    if user_path().parent.is_dir():
        found[user_path().parent] = (0o022, "")
    return found


def _tightened(find: Finder, path: Path, mode: int, what: str, *, fixes: bool) -> Diagnosis:
    """The diagnosis of a file with too open a mode, repaired where `--fix` is given."""
    fix = f"chmod {mode:o} {path}"
    if not fixes:
        return find.warn(what, f"{fix}, or run `revvlink doctor --fix`", str(path))
    try:
        path.chmod(mode)
    except OSError as error:
        return find.fail(f"{what}, and the repair failed: {error.strerror}", fix, str(path))
    return Diagnosis(find.name, str(path), State.FIXED, f"repaired: {what}; its mode is {mode:o} now")


def _keeps_secrets(entry: NodeEntry) -> bool:
    return any(key in entry.values for key in ("password", "headers", "proxy"))


async def cache(context: DoctorContext) -> Found:
    """Whether the cache works."""
    from revvlink_cli.client.errors import StoreException
    from revvlink_cli.services.cache_handle import open_cache

    find = Finder("cache")
    settings = context.settings
    if settings is None:
        return find.skip("there is no configuration")
    try:
        cache = open_cache(settings)
    except StoreException as error:
        return [find.fail(error.message, error.hint or "see docs/cache.md")]
    except ValueError:  # its message may hold a part of the password
        return [find.fail("cache.url is not an address of a Redis server", "correct cache.url")]
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
