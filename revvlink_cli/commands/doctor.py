"""``revvlink doctor``: finds what is wrong, and says what to do about it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated

import typer

from revvlink_cli.commands.shared import node_selection
from revvlink_cli.commands.shared.check_options import narrow_policy
from revvlink_cli.commands.shared.command import Rows, Work, command, make_app, options_of
from revvlink_cli.commands.shared.options import Nodes
from revvlink_cli.commands.shared.titles import in_context
from revvlink_cli.output.problems import problems_first
from revvlink_cli.output.result import ExitCode, Failure, Kind, Result, column
from revvlink_cli.output.text import MISSING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from revvlink_cli.services.doctor.context import Diagnosis, DoctorContext

app = make_app()


FEWEST_JOINED = 3
"""Nodes with the same problem that share a row; so many of them are named."""

NOTE = "-v lists each node"
"""Says how to see the nodes that share a row."""


def _subject(row: DoctorRow) -> str:
    return row.subject if row.subject is not None else MISSING


@dataclass(frozen=True, slots=True, kw_only=True)
class DoctorRow:
    """A finding: ``ok``, ``fixed``, ``warning``, ``failed``, ``crashed`` or ``skipped``."""

    checkup: str = column("CHECKUP", rank=0)
    subject: str | None = column("SUBJECT", cell=_subject, flexible=True)
    state: str = column("STATE", Kind.STATE, rank=0)
    message: str = column("MESSAGE", wraps=True, narrowest=30)
    fix: str | None = column("FIX", wraps=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckupRow:
    """A checkup that can be made."""

    checkup: str = column("CHECKUP")
    what: str = column("LOOKS AT", wraps=True, narrowest=48)


@command(
    app,
    prints=lambda: {"": Rows(DoctorRow), "--list": Rows(CheckupRow)},
    examples=("revvlink doctor", "revvlink doctor us-1", "revvlink doctor --redact"),
)
def doctor(
    ctx: typer.Context,
    nodes: Nodes = None,
    only: Annotated[
        list[str] | None, typer.Option("--only", metavar="CHECKUP", help="Run these checkups only; see --list.")
    ] = None,
    skip: Annotated[list[str] | None, typer.Option("--skip", metavar="CHECKUP", help="Leave a checkup out.")] = None,
    fix: Annotated[bool, typer.Option("--fix", help="Repair file permissions.")] = False,
    redact: Annotated[bool, typer.Option("--redact", help="Redact hosts, addresses and the home folder.")] = False,
    list_: Annotated[bool, typer.Option("--list", help="List the checkups without running them.")] = False,
) -> Work | Result:
    """Diagnose the machine, the configuration and each node.

    It also examines file permissions, names and proxies. A table shows problems first, and sums up what is well; -v
    lists it, with the versions of the libraries. Each problem says what to do. Passwords are never shown. Exit code 0
    when nothing has failed, else 1. With NODE, only those nodes are examined, with the machine as always.
    """
    from revvlink_cli.services.doctor.context import DoctorContext
    from revvlink_cli.services.doctor.examination import CHECKUPS

    options = options_of(ctx)
    for flag, names in (("--only", only), ("--skip", skip)):
        for name in names or ():
            if name not in CHECKUPS:
                raise typer.BadParameter(f"{name!r} is not one of {', '.join(CHECKUPS)}", param_hint=flag)
    if redact and options.verbose:
        raise typer.BadParameter("goes without -v: the log shows addresses", param_hint="--redact")
    if list_:
        rows = [CheckupRow(checkup=name, what=(make.__doc__ or "").rstrip(".")) for name, make in CHECKUPS.items()]
        return Result(tuple(rows), CheckupRow)
    wanted = [name for name in CHECKUPS if (not only or name in only) and name not in (skip or ())]
    environment = node_selection.environment_of(options)
    context = DoctorContext(
        options.config,
        environment,
        node_selection.current_folder(),
        uri=options.uri,
        context=options.context,
        timeout=options.timeout,
        fixes=fix,
    )
    options.source = context.source
    if nodes and context.settings is not None:
        settings = context.settings
        entries = node_selection.select(settings, nodes, options)
        context.policy = narrow_policy(settings.policy, settings, entries)
        context.settings = settings._replace(nodes=entries)
    return _examine(context, wanted, redact=redact, is_verbose=bool(options.verbose))


async def _examine(context: DoctorContext, wanted: Sequence[str], *, redact: bool, is_verbose: bool) -> Result:
    from revvlink_cli.services.doctor.context import State
    from revvlink_cli.services.doctor.examination import examine
    from revvlink_cli.services.doctor.redaction import Redactor

    found = [diagnosis async for diagnosis in examine(context, wanted)]
    if redact:
        redactor = Redactor(context)
        found = [redactor.redacted(diagnosis) for diagnosis in found]
    bad = [diagnosis for diagnosis in found if diagnosis.state in (State.FAILED, State.CRASHED)]
    unwise = [diagnosis for diagnosis in found if diagnosis.state is State.WARNING]
    counts = f"{len(bad)} failed, {len(unwise)} warning{'' if len(unwise) == 1 else 's'}, {len(found)} findings"
    rows = tuple(
        DoctorRow(checkup=d.checkup, subject=d.subject, state=str(d.state), message=d.message, fix=d.fix) for d in found
    )
    well = [] if is_verbose else [row for row in rows if row.state == State.OK]
    shown = [row for row in rows if row not in well]
    problems = problems_first(shown) if is_verbose else _grouped(problems_first(shown))
    table = (*problems, *_sum_up(well, is_all=not shown, redact=redact), *_not_tried(context, wanted))
    return Result(
        rows,
        DoctorRow,
        ExitCode.FAILED if bad else ExitCode.OK,
        tuple(map(_failure, bad)),
        notes=(NOTE,) if len(problems) < len(shown) and not redact else (),
        title=in_context(counts, context.settings.context if context.settings is not None else None),
        table_rows=table,
        has_errors_in_table=True,
    )


def _grouped(rows: Sequence[DoctorRow]) -> tuple[DoctorRow, ...]:
    """One row for nodes with the same problem and the same fix, where they are many."""
    groups: dict[object, list[DoctorRow]] = {}
    for row in rows:
        stage = row.message.partition(":")[0]
        key = (row.checkup, row.state, stage, row.fix) if row.checkup == "nodes" else row
        groups.setdefault(key, []).append(row)
    return tuple(
        shown for group in groups.values() for shown in ([_joined(group)] if len(group) >= FEWEST_JOINED else group)
    )


def _joined(group: Sequence[DoctorRow]) -> DoctorRow:
    """One row for several nodes, which names a few of them."""
    names = [row.subject or MISSING for row in group]
    more = f" and {len(names) - FEWEST_JOINED} more" if len(names) > FEWEST_JOINED else ""
    like = "" if all(row.message == group[0].message for row in group) else ", and similar"
    message = f"{', '.join(names[:FEWEST_JOINED])}{more}: {group[0].message}{like}"
    return replace(group[0], subject=f"{len(names)} nodes", message=message)


def _sum_up(well: Sequence[DoctorRow], *, is_all: bool, redact: bool) -> tuple[DoctorRow, ...]:
    """One row for everything that is well."""
    if not well:
        return ()
    counts = Counter(row.checkup for row in well)
    names = ", ".join(name if count == 1 else f"{name} ({count})" for name, count in counts.items())
    is_one = len(well) == 1
    message = f"{len(well)} check{' is' if is_one else 's are'} well: {names}"
    fix = None if redact else "-v lists them"  # -v shows addresses
    return (DoctorRow(checkup="all" if is_all else "others", subject=None, state="ok", message=message, fix=fix),)


def _not_tried(context: DoctorContext, wanted: Sequence[str]) -> tuple[DoctorRow, ...]:
    """One row for what no checkup of the nodes tries."""
    if "nodes" not in wanted or context.settings is None:
        return ()
    policy = context.settings.policy
    has_canaries = any(each.canaries or each.plays for each in (policy.common, *policy.nodes.values()))
    message = "not tried: doctor loads no track and plays none"
    fix = f"run `revvlink check{'' if has_canaries else ' --canary QUERY'}`"
    return (DoctorRow(checkup="tracks", subject=None, state="skipped", message=message, fix=fix),)


def _failure(diagnosis: Diagnosis) -> Failure:
    return Failure(diagnosis.checkup, diagnosis.message, diagnosis.subject, diagnosis.checkup, diagnosis.fix)
