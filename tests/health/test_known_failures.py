"""Why tracks fail: real messages of servers get their code, and nothing else does."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from revvlink_cli.client.errors import Code, LavalinkLoadException
from revvlink_cli.client.protocol.messages import TrackException, VoiceClosed, read_event
from revvlink_cli.client.protocol.voice_codes import VOICE_CLOSES
from revvlink_cli.health.failure_codes import EXPLANATIONS, FailureCode
from revvlink_cli.health.failure_patterns import PATTERNS
from revvlink_cli.health.known_failures import explain, explain_load, explain_track, explain_voice_close

MESSAGES: list[dict[str, Any]] = json.loads(
    (Path(__file__).parent.parent / "data" / "known_failures.json").read_text(encoding="utf-8")
)


@pytest.mark.parametrize("told", MESSAGES, ids=lambda told: f"{told['code']}-{told['thread'].rsplit('/', 1)[-1]}")
def test_message_of_a_tracker_gets_its_code(told: dict[str, Any]) -> None:
    """Each message comes from the thread, source file or recording that stands beside it.

    The lines are those that a program wrote there; stack frames are left out unless the cause stands in them. The code
    `other` also stands where the thread knows the cause but the words alone do not show it.
    """
    found = explain(told["message"], told["cause"], told["stack_trace"], source=told["source"])
    assert found.code == told["code"], found


def test_every_code_is_explained() -> None:
    """A code without a meaning and an advice would help nobody; only `other` has none."""
    for code in FailureCode:
        known = EXPLANATIONS[code]
        assert known.code is code
        assert known.is_known is (code is not FailureCode.OTHER)
        assert bool(known.advice) is known.is_known


def test_rows_of_the_table_are_regular_expressions_of_their_own() -> None:
    """No row stands twice, none is empty, and there are at least forty."""
    assert len(PATTERNS) >= 40
    assert len({(row.text, row.context) for row in PATTERNS}) == len(PATTERNS)
    for row in PATTERNS:
        assert re.compile(row.text).search("") is None, row


@pytest.mark.parametrize("text", ["", "Something broke when playing the track.", "x" * 50_000, "\n\n", "Caused by: "])
def test_unknown_text_is_other(text: str) -> None:
    """What says nothing gets no code, whatever its length."""
    assert explain(text).code is FailureCode.OTHER
    assert explain("", text, text).code is FailureCode.OTHER


def test_innermost_cause_decides() -> None:
    """The outer exceptions only say that something failed; a log's prefix before a line does not matter."""
    trace = (
        "lavalink-1  | java.lang.RuntimeException: This video requires login.\n"
        "lavalink-1  |\tat a.b.C.d(C.java:1)\n"
        "lavalink-1  | Caused by: java.io.IOException: Video unavailable\n"
        "lavalink-1  |\tat a.b.C.e(C.java:2)\n"
        "lavalink-1  | Caused by: java.net.UnknownHostException: www.youtube.com\n"
    )
    assert explain("Something broke", stack_trace=trace).code is FailureCode.NODE_DNS


def test_certain_reason_of_a_client_counts_for_all() -> None:
    """One client's login request explains the 403 and the missing streams of the others, wherever it stands."""
    head = "dev.lavalink.youtube.AllClientsFailedException: (yts.version: 1.18.1) All clients failed to load the item."
    reasons = ["Not success status code: 403", "This video requires login.", "This video is not available"]
    for turn in range(3):
        turned = reasons[turn:] + reasons[:turn]
        clients = "\n\n".join(f"Client [C{i}] failed: {reason}\n\tat a.B.c(B.java:1)\nCaused by: \n\tat a.B.d(B.java:2)"
                              for i, reason in enumerate(turned))  # fmt: skip
        assert explain("Something broke", "", f"{head}\n\n{clients}").code is FailureCode.YOUTUBE_LOGIN_REQUIRED
    unknown = f"{head}\n\nClient [WEB] failed: something new\n"
    assert explain(unknown).code is FailureCode.YOUTUBE_CLIENT_BROKEN
    assert explain(head).code is FailureCode.OTHER


def test_403_is_youtubes_only_where_youtube_is_named() -> None:
    """The same status of any other web server says nothing about YouTube's clients."""
    cause = "java.lang.RuntimeException: Not success status code: 403"
    assert explain("", cause).code is FailureCode.OTHER
    assert explain("", cause, source="http").code is FailureCode.OTHER
    assert explain("", cause, source="youtube").code is FailureCode.YOUTUBE_CLIENT_BROKEN


def test_only_failed_loads_are_explained() -> None:
    """An error of the cache or of this client is none of a server's; a missing source is."""
    assert explain_load(LavalinkLoadException("This video requires login.")).code is FailureCode.YOUTUBE_LOGIN_REQUIRED
    missing = LavalinkLoadException("no such source", code=Code.SOURCE_MISSING)
    assert explain_load(missing).code is FailureCode.SOURCE_DISABLED
    other = LavalinkLoadException("This video requires login.", code=Code.NOT_CACHED)
    assert explain_load(other).code is FailureCode.OTHER


def test_track_exception_keeps_its_stack_trace() -> None:
    """The reason of a NodeLink or a Lavalink may stand nowhere else."""
    raw = {
        "op": "event", "type": "TrackExceptionEvent", "guildId": "1", "track": None,
        "exception": {"message": "Something broke when playing the track.", "severity": "fault", "cause": "x",
                      "causeStackTrace": "a.B: c\nCaused by: java.net.SocketTimeoutException: Read timed out"},
    }  # fmt: skip
    event, _ = read_event(raw)
    assert isinstance(event, TrackException)
    assert explain_track(event).code is FailureCode.UPSTREAM_TIMEOUT


def test_voice_close_codes_are_explained() -> None:
    """4001 to 4022 have words and an advice, in the library's event too; a normal end is not a failure."""
    for code in VOICE_CLOSES:
        text = VoiceClosed(guild_id=1, code=code, reason="", by_remote=True).explanation
        assert text is not None
        assert VOICE_CLOSES[code].meaning in text
    assert VoiceClosed(guild_id=1, code=4999, reason="", by_remote=True).explanation is None
    refused = VoiceClosed(guild_id=1, code=None, reason="", by_remote=True).explanation
    assert refused is not None
    assert "endpoint" in refused
    assert explain_voice_close(4017).code is FailureCode.VOICE_DAVE_REQUIRED
    assert "4.2.0" in explain_voice_close(4017).advice
    assert explain_voice_close(4006).code is FailureCode.VOICE_DISCONNECTED
    assert explain_voice_close(4006, "E2EE/DAVE protocol required").code is FailureCode.VOICE_DAVE_REQUIRED
    assert explain_voice_close(1000).code is FailureCode.OTHER
    assert explain_voice_close(4999).code is FailureCode.OTHER
