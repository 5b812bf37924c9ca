"""Whether a node can speak Discord's end-to-end encryption (DAVE), as far as what it says of itself shows.

Since 2026-03-02 Discord closes the voice connections of nodes that cannot, with 4017. Lavalink can from 4.2.0 on.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from revvlink_cli.client.protocol.dialects import Dialect

if TYPE_CHECKING:
    from revvlink_cli.client.protocol.models import NodeInfo

LAVALINK_SINCE = (4, 2)
"""The first version of Lavalink that can."""

NODELINK_SINCE = (3, 7)
"""The first version of NodeLink that is known to."""

COMMITS_SINCE = datetime(2026, 2, 28, tzinfo=UTC)
"""Development builds of Lavalink from commits before this cannot."""


class VoiceAbility(NamedTuple):
    """Whether a node can serve voice channels.

    Attributes:
        speaks_dave: Whether it can speak DAVE; None where that is not known.
        reason: Why, in a few words.
    """

    speaks_dave: bool | None
    reason: str


def voice_ability(info: NodeInfo | None, dialect: Dialect | None) -> VoiceAbility:
    """What a node's version says of its voice."""
    if info is None:
        return VoiceAbility(None, "the node did not say what it is")
    found = re.match(r"v?(\d+)\.(\d+)", info.version)
    numbers = (int(found[1]), int(found[2])) if found else None
    if dialect is Dialect.NODELINK:
        if numbers is not None and numbers >= NODELINK_SINCE:
            return VoiceAbility(True, f"NodeLink {info.version} speaks DAVE")
        return VoiceAbility(None, f"of NodeLink {info.version} it is not known")
    if numbers is not None:
        if numbers >= LAVALINK_SINCE:
            return VoiceAbility(True, f"Lavalink {info.version} speaks DAVE")
        return VoiceAbility(False, f"Lavalink {info.version} cannot speak DAVE, 4.2.0 and newer can")
    if info.commit_time is not None:
        moment = datetime.fromtimestamp(info.commit_time / 1000, UTC)
        if moment >= COMMITS_SINCE:
            return VoiceAbility(True, f"a development build of {moment:%Y-%m-%d} speaks DAVE")
        return VoiceAbility(
            False, f"a development build of {moment:%Y-%m-%d} cannot speak DAVE: it is from before 4.2.0"
        )
    return VoiceAbility(None, "neither its version nor the time of its commit is known")
