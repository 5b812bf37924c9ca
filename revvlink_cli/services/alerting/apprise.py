"""Sends alerts with apprise, which runs as a process that is killed when its time is over."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import TYPE_CHECKING, Any

from revvlink_cli.health.findings import Verdict
from revvlink_cli.services.alerting.apprise_process import CHECK, LOADED, REASONS, REPEATED
from revvlink_cli.services.alerting.delivery import PERHAPS, TOTAL_TIMEOUT, Delivery

if TYPE_CHECKING:
    from revvlink_cli.services.alerting.message import Alert

LOADING = 10.0
"""Seconds that loading apprise may take; usually it takes one."""

_REASONS = {reason.code: reason for reason in REASONS}


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
        later = ": the next run sends this message" if status in REPEATED else f": {CHECK}"
        return Delivery(f"the service answered {status}{later}", may_have_arrived=status == 504)
    if answer["reason"] is None:
        return Delivery(f"the service could not be reached, or refused the message: {CHECK}", may_have_arrived=False)
    reason = _REASONS[answer["reason"]]
    text = f"{reason.words}, and {PERHAPS}" if reason.may_have_arrived else reason.words
    return Delivery(text, reason.may_have_arrived)


def _type_of(alert: Alert) -> str:
    """The kind of message, which gives it a colour or a sign."""
    if alert.is_test:
        return "info"
    return {Verdict.OK: "success", Verdict.CRITICAL: "failure"}.get(alert.verdict, "warning")
