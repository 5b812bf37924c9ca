"""The heartbeat: a call after each run, so that a service elsewhere notices when the runs stop.

Two forms are known. An address with ``/api/push/`` in its path is one of uptime-kuma: it is called with ``status``,
``msg`` and ``ping``. Any other is called as healthchecks.io and its like expect it: the address after a run that found
the fleet OK or WARNING, and the address with ``/fail`` after CRITICAL and UNKNOWN.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from revvlink_cli.config.secrets_in_use import redact
from revvlink_cli.health.findings import Verdict
from revvlink_cli.services.alerting.channels import is_secure, request
from revvlink_cli.services.alerting.delivery import Delivery

if TYPE_CHECKING:
    from revvlink_cli.health.fleet import Report

LONGEST_TEXT = 200
"""Characters of the verdict in words."""


async def send_heartbeat(report: Report, address: str, key: str = "alert.heartbeat") -> tuple[str, ...]:
    """Report a run to the service.

    Args:
        report: The findings of the run.
        address: The address, a secret.
        key: The key of the configuration that has it, for messages.

    Returns:
        Warnings: why the service does not know of the run.
    """
    delivery = await call_heartbeat(
        address,
        key,
        is_up=report.verdict in (Verdict.OK, Verdict.WARNING),
        text=f"{report.verdict.name}: {report.healthy_nodes}",
        took=report.took,
    )
    return () if delivery.failure is None else (f"heartbeat not sent: {delivery.failure}",)


async def call_heartbeat(address: str, key: str, *, is_up: bool, text: str, took: float) -> Delivery:
    """Call the address.

    Args:
        address: The address, a secret.
        key: The key of the configuration that has it, for messages.
        is_up: Whether the fleet works.
        text: The verdict in words.
        took: Seconds that the run took.
    """
    if not is_secure(address):
        return Delivery(f"the address in {key} must begin with https://", may_have_arrived=False)
    text = redact(text)[:LONGEST_TEXT]
    advice = dict.fromkeys((401, 403, 404), f"check the address in {key}")
    what = "the heartbeat's address"
    try:
        called = heartbeat_address(address, is_up=is_up, text=text, took=took)
    except ValueError:
        return Delivery(f"the address in {key} is not an address", may_have_arrived=False)
    if called.is_push:
        return await request("GET", called.address, what=what, advice=advice)
    return await request("POST", called.address, text=text, what=what, advice=advice)


class Call(NamedTuple):
    """A call of a heartbeat.

    Attributes:
        address: What to call.
        is_push: Whether it is uptime-kuma's form.
    """

    address: str
    is_push: bool


def heartbeat_address(address: str, *, is_up: bool, text: str, took: float) -> Call:
    """The address to call after a run.

    Args:
        address: The configured address.
        is_up: Whether the fleet works.
        text: The verdict in words.
        took: Seconds that the run took.

    Raises:
        ValueError: It is not an address.
    """
    parts = urlsplit(address)
    if "/api/push/" in parts.path:
        own = {"status": "up" if is_up else "down", "msg": text, "ping": str(round(took * 1000))}
        kept = [pair for pair in parse_qsl(parts.query, keep_blank_values=True) if pair[0] not in own]
        return Call(urlunsplit(parts._replace(query=urlencode([*kept, *own.items()]))), is_push=True)
    path = parts.path if is_up else f"{parts.path.rstrip('/')}/fail"
    return Call(urlunsplit(parts._replace(path=path)), is_push=False)
