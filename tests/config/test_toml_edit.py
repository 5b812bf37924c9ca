"""Changes in the text of a TOML document: they do what they say, and nothing else."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule

from revvlink_cli.config.toml_edit import Append, CannotEditError, Change, Remove, Set, edit
from tests.example_counts import examples

FILE = """\
# top
[defaults]  # d
timeout = 5.0   # seconds
# tail

# the first node
[[nodes]]
identifier = "a"  # x
  tags = [ # t
   "p", # pp
  ]
[nodes.check]
skip = ["x"]

# the second node
[[nodes]]
identifier = "b"
check = { warning = { cpu = "8%" } } # cc

[check.warning]
cpu = "1%"
"""

INLINE = 'nodes = [\n  { identifier = "a" }, # one\n  { identifier = "b" }, # two\n]\n'


def changed_lines(before: str, after: str) -> tuple[list[str], list[str]]:
    """The lines that are gone, and those that are new."""
    import difflib

    old, new = (text.replace("\r\n", "\n").removesuffix("\n").split("\n") for text in (before, after))
    found = [line for line in difflib.ndiff(old, new) if line[0] in "-+"]
    return [line[2:] for line in found if line[0] == "-"], [line[2:] for line in found if line[0] == "+"]


@pytest.mark.parametrize(
    ("text", "change", "gone", "new"),
    [
        (FILE, Set(("defaults", "timeout"), 7), ["timeout = 5.0   # seconds"], ["timeout = 7   # seconds"]),
        (FILE, Set(("defaults", "retries"), 2), [], ["retries = 2"]),
        (FILE, Set(("nodes", 0, "region"), 'é"\\'), [], ['  region = "é\\"\\\\"']),
        (FILE, Set(("nodes", 0, "check", "warning", "cpu"), "1"), [], ['warning.cpu = "1"']),
        (FILE, Set(("nodes", 1, "tags"), ["p", "q"]), [], ['tags = ["p", "q"]']),
        (FILE, Set(("check", "critical", "cpu"), "9%"), [], ["", "[check.critical]", 'cpu = "9%"']),
        (FILE, Set(("check", "warning", "a b"), "1"), [], ['"a b" = "1"']),
        (FILE, Set(("regions",), {"eu": ["x"]}), [], ["", "[regions]", 'eu = ["x"]']),
        (FILE, Remove(("defaults", "timeout")), ["timeout = 5.0   # seconds"], []),
        (FILE, Remove(("defaults", "retries")), [], []),
        (FILE, Remove(("nodes", 0, "tags")), ["  tags = [ # t", '   "p", # pp', "  ]"], []),
        (FILE, Remove(("check",)), ["", "[check.warning]", 'cpu = "1%"'], []),
        (
            FILE,
            Remove(("nodes", 1)),
            ["[[nodes]]", 'identifier = "b"', 'check = { warning = { cpu = "8%" } } # cc'],
            [],
        ),
        (FILE, Append("nodes", {"identifier": "c"}), [], ["", "[[nodes]]", 'identifier = "c"']),
        (INLINE, Append("nodes", {"identifier": "c"}), [], ['  {identifier = "c"},']),
        (INLINE, Remove(("nodes", 0)), ['  { identifier = "a" }, # one'], []),
        (
            INLINE,
            Set(("nodes", 1, "region"), "eu"),
            ['  { identifier = "b" }, # two'],
            ['  { identifier = "b", region = "eu"}, # two'],
        ),
        ("defaults.retries = 1\n# end", Set(("defaults", "timeout"), 2), [], ["defaults.timeout = 2"]),
        ("# only a comment\n", Set(("defaults", "timeout"), 2), [], ["", "[defaults]", "timeout = 2"]),
    ],
)
def test_a_change_touches_its_own_lines_only(text: str, change: Any, gone: list[str], new: list[str]) -> None:
    """Every other line stays, also with Windows line ends, which new lines get too."""
    assert changed_lines(text, edit(text, [change])) == (gone, new)
    windows = text.replace("\n", "\r\n")
    assert edit(windows, [change]) == edit(text, [change]).replace("\n", "\r\n")


@pytest.mark.parametrize(
    ("text", "change"),
    [
        ("[nodes]\na = 1\n", Append("nodes", {"identifier": "a"})),
        ("a = 1\n", Set(("a", "b"), 2)),
        ("a = 1\n", Set(("b",), 2)),
        ("[a]\n[a.b]\nc = 1\n", Set(("a", "b", "c", "d"), 2)),
    ],
)
def test_a_change_without_a_place_is_refused(text: str, change: Any) -> None:
    """A document of another shape is not rewritten."""
    with pytest.raises(CannotEditError):
        edit(text, [change])


NAMES = ("uri", "region", "timeout", "two words", "é")
VALUES = st.one_of(
    st.integers(-5, 5), st.booleans(), st.text(max_size=4), st.lists(st.text(max_size=3), max_size=2),
    st.sampled_from(['"', "\\", "#", "]", "\t", "\x7f", "'''"]),
)  # fmt: skip


class Editing(RuleBasedStateMachine):
    """A file of tables with a comment everywhere, which is changed again and again."""

    paths = Bundle("paths")

    def __init__(self) -> None:
        super().__init__()
        self.text = ""
        self.comments = 0

    def comment(self) -> str:
        """A comment that stands nowhere else."""
        self.comments += 1
        return f"# {self.comments}."

    @initialize(inline=st.booleans(), newline=st.sampled_from(["\n", "\r\n"]), nodes=st.integers(1, 3))
    def begin(self, *, inline: bool, newline: str, nodes: int) -> None:
        """Write a file, with its nodes in either form."""
        rows = [f'identifier = "{number}"' for number in range(nodes)]
        if inline:
            lines = [
                "nodes = [",
                *(f"  {{ {row} }}, {self.comment()}" for row in rows),
                f"] {self.comment()}",
            ]
        else:
            lines = []
            for row in rows:
                lines += [self.comment(), f"[[nodes]] {self.comment()}", f"  {row} {self.comment()}", ""]
        lines += [self.comment(), f"[defaults] {self.comment()}", f"timeout = 5 {self.comment()}", self.comment()]
        self.text = newline.join(lines)

    @property
    def document(self) -> dict[str, Any]:
        """What the text says."""
        return tomllib.loads(self.text)

    def make(self, change: Any) -> tuple[list[str], list[str]]:
        """Make a change; returns the lines that are gone and those that are new."""
        before, self.text = self.text, edit(self.text, [change])
        return changed_lines(before, self.text)

    def comments_of(self, lines: list[str]) -> set[str]:
        """The comments in some lines."""
        import re

        return {found for line in lines for found in re.findall(r"# \d+\.", line)}

    @rule(name=st.sampled_from(NAMES), value=VALUES, node=st.integers(0, 2), common=st.booleans())
    def set_key(self, name: str, value: Any, node: int, *, common: bool) -> None:
        """A key is set: nothing else changes, and the comment beside it stays."""
        path = ("defaults", name) if common else ("nodes", node % len(self.document["nodes"]), name)
        expected = self.document
        (expected["defaults"] if common else expected["nodes"][path[1]])[name] = value
        gone, new = self.make(Set(path, value))

        assert self.document == expected
        assert len(gone) <= 1
        assert self.comments_of(gone) <= self.comments_of(new)

    @rule(name=st.sampled_from(NAMES), node=st.integers(0, 2))
    def remove_key(self, name: str, node: int) -> None:
        """A key is removed: nothing else changes."""
        node %= len(self.document["nodes"])
        expected = self.document
        expected["nodes"][node].pop(name, None)
        gone, new = self.make(Remove(("nodes", node, name)))

        assert self.document == expected
        assert len(gone) <= 1
        assert len(new) <= len(gone)

    @rule()
    def add_node(self) -> None:
        """A node is added: no line of another goes."""
        expected = self.document
        expected["nodes"].append({"identifier": "new"})
        gone, new = self.make(Append("nodes", {"identifier": "new"}))

        assert self.document == expected
        assert self.comments_of(gone) <= self.comments_of(new)

    @rule(node=st.integers(0, 2))
    def remove_node(self, node: int) -> None:
        """A node is removed, but never the last one: comments outside of its table stay."""
        expected = self.document
        if len(expected["nodes"]) > 1:
            node %= len(expected["nodes"])
            del expected["nodes"][node]
            gone, _ = self.make(Remove(("nodes", node)))

            assert self.document == expected
            assert not [line for line in gone if line.startswith("#")]

    @invariant()
    def line_ends_are_alike(self) -> None:
        """New lines end as the others do."""
        assert "\r\n" not in self.text or self.text.count("\n") == self.text.count("\r\n")


TestEditing = Editing.TestCase
TestEditing.settings = settings(max_examples=examples(15, 400), stateful_step_count=6, deadline=None)


@pytest.mark.parametrize("text", [FILE, INLINE, "", "[a]\nb = 1"])
def test_many_tables_are_appended_as_one_after_the_other(text: str) -> None:
    """Tables that are appended together stand as if each was appended alone, also with other changes between them."""
    more = [Append("nodes", {"identifier": f"n{number}"}) for number in range(3)]
    changes: list[Change] = [*more, Set(("nodes", 0, "identifier"), "first"), *more]

    alone = text
    for change in changes:
        alone = edit(alone, [change])

    assert edit(text, changes) == alone


@pytest.mark.parametrize("text", [FILE, INLINE])
@pytest.mark.parametrize("order", [(4, 3, 1), (3, 2, 0), (0, 0, 1), (1, 3)])
def test_many_tables_are_removed_as_one_after_the_other(text: str, order: tuple[int, ...]) -> None:
    """Tables that are removed together go as if each was removed alone, whatever their order."""
    text = edit(text, [Append("nodes", {"identifier": f"n{number}"}) for number in range(3)])
    changes = [Remove(("nodes", index)) for index in order]

    alone = text
    for change in changes:
        alone = edit(alone, [change])

    assert edit(text, changes) == alone
