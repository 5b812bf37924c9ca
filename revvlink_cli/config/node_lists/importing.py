"""Decides what the nodes of a list become in the configuration, and writes it."""

from __future__ import annotations

import contextlib
import os
import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from revvlink_cli.client.settings import DEFAULT_PORTS, host_and_port, normalise_uri
from revvlink_cli.config.documents import read_toml
from revvlink_cli.config.editing import change
from revvlink_cli.config.files import read_text, write_atomically
from revvlink_cli.config.problems import ConfigError
from revvlink_cli.config.schema import PASSWORDS
from revvlink_cli.config.toml_edit import Append, Remove, Set
from revvlink_cli.config.trust import trust

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from revvlink_cli.config.editing import Edited
    from revvlink_cli.config.node_lists.listed_node import ListedNode
    from revvlink_cli.config.toml_edit import Change

FOLDER = "passwords"
"""Folder beside the configuration, with one file for the password of each imported node."""


LONGEST_NAME = 100
"""Characters of a name from a list."""

_VALID = re.compile(r"[^*?\[\],\s]+")
"""A name that the configuration takes as it is."""


class Outcome(StrEnum):
    """What an import does with a node: the last two are for nodes that are configured, or in the list, already."""

    ADDED = "added"
    REPLACED = "replaced"
    EXISTS = "exists"
    DUPLICATE = "duplicate"


class Wishes(NamedTuple):
    """What the user wants of an import.

    Attributes:
        password_env: The variable that holds the password of every node; None takes each node's own.
        inline: Whether passwords go into the configuration itself.
        region: Region of nodes that have none.
        tags: Tags that every node gets.
        replaces: Whether a node that is configured already gets the values of the list.
        folder: The folder of the list, where its relative paths start.
    """

    password_env: str | None = None
    inline: bool = False
    region: str | None = None
    tags: tuple[str, ...] = ()
    replaces: bool = False
    folder: Path = Path()


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedNode:
    """What becomes of one node.

    Attributes:
        node: The node of the list.
        identifier: Its name in the configuration.
        outcome: What is done with it.
        values: Its keys in the configuration; empty if nothing is done.
        index: Its position among the nodes of the configuration, None for a new one.
        file: The file that its password is written to, or None.
    """

    node: ListedNode
    identifier: str
    outcome: Outcome
    values: Mapping[str, Any]
    index: int | None = None
    file: Path | None = None

    @property
    def password_from(self) -> str:
        """Where the password is to be: ``env NAME``, ``file PATH`` or ``inline``."""
        if "password_env" in self.values:
            return f"env {self.values['password_env']}"
        return f"file {self.values['password_file']}" if "password_file" in self.values else "inline"


def plan_import(
    nodes: Iterable[ListedNode], configured: Sequence[Mapping[str, Any]], path: Path, wishes: Wishes
) -> tuple[PlannedNode, ...]:
    """Give every node a valid name of its own, and its password a place. Known nodes are found by their address.

    Args:
        nodes: The nodes of the list.
        configured: The ``[[nodes]]`` of the configuration.
        path: The configuration.
        wishes: What the user wants.
    """
    names = {str(table.get("identifier")) for table in configured}
    addresses = {comparable(str(table.get("uri"))): index for index, table in enumerate(configured)}
    files: set[str] = set()
    planned: list[PlannedNode] = []
    done: dict[str, str] = {}
    for node in nodes:
        address = comparable(node.uri)
        index = addresses.get(address)
        old = configured[index] if index is not None else {}
        if address in done or (old and not wishes.replaces):
            name = done.get(address) or str(old.get("identifier"))
            outcome = Outcome.DUPLICATE if address in done else Outcome.EXISTS
            planned.append(PlannedNode(node=node, identifier=name, outcome=outcome, values={}))
            continue
        name = str(old.get("identifier")) if old else unique_name(node, names)
        names.add(name)
        done[address] = name
        password, file = _password(node, name, path, wishes, files, str(old.get("password_file", "")))
        values: dict[str, Any] = {"identifier": name, "uri": node.uri} | password
        region = node.region or wishes.region
        tags = list(dict.fromkeys((*node.tags, *wishes.tags)))
        values |= {key: value for key, value in (("region", region), ("tags", tags)) if value}
        outcome = Outcome.REPLACED if old else Outcome.ADDED
        planned.append(PlannedNode(node=node, identifier=name, outcome=outcome, values=values, index=index, file=file))
    return tuple(planned)


def comparable(uri: str) -> str:
    """An address in the one form in which two of one server are equal."""
    try:
        split = urlsplit(normalise_uri(uri))
        host, port = split.hostname or "", split.port or DEFAULT_PORTS[split.scheme]
    except (ValueError, KeyError):
        return uri
    return f"{split.scheme}://{host}:{port}{split.path}"


def unique_name(node: ListedNode, taken: Iterable[str]) -> str:
    """A valid name that no other node has: that of the list, else host and port; a number makes it unique."""
    name = (node.identifier or "").strip()
    if not _VALID.fullmatch(name) or not name.isprintable():
        name = re.sub(r"-{2,}", "-", re.sub(r"[^\w.:@+-]+", "-", name)).strip("-")
    name = name[:LONGEST_NAME] or re.sub(r"[\[\]]", "", host_and_port(node.uri))
    number, unique = 1, name
    while unique in taken:
        number += 1
        unique = f"{name}-{number}"
    return unique


def _password(
    node: ListedNode, name: str, path: Path, wishes: Wishes, files: set[str], old: str
) -> tuple[dict[str, str], Path | None]:
    """The key of a node's password, and the file to write it to. `old` is the file that the node has already."""
    if wishes.password_env is not None:
        return {"password_env": wishes.password_env}, None
    if node.password_env is not None:
        return {"password_env": node.password_env}, None
    if node.password_file is not None:
        return {"password_file": str((wishes.folder / Path(node.password_file).expanduser()).absolute())}, None
    if wishes.inline:
        return {"password": node.password or ""}, None
    relative = old if re.fullmatch(rf"{FOLDER}/[A-Za-z0-9_-][A-Za-z0-9._-]*", old) else ""
    relative = relative or f"{FOLDER}/{_file_name(name, node.password or '', path.parent / FOLDER, files)}"
    return {"password_file": relative}, path.parent / relative


def _file_name(name: str, password: str, folder: Path, taken: set[str]) -> str:
    """A name for a node's file that neither leaves its folder nor replaces another password."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.")[:100] or "node"
    number, unique = 1, plain
    while unique.casefold() in taken or _content(folder / unique) not in (None, _line(password)):
        number += 1
        unique = f"{plain}-{number}"
    taken.add(unique.casefold())
    return unique


def _line(password: str | None) -> bytes:
    return f"{password or ''}\n".encode()


def _content(file: Path) -> bytes | None:
    """What a file holds; None if there is none, and nothing where it cannot be read."""
    if not os.path.lexists(file):
        return None
    try:
        return file.read_bytes()
    except OSError:
        return b""


def configured_nodes(path: Path) -> list[dict[str, Any]]:
    """The ``[[nodes]]`` of a configuration, unchecked; none where there is no file.

    Raises:
        ConfigError: It cannot be read.
    """
    try:
        text = read_text(path)
    except ConfigError as error:
        if error.is_missing:
            return []
        raise
    return _nodes_of(read_toml(text, path))


def _nodes_of(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    found = document.get("nodes", [])
    return [table for table in found if isinstance(table, dict)] if isinstance(found, list) else []


def apply_import(
    path: Path, nodes: Sequence[ListedNode], wishes: Wishes, *, is_trusted_source: bool
) -> tuple[tuple[PlannedNode, ...], Edited | None]:
    """Write nodes to the configuration, and their passwords to files that only the user can read.

    Args:
        path: The configuration; a missing one is created, and trusted.
        nodes: The nodes of the list.
        wishes: What the user wants.
        is_trusted_source: Whether the configuration may be used as it is.

    Returns:
        What became of each node, and the configuration; None where nothing was to be done.

    Raises:
        ConfigError: The result would be wrong or cannot be written. Nothing is changed then.
    """
    planned = plan_import(nodes, configured_nodes(path), path, wishes)
    if not any(entry.values for entry in planned):
        return planned, None
    before: dict[Path, bytes | None] = {}
    is_new = not os.path.lexists(path)

    def changes(document: dict[str, Any]) -> list[Change]:
        nonlocal planned
        configured = _nodes_of(document)
        planned = plan_import(nodes, configured, path, wishes)
        for entry in planned:
            if entry.file is not None and (old := _content(entry.file)) != _line(entry.node.password):
                before[entry.file] = old
                write_atomically(entry.file, _line(entry.node.password).decode(), mode=0o600)
        return [one for entry in planned for one in _changes(entry, configured)]

    try:
        edited = change(path, changes, is_trusted_source=is_trusted_source, may_create=True)
        if is_new:
            trust(path, read_text(path))
    except BaseException:
        _restore(before)
        raise
    return planned, edited


def _restore(before: Mapping[Path, bytes | None]) -> None:
    """Give files the content that they had."""
    for file, content in before.items():
        with contextlib.suppress(OSError):  # the error that led here is the one to report
            if content is None:
                file.unlink(missing_ok=True)
            else:
                file.write_bytes(content)


def _changes(entry: PlannedNode, configured: Sequence[Mapping[str, Any]]) -> list[Change]:
    """The changes of the configuration that one node needs."""
    if not entry.values:
        return []
    if entry.index is None:
        return [Append("nodes", dict(entry.values))]
    old = configured[entry.index]
    found: list[Change] = [
        Remove(("nodes", entry.index, key)) for key in PASSWORDS if key in old and key not in entry.values
    ]
    found += [
        Set(("nodes", entry.index, key), value)
        for key, value in entry.values.items()
        if key not in ("identifier", "uri") and old.get(key) != value
    ]
    return found
