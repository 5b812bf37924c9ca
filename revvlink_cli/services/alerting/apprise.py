"""Sends alerts with apprise, which runs as a process that is killed when its time is over."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import TYPE_CHECKING, Any

from revvlink_cli.health.findings import Verdict
from revvlink_cli.services.alerting.apprise_process import LOADED, REPEATED
from revvlink_cli.services.alerting.channels import PERHAPS, TOTAL_TIMEOUT, Delivery

if TYPE_CHECKING:
    from revvlink_cli.services.alerting.message import Alert

LOADING = 10.0
"""Seconds that loading apprise may take; usually it takes one."""

_CHECK = "check the address in alert.apprise"

_REASONS = {
    "timed_out": ("the service did not answer in time", True),
    "no_connection": ("the service did not accept a connection in time", False),
    "unknown_name": (f"the name of the service is not found: {_CHECK}", False),
    "refused": (f"nothing listens at the address of the service: {_CHECK}", False),
    "tls": ("no secure connection to the service is possible: see its certificate", False),
    "no_route": ("the network has no way to the service", False),
    "closed": ("the service closed the connection", True),
    "login": ("the service refused the user name or the password in alert.apprise", False),
}
"""Reason of `apprise_process` -> in words, and whether the message may have arrived."""


async def send_with_apprise(address: str, alert: Alert) -> Delivery:
    """Send an alert.

    Args:
        address: The address of the service in apprise's form, a secret.
        alert: What to send.
    """
    body = "\n".join([*alert.lines(), alert.origin])
    asked = {"address": address, "title": alert.headline, "body": body, "type": _type_of(alert)}
    try:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "revvlink_cli.services.alerting.apprise_process",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
    except OSError as error:
        return Delivery(f"apprise cannot be started: {error.strerror}", may_have_arrived=False)
    try:
        if process.stdin is None or process.stdout is None:
            raise AssertionError("both were asked for")
        process.stdin.write(json.dumps(asked).encode())
        process.stdin.close()
        try:
            loaded = await asyncio.wait_for(process.stdout.readline(), LOADING)
        except TimeoutError:
            return Delivery(f"apprise did not start within {LOADING:g} s", may_have_arrived=False)
        if loaded.decode().strip() != LOADED:
            return Delivery("apprise cannot be loaded: install revvlink-cli[notify] again", may_have_arrived=False)
        try:
            answer = await asyncio.wait_for(process.stdout.readline(), TOTAL_TIMEOUT)
        except TimeoutError:
            return Delivery(f"the service did not answer within {TOTAL_TIMEOUT:g} s, and {PERHAPS}")
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
    try:
        return _delivery(json.loads(answer))
    except ValueError:  # it ended without an answer
        return Delivery(f"apprise failed, and {PERHAPS}")


def _delivery(answer: dict[str, Any]) -> Delivery:
    """What an answer of the process means."""
    if answer["sent"]:
        return Delivery()
    if answer.get("unreadable"):
        of = f" of the service {answer['service']}" if answer["service"] else ""
        return Delivery(
            f"apprise cannot read the address{of} in alert.apprise: see https://github.com/caronc/apprise/wiki",
            may_have_arrived=False,
        )
    status = answer["status"]
    if status is not None:
        later = ": the next run sends this message" if status in REPEATED else f": {_CHECK}"
        return Delivery(f"the service answered {status}{later}", may_have_arrived=status == 504)
    if answer["reason"] is None:
        return Delivery(f"the service could not be reached, or refused the message: {_CHECK}", may_have_arrived=False)
    text, may_have_arrived = _REASONS[answer["reason"]]
    return Delivery(f"{text}, and {PERHAPS}" if may_have_arrived else text, may_have_arrived)


def _type_of(alert: Alert) -> str:
    """The kind of message, which gives it a colour or a sign."""
    if alert.is_test:
        return "info"
    return {Verdict.OK: "success", Verdict.CRITICAL: "failure"}.get(alert.verdict, "warning")
