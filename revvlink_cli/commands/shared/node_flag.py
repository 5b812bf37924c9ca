"""``--node``: the same as the argument NODE, for every command that takes nodes as an argument."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperOption

if TYPE_CHECKING:
    from collections.abc import Sequence

_KEY = "revvlink.node_flag"
"""Key of the context under which the values of `--node` are kept."""

SOME, ONE, ONE_AND_ADDRESS = "[NODE]...", "[NODE]", "[NODE] [ADDRESS]"
"""The metavars of arguments that `--node` stands for too: some nodes, one node, one node and an address."""


def node_flag(argument: Any) -> TyperOption | None:
    """``--node`` for a command with this argument, if that takes nodes; else None."""
    metavar = getattr(argument, "metavar", None)
    if metavar not in (SOME, ONE, ONE_AND_ADDRESS):
        return None

    def keep(ctx: typer.Context, param: object, value: Any) -> Any:  # noqa: ARG001 - Typer's signature
        ctx.meta[_KEY] = tuple(dict.fromkeys(value or ()))
        return value

    def complete(ctx: typer.Context, args: list[str], incomplete: str) -> list[tuple[str, str]]:  # noqa: ARG001 - Typer's signature
        return [(item.value, item.help or "") for item in argument.shell_complete(ctx, incomplete)]

    more = "; may be given more than once" if metavar == SOME else ""
    return TyperOption(
        param_decls=["node_flag", "--node"],
        multiple=True,
        is_eager=True,  # before the argument, which takes its values
        expose_value=False,
        callback=keep,
        metavar="NAME",
        help=f"The same as NODE{more}.",
        autocompletion=complete,
    )


def given_nodes(ctx: typer.Context, names: Sequence[str]) -> tuple[str, ...]:
    """The nodes that the command line names, as arguments or with ``--node``.

    Raises:
        typer.BadParameter: It names some in both ways, and they differ.
    """
    flagged: tuple[str, ...] = ctx.meta.get(_KEY, ())
    if names and flagged and set(names) != set(flagged):
        raise typer.BadParameter(
            f"{', '.join(flagged)}, but NODE is {', '.join(names)}: give one of them", ctx=ctx, param_hint="--node"
        )
    return tuple(names) or flagged


def given_node(ctx: typer.Context, name: str | None) -> str | None:
    """The one node that the command line names, as an argument or with ``--node``; None for none.

    Raises:
        typer.BadParameter: It names several.
    """
    found = given_nodes(ctx, () if name is None else (name,))
    if len(found) > 1:
        raise typer.BadParameter(f"{', '.join(found)}: this command takes one node", ctx=ctx, param_hint="--node")
    return found[0] if found else None
