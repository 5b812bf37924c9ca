"""The file of the silences."""

from __future__ import annotations

import errno
import json
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import get_ident
from typing import TYPE_CHECKING, Any

import pytest

from revvlink_cli.config import locking, silences
from revvlink_cli.config.problems import ConfigError
from revvlink_cli.config.silences import SilenceFile, SilenceWatch, add_silence, read_silences
from revvlink_cli.config.silences_path import path_beside
from revvlink_cli.health.silences import Silence

if TYPE_CHECKING:
    from pathlib import Path

NOW = 1_800_000_000.0
ONE = Silence(
    id="", nodes=("us-1",), tags=("prod",), region="us", reason="disk", created_by="ann@host", created_at=NOW,
    until=NOW + 3600,
)  # fmt: skip


def test_it_is_read_as_it_was_written_with_the_mode_of_the_configuration(isolated: Path) -> None:
    """Who can read the configuration can read the file; ids differ, also when many are added at once."""
    configuration = isolated / "prod.toml"
    configuration.touch()
    configuration.chmod(0o640)
    path = path_beside(configuration)

    with ThreadPoolExecutor(4) as pool:
        jobs = [pool.submit(add_silence, path, ONE, configuration=configuration, now=NOW) for _ in range(8)]
    made = [job.result() for job in jobs]
    assert path.name == "prod.silences.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert sorted(read_silences(path), key=lambda each: each.id) == sorted(made, key=lambda each: each.id)
    assert len({each.id for each in made}) == 8


def test_the_number_of_silences_is_bounded(isolated: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One more active silence than allowed is refused; expired ones make room, and only the newest of them stay."""
    monkeypatch.setattr(silences, "MOST", 3)
    monkeypatch.setattr(silences, "MOST_EXPIRED", 2)
    path, configuration = isolated / "s.json", isolated / "s.toml"
    for minute in range(3):
        add_silence(path, replace(ONE, until=NOW + minute + 1), configuration=configuration, now=NOW)
    with pytest.raises(ConfigError, match="3 active silences already"):
        add_silence(path, ONE, configuration=configuration, now=NOW)
    add_silence(path, ONE, configuration=configuration, now=NOW + 60)
    assert [each.until - NOW for each in read_silences(path)] == [2, 3, 3600]

    monkeypatch.setattr(silences, "MAX_SIZE", path.stat().st_size + 100)
    before = path.read_text(encoding="utf-8")
    for wide, message in (
        ({"nodes": ("x",) * 1001}, "at most 1000 names"),
        ({"tags": ("x" * 201,)}, "at most 200 characters"),
        ({"region": "x" * 201}, "at most 200 characters"),
        ({"nodes": ("x" * 200,)}, "could not be read"),
    ):
        with pytest.raises(ConfigError, match=message):
            add_silence(path, replace(ONE, **wide), configuration=configuration, now=NOW + 60)
    assert path.read_text(encoding="utf-8") == before


def changed(**values: Any) -> str:
    """The text of a file whose one silence has these values."""
    entry = {"id": "a", "nodes": ["us-1"], "tags": [], "region": None, "all": False, "reason": "x", "created_by": "x",
             "created_at": "2027-01-01T00:00:00+00:00", "until": "2027-01-01T01:00:00+00:00"}  # fmt: skip
    return json.dumps({"revvlink_silences": 1, "silences": [entry | values]})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[]", "not a file of silences"),
        ('{"revvlink_silences": true, "silences": []}', "not a file of silences"),
        ('{"revvlink_silences": 2, "silences": [], "more": 1}', "format 2"),
        ('{"revvlink_silences": 1, "silences": {}}', "is not a list"),
        (changed(checks=["cpu"]), "silence 1 has wrong keys"),
        (changed(nodes=[]), "no selector"),
        (changed(all=True), "contradicts itself"),
        (changed(nodes="us-1"), "list of nodes"),
        (changed(tags=[1]), "list of tags"),
        (changed(region=""), "wrong region"),
        (changed(reason=None), "no id, reason"),
        (changed(until="2027-01-01T01:00:00"), "without a zone"),
        (changed(until="soon"), "wrong time"),
        (changed(until=1), "wrong time"),
        (changed(until="9999-12-31T23:59:59-01:00"), "wrong time"),
        (changed(created_at="0001-01-01T00:00:00+01:00"), "wrong time"),
        (changed(until="2029-01-01T01:00:00+00:00"), "longer than a year"),
        (changed().replace("]}", "") + ",", "not JSON"),
        ("x" * (1024 * 1024 + 1), "larger than"),
    ],
)
def test_a_damaged_file_silences_nothing(isolated: Path, text: str, message: str) -> None:
    """Every deviation is one line with the file and the reason, and no node is silenced by what is left of it."""
    path = isolated / "s.json"
    path.write_text(text, encoding="utf-8")

    found, warnings = SilenceFile(path).silenced([], now=NOW)
    assert found == {}
    (warning,) = warnings
    assert warning.startswith(f"{path}: no silence applies: it ")
    assert warning.endswith(")"), "it says what to do"
    assert message in warning
    assert "\n" not in warning
    heard: list[str] = []
    watch = SilenceWatch(path, heard.append)
    assert [watch.silenced([]), watch.silenced([])] == [{}, {}]
    assert heard == [warning]
    with pytest.raises(ConfigError):
        add_silence(path, ONE, configuration=path, now=NOW)
    assert path.read_text(encoding="utf-8") == text


def test_a_pipe_and_hostile_texts_are_harmless(isolated: Path) -> None:
    """A pipe is not waited for; a reason is one bounded line without control characters."""
    os.mkfifo(isolated / "pipe")
    with pytest.raises(ConfigError, match="it is not a file"):
        read_silences(isolated / "pipe")
    path = isolated / "s.json"
    path.write_text(changed(reason="a\x1b[2J\n\u202eb" + "c" * 500), encoding="utf-8")
    (silence,) = read_silences(path)
    assert silence.reason.startswith("a [2J bccc")
    assert len(silence.reason) == silences.LONGEST_REASON
    assert SilenceFile(None).silenced([]) == ({}, ())
    path.write_bytes(b"\n")
    path.chmod(0o644)
    assert read_silences(path) == ()
    add_silence(path, ONE, configuration=isolated / "none.toml", now=NOW)
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


def test_what_readers_refuse_is_not_written(isolated: Path) -> None:
    """One wrong silence would make the file useless, and with it all others."""
    path, configuration = isolated / "s.json", isolated / "s.toml"
    add_silence(path, ONE, configuration=configuration, now=NOW)
    before = path.read_bytes()
    for wrong in (replace(ONE, region=""), replace(ONE, nodes=("",)), replace(ONE, is_for_all=True)):
        with pytest.raises(ConfigError, match="cannot be kept"):
            add_silence(path, wrong, configuration=configuration, now=NOW)
    assert path.read_bytes() == before


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="the limit of a file's size is one of Unix")
def test_a_full_disk_and_a_folder_that_is_read_only(isolated: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file stays as it is, nothing is left beside it, and the line says what to do."""
    import resource

    folder = isolated / "folder"
    folder.mkdir()
    path = folder / "s.json"
    add_silence(path, ONE, configuration=isolated / "s.toml", now=NOW)
    before = path.read_bytes()
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (600, usual[1]))
    try:
        with pytest.raises(ConfigError, match="cannot be written: File too large"):
            add_silence(path, replace(ONE, reason="x" * 200), configuration=isolated / "s.toml", now=NOW)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, usual)
    assert path.read_bytes() == before
    assert list(folder.iterdir()) == [path]

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr("revvlink_cli.config.files.replace_whole", refuse)
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(ConfigError) as caught:
        add_silence(path, ONE, configuration=isolated / "s.toml", now=NOW)
    (problem,) = caught.value.problems
    assert problem.message == "cannot be written: Permission denied"
    assert problem.hint == "run it as a user who can write there, with sudo for example"


def test_a_folder_that_this_user_must_not_enter(isolated: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading, adding and clearing each end in one line, and change nothing."""
    path, configuration = isolated / "s.json", isolated / "s.toml"

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(os, "open", refuse)
    monkeypatch.setattr(type(path), "stat", refuse)
    for attempt in (
        lambda: read_silences(path),
        lambda: silences.clear_silences(path, configuration=configuration),
        lambda: add_silence(path, ONE, configuration=configuration, now=NOW),
    ):
        with pytest.raises(ConfigError) as caught:
            attempt()
        (problem,) = caught.value.problems
        assert problem.message == "no silence applies: it cannot be read: Permission denied"
        assert problem.hint == "let this user read the file and its folder"


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="Windows cannot lock a folder")
def test_two_users_at_once_lose_no_silence(isolated: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each user has a state folder, and so a lock, of its own: here each thread is a user."""
    monkeypatch.setattr(locking, "user_state_folder", lambda: isolated / f"user-{get_ident()}")
    path, configuration = isolated / "s.json", isolated / "s.toml"
    with ThreadPoolExecutor(4) as pool:
        jobs = [pool.submit(add_silence, path, ONE, configuration=configuration, now=NOW) for _ in range(20)]
        made = {job.result().id for job in jobs}
    assert {each.id for each in read_silences(path)} == made
    assert len(made) == 20
