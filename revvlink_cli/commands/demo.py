"""``revvlink demo``: the tool on a simulated fleet, without a node of your own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from revvlink_cli.commands.shared.command import Options, Rows, command, make_app, options_of, refuse_endless_json
from revvlink_cli.commands.shared.kept_fleet import Words, kept_fleet
from revvlink_cli.commands.shared.watch_options import timestamp
from revvlink_cli.output.result import CommandError, ExitCode, Failure, Kind, Script, Step, Stream, column

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator

    from revvlink_cli.services.demo import DemoFleet

app = make_app()

ENDPOINTS = ("us-east1.discord.gg:443", "c-gru03-1a2b3c4d.discord.media:8443", "japan7.discord.media")


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoRow:
    """Something that happened in the fleet of ``--keep``; the first row names its configuration."""

    time: str = column("TIME", Kind.TIME)
    node: str | None = column("NODE")
    event: str = column("EVENT", Kind.STATE)
    detail: str = column("DETAIL", wraps=True)
    config: str | None


@command(
    app,
    prints=lambda: {"": Rows(None), "--keep": Rows(DemoRow, in_json=False)},
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
    examples=("revvlink demo", "revvlink demo --keep", "revvlink demo -- nodes status"),
)
def demo(
    ctx: typer.Context,
    command: Annotated[
        list[str] | None, typer.Argument(metavar="[-- COMMAND...]", help="A command to run on the simulated fleet.")
    ] = None,
    keep: Annotated[
        bool, typer.Option("--keep", help="Keep the fleet running for commands in other terminals, until Ctrl-C.")
    ] = False,
    ready_file: Annotated[
        str | None,
        typer.Option(
            "--ready-file", metavar="FILE", help="With --keep, write the path of the configuration here once all is up."
        ),
    ] = None,
    seed: Annotated[
        int | None, typer.Option("--seed", metavar="N", help="Change the load in the same way in every run.")
    ] = None,
    steady: Annotated[bool, typer.Option("--steady", help="Let neither the load change nor a node fail.")] = False,
) -> Script | Stream:
    """Try every command on a simulated fleet.

    Five simulated nodes start: us-1, us-2, eu-1, eu-2 (a NodeLink) and asia-1. A bot plays on them. A short tour shows
    the fleet, lets us-2 fail and come back, and ends. A command after -- runs instead of the tour. With --keep the
    fleet stays for commands in other terminals, and us-2 fails now and then.
    """
    options = options_of(ctx)
    if keep:
        _refuse_with_keep(command, options)
        return Stream(DemoRow, _keep_running(options, seed, ready_file, steady=steady), is_endless=True)
    if ready_file is not None:
        raise typer.BadParameter("it needs --keep", ctx=ctx, param_hint="--ready-file")

    from revvlink_cli.services.demo import DemoFleet

    fleet = DemoFleet(seed=seed, moves=not steady)
    if command:
        return Script(environment=fleet.running, steps=iter([Step(tuple(command))]), note=NOTE)
    return Script(environment=fleet.running, steps=_tour(fleet), note=NOTE, ending=ENDING)


NOTE = "the nodes are simulated: this machine plays their part, nothing leaves it"

ENDING = (
    "`revvlink demo --keep` keeps such a fleet for commands in another terminal.",
    "Next: revvlink init",
)


KEPT = Words(
    "A simulated fleet runs, and a bot plays on it. In another terminal, type:",
    "Then type any command, such as `revvlink nodes status`. Ctrl-C ends the fleet.",
)


def _tour(fleet: DemoFleet) -> Iterator[Step]:
    """The command lines of the tour. What happens in the fleet happens before its step is given."""
    from revvlink_cli.services.demo import UNSTABLE

    yield Step(("nodes", "status"), "Five nodes run in three regions, and a bot plays on them.")
    yield Step(
        ("region", *ENDPOINTS, "--route"), "Discord names a voice endpoint; its region decides which node serves it."
    )
    yield Step(("search", "night"), "A search goes to one node, and into the cache.")
    yield Step((), f"Now {UNSTABLE} is killed, and the bot moves its players to another node.")
    fleet.fail()
    yield Step(("nodes", "status"), "The table says why the node fails.", exit_codes=(ExitCode.OK, ExitCode.PARTIAL))
    session = fleet.session("us-1")
    yield Step(("players", "list", "--session", session, "--node", "us-1"), "Its players play on, on us-1.")
    yield Step((), f"{UNSTABLE} starts again.")
    fleet.recover()
    yield Step(("check", UNSTABLE), "`check` has the verdict for cron and monitoring.")


def _refuse_with_keep(command: list[str] | None, options: Options) -> None:
    """Refuse what a fleet that stays cannot have.

    Raises:
        CommandError: There is a command too, or the output is one document.
    """
    refuse_endless_json(options, "demo --keep")
    if command:
        failure = Failure("usage", "--keep runs no command", hint="type the command in another terminal")
        raise CommandError(failure, exit_code=ExitCode.USAGE)


async def _keep_running(
    options: Options, seed: int | None, ready_file: str | None, *, steady: bool
) -> AsyncGenerator[DemoRow, None]:
    """Run the fleet until cancelled; first say how to use it, then what happens in it."""
    import asyncio

    from revvlink_cli.services.demo import DemoEvent, DemoFleet

    loop = asyncio.get_running_loop()
    happened: asyncio.Queue[DemoEvent | None] = asyncio.Queue()

    def keep(event: DemoEvent) -> None:
        loop.call_soon_threadsafe(happened.put_nowait, event)

    fleet = DemoFleet(seed=seed, moves=not steady, outages=not steady, on_event=keep)
    with kept_fleet(
        options,
        fleet.running(),
        KEPT,
        ready_file=ready_file,
        ready_text="{}\n".format,
        on_hang_up=lambda: happened.put_nowait(None),
    ) as path:
        yield _row(None, "ready", f"{len(fleet)} nodes, {fleet.players} players of a bot", str(path))
        while (event := await happened.get()) is not None:
            yield _row(event.node, event.kind, event.text)


def _row(node: str | None, event: str, detail: str, config: str | None = None) -> DemoRow:
    return DemoRow(time=timestamp(), node=node, event=event, detail=detail, config=config)
