"""Recognizes failures that come from a limit of this machine or process, not from the node."""

from __future__ import annotations

import errno
import re

from revvlink_cli._record import NamedTuple


class Limit(NamedTuple):
    """A limit that is reached.

    Attributes:
        what: One sentence.
        hint: What to do about it.
    """

    what: str
    hint: str


_LIMITS = {
    errno.EMFILE: Limit("this process has as many files open as it may", "raise its limit, as with `ulimit -n 65536`"),
    errno.ENFILE: Limit("this machine has as many files open as it may", "raise fs.file-max, or end what has so many"),
    errno.EAGAIN: Limit(
        "this process may start no more threads", "raise its limit, as with `ulimit -u`, or that of the container"
    ),
    errno.ENOMEM: Limit("this machine has no memory left for it", "free some, or raise the limit of the container"),
    errno.ENOBUFS: Limit("this machine has no room left for network buffers", "close connections, or raise its limits"),
    errno.EADDRNOTAVAIL: Limit(
        "this machine has no free local port or address for it",
        "close connections, or widen net.ipv4.ip_local_port_range; for an IPv6 address see that this machine has IPv6",
    ),
}
"""Error number -> the limit of this machine or process."""

_NUMBER = re.compile(r"\[Errno (\d+)\]")


def limit_of(error: BaseException | None) -> Limit | None:
    """The limit that an error or its cause reports; None when the failure is the other side's."""
    while error is not None:
        if isinstance(error, OSError):
            number = error.errno
            if number is None and (named := _NUMBER.search(str(error))) is not None:
                number = int(named[1])  # failures of several addresses come as one text
            if number in _LIMITS:
                return _LIMITS[number]
        error = error.__cause__ or getattr(error, "os_error", None)
    return None
