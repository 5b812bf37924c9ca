"""Commands say why a track does not load or play, and what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from revvlink_cli.client.events import NodeEvent
from revvlink_cli.client.protocol.messages import TrackException, VoiceClosed
from revvlink_cli.commands.events import event_row
from revvlink_cli.simulator import NodeProfile, Simulator
from tests.conftest import run_cli

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture
def config(write_config: Callable[..., Path]) -> Iterator[str]:
    """The configuration of one simulated Lavalink."""
    with Simulator([NodeProfile(identifier="one", password="pw")]) as running:
        yield str(write_config({"identifier": "one", "uri": running["one"].uri, "password": "pw"}))


def test_search_names_the_failure(config: str) -> None:
    """The sentence, the server's words behind it, the advice, and a code of its own in JSON."""
    ran = run_cli("search", "--config", config, "--raw", "music/text.txt", "-o", "json")
    error = ran.json["errors"][0]
    assert ran.code == 1
    assert error["code"] == "unsupported_format"
    assert "cannot decode" in error["message"]
    assert "Unknown file format" in error["message"]
    assert "audio file" in error["hint"]


def test_search_shows_unknown_words_as_they_are(config: str) -> None:
    """What is not known keeps the server's own words and the former code."""
    error = run_cli("search", "--config", config, "http://files.invalid/gone", "-o", "json").json["errors"][0]
    assert error["node"] == "one"
    assert error["message"]


def test_check_names_the_failure_of_a_canary(config: str) -> None:
    """A canary that does not load carries the same code and advice."""
    ran = run_cli("check", "--config", config, "--canary", "music/text.txt", "-o", "json")
    row = next(row for row in ran.rows if row["check"] == "load")
    assert ran.code == 2
    assert row["code"] == "unsupported_format"
    assert "audio file" in row["hint"]


def test_events_explain_failures() -> None:
    """A track's exception and a closed voice connection show what happened and what to do."""
    failed = TrackException(
        guild_id=1, track=None, message="Something broke when playing the track.", severity="fault",
        cause="com.sedmelluq.discord.lavaplayer.tools.FriendlyException: This video requires login.",
    )  # fmt: skip
    row = event_row(NodeEvent(node="one", event=failed))
    assert row.code == "youtube_login_required"
    assert row.detail is not None
    assert "asks this client to log in (This video requires login.)" in row.detail
    assert row.advice is not None
    assert "OAuth" in row.advice
    closed = VoiceClosed(guild_id=1, code=4017, reason="E2EE/DAVE protocol required", by_remote=True)
    row = event_row(NodeEvent(node="one", event=closed))
    assert row.code == "voice_dave_required"
    assert row.detail is not None
    assert "4.2.0" in row.detail
    ended = event_row(NodeEvent(node="one", event=VoiceClosed(guild_id=1, code=1000, reason="", by_remote=False)))
    assert (ended.code, ended.advice) == (None, None)
