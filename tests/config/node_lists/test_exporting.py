"""What is written for other programs: `import` reads it back, and no password is in it."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from hypothesis import given, settings
from hypothesis import strategies as st

from revvlink_cli.client.settings import normalise_uri
from revvlink_cli.config.node_lists.catalogue import FORMATS, WRITABLE, format_named, read_list
from revvlink_cli.config.node_lists.entries import Rules
from revvlink_cli.config.node_lists.exporting import export_nodes
from revvlink_cli.config.node_lists.importing import comparable, unique_name
from revvlink_cli.config.settings import NodeEntry
from tests.example_counts import examples

if TYPE_CHECKING:
    from revvlink_cli.config.node_lists.formats.node_format import NodeFormat

LETTERS = "aZ09-_.:;'\"\\`$#{}()<>|&%!@/~^+=éßłЖ日本😀\u202f\u0301"
"""Letters that have a meaning in some language or other, and some beyond ASCII and beyond 16 bits."""

NAMES = st.text(LETTERS.replace("\u202f", ""), min_size=1, max_size=12)
HOSTS = st.sampled_from(["us-1.example.com", "10.0.0.7", "[2001:db8::1]", "localhost", "xn--bcher-kva.example.com"])
TEXTS = st.text(LETTERS.replace("\u202f", ""), min_size=1, max_size=8)


@st.composite
def entries(draw: st.DrawFn) -> list[NodeEntry]:
    """Configured nodes with names, addresses and labels of any kind, their passwords in any place."""
    found = []
    for position, name in enumerate(draw(st.lists(NAMES, min_size=1, max_size=4, unique=True))):
        uri = f"{draw(st.sampled_from(['http', 'https']))}://{draw(HOSTS)}:{draw(st.integers(1, 65535))}"
        values: dict[str, Any] = {"identifier": name, "uri": normalise_uri(uri)}
        values |= draw(
            st.sampled_from(
                [
                    {"password_env": "PW_1"},
                    {"password_env": "my-var"},
                    {"password": "open-sesame"},
                    {"password_file": "/run/open-sesame"},
                ]
            )
        )
        if draw(st.booleans()):
            values["region"] = draw(TEXTS)
        values["tags"] = tuple(draw(st.lists(TEXTS, max_size=2, unique=True)))
        found.append(NodeEntry(MappingProxyType(values), MappingProxyType({}), position))
    return found


@settings(max_examples=examples(25, 1000), deadline=None)
@given(nodes=entries())
def test_export_is_read_back(nodes: list[NodeEntry]) -> None:
    """Names, addresses and variables survive, as do regions and tags where the program has a place for them."""
    for name in WRITABLE:
        check_export(format_named(name), nodes)


def check_export(kind: NodeFormat, nodes: list[NodeEntry]) -> None:
    """Write nodes for a program, and read them back."""
    done = export_nodes(nodes, kind)
    if not done.nodes:
        assert done.text == ""
        return
    listed = read_list(done.text, None, None, Rules())

    assert "open-sesame" not in done.text
    odd = [entry.identifier for entry in nodes if entry.values.get("password_env") == "my-var"]
    assert [name for name, _ in done.refused] == (odd if kind.name == "env" else [])
    assert listed.reading.problems == ()
    found = listed.reading.nodes
    assert [unique_name(node, ()) for node in found] == [node.identifier for node in done.nodes]
    assert [comparable(node.uri) for node in found] == [comparable(node.uri) for node in done.nodes]
    assert [node.password_env for node in found] == [node.variable for node in done.nodes]
    assert len({node.variable for node in done.nodes if node.variable not in ("PW_1", "my-var")}) == sum(
        "password_env" not in entry.values for entry in nodes
    )
    if kind.has_region:
        assert [node.region for node in found] == [node.region for node in done.nodes]
    if kind.has_tags:
        assert [node.tags for node in found] == [node.tags for node in done.nodes]


def test_a_path_is_refused_where_a_program_knows_only_host_and_port() -> None:
    """The node is named with the reason, and the others are written; programs that take an address keep the path."""
    nodes = [
        NodeEntry(MappingProxyType({"identifier": "a", "uri": uri, "password_env": "A"}), MappingProxyType({}), 0)
        for uri in ("https://h.example.com/ll1",)
    ]
    for kind in FORMATS:
        if kind.write is None:
            continue
        done = export_nodes(nodes, kind)
        if kind.name in ("lavalink.py", "lavalink-client"):
            assert done.refused[0][1].startswith("has a path (/ll1)")
            assert done.text == ""
        else:
            assert read_list(done.text, None, None, Rules()).reading.nodes[0].uri == "https://h.example.com/ll1"
