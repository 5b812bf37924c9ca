"""The settings of one node, as plain frozen values; the configuration makes them and the client reads them.

The configuration imports this module with each command, so it imports nothing slow.
"""

from __future__ import annotations

import math
import re
import sys
from dataclasses import field
from typing import NoReturn
from urllib.parse import urlsplit, urlunsplit

from revvlink_cli._record import NamedTuple, record
from revvlink_cli.client.arguments import MAX_SECONDS, check_seconds, check_text, check_type, check_whole
from revvlink_cli.client.protocol.guild_ids import MAX_ID

DEFAULT_USER_ID = 170939974227541168
"""Sent as ``User-Id`` when no bot's id is known. Eighteen digits: NodeLink takes 18 or 19 and refuses the rest."""

DEFAULT_PORTS = {"http": 80, "https": 443}


class Fault(NamedTuple):
    """Why a node cannot be tried: its part of the configuration is incomplete or wrong.

    Attributes:
        message: What is wrong, one sentence.
        hint: What to do about it, or None.
    """

    message: str
    hint: str | None = None


@record(frozen=True, kw_only=True)
class NodeSettings:
    """What is needed to reach one node.

    Attributes:
        identifier: The node's name, unique within a pool.
        uri: ``http://`` or ``https://`` address, a path prefix allowed, without a trailing slash.
        password: Sent as ``Authorization`` with every request to this node, and to no other server.
        region: A region label (``us``, ``eu``, ...), or None when the node serves no particular region.
        tags: Labels to select nodes by.
        user_id: The bot's id, sent as ``User-Id``; None means the pool's client or `DEFAULT_USER_ID`.
        heartbeat: Seconds of silence after which the websocket is pinged.
        timeout: Seconds that one request, one handshake or the wait for ``ready`` may take.
        retries: Attempts to reconnect before giving up; None is no bound.
        resume_timeout: Seconds the server keeps the session after a lost connection; 0 never asks it to.
        headers: Extra request headers, for proxies in front of the node.
        ca_file: Path of a PEM file with the certificate authority that signed the node's certificate.
        proxy: Address of an HTTP proxy.
        trust_env: Whether ``HTTP_PROXY`` and ``HTTPS_PROXY`` apply.
        retry_within: Seconds within which the next attempt follows a failed one, also when the address is not that of a
            v4 node; a refused password is tried again after a minute. None for pauses that grow. Then the node is given
            up when it refuses the password, or when the address is not that of a v4 node.
        per_second: Requests of any kind, handshakes included, within any one second; None for no such bound.
        fault: Why the node cannot be tried, or None. Such a node fails at once and does not delay the others.

    It cannot be pickled or copied by `copy`: the password would be in the copy. Use `dataclasses.replace`.

    Raises:
        TypeError: A value of another type; the text names it, and what is accepted.
        ValueError: A value that no node could be reached with; the text names it, and what is accepted.
    """

    identifier: str
    uri: str
    password: str = field(repr=False)
    region: str | None = None
    tags: tuple[str, ...] = ()
    user_id: int | None = None
    heartbeat: float = 15.0
    timeout: float = 5.0
    retries: int | None = None
    resume_timeout: int = 60
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    ca_file: str | None = None
    proxy: str | None = field(default=None, repr=False)
    trust_env: bool = False
    retry_within: float | None = None
    per_second: int | None = None
    fault: Fault | None = None

    def __post_init__(self) -> None:
        """Refuse values with which the first request would fail, or would be another request."""
        self._check_types()
        if not self.identifier or not self.identifier.isprintable():
            raise ValueError(f"identifier is one line of visible text, not {self.identifier!r}")
        if re.search(_CONTROL, self.password):
            raise ValueError("password must not have control characters: no header can carry them")
        for name in ("heartbeat", "timeout"):
            check_seconds(name, getattr(self, name))
        if self.user_id is not None:
            check_whole("user_id", self.user_id, 1, MAX_ID, "the bot's id, a number of 64 bits, or None")
        if self.retries is not None:
            check_whole("retries", self.retries, 0, sys.maxsize, "a number from 0, or None for no bound")
        check_whole("resume_timeout", self.resume_timeout, 0, MAX_SECONDS, "a whole number of seconds from 0")
        if self.retry_within is not None and not 0 < self.retry_within < math.inf:
            raise ValueError(f"retry_within is a number of seconds above 0, or None, not {self.retry_within!r}")
        if self.per_second is not None and self.per_second < 1:
            raise ValueError(f"per_second is a number from 1, or None, not {self.per_second!r}")
        for name, value in self.headers:
            if not re.fullmatch(_HEADER_NAME, name):
                raise ValueError(f"{name!r} is not a name of a header")
            if re.search(_CONTROL, value):
                raise ValueError(f"the header {name} must not have control characters")
        if self.proxy is not None and not is_proxy(self.proxy):
            raise ValueError("proxy is the address of an HTTP proxy, as in http://127.0.0.1:3128")

    def _check_types(self) -> None:
        check_text("identifier", self.identifier)
        check_text("uri", self.uri)
        check_text("password", self.password, is_secret=True)
        check_text("region", self.region, optional=True)
        check_text("ca_file", self.ca_file, optional=True)
        check_text("proxy", self.proxy, optional=True, is_secret=True)
        check_type("trust_env", self.trust_env, bool, "True or False")
        for name, value in self.headers:
            check_text("every name of headers", name)
            check_text(f"the value of {name} in headers", value, is_secret=True)

    def __reduce__(self) -> NoReturn:
        """Refuse to be pickled or copied: the password would be in it.

        Raises:
            TypeError: Always.
        """
        raise TypeError("NodeSettings cannot be pickled or copied: they hold a password; use dataclasses.replace")


_CONTROL = r"[\x00-\x08\x0a-\x1f\x7f]"

_HEADER_NAME = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # RFC 9110, 5.6.2


def is_proxy(address: str) -> bool:
    """Whether an address can be that of an HTTP proxy."""
    try:
        parts = urlsplit(address)
        return parts.scheme == "http" and bool(parts.hostname) and address.isprintable() and parts.port != 0
    except ValueError:
        return False


def normalise_uri(uri: str) -> str:
    """Return `uri` in the one form the client joins paths to: scheme, host, port, path prefix, no trailing slash.

    Raises:
        ValueError: The address cannot be that of a node; the text says what is wrong and what to write instead.
    """
    text = uri.strip()
    try:
        parts = urlsplit(text)
        port = parts.port
        host = parts.hostname
    except ValueError as error:
        raise ValueError(f"not a valid address ({error})") from None
    if parts.scheme not in DEFAULT_PORTS:
        if parts.scheme in ("ws", "wss"):
            raise ValueError(f"write http{parts.scheme[2:]}:// instead of {parts.scheme}://")
        raise ValueError("must begin with http:// or https://, as in http://127.0.0.1:2333")
    if not host or any(c.isspace() or not c.isprintable() for c in text):
        raise ValueError("has no host that can be reached, write it as in http://127.0.0.1:2333")
    if port == 0:
        raise ValueError("port 0 cannot be connected to")
    if "@" in parts.netloc:
        raise ValueError("must not carry a user or password: the password has a setting of its own")
    if parts.query or parts.fragment:
        raise ValueError("must not have a query or a fragment")
    return urlunsplit((parts.scheme, parts.netloc.rstrip(":"), parts.path.rstrip("/"), "", ""))


def host_and_port(uri: str) -> str:
    """``host:port`` of a normalised `uri`: the identifier of a node that was given none."""
    parts = urlsplit(uri)
    host = parts.hostname or ""
    if ":" in host:
        host = f"[{host}]"
    return f"{host}:{parts.port or DEFAULT_PORTS[parts.scheme]}"
