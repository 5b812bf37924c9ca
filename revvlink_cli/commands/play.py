"""``revvlink play``: whether a track really plays on nodes."""

from __future__ import annotations

import errno
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from revvlink_cli._awaited import awaiting
from revvlink_cli.commands.shared import node_selection
from revvlink_cli.commands.shared.command import PlayCommand, Rows, Work, command, make_app, options_of
from revvlink_cli.commands.shared.options import Source, Tags, node_names
from revvlink_cli.commands.shared.queries import identifier_for
from revvlink_cli.commands.shared.saved_file import save_file
from revvlink_cli.commands.shared.values import files, seconds
from revvlink_cli.output.result import CommandError, ExitCode, Failure, Kind, Result, column

if TYPE_CHECKING:
    from collections.abc import Sequence

    from revvlink_cli.client.settings import NodeSettings
    from revvlink_cli.commands.shared.command import Options
    from revvlink_cli.config.address import Address
    from revvlink_cli.config.settings import Settings
    from revvlink_cli.services.playing import PlayReport
    from revvlink_cli.services.voice.server import VoiceServer

app = make_app()

CONNECT_TIME = 15.0
"""Seconds that nodes may take to connect, within the time of the command."""

SPARE_TIME = 45.0
"""Seconds beyond the measured ones that a play may take where no time limit is given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRow:
    """One step on the way to sound."""

    step: str
    after_ms: float
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayRow:
    """Whether a track plays on one node: heard, starts, unproven, fails or not_loaded."""

    node: str = column("NODE")
    verdict: str = column("VERDICT", Kind.STATE)
    load_ms: float | None = column("LOADED", Kind.LATENCY_MS, rank=3)
    first_packet_ms: float | None = column("FIRST PACKET", Kind.LATENCY_MS, rank=4)
    packet_rate: float | None = column("PACKETS/S", Kind.SCORE, rank=4)
    message: str = column("MESSAGE", wraps=True)
    title: str | None
    code: str | None
    advice: str | None
    start_ms: float | None
    packets: int | None
    sound_packets: int | None
    expected_packet_rate: float | None
    lost_packets: int | None
    reordered_packets: int | None
    duplicate_packets: int | None
    foreign_packets: int
    jitter_ms: float | None
    silence_ratio: float | None
    longest_gap_ms: float | None
    dave_version: int | None
    pcm_bytes: int | None
    steps: tuple[StepRow, ...]


@command(
    app,
    prints=lambda: {"": Rows(PlayRow)},
    cls=PlayCommand,
    examples=("revvlink play night --node us-1",),
)
def play(
    ctx: typer.Context,
    query: Annotated[
        list[str],
        typer.Argument(
            metavar="[NODE] QUERY...", help="Words, an address, or prefix:words; a node's name before them as --node."
        ),
    ],
    node: Annotated[
        list[str] | None,
        typer.Option(
            "--node",
            metavar="NODE",
            help="Play on this node, or pattern; may be given more than once.",
            autocompletion=node_names,
        ),
    ] = None,
    tag: Tags = None,
    source: Source = None,
    raw: Annotated[bool, typer.Option("--raw", help="Send QUERY as it is: file names of the local source.")] = False,
    watch_for: Annotated[
        str, typer.Option("--for", metavar="TIME", help="How long to watch the track after its start.")
    ] = "5s",
    listen: Annotated[
        str | None,
        typer.Option("--listen", metavar="HOST:PORT", help="Be the voice server, and measure what nodes send."),
    ] = None,
    cert: Annotated[
        str | None,
        typer.Option("--cert", metavar="PEM", help="Certificate of the voice server.", autocompletion=files),
    ] = None,
    key: Annotated[
        str | None, typer.Option("--key", metavar="PEM", help="Its key, if not in --cert.", autocompletion=files)
    ] = None,
    advertise: Annotated[
        str | None,
        typer.Option("--advertise", metavar="NAME:PORT", help="The address that nodes are given; default: --listen."),
    ] = None,
    duration: Annotated[
        str | None, typer.Option("--duration", metavar="TIME", help="How long to measure; default: as --for.")
    ] = None,
    save: Annotated[
        str | None,
        typer.Option("--save", metavar="FILE", help="Write every packet's header to a file.", autocompletion=files),
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 1 where nothing is proven.")] = False,
) -> Work:
    """Play a track on nodes and report whether it sounds.

    It needs no bot token and no Discord. Each node gets a player of its own, which is destroyed in the end. Without
    --listen a Lavalink shows whether the track starts; with it, whether it sounds.

    To hear it on a voice server of its own: `revvlink play night --node 'eu-*' --listen 0.0.0.0:8443
    --advertise voice.example.org:8443 --cert voice.pem`.
    """  # fmt: skip
    options = options_of(ctx)
    if not " ".join(query).strip():
        raise CommandError(
            Failure("usage", "the query is empty", hint="give words to search"), exit_code=ExitCode.USAGE
        )
    span = seconds(duration if duration is not None else watch_for)
    if options.given_timeout is None:
        options.given_timeout = max(options.usual_timeout, span + SPARE_TIME)
    elif span >= options.given_timeout:
        raise typer.BadParameter(f"{span:g} s do not fit into --timeout {options.given_timeout:g}", param_hint="--for")
    place = _address(listen, "--listen")
    given = _address(advertise, "--advertise")
    _check_voice(place, given, cert, key, save, duration)
    settings = node_selection.load_settings(options)
    if not node:
        named, query = node_selection.split_node(settings, query, options)
        node = [named] if named is not None else None
    words = " ".join(query)
    entries = node_selection.select(settings, node or (), options, tags=tag or ())
    chosen = node_selection.with_secrets(settings, entries, options)
    identifier = words if raw else identifier_for(words, source or settings.search_source)

    async def work() -> Result:
        from revvlink_cli.services.voice.server import self_test

        warnings: list[str] = []
        async with AsyncExitStack() as stack:
            voice = None
            if place is not None:
                voice = await _serve(stack, place, given, cert, key, keep=save is not None)
                if (problem := await self_test(voice)) is not None:
                    warnings.append(problem)
                if cert is None:
                    warnings.append("without --cert only nodes behind a proxy with TLS can connect")
            reports, failures = await _play(settings, chosen, options, identifier, span, voice)
        if save is not None:
            _save(save, reports)
        return _result(reports, failures, strict=strict, warnings=tuple(warnings))

    return work()


def _address(text: str | None, flag: str) -> Address | None:
    if text is None:
        return None
    from revvlink_cli.config.address import Address

    try:
        return Address.parse(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=flag) from None


def _check_voice(
    listen: Address | None, advertise: Address | None, cert: str | None, key: str | None, save: str | None,
    duration: str | None,
) -> None:  # fmt: skip
    """Refuse options of the voice server that mean nothing together."""
    if listen is None:
        given = {"--cert": cert, "--key": key, "--advertise": advertise, "--save": save, "--duration": duration}
        for flag, value in given.items():
            if value is not None:
                raise typer.BadParameter("is for the voice server: give --listen too", param_hint=flag)
        return
    if listen.is_every and advertise is None:
        raise typer.BadParameter("nodes cannot connect to every address: give --advertise", param_hint="--listen")
    if key is not None and cert is None:
        raise typer.BadParameter("a key needs its certificate: give --cert", param_hint="--key")


async def _serve(
    stack: AsyncExitStack, listen: Address, advertise: Address | None, cert: str | None, key: str | None, *, keep: bool
) -> VoiceServer:
    """The voice server, until the stack ends.

    Raises:
        CommandError: It cannot listen.
    """
    import ssl

    from revvlink_cli.services.voice.server import VoiceServer

    server = VoiceServer(listen, cert=cert, key=key, advertise=advertise, keep_packets=keep)
    try:
        return await stack.enter_async_context(server)
    except ssl.SSLError as error:
        failure = Failure("certificate", f"--cert cannot be used: {error.reason or error}", hint="give PEM files")
        raise CommandError(failure, exit_code=ExitCode.USAGE) from None
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            what, hint = f"{listen} is in use: another run may listen there", "choose another port, or port 0"
            raise CommandError(Failure("port_in_use", what, hint=hint)) from None
        if isinstance(error, (FileNotFoundError, PermissionError)):
            failure = Failure("certificate", f"{error.filename or cert}: {error.strerror}", hint="give PEM files")
        else:
            what = error.strerror or str(error)
            failure = Failure("listen", f"cannot listen on {listen}: {what}", hint="check --listen and --advertise")
        raise CommandError(failure, exit_code=ExitCode.USAGE) from None


async def _play(
    settings: Settings, chosen: Sequence[NodeSettings], options: Options, identifier: str, span: float,
    voice: VoiceServer | None,
) -> tuple[list[PlayReport], tuple[Failure, ...]]:  # fmt: skip
    """Connect the nodes, and play on those that are there; gives also why the others are not."""
    import asyncio

    from revvlink_cli.client.snapshot import NodeStatus
    from revvlink_cli.services import fleet_session
    from revvlink_cli.services.playing import PlayPlan, play_all

    deadline = asyncio.get_running_loop().time() + options.timeout
    patience = min(CONNECT_TIME, options.timeout / 2)
    async with fleet_session.open_fleet(chosen, regions=settings.regions, timeout=patience) as fleet:
        failures = node_selection.failures_of(fleet.snapshot().nodes, patience)
        there = [node for node in fleet.members if node.status is NodeStatus.CONNECTED]
        plan = PlayPlan(identifier, span, voice)
        with awaiting(lambda: f"playing {identifier} on {', '.join(node.identifier for node in there)}"):
            return await play_all(fleet, there, plan, deadline), failures


def _save(name: str, reports: Sequence[PlayReport]) -> None:
    """Write every packet of every node, a JSON object a line.

    Raises:
        CommandError: The file cannot be written.
    """
    import json

    lines = []
    for report in reports:
        begun = report.packets[0][0] if report.packets else 0.0
        for at, header in report.packets:
            line: dict[str, Any] = {"node": report.node, "t": round((at - begun) * 1000, 1), "type": "rtp"}
            line |= {"bytes": header.length, "seq": header.sequence, "timestamp": header.timestamp, "ssrc": header.ssrc}
            lines.append(json.dumps(line) + "\n")
    save_file(name, "".join(lines))


def _result(
    reports: Sequence[PlayReport], unreachable: tuple[Failure, ...], *, strict: bool, warnings: tuple[str, ...]
) -> Result:
    failures = tuple(
        Failure(report.code or str(report.verdict), report.message, node=report.node, hint=report.advice)
        for report in reports
        if not report.verdict.is_good
    )
    notes = [f"{report.node}: {report.advice}" for report in reports if report.verdict.is_good and report.advice]
    unanswered = sum(report.is_unanswered for report in reports)
    unproven = sum(strict and report.verdict == "unproven" for report in reports)
    bad = len(failures) + unproven
    if unreachable and not reports:
        code = node_selection.exit_code_for(unreachable, len(unreachable))
    elif reports and unanswered == len(reports):
        code = ExitCode.UNREACHABLE
    elif unreachable or 0 < bad < len(reports):
        code = ExitCode.PARTIAL
    else:
        code = ExitCode.FAILED if bad else ExitCode.OK
    errors = (*unreachable, *failures)
    return Result(tuple(map(_row, reports)), PlayRow, code, errors, notes=tuple(notes), warnings=warnings)


def _row(report: PlayReport) -> PlayRow:
    figures = report.figures
    return PlayRow(
        node=report.node,
        verdict=str(report.verdict),
        load_ms=report.load_ms,
        first_packet_ms=report.first_packet_ms,
        packet_rate=figures.packet_rate if figures else None,
        message=report.message,
        title=report.title,
        code=report.code,
        advice=report.advice,
        start_ms=report.start_ms,
        packets=figures.packets if figures else None,
        sound_packets=figures.sound_packets if figures else None,
        expected_packet_rate=50.0 if figures else None,
        lost_packets=figures.lost if figures else None,
        reordered_packets=figures.reordered if figures else None,
        duplicate_packets=figures.duplicates if figures else None,
        foreign_packets=report.foreign_packets,
        jitter_ms=figures.jitter_ms if figures else None,
        silence_ratio=figures.silence_ratio if figures else None,
        longest_gap_ms=figures.longest_gap_ms if figures else None,
        dave_version=report.dave_version,
        pcm_bytes=report.pcm_bytes,
        steps=tuple(StepRow(step=step.step, after_ms=step.after_ms, detail=step.detail) for step in report.steps),
    )
