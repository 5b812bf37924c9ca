"""Tracks as ``--encoded`` shows them; apart, since few ask for it and a row type takes time to make."""

from __future__ import annotations

from revvlink_cli._record import record
from revvlink_cli.commands.shared.track_rows import TrackRow
from revvlink_cli.output.result import column


@record(frozen=True, kw_only=True)
class EncodedTrackRow(TrackRow):
    """A track with its encoded form, the fifth field of the plain output: `track decode` finds it there."""

    uri: str | None
    encoded: str = column("ENCODED", unbroken=True)
