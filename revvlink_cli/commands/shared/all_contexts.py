"""``--all-contexts``: a command on every context side by side, where one that is broken costs itself only."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from revvlink_cli._record import NamedTuple
from revvlink_cli.commands.shared import node_selection
from revvlink_cli.config.contexts import context_names
from revvlink_cli.config.load import load
from revvlink_cli.config.problems import ConfigError
from revvlink_cli.config.source import SourceKind, context_source, user_path
from revvlink_cli.output.result import CommandError, Failure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from revvlink_cli.commands.shared.command import Options
    from revvlink_cli.config.settings import NodeEntry, Settings

AllContexts = Annotated[
    bool, typer.Option("--all-contexts", help="Do this for the nodes of every context, side by side.")
]


class ContextNodes(NamedTuple):
    """The nodes of one context that a command is for.

    Attributes:
        name: The context.
        settings: Its configuration.
        entries: Its nodes; at least one.
    """

    name: str
    settings: Settings
    entries: tuple[NodeEntry, ...]


class BrokenContext(NamedTuple):
    """A context that cannot be used.

    Attributes:
        name: The context.
        failures: Why, at least one; each names the context.
    """

    name: str
    failures: tuple[Failure, ...]

    @classmethod
    def of(cls, name: str, failures: Sequence[Failure]) -> BrokenContext:
        """The context with these failures."""
        return cls(name, tuple(replace(failure, context=name) for failure in failures))


def load_all(
    options: Options, patterns: Sequence[str], *, tags: Sequence[str], region: str | None
) -> tuple[list[ContextNodes], list[BrokenContext]]:
    """Load every context and select its nodes. A context without a fitting node is left out.

    Raises:
        CommandError: An option names one configuration, there is no context, or no node fits.
    """
    _refuse_one_configuration(options)
    names = context_names()
    if not names:
        failure = Failure("no_context", "there are no contexts", hint="add one with `revvlink context add NAME`")
        raise CommandError(failure, exit_code=options.usage_exit_code)
    found: list[ContextNodes] = []
    broken: list[BrokenContext] = []
    unfit: CommandError | None = None
    fitting: set[str] = set()
    for name in names:
        try:
            settings = load(context_source(name, SourceKind.CONTEXT, os.environ))
        except ConfigError as error:
            failures = [Failure("configuration", each.without_file, hint=each.hint) for each in error.problems]
            broken.append(BrokenContext.of(name, failures))
            continue
        known = [pattern for pattern in patterns if node_selection.fits_any(settings, pattern)]
        fitting.update(known)
        try:
            chosen = node_selection.select(settings, known or patterns, options, tags=tags, region=region)
        except CommandError as error:  # no node fits
            unfit = error
            continue
        found.append(ContextNodes(name, settings, chosen))
    unknown = [pattern for pattern in patterns if pattern not in fitting]
    if broken and found:
        return found, broken  # a node that is not found may be in a context that cannot be read
    if unknown or (unfit is not None and not found):
        reasons = [_unknown(pattern) for pattern in unknown] or list(unfit.failures if unfit is not None else ())
        raise CommandError(
            *reasons, *(failure for each in broken for failure in each.failures), exit_code=options.usage_exit_code
        )
    return found, broken


def _unknown(pattern: str) -> Failure:
    hint = "see `revvlink nodes status --all-contexts`"
    return Failure("unknown_node", f"no context has a node named {pattern}", node=pattern, hint=hint)


def left_out_notes() -> tuple[str, ...]:
    """A note on the user's plain configuration, which is not a context."""
    path = user_path()
    if not path.is_file():
        return ()
    return (f"{path} is not a context and is left out; `revvlink context add NAME --from {path}` adds it",)


def _refuse_one_configuration(options: Options) -> None:
    given = [
        flag
        for flag, value in (("--config", options.config), ("--context", options.context), ("--uri", options.uri))
        if value is not None
    ]
    if given:
        raise typer.BadParameter(f"goes without {given[0]}, which names one fleet", param_hint="--all-contexts")
