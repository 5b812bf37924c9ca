"""Texts that are attacks or mistakes: one line says why, and reading them has a bound."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from revvlink_cli.config.files import MAX_SIZE
from revvlink_cli.config.node_lists.catalogue import read_list
from revvlink_cli.config.node_lists.entries import Rules
from revvlink_cli.config.node_lists.list_text import read_list_text
from revvlink_cli.config.node_lists.syntax import code_text, yaml_text
from revvlink_cli.config.node_lists.syntax.code_text import read_code
from revvlink_cli.config.node_lists.syntax.tree import ListSyntaxError, Table, Text
from revvlink_cli.config.node_lists.syntax.variables_text import read_variables
from revvlink_cli.config.node_lists.syntax.yaml_text import read_yaml
from revvlink_cli.config.problems import ConfigError
from tests.example_counts import examples

LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{chr(98 + level)}: &{chr(98 + level)} [{', '.join([f'*{chr(97 + level)}'] * 9)}]\n" for level in range(12)
)
MERGES = "k0: &k0 {host: h, port: 1, password: p}\n" + "".join(
    f"k{n}: &k{n} {{<<: *k{n - 1}, x{n}: 1}}\n" for n in range(1, 700)
)

HOSTILE = {
    "aliases that multiply": (LAUGHS, "no list of nodes"),
    "merges that add up": (MERGES, "merges too many keys"),
    "brackets without end": ("[" * 100_000, "is nested too deep"),
    "deep JSON": ("[" * 50_000 + "]" * 50_000, "is nested too deep"),
    "deep YAML": ("a: " + "[" * 50_000, "nest"),
    "deep YAML blocks": ("".join(f"{' ' * n}a:\n" for n in range(500)), "is nested too deep"),
    "comments without end": ("{" + "/*" * 200_000, "has no }"),
    "quotes without end": ("{" + '"\n' * 50_000, "has no }"),
    "variables that double": (
        "A=0123456789\n" + "".join(f"{chr(66 + n)}=${chr(65 + n)}${chr(65 + n)}\n" for n in range(24)),
        "no list of nodes",
    ),
    "a tab in YAML": ("nodes:\n\t- host: h\n", "f:2: is not valid YAML"),
    "prose": ("hello " * 20_000, "no list of nodes"),
    "nothing": (" \n", "is empty"),
    "only addresses": ("nodes:\n- host: h\n  port: 1\n", "no list of nodes"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text_is_refused_soon(name: str) -> None:
    """Each is refused with one line, within seconds, with what to do."""
    text, told = HOSTILE[name]
    begun = time.process_time()

    with pytest.raises(ConfigError) as found:
        read_list(text, Path("f"), None, Rules())

    (problem,) = found.value.problems
    assert told in str(problem)
    assert "\n" not in str(problem)
    assert problem.hint
    assert time.process_time() - begun < 10


def test_texts_with_too_many_values_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The count of values has a bound, in code and in YAML, and the message says what to do."""
    for module in (code_text, yaml_text):
        monkeypatch.setattr(module, "MOST_VALUES", 1000)
    for text in ("[" + "1," * 600 + "]", "- 1\n" * 1200):
        with pytest.raises(ConfigError, match="is too large for a list of nodes") as found:
            read_list(text, None, None, Rules())
        assert found.value.problems[0].hint == "split it"


def test_nearest_guess_names_what_is_missing() -> None:
    """A text that nearly is a list: the hint says which key it lacks."""
    for text, hint in (
        ("nodes:\n- hostname: h\n  port: 1\n", "it has 'hostname' but no password"),
        ('{"nodes": [{"password": "x"}]}', "it has 'password' but no 'host'"),
        ('{"nodes": [{"host": "h", "password": "x"}]}', "it has 'host' but no 'port'"),
        ("hello", "known formats: lavalink, nodelink"),
    ):
        with pytest.raises(ConfigError) as found:
            read_list(text, None, None, Rules())
        assert hint in str(found.value.problems[0].hint)


def test_files_that_are_no_text(tmp_path: Path) -> None:
    """A binary file, one in another encoding, one that is too large, a folder, none at all: each has its line."""
    for content, told in (
        (b"PK\x03\x04\x00\xff", "is a binary file"),
        (b"nodes:\n- caf\xe9", ":2: is not UTF-8 text"),
        (b"a" * (MAX_SIZE + 1), "is larger than 1048576 bytes"),
    ):
        path = tmp_path / "list"
        path.write_bytes(content)
        with pytest.raises(ConfigError, match=told):
            read_list_text(str(path))
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        read_list_text(str(tmp_path))
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        read_list_text(str(tmp_path / "none"))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_marks_and_line_ends_of_windows(tmp_path: Path, encoding: str) -> None:
    """A byte order mark, UTF-16 as PowerShell writes it, and CRLF are no obstacle; lines count as an editor does."""
    path = tmp_path / "list.yml"
    path.write_bytes("nodes:\r\n- uri: http://h:1\r\n  password: pw\r\n- uri: 7\r\n  password: x\r\n".encode(encoding))

    text, named = read_list_text(str(path))
    listed = read_list(text, named, None, Rules())

    assert [(node.uri, node.password, node.line) for node in listed.reading.nodes][:1] == [("http://h:1", "pw", 2)]


@settings(max_examples=examples(60, 5000), deadline=None)
@given(st.text(max_size=100) | st.text("[]{}()<>:=,;\"'`$\\#/*\n -a1&!|?%@", max_size=60))
def test_no_text_breaks_a_reader(text: str) -> None:
    """Whatever a text is, it is read or refused, never an error of another kind."""
    for read in (read_code, read_yaml, read_variables):
        with suppress(ListSyntaxError):
            read(text)
    with suppress(ConfigError):
        read_list(text, None, None, Rules())


@settings(max_examples=examples(60, 5000), deadline=None)
@given(st.text(max_size=30))
def test_texts_of_json_are_what_they_stand_for(text: str) -> None:
    """Escapes, also of characters beyond 16 bits, stand for what JSON says."""
    import json

    clean = text.encode("utf-8", "replace").decode()
    root = read_code(json.dumps({"a": clean})).root

    assert isinstance(root, Table)
    value = root.entries["a"]
    assert not isinstance(value, Text) or value.text == clean
