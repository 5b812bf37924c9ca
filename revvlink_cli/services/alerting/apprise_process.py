"""Sends one message with apprise, in a process of its own.

apprise waits for its threads when a process ends, also for one that never ends. As a process it can be killed. The
address comes over standard input, so no list of processes shows it. The answer has a status or a reason of ours, and
never a text of apprise, which may hold parts of the address.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import time
import warnings
from typing import Any, NamedTuple

REPEATED = frozenset({429, 500, 502, 503})
"""Answers after which a message is sent once more."""

PAUSE = 0.5
"""Seconds before that."""

LOADED = "loaded"
"""The first line of output: from now on the time counts."""

CHECK = "check the address in alert.apprise"
"""What to do about most failures."""


class Reason(NamedTuple):
    """Why a message was not sent.

    Attributes:
        code: Its short name, for the answer of the process.
        pattern: What apprise then writes.
        words: The reason in words.
        may_have_arrived: Whether the message may have arrived all the same.
    """

    code: str
    pattern: str
    words: str
    may_have_arrived: bool = False


REASONS = (
    Reason(
        "timed_out",
        r"Read timed out|ReadTimeout|The read operation timed out",
        "the service did not answer in time",
        may_have_arrived=True,
    ),
    Reason(
        "no_connection",
        r"ConnectTimeout|connect timeout|timed out",
        "the service did not accept a connection in time",
    ),
    Reason(
        "unknown_name",
        r"NameResolutionError|Name or service not known|name resolution|getaddrinfo|nodename nor serv",
        f"the name of the service is not found: {CHECK}",
    ),
    Reason(
        "refused",
        r"Connection refused|actively refused",
        f"nothing listens at the address of the service: {CHECK}",
    ),
    Reason(
        "tls",
        r"SSLError|CERTIFICATE_VERIFY_FAILED|SSL:",
        "no secure connection to the service is possible: see its certificate",
    ),
    Reason("no_route", r"No route to host|Network is unreachable", "the network has no way to the service"),
    Reason(
        "closed",
        r"RemoteDisconnected|Connection aborted|Connection reset|closed the connection|unexpectedly closed",
        "the service closed the connection",
        may_have_arrived=True,
    ),
    Reason(
        "login",
        r"SMTPAuthenticationError|\(535,|[Aa]uthentication (failed|unsuccessful)",
        "the service refused the user name or the password in alert.apprise",
    ),
)
"""The first whose pattern fits counts."""


class _Words(logging.Handler):
    """Keeps what apprise says about a failure."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record, but none with the message itself, which may say anything."""
        text = record.getMessage()
        if record.levelno >= logging.WARNING or "Exception:" in text:
            self.found.append(text)


def main() -> None:
    """Read the message as JSON, send it, and write what became of it as JSON."""
    warnings.simplefilter("ignore")  # it imports modules that Python has deprecated
    asked = json.load(sys.stdin)
    words, log = _Words(), logging.getLogger("apprise")
    log.propagate = False
    log.setLevel(logging.DEBUG)
    log.addHandler(words)
    import apprise

    service = apprise.Apprise()
    service.add("json://127.0.0.1")  # the first address loads all services
    service.clear()
    _say(LOADED)
    if not service.add(asked["address"]):
        _say(json.dumps({"sent": False, "unreadable": True, "service": _service(words.found)}))
        return
    answer = _send(apprise, service, asked, words)
    if answer.get("status") in REPEATED:
        time.sleep(PAUSE)
        answer = _send(apprise, service, asked, words)
    _say(json.dumps(answer))


def _send(apprise: Any, service: Any, asked: dict[str, str], words: _Words) -> dict[str, Any]:
    words.found.clear()
    has_arrived = service.notify(
        title=asked["title"],
        body=asked["body"],
        notify_type=apprise.NotifyType(asked["type"]),
        body_format=apprise.NotifyFormat.TEXT,
    )
    if has_arrived:
        return {"sent": True}
    text = "\n".join(words.found)
    statuses = re.findall(r"error=([1-5]\d\d)\b", text)
    reason = next((each.code for each in REASONS if re.search(each.pattern, text)), None)
    return {"sent": False, "status": int(statuses[-1]) if statuses else None, "reason": reason}


def _service(found: list[str]) -> str | None:
    """The name that apprise has for the kind of service."""
    names = [match[1] for text in found if (match := re.match(r"Could not load ([\w .-]{1,40}) URL", text))]
    return names[0] if names else None


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
