"""What nodes send, decoded: wire structures (msgspec) and the plain records made of them.

Servers, versions and proxies differ, so every field has a neutral default, unknown fields are let through, and one
field of a wrong type costs that field alone (`decode` names it) instead of the whole message.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar, get_args

import msgspec

T = TypeVar("T", bound=msgspec.Struct)


class WireVersion(msgspec.Struct, frozen=True, rename="camel"):
    """``version`` of ``/v4/info``. Development builds have semver ``<commit>-SNAPSHOT`` and 0.0.0."""

    semver: str = ""
    major: int = 0
    minor: int = 0
    patch: int = 0


class WireGit(msgspec.Struct, frozen=True, rename="camel"):
    """``git`` of ``/v4/info``; `commit_time` in milliseconds since 1970."""

    branch: str = ""
    commit: str = ""
    commit_time: int | None = None


class WirePlugin(msgspec.Struct, frozen=True):
    """One of ``plugins`` of ``/v4/info``."""

    name: str = ""
    version: str = ""


class WireInfo(msgspec.Struct, frozen=True, rename="camel"):
    """``GET /v4/info``: of Lavalink (`jvm`, `lavaplayer`) or NodeLink (`is_nodelink`, `node`)."""

    version: WireVersion | None = None
    build_time: int | None = None
    git: WireGit | None = None
    jvm: str | None = None
    lavaplayer: str | None = None
    source_managers: list[str] | None = None
    filters: list[str] | None = None
    plugins: list[WirePlugin] | None = None
    is_nodelink: bool = False
    node: str | None = None


class WireMemory(msgspec.Struct, frozen=True):
    """``memory`` of the statistics, in bytes."""

    free: int | None = None
    used: int | None = None
    allocated: int | None = None
    reservable: int | None = None


class WireCpu(msgspec.Struct, frozen=True, rename="camel"):
    """``cpu`` of the statistics. Lavalink's loads are 0..1; NodeLink's `system_load` is a load average."""

    cores: int | None = None
    system_load: float | None = None
    lavalink_load: float | None = None
    nodelink_load: float | None = None


class WireFrames(msgspec.Struct, frozen=True):
    """``frameStats``: Lavalink, averages per player and minute; NodeLink, totals since the server's start."""

    sent: int = 0
    nulled: int = 0
    deficit: int = 0
    expected: int | None = None


class WireStats(msgspec.Struct, frozen=True, rename="camel"):
    """The ``stats`` message, and ``GET /v4/stats``."""

    players: int | None = None
    playing_players: int | None = None
    uptime: int | None = None
    memory: WireMemory | None = None
    cpu: WireCpu | None = None
    frame_stats: WireFrames | None = None


class WireMessage(msgspec.Struct, frozen=True):
    """What every websocket message has: an ``op``, and on events a ``type``."""

    op: str = ""
    type: str = ""


class WireReady(msgspec.Struct, frozen=True, rename="camel"):
    """The ``ready`` message."""

    session_id: str = ""
    resumed: bool = False


class WireException(msgspec.Struct, frozen=True, rename="camel"):
    """Why a load failed. Since Lavalink 4.2 the real reason stands only in `cause_stack_trace`."""

    message: str | None = None
    severity: str | None = None
    cause: str | None = None
    cause_stack_trace: str | None = None


class WireError(msgspec.Struct, frozen=True):
    """A server's error answer; any field may be missing behind a proxy."""

    error: str = ""
    message: str | None = None
    path: str = ""


class WireSession(msgspec.Struct, frozen=True):
    """``PATCH /v4/sessions/{id}``: `timeout` in seconds."""

    resuming: bool = False
    timeout: int | None = None


@dataclass(frozen=True, slots=True)
class Plugin:
    """A plugin a node has loaded."""

    name: str
    version: str


@dataclass(frozen=True, slots=True)
class NodeInfo:
    """What a node is, the same for every kind of server.

    Attributes:
        version: As the server writes it: ``4.2.2``, or ``<commit>-SNAPSHOT`` for a development build; "" if untold.
        build_time: Milliseconds since 1970, or None.
        branch: Git branch it was built from.
        commit: Git commit it was built from.
        runtime: The JVM's or Node.js' version, or None.
        lavaplayer: Version of lavaplayer, None on NodeLink.
        sources: Source managers that are on; None when the node did not say.
        filters: Filters that are on; None when the node did not say.
        plugins: Plugins loaded.
    """

    version: str
    build_time: int | None
    branch: str
    commit: str
    runtime: str | None
    lavaplayer: str | None
    sources: tuple[str, ...] | None
    filters: tuple[str, ...] | None
    plugins: tuple[Plugin, ...]


@dataclass(frozen=True, slots=True)
class Frames:
    """Audio frames per playing player in the last minute; 3000 is what a minute needs.

    Attributes:
        sent: Frames sent.
        nulled: Frames sent empty because the track had none ready.
        deficit: Frames missing altogether, never below 0.
    """

    sent: float
    nulled: float
    deficit: float


@dataclass(frozen=True, slots=True)
class NodeStats:
    """How a node is doing, the same for every kind of server. None means that the node did not say.

    Attributes:
        players: Players of connected sessions, all bots together.
        playing: Those of them that play.
        uptime_ms: Milliseconds since the server's start.
        memory_free: Bytes. On NodeLink this is the host's, on Lavalink the heap's.
        memory_used: Bytes of heap.
        memory_allocated: Bytes of heap.
        memory_reservable: Bytes the heap may grow to; on NodeLink the host's memory.
        cores: Processor cores.
        system_load: Load of the machine, 0..1; None also while the server has no baseline to measure from.
        server_load: Load caused by the server itself, 0..1; None as with `system_load`.
        frames: None unless this session's own players have played for a minute (or, on NodeLink, a first difference
            could be taken).
        has_cpu_baseline: False when the server said exactly 0 and 0: it has not measured yet, it is not idle.
    """

    players: int | None
    playing: int | None
    uptime_ms: int | None
    memory_free: int | None
    memory_used: int | None
    memory_allocated: int | None
    memory_reservable: int | None
    cores: int | None
    system_load: float | None
    server_load: float | None
    frames: Frames | None
    has_cpu_baseline: bool


@dataclass(frozen=True, slots=True)
class RoutePlanner:
    """``GET /v4/routeplanner/status``.

    Attributes:
        kind: Class of the planner (``RotatingIpRoutePlanner`` ...), or None when the node has none.
        details: The planner's own figures as sent, numbers as text.
    """

    kind: str | None
    details: dict[str, Any]


class UndecodableError(ValueError):
    """A message or body that is not the JSON it should be."""


def decode_json(data: bytes | str) -> Any:
    """JSON as plain Python values.

    Raises:
        UndecodableError: Not JSON, not UTF-8, or nested too deep.
    """
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeError) as error:
        raise UndecodableError(f"not JSON: {error}") from None
    except RecursionError:
        raise UndecodableError("JSON nested too deep") from None


def decode(data: bytes | str, kind: type[T]) -> tuple[T, tuple[str, ...]]:
    """Decode a JSON object into `kind`.

    Returns:
        The structure, and the paths (``cpu.cores``) of fields that had a wrong type and were left at their default.

    Raises:
        UndecodableError: Not JSON, or no object.
    """
    try:
        return msgspec.json.decode(data, type=kind), ()
    except (msgspec.ValidationError, RecursionError):
        raw = decode_json(data)
    except (msgspec.DecodeError, UnicodeError) as error:
        raise UndecodableError(f"not JSON: {error}") from None
    return convert(raw, kind)


def convert(raw: Any, kind: type[T]) -> tuple[T, tuple[str, ...]]:
    """As `decode`, from plain Python values."""
    if not isinstance(raw, dict):
        raise UndecodableError(f"a JSON {_name_of(raw)} where an object belongs")
    odd: list[str] = []
    return _convert_fields(raw, kind, "", odd), tuple(odd)


def _convert_fields(raw: dict[str, Any], kind: type[T], path: str, odd: list[str]) -> T:
    values: dict[str, Any] = {}
    for field in msgspec.structs.fields(kind):
        if field.encode_name not in raw:
            continue
        value = raw[field.encode_name]
        where = f"{path}{field.encode_name}"
        try:
            values[field.name] = msgspec.convert(value, field.type)
        except (msgspec.ValidationError, RecursionError):
            inner = _struct_in(field.type)
            if inner is not None and isinstance(value, dict):
                values[field.name] = _convert_fields(value, inner, f"{where}.", odd)
            else:
                odd.append(where)
    return kind(**values)


def _struct_in(annotation: Any) -> type[msgspec.Struct] | None:
    """The structure in ``Struct`` or ``Struct | None``."""
    for option in (annotation, *get_args(annotation)):
        if isinstance(option, type) and issubclass(option, msgspec.Struct):
            return option
    return None


def _name_of(raw: Any) -> str:
    return {list: "array", str: "text", bool: "boolean", type(None): "null"}.get(type(raw), "number")
