"""Decides from a node's version whether it supports Discord's end-to-end encryption (DAVE).

Since 2026-03-02 Discord closes voice connections without DAVE with 4017. Lavalink supports it since 4.2.0.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from revvlink_cli.client.protocol.dialects import Dialect
from revvlink_cli.health.failure_codes import EXPLANATIONS, FailureCode

if TYPE_CHECKING:
    from revvlink_cli.client.protocol.models import NodeInfo

LAVALINK_SINCE = (4, 2)
"""First version of Lavalink with DAVE."""

NODELINK_SINCE = (3, 7)
"""First version of NodeLink that is known to support DAVE."""

COMMITS_SINCE = datetime(2026, 2, 28, tzinfo=UTC)
"""Development builds of Lavalink from earlier commits do not support DAVE."""


class VoiceAbility(NamedTuple):
    """Whether a node can serve voice channels.

    Attributes:
        speaks_dave: Whether it supports DAVE; None where that is unknown.
        reason: Why, in a few words.
    """

    speaks_dave: bool | None
    reason: str

    @property
    def warning(self) -> str | None:
        """What that means for the users of a node that cannot; None for others."""
        return f"users hear nothing: {self.reason}" if self.speaks_dave is False else None


def voice_ability(info: NodeInfo | None, dialect: Dialect | None) -> VoiceAbility:
    """Judges by a node's version whether it can serve voice channels."""
    if info is None:
        return VoiceAbility(None, "the node sent no information about itself")
    numbers = _numbers(info.version)
    if dialect is Dialect.NODELINK:
        if numbers is not None and numbers >= NODELINK_SINCE:
            return VoiceAbility(True, f"NodeLink {info.version} speaks DAVE")
        return VoiceAbility(None, f"unknown for NodeLink {info.version}")
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


@lru_cache(64)  # a fleet has few versions, and an exporter judges every node at each scrape
def _numbers(version: str) -> tuple[int, int] | None:
    """The first two numbers of a version; None for a development build."""
    found = re.match(r"v?(\d+)\.(\d+)", version)
    return (int(found[1]), int(found[2])) if found else None


def advice_without_dave(ability: VoiceAbility) -> str | None:
    """What to do about a node without DAVE; one whose version can speak it has not loaded its native library."""
    if ability.speaks_dave:
        return "its version can, but its native library for DAVE is not loaded: see the node's log of its start"
    return EXPLANATIONS[FailureCode.VOICE_DAVE_REQUIRED].next_step
