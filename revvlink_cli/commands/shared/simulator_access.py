"""How `simulate ctl` reaches the admin API, and what its failures mean."""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from revvlink_cli.commands.shared.command import options_of
from revvlink_cli.commands.shared.values import files
from revvlink_cli.output.result import CommandError, ExitCode, Failure
from revvlink_cli.services.simulator_admin.client import AdminAddress, AdminClient, AdminError, NotFoundError

if TYPE_CHECKING:
    from collections.abc import Iterator

ADDRESS, TOKEN = "REVVLINK_SIMULATE_ADMIN", "REVVLINK_SIMULATE_ADMIN_TOKEN"

CODES = {
    400: ("usage", ExitCode.USAGE),
    401: ("auth_failed", ExitCode.AUTHENTICATION),
    404: ("usage", ExitCode.USAGE),
    409: ("conflict", ExitCode.FAILED),
    504: ("timeout", ExitCode.UNREACHABLE),
}
"""Status -> the code of its failure, and the exit code."""


def _files(ctx: typer.Context, args: list[str], incomplete: str) -> list[str]:  # noqa: ARG001 - Typer's signature
    return files(incomplete)


ReadyFile: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--ready-file", metavar="FILE", help="The file that `simulate --ready-file` wrote.", autocompletion=_files
    ),
]
Guild: TypeAlias = Annotated[str | None, typer.Option("--guild", metavar="ID", help="Id of the guild.")]
OneOfThem: TypeAlias = Annotated[str | None, typer.Option("--node", metavar="NAME", help="Name of the node.")]
After: TypeAlias = Annotated[
    int | None, typer.Option("--after", metavar="NUMBER", min=0, help="Only those with a greater number.")
]


@contextmanager
def simulator_of(ctx: typer.Context, ready_file: str | None) -> Iterator[AdminClient]:
    """The admin API that is meant: of the file, of the environment, or the one that this user runs.

    Raises:
        CommandError: It cannot be found, or a request in the block failed.
    """
    try:
        yield AdminClient(_address(ready_file), options_of(ctx).timeout)
    except NotFoundError as error:
        hint = f"name them with --ready-file or {ADDRESS} and {TOKEN}"
        raise CommandError(Failure("usage", str(error), hint=hint), exit_code=ExitCode.USAGE) from None
    except AdminError as error:
        code, exit_code = CODES.get(error.status or 0, ("unreachable", ExitCode.UNREACHABLE))
        failures = [
            Failure(code, f"{one.get('key')}: {one.get('message')}".removeprefix(": "), hint=one.get("hint"))
            for one in error.problems
        ]
        first, *others = failures or [Failure(code, str(error))]
        raise CommandError(first, *others, exit_code=exit_code) from None


def _address(ready_file: str | None) -> AdminAddress:
    if ready_file is not None:
        return AdminAddress.read(Path(ready_file))
    uri, token = os.environ.get(ADDRESS, ""), os.environ.get(TOKEN, "")
    if uri and not token:
        raise NotFoundError(f"{ADDRESS} is set, and {TOKEN} is not")
    return AdminAddress(uri, token) if uri else AdminAddress.find()
