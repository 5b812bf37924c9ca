"""``revvlink track``: encoded tracks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from revvlink_cli._awaited import awaiting
from revvlink_cli.commands.shared import node_selection
from revvlink_cli.commands.shared.command import Rows, Work, command, make_app, options_of
from revvlink_cli.commands.shared.options import node_option
from revvlink_cli.commands.shared.stdin import find_encoded, read_texts
from revvlink_cli.commands.shared.track_rows import TrackRow, track_row
from revvlink_cli.output.result import CommandError, ExitCode, Failure, Result

if TYPE_CHECKING:
    from revvlink_cli.client.settings import NodeSettings
    from revvlink_cli.commands.shared.command import Options

app = make_app()

_SHORTEST = 40
"""Characters that every encoded track has; a shorter text may be the name of a node."""


@app.callback()
def track() -> None:
    """Encoded tracks: what bots store and send."""


@command(app, "decode", prints=lambda: {"": Rows(TrackRow)}, examples=("revvlink track decode - < tracks.txt",))
def decode(
    ctx: typer.Context,
    encoded: Annotated[
        list[str],
        typer.Argument(
            metavar="[NODE] ENCODED... | -",
            help="Encoded tracks; - reads standard input: one a line, or what `search --encoded` prints. A node's name "
            "before them as --node.",
        ),
    ],
    node: Annotated[str | None, node_option("Let this node decode them.")] = None,
) -> Result | Work:
    """Decode tracks without a server."""
    options = options_of(ctx)
    if node is None and len(encoded) > 1 and 1 < len(encoded[0]) < _SHORTEST:
        node, encoded = _split_node(encoded, options)
    given = [
        text for argument in encoded for text in ([argument] if argument != "-" else find_encoded(read_texts("-")))
    ]
    if not given:
        raise CommandError(
            Failure("usage", "no encoded track on standard input", hint="one a line"), exit_code=ExitCode.USAGE
        )
    if node is not None:
        settings = node_selection.load_settings(options)
        entries = node_selection.select(settings, (node,), options)
        return _ask(given, node_selection.with_secrets(settings, entries[:1], options), options)
    from revvlink_cli.client.protocol.encoded_tracks import TrackDecodeError, decode_track

    rows, failures = [], []
    for number, text in enumerate(given, start=1):
        try:
            rows.append(track_row(decode_track(text).to_payload()))
        except TrackDecodeError as error:
            failures.append(
                Failure("not_a_track", f"track {number}: {error}", hint="pass the whole text, as the node gave it")
            )
    code = ExitCode.OK if not failures else ExitCode.PARTIAL if rows else ExitCode.FAILED
    return Result(tuple(rows), TrackRow, code, tuple(failures))


def _split_node(encoded: list[str], options: Options) -> tuple[str | None, list[str]]:
    """The node that the first argument names, or None, and the encoded tracks."""
    try:
        settings = node_selection.load_settings(options)
    except CommandError:
        return None, encoded
    return node_selection.split_node(settings, encoded, options)


async def _ask(given: list[str], chosen: tuple[NodeSettings, ...], options: Options) -> Result:
    from revvlink_cli.client.errors import LavalinkException, RevvlinkException
    from revvlink_cli.services.fleet_session import open_fleet

    async with open_fleet(chosen, timeout=options.timeout) as fleet:
        (member,) = fleet.members
        failure = node_selection.node_failure(member.snapshot(), options.timeout)
        if failure is not None:
            return Result(None, TrackRow, node_selection.exit_code_for((failure,), 1), (failure,))
        try:
            with awaiting(lambda: f"decoding {len(given)} tracks on {member.identifier}"):
                tracks = await member.rest.decode_tracks(given)
        except LavalinkException as error:
            return Result(None, TrackRow, ExitCode.FAILED, (node_selection.failure_of(error),))
        except RevvlinkException as error:
            return Result(None, TrackRow, ExitCode.UNREACHABLE, (node_selection.failure_of(error),))
    return Result(tuple(track_row(found.to_payload()) for found in tracks), TrackRow)
