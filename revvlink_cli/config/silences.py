"""The file of the silences: one beside each configuration, or the one that ``[silences] file`` names.

All who read the configuration read this file too: a person, cron as another user, the exporter. A file that cannot be
read silences nothing.
"""

from __future__ import annotations

import contextlib
import json
import os
import stat
import sys
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from revvlink_cli.config.files import MAX_SIZE, write_atomically
from revvlink_cli.config.locking import changing_shared
from revvlink_cli.config.problems import ConfigError, Problem
from revvlink_cli.health.silences import Silence, SilenceState, silenced_nodes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from revvlink_cli.health.silences import Silenceable

VERSION = 1
"""Version of the format of the file."""

MOST = 200
"""Silences that may be active at the same time."""

MOST_EXPIRED = 50
"""Expired silences that the file keeps, the newest."""

LONGEST_REASON = 200
"""Characters of a reason."""

LONGEST = 366 * 86_400.0
"""Seconds of the longest silence."""

LONGEST_SELECTOR = 200
"""Characters of a name, a tag or a region."""

MOST_SELECTORS = 1_000
"""Names, and tags, of one silence."""

_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"
"""Characters of ids, without those that look alike."""

_KEYS = frozenset({"id", "nodes", "tags", "region", "all", "reason", "created_by", "created_at", "until"})


def read_silences(path: Path) -> tuple[Silence, ...]:
    """Read all silences of a file, in the order in which they were made. A missing or empty file has none.

    Raises:
        ConfigError: The file cannot be read, is damaged, or was written by a newer version. One problem says why.
    """
    try:
        # Opening a pipe must not wait.
        with open(path, "rb", opener=lambda name, flags: os.open(name, flags | getattr(os, "O_NONBLOCK", 0))) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise _problem(path, "it is not a file")
            data = file.read(MAX_SIZE + 1)
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise _unreadable(path, error) from None
    if len(data) > MAX_SIZE:
        raise _problem(path, f"it is larger than {MAX_SIZE} bytes")
    if not data.strip():  # made by hand, so that it has the mode that the other user needs
        return ()
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        raise _problem(path, "it is damaged: not JSON") from None
    version = document.get("revvlink_silences") if isinstance(document, dict) else None
    if isinstance(version, int) and version > VERSION:
        hint = "update revvlink on this machine"
        raise _problem(path, f"it has format {version}, and this revvlink reads format {VERSION}", hint)
    if version is True or version != VERSION or document.keys() != {"revvlink_silences", "silences"}:
        raise _problem(path, "it is damaged: not a file of silences")
    entries = document["silences"]
    if not isinstance(entries, list):
        raise _problem(path, "it is damaged: silences is not a list")
    found: list[Silence] = []
    for number, entry in enumerate(entries, 1):
        try:
            found.append(_read(entry))
        except (ValueError, OverflowError) as error:
            raise _problem(path, f"it is damaged: silence {number} {error}") from None
    if len({silence.id for silence in found}) < len(found):
        raise _problem(path, "it is damaged: two silences have one id")
    return tuple(found)


def _unreadable(path: Path, error: OSError) -> ConfigError:
    hint = "let this user read the file and its folder" if isinstance(error, PermissionError) else ""
    return _problem(path, f"it cannot be read: {error.strerror or error}", hint)


def _problem(path: Path, message: str, hint: str = "") -> ConfigError:
    hint = hint or "correct the file, or start a new one with `revvlink silence remove --all`"
    return ConfigError([Problem(f"no silence applies: {message}", path, hint=hint)])


def _read(entry: Any) -> Silence:
    """Read a silence. Every deviation is refused: an unknown key may be a selector that limits it.

    Raises:
        ValueError: It is none.
    """
    if not isinstance(entry, dict) or entry.keys() != _KEYS:
        raise ValueError("has wrong keys")
    texts = ("id", "reason", "created_by")
    if not all(isinstance(entry[name], str) and entry[name] for name in texts):
        raise ValueError("has no id, reason or author")
    for name in ("nodes", "tags"):
        if not isinstance(entry[name], list) or not all(isinstance(item, str) and item for item in entry[name]):
            raise ValueError(f"has a wrong list of {name}")
    if entry["region"] is not None and not (isinstance(entry["region"], str) and entry["region"]):
        raise ValueError("has a wrong region")
    has_selector = bool(entry["nodes"] or entry["tags"] or entry["region"] is not None)
    if not isinstance(entry["all"], bool) or entry["all"] == has_selector:
        raise ValueError("has no selector, or contradicts itself")
    silence = Silence(
        id=entry["id"],
        nodes=tuple(entry["nodes"]),
        tags=tuple(entry["tags"]),
        region=entry["region"],
        is_for_all=entry["all"],
        reason=clean_line(entry["reason"])[:LONGEST_REASON],
        created_by=clean_line(entry["created_by"])[:LONGEST_REASON],
        created_at=_read_time(entry["created_at"]),
        until=_read_time(entry["until"]),
    )
    if silence.until - silence.created_at > LONGEST + 1:
        raise ValueError("lasts longer than a year")
    return silence


def _read_time(value: Any) -> float:
    if not isinstance(value, str):
        raise ValueError("has a wrong time")
    try:
        at = datetime.fromisoformat(value)
        if at.tzinfo is not None:
            at = at.astimezone(UTC)  # not every time at the ends of the calendar is one in UTC
    except (ValueError, OverflowError):
        raise ValueError("has a wrong time") from None
    if at.tzinfo is None:
        raise ValueError("has a time without a zone")
    return at.timestamp()


def clean_line(text: str) -> str:
    """A text on one line: what is not printable becomes a space, and several spaces become one."""
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())


def iso_time(at: float) -> str:
    """Seconds since the epoch as ISO 8601 in UTC."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")


def _written(silence: Silence) -> dict[str, Any]:
    return {
        "id": silence.id,
        "nodes": list(silence.nodes),
        "tags": list(silence.tags),
        "region": silence.region,
        "all": silence.is_for_all,
        "reason": silence.reason,
        "created_by": silence.created_by,
        "created_at": iso_time(silence.created_at),
        "until": iso_time(silence.until),
    }


def add_silence(path: Path, silence: Silence, *, configuration: Path, now: float) -> Silence:
    """Add a silence to a file, which is made if there is none; expired silences beyond `MOST_EXPIRED` are dropped.

    Args:
        path: The file.
        silence: The silence; it gets an id.
        configuration: The configuration file. A new file has its owner and mode, so that the same users read both.
        now: Seconds since the epoch.

    Returns:
        The silence with its id.

    Raises:
        ConfigError: The file is damaged or cannot be written, or has too many active silences. It is unchanged.
    """
    with changing_shared(path):
        known = read_silences(path)
        _refuse_unreadable(path, silence)
        if sum(each.state_at(now) is not SilenceState.EXPIRED for each in known) >= MOST:
            hint = "remove some with `revvlink silence remove`; a pattern or a tag silences many nodes at once"
            raise ConfigError([Problem(f"there are {MOST} active silences already", path, hint=hint)])
        taken = {each.id for each in known}
        while not silence.id or silence.id in taken:
            silence = replace(silence, id="".join(_LETTERS[byte % len(_LETTERS)] for byte in os.urandom(5)))
        try:
            _read(_written(silence))
        except (ValueError, OverflowError) as error:
            raise ConfigError([Problem(f"this silence cannot be kept: it {error}", path)]) from None
        _write(path, (*known, silence), configuration, now)
    return silence


def _refuse_unreadable(path: Path, silence: Silence) -> None:
    """Refuse selectors that are too many or too long.

    Raises:
        ConfigError: They are.
    """
    hint = "a pattern, a tag or --all silences many nodes at once"
    if max(len(silence.nodes), len(silence.tags)) > MOST_SELECTORS:
        raise ConfigError([Problem(f"a silence has at most {MOST_SELECTORS} names, and tags", path, hint=hint)])
    if any(len(text) > LONGEST_SELECTOR for text in (*silence.nodes, *silence.tags, silence.region or "")):
        message = f"a name, a tag or a region has at most {LONGEST_SELECTOR} characters"
        raise ConfigError([Problem(message, path, hint=hint)])


def remove_silences(
    path: Path, choose: Callable[[Sequence[Silence]], Iterable[Silence]], *, configuration: Path, now: float
) -> tuple[Silence, ...]:
    """Remove silences from a file.

    Args:
        path: The file.
        choose: Selects from all silences those to remove. What it raises leaves the file unchanged.
        configuration: The configuration file.
        now: Seconds since the epoch.

    Raises:
        ConfigError: The file is damaged or cannot be written.
    """
    gone: list[Silence] = []

    def without(known: Sequence[Silence]) -> list[Silence]:
        gone.extend(choose(known))
        return [silence for silence in known if silence not in gone]

    rewrite_silences(path, without, configuration=configuration, now=now)
    return tuple(gone)


def rewrite_silences(
    path: Path, plan: Callable[[Sequence[Silence]], Sequence[Silence]], *, configuration: Path, now: float
) -> None:
    """Replace the silences of a file.

    Args:
        path: The file.
        plan: Makes the new silences from the old ones. What it raises leaves the file unchanged.
        configuration: The configuration file.
        now: Seconds since the epoch.

    Raises:
        ConfigError: The file is damaged or cannot be written.
    """
    with changing_shared(path):
        known = read_silences(path)
        wanted = tuple(plan(known))
        if wanted != known:
            _write(path, wanted, configuration, now)


def clear_silences(path: Path, *, configuration: Path) -> int | None:
    """Remove all silences, also from a damaged file.

    Returns:
        How many there were; None where the file was damaged.

    Raises:
        ConfigError: The file cannot be written.
    """
    with changing_shared(path):
        try:
            count = len(read_silences(path))
        except ConfigError:
            count = None
        try:
            path.stat()
        except FileNotFoundError:
            return count
        except OSError as error:
            raise _unreadable(path, error) from None
        _write(path, (), configuration, 0.0)
    return count


def _write(path: Path, silences: Iterable[Silence], configuration: Path, now: float) -> None:
    kept = list(silences)
    expired = sorted((each for each in kept if each.state_at(now) is SilenceState.EXPIRED), key=lambda each: each.until)
    dropped = {each.id for each in expired[:-MOST_EXPIRED]}
    entries = [_written(each) for each in kept if each.id not in dropped]
    text = json.dumps({"revvlink_silences": VERSION, "silences": entries}, indent=2, ensure_ascii=False) + "\n"
    if len(text.encode("utf-8", "backslashreplace")) > MAX_SIZE:
        hint = "remove some with `revvlink silence remove`; a pattern or a tag silences many nodes at once"
        raise ConfigError([Problem(f"would be larger than {MAX_SIZE} bytes, and could not be read", path, hint=hint)])
    mode, owner, is_new = 0o600, None, not path.exists()
    with contextlib.suppress(OSError):
        about = configuration.stat()
        mode, owner = stat.S_IMODE(about.st_mode) & 0o666, (about.st_uid, about.st_gid)
    try:
        write_atomically(path, text, mode=mode, keeps_mode=True)
    except ConfigError as error:
        problem = error.problems[0]
        if os.access(path.resolve().parent, os.W_OK):
            raise
        hint = "run it as a user who can write there, with sudo for example"
        raise ConfigError([problem._replace(hint=hint)]) from None
    if is_new and owner is not None:
        _give(path, owner)


def _give(path: Path, owner: tuple[int, int]) -> None:
    """Give a new file the owner and the group of the configuration, as far as this user may."""
    if sys.platform == "win32":
        return
    now = path.stat()
    for user, group in ((owner[0], -1), (-1, owner[1])):
        if user not in (-1, now.st_uid) or group not in (-1, now.st_gid):
            with contextlib.suppress(OSError):
                os.chown(path, user, group)


@dataclass(frozen=True, slots=True)
class SilenceFile:
    """The silences of a configuration, read again whenever they are asked for.

    Attributes:
        path: The file; None for a configuration in the environment, which has no silences.
    """

    path: Path | None

    def silenced(
        self, nodes: Iterable[Silenceable], now: float | None = None
    ) -> tuple[dict[str, Silence], tuple[str, ...]]:
        """The nodes that are silenced, each with its silence, and warnings.

        It never raises: a file that cannot be read silences nothing, and the warning says why.

        Args:
            nodes: The nodes.
            now: Seconds since the epoch; None for the current time.
        """
        if self.path is None:
            return {}, ()
        try:
            silences = read_silences(self.path)
        except ConfigError as error:
            return {}, tuple(f"{problem} ({problem.hint})" for problem in error.problems)
        return silenced_nodes(nodes, silences, time.time() if now is None else now), ()


class SilenceWatch:
    """The silences of a configuration for a program that runs on: it complains once about a file it cannot read."""

    def __init__(self, path: Path | None, complain: Callable[[str], object]) -> None:
        self._file = SilenceFile(path)
        self._complain = complain
        self._known: tuple[str, ...] = ()

    def silenced(self, nodes: Iterable[Silenceable]) -> dict[str, Silence]:
        """The nodes that are silenced now, each with its silence."""
        found, warnings = self._file.silenced(nodes)
        if warnings != self._known:
            self._known = warnings
            for warning in warnings:
                self._complain(warning)
        return found
