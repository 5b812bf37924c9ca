"""Checks of the way to a node: connection, certificate, password, websocket."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from revvlink_cli.client.errors import Code, Stage
from revvlink_cli.health.checks.context import NodeCheck, NodeChecks
from revvlink_cli.health.findings import Verdict
from revvlink_cli.health.ranges import Unit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from revvlink_cli.health.checks.context import CheckContext
    from revvlink_cli.health.findings import Outcome

PASSED = {"reach": "answers", "auth": "password accepted", "version": "speaks version 4"}
"""Code of a check -> its message where a later one failed, which shows that this one passed."""

_RENEWAL_DUE = 30 * 86_400
"""Seconds before the end of a certificate from which on the finding says to renew it."""


def _reach(context: CheckContext) -> Sequence[Outcome]:
    ready = (context.node.ready_ms or 0.0) / 1000
    figure = context.figure("reach", "ready", ready, Unit.SECONDS)
    return (context.finding("reach", f"ready in {context.node.ready_ms:.0f} ms", figures=(figure,)),)


def _certificate(context: CheckContext) -> Sequence[Outcome]:
    node = context.node
    if node.certificate_expires is None:
        return (context.missing_figure("certificate", "no certificate was shown"),)
    left = node.certificate_expires - context.now
    figure = context.figure("certificate", "certificate_left", left, Unit.DAYS)
    return (context.finding("certificate", f"valid for {Unit.DAYS.show(left)}", figures=(figure,),
                            hint="renew the node's certificate" if left < _RENEWAL_DUE else None),)  # fmt: skip


def _no_certificate(context: CheckContext) -> str | None:
    return None if context.node.uri.startswith("https:") else "the node speaks plain HTTP"


def _auth(context: CheckContext) -> Sequence[Outcome]:
    return (context.finding("auth", PASSED["auth"]),)


def _rest(context: CheckContext) -> Sequence[Outcome]:
    latency = context.node.rest_latency_s
    if latency is None:
        return (context.missing_figure("rest", "no answer was timed"),)
    figure = context.figure("rest", "rest_latency", latency, Unit.SECONDS)
    finding = context.finding("rest", f"answered in {Unit.SECONDS.show(latency)}", figures=(figure,))
    if finding.verdict is Verdict.OK:
        return (finding,)
    return (replace(finding, hint="check the node's CPU, its garbage collection, and the network to it"),)


def _websocket(context: CheckContext) -> Sequence[Outcome]:
    latency = context.node.latency_ms
    if latency is None:
        message, hint = "ready, but it answered no ping in time", "read the node's log, and any proxy in front of it"
        return (
            context.finding(
                "websocket", message, context.on_timeout, code=str(Code.SILENT), stage=str(Stage.READY), hint=hint
            ),
        )
    figure = context.figure("websocket", "websocket_round_trip", latency / 1000, Unit.SECONDS)
    return (context.finding("websocket", f"ready, round trip {latency:.1f} ms", figures=(figure,)),)


CHECKS: NodeChecks = {
    "reach": NodeCheck(_reach),
    "certificate": NodeCheck(_certificate, _no_certificate),
    "auth": NodeCheck(_auth),
    "rest": NodeCheck(_rest),
    "websocket": NodeCheck(_websocket),
}
