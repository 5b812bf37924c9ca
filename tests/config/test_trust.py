"""Which files may use what is not theirs, and for how long."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from revvlink_cli.config.load import load
from revvlink_cli.config.source import find
from revvlink_cli.config.trust import is_trusted
from tests.conftest import run_cli

if TYPE_CHECKING:
    from pathlib import Path

TEXT = """
[cache]
path = "cache.sqlite3"
[[nodes]]
identifier = "a"
uri = "https://a.example"
ca_file = "ca.pem"
password_file = "secret"
[[nodes]]
identifier = "b"
uri = "https://b.example"
password_env = "LAVALINK_PASSWORD"
"""


@pytest.fixture
def trusted(isolated: Path) -> Path:
    """A configuration that has been trusted, with the files that it names."""
    path = isolated / "revvlink.toml"
    path.write_text(TEXT, encoding="utf-8")
    (isolated / "ca.pem").write_text("authority", encoding="utf-8")
    (isolated / "secret").write_text("password", encoding="utf-8")
    assert run_cli("config", "trust").code == 0
    assert is_trusted(path, TEXT)
    return path


def test_trust_says_what_it_is_given_for(isolated: Path) -> None:
    """The variables and files that may be used are listed, with the node whose they are and where passwords go."""
    (isolated / "revvlink.toml").write_text(TEXT, encoding="utf-8")

    ran = run_cli("config", "trust", "-o", "json")

    assert ran.code == 0, ran.err
    assert ran.rows["uses"] == [
        f"the file {isolated / 'secret'} (password_file of a, sent to https://a.example)",
        f"the file {isolated / 'ca.pem'} (ca_file of a)",
        "the variable LAVALINK_PASSWORD (password_env of b, sent to https://b.example)",
        f"the file {isolated / 'cache.sqlite3'} (cache.path)",
    ]


def test_what_is_judged_is_what_is_used(trusted: Path, isolated: Path) -> None:
    """A file that changes between the look at its hash and its use is used as it was looked at."""
    source = find(None, {"LAVALINK_PASSWORD": "canary"}, isolated)
    trusted.write_text(TEXT.replace("b.example", "evil.example"), encoding="utf-8")

    assert source.trusted
    assert [node.uri for node in load(source).nodes] == ["https://a.example", "https://b.example"]
    assert not find(None, {}, isolated).trusted


def test_another_authority_ends_trust(trusted: Path, isolated: Path) -> None:
    """It decides who is given the passwords; once it is the former one again, so is trust."""
    (isolated / "ca.pem").write_text("another", encoding="utf-8")
    assert not is_trusted(trusted, TEXT)
    (isolated / "ca.pem").unlink()
    assert not is_trusted(trusted, TEXT)
    (isolated / "ca.pem").write_text("authority", encoding="utf-8")
    assert is_trusted(trusted, TEXT)


def test_a_password_may_change_and_not_where_it_is(trusted: Path, isolated: Path) -> None:
    """A new password needs no new approval; a link to another secret in its place does."""
    (isolated / "secret").write_text("new", encoding="utf-8")
    assert is_trusted(trusted, TEXT)
    (isolated / "private").mkdir()
    (isolated / "private" / "key").write_text("mine", encoding="utf-8")
    (isolated / "secret").unlink()
    (isolated / "secret").symlink_to(isolated / "private" / "key")
    assert not is_trusted(trusted, TEXT)


def test_a_file_without_others_is_known_by_its_text(isolated: Path) -> None:
    """Approvals of earlier versions stand where a configuration names no file beside it."""
    import hashlib

    from revvlink_cli.config.trust import trust_file

    text = '[[nodes]]\nidentifier = "a"\nuri = "http://h"\npassword_env = "P"\n'
    path = isolated / "revvlink.toml"
    path.write_text(text, encoding="utf-8")
    trust_file().parent.mkdir(parents=True)
    trust_file().write_text(f"{hashlib.sha256(text.encode()).hexdigest()} {path}\n", encoding="utf-8")

    assert is_trusted(path, text)
