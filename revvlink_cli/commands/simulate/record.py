"""``revvlink simulate record``: a scenario from genuine nodes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from revvlink_cli.commands.shared import node_selection
from revvlink_cli.commands.shared.command import Record, Work, command, options_of
from revvlink_cli.commands.shared.options import Nodes, Region, Source, Tags
from revvlink_cli.commands.shared.queries import identifier_for
from revvlink_cli.commands.shared.saved_file import save_file
from revvlink_cli.commands.shared.values import files, seconds
from revvlink_cli.output.result import ExitCode, Failure, Kind, Result, column

if TYPE_CHECKING:
    from collections.abc import Sequence

    from revvlink_cli.client.settings import NodeSettings
    from revvlink_cli.commands.shared.command import Options
    from revvlink_cli.config.settings import Settings
    from revvlink_cli.services.scenario_observation import Observation

CONNECT_TIME = 15.0
"""Seconds that nodes may take to connect."""

SPARE_TIME = 60.0
"""Seconds beyond the recorded ones that a recording may take where no time limit is given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScenarioRecord:
    """A scenario that was recorded. `samples` are statistics of nodes, `searches` the rules for tracks."""

    file: str | None = column("File")
    nodes: int = column("Nodes", Kind.COUNT)
    samples: int = column("Samples", Kind.COUNT)
    searches: int = column("Searches", Kind.COUNT)
    text: str


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    command(
        app,
        "record",
        prints=lambda: {"": Record(ScenarioRecord)},
        examples=(
            "revvlink simulate record us-1 --for 2s",
            "revvlink simulate record --search night --for 2s --save bot.toml",
        ),
    )(record)


def record(
    ctx: typer.Context,
    nodes: Nodes = None,
    tag: Tags = None,
    region: Region = None,
    lasting: Annotated[
        str, typer.Option("--for", metavar="TIME", help="How long to collect statistics; nodes send them each minute.")
    ] = "60s",
    search: Annotated[
        list[str] | None,
        typer.Option("--search", metavar="QUERY", help="Also record what this query finds; may be given again."),
    ] = None,
    source: Source = None,
    save: Annotated[
        str | None,
        typer.Option("--save", metavar="FILE", help="Write the scenario to a file.", autocompletion=files),
    ] = None,
) -> Work:
    """Make a scenario from genuine nodes.

    It has their kind, version, sources, plugins, route planner, players and load, and what --search finds.
    Passwords, hosts and addresses are left out, so the file can be shared. The nodes are only read.
    """
    options = options_of(ctx)
    if save in ("", "-"):
        raise typer.BadParameter(f"{save!r} is not a file: the scenario is printed without --save", param_hint="--save")
    span = seconds(lasting)
    if options.given_timeout is None:
        options.given_timeout = span + SPARE_TIME
    elif span >= options.given_timeout:
        raise typer.BadParameter(f"{span:g} s do not fit into --timeout {options.given_timeout:g}", param_hint="--for")
    settings, chosen = node_selection.load_nodes(options, nodes, tag, region)
    if any(not query.strip() for query in search or ()):
        raise typer.BadParameter("a query is empty", param_hint="--search")
    identifiers = [identifier_for(query, source or settings.search_source) for query in search or ()]
    return _record(settings, chosen, options, tuple(dict.fromkeys(identifiers)), span, save)


async def _record(
    settings: Settings,
    chosen: Sequence[NodeSettings],
    options: Options,
    identifiers: Sequence[str],
    span: float,
    save: str | None,
) -> Result:
    from revvlink_cli.services.fleet_session import open_fleet
    from revvlink_cli.services.scenario_observation import observe

    patience = min(CONNECT_TIME, options.timeout / 2)
    async with open_fleet(chosen, regions=settings.regions, timeout=patience, settled=True) as fleet:
        unreachable = node_selection.failures_of(fleet.snapshot().nodes, patience)
        if len(unreachable) == len(chosen):
            return Result(None, ScenarioRecord, node_selection.exit_code_for(unreachable, len(chosen)), unreachable)
        seen = await observe(fleet, identifiers, span)
    failures = (*unreachable, *map(node_selection.failure_of, seen.failures))
    return _result(seen, failures, save)


def _result(seen: Observation, failures: tuple[Failure, ...], save: str | None) -> Result:
    from revvlink_cli.services.scenario_recording import record_scenario
    from revvlink_cli.services.scenario_text import scenario_text

    recorded = record_scenario(seen.nodes, seen.loads)
    text = scenario_text(recorded.scenario, ("Recorded by `revvlink simulate record`.",))
    if save is not None:
        save_file(save, text)
    notes = [f"{before} is {name} in the scenario" for before, name in recorded.renamed.items()]
    if save is not None:
        notes.append(f"`revvlink simulate {save}` serves it")
    return Result(
        ScenarioRecord(
            file=save,
            nodes=len(seen.nodes),
            samples=sum(len(node.stats) for node in seen.nodes),
            searches=len(seen.loads) - len(recorded.left_out),
            text=text,
        ),
        ScenarioRecord,
        ExitCode.PARTIAL if failures else ExitCode.OK,
        failures,
        notes=tuple(notes),
        warnings=tuple(f"{query} is left out: it may hold a key or an address" for query in recorded.left_out),
        text=text.removesuffix("\n") if save is None else None,
    )
