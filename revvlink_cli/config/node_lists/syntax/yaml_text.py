"""Reads YAML event by event: an alias is never copied, and no depth or size can exhaust the machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from revvlink_cli.config.node_lists.syntax.tree import (
    DEEPEST,
    MOST_VALUES,
    Computed,
    Document,
    Items,
    ListSyntaxError,
    ListTooLargeError,
    Nothing,
    Syntax,
    Table,
    Text,
    Value,
    text_or_variable,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_MERGED = 200_000
"""Keys that ``<<`` may copy in one document."""


def read_yaml(text: str) -> Document:
    """The values of the first YAML document of a text.

    Raises:
        ListSyntaxError: It is not YAML, or nested too deep.
    """
    import yaml

    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        return Document(_Builder(yaml.parse(text, Loader=loader)).document(), Syntax.YAML)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        reason = getattr(error, "problem", None) or "a character that YAML does not allow"
        raise ListSyntaxError(f"is not valid YAML: {reason}", mark.line + 1 if mark is not None else None) from None
    except (RecursionError, ValueError):
        raise ListSyntaxError("is not valid YAML") from None


class _Open:
    """A list or a table that is not complete yet."""

    def __init__(self, line: int, anchor: str | None, *, is_table: bool) -> None:
        self.line = line
        self.anchor = anchor
        self.is_table = is_table
        self.values: list[Value] = []
        self.entries: dict[str, Value] = {}
        self.key: str | None = None
        self.has_key = False


class _Builder:
    """Builds values from the events of the parser."""

    def __init__(self, events: Iterator[Any]) -> None:
        self.events = events
        self.open: list[_Open] = []
        self.anchors: dict[str, Value] = {}
        self.root: Value | None = None
        self.merged = 0

    def document(self) -> Value:
        import yaml

        for count, event in enumerate(self.events):
            line = event.start_mark.line + 1
            if count > MOST_VALUES:
                raise ListTooLargeError(line)
            match event:
                case yaml.ScalarEvent():
                    self.add(_scalar(event, line), event.anchor)
                case yaml.AliasEvent():
                    # An anchor is complete only after its end: a value cannot contain itself.
                    self.add(self.anchors.get(event.anchor or "", Computed(line)), None)
                case yaml.SequenceStartEvent() | yaml.MappingStartEvent():
                    if len(self.open) >= DEEPEST:
                        raise ListSyntaxError("is nested too deep", line)
                    self.open.append(_Open(line, event.anchor, is_table=isinstance(event, yaml.MappingStartEvent)))
                case yaml.SequenceEndEvent() | yaml.MappingEndEvent():
                    done = self.open.pop()
                    self.add(
                        Table(done.entries, done.line) if done.is_table else Items(tuple(done.values), done.line),
                        done.anchor,
                    )
                case yaml.DocumentEndEvent():
                    break
        return self.root if self.root is not None else Nothing(1)

    def add(self, value: Value, anchor: str | None) -> None:
        if anchor:
            self.anchors[anchor] = value
        if not self.open:
            self.root = value
            return
        outer = self.open[-1]
        if not outer.is_table:
            outer.values.append(value)
        elif not outer.has_key:
            outer.key = value.text if isinstance(value, Text) else None
            outer.has_key = True
        else:
            if outer.key == "<<":
                self.merge(outer, value)
            elif outer.key is not None:
                outer.entries[outer.key] = value
            outer.has_key = False

    def merge(self, outer: _Open, value: Value) -> None:
        """Copy the entries of other tables that this one does not have."""
        for table in value.values if isinstance(value, Items) else (value,):
            if isinstance(table, Table):
                self.merged += len(table.entries)
                if self.merged > MOST_MERGED:
                    raise ListSyntaxError("merges too many keys", outer.line)
                for key, inner in table.entries.items():
                    outer.entries.setdefault(key, inner)


def _scalar(event: Any, line: int) -> Value:
    if event.style in (None, "") and event.value in ("", "~", "null", "Null", "NULL"):
        return Nothing(line)
    return text_or_variable(event.value, line)
