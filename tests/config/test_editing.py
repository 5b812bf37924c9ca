"""What the tool writes: the starter, and a node added to a file."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from revvlink_cli.config.editing import append_node
from revvlink_cli.config.load import load
from revvlink_cli.config.problems import ConfigError
from revvlink_cli.config.source import find
from revvlink_cli.config.starter import default_path, write_starter

NODE = {"identifier": "new", "uri": "http://h:2", "password_env": "P", "tags": ["a"]}


def test_the_starter_is_valid_private_and_trusted(isolated: Path) -> None:
    """It loads at once, is readable by its owner alone, and may use the environment."""
    path = write_starter(isolated / "revvlink.toml", force=False)

    assert path.stat().st_mode & 0o777 == 0o600
    settings = load(find(None, {"LAVALINK_PASSWORD": "x"}, isolated))
    assert settings.resolve()[0].password == "x"


def test_the_starter_overwrites_nothing(isolated: Path) -> None:
    """A file that is there stays, unless --force says otherwise."""
    path = isolated / "mine.toml"
    path.write_text("precious", encoding="utf-8")

    with pytest.raises(ConfigError, match="is there already"):
        write_starter(path, force=False)
    assert path.read_text(encoding="utf-8") == "precious"
    write_starter(path, force=True)
    assert "precious" not in path.read_text(encoding="utf-8")


def test_the_starter_goes_to_the_users_folder() -> None:
    """Left to itself it lies where the configuration is looked for, in a folder of one's own."""
    path = write_starter(default_path(), force=False)

    assert find(None, {}, Path("/")).path == path
    assert path.parent.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("ending", ["", "\n"])
def test_a_node_is_added_and_nothing_else_touched(isolated: Path, newline: str, ending: str) -> None:
    """Every byte that stood there stands there; the new node comes last, in the file's own line ends."""
    before = (
        f'# mine{newline}[[nodes]]  # first{newline}identifier = "a"{newline}uri = "http://h"{newline}password = "x"'
        f" # end{ending and newline}"
    )
    path = isolated / "nodes.toml"
    path.write_bytes(before.encode())
    path.chmod(0o640)

    append_node(path, NODE)

    after = path.read_bytes().decode()
    assert after.startswith(before)
    assert ("\r\n" in after) == (newline == "\r\n")
    assert after.replace("\r\n", "").count("\n") == (0 if newline == "\r\n" else after.count("\n"))
    assert [node.identifier for node in load(find(str(path), {}, isolated)).nodes] == ["a", "new"]
    assert path.stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize(
    ("text", "values", "told"),
    [
        ('[[nodes]]\nidentifier = "new"\nuri = "http://h"\npassword = "x"\n', NODE, "is taken"),
        ("", {**NODE, "uri": "ftp://h"}, "must begin with"),
        ('[nodes]\nidentifier = "a"\n', NODE, "cannot be changed here without rewriting"),
    ],
)
def test_a_wrong_node_leaves_the_file_alone(isolated: Path, text: str, values: dict[str, object], told: str) -> None:
    """A taken name, a bad address, nodes that are not an array: told, and not a byte changed."""
    path = isolated / "nodes.toml"
    path.write_text(text, encoding="utf-8")

    with pytest.raises(ConfigError, match=told):
        append_node(path, values)
    assert path.read_text(encoding="utf-8") == text
    assert not list(isolated.glob(".nodes*"))


def test_a_full_disk_loses_nothing(isolated: Path) -> None:
    """Where no byte can be written the file stays as it was, the reason is one line, and nothing is left over."""
    path = isolated / "nodes.toml"
    path.write_text('[[nodes]]\nidentifier = "a"\nuri = "http://h"\npassword = "x"\n', encoding="utf-8")
    before = path.read_bytes()

    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "revvlink_cli",
            "--config",
            str(path),
            "nodes",
            "add",
            "b",
            "http://h",
            "--password-env",
            "P",
        ],
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0)),
        check=False,
    )

    assert done.returncode == 2
    assert done.stderr.startswith(f"error: {path}: cannot be written: File too large")
    assert path.read_bytes() == before
    assert not list(isolated.glob(".nodes*"))


def test_a_read_only_file_stays(isolated: Path) -> None:
    """A file that nobody may write is refused, also for root, and through a link."""
    path, link = isolated / "nodes.toml", isolated / "link.toml"
    path.write_text('[[nodes]]\nidentifier = "a"\nuri = "http://h"\npassword = "x"\n', encoding="utf-8")
    link.symlink_to(path)
    append_node(link, NODE)
    assert link.is_symlink()
    path.chmod(0o444)

    with pytest.raises(ConfigError, match="is read-only"):
        append_node(link, {**NODE, "identifier": "third"})
    assert path.read_text(encoding="utf-8").count("[[nodes]]") == 2


@given(st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), min_size=1, max_size=20))
def test_any_region_survives_the_file(region: str) -> None:
    """Quotes, backslashes and whatever else: what was given is what is read back."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "nodes.toml"
        path.write_text("", encoding="utf-8")
        if not region.strip():
            with pytest.raises(ConfigError):
                append_node(path, {**NODE, "region": region})
            return
        append_node(path, {**NODE, "region": region})
        assert load(find(str(path), {}, Path(folder))).nodes[0].region == region
