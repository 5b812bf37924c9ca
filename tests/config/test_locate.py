"""Places of keys: the line and column told are those where the key stands."""

from __future__ import annotations

import tomllib
from typing import Any

import tomli_w
from hypothesis import given
from hypothesis import strategies as st

from revvlink_cli.config.locate import find, locate

keys = st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), min_size=1, max_size=6)
scalars = st.one_of(
    st.booleans(), st.integers(-(2**60), 2**60), st.text(st.characters(codec="utf-8")),
    st.floats(allow_nan=False, allow_infinity=False),
)  # fmt: skip
documents = st.dictionaries(
    keys,
    st.recursive(
        scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3), max_leaves=10
    ),
    max_size=5,
)


def key_paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of every key in a document."""
    found: list[tuple[Any, ...]] = []
    if isinstance(value, dict):
        for key, item in value.items():
            found += [(*path, key), *key_paths(item, (*path, key))]
    elif isinstance(value, list):
        for index, item in enumerate(value):
            found += key_paths(item, (*path, index))
    return found


@given(documents, st.booleans())
def test_every_key_is_found_where_it_stands(document: dict[str, Any], multiline: bool) -> None:
    """In any document, the place told for a key holds that key."""
    text = tomli_w.dumps(document, multiline_strings=multiline)
    lines = text.split("\n")
    places = locate(text)

    for path in key_paths(tomllib.loads(text)):
        line, column = find(places, path)
        assert line is not None
        assert column is not None
        rest = lines[line - 1][column - 1 :]
        written = tomli_w.dumps({path[-1]: 0}).partition(" = ")[0]
        assert written in rest, (path, rest)


def test_layouts_people_write() -> None:
    """Comments, dotted and quoted keys, arrays over several lines, inline tables and CRLF."""
    text = (
        '# [[nodes]] not this\r\n[defaults] # "x\r\na.b = 1\r\n"q # k" = """\r\n[[nodes]]\r\n"""\r\n[[nodes]]\r\n'
        "tags = [ # ]\r\n  'a', \"]\",\r\n]\r\nuri='x'\r\n[[nodes]]\r\n"
        "  headers = { A = '}', \"B\" = 2 }\r\n[nodes.sub]\r\nz=1\r\n"
    )
    tomllib.loads(text)
    places = locate(text)

    assert places["defaults",] == (2, 1)
    assert places["defaults", "a", "b"] == (3, 1)
    assert places["defaults", "q # k"] == (4, 1)
    assert places["nodes", 0] == (7, 1)
    assert places["nodes", 0, "uri"] == (11, 1)
    assert places["nodes", 1, "headers", "B"] == (13, 24)
    assert places["nodes", 1, "sub", "z"] == (15, 1)
    assert find(places, ("nodes", 1, "missing")) == (12, 1)
    assert find(places, ("nowhere",)) == (None, None)


@given(st.text(st.sampled_from("[]{}\"'=.,#\n\r a1\\"), max_size=60))
def test_no_document_that_parses_makes_it_stumble(text: str) -> None:
    """Whatever the parser accepts is gone through to the end."""
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return
    locate(text)
