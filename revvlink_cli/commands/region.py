"""``revvlink region``: Discord voice endpoints to regions, and to the node that would serve them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from revvlink_cli._record import record
from revvlink_cli.commands.shared.command import Rows, Work, command, make_app, options_of
from revvlink_cli.commands.shared.stdin import expand_arguments
from revvlink_cli.output.result import CommandError, ExitCode, Failure, Result, column

if TYPE_CHECKING:
    from collections.abc import Iterable

    from revvlink_cli.client.settings import NodeSettings
    from revvlink_cli.commands.shared.command import Options
    from revvlink_cli.config.settings import Settings

app = make_app()


@record(frozen=True, kw_only=True)
class RegionRow:
    """The region of one endpoint; null when the endpoint is empty."""

    endpoint: str = column("ENDPOINT", flexible=True)
    region: str | None = column("REGION")


@record(frozen=True, kw_only=True)
class RouteRow:
    """The node that would serve one endpoint or region; null when none can."""

    endpoint: str | None = column("ENDPOINT", flexible=True)
    region: str | None = column("REGION")
    node: str | None = column("NODE")
    reason: str = column("WHY", wraps=True)


@command(
    app,
    prints=lambda: {"": Rows(RegionRow), "--route": Rows(RouteRow)},
    examples=("revvlink region us-east1.discord.gg:443", "revvlink region c-gru03-1a2b3c4d.discord.media:8443 --route"),
)
def region(
    ctx: typer.Context,
    endpoints: Annotated[
        list[str],
        typer.Argument(
            metavar="ENDPOINT... | -", help="Endpoints as Discord sends them; - reads one a line from standard input."
        ),
    ],
    route: Annotated[
        bool, typer.Option("--route", help="Connect to the nodes, and show which one would serve and why.")
    ] = False,
) -> Result | Work:
    """Map Discord voice endpoints to regions.

    No node is asked unless --route is given. One endpoint on its own prints just the label. A [regions] map in the
    configuration takes the place of the built-in one.
    """
    from revvlink_cli.client.routing.regions import region_from_endpoint

    options = options_of(ctx)
    given = list(expand_arguments(endpoints))
    if not given:
        raise CommandError(
            Failure("usage", "no endpoint on standard input", hint="one a line"), exit_code=ExitCode.USAGE
        )
    if route:
        from revvlink_cli.commands.shared import node_selection

        settings = node_selection.load_settings(options)
        entries = node_selection.select(settings, (), options)
        return _route(given, settings, node_selection.with_secrets(settings, entries, options), options)
    regions = _configured_regions(options)
    rows = tuple(RegionRow(endpoint=endpoint, region=region_from_endpoint(endpoint, regions)) for endpoint in given)
    failures = tuple(
        Failure("empty_endpoint", "the endpoint is empty", hint="give one such as us-east1.discord.gg:443")
        for row in rows
        if row.region is None
    )
    warnings = _unknown_places(rows)
    text = (rows[0].region or "") if len(rows) == 1 and endpoints != ["-"] else None
    code = ExitCode.FAILED if failures else ExitCode.OK
    return Result(rows, RegionRow, code, failures, text=text, warnings=warnings)


def _unknown_places(rows: Iterable[RegionRow | RouteRow]) -> tuple[str, ...]:
    """A warning for each airport code or name that the table does not have."""
    from revvlink_cli.client.routing.regions import GLOBAL, unknown_place

    found: dict[str, str] = {}
    for row in rows:
        if row.endpoint is not None and row.region == GLOBAL and (name := unknown_place(row.endpoint)) is not None:
            found.setdefault(name, row.endpoint)
    return tuple(f"unknown region {name}: please report {endpoint}" for name, endpoint in found.items())


def _configured_regions(options: Options) -> Any:
    """The user's region map, None when there is no configuration: this command does without one."""
    from revvlink_cli.commands.shared import node_selection
    from revvlink_cli.config.problems import ConfigError

    try:
        node_selection.find_source(options)
    except ConfigError as error:
        if error.is_missing:
            return None
        from revvlink_cli.commands.shared.node_selection import config_failure

        raise config_failure(error, options) from None
    from revvlink_cli.commands.shared.node_selection import load_settings

    return load_settings(options).regions


async def _route(given: list[str], settings: Settings, chosen: tuple[NodeSettings, ...], options: Options) -> Result:
    from revvlink_cli.commands.shared import node_selection
    from revvlink_cli.services.fleet_session import open_fleet

    async with open_fleet(chosen, regions=settings.regions, timeout=options.timeout, settled=True) as fleet:
        snapshots = fleet.snapshot().nodes
        rows = []
        for endpoint in given:
            label = fleet.region_from_endpoint(endpoint)
            ranking = fleet.rank(label)
            best = ranking.candidates[0].node.identifier if ranking.candidates else None
            rows.append(RouteRow(endpoint=endpoint, region=label, node=best, reason=ranking.explain()))
    failures = node_selection.failures_of(snapshots, options.timeout)
    is_answered = all(row.node is not None for row in rows)
    result = node_selection.result_from_any(tuple(rows), RouteRow, failures, len(snapshots), is_answered=is_answered)
    return replace(result, warnings=(*result.warnings, *_unknown_places(rows)))
