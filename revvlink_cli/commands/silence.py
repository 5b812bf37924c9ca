"""``revvlink silence``: announced maintenance, during which nodes raise no alarm."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from revvlink_cli.commands.shared import node_selection
from revvlink_cli.commands.shared.command import Record, Rows, command, make_app, options_of
from revvlink_cli.commands.shared.options import Nodes, Region, Tags, node_names
from revvlink_cli.commands.shared.questions import confirm
from revvlink_cli.commands.shared.values import seconds
from revvlink_cli.config.problems import ConfigError
from revvlink_cli.health.silences import local_time
from revvlink_cli.output.result import CommandError, ExitCode, Failure, Kind, Result, column

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from revvlink_cli.commands.shared.command import Options
    from revvlink_cli.config.settings import Settings
    from revvlink_cli.health.silences import Silence

app = make_app()

EXAMPLE = "revvlink silence add NODE --for 1h --reason 'new disk'"
"""What to type for a silence."""


def _until(row: SilenceRow) -> str:
    return local_time(datetime.fromisoformat(row.until).timestamp())


def _created(row: SilenceRow) -> str:
    return local_time(datetime.fromisoformat(row.created_at).timestamp())


@dataclass(frozen=True, slots=True, kw_only=True)
class SilenceRow:
    """A silence: active, pending (the clock was set back since it was made) or expired."""

    id: str = column("ID", rank=0)
    state: str = column("STATE", Kind.STATE, rank=0)
    target: str = column("NODES", rank=0)
    until: str = column("UNTIL", cell=_until, rank=0)
    reason: str = column("REASON", wraps=True)
    created_by: str = column("BY", rank=2)
    created_at: str = column("SINCE", cell=_created, rank=3)
    nodes: tuple[str, ...]
    tags: tuple[str, ...]
    region: str | None
    is_for_all: bool
    silences: tuple[str, ...]


def _row(silence: Silence, settings: Settings, now: float) -> SilenceRow:
    from revvlink_cli.config.silences import iso_time

    return SilenceRow(
        id=silence.id,
        state=str(silence.state_at(now)),
        target=silence.target,
        until=iso_time(silence.until),
        reason=silence.reason,
        created_by=silence.created_by,
        created_at=iso_time(silence.created_at),
        nodes=silence.nodes,
        tags=silence.tags,
        region=silence.region,
        is_for_all=silence.is_for_all,
        silences=tuple(entry.identifier for entry in settings.nodes if silence.fits(entry)),
    )


def _files(options: Options) -> tuple[Settings, Path, Path]:
    """The configuration, the file of its silences, and its own file.

    Raises:
        CommandError: The configuration cannot be used, or is in the environment.
    """
    settings = node_selection.load_settings(options)
    configuration, path = settings.source.path, settings.silences_file
    if configuration is None or path is None:
        raise CommandError(
            Failure("configuration", "the configuration is in the environment, so there is no file for silences",
                    hint="put the node into a file with `revvlink init`"),
            exit_code=ExitCode.USAGE,
        )  # fmt: skip
    return settings, path, configuration


def _failure(message: str, hint: str, code: str = "usage") -> CommandError:
    return CommandError(Failure(code, message, hint=hint), exit_code=ExitCode.USAGE)


@command(
    app,
    prints=lambda: {"": Record(SilenceRow)},
    examples=(
        "revvlink silence add us-1 --for 1h --reason 'new disk'",
        "revvlink silence add --tag prod --until 'tomorrow 08:00' --reason move",
    ),
)
def add(
    ctx: typer.Context,
    nodes: Nodes = None,
    tag: Tags = None,
    region: Region = None,
    all_: Annotated[bool, typer.Option("--all", help="Silence every node.")] = False,
    for_: Annotated[
        str | None, typer.Option("--for", metavar="TIME", help="How long, such as 90m, 2h or 1d.")
    ] = None,
    until: Annotated[
        str | None,
        typer.Option("--until", metavar="MOMENT", help="When it ends: 22:00, 'tomorrow 08:00' or 2026-11-28T22:00."),
    ] = None,
    reason: Annotated[
        str | None, typer.Option("--reason", metavar="TEXT", help="Why, for all who see it; one line.")
    ] = None,
) -> Result:  # fmt: skip
    """Silence nodes, so that they raise no alarm for a time.

    `check` shows their problems as silenced and ends as if they were well, and sends no alert about them. Several
    selectors silence the nodes that fit all of them, also nodes that are added later. The silence is kept in a file
    beside the configuration, which cron and the exporter read too.
    """
    from revvlink_cli.config import silences
    from revvlink_cli.health.silences import Silence

    options = options_of(ctx)
    now = time.time()
    if all_ == bool(nodes or tag or region):
        message = "--all goes without other nodes" if all_ else "which nodes?"
        raise _failure(message, "name nodes, or give --tag, --region or --all")
    if region is not None and not region.strip():
        raise _failure("--region is empty", "name a region, or leave it out")
    text = silences.clean_line(reason or "")
    if not text:
        raise _failure("a silence needs a reason", "add --reason 'new disk', for example")
    if len(text) > silences.LONGEST_REASON:
        raise _failure(f"the reason has {len(text)} characters", f"write {silences.LONGEST_REASON} at most")
    end = _read_end(for_, until, now)
    settings, path, configuration = _files(options)
    chosen = node_selection.select(settings, nodes or (), options, tags=tag or (), region=region)
    silence = Silence(
        id="",
        nodes=tuple(dict.fromkeys(nodes or ())),
        tags=tuple(dict.fromkeys(tag or ())),
        region=region,
        is_for_all=all_,
        reason=text,
        created_by=_author(),
        created_at=now,
        until=end,
    )
    try:
        made = silences.add_silence(path, silence, configuration=configuration, now=now)
    except ConfigError as error:
        raise node_selection.config_failure(error, options) from None
    count = f"{len(chosen)} node{'' if len(chosen) == 1 else 's'}"
    who = chosen[0].identifier if len(chosen) == 1 else count
    verb = "is" if len(chosen) == 1 else "are"
    notes = (f"{who} {verb} silenced until {local_time(end)}; `revvlink silence remove {made.id}` ends it",)
    return Result(_row(made, settings, now), text=made.id, notes=notes)


def _read_end(for_: str | None, until: str | None, now: float) -> float:
    """When a silence ends, in seconds since the epoch.

    Raises:
        CommandError: Not exactly one of both is given.
        typer.BadParameter: It is not a time, or a wrong one.
    """
    from revvlink_cli.commands.shared.moments import read_deadline
    from revvlink_cli.config.silences import LONGEST

    if (for_ is None) == (until is None):
        message = "until when?" if for_ is None else "--for and --until say when it ends"
        raise _failure(message, "give --for, such as --for 1h, or --until" if for_ is None else "keep one of them")
    flag = "--for" if for_ is not None else "--until"
    try:
        if for_ is not None:
            end = now + seconds(for_, flag)
        else:
            end = read_deadline(until or "", datetime.fromtimestamp(now, UTC)).timestamp()
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=flag) from None
    if end - now > LONGEST:
        raise typer.BadParameter("a silence lasts 366 days at most", param_hint=flag)
    if end - now < 1:
        raise typer.BadParameter("a silence lasts 1 s at least", param_hint=flag)
    return end


def _author() -> str:
    """Who makes a silence: ``user@host``; with sudo, the user who called it."""
    from revvlink_cli.config.silences import clean_line

    user = next((os.environ[name] for name in ("SUDO_USER", "USER", "LOGNAME", "USERNAME") if os.environ.get(name)), "")
    if not user:
        from getpass import getuser

        try:
            user = getuser()
        except (OSError, KeyError, ImportError):
            user = "unknown"
    host = os.uname().nodename if hasattr(os, "uname") else os.environ.get("COMPUTERNAME", "")
    return clean_line(f"{user[:64]}@{host[:64]}")


@command(
    app,
    "list",
    prints=lambda: {"": Rows(SilenceRow)},
    examples=("revvlink silence list", "revvlink silence list --expired -o json"),
)
def list_(
    ctx: typer.Context,
    expired: Annotated[bool, typer.Option("--expired", help="Show those that have ended, too.")] = False,
) -> Result:
    """List the silences in force, the first to end at the top."""
    from revvlink_cli.config.silences import MOST_EXPIRED, read_silences
    from revvlink_cli.health.silences import SilenceState

    options = options_of(ctx)
    settings, path, _ = _files(options)
    now = time.time()
    try:
        known = read_silences(path)
    except ConfigError as error:
        raise node_selection.config_failure(error, options) from None
    over = [silence for silence in known if silence.state_at(now) is SilenceState.EXPIRED]
    current = sorted((silence for silence in known if silence not in over), key=lambda silence: silence.until)
    shown = [*current, *(sorted(over, key=lambda silence: -silence.until) if expired else ())]
    notes = () if expired or not over else (f"--expired shows {len(over)} more, which have ended",)
    if not current:
        notes = (f"no silence is in force; add one with `{EXAMPLE}`", *notes)
    if expired and len(over) >= MOST_EXPIRED:
        notes = (*notes, f"the file keeps the last {MOST_EXPIRED} that have ended")
    return Result(tuple(_row(each, settings, now) for each in shown), SilenceRow, notes=notes, is_ordered=True)


def _ids_and_nodes(ctx: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """The ids of silences in force, each with its nodes, and the nodes."""
    from revvlink_cli.config.silences import read_silences
    from revvlink_cli.health.silences import SilenceState

    try:
        _settings, path, _ = _files(options_of(ctx))
        known = read_silences(path)
    except (CommandError, ConfigError):
        return []
    now = time.time()
    active = [silence for silence in known if silence.state_at(now) is not SilenceState.EXPIRED]
    ids = [(each.id, f"{each.target}: {each.reason}") for each in active if each.id.startswith(incomplete)]
    named = {name for each in active for name in each.nodes}
    return [*ids, *(found for found in node_names(ctx, incomplete) if found[0] in named)]


@command(
    app,
    prints=lambda: {"": Rows(SilenceRow)},
    examples=("revvlink silence remove us-1", "revvlink silence remove --all --yes"),
)
def remove(
    ctx: typer.Context,
    which: Annotated[
        list[str] | None,
        typer.Argument(metavar="[ID|NODE]...", help="Ids of silences, or nodes with a silence of their own.",
                       autocompletion=_ids_and_nodes),
    ] = None,
    all_: Annotated[bool, typer.Option("--all", help="Remove every silence.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Remove all without asking.")] = False,
) -> Result:  # fmt: skip
    """Remove silences, so that problems raise alarms again.

    A node removes the silences that are for this node alone. With --all a terminal asks first; elsewhere --yes is
    needed. --all also starts a new file where the old one is damaged.
    """
    from revvlink_cli.config import silences

    options = options_of(ctx)
    if all_ == bool(which):
        message = "--all goes without ids and nodes" if all_ else "which silence?"
        raise _failure(message, "give the id of a silence, a node, or --all")
    settings, path, configuration = _files(options)
    now = time.time()
    try:
        if all_:
            confirm(f"Remove all silences from {path}?", yes=yes)
            count = silences.clear_silences(path, configuration=configuration)
            text = "started a new file" if count is None else f"removed {count} silence{'' if count == 1 else 's'}"
            return Result((), SilenceRow, text=text)
        gone = silences.remove_silences(
            path, lambda known: _chosen(known, which or (), settings, now), configuration=configuration, now=now
        )
    except ConfigError as error:
        raise node_selection.config_failure(error, options) from None
    text = f"removed {', '.join(each.id for each in gone)}"
    return Result(tuple(_row(each, settings, now) for each in gone), SilenceRow, text=text)


def _chosen(known: Sequence[Silence], which: Sequence[str], settings: Settings, now: float) -> list[Silence]:
    """The silences with these ids, or of these nodes alone.

    Raises:
        CommandError: There is none for one of them.
    """
    from revvlink_cli.health.silences import SilenceState

    found: dict[str, Silence] = {}
    entries = {entry.identifier: entry for entry in settings.nodes}
    for name in which:
        own = [each for each in known if each.id == name] or [
            each
            for each in known
            if each.nodes == (name,) and not each.tags and not each.region
            if each.state_at(now) is not SilenceState.EXPIRED
        ]
        if not own:
            entry = entries.get(name)
            wider = [each for each in known if entry and each.state_at(now) is SilenceState.ACTIVE and each.fits(entry)]
            if wider:
                what = ", ".join(f"{each.id} ({each.target})" for each in wider)
                raise _failure(f"{name} is silenced by {what}", "remove that by its id", "no_silence")
            raise _failure(f"there is no silence {name}", "see `revvlink silence list`",
                           "no_silence")  # fmt: skip
        found |= {each.id: each for each in own}
    return list(found.values())
