"""The nodes that silences name, beside those of the configuration.

Silences select nodes by name, tag and region, and stay when the configuration changes. So a renamed node takes its
silences along, a removed node leaves none behind that a later node of the same name would inherit, and a silence that
fits nothing is reported.
"""

from __future__ import annotations

import os
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, NamedTuple

from revvlink_cli.config.contexts import context_names, context_path
from revvlink_cli.config.files import read_text
from revvlink_cli.config.load import parse
from revvlink_cli.config.problems import ConfigError, Problem
from revvlink_cli.config.silences import read_silences, rewrite_silences
from revvlink_cli.config.source import Source, SourceKind, user_path
from revvlink_cli.health.silences import SilenceState, is_pattern

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from revvlink_cli.config.settings import NodeEntry, Settings
    from revvlink_cli.health.silences import Silence


def stale_silences(settings: Settings, now: float) -> tuple[Problem, ...]:
    """The silences that name a node, a tag or a region that does not exist, or fit no node: one problem for each.

    Args:
        settings: The configuration, with all of its nodes.
        now: Seconds since the epoch. Silences that have ended are left out.

    Raises:
        ConfigError: The file of the silences cannot be read or is damaged.
    """
    path = settings.silences_file
    if path is None:
        return ()
    current = [each for each in read_silences(path) if each.state_at(now) is not SilenceState.EXPIRED]
    if not any(_misses(each, settings.nodes) for each in current):
        return ()
    nodes = (*settings.nodes, *_nodes_beside(settings))
    return tuple(
        Problem(f"silence {each.id}: {', '.join(misses)}", path, hint=f"`revvlink silence remove {each.id}` ends it")
        for each in current
        if (misses := _misses(each, nodes))
    )


def _misses(silence: Silence, nodes: Sequence[NodeEntry]) -> list[str]:
    """What a silence names that none of these nodes has, in words."""
    found = [
        f"no node {'fits' if is_pattern(name) else 'is named'} {name}"
        for name in silence.nodes
        if not any(node.identifier == name or fnmatchcase(node.identifier, name) for node in nodes)
    ]
    found += [f"no node has tag {tag}" for tag in silence.tags if not any(tag in node.tags for node in nodes)]
    region = silence.region
    if region is not None and not any((node.region or "").casefold() == region.casefold() for node in nodes):
        found.append(f"no node is in region {region}")
    if not found and not any(map(silence.fits, nodes)):
        found.append(f"no node fits all of {silence.target}")
    return found


def _nodes_beside(settings: Settings) -> Iterator[NodeEntry]:
    """The nodes of the other configurations of this user that have the same file of silences."""
    own, path = settings.source.path, settings.silences_file
    if own is None or path is None:
        return
    for other in (user_path(), *map(context_path, context_names())):
        if other.resolve() == own.resolve():
            continue
        try:
            found = parse(read_text(other), Source(SourceKind.FLAG, other, trusted=True, environment=os.environ))
        except ConfigError:  # there is none, or it has mistakes of its own
            continue
        if found.silences_file is not None and found.silences_file.resolve() == path.resolve():
            yield from found.nodes


def rename_in_silences(settings: Settings, old: str, new: str, now: float) -> tuple[Silence, ...]:
    """Let the silences that name a node name it by its new name.

    Where another configuration with the same file has a node of the old name, they name both.

    Args:
        settings: The configuration, after the change.
        old: The former name.
        new: The new name.
        now: Seconds since the epoch. Silences that have ended are left as they are.

    Returns:
        The changed silences.

    Raises:
        ConfigError: The file is damaged, or cannot be written.
    """

    def renamed(silence: Silence, *, keeps_old: bool) -> Silence:
        names = [name for each in silence.nodes for name in _renamed(each, old, new, keeps_old=keeps_old)]
        return replace(silence, nodes=tuple(dict.fromkeys(names)))

    return _changed(settings, (old,), now, lambda silence, kept: renamed(silence, keeps_old=old in kept)).changed


def _renamed(name: str, old: str, new: str, *, keeps_old: bool) -> tuple[str, ...]:
    if name != old:
        return (name,)
    return (old, new) if keeps_old else (new,)


class Forgotten(NamedTuple):
    """What became of the silences that named removed nodes.

    Attributes:
        changed: Those that are for other nodes too, as they are now.
        removed: Those that were for removed nodes alone.
    """

    changed: tuple[Silence, ...]
    removed: tuple[Silence, ...]


def forget_in_silences(settings: Settings, gone: Collection[str], now: float) -> Forgotten:
    """Take removed nodes out of the silences that name them; a silence without another name is removed.

    A node stays where another configuration with the same file has one of this name. Patterns, tags and regions stay.

    Args:
        settings: The configuration, after the change.
        gone: The names of the removed nodes.
        now: Seconds since the epoch. Silences that have ended are left as they are.

    Raises:
        ConfigError: The file is damaged, or cannot be written.
    """

    def without(silence: Silence, kept: Collection[str]) -> Silence | None:
        names = tuple(name for name in silence.nodes if name not in gone or name in kept)
        return replace(silence, nodes=names) if names else None

    return _changed(settings, gone, now, without)


def _changed(
    settings: Settings, names: Collection[str], now: float, change: Callable[[Silence, Collection[str]], Silence | None]
) -> Forgotten:
    """Change the silences in force that name some nodes.

    Args:
        settings: The configuration.
        names: The names of the nodes.
        now: Seconds since the epoch.
        change: Makes the new silence, or None for none, from the old one and the names that another configuration has.
    """
    path, configuration = settings.silences_file, settings.source.path

    def is_concerned(silence: Silence) -> bool:
        return silence.state_at(now) is not SilenceState.EXPIRED and any(name in names for name in silence.nodes)

    if path is None or configuration is None or not any(map(is_concerned, read_silences(path))):
        return Forgotten((), ())
    kept = {node.identifier for node in _nodes_beside(settings)} & set(names)
    changed: list[Silence] = []
    removed: list[Silence] = []

    def plan(known: Sequence[Silence]) -> list[Silence]:
        wanted: list[Silence] = []
        for each in known:
            made = change(each, kept) if is_concerned(each) else each
            if made is None:
                removed.append(each)
                continue
            if made != each:
                changed.append(made)
            wanted.append(made)
        return wanted

    rewrite_silences(path, plan, configuration=configuration, now=now)
    return Forgotten(tuple(changed), tuple(removed))
