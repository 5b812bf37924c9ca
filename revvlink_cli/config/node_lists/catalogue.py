"""Every format of a node list, and how the format of a text is recognised."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from revvlink_cli.config.node_lists.entries import Rules, read_all
from revvlink_cli.config.node_lists.formats import (
    general,
    lavalink,
    lavalink4net,
    lavalink_client,
    lavalink_py,
    nodelink,
    plain_json,
    public_list,
    revvlink,
    shoukaku,
    variables,
    wavelink,
)
from revvlink_cli.config.node_lists.syntax.code_text import read_code
from revvlink_cli.config.node_lists.syntax.toml_text import is_toml, read_toml_list
from revvlink_cli.config.node_lists.syntax.tree import (
    Computed,
    Document,
    Items,
    ListSyntaxError,
    ListTooLargeError,
    Syntax,
    Table,
    Text,
    Value,
    plain_key,
    text_or_variable,
    walk,
)
from revvlink_cli.config.node_lists.syntax.variables_text import read_variables
from revvlink_cli.config.node_lists.syntax.yaml_text import read_yaml
from revvlink_cli.config.problems import ConfigError, Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from revvlink_cli.config.node_lists.formats.node_format import NodeFormat
    from revvlink_cli.config.node_lists.listed_node import Candidate, Reading

FORMATS: tuple[NodeFormat, ...] = (
    lavalink.FORMAT,
    nodelink.FORMAT,
    plain_json.FORMAT,
    lavalink4net.FORMAT,
    public_list.FORMAT,
    lavalink_py.FORMAT,
    lavalink_client.FORMAT,
    shoukaku.FORMAT,
    revvlink.FORMAT,
    wavelink.FORMAT,
    variables.FORMAT,
    general.FORMAT,
)
"""Every format, the more particular one first: of two that find as many nodes, the first is taken."""

READABLE = tuple(entry.name for entry in FORMATS)
WRITABLE = tuple(entry.name for entry in FORMATS if entry.write is not None)


def format_named(name: str) -> NodeFormat:
    """The format of that name.

    Raises:
        KeyError: There is none.
    """
    return next(entry for entry in FORMATS if entry.name == name)


class Recognised(NamedTuple):
    """A list whose format is known."""

    kind: NodeFormat
    candidates: tuple[Candidate, ...]

    @property
    def score(self) -> int:
        """How many of them are certainly nodes of this format."""
        return sum(entry.is_node for entry in self.candidates)


def read_list(text: str, path: Path | None, kind: NodeFormat | None, rules: Rules) -> Listed:
    """Read a list of nodes.

    Args:
        text: The list.
        path: Its file, for messages; None for standard input.
        kind: Its format; None recognises it.
        rules: What it is read for.

    Raises:
        ConfigError: The text cannot be read, or has no node of a known format.
    """
    found = _recognise(text, path, kind, rules)
    return Listed(found.kind, read_all(found.candidates, path, rules))


class Listed(NamedTuple):
    """What a list has, and its format."""

    kind: NodeFormat
    reading: Reading


def _recognise(text: str, path: Path | None, kind: NodeFormat | None, rules: Rules) -> Recognised:
    kinds = (kind,) if kind is not None else FORMATS if rules.needs_password else (*FORMATS, general.WITHOUT_PASSWORD)
    problem: ListSyntaxError | None = None
    seen: list[Document] = []
    for number, read in enumerate(_readers(text)):
        try:
            document = read(text)
        except ListTooLargeError as error:
            raise ConfigError([Problem(error.message, path, error.line, hint="split it")]) from None
        except ListSyntaxError as error:
            problem = error if number == 0 else problem
            continue
        seen.append(document)
        found = [Recognised(entry, entry.find(part)) for part in _documents(document) for entry in kinds]
        best = max(found, key=lambda one: one.score)  # the first of those that find as many
        if best.score:
            return best
    if problem is not None:
        raise ConfigError([Problem(problem.message, path, problem.line, hint=_known_formats())])
    if not text.strip():
        raise ConfigError([Problem("is empty", path, hint=_known_formats())])
    what = f"no node of the format {kind.name}" if kind is not None else "no list of nodes in a known format"
    raise ConfigError([Problem(f"has {what}", path, hint=_nearest_guess(seen) or _known_formats())])


_CODE = re.compile(
    r"^\s*(?:export\s+(?:default|const|let)|module\.exports|(?:const|let|var)\s|import\s|from\s+\S+\s+import|using\s"
    r"|def\s|class\s|async\s|await\s|\w+(?:\.\w+)*\s*=\s*[\[{(]|//|/\*)"
    r"|\b(?:\w+\.)?Node\(|add_node\(|\bnew\s+\w+|=>",
    re.MULTILINE,
)


def _readers(text: str) -> Iterator[Callable[[str], Document]]:
    """The readers of a text, the likeliest one first."""
    if is_toml(text):
        yield read_toml_list
        return
    if (variables := read_variables(text)) is not None:
        yield lambda _: variables
    is_code = text.lstrip()[:1] in ("{", "[") or _CODE.search(text) is not None
    yield from (read_code, read_yaml) if is_code else (read_yaml, read_code)


def _documents(document: Document) -> Iterator[Document]:
    """A document, the variables of containers in it, and the lists in its variables: ``LAVALINK_NODES=[...]``."""
    yield document
    root = document.root
    if document.syntax is Syntax.YAML:
        for key, value in walk(root):
            if key == "environment" and (variables := _environment(value)) is not None:
                yield Document(variables, Syntax.VARIABLES)
    if document.syntax is Syntax.VARIABLES and isinstance(root, Table):
        for key, value in root.entries.items():
            if isinstance(value, Text) and (value.text[:1] in ("[", "{") or "link://" in value.text):
                try:
                    inner = read_code(value.text).root if value.text[:1] in ("[", "{") else value
                except ListSyntaxError:
                    continue
                yield Document(_at_line(Table({key: inner}, value.line), value.line), Syntax.CODE)


def _environment(value: Value) -> Table | None:
    """The variables of a container: a table, or a list of ``NAME=VALUE``; None for anything else."""
    if isinstance(value, Items):
        texts = [item for item in value.values if isinstance(item, (Text, Computed)) and "=" in item.text]
        pairs = [(item.text.partition("="), item.line) for item in texts]
        return Table({name: text_or_variable(text, line) for (name, _, text), line in pairs}, value.line)
    return value if isinstance(value, Table) else None


def _at_line(value: Any, line: int) -> Any:
    """A value as it stands on one line of another text."""
    match value:
        case Table(entries=entries, name=name, positional=positional):
            inner = {key: _at_line(item, line) for key, item in entries.items()}
            return Table(inner, line, name, tuple(_at_line(item, line) for item in positional))
        case Items(values=values):
            return Items(tuple(_at_line(item, line) for item in values), line)
    return replace(value, line=line)


def _known_formats() -> str:
    return f"known formats: {', '.join(READABLE)}; name one with --format"


def _nearest_guess(documents: Sequence[Document]) -> str | None:
    """What is missing in a text that nearly is a list."""
    keys: dict[str, str] = {}
    for document in documents:
        for _, value in walk(document.root):
            if isinstance(value, Table):
                keys |= {plain_key(key): key for key in value.entries}
    addresses = [keys[key] for key in (*general.FIELDS.uri, *general.FIELDS.host) if key in keys]
    passwords = [keys[key] for key in general.FIELDS.password if key in keys]
    if addresses and not passwords:
        return f"it has {addresses[0]!r} but no password; name the variable of the passwords with --password-env"
    if passwords and not addresses:
        return f"it has {passwords[0]!r} but no 'host' and 'port', and no 'uri' or 'url'"
    if addresses and addresses[0] in (keys.get(host) for host in general.FIELDS.host) and "port" not in keys:
        return f"it has {addresses[0]!r} but no 'port'"
    return None
