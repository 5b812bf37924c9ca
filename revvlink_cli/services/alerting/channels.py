"""The channels that alerts go to, behind one interface, and the requests that they make.

A request is bounded in time, follows no redirect, and is repeated once where the server asks for that: after 429, and
after an error of its own. A request that was sent and not answered may have arrived, and is not repeated.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit, urlunsplit

from revvlink_cli._version import __version__
from revvlink_cli.services.alerting.delivery import PERHAPS, TOTAL_TIMEOUT, Delivery

if TYPE_CHECKING:
    from collections.abc import Mapping

    from revvlink_cli.services.alerting.message import Alert

TIMEOUT = 5.0
"""Seconds that one request may take."""

CONNECT_TIMEOUT = 3.0
"""Seconds of `TIMEOUT` that connecting may take."""

LONGEST_PAUSE = 3.0
"""Seconds of Retry-After that are waited for; the next run sends the message if a server wants more."""

USUAL_PAUSE = 0.5
"""Seconds before a repetition where the server names none."""

REPEATED = frozenset({429, 500, 502, 503})
"""Answers after which a request is repeated. 504 is none: what is behind the gateway may have the message."""


class Channel(Protocol):
    """Something that takes alerts."""

    @property
    def name(self) -> str:
        """What it is called on the command line."""

    @property
    def label(self) -> str:
        """What it is called in messages; never its address."""

    @property
    def identity(self) -> str:
        """What distinguishes it from other channels, such as its address: a secret."""

    @property
    def problem(self) -> str | None:
        """Why it cannot be used, None when it can."""

    async def send(self, alert: Alert) -> Delivery:
        """Send an alert; never raises for a channel that fails."""


@dataclass(frozen=True, slots=True)
class _Webhook:
    """What has one secret address, which must be a secure one."""

    address: str

    @property
    def identity(self) -> str:
        """The address."""
        return self.address

    @property
    def problem(self) -> str | None:
        """Why it cannot be used."""
        return None if is_secure(self.address) else INSECURE


@dataclass(frozen=True, slots=True)
class DiscordChannel(_Webhook):
    """The webhook of a channel in Discord.

    Attributes:
        address: The address, a secret.
        key: The key of the configuration that has it, for messages.
        mention: Id of the role to mention, or None.
        thread: Id of the thread of the channel, or None.
    """

    key: str = "discord.webhook"
    mention: str | None = None
    thread: str | None = None
    name: str = "discord"
    label: str = "Discord"

    async def send(self, alert: Alert) -> Delivery:
        """Send an alert."""
        from revvlink_cli.services.alerting.discord import discord_body

        address = self.address
        if self.thread is not None:
            parts = urlsplit(address)
            query = "&".join(filter(None, (parts.query, f"thread_id={self.thread}")))
            address = urlunsplit(parts._replace(query=query))
        gone = f"make a new one in the settings of the channel, and put its address into {self.key}"
        if self.thread is not None:
            gone += "; or discord.thread is not a thread of this channel"
        return await request("POST", address, json=discord_body(alert, self.mention), advice={401: gone, 404: gone})


@dataclass(frozen=True, slots=True)
class WebhookChannel(_Webhook):
    """A server that takes JSON.

    Attributes:
        address: The address, a secret.
        key: The key of the configuration that has it, for messages.
    """

    key: str = "alert.webhook"
    name: str = "webhook"
    label: str = "JSON webhook"

    async def send(self, alert: Alert) -> Delivery:
        """Send an alert."""
        from revvlink_cli.services.alerting.message import payload

        advice = f"check the address in {self.key}"
        return await request("POST", self.address, json=payload(alert), advice={401: advice, 403: advice, 404: advice})


@dataclass(frozen=True, slots=True)
class AppriseChannel:
    """A service that apprise can reach.

    Attributes:
        address: The address in apprise's form, a secret.
        position: Its place in the list of the configuration, from 1.
    """

    address: str
    position: int = 1
    name: str = "apprise"

    @property
    def label(self) -> str:
        """With its place in the list, because its address is a secret."""
        return f"apprise service {self.position}"

    @property
    def identity(self) -> str:
        """The address."""
        return self.address

    @property
    def problem(self) -> str | None:
        """Why it cannot be used."""
        from importlib.util import find_spec

        is_there = find_spec("apprise") is not None
        return None if is_there else "apprise is not installed: pip install 'revvlink-cli[notify]'"

    async def send(self, alert: Alert) -> Delivery:
        """Send an alert."""
        from revvlink_cli.services.alerting.apprise import send_with_apprise

        return await send_with_apprise(self.address, alert)


INSECURE = "the webhook's address must begin with https://"


def is_secure(address: str) -> bool:
    """Whether an address may be called: it is a secret, so over TLS, or on this machine."""
    try:
        parts = urlsplit(address)
        return bool(parts.hostname) and (
            parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in ("127.0.0.1", "::1", "localhost"))
        )
    except ValueError:
        return False


async def request(
    method: str,
    address: str,
    *,
    json: Any = None,
    text: str | None = None,
    what: str = "the webhook",
    advice: Mapping[int, str] | None = None,
) -> Delivery:
    """Make a request, and repeat it once where that helps.

    Args:
        method: The HTTP method.
        address: The address, which no message shows.
        json: The body, if it is JSON.
        text: The body, if it is text.
        what: What is called, for messages.
        advice: By status, what to do about it.
    """
    import asyncio

    started = time.monotonic()
    headers = {"User-Agent": f"revvlink-cli/{__version__}"}
    status, retry_after, failed = await _attempt(method, address, json, text, headers, what, TIMEOUT)
    if failed is not None:
        return failed
    if status in REPEATED and (pause := _pause(retry_after)) <= LONGEST_PAUSE:
        await asyncio.sleep(pause)
        left = min(TIMEOUT, TOTAL_TIMEOUT - (time.monotonic() - started))
        status, _, failed = await _attempt(method, address, json, text, headers, what, max(left, 0.1))
        if failed is not None:
            return failed
    if status < 300:
        return Delivery()
    return Delivery(_refusal(what, status, advice or {}), may_have_arrived=status == 504)


async def _attempt(
    method: str, address: str, json: Any, text: str | None, headers: dict[str, str], what: str, limit: float
) -> tuple[int, str | None, Delivery | None]:
    """Make a request.

    Returns:
        The status, Retry-After, and the failure where there is no answer.
    """
    import aiohttp

    limits = aiohttp.ClientTimeout(total=limit, connect=min(CONNECT_TIMEOUT, limit))
    try:
        async with (
            aiohttp.ClientSession(timeout=limits) as session,
            session.request(method, address, json=json, data=text, headers=headers, allow_redirects=False) as answer,
        ):
            return answer.status, answer.headers.get("Retry-After"), None
    except aiohttp.ConnectionTimeoutError:
        failed = Delivery(f"{what} did not accept a connection within {limits.connect:g} s", may_have_arrived=False)
    except TimeoutError:  # sent, but not answered: repeating it with every run would be worse than losing it
        failed = Delivery(f"{what} did not answer within {limit:g} s, and {PERHAPS}")
    except (aiohttp.ClientConnectorError, ValueError) as error:
        failed = Delivery(f"{what} cannot be reached: {_why_unreachable(error)}", may_have_arrived=False)
    except aiohttp.ClientResponseError:
        failed = Delivery(f"{what} answered something that is not HTTP, {PERHAPS}")
    except (aiohttp.ClientError, OSError) as error:  # it may have taken the message before it closed
        failed = Delivery(f"{what} closed the connection ({type(error).__name__}), {PERHAPS}")
    return 0, None, failed


def _why_unreachable(error: Exception) -> str:
    """Why there is no connection, without the address."""
    import aiohttp

    match error:
        case aiohttp.ClientConnectorDNSError():
            return "its name is not found"
        case aiohttp.ClientConnectorCertificateError():
            return "its certificate is not valid"
        case aiohttp.ClientConnectorSSLError():
            return "no secure connection is possible"
        case aiohttp.ClientConnectorError(os_error=ConnectionRefusedError()):
            return "nothing listens there"
        case aiohttp.ClientConnectorError() if error.os_error.strerror:
            return error.os_error.strerror.lower()
        case _:
            return "its address makes no sense"


def _pause(retry_after: str | None) -> float:
    """Seconds to wait. A date, which no known server sends here, counts as too long."""
    if retry_after is None:
        return USUAL_PAUSE
    try:
        return max(float(retry_after), 0.0)
    except ValueError:
        return LONGEST_PAUSE + 1


def _refusal(what: str, status: int, advice: Mapping[int, str]) -> str:
    why = {
        401: ", it is not valid",
        404: ", it no longer exists",
        429: ", too many messages: the next run sends this one",
    }.get(status, ", a redirect: configure the address that it leads to" if 300 <= status < 400 else "")
    return f"{what} answered {status}{why}" + (f": {advice[status]}" if status in advice else "")
