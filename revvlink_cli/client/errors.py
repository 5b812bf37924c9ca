"""Every error the client raises.

::

    RevvlinkException               anything that goes wrong in this library
    ├── NodeException               a node cannot be reached, or its answer makes no sense
    ├── AuthorizationFailedException    a node refused the password
    ├── InvalidNodeException        no node fits what was asked of the pool
    ├── InvalidClientException      the client object has no usable user id
    ├── LavalinkException           a node answered with an error of its own
    ├── LavalinkLoadException       a node answered that it could not load a track
    ├── PlayerDestroyedException    the player was destroyed, or its pool closed
    └── StoreException              where search results are kept cannot be used

Catch `RevvlinkException` to catch them all. Each carries `node`, `stage`, `code` and `hint`, so that programs need not
parse a message::

    try:
        await Pool.connect(nodes=nodes)
    except RevvlinkException as error:
        for identifier, failure in error.failures.items():
            log.warning("%s failed at %s: %s", identifier, failure.stage, failure)
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class Stage(StrEnum):
    """How far a request to a node got before it failed."""

    CONFIG = "config"
    RESOLVE = "resolve"
    CONNECT = "connect"
    TLS = "tls"
    AUTH = "auth"
    VERSION = "version"
    READY = "ready"
    REQUEST = "request"


class Code(StrEnum):
    """What went wrong, as a stable word that scripts may rely on."""

    CONFIGURATION = "configuration"
    RESOLVE_FAILED = "resolve_failed"
    REFUSED = "connection_refused"
    UNREACHABLE = "unreachable"
    RESET = "connection_reset"
    TIMEOUT = "timeout"
    TLS_FAILED = "tls_failed"
    CA_FILE_UNUSABLE = "ca_file_unusable"
    PROXY_FAILED = "proxy_failed"
    LOCAL_LIMIT = "local_limit"
    CERTIFICATE_EXPIRED = "certificate_expired"
    CERTIFICATE_NOT_YET_VALID = "certificate_not_yet_valid"
    CERTIFICATE_UNTRUSTED = "certificate_untrusted"
    CERTIFICATE_WRONG_HOST = "certificate_wrong_host"
    CLIENT_CERTIFICATE_REQUIRED = "client_certificate_required"
    WRONG_PASSWORD = "wrong_password"  # noqa: S105 - the name of an error, not a password
    FORBIDDEN = "forbidden"
    CHALLENGE = "challenge_page"
    REDIRECTED = "redirected"
    NOT_LAVALINK = "not_lavalink"
    LAVALINK_V3 = "lavalink_v3"
    WEBSOCKET_REFUSED = "websocket_refused"
    NO_READY = "no_ready"
    CLOSED = "closed"
    SILENT = "silent"
    REST_UNRESPONSIVE = "rest_unresponsive"
    BAD_ANSWER = "bad_answer"
    TOO_LARGE = "answer_too_large"
    RATE_LIMITED = "rate_limited"
    SERVER_ERROR = "server_error"
    LOAD_FAILED = "load_failed"
    SOURCE_MISSING = "source_missing"
    VOICE_UNREACHABLE = "voice_unreachable"
    NOT_CACHED = "not_cached"
    CACHE_UNAVAILABLE = "cache_unavailable"
    CACHE_NEWER = "cache_newer"
    NO_NODE = "no_node"
    UNKNOWN_NODE = "unknown_node"
    DUPLICATE_NODE = "duplicate_node"
    INVALID_CLIENT = "invalid_client"
    INVALID_NODE = "invalid_node"
    NOT_CONNECTED = "not_connected"
    PLAYER_DESTROYED = "player_destroyed"
    INTERNAL = "internal_error"


class RevvlinkException(Exception):  # noqa: N818 - the documented name
    """Base of every error in this library.

    Attributes:
        node: Identifier of the node concerned, or None.
        stage: How far the request got, or None when there was none.
        code: What went wrong, as a stable word.
        hint: What to do next, in one sentence, or None.
        failures: With `Pool.connect`, what failed, by identifier; else empty.
    """

    def __init__(
        self,
        message: str,
        *,
        code: Code,
        node: str | None = None,
        stage: Stage | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.node = node
        self.stage = stage
        self.hint = hint
        self.failures: Mapping[str, RevvlinkException] = {}


class NodeException(RevvlinkException):
    """A node could not be reached, is not a Lavalink v4 server, or sent an answer that cannot be read.

    Attributes:
        status: The HTTP status of the answer, or None when there was none.
        retry_after: Seconds that the node asked to wait, or None.
        timed_out: Whether the node accepted the request and did not answer within the time limit.
    """

    def __init__(
        self,
        message: str,
        *,
        code: Code,
        node: str | None = None,
        stage: Stage | None = None,
        hint: str | None = None,
        status: int | None = None,
        retry_after: float | None = None,
        timed_out: bool = False,
    ) -> None:
        super().__init__(message, code=code, node=node, stage=stage, hint=hint)
        self.status = status
        self.retry_after = retry_after
        self.timed_out = timed_out

    @property
    def is_final(self) -> bool:
        """Whether the answer shows that the address is not that of a v4 node, so that a retry is pointless."""
        return self.code in (Code.NOT_LAVALINK, Code.LAVALINK_V3, Code.REDIRECTED)


class AuthorizationFailedException(RevvlinkException):
    """The node refused the password. The client does not retry: the password must be corrected."""

    def __init__(self, message: str, *, node: str | None = None, hint: str | None = None) -> None:
        super().__init__(message, code=Code.WRONG_PASSWORD, node=node, stage=Stage.AUTH, hint=hint)


class InvalidNodeException(RevvlinkException):
    """The pool has no node that fits; the message says why each was left out."""


class InvalidClientException(RevvlinkException):
    """The client given has no integer at ``.user.id``."""

    def __init__(self, message: str) -> None:
        super().__init__(
            message, code=Code.INVALID_CLIENT, hint="pass a client that is logged in, or give the nodes a user_id"
        )


class LavalinkException(RevvlinkException):
    """A node's own error answer.

    Attributes:
        status: HTTP status.
        error: The status' name as the node wrote it (``Not Found``).
        reason: The node's own message, "" when it gave none.
        path: The path the node names, or the path that was asked for.
        retry_after: Seconds to wait before asking again (429 and 503), or None.
    """

    def __init__(
        self,
        *,
        status: int,
        error: str,
        reason: str,
        path: str,
        node: str | None = None,
        code: Code = Code.SERVER_ERROR,
        retry_after: float | None = None,
        hint: str | None = None,
    ) -> None:
        answer = f"{status} {error}".strip()
        why = f": {reason}" if reason and reason != error else ""  # servers often send it twice
        super().__init__(
            f"{path}: the node answered {answer}{why}",
            code=code,
            node=node,
            stage=Stage.REQUEST,
            hint=hint,
        )
        self.status = status
        self.error = error
        self.reason = reason
        self.path = path
        self.retry_after = retry_after


class LavalinkLoadException(RevvlinkException):
    """A node could not load what was asked for.

    Attributes:
        reason: The real reason, if the node gave it.
        severity: ``common``, ``suspicious`` or ``fault``, or "" when the node gave none.
        cause: The exception's class and message as the node wrote them, or "".
        stack_trace: Where it was thrown, as the node wrote it, or "": the only place of some reasons.
    """

    def __init__(
        self,
        reason: str,
        *,
        severity: str = "",
        cause: str = "",
        stack_trace: str = "",
        node: str | None = None,
        hint: str | None = None,
        code: Code = Code.LOAD_FAILED,
    ) -> None:
        super().__init__(reason, code=code, node=node, stage=Stage.REQUEST, hint=hint)
        self.reason = reason
        self.severity = severity
        self.cause = cause
        self.stack_trace = stack_trace


class PlayerDestroyedException(RevvlinkException):
    """The player was destroyed, or its pool closed; it cannot be used again."""

    def __init__(self, guild_id: int) -> None:
        super().__init__(
            f"the player of guild {guild_id} was destroyed, or its pool was closed",
            code=Code.PLAYER_DESTROYED,
            hint="make another one with Pool.create_player",
        )


class StoreException(RevvlinkException):
    """A store cannot be used: its disk is full, its server is down. Searches go on without it."""

    def __init__(self, message: str, *, hint: str | None = None, code: Code = Code.CACHE_UNAVAILABLE) -> None:
        super().__init__(message, code=code, hint=hint)


_PASSING = frozenset({404, 405, 407, 408, 425, 429})
"""Statuses of 400 to 499 that say nothing about what was asked: of a session that is gone, a proxy, or a limit."""


def is_refusal(error: BaseException) -> bool:
    """Whether a node has refused a request, and would refuse it again.

    A 500 is a refusal when the server gives a reason, as Lavalink does for a corrupt track; a proxy's 500 is not.
    """
    match error:
        case AuthorizationFailedException():
            return True
        case LavalinkException(status=500, error=name, reason=reason):
            return reason not in ("", name)
        case LavalinkException(status=status):
            return 400 <= status < 500 and status not in _PASSING
    return False
