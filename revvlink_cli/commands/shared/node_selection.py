"""From options to nodes, and from snapshots to failures and exit codes: what every command on nodes needs."""

from __future__ import annotations

import os
import sys
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

from revvlink_cli._suggestions import closest
from revvlink_cli.config.load import load
from revvlink_cli.config.problems import ConfigError, Problem
from revvlink_cli.config.source import find, one_node
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
    """The configuration that these options, the environment and the folders name.

    Args:
        options: The global options.
        for_verdict: Whether somebody acts on the outcome without looking at it: a file that was found in the working
            directory, and that may have been put there by others, does not take the place of the user's own then.

    Raises:
        CommandError: There is none, it is wrong, or it is not clear that it is meant; every problem is reported.
    """
    try:
        return load(find_source(options, for_verdict=for_verdict))
    except ConfigError as error:
        raise config_failure(error, options) from None


def find_source(options: Options, *, for_verdict: bool = False) -> Source:
    """Where the configuration is; the program says so if it takes the place of another.

    Raises:
        ConfigError: There is none, or it is not clear that it is meant.
    """
    source = find(options.config, environment_of(options), here(), uri=options.uri)
    if for_verdict and source.is_doubtful:
        told = f"was found in this folder and is not trusted, and there is {source.instead_of}: it is not used unasked"
        hint = "name the one that is meant with --config or REVVLINK_CONFIG, or run `revvlink config trust`"
        raise ConfigError([Problem(told, source.path, hint=hint)])
    options.source = source
    return source


def environment_of(options: Options) -> Mapping[str, str]:
    """The environment variables, with the node of ``--uri`` in place of any other.

    Its password is in the variable that ``--password-env`` names, else in ``REVVLINK_PASSWORD`` or the file of
    ``REVVLINK_PASSWORD_FILE``; else a terminal is asked for it, once.

    Raises:
        CommandError: The options contradict each other, or there is no password.
    """
    if options.uri is None:
        if options.password_env is not None:
            raise _usage("--password-env goes with --uri", "add --uri URI", options)
        return os.environ
    if options.config is not None:
        raise _usage("--uri takes the place of a configuration file", "leave out --config or --uri", options)
    if options.environment is None:
        options.environment = one_node(options.uri, _password(options), os.environ)
    return options.environment


def _password(options: Options) -> str | None:
    """The password of the node that ``--uri`` names; None where the environment has it under its usual name."""
    name = options.password_env
    if name is not None:
        if not os.environ.get(name):
            raise _usage(f"--password-env: the environment variable {name} is not set", f"export {name}", options)
        return os.environ[name]
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


def _usage(message: str, hint: str, options: Options) -> CommandError:
    return CommandError(Failure("usage", message, hint=hint), exit_code=options.usage_exit_code)


def here() -> Path:
    """The current folder; one that was deleted meanwhile holds no configuration."""
    try:
        return Path.cwd()
    except FileNotFoundError:
        return Path(os.curdir)


def config_failure(error: ConfigError, options: Options) -> CommandError:
    """A configuration's problems as the command's failures."""
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
    """The nodes that are meant, in the order of the configuration.

    Raises:
        CommandError: A pattern, the tags or the region fit no node.
    """
    wrong = options.usage_exit_code
    for pattern in patterns:
        if not any(_fits(node, pattern) for node in settings.nodes):
            raise CommandError(unknown_node(pattern, [node.identifier for node in settings.nodes]), exit_code=wrong)
    chosen = tuple(
        node
        for node in settings.nodes
        if (not patterns or any(_fits(node, pattern) for pattern in patterns))
        and all(tag in node.tags for tag in tags)
        and (region is None or (node.region or "").casefold() == region.casefold())
    )
    if not chosen:
        asked = [f"tag {tag}" for tag in tags] + ([f"region {region}"] if region else [])
        raise CommandError(
            Failure("unknown_node", f"no node has {' and '.join(asked)}", hint="see `revvlink nodes list`"),
            exit_code=wrong,
        )
    return chosen


def one_entry(settings: Settings, name: str | None, options: Options) -> NodeEntry:
    """The node of that name; without a name the only node there is.

    Raises:
        CommandError: There is no such node, or no name and several nodes.
    """
    known = [entry.identifier for entry in settings.nodes]
    if name is None and len(known) > 1:
        raise _usage("which node?", f"name one of {', '.join(known[:5])}{' ...' if len(known) > 5 else ''}", options)
    if name is not None and name not in known:
        raise CommandError(unknown_node(name, known), exit_code=options.usage_exit_code)
    return settings.nodes[0 if name is None else known.index(name)]


def _fits(node: NodeEntry, pattern: str) -> bool:
    """A name is itself before it is a pattern: that of a node without a name may be an IPv6 address in brackets."""
    return node.identifier == pattern or fnmatchcase(node.identifier, pattern)


def unknown_node(name: str, known: Sequence[str]) -> Failure:
    """The failure for a node that is not configured, with the nearest one that is."""
    near = closest(name, known)
    hint = f"did you mean {near}?" if near is not None else "see `revvlink nodes list`"
    told = name if name.strip() else repr(name)  # as of a variable that is not set
    return Failure("unknown_node", f"no node named {told} is configured", node=name, hint=hint)


def with_secrets(settings: Settings, entries: Sequence[NodeEntry], options: Options) -> tuple[NodeSettings, ...]:
    """The nodes with their passwords read; one whose password cannot be had fails on its own, see `Settings.resolve`.

    Raises:
        CommandError: No password can be had; each reason is given.
    """
    try:
        return settings.resolve(entries)
    except ConfigError as error:
        raise config_failure(error, options) from None


def failure_of(error: RevvlinkException, node: str | None = None) -> Failure:
    """An error of the client as a command's failure; that of a load is explained as far as it is known."""
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


def chooser(
    options: Options, patterns: Sequence[str] | None, tags: Sequence[str] | None, region: str | None = None
) -> Callable[[Settings], tuple[NodeSettings, ...]]:
    """What picks the nodes that are meant, passwords read, from a configuration: also from one that is read again."""

    def chosen(settings: Settings) -> tuple[NodeSettings, ...]:
        entries = select(settings, patterns or (), options, tags=tags or (), region=region)
        return with_secrets(settings, entries, options)

    return chosen


def failures_of(nodes: Iterable[NodeSnapshot], timeout: float) -> tuple[Failure, ...]:
    """Why nodes are not connected, or hang; those that are well are left out."""
    return tuple(failure for node in nodes if (failure := node_failure(node, timeout)) is not None)


def node_failure(node: NodeSnapshot, timeout: float) -> Failure | None:
    """Why a node is not connected, or hangs; None when all is well with it."""
    if node.hanging is not None:
        return failure_of(node.hanging, node.identifier)
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


def answered(
    rows: tuple[Any, ...], row: type, failures: tuple[Failure, ...], nodes: int, *, is_answered: bool
) -> Result:
    """The outcome of a question that any node of the fleet may answer: where one did, the others are only noted."""
    if is_answered:
        return Result(rows, row, left_out=failures)
    all_failed = len(failures) == nodes
    return Result(rows, row, exit_code_for(failures, nodes) if all_failed else ExitCode.FAILED, failures)


def exit_code_for(failures: Sequence[Failure], nodes: int) -> ExitCode:
    """The exit code when of so many nodes these have failed."""
    if not failures:
        return ExitCode.OK
    if len(failures) < nodes:
        return ExitCode.PARTIAL
    if all(failure.code == "wrong_password" for failure in failures):
        return ExitCode.AUTHENTICATION
    return ExitCode.UNREACHABLE
