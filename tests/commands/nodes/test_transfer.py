"""`nodes import` and `nodes export`: what they write, what they say, and where passwords go."""

from __future__ import annotations

import io
import json
import sys
import tomllib
from typing import TYPE_CHECKING, Any

import pytest

from tests.run_in_process import TerminalText, run_in_process

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Ran

SECRET, OTHER = "open-sesame-31", "abracadabra-77"

LIST: list[Any] = [
    {"id": "us 1", "host": "us-1.example.com", "port": 443, "authorization": SECRET, "secure": True, "regions": ["us"]},
    {"id": "us 1", "host": "us-2.example.com", "port": 2333, "authorization": OTHER},
]


@pytest.fixture
def source(isolated: Path) -> Path:
    """A list of two nodes with one name."""
    path = isolated / "list.json"
    path.write_text(json.dumps(LIST), encoding="utf-8")
    return path


@pytest.fixture
def own(isolated: Path) -> Path:
    """The user's own configuration, which does not exist yet."""
    return isolated / "config" / "revvlink" / "revvlink.toml"


def nodes_of(path: Path) -> list[dict[str, Any]]:
    """The nodes of a configuration."""
    found: list[dict[str, Any]] = tomllib.loads(path.read_text(encoding="utf-8"))["nodes"]
    return found


def ran(*arguments: str) -> Ran:
    """A command line, whose output has no password."""
    done = run_in_process(arguments)
    assert SECRET not in done.out + done.err
    assert OTHER not in done.out + done.err
    return done


def test_a_fleet_moves_with_one_command(source: Path, own: Path) -> None:
    """Without a configuration one is made: passwords in files that only the user reads, names valid and unique."""
    dry = ran("nodes", "import", str(source), "--dry-run", "-o", "json")
    assert not own.exists()
    assert [row["outcome"] for row in dry.rows] == ["added (dry run)"] * 2

    source.write_text(json.dumps([*LIST, {**LIST[0], "port": "443", "id": "again"}]), encoding="utf-8")
    done = ran("nodes", "import", str(source), "--tag", "moved", "-o", "json")

    assert done.code == 0
    assert [row["outcome"] for row in done.rows] == ["added", "added", "duplicate"]
    assert [(row["node"], row["uri"], row["region"], row["password_from"]) for row in done.rows[:2]] == [
        ("us-1", "https://us-1.example.com", "us", "file passwords/us-1"),
        ("us-1-2", "http://us-2.example.com:2333", None, "file passwords/us-1-2"),
    ]
    assert nodes_of(own)[1] == {
        "identifier": "us-1-2", "uri": "http://us-2.example.com:2333", "password_file": "passwords/us-1-2",
        "tags": ["moved"],
    }  # fmt: skip
    folder = own.parent / "passwords"
    assert (folder / "us-1").read_text("utf-8") == f"{SECRET}\n"
    assert [path.stat().st_mode & 0o777 for path in (own, folder, folder / "us-1")] == [0o600, 0o700, 0o600]
    assert ran("config", "validate").code == 0

    again = ran("nodes", "import", str(source), "-o", "json")
    assert (again.code, [row["outcome"] for row in again.rows]) == (0, ["exists"] * 3)
    assert len(nodes_of(own)) == 2


def test_what_people_see(source: Path) -> None:
    """A table, the format, what is skipped and what comes next."""
    first = run_in_process(("nodes", "import", str(source)), TerminalText())
    second = run_in_process(("nodes", "import", str(source)), TerminalText())

    assert "us-1-2" in first.out
    assert "note: read as lavalink-client: lavalink-client (npm)" in first.err
    assert "next: revvlink nodes status" in first.err
    assert "2 nodes of the list are configured already and stay unchanged; --replace updates them" in second.err


def test_replace_updates_and_keeps_the_rest(source: Path, own: Path) -> None:
    """--replace gives a configured node the password of the list, also in its file; comments and other keys stay."""
    own.parent.mkdir(parents=True)
    own.write_text(
        "# mine\n[[nodes]]\nidentifier = 'first'  # by hand\nuri = 'https://us-1.example.com:443/'\n"
        "password = 'old'\ntimeout = 3.0\n",
        encoding="utf-8",
    )
    own.chmod(0o600)

    assert ran("nodes", "import", str(source), "--replace").code == 0
    changed = [{**LIST[0], "authorization": OTHER}]
    source.write_text(json.dumps(changed), encoding="utf-8")
    done = ran("nodes", "import", str(source), "--replace", "-o", "json")

    assert [(row["node"], row["outcome"]) for row in done.rows] == [("first", "replaced")]
    assert "# mine" in own.read_text("utf-8")
    assert "# by hand" in own.read_text("utf-8")
    assert nodes_of(own)[0] == {
        "identifier": "first", "uri": "https://us-1.example.com:443/", "timeout": 3.0, "region": "us",
        "password_file": "passwords/first",
    }  # fmt: skip
    assert (own.parent / "passwords" / "first").read_text("utf-8") == f"{OTHER}\n"
    assert [path.name for path in sorted((own.parent / "passwords").iterdir())] == ["first", "us-1"]


def test_passwords_go_where_the_user_wants(source: Path, own: Path, isolated: Path) -> None:
    """In a variable for all, inline, or where the list has them: a variable stays one, a file keeps its path."""
    in_variable = ran("nodes", "import", str(source), "--password-env", "FLEET")
    assert "warning: set the variable of the passwords: FLEET\n" in in_variable.err
    assert [node["password_env"] for node in nodes_of(own)] == ["FLEET"] * 2
    assert not (own.parent / "passwords").exists()

    inline = isolated / "inline.toml"
    ran("--config", str(inline), "nodes", "import", str(source), "--inline")
    assert [node["password"] for node in nodes_of(inline)] == [SECRET, OTHER]
    assert inline.stat().st_mode & 0o777 == 0o600

    text = "- {uri: 'http://a:1', password: '${A_PW}'}\n- {uri: 'http://b:1', password_file: b.txt}\n- {uri: 'http://c:1'}\n"
    (isolated / "list.yml").write_text(text, encoding="utf-8")
    kept = isolated / "kept.toml"
    done = ran("--config", str(kept), "nodes", "import", str(isolated / "list.yml"), "--format", "json")
    assert done.code == 5
    assert "list.yml:3: [2]: has no password (name the variable that holds it with --password-env)" in done.err
    assert [(node.get("password_env"), node.get("password_file")) for node in nodes_of(kept)] == [
        ("A_PW", None), (None, str(isolated / "b.txt")),
    ]  # fmt: skip
    assert ran("nodes", "import", str(source), "--inline", "--password-env", "X").code == 2


def test_password_files_overwrite_nothing_and_stay_in_their_folder(own: Path, source: Path) -> None:
    """A file with another password is left alone, and a name cannot lead elsewhere."""
    folder = own.parent / "passwords"
    folder.mkdir(parents=True)
    (folder / "us-1").write_text("somebody's\n", encoding="utf-8")
    longer = [*LIST, {**LIST[1], "id": "../../etc/passwd", "host": "h.example.com"}]
    source.write_text(json.dumps(longer), encoding="utf-8")

    assert ran("nodes", "import", str(source)).code == 0

    assert (folder / "us-1").read_text("utf-8") == "somebody's\n"
    assert sorted(path.name for path in folder.iterdir()) == ["etc-passwd", "us-1", "us-1-2", "us-1-2-2"]
    assert nodes_of(own)[2]["identifier"] == "../../etc/passwd"


def test_a_folder_that_cannot_be_written_is_one_line(own: Path, source: Path) -> None:
    """Where the folder of passwords is a file, nothing is written, and the line names it."""
    own.parent.mkdir(parents=True)
    (own.parent / "passwords").write_text("", encoding="utf-8")

    done = ran("nodes", "import", str(source))

    assert (done.code, done.err.count("\n")) == (2, 1)
    assert "passwords" in done.err
    assert not own.exists()


def test_a_wrong_configuration_leaves_nothing_behind(own: Path, source: Path) -> None:
    """Where the configuration has mistakes nothing is written, no password either."""
    own.parent.mkdir(parents=True)
    own.write_text("[cache]\nttl = 'soon'\n", encoding="utf-8")

    done = ran("nodes", "import", str(source))

    assert done.code == 2
    assert "cache.ttl" in done.err
    assert own.read_text("utf-8") == "[cache]\nttl = 'soon'\n"
    assert list((own.parent / "passwords").iterdir()) == []


def test_bad_lists_get_one_line_and_a_code(own: Path, isolated: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No known format and no such file are usage errors; a list without one usable node fails; nothing is written."""
    for text, code, told in (
        ("hello: world\n", 2, "error: list.txt: has no list of nodes in a known format (known formats: lavalink, "),
        ("a: [\n", 2, "error: list.txt:2: is not valid YAML"),
        ("- {uri: 'http://h:1', password: x}\n- {url: x}\n", 5, "list.txt:2: [1]: is not a node"),
        ("- {uri: 'ftp://h:1', password: x}\n", 2, "has no list of nodes"),
        ("- {uri: 'http://h:0', password: x}\n", 1, "list.txt:1: [0].uri: port 0 cannot be connected to"),
    ):
        (isolated / "list.txt").write_text(text, encoding="utf-8")
        done = ran("nodes", "import", "list.txt", "--dry-run")
        assert (done.code, told in done.err) == (code, True), done.err
    assert "cannot be read: No such file" in ran("nodes", "import", "none.json").err
    wrong = ran("nodes", "import", "list.txt", "--format", "wavelnk")
    assert (wrong.code, "did you mean wavelink?" in wrong.err) == (2, True)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(json.dumps([*LIST, 7]).encode())))
    piped = ran("nodes", "import", "-", "--dry-run")
    assert (piped.code, "error: standard input:1: [2]: is not a node" in piped.err) == (5, True)
    (isolated / "list.txt").write_text(json.dumps(LIST), encoding="utf-8")
    monkeypatch.setenv("REVVLINK_PASSWORD", "x-y-z-2")
    assert "there is no file to change" in ran("--uri", "http://h", "nodes", "import", "list.txt").err
    assert not own.exists()


def test_a_server_on_another_machine(isolated: Path) -> None:
    """A server that listens everywhere is on this machine, with a warning, unless --host names its own."""
    (isolated / "application.yml").write_text("server: {port: 80}\nlavalink: {server: {password: x-y-z-1}}\n", "utf-8")

    here = ran("nodes", "import", "application.yml", "--dry-run", "-o", "json")
    there = ran("nodes", "import", "application.yml", "--dry-run", "-o", "json", "--host", "lava.example.com")

    proxied = ran(
        "nodes", "import", "application.yml", "--dry-run", "-o", "json", "--host", "https://h.example.com:8443"
    )

    uris = [done.rows[0]["uri"] for done in (here, there, proxied)]
    assert uris == ["http://127.0.0.1", "http://lava.example.com", "https://h.example.com:8443"]
    assert "else use --host" in here.err
    assert "--host" not in there.err


def test_export_prints_the_list_and_says_which_variables_it_needs(source: Path) -> None:
    """Stdout has the text alone, stderr the variables to set; nodes are selected as elsewhere."""
    ran("nodes", "import", str(source), "--tag", "x")

    shown = run_in_process(("nodes", "export", "us-1", "--for", "lavalink-client"), TerminalText())
    assert shown.out.startswith('// new LavalinkManager({ nodes, ... })\nconst nodes = [\n  {\n    id: "us-1",\n')
    assert "note: put the password of us-1 into the variable LAVALINK_PASSWORD_US_1" in shown.err
    piped = ran("nodes", "export", "--for", "json", "-o", "json")
    assert piped.rows["variables"] == ["LAVALINK_PASSWORD_US_1", "LAVALINK_PASSWORD_US_1_2"]
    assert json.loads(piped.rows["text"])[0]["uri"] == "https://us-1.example.com"
    assert ran("nodes", "export").code == 2
    assert "did you mean shoukaku?" in ran("nodes", "export", "--for", "shoukku").err
