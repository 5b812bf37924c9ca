"""``revvlink check``: a verdict on the fleet for cron and monitoring systems."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import typer

from revvlink_cli.commands import fleets
from revvlink_cli.commands.base import MonitorCommand, Work, make_app, options_of
from revvlink_cli.commands.options import Nodes, Region, Tags
from revvlink_cli.output.result import Failure, Kind, Result, column

if TYPE_CHECKING:
    from revvlink_cli.client.settings import NodeSettings
    from revvlink_cli.commands.base import Options
    from revvlink_cli.config.load import Settings
    from revvlink_cli.health.checks import Finding, Verdict

app = make_app()


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckRow:
    """The outcome of one check on one node."""

    node: str = column("NODE")
    check: str = column("CHECK")
    verdict: str = column("VERDICT", Kind.STATE)
    message: str = column("MESSAGE", flexible=True)
    code: str | None
    hint: str | None


@app.command(cls=MonitorCommand)
def check(
    ctx: typer.Context,
    nodes: Nodes = None,
    tag: Tags = None,
    region: Region = None,
) -> Work:
    """Check reach, password, version and statistics of every node.

    Exit code 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN, the worst of all nodes. Elsewhere than on a terminal the output
    is one line, for the mail that cron sends.
    """
    options = options_of(ctx)
    settings = fleets.load_settings(options)
    entries = fleets.select(settings, nodes or (), options, tags=tag or (), region=region)
    return _check(settings, fleets.with_secrets(settings, entries, options), options)


async def _check(settings: Settings, chosen: tuple[NodeSettings, ...], options: Options) -> Result:
    from revvlink_cli.health.checks import Verdict, examine, worst
    from revvlink_cli.services.probe import opened

    async with opened(chosen, regions=settings.regions, timeout=options.timeout, settled=True) as fleet:
        snapshot = fleet.snapshot()
    findings = tuple(finding for node in snapshot.nodes for finding in examine(node, snapshot.at, options.timeout))
    verdict = worst(findings)
    rows = tuple(
        CheckRow(
            node=found.node,
            check=found.check,
            verdict=found.verdict.name.lower(),
            message=found.message,
            code=found.code,
            hint=found.hint,
        )
        for found in findings
    )
    failures = tuple(
        Failure(found.code or found.verdict.name.lower(), found.message, found.node, found.check, found.hint)
        for found in findings
        if found.verdict is not Verdict.OK
    )
    line = summary(findings, verdict, len(snapshot.nodes))
    return Result(rows, CheckRow, int(verdict), failures, title=line, line=line)


def summary(findings: tuple[Finding, ...], verdict: Verdict, nodes: int) -> str:
    """The verdict on one line: the worst first, and no more than fits a mail's subject."""
    bad = [found for found in findings if found.verdict != 0]
    hurt = {found.node for found in bad}
    line = f"{verdict.name}: {nodes - len(hurt)} of {nodes} node{'' if nodes == 1 else 's'} healthy"
    told = sorted(bad, key=lambda found: found.verdict != verdict)
    if told:
        line += "; " + "; ".join(f"{found.node} {found.check}: {found.message}" for found in told[:3])
        if len(told) > 3:
            line += f"; and {len(told) - 3} more"
    return line
