"""Decodes the messages of nodes: wire structures (msgspec), and the plain records made of them.

Servers, versions and proxies differ. So every field has a neutral default, unknown fields are stored separately, and a
field of a wrong type is left out alone (`decode` names it). The structures forbid unknown fields for speed: the common
message has none and is decoded in one pass.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, Generic, NamedTuple, TypeVar, get_args, get_origin

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping

T = TypeVar("T", bound=msgspec.Struct)
S = TypeVar("S")

Long = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
"""An integer of at most 64 bits: a larger one is not a value of any server."""

MAX_NESTING = 200
"""Levels of nested JSON that are accepted. The limit of decoders differs between versions of Python."""

NOTHING: Mapping[str, Any] = MappingProxyType({})


class WireVersion(msgspec.Struct, forbid_unknown_fields=True, frozen=True, rename="camel"):
    """``version`` of ``/v4/info``. Development builds have semver ``<commit>-SNAPSHOT`` and 0.0.0."""

    semver: str = ""
    major: Long = 0
    minor: Long = 0
    patch: Long = 0
    pre_release: str | None = None


class WireGit(msgspec.Struct, forbid_unknown_fields=True, frozen=True, rename="camel"):
    """``git`` of ``/v4/info``; `commit_time` in milliseconds since 1970."""

    branch: str = ""
    commit: str = ""
    commit_time: Long | None = None


class WirePlugin(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """One of ``plugins`` of ``/v4/info``."""

    name: str = ""
    version: str = ""


class WireInfo(msgspec.Struct, forbid_unknown_fields=True, frozen=True, rename="camel"):
    """``GET /v4/info``: of Lavalink (`jvm`, `lavaplayer`) or NodeLink (`is_nodelink`, `node`)."""

    version: WireVersion | None = None
    build_time: Long | None = None
    git: WireGit | None = None
    jvm: str | None = None
    lavaplayer: str | None = None
    source_managers: list[str] | None = None
    filters: list[str] | None = None
    plugins: list[WirePlugin] | None = None
    is_nodelink: bool = False
    node: str | None = None


class WireMemory(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """``memory`` of the statistics, in bytes."""

    free: Long | None = None
    used: Long | None = None
    allocated: Long | None = None
    reservable: Long | None = None


class WireCpu(msgspec.Struct, forbid_unknown_fields=True, frozen=True, rename="camel"):
    """``cpu`` of the statistics. Lavalink's loads are 0..1; NodeLink's `system_load` is a load average."""

    cores: Long | None = None
    system_load: float | None = None
    lavalink_load: float | None = None
    nodelink_load: float | None = None


class WireFrames(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """``frameStats``: Lavalink, averages per player and minute; NodeLink, totals since the server's start."""

    sent: Long | None = None
    nulled: Long | None = None
    deficit: Long | None = None
    expected: Long | None = None


class WireStats(msgspec.Struct, forbid_unknown_fields=True, frozen=True, rename="camel"):
    """The ``stats`` message, and ``GET /v4/stats``, which is the same without its ``op``."""

    op: str = ""
    players: Long | None = None
    playing_players: Long | None = None
    uptime: Long | None = None
    memory: WireMemory | None = None
    cpu: WireCpu | None = None
    frame_stats: WireFrames | None = None


class WireMessage(msgspec.Struct, frozen=True):
    """What every websocket message has: an ``op``, and on events a ``type``."""

    op: str = ""
    type: str = ""


class WireReady(msgspec.Struct, forbid_unknown_fields=True, frozen=True, rename="camel"):
    """The ``ready`` message."""

    op: str = ""
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


class WireTrackInfo(msgspec.Struct, forbid_unknown_fields=True, frozen=True, rename="camel", gc=False):
    """``info`` of a track."""

    identifier: str = ""
    is_seekable: bool = False
    author: str = ""
    length: int = -1
    is_stream: bool = False
    position: int = 0
    title: str = ""
    uri: str | None = None
    source_name: str = ""
    artwork_url: str | None = None
    isrc: str | None = None


class WireTrack(msgspec.Struct, forbid_unknown_fields=True, frozen=True, rename="camel", gc=False):
    """A track as nearly all servers send it: one with any other field or type is read from its plain values."""

    encoded: Annotated[str, msgspec.Meta(min_length=1)]
    info: WireTrackInfo
    plugin_info: dict[str, Any] = msgspec.field(default_factory=dict)
    user_data: dict[str, Any] = msgspec.field(default_factory=dict)


class WireSession(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """``PATCH /v4/sessions/{id}``: `timeout` in seconds."""

    resuming: bool = False
    timeout: Long | None = None


@dataclass(frozen=True, slots=True)
class Plugin:
    """A plugin a node has loaded."""

    name: str
    version: str


@dataclass(frozen=True, slots=True)
class NodeInfo:
    """The description of a node, in one form for every kind of server.

    Attributes:
        version: As the server writes it: ``4.2.2``, or ``<commit>-SNAPSHOT`` for a development build; "" if unknown.
        build_time: Milliseconds since 1970, or None.
        branch: Git branch it was built from.
        commit: Git commit it was built from.
        commit_time: When that commit was made, in milliseconds since 1970; None if unknown.
        runtime: The JVM's or Node.js' version, or None.
        lavaplayer: Version of lavaplayer, None on NodeLink.
        sources: Source managers that are on; None when the node did not say.
        filters: Filters that are on; None when the node did not say.
        plugins: Plugins loaded.
        extra: Other fields of the answer, as sent, by path (``voice``, ``git.tag``).
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
    extra: Mapping[str, Any] = field(default_factory=lambda: NOTHING, hash=False)
    commit_time: int | None = None


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
    """The statistics of a node, in one form for every kind of server. None means that the node did not send it.

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
        extra: Other fields of the answer, as sent, by path (``detailedStats``).
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
    extra: Mapping[str, Any] = field(default_factory=lambda: NOTHING, hash=False)


class UndecodableError(ValueError):
    """A message or body is not valid JSON of the expected form."""


class Decoded(NamedTuple, Generic[T]):
    """A JSON object, decoded.

    Attributes:
        value: The structure.
        odd: Paths (``cpu.cores``) of fields of a wrong type, which were left at their default.
        extra: Fields that the structure lacks, as sent, by path.
    """

    value: T
    odd: tuple[str, ...] = ()
    extra: Mapping[str, Any] = NOTHING


def decode_json(data: bytes | str) -> Any:
    """JSON as plain Python values.

    Raises:
        UndecodableError: Not JSON, not UTF-8, nested too deep, or with a number or text no server should send.
    """
    try:
        value = msgspec.json.decode(data)
    except RecursionError:
        raise UndecodableError("JSON nested too deep") from None
    except (msgspec.DecodeError, UnicodeError) as error:
        raise UndecodableError(_fault(error, data)) from None
    if may_be_deep(data) and _is_deeper(value, MAX_NESTING):
        raise UndecodableError("JSON nested too deep")
    return value


def may_be_deep(data: bytes | str) -> bool:
    """Whether JSON has enough lists and objects to be nested too deep."""
    opened = data.count("[") + data.count("{") if isinstance(data, str) else data.count(b"[") + data.count(b"{")
    return opened > MAX_NESTING


def split_object(data: bytes | msgspec.Raw) -> dict[str, msgspec.Raw] | None:
    """The values of a JSON object, which are not decoded yet; None for JSON of another kind.

    Raises:
        UndecodableError: As with `decode_json`.
    """
    return _split(data, dict[str, msgspec.Raw])


def split_array(data: bytes | msgspec.Raw) -> list[msgspec.Raw] | None:
    """The items of a JSON array; as with `split_object`."""
    return _split(data, list[msgspec.Raw])


def _split(data: bytes | msgspec.Raw, kind: type[S]) -> S | None:
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        decode_json(bytes(data))  # raises the right exception if it is not JSON
        return None


def _is_deeper(value: Any, levels: int) -> bool:
    """Whether lists and objects lie in each other deeper than so many levels."""
    here = [value]
    for _ in range(levels):
        here = [
            inner
            for outer in here
            if isinstance(outer, (dict, list))
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, (dict, list))
        ]
        if not here:
            return False
    return True


def decode(data: bytes | str, kind: type[T]) -> Decoded[T]:
    """Decode a JSON object into `kind`; a wrong or unknown field does not affect the others.

    Raises:
        UndecodableError: As with `decode_json`, or no object.
    """
    try:
        return Decoded(msgspec.json.decode(data, type=kind))
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return convert(decode_json(data), kind)


def convert(raw: Any, kind: type[T]) -> Decoded[T]:
    """As `decode`, from plain Python values."""
    if not isinstance(raw, dict):
        raise UndecodableError(f"a JSON {_name_of(raw)} where an object belongs")
    odd: list[str] = []
    extra: dict[str, Any] = {}
    value = _convert_fields(raw, kind, "", odd, extra)
    return Decoded(value, tuple(odd), MappingProxyType(extra))


def _convert_fields(raw: dict[str, Any], kind: type[T], path: str, odd: list[str], extra: dict[str, Any]) -> T:
    known = {entry.encode_name: entry for entry in msgspec.structs.fields(kind)}
    values: dict[str, Any] = {}
    for key, value in raw.items():
        where = f"{path}{key}"
        entry = known.get(key)
        if entry is None:
            if not kind.__struct_config__.forbid_unknown_fields:
                continue
            extra[where] = value
            continue
        try:
            values[entry.name] = msgspec.convert(value, entry.type)
        except (msgspec.ValidationError, RecursionError):
            inner, is_list = _struct_in(entry.type)
            if is_list and isinstance(value, list):
                values[entry.name] = _convert_items(value, inner, f"{where}[]", odd, extra)
            elif inner is not None and not is_list and isinstance(value, dict):
                values[entry.name] = _convert_fields(value, inner, f"{where}.", odd, extra)
            else:
                odd.append(where)
    return kind(**values)


def _convert_items(
    raw: list[Any], kind: type[msgspec.Struct] | None, path: str, odd: list[str], extra: dict[str, Any]
) -> list[Any]:
    """Convert the items of the right type; the path of the others is added to `odd` once."""
    items: list[Any] = []
    for value in raw:
        if kind is not None and isinstance(value, dict):
            items.append(_convert_fields(value, kind, f"{path}.", odd, extra))
        elif kind is None and isinstance(value, str):
            items.append(value)
        elif path not in odd:
            odd.append(path)
    return items


def _struct_in(annotation: Any) -> tuple[type[msgspec.Struct] | None, bool]:
    """The structure in ``Struct``, ``Struct | None`` or ``list[Struct] | None``, and whether it is a list."""
    for option in (annotation, *get_args(annotation)):
        if get_origin(option) is list:
            return _struct_in(get_args(option)[0])[0], True
        if isinstance(option, type) and issubclass(option, msgspec.Struct):
            return option, False
    return None, False


def _fault(error: Exception, data: bytes | str) -> str:
    """Explain why JSON cannot be decoded; the decoder's own message would mislead."""
    raw = data.encode("utf-8", "surrogatepass") if isinstance(data, str) else data
    if not raw.strip():
        return "empty"
    if not _is_utf8(raw):  # msgspec before 0.23 raises a UnicodeDecodeError, later versions their own error
        return "not UTF-8"
    if _lone_surrogate(raw):
        return "JSON with half a character (a lone surrogate)"
    if isinstance(error, msgspec.ValidationError):
        return "JSON with a number out of range"
    return f"not JSON: {error}"


def _is_utf8(raw: bytes) -> bool:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True


_ESCAPES = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\(u[dD][89a-fA-F][0-9a-fA-F]{2})|\\.", re.DOTALL
)
"""Escapes in JSON: whole pairs of surrogates, half ones (the group), and everything else."""


def _lone_surrogate(raw: bytes) -> bool:
    return any(match[1] for match in _ESCAPES.finditer(raw))


def _name_of(raw: Any) -> str:
    return {list: "array", str: "text", bool: "boolean", type(None): "null"}.get(type(raw), "number")
