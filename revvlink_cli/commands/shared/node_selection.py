"""Turns options into nodes, and snapshots into failures and exit codes, for every command on nodes."""

from __future__ import annotations

import os
import sys
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

from revvlink_cli._suggestions import closest
from revvlink_cli.config.problems import ConfigError, Problem
from revvlink_cli.config.source import find, one_node
from revvlink_cli.output import diagnostics
from revvlink_cli.output.result import CommandError, ExitCode, Failure, Result
from revvlink_cli.output.text import clean

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from revvlink_cli.client.errors import RevvlinkException
    from revvlink_cli.client.settings import NodeSettings
    from revvlink_cli.client.snapshot import NodeSnapshot
    from revvlink_cli.commands.shared.command import Options
    from revvlink_cli.config.settings import NodeEntry, Settings
    from revvlink_cli.config.source import Source


def load_settings(options: Options, *, for_verdict: bool = False) -> Settings:
    """Load the configuration that the options, the environment and the folders name.

    Args:
        options: The global options.
        for_verdict: Whether a program acts on the result. Then an untrusted file in the working directory, which others
            may have written, does not replace the user's own.

    Raises:
        CommandError: There is none, it is wrong, or it is not trusted; every problem is reported.
    """
    from revvlink_cli.config.load import load  # late: `region` does without a configuration where there is none

    try:
        return load(find_source(options, for_verdict=for_verdict))
    except ConfigError as error:
        raise config_failure(error, options) from None


def find_source(options: Options, *, for_verdict: bool = False) -> Source:
    """Find the configuration and keep it in the options, so that the program can report it.

    Raises:
        ConfigError: There is none, or it is not trusted.
    """
    source = find(options.config, environment_of(options), current_folder(), uri=options.uri, context=options.context)
    if for_verdict and source.is_doubtful:
        message = f"is in this folder and is not trusted, so it does not replace {source.instead_of}"
        hint = "name the file to use with --config or REVVLINK_CONFIG, or run `revvlink config trust`"
        raise ConfigError([Problem(message, source.path, hint=hint)])
    options.source = source
    return source


def environment_of(options: Options) -> Mapping[str, str]:
    """The environment variables, with the node of ``--uri`` in place of any other.

    Its password is in the variable that ``--password-env`` names, else in ``REVVLINK_PASSWORD`` or the file of
    ``REVVLINK_PASSWORD_FILE``; else a terminal is asked for it, once.

    Raises:
        CommandError: The options contradict each other, or there is no password.
    """
    if options.config is not None and options.context is not None:
        raise _usage("--config and --context name two configurations", "leave out one of them", options)
    if options.uri is None:
        if options.password_env is not None:
            raise _usage("--password-env goes with --uri", "add --uri URI", options)
        return os.environ
    if options.config is not None:
        raise _usage("--uri takes the place of a configuration file", "leave out --config or --uri", options)
    if options.context is not None:
        raise _usage("--uri takes the place of a context", "leave out --context or --uri", options)
    if options.environment is None:
        options.environment = one_node(options.uri, _password(options), os.environ)
    return options.environment


def _password(options: Options) -> str | None:
    """The password of the node that ``--uri`` names; None where the environment has it under its usual name."""
    if options.password_env is not None:
        return read_password(options, options.password_env)
    if os.environ.get("REVVLINK_PASSWORD") or os.environ.get("REVVLINK_PASSWORD_FILE"):
        return None
    without = _usage("--uri needs a password", "name the variable that holds it with --password-env", options)
    if sys.stdin is None or not sys.stdin.isatty():
        raise without
    from getpass import getpass

    try:
        return getpass(f"Password of {clean(options.uri or '')}: ")
    except EOFError:
        raise without from None


def read_password(options: Options, name: str) -> str:
    """The password in the variable that ``--password-env`` names.

    Raises:
        CommandError: It is not set.
    """
    if not os.environ.get(name):
        raise _usage(f"--password-env: the environment variable {name} is not set", f"export {name}", options)
    return os.environ[name]


def _usage(message: str, hint: str, options: Options) -> CommandError:
    return CommandError(Failure("usage", message, hint=hint), exit_code=options.usage_exit_code)


def current_folder() -> Path:
    """The current folder, also if it was deleted meanwhile."""
    try:
        return Path.cwd()
    except FileNotFoundError:
        return Path(os.curdir)


def config_failure(error: ConfigError, options: Options) -> CommandError:
    """Turn the problems of a configuration into failures of the command."""
    failures = (Failure(code="configuration", message=str(problem), hint=problem.hint) for problem in error.problems)
    return CommandError(*failures, exit_code=options.usage_exit_code)


def select(
    settings: Settings,
    patterns: Sequence[str],
    options: Options,
    *,
    tags: Sequence[str] = (),
    region: str | None = None,
) -> tuple[NodeEntry, ...]:
    """Select nodes by pattern, tag and region, in the order of the configuration.

    Raises:
        CommandError: A pattern, the tags or the region fit no node.
    """
    usage_exit_code = options.usage_exit_code
    for pattern in patterns:
        if not fits_any(settings, pattern):
            raise CommandError(
                unknown_node(pattern, [node.identifier for node in settings.nodes]), exit_code=usage_exit_code
            )
    chosen = tuple(
        node
        for node in settings.nodes
        if (not patterns or any(fits(node.identifier, pattern) for pattern in patterns))
        and all(tag in node.tags for tag in tags)
        and (region is None or (node.region or "").casefold() == region.casefold())
    )
    if not chosen:
        asked = [f"tag {tag}" for tag in tags] + ([f"region {region}"] if region else [])
        raise CommandError(
            Failure("unknown_node", f"no node has {' and '.join(asked)}", hint="see `revvlink nodes list`"),
            exit_code=usage_exit_code,
        )
    return chosen


def select_one(settings: Settings, name: str | None, options: Options) -> NodeEntry:
    """Select the node of that name; without a name, the only node.

    Raises:
        CommandError: There is no such node, or no name and several nodes.
    """
    known = [entry.identifier for entry in settings.nodes]
    if name is None and len(known) > 1:
        raise _usage("which node?", f"name one of {', '.join(known[:5])}{' ...' if len(known) > 5 else ''}", options)
    if name is not None and name not in known:
        raise CommandError(unknown_node(name, known), exit_code=options.usage_exit_code)
    return settings.nodes[0 if name is None else known.index(name)]


def split_node(settings: Settings, words: Sequence[str], options: Options) -> tuple[str | None, list[str]]:
    """Split arguments of which the first may name a node: ``us-1 some words``.

    Only a whole name of the configuration counts, and only if other words follow. A note on stderr says so, because the
    words may be a query that begins with that name; then one argument, in quotes, holds all of it.

    Returns:
        The node, or None, and the other words.
    """
    if len(words) < 2 or all(entry.identifier != words[0] for entry in settings.nodes):
        return None, list(words)
    if not options.quiet:
        diagnostics.notes([f"{words[0]} is a node: it alone is asked; put the words in quotes to send them all"])
    return words[0], list(words[1:])


def fits_any(settings: Settings, pattern: str) -> bool:
    """Whether a configured node has this name or matches this pattern."""
    return any(fits(node.identifier, pattern) for node in settings.nodes)


def fits(name: str, pattern: str) -> bool:
    """Whether a node of this name is meant by a name or pattern. The brackets of an IPv6 address are literal."""
    return name == pattern or fnmatchcase(name, pattern)


def unknown_node(name: str, known: Sequence[str]) -> Failure:
    """The failure for a node that is not configured, with the nearest one that is."""
    near = closest(name, known)
    hint = f"did you mean {near}?" if near is not None else "see `revvlink nodes list`"
    shown = name if name.strip() else repr(name)  # as of a variable that is not set
    return Failure("unknown_node", f"no node named {shown} is configured", node=name, hint=hint)


def with_secrets(settings: Settings, entries: Sequence[NodeEntry], options: Options) -> tuple[NodeSettings, ...]:
    """Read the passwords of nodes. A node whose password cannot be read fails alone, see `Settings.resolve`.

    Raises:
        CommandError: No password can be read; each reason is given.
    """
    try:
        return settings.resolve(entries)
    except ConfigError as error:
        raise config_failure(error, options) from None


def failure_of(error: RevvlinkException, node: str | None = None) -> Failure:
    """Turn an error of the client into a failure. A known error of a load is explained."""
    from revvlink_cli.client.errors import LavalinkLoadException

    if isinstance(error, LavalinkLoadException) and error.code == "load_failed":
        from revvlink_cli.health.failure_codes import FailureCode
        from revvlink_cli.health.known_failures import explain_load

        known = explain_load(error)
        if known.is_known:
            return Failure(
                code=str(error.code if known.code is FailureCode.OTHER else known.code),
                message=known.sentence(error.message),
                node=error.node or node,
                stage=str(error.stage) if error.stage is not None else None,
                hint=known.next_step,
            )
    return Failure(
        code=str(error.code),
        message=error.message,
        node=error.node or node,
        stage=str(error.stage) if error.stage is not None else None,
        hint=error.hint,
    )


def make_chooser(
    options: Options, patterns: Sequence[str] | None, tags: Sequence[str] | None, region: str | None = None
) -> Callable[[Settings], tuple[NodeSettings, ...]]:
    """Make a function that selects nodes from a configuration and reads their passwords.

    It also serves a configuration that is read again.
    """

    def chosen(settings: Settings) -> tuple[NodeSettings, ...]:
        entries = select(settings, patterns or (), options, tags=tags or (), region=region)
        return with_secrets(settings, entries, options)

    return chosen


def load_nodes(
    options: Options, patterns: Sequence[str] | None, tags: Sequence[str] | None, region: str | None
) -> tuple[Settings, tuple[NodeSettings, ...]]:
    """Load the configuration, select nodes and read their passwords.

    Raises:
        CommandError: The configuration is wrong, no node fits, or no password can be read.
    """
    settings = load_settings(options)
    return settings, make_chooser(options, patterns, tags, region)(settings)


def load_node(options: Options, name: str | None) -> NodeSettings:
    """Load the configuration and read the password of the node of that name; without a name, of the only node.

    Raises:
        CommandError: The configuration is wrong, there is no such node, or its password cannot be read.
    """
    settings = load_settings(options)
    (chosen,) = with_secrets(settings, (select_one(settings, name, options),), options)
    return chosen


def failures_of(nodes: Iterable[NodeSnapshot], timeout: float) -> tuple[Failure, ...]:
    """Why nodes are not connected, or serve no request."""
    return tuple(failure for node in nodes if (failure := node_failure(node, timeout)) is not None)


def settled_failures(nodes: Iterable[NodeSnapshot], timeout: float) -> tuple[Failure, ...]:
    """Why nodes have failed, without those that are still connecting: the first answer of a fleet is enough."""
    return failures_of((node for node in nodes if node.error is not None), timeout)


def final_result(nodes: Sequence[NodeSnapshot], timeout: float) -> Result:
    """The errors and the exit code of a command that watched these nodes, from their last snapshots."""
    failures = failures_of(nodes, timeout)
    return Result(exit_code=exit_code_for(failures, len(nodes)), errors=failures)


def node_failure(node: NodeSnapshot, timeout: float) -> Failure | None:
    """Why a node is not connected, or serves no request; None if it is connected and serves them."""
    if node.rest_failure is not None:
        return failure_of(node.rest_failure, node.identifier)
    if str(node.status) == "connected":
        return None
    if node.error is not None:
        return failure_of(node.error, node.identifier)
    stage = str(node.stage) if node.stage is not None else "connect"
    return Failure(
        "timeout",
        f"{_HANGING.get(stage, 'not connected')} within {timeout:g} s",
        node=node.identifier,
        stage=stage,
        hint="raise --timeout, or check the node",
    )


_HANGING = {
    "resolve": "no name server answered",
    "connect": "it did not take the connection",
    "request": "it accepts connections but gave no answer",
    "ready": "it took the websocket but sent no ready message",
}


def result_from_any(
    rows: tuple[Any, ...], row: type, failures: tuple[Failure, ...], nodes: int, *, is_answered: bool
) -> Result:
    """The result of a question that any node may answer. If one did, the failures of the others are notes."""
    if is_answered:
        return Result(rows, row, left_out=failures)
    all_failed = len(failures) == nodes
    return Result(rows, row, exit_code_for(failures, nodes) if all_failed else ExitCode.FAILED, failures)


def exit_code_for(failures: Sequence[Failure], nodes: int) -> ExitCode:
    """The exit code of a command on so many nodes of which these failed."""
    if not failures:
        return ExitCode.OK
    if len(failures) < nodes:
        return ExitCode.PARTIAL
    if all(failure.code == "wrong_password" for failure in failures):
        return ExitCode.AUTHENTICATION
    return ExitCode.UNREACHABLE
