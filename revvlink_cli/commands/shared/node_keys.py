"""The options of commands that write the keys of a node; each stands for a key in the table of keys."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperOption

from revvlink_cli.commands.shared import config_file
from revvlink_cli.commands.shared.command import Command
from revvlink_cli.commands.shared.options import regions
from revvlink_cli.commands.shared.values import files
from revvlink_cli.config import schema
from revvlink_cli.config.key_names import read_text
from revvlink_cli.config.schema import Kind
from revvlink_cli.output.result import CommandError, ExitCode, Failure

if TYPE_CHECKING:
    from collections.abc import Callable

    from revvlink_cli.config.schema import Key

OTHER_NAMES = {"timeout": "request-timeout", "user_id": "user-id"}
"""Keys whose option has another name: ``--timeout`` is the time limit of every command."""

WITHOUT_OPTION = frozenset({"identifier", "uri", "tags", "check", *schema.PASSWORDS})
"""Keys that commands read in another way."""

_VALUES = "node_keys"
_METAVARS = {Kind.INTEGER: "NUMBER", Kind.NUMBER: "NUMBER", Kind.URI: "URI"}

PASSWORD_HINT = "add --password-env, --password-file or --password-stdin"  # noqa: S105 - no password


class NodeKeysCommand(Command):
    """A command with an option for each key of a node that is neither a secret nor a table."""

    def get_params(self, ctx: Any) -> list[Any]:
        """The parameters of the command, the keys of a node, and the global options."""
        found = super().get_params(ctx)
        shared = [option for option in found if (option.name or "").startswith("global_")]
        own = [option for option in found if option not in shared]
        *first, last = own  # --help
        return [*first, *key_options(), last, *shared]


@cache
def key_options() -> tuple[Any, ...]:
    """The options, in the order of the table."""
    return tuple(_option(key) for key in schema.NODE if key.name not in WITHOUT_OPTION and not key.secret)


def key_values(ctx: typer.Context) -> dict[str, Any]:
    """The keys that these options give, with their values as they are written in the file."""
    found: dict[str, Any] = ctx.meta.get(_VALUES, {})
    return found


def _option(key: Key) -> TyperOption:
    name = f"--{OTHER_NAMES.get(key.name, key.name.replace('_', '-'))}"
    more: dict[str, Any] = {"metavar": _METAVARS.get(key.kind, "PATH" if key.names_file else "TEXT"), "type": str}
    if key.kind is Kind.BOOLEAN:
        name = f"{name}/--no-{name.removeprefix('--')}"
        more = {"is_flag": True}
    elif key.names_file:
        more["autocompletion"] = _complete_files
    elif key.name == "region":
        more |= {"metavar": "LABEL", "autocompletion": regions}
    return TyperOption(
        param_decls=[f"key_{key.name}", name],
        help=f"{key.help.partition(';')[0]}.",
        default=None,
        callback=_make_callback(key),
        expose_value=False,
        **more,
    )


def _complete_files(ctx: typer.Context, args: list[str], incomplete: str) -> list[str]:  # noqa: ARG001 - Typer's signature
    return files(incomplete)


def _make_callback(key: Key) -> Callable[..., Any]:
    """Make a callback that reads an option as its key and keeps the value if it is given."""

    def store(ctx: typer.Context, param: Any, value: Any) -> Any:
        if value is not None:
            try:
                read: Any = value if isinstance(value, bool) else read_text(key, value)
            except ValueError as error:
                raise typer.BadParameter(str(error), ctx=ctx, param_hint=param.opts[-1]) from None
            ctx.meta.setdefault(_VALUES, {})[key.name] = absolute(read) if key.names_file else read
        return value

    return store


def absolute(name: str) -> str:
    """A path that counts from here; in the file a relative one would count from the file's folder."""
    return str(Path(name).expanduser().absolute())


def read_password(env: str | None, file: str | None, stdin: bool, node: str, *, is_needed: bool) -> dict[str, str]:
    """The key for the password of a node, from the options; asked for on a terminal if it is needed.

    Args:
        env: The variable that holds it, or None.
        file: The file that holds it, or None.
        stdin: Whether it comes through standard input.
        node: The name of the node.
        is_needed: Whether there must be one.

    Raises:
        CommandError: There is none, or more than one.
    """
    if sum((bool(env), bool(file), stdin)) > 1:
        message = "give one of --password-env, --password-file and --password-stdin"
        raise CommandError(Failure("usage", message), exit_code=ExitCode.USAGE)
    if env:
        return {"password_env": env}
    if file:
        return {"password_file": absolute(file)}
    if not stdin and not is_needed:
        return {}
    if not stdin and not config_file.is_terminal():
        failure = Failure("usage", f"{node} needs a password", node=None, hint=PASSWORD_HINT)
        raise CommandError(failure, exit_code=ExitCode.USAGE)
    return {"password": config_file.read_secret(f"Password of {node}", is_asked=stdin, hint=PASSWORD_HINT)}
