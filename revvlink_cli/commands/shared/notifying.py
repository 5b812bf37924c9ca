"""Makes what sends the findings of a check: alerts to channels, and the heartbeat."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import typer

from revvlink_cli.commands.shared.values import optional_seconds
from revvlink_cli.output.result import CommandError, ExitCode, Failure

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from revvlink_cli.commands.shared.check_options import CheckOptions
    from revvlink_cli.config.settings import NodeEntry, Settings
    from revvlink_cli.health.damping import Rules
    from revvlink_cli.health.fleet import Report
    from revvlink_cli.services.alerting.channels import Channel

Messenger: TypeAlias = "Callable[[Report], Coroutine[None, None, tuple[str, ...]]]"
"""Sends notifications about a report; returns warnings, and never raises."""

CHANNELS = {
    "discord": "a channel in Discord, see [discord]",
    "webhook": "a server that takes JSON, see [alert]",
    "apprise": "the services of alert.apprise",
    "all": "every configured channel",
}
"""Value of ``--notify`` -> where alerts then go."""

HINTS = {
    "discord": "add [discord] with webhook_file, or webhook_env, to the configuration",
    "webhook": "add [alert] with webhook_file, or webhook_env, to the configuration",
    "apprise": 'add [alert] with apprise = ["env:NAME"] to the configuration',
    "all": "add [discord] or [alert] with webhook_file, or webhook_env, to the configuration",
}

NEEDS = {
    "discord": "the address of a webhook",
    "webhook": "the address of a server that takes JSON",
    "apprise": "the address of a service",
    "all": "a channel",
}


def complete_channels(incomplete: str) -> list[tuple[str, str]]:
    """The channels that `--notify` takes."""
    return [(name, what) for name, what in CHANNELS.items() if name.startswith(incomplete)]


class Channels(NamedTuple):
    """The channels that can be used, and those that cannot, each with the reason."""

    found: tuple[Channel, ...]
    broken: tuple[tuple[str, str], ...] = ()


def read_channels(settings: Settings, wanted: Sequence[str] = ("all",)) -> Channels:
    """The configured channels, with their addresses read.

    Args:
        settings: The configuration.
        wanted: Keys of `CHANNELS`.
    """
    from revvlink_cli.config.problems import ConfigError
    from revvlink_cli.services.alerting.channels import AppriseChannel, DiscordChannel, WebhookChannel

    discord, alert = settings.discord, settings.alert
    found: list[Channel] = []
    broken: list[tuple[str, str]] = []

    def is_wanted(name: str) -> bool:
        return name in wanted or "all" in wanted

    if is_wanted("discord") and discord.key is not None:
        try:
            address = settings.webhook() or ""
            found.append(DiscordChannel(address, f"discord.{discord.key}", discord.mention, discord.thread))
        except ConfigError as error:
            broken.append(("Discord", str(error)))
    if is_wanted("webhook") and alert.webhook_key is not None:
        try:
            found.append(WebhookChannel(settings.alert_webhook() or "", f"alert.{alert.webhook_key}"))
        except ConfigError as error:
            broken.append(("JSON webhook", str(error)))
    if is_wanted("apprise") and alert.apprise:
        try:
            addresses = settings.apprise_addresses()
            found += [AppriseChannel(address, position) for position, address in enumerate(addresses, 1)]
        except ConfigError as error:
            broken.append(("apprise", str(error)))
    return Channels(tuple(found), tuple(broken))


def make_messenger(
    settings: Settings,
    entries: Sequence[NodeEntry],
    flags: CheckOptions,
    notify: Sequence[str] | None,
    remind: str | None,
) -> Messenger | None:
    """Make the messenger that reports changes and calls the heartbeat; None for neither.

    Runs with other requirements keep separate states, because a change for one is not a change for the other. Only a
    run on the whole fleet with every check calls the heartbeat: another one does not show that the fleet is checked.

    Raises:
        typer.BadParameter: The options make no sense.
        CommandError: A channel is not configured.
    """
    is_whole = len(entries) == len(settings.nodes)
    calls_heartbeat = settings.alert.heartbeat_key is not None and is_whole and not flags.only
    if not notify:
        if remind is not None:
            raise typer.BadParameter("goes with --notify only", param_hint="--remind")
        if not calls_heartbeat:
            return None
    for name in notify or ():
        if name not in CHANNELS:
            raise typer.BadParameter(f"{name!r} is not one of {', '.join(CHANNELS)}", param_hint="--notify")
    pause = optional_seconds(remind, "--remind")
    _refuse_unconfigured(settings, notify or ())
    channels = read_channels(settings, notify) if notify else Channels(())

    async def send(report: Report) -> tuple[str, ...]:
        import asyncio

        from revvlink_cli.services.alerts import Run, send_alerts

        source = str(settings.source.path.resolve()) if settings.source.path is not None else settings.nodes[0].uri
        if settings.context is not None:  # its state has a folder of its own, and stays when the context is renamed
            source = "context"
        run = Run(
            known=[entry.identifier for entry in settings.nodes],
            source=f"{source}\n{flags.fingerprint}",
            scope="" if is_whole else "\n".join(sorted(entry.identifier for entry in entries)),
            context=settings.context,
        )
        ruled = [(channel, _rules(settings, channel.name, pause)) for channel in channels.found]
        works = [send_alerts(report, ruled, run)]
        if calls_heartbeat:
            works.append(_call_heartbeat(settings, report))
        unusable = (f"alert not sent: {reason}" for _, reason in channels.broken)
        return (*unusable, *(warning for found in await asyncio.gather(*works) for warning in found))

    return send


def _refuse_unconfigured(settings: Settings, wanted: Sequence[str]) -> None:
    """Refuse a channel that is not configured.

    Raises:
        CommandError: One of them is not.
    """
    given = {
        "discord": settings.discord.key is not None,
        "webhook": settings.alert.webhook_key is not None,
        "apprise": bool(settings.alert.apprise),
    }
    given["all"] = any(given.values())
    for name in wanted:
        if not given[name]:
            raise CommandError(
                Failure("configuration", f"--notify {name} needs {NEEDS[name]}", hint=HINTS[name]),
                exit_code=ExitCode.UNREACHABLE,
            )


def _rules(settings: Settings, channel: str, pause: float | None) -> Rules:
    own = settings.discord.remind_s if channel == "discord" else None
    return settings.alert.rules(pause if pause is not None else own)


async def _call_heartbeat(settings: Settings, report: Report) -> tuple[str, ...]:
    from revvlink_cli.config.problems import ConfigError
    from revvlink_cli.services.alerting.heartbeat import send_heartbeat

    try:
        address = settings.heartbeat()
    except ConfigError as error:
        return (f"heartbeat not sent: {error}",)
    return await send_heartbeat(report, address or "", f"alert.{settings.alert.heartbeat_key}")
