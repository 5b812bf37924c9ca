"""``revvlink alert``: the channels that alerts go to."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import typer

from revvlink_cli.commands.shared import node_selection, notifying
from revvlink_cli.commands.shared.command import Rows, Work, command, make_app, options_of
from revvlink_cli.output.result import CommandError, ExitCode, Failure, Kind, Result, column

if TYPE_CHECKING:
    from revvlink_cli.commands.shared.notifying import Channels
    from revvlink_cli.config.settings import Settings
    from revvlink_cli.services.alerting.channels import Channel
    from revvlink_cli.services.alerting.delivery import Delivery

app = make_app()


@app.callback()
def alert() -> None:
    """The channels that alerts go to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelRow:
    """What became of the test message of one channel."""

    channel: str = column("CHANNEL", rank=0)
    state: str = column("STATE", Kind.STATE, rank=0)
    took_ms: float | None = column("TOOK", Kind.LATENCY_MS)
    message: str | None = column("MESSAGE", wraps=True)


@command(app, "test", prints=lambda: {"": Rows(ChannelRow)}, examples=("revvlink alert test",))
def test(ctx: typer.Context) -> Work:
    """Send a test message to every configured channel.

    The heartbeat is called too, as after a run that found all nodes OK. Exit code 0 if each of them took it, else 1.
    The state of alerts does not change.
    """
    options = options_of(ctx)
    settings = node_selection.load_settings(options)
    channels = notifying.read_channels(settings)
    if not channels.found and not channels.broken and settings.alert.heartbeat_key is None:
        raise CommandError(
            Failure("configuration", "no channel is configured", hint=notifying.HINTS["all"]), exit_code=ExitCode.USAGE
        )
    return _test(settings, channels)


async def _test(settings: Settings, channels: Channels) -> Result:
    import asyncio
    import time

    from revvlink_cli.services.alerting.delivery import Delivery
    from revvlink_cli.services.alerting.message import make_test_alert

    message = make_test_alert(settings.context, len(settings.nodes), time.time())

    async def send(channel: Channel) -> tuple[Delivery, float | None]:
        if channel.problem is not None:
            return Delivery(channel.problem, may_have_arrived=False), None
        started = time.monotonic()
        delivery = await channel.send(message)
        return delivery, (time.monotonic() - started) * 1000

    sent = await asyncio.gather(*map(send, channels.found))
    rows = [_row(channel.label, delivery, took) for channel, (delivery, took) in zip(channels.found, sent, strict=True)]
    rows += [_row(label, Delivery(reason, may_have_arrived=False), None) for label, reason in channels.broken]
    if settings.alert.heartbeat_key is not None:
        rows.append(await _beat(settings, message.headline))
    failures = tuple(Failure("not_sent", f"{row.channel}: {row.message}") for row in rows if row.state == "failed")
    return Result(
        tuple(rows),
        ChannelRow,
        ExitCode.FAILED if failures else ExitCode.OK,
        failures,
        has_errors_in_table=True,
    )


async def _beat(settings: Settings, text: str) -> ChannelRow:
    """Call the heartbeat."""
    import time

    from revvlink_cli.config.problems import ConfigError
    from revvlink_cli.services.alerting.delivery import Delivery
    from revvlink_cli.services.alerting.heartbeat import call_heartbeat

    try:
        address = settings.heartbeat() or ""
    except ConfigError as error:
        return _row("heartbeat", Delivery(str(error), may_have_arrived=False), None)
    started = time.monotonic()
    delivery = await call_heartbeat(address, f"alert.{settings.alert.heartbeat_key}", is_up=True, text=text, took=0.0)
    row = _row("heartbeat", delivery, (time.monotonic() - started) * 1000)
    return row if row.message is not None else replace(row, message="called: the service counts this as a run")


def _row(label: str, delivery: Delivery, took_ms: float | None) -> ChannelRow:
    state = "ok" if delivery.failure is None else "failed"
    return ChannelRow(channel=label, state=state, took_ms=took_ms, message=delivery.failure)
