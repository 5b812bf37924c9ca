"""``revvlink healthcheck``: one node, one line, 0 or 1, for Docker and Kubernetes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import typer

from revvlink_cli.commands.shared import check_options, node_selection
from revvlink_cli.commands.shared.command import ProbeCommand, Record, Work, command, make_app, options_of
from revvlink_cli.commands.shared.options import OneNode
from revvlink_cli.output.result import CheckResult, CommandError, ExitCode, Kind, Result, column

if TYPE_CHECKING:
    from revvlink_cli.client.settings import NodeSettings
    from revvlink_cli.commands.shared.command import Options
    from revvlink_cli.config.settings import Settings
    from revvlink_cli.health.policy import Policy

app = make_app()

LONGEST = 1000
"""Characters of the line: Docker keeps 4096 bytes, and a character may take four."""

LIVENESS = frozenset({"reach", "auth", "version", "websocket", "load"})
"""The checks that count: a busy node, or one whose certificate ends soon, is not helped by a restart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthRecord:
    """Whether a node is healthy."""

    node: str = column("Node")
    state: str = column("State", Kind.STATE)
    message: str = column("Message")


@command(app, prints=lambda: {"": Record(HealthRecord)}, cls=ProbeCommand, examples=("revvlink healthcheck us-1",))
def healthcheck(
    ctx: typer.Context,
    node: OneNode = None,
    canary: check_options.Canaries = None,
) -> Work:
    """Check one node, for Docker and Kubernetes.

    It prints one line. Exit code 0 when the node is healthy, 1 when it is not or its health is unknown. It checks what
    a bot needs: reach, password, version, websocket, and with --canary that tracks load. Thresholds do not count
    here, because a restart does not help a busy node; use `check` for them.
    """
    options = options_of(ctx)
    flags = check_options.CheckOptions.of(canaries=canary)
    settings = node_selection.load_settings(options, for_verdict=True)
    known = [entry.identifier for entry in settings.nodes]
    if node is None and len(known) > 1:
        raise typer.BadParameter(f"name one of {', '.join(known)}", param_hint="NODE")
    name = node if node is not None else known[0]
    entries = tuple(entry for entry in settings.nodes if entry.identifier == name)
    if not entries:
        raise CommandError(node_selection.unknown_node(name, known), exit_code=ExitCode.FAILED)
    from revvlink_cli.health.policy import Policy

    policy = replace(flags.applied(Policy()), only=LIVENESS)
    return _healthcheck(settings, node_selection.with_secrets(settings, entries, options), policy, options)


async def _healthcheck(
    settings: Settings, chosen: tuple[NodeSettings, ...], policy: Policy, options: Options
) -> Result:
    from revvlink_cli.health.findings import is_healthy
    from revvlink_cli.output.check_rows import describe, failures, shortened, trouble
    from revvlink_cli.services.checking import run

    report = await run(chosen, policy, regions=settings.regions, timeout=options.timeout)
    is_well = is_healthy(report.outcomes) is True
    name, bad = chosen[0].identifier, trouble(report)
    message = describe(bad[0]) if bad else f"{name} {report.findings[0].message}"
    line = shortened(f"{'healthy' if is_well else 'unhealthy'}: {message}", LONGEST)
    return CheckResult(
        HealthRecord(node=name, state="healthy" if is_well else "unhealthy", message=message),
        HealthRecord,
        ExitCode.OK if is_well else ExitCode.FAILED,
        () if is_well else failures(bad),
        text=line,
        line=line,
    )
