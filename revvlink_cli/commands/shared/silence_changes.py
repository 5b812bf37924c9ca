"""What a change of the configuration means for the silences of its nodes."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from revvlink_cli.commands.shared import node_selection
from revvlink_cli.config.problems import ConfigError
from revvlink_cli.output.result import CommandError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from revvlink_cli.commands.shared.command import Options
    from revvlink_cli.config.settings import NodeEntry, Settings
    from revvlink_cli.health.silences import Silence


class SilenceChanges(NamedTuple):
    """What became of the silences, for the person who changed the configuration.

    Attributes:
        notes: What changed.
        warnings: What could not be changed.
    """

    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def find_entry(options: Options, name: str) -> NodeEntry | None:
    """A node as it is configured before a change; None where the configuration has mistakes."""
    try:
        settings = node_selection.load_settings(options)
    except CommandError:
        return None
    return next((entry for entry in settings.nodes if entry.identifier == name), None)


def after_rename(before: NodeEntry | None, settings: Settings, old: str, new: str) -> SilenceChanges:
    """Give the silences of a renamed node its new name.

    Args:
        before: The node before the change, None if it is not known.
        settings: The configuration after the change.
        old: The former name.
        new: The new name.
    """
    from revvlink_cli.config.silence_nodes import rename_in_silences

    now = time.time()
    try:
        changed = rename_in_silences(settings, old, new, now)
    except ConfigError as error:
        return _not_changed(error)
    notes = tuple(f"silence {each.id} is for {each.target} now" for each in changed)
    return SilenceChanges((*notes, *_effect(before, settings, new, {each.id for each in changed})))


def after_edit(before: NodeEntry | None, settings: Settings, name: str) -> SilenceChanges:
    """Say which silence a changed node gets or loses with its tags or its region.

    Args:
        before: The node before the change, None if it is not known.
        settings: The configuration after the change.
        name: The node.
    """
    return SilenceChanges(_effect(before, settings, name, set()))


def after_removal(settings: Settings, gone: Sequence[str]) -> SilenceChanges:
    """Remove the silences that are for removed nodes alone, so that no later node of the same name inherits one.

    Args:
        settings: The configuration after the change.
        gone: The removed nodes.
    """
    from revvlink_cli.config.silence_nodes import forget_in_silences

    try:
        changed, removed = forget_in_silences(settings, gone, time.time())
    except ConfigError as error:
        return _not_changed(error)
    notes = (f"removed silence {each.id} of {each.target}: {each.reason}" for each in removed)
    return SilenceChanges((*notes, *(f"silence {each.id} is for {each.target} now" for each in changed)))


def _not_changed(error: ConfigError) -> SilenceChanges:
    """The warning that the silences are as before."""
    problem = error.problems[0]
    hint = f" ({problem.hint})" if problem.hint else ""
    return SilenceChanges(warnings=(f"the silences stay as they were: {problem}{hint}",))


def _effect(before: NodeEntry | None, settings: Settings, name: str, known: set[str]) -> tuple[str, ...]:
    """Which silence a node got or lost; silences in `known` are reported already."""
    from revvlink_cli.config.silences import SilenceFile

    after = next((entry for entry in settings.nodes if entry.identifier == name), None)
    if before is None or after is None:
        return ()
    file = SilenceFile(settings.silences_file)
    had: Silence | None = file.silenced((before,))[0].get(before.identifier)
    has: Silence | None = file.silenced((after,))[0].get(name)
    if has is not None and had is None and has.id not in known:
        return (f"{name} is silenced now, by {has.id} ({has.target}), {has.shown}",)
    if had is not None and has is None:
        return (f"{name} is no longer silenced: {had.id} is for {had.target}",)
    return ()
