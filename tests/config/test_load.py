"""Configuration: what is accepted, every mistake told at once with its place, and secrets kept."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import tomli_w
from hypothesis import given
from hypothesis import strategies as st

from revvlink_cli.config import schema
from revvlink_cli.config.json_schema import json_schema
from revvlink_cli.config.load import load, parse
from revvlink_cli.config.problems import ConfigError
from revvlink_cli.config.show import effective
from revvlink_cli.config.source import Source, SourceKind, find
from revvlink_cli.config.trust import trust

ROOT = Path(__file__).resolve().parents[2]
GOOD = '[[nodes]]\nidentifier = "a"\nuri = "http://h:1"\npassword = "canary"\n'


def parsed(text: str, *, trusted: bool = True, **environment: str) -> Any:
    """The settings of a text."""
    return parse(text, Source(SourceKind.FLAG, Path("file.toml"), trusted=trusted, environment=environment))


def mistakes(text: str, *, trusted: bool = True) -> list[str]:
    """Every problem of a text, as it is shown."""
    with pytest.raises(ConfigError) as caught:
        parsed(text, trusted=trusted)
    return [str(problem) for problem in caught.value.problems]


def test_the_example_loads() -> None:
    """The example file is valid as it stands."""
    settings = parsed((ROOT / "revvlink.example.toml").read_text(encoding="utf-8"))

    assert [node.identifier for node in settings.nodes] == ["us-1", "eu-1", "asia-1"]
    assert settings.nodes[1].values["timeout"] == 8.0
    assert settings.nodes[0].values["timeout"] == 5.0


def test_the_example_shows_every_key() -> None:
    """Every key of the schema stands in the example, and is valid there when its comment sign is taken away."""
    text = (ROOT / "revvlink.example.toml").read_text(encoding="utf-8")
    uncommented = re.sub(
        r"^# (?=(\w+ = |\[(?:regions|discord|alert|play|page|silences)\]))", "", text, flags=re.MULTILINE
    )

    assert parsed(uncommented).regions["us"] == ("iad", "atl", "us-")
    for section, keys in schema.SECTIONS.items():
        for key in keys:
            place = (
                r"\b" if key.name in (*schema.WEBHOOKS, *schema.HEARTBEATS) else "^"
            )  # of which there is one at a time
            assert re.search(rf"{place}{key.name} = ", uncommented, re.MULTILINE), f"{section}.{key.name}"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("nodes = [\n", "file.toml:2:1: is not valid TOML"),
        ("a = 1\na = 2\n", "file.toml:2:"),
        ("", "file.toml: nodes: there are no nodes"),
        ("nodes = 3\n", "file.toml:1:1: nodes: must be tables"),
        (f"[serch]\nsource = 'x'\n{GOOD}", "file.toml:1:1: serch: is not a section"),
        (f"[defaults]\ntimeout = '5'\n{GOOD}", "file.toml:2:1: defaults.timeout: must be a number"),
        (f"[defaults]\ntimeout = true\n{GOOD}", "file.toml:2:1: defaults.timeout: must be a number"),
        (f"[defaults]\ntimeout = nan\n{GOOD}", "file.toml:2:1: defaults.timeout: must be a finite number"),
        (f"[defaults]\ntimeout = 0\n{GOOD}", "file.toml:2:1: defaults.timeout: must be above 0"),
        (f'[defaults]\nproxy = "squid"\n{GOOD}', "file.toml:2:1: defaults.proxy: must be the address of an HTTP proxy"),
        (f"[alert]\nafter = 0\n{GOOD}", "file.toml:2:1: alert.after: must be from 1 to 1000 runs, or a time"),
        (f"[alert]\nafter = 1.5\n{GOOD}", "file.toml:2:1: alert.after: must be a number of runs, such as 2, or a time"),
        (f'[alert]\nrecover_after = "x"\n{GOOD}', "file.toml:2:1: alert.recover_after: must be a duration"),
        (
            f'[alert]\nheartbeat = "x"\nheartbeat_env = "X"\n{GOOD}',
            "file.toml:3:1: alert.heartbeat_env: there is a heartbeat",
        ),
        (f'[discord]\nmention = "@ops"\n{GOOD}', "file.toml:2:1: discord.mention: must be a Discord id"),
        (f"[defaults]\nuser_id = 12\n{GOOD}", "file.toml:2:1: defaults.user_id: must be a Discord id"),
        (f"[cache]\nttl = 'soon'\n{GOOD}", "file.toml:2:1: cache.ttl: must be a duration"),
        (f"[cache]\nbackend = 'disk'\n{GOOD}", "file.toml:2:1: cache.backend: must be one of memory, sqlite, redis"),
        (f"[regions]\nus = 'iad'\n{GOOD}", "file.toml:2:1: regions.us: must be a list of texts"),
        (GOOD + GOOD, "file.toml:6:1: nodes[1].identifier: a is taken by the node on line 2"),
        (GOOD.replace("http://h:1", "h:1"), "file.toml:3:1: nodes[0].uri: must begin with http:// or https://"),
        (GOOD.replace("http://h:1", "wss://h"), "file.toml:3:1: nodes[0].uri: write https:// instead of wss://"),
        (
            GOOD.replace("http://h:1", "http://u:canary@h"),
            "file.toml:3:1: nodes[0].uri: must not carry a user or password",
        ),
        (GOOD.replace("http://h:1", "http://h:99999"), "file.toml:3:1: nodes[0].uri: not a valid address"),
        (GOOD.replace("canary", "can\\nary"), "file.toml:4:1: nodes[0].password: must not have control characters"),
        (GOOD.replace('"a"', '"a*"'), "file.toml:2:1: nodes[0].identifier: must not have"),
        (GOOD.replace("password =", "pasword ="), "file.toml:4:1: nodes[0].pasword: is not a key"),
        (GOOD + 'password_env = "X"\n', "file.toml:5:1: nodes[0].password_env: there is a password already"),
        ('[[nodes]]\nidentifier = "a"\n', "file.toml:1:1: nodes[0]: has no uri"),
        (
            f"[defaults.headers]\nAuthorization = 'x'\n{GOOD}",
            "file.toml:1:1: defaults.headers: must not set Authorization",
        ),
    ],
)
def test_each_mistake_has_its_place(text: str, told: str) -> None:
    """File, line, column and key are told, with what would be right; the password is not."""
    found = mistakes(text)

    assert any(line.startswith(told) for line in found), found
    assert not any("canary" in line for line in found)


def test_all_mistakes_at_once_in_order() -> None:
    """A file with several mistakes is told all of them, from top to bottom."""
    found = mistakes("[cach]\n[defaults]\nretries = -1\n[[nodes]]\nidentifer = 'a'\n")

    assert [line.split(": ")[1] for line in found] == [
        "cach", "defaults.retries", "nodes[0]", "nodes[0]", "nodes[0]", "nodes[0].identifer",
    ]  # fmt: skip


def test_the_nearest_name_is_offered() -> None:
    """A misspelled key is told the right one."""
    with pytest.raises(ConfigError) as caught:
        parsed(GOOD + "regoin = 'us'\n")

    assert [problem.hint for problem in caught.value.problems] == ["did you mean region?"]


def test_a_found_file_gets_nothing_from_outside(isolated: Path) -> None:
    """A file in the working directory names no variable or file until it is trusted, and loses that on change."""
    text = '[[nodes]]\nidentifier = "a"\nuri = "http://h"\npassword_env = "SECRET"\n'
    path = isolated / "revvlink.toml"
    path.write_text(text, encoding="utf-8")

    with pytest.raises(ConfigError, match="not trusted"):
        load(find(None, {"SECRET": "canary"}, isolated))
    trust(path, text)
    settings = load(find(None, {"SECRET": "canary"}, isolated))
    assert settings.resolve()[0].password == "canary"
    path.write_text(text.replace("http://h", "http://evil"), encoding="utf-8")
    with pytest.raises(ConfigError, match="not trusted"):
        load(find(None, {"SECRET": "canary"}, isolated))


@pytest.mark.parametrize("key", ["ca_file = 'x'", "trust_env = true"])
@pytest.mark.parametrize("place", ["[defaults]\n{}\n" + GOOD, GOOD + "{}\n"])
def test_no_way_round_trust(key: str, place: str) -> None:
    """Other files and the environment's proxies are out of reach as well, for one node and for all."""
    found = mistakes(place.format(key), trusted=False)

    assert len(found) == 1
    assert "not trusted" in found[0]
    assert parsed(place.format(key), trusted=True).nodes


def test_a_found_file_with_its_own_password_works(isolated: Path) -> None:
    """What a file brings along itself needs no trust."""
    (isolated / "revvlink.toml").write_text(GOOD, encoding="utf-8")

    assert load(find(None, {}, isolated)).resolve()[0].password == "canary"


def test_order_of_the_places(isolated: Path) -> None:
    """--config, then REVVLINK_URI, then REVVLINK_CONFIG, then here, then the user's folder; none is told as such."""
    here, flag, named = isolated / "revvlink.toml", isolated / "flag.toml", isolated / "named.toml"
    user = isolated / "config" / "revvlink" / "revvlink.toml"
    user.parent.mkdir()
    for path in (here, flag, named, user):
        path.write_text(GOOD, encoding="utf-8")
    environment = {"REVVLINK_URI": "http://h", "REVVLINK_PASSWORD": "x", "REVVLINK_CONFIG": str(named)}

    assert find(str(flag), environment, isolated).path == flag
    assert find(None, environment, isolated).path is None
    del environment["REVVLINK_URI"]
    assert find(None, environment, isolated).path == named
    assert find(None, {}, isolated).path == here
    here.unlink()
    assert find(None, {}, isolated).path == user
    user.unlink()
    with pytest.raises(ConfigError) as caught:
        find(None, {}, isolated)
    assert caught.value.is_missing
    assert "revvlink init" in str(caught.value.problems[0].hint)
    assert "revvlink demo" in str(caught.value.problems[0].hint)


def test_one_node_from_the_environment() -> None:
    """REVVLINK_URI and a password are a whole configuration; without a password it is a mistake."""
    environment = {"REVVLINK_URI": "http://h:5/", "REVVLINK_PASSWORD": "canary", "REVVLINK_REGION": "us"}
    settings = load(find(None, environment, Path()))

    (node,) = settings.resolve()
    assert (node.identifier, node.uri, node.password, node.region) == ("h:5", "http://h:5", "canary", "us")
    assert "canary" not in repr(settings) + repr(node) + str(effective(settings))
    del environment["REVVLINK_PASSWORD"]
    with pytest.raises(ConfigError, match="REVVLINK_PASSWORD_FILE"):
        load(find(None, environment, Path()))


def test_passwords_that_cannot_be_had_are_all_named(isolated: Path) -> None:
    """Unset variables, missing and empty files: each with its line, all at once."""
    (isolated / "empty").write_text("\n", encoding="utf-8")
    text = "".join(
        f'[[nodes]]\nidentifier = "{i}"\nuri = "http://h"\n{key} = "{value}"\n'
        for i, (key, value) in enumerate(
            [("password_env", "UNSET"), ("password_file", "missing"), ("password_file", str(isolated / "empty"))]
        )
    )
    settings = parsed(text)

    with pytest.raises(ConfigError) as caught:
        settings.resolve()
    told = [str(problem) for problem in caught.value.problems]
    assert [line.split(":")[1] for line in told] == ["4", "8", "12"]
    assert "UNSET is not set" in told[0]
    assert "cannot be read" in told[1]
    assert "is empty" in told[2]


def test_a_password_file_lies_beside_the_configuration(isolated: Path) -> None:
    """A relative path counts from the file's folder, and only the first line is the password."""
    (isolated / "secret").write_text("first line\r\nsecond\n", encoding="utf-8")
    path = isolated / "nodes.toml"
    path.write_text('[[nodes]]\nidentifier = "a"\nuri = "http://h"\npassword_file = "secret"\n', encoding="utf-8")

    assert load(find(str(path), {}, Path("/"))).resolve()[0].password == "first line"


def test_an_inline_password_others_can_read_is_a_warning(isolated: Path) -> None:
    """It works, and the way out is told."""
    path = isolated / "nodes.toml"
    path.write_text(GOOD, encoding="utf-8")
    path.chmod(0o644)

    (warning,) = load(find(str(path), {}, isolated)).warnings
    assert "chmod 600" in str(warning.hint)
    path.chmod(0o600)
    assert load(find(str(path), {}, isolated)).warnings == ()


@pytest.mark.parametrize("content", [b"\xff\xfe", b"a" * 2_000_000, b"\xef\xbb\xbf" + GOOD.encode()])
def test_odd_files(isolated: Path, content: bytes) -> None:
    """What is not text, or far too large, is one line; a byte order mark does no harm."""
    path = isolated / "odd.toml"
    path.write_bytes(content)

    if content.endswith(GOOD.encode()):
        assert len(load(find(str(path), {}, isolated)).nodes) == 1
    else:
        with pytest.raises(ConfigError):
            load(find(str(path), {}, isolated))


def test_the_schema_is_a_schema_and_takes_the_example() -> None:
    """JSON Schema's own validator accepts it, and it accepts the example."""
    import tomllib

    document = json_schema()
    jsonschema.Draft202012Validator.check_schema(document)
    jsonschema.validate(tomllib.loads((ROOT / "revvlink.example.toml").read_text(encoding="utf-8")), document)


values = st.one_of(
    st.booleans(), st.integers(-5, 10**21), st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(["", "x", "http://h:1", "1h", "sqlite"]), st.lists(st.sampled_from(["", "a"]), max_size=2),
)  # fmt: skip


@given(st.sampled_from(["defaults", "search", "cache"]), st.data())
def test_schema_and_validation_agree_on_types(section: str, data: st.DataObject) -> None:
    """A value that the JSON Schema refuses is refused when loading, too."""
    key = data.draw(st.sampled_from(schema.SECTIONS[section]))
    value = data.draw(values)
    document = {section: {key.name: value}, "nodes": [{"identifier": "a", "uri": "http://h", "password": "x"}]}

    refused = not jsonschema.Draft202012Validator(json_schema()).is_valid(document)
    if refused:
        with pytest.raises(ConfigError):
            parsed(tomli_w.dumps(document))


def test_show_masks_and_tells_where(isolated: Path) -> None:
    """Secrets are masked; every value has its file and line, or is a default."""
    path = isolated / "nodes.toml"
    path.write_text(f'[defaults]\nproxy = "http://u:canary@p"\ntimeout = 2\n{GOOD}', encoding="utf-8")
    rows = {row.key: row for row in effective(load(find(str(path), {}, isolated)))}

    assert "canary" not in str(rows)
    assert rows["nodes[a].password"].value == "********"
    assert (rows["nodes[a].timeout"].value, rows["nodes[a].timeout"].line) == (2.0, 3)
    assert rows["nodes[a].heartbeat"].origin == "default"
