"""Which context is used, what its name may be, and where its state is."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from revvlink_cli.config.context_files import choose_context, rename_context, text_from
from revvlink_cli.config.contexts import choice_file, context_names, name_problem, state_folder, unusable_names
from revvlink_cli.config.load import load, parse
from revvlink_cli.config.problems import ConfigError
from revvlink_cli.config.source import Source, SourceKind, find
from revvlink_cli.services.cache_handle import fleet_name

if TYPE_CHECKING:
    from pathlib import Path

NODE = '[[nodes]]\nidentifier = "us-1"\nuri = "http://127.0.0.1:1"\npassword = "x"\n'


@pytest.fixture
def contexts(isolated: Path) -> Path:
    """The folder of the contexts ``prod`` and ``staging``, beside the user's own configuration."""
    folder = isolated / "config" / "revvlink" / "contexts"
    folder.mkdir(parents=True)
    for path in (folder / "prod.toml", folder / "staging.toml", folder.parent / "revvlink.toml"):
        path.write_text(NODE, encoding="utf-8")
        path.chmod(0o600)
    return folder


def test_order_of_the_places(contexts: Path, isolated: Path) -> None:
    """What a command line names goes before the environment, that before the choice, that before a found file."""
    prod, staging, user = contexts / "prod.toml", contexts / "staging.toml", contexts.parent / "revvlink.toml"
    here = isolated / "revvlink.toml"
    environment = {"REVVLINK_CONTEXT": "staging"}

    assert find(None, {}, isolated).path == user
    choose_context("prod")
    chosen = find(None, {}, isolated)
    assert (chosen.path, chosen.context, chosen.kind, chosen.trusted) == (prod, "prod", SourceKind.CHOICE, True)
    assert chosen.passed_over is None
    here.write_text(NODE, encoding="utf-8")
    assert find(None, {}, isolated).path == prod
    assert find(None, {}, isolated).passed_over == here
    assert find(None, environment, isolated).path == staging
    assert find(None, {**environment, "REVVLINK_URI": "http://h"}, isolated).context is None
    assert find(None, {**environment, "REVVLINK_URI": "http://h"}, isolated, context="prod").path == prod
    assert find(str(user), environment, isolated).context is None
    choose_context(None)
    assert find(None, {}, isolated).path == here
    assert find(None, {}, isolated).instead_of == user


def test_two_variables_contradict_each_other(contexts: Path, isolated: Path) -> None:
    """REVVLINK_CONFIG and REVVLINK_CONTEXT name two configurations: neither is guessed."""
    both = {"REVVLINK_CONTEXT": "prod", "REVVLINK_CONFIG": str(contexts / "staging.toml")}

    with pytest.raises(ConfigError, match="both set"):
        find(None, both, isolated)
    assert find(None, both, isolated, context="prod").context == "prod"


def test_a_missing_context_is_an_error(contexts: Path, isolated: Path) -> None:
    """No other configuration takes the place of a context that is gone, and the hint says what to do."""
    choose_context("prod")
    (contexts / "prod.toml").unlink()

    with pytest.raises(ConfigError, match="no context prod, which `revvlink context use` has chosen") as caught:
        find(None, {}, isolated)
    assert "--none" in str(caught.value.problems[0].hint)
    with pytest.raises(ConfigError) as caught:
        find(None, {"REVVLINK_CONTEXT": "stagin"}, isolated)
    assert caught.value.problems[0].hint == "did you mean staging?"
    choice_file().write_bytes(b"../\xff\x1b[2J")
    with pytest.raises(ConfigError, match="is not a valid name of a context"):
        find(None, {}, isolated)
    choice_file().unlink()
    (contexts.parent / "revvlink.toml").unlink()
    with pytest.raises(ConfigError) as caught:
        find(None, {}, isolated)
    assert caught.value.is_missing
    assert "staging" in str(caught.value.problems[0].hint)


@pytest.mark.parametrize("name", ["prod", "a", "eu-west_1", "2", "customer.v2", "x" * 64])
def test_good_names(name: str) -> None:
    """Letters, digits and the three signs."""
    assert name_problem(name) is None


@pytest.mark.parametrize(
    "name", ["", ".", "..", "-x", "a.", "a/b", "a\\b", "/etc/passwd", "a b", "ä", "a\n", "a\0", "x" * 65, ".hidden"]
)
def test_bad_names(name: str, contexts: Path, isolated: Path) -> None:
    """A name is never a path, an option or a control character, whichever way it comes."""
    (contexts / "a b.toml").touch()
    (contexts / ".hidden.toml").touch()

    assert name_problem(name) is not None
    with pytest.raises(ConfigError):
        find(None, {}, isolated, context=name)
    assert context_names() == ("prod", "staging")
    assert unusable_names() == ("a b.toml",)


def test_contexts_share_nothing(contexts: Path, isolated: Path) -> None:
    """State, and cached tracks also in one database, are kept apart; a plain configuration keeps its places."""
    from revvlink_cli.client.cache.backends import BACKENDS

    for path in (contexts / "prod.toml", contexts / "staging.toml"):
        path.write_text(f'[cache]\npath = "{isolated}/shared.sqlite3"\n{NODE}', encoding="utf-8")
    prod, staging = (load(find(None, {}, isolated, context=name)) for name in ("prod", "staging"))
    plain = load(find(None, {}, isolated))
    location = BACKENDS["sqlite"].location
    assert location is not None

    assert fleet_name(prod) != fleet_name(staging)
    assert fleet_name(plain) == "http://127.0.0.1:1"
    assert location(plain.cache) == str(isolated / "cache" / "revvlink" / "tracks.sqlite3")
    without_path = prod.cache._replace(path=None)
    assert location(without_path) == str(isolated / "cache" / "revvlink" / "contexts" / "prod" / "tracks.sqlite3")
    assert state_folder(None) == isolated / "state" / "revvlink"
    assert len({state_folder(name) for name in (None, "prod", "staging")}) == 3


@pytest.mark.usefixtures("contexts")
def test_contexts_share_no_entries_in_redis(isolated: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One Redis server holds the entries of each context below its own prefix, and those of bots below ``revvlink``."""
    from revvlink_cli.client.cache import redis
    from revvlink_cli.client.cache.backends import BACKENDS

    prefixes: list[str] = []
    monkeypatch.setattr(redis, "RedisStore", lambda _url, *, prefix, on_notice: prefixes.append(prefix))  # noqa: ARG005
    opens = BACKENDS["redis"].open
    assert opens is not None
    for name in (None, "prod", "staging"):
        opens(load(find(None, {}, isolated, context=name)).cache, "fleet", print)

    assert prefixes == ["revvlink", "revvlink:prod", "revvlink:staging"]


def test_a_renamed_context_keeps_its_state(contexts: Path, isolated: Path) -> None:
    """Its folders and the choice get the new name; those of a former context of that name are gone."""
    choose_context("prod")
    for name in ("prod", "live"):
        state_folder(name).mkdir(parents=True)
        (state_folder(name) / "mark").write_text(name, encoding="utf-8")

    path, warnings = rename_context("prod", "live")

    assert (path, warnings) == (contexts / "live.toml", ())
    assert (state_folder("live") / "mark").read_text(encoding="utf-8") == "prod"
    assert not state_folder("prod").exists()
    assert find(None, {}, isolated).context == "live"
    with pytest.raises(ConfigError, match="there is a context staging already"):
        rename_context("live", "staging")


def test_a_copy_names_the_same_files(isolated: Path) -> None:
    """Relative paths are made absolute; comments, absolute paths and those of a home stay as they are."""
    source = isolated / "old" / "revvlink.toml"
    source.parent.mkdir()
    (source.parent / "secret").write_text("canary\n", encoding="utf-8")
    source.write_text(
        '# nodes of prod\n[cache]\npath = "/var/tracks.db"\n\n[[nodes]]\nidentifier = "a"\n'
        'uri = "http://h"\npassword_file = "secret"  # mine\nca_file = "~/ca.pem"\n',
        encoding="utf-8",
    )

    text = text_from(source)

    assert text == source.read_text(encoding="utf-8").replace('"secret"', f'"{source.parent}/secret"')
    elsewhere = Source(SourceKind.FLAG, isolated / "new.toml", trusted=True, environment=os.environ)
    assert parse(text, elsewhere).nodes[0].values["password_file"] == str(source.parent / "secret")
    source.write_text("[nodes", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"revvlink\.toml:1"):
        text_from(source)
