"""``revvlink drill``: rehearses outages on a simulated copy of the fleet."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from revvlink_cli.commands.drill.limits import Limits
from revvlink_cli.commands.drill.rows import DrillNodeRow, DrillRow, node_row, notes_on, summary_row
from revvlink_cli.commands.shared import node_selection
from revvlink_cli.commands.shared.command import Command, Rows, Work, command, make_app, options_of
from revvlink_cli.commands.shared.options import node_names
from revvlink_cli.commands.shared.saved_file import save_file
from revvlink_cli.commands.shared.values import files, optional_seconds, optional_share
from revvlink_cli.output.formats import COMMON, Format
from revvlink_cli.output.result import CommandError, ExitCode, Failure, Result

if TYPE_CHECKING:
    from collections.abc import Sequence

    from revvlink_cli.commands.shared.command import Options
    from revvlink_cli.config.settings import Settings
    from revvlink_cli.services.drill.drills import Question
    from revvlink_cli.services.drill.model import FleetModel
    from revvlink_cli.services.drill.outcome import DrillOutcome

DRILLS = {
    "node-loss": "the process of a node ends",
    "region-outage": "all nodes of a region are out of reach",
    "rolling-restart": "nodes are drained and restarted one after the other",
    "overload": "more and more players come",
    "resume-lost": "a connection breaks, and the node has forgotten its session",
}
"""Drill -> what happens in it. ``all`` is each of them."""

VOICE_TIME = 0.25
"""Seconds that a node needs to connect to a voice server, unless the user knows better."""

READING = 15.0
"""Seconds that the nodes have to send their status, at most."""

app = make_app()


def _drills(incomplete: str) -> list[tuple[str, str]]:
    known = {**DRILLS, "all": "every drill, one after the other"}
    return [(name, text) for name, text in known.items() if name.startswith(incomplete)]


class DrillCommand(Command):
    """A command whose runs may take a minute; its report can be Markdown."""

    formats = (*COMMON, Format.MARKDOWN)

    usual_timeout = 300.0


@command(
    app,
    prints=lambda: {"": Rows(DrillRow), "--per-node": Rows(DrillNodeRow)},
    cls=DrillCommand,
    examples=(
        "revvlink drill node-loss us-1 --per-node",
        "revvlink drill all --seed 1",
        "revvlink drill node-loss --max-lost 0 --max-silence 60s",
    ),
)
def drill(
    ctx: typer.Context,
    what: Annotated[
        str,
        typer.Argument(metavar="DRILL", help=f"One of {', '.join(DRILLS)}, or all.", autocompletion=_drills),
    ],
    nodes: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NODE]...",
            help="Nodes that it hits, by name or pattern; for region-outage, their regions. Default: where most play.",
            autocompletion=node_names,
        ),
    ] = None,
    per_node: Annotated[
        bool, typer.Option("--per-node", help="Show each node before and after, in place of the summary.")
    ] = False,
    players: Annotated[
        int | None,
        typer.Option("--players", metavar="N", min=1, max=1_000_000, help="Playing players, in place of those read."),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option("--seed", metavar="S", min=0, help="Make one run with this seed, in place of several."),
    ] = None,
    recording: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="FILE",
            help="Use a recording of `revvlink record`; no node is read.",
            autocompletion=files,
        ),
    ] = None,
    peak: Annotated[
        str | None,
        typer.Option("--peak", metavar="pN", help="With --from, the percentile of players and load; default p95."),
    ] = None,
    voice_time: Annotated[
        str | None,
        typer.Option("--voice-time", metavar="TIME", help="Time that a node needs to connect to voice; default 250ms."),
    ] = None,
    max_silence: Annotated[
        str | None, typer.Option("--max-silence", metavar="TIME", help="Exit with 1 if a player is silent for longer.")
    ] = None,
    max_lost: Annotated[
        int | None, typer.Option("--max-lost", metavar="N", min=0, help="Exit with 1 if more players are lost.")
    ] = None,
    max_cpu: Annotated[
        str | None, typer.Option("--max-cpu", metavar="PERCENT", help="Exit with 1 if the load of a node is higher.")
    ] = None,
    save: Annotated[
        str | None,
        typer.Option(
            "--save", metavar="FILE", help="Also write a scenario for `revvlink simulate`.", autocompletion=files
        ),
    ] = None,
) -> Work:
    """Rehearse an outage on a simulated copy of the fleet.

    The status of the nodes is read once. Then the same pool that a bot has runs on simulated nodes with these figures,
    in simulated time, and no real node is touched. `node-loss` hits the node with the most players unless nodes are
    named.
    """
    options = options_of(ctx)
    names = _read_drills(what)
    limits = Limits(
        silence=optional_seconds(max_silence, "--max-silence"),
        lost=max_lost,
        cpu=optional_share(max_cpu, "--max-cpu", "80"),
    )
    if peak is not None and recording is None:
        raise typer.BadParameter("goes with --from", param_hint="--peak")
    if recording in ("", "-"):
        raise typer.BadParameter(f"{recording!r} is not a file", param_hint="--from")
    if save is not None and len(names) > 1:
        raise typer.BadParameter("a scenario is one drill: name it in place of all", param_hint="--save")
    asked = _Asked(
        drills=names,
        nodes=tuple(nodes or ()),
        players=players,
        seed=seed,
        voice=optional_seconds(voice_time, "--voice-time") or VOICE_TIME,
        limits=limits,
        per_node=per_node,
        save=save,
    )
    if recording is not None:
        settings = _settings_if_any(options)
        return _rehearsed(asked, _recorded(recording, _read_peak(peak), settings), ())
    settings = node_selection.load_settings(options)
    return _read_and_rehearse(asked, settings, options)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """The command line."""

    drills: tuple[str, ...]
    nodes: tuple[str, ...]
    players: int | None
    seed: int | None
    voice: float
    limits: Limits
    per_node: bool
    save: str | None


def _read_drills(name: str) -> tuple[str, ...]:
    from revvlink_cli._suggestions import nearest

    if name == "all":
        return tuple(DRILLS)
    if name not in DRILLS:
        raise typer.BadParameter(f"{name!r} is not a drill: {nearest(name, [*DRILLS, 'all'])}", param_hint="DRILL")
    return (name,)


def _read_peak(text: str | None) -> float:
    digits = (text or "p95").strip().lower().removeprefix("p")
    if not digits.isdecimal() or not 1 <= int(digits) <= 100:
        raise typer.BadParameter(f"{text!r} is not a percentile from p1 to p100, such as p95", param_hint="--peak")
    return int(digits) / 100


def _settings_if_any(options: Options) -> Settings | None:
    """The configuration, for what a recording does not have; a recording needs none."""
    from revvlink_cli.config.load import load
    from revvlink_cli.config.problems import ConfigError

    try:
        return load(node_selection.find_source(options))
    except ConfigError as error:
        if error.is_missing and options.config is None and options.context is None:
            return None
        raise node_selection.config_failure(error, options) from None


def _recorded(file: str, share: float, settings: Settings | None) -> FleetModel:
    from revvlink_cli.commands.shared.stdin import LONGEST_SAMPLE, read_lines
    from revvlink_cli.health.policy import Policy
    from revvlink_cli.services.drill.model import FleetModel
    from revvlink_cli.services.drill.reading import models_of
    from revvlink_cli.services.recording import read

    entries = {entry.identifier: entry for entry in settings.nodes} if settings is not None else {}
    found = models_of(read(read_lines(file, longest=LONGEST_SAMPLE)), share, entries)
    if not found:
        raise CommandError(
            Failure("not_a_recording", f"{file} has no players of a node", hint="make one with `revvlink record FILE`")
        )
    policy = settings.policy if settings is not None else Policy()
    return FleetModel(found, policy, settings is not None and settings.regions is not None)


async def _read_and_rehearse(asked: _Asked, settings: Settings, options: Options) -> Result:
    from revvlink_cli.services.drill.model import FleetModel
    from revvlink_cli.services.drill.reading import model_of
    from revvlink_cli.services.fleet_session import open_fleet

    chosen = node_selection.with_secrets(settings, settings.nodes, options)
    entries = {entry.identifier: entry for entry in settings.nodes}
    timeout = min(options.timeout, READING)
    async with open_fleet(chosen, regions=settings.regions, timeout=timeout, settled=True) as fleet:
        snapshot = fleet.snapshot()
    found = tuple(model for node in snapshot.nodes if (model := model_of(node, snapshot.at, entries)) is not None)
    failures = node_selection.failures_of(snapshot.nodes, timeout)
    if not found:
        return Result(None, DrillRow, node_selection.exit_code_for(failures, len(snapshot.nodes)), failures)
    copy = FleetModel(found, settings.policy, settings.regions is not None)
    return await _rehearsed(asked, copy, failures)


async def _rehearsed(asked: _Asked, fleet: FleetModel, failures: tuple[Failure, ...]) -> Result:
    """Make the drills."""
    from revvlink_cli.services.drill.drills import Question, usual_seeds
    from revvlink_cli.services.drill.saving import scenario_of

    if asked.players is not None:
        fleet = fleet.with_total(asked.players)
    named = _named(fleet, asked.nodes)
    seeds = (asked.seed,) if asked.seed is not None else usual_seeds(fleet)
    questions = [Question(name, named, seeds, asked.voice, asked.limits.silence) for name in asked.drills]
    outcomes = [await _beside(fleet, question) for question in questions]
    if asked.save is not None:
        text = scenario_of(fleet, questions[0])
        save_file(asked.save, text, subject=f"--save {asked.save}:", hint="name a file in an existing folder")
    return _result(asked, outcomes, failures)


async def _beside(fleet: FleetModel, question: Question) -> DrillOutcome:
    """Make a drill in a thread, which ends when the command is interrupted."""
    import threading

    from revvlink_cli._awaited import awaiting
    from revvlink_cli.services.drill.drills import run_drill
    from revvlink_cli.services.worker import run_beside_loop

    stop = threading.Event()
    with awaiting(lambda: f"rehearsing {question.drill}"):
        try:
            return await run_beside_loop(lambda: run_drill(fleet, question, stop))
        finally:
            stop.set()


def _named(fleet: FleetModel, patterns: Sequence[str]) -> tuple[str, ...]:
    """The nodes of the copy that patterns name.

    Raises:
        CommandError: A pattern fits none.
    """
    known = [node.identifier for node in fleet.nodes]
    found: dict[str, None] = {}
    for pattern in patterns:
        fitting = [name for name in known if node_selection.fits(name, pattern)]
        if not fitting:
            failure = node_selection.unknown_node(pattern, known)
            message = f"there are no figures of a node named {pattern}"
            raise CommandError(replace(failure, message=message), exit_code=ExitCode.USAGE)
        found.update(dict.fromkeys(fitting))
    return tuple(found)


def _result(asked: _Asked, outcomes: Sequence[DrillOutcome], failures: tuple[Failure, ...]) -> Result:
    """The rows, what limits are broken, and the notes."""
    broken = tuple(failure for outcome in outcomes for failure in asked.limits.broken_by(outcome))
    unread = tuple(replace(failure, message=f"{failure.message}; it is not in the copy") for failure in failures)
    notes = notes_on(outcomes)
    if asked.save is not None:
        notes = (*notes, f"scenario in {asked.save}: replay it with `revvlink simulate {asked.save}`")
    exit_code = ExitCode.FAILED if broken else ExitCode.OK
    if asked.per_node:
        rows: tuple[Any, ...] = tuple(node_row(outcome, node) for outcome in outcomes for node in outcome.nodes)
        kind: type = DrillNodeRow
    else:
        rows, kind = tuple(summary_row(outcome) for outcome in outcomes), DrillRow
    return Result(
        rows, kind, exit_code, broken, notes=notes, left_out=unread, is_ordered=True, has_notes_in_documents=True
    )
