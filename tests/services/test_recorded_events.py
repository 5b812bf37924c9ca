"""``events --from``: what has happened, from recordings and from files of events."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from revvlink_cli.cli.app import run

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

REFUSED = {"reason": "connection_refused", "message": "nothing listens on 127.0.0.1:2333"}


def sample(minute: int, **states: str) -> str:
    """A line of a recording."""
    nodes = [
        {"node": name, "state": state, **(REFUSED if state in ("lost", "failed") else {})}
        for name, state in states.items()
    ]
    return json.dumps({"time": f"2026-03-01T22:{minute:02}:00+00:00", "nodes": nodes})


def test_events_of_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Changes of states and written events stand in the order of time, and --since and names choose among them."""
    recording, written = tmp_path / "night.jsonl", tmp_path / "events.jsonl"
    recording.write_text(
        "\n".join([
            sample(0, a="connected", b="failed"), sample(1, a="connected", b="failed"), sample(2, a="lost", b="failed"),
            sample(3, a="lost", b="connected"), sample(12, a="connected", b="connected"),
        ])
    )  # fmt: skip
    event = {"time": "2026-03-01T22:02:30.000+00:00", "node": "c", "event": "track_exception", "code": "login"}
    written.write_text(json.dumps({**event, "detail": "Song: sign in", "guild_id": "5", "dropped": 0}) + "\nrubbish\n")
    files = ("--from", str(recording), "--from", str(written))

    def ran(*arguments: str) -> tuple[int, Any, list[str]]:
        code = run(["events", *files, "-o", "json", *arguments])
        found = json.loads(capsys.readouterr().out)
        rows = [(row["time"][14:19], row["node"], row["event"], row["detail"]) for row in found["data"] or ()]
        return code, rows, [error["message"] for error in found["errors"]]

    code, rows, errors = ran()
    refused = REFUSED["message"]
    assert rows == [
        ("00:00", "a", "node_ready", None),
        ("00:00", "b", "node_failed", refused),
        ("02:00", "a", "node_lost", refused),
        ("02:30", "c", "track_exception", "Song: sign in"),
        ("03:00", "b", "node_ready", "back after 3m 0s"),
        ("12:00", "a", "node_ready", "back after 10m 0s"),
    ]
    assert (code, errors) == (5, [f"{written}: line 2 is not JSON, perhaps cut off"])
    assert ran("a", "c", "--since", "2026-03-01T22:02:15+00:00")[1] == [rows[3], rows[5]]
    assert ran("--since", "2026-03-02")[0] == 1
    assert run(["events", "--since", "1h"]) == 2
    assert "record FILE" in capsys.readouterr().err
