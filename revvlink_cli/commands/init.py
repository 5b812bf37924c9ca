"""``revvlink init``: a starter configuration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer

from revvlink_cli.commands.shared import node_selection
from revvlink_cli.commands.shared.command import Record, command, make_app, options_of
from revvlink_cli.output.result import Result, column

app = make_app()


@dataclass(frozen=True, slots=True, kw_only=True)
class InitRecord:
    """The file that was written."""

    path: str = column("Wrote")


@command(
    app, prints=lambda: {"": Record(InitRecord)}, examples=("revvlink init", "revvlink init ./revvlink.toml --force")
)
def init(
    ctx: typer.Context,
    path: Annotated[
        str | None,
        typer.Argument(metavar="[PATH]", help="File to write; default: the user's configuration."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing file.")] = False,
) -> Result:
    """Write a starter configuration.

    Only you can read the file. Fill in your nodes. With --context NAME it becomes the configuration of that context.
    """
    import os
    from pathlib import Path

    from revvlink_cli.config.context_files import add_context
    from revvlink_cli.config.problems import ConfigError
    from revvlink_cli.config.starter import default_path, starter_text, write_starter

    options = options_of(ctx)
    file = path or options.config
    context = options.context
    if file is None and context is None and not os.environ.get("REVVLINK_CONFIG"):
        context = os.environ.get("REVVLINK_CONTEXT") or None
    if file is not None and context is not None:
        raise typer.BadParameter("is a file, and --context writes the file of a context", param_hint="PATH")
    try:
        if context is not None:
            written = add_context(context, starter_text(), force=force)
        else:
            target = Path(file or os.environ.get("REVVLINK_CONFIG") or default_path())
            written = write_starter(target, force=force)
    except ConfigError as error:
        raise node_selection.config_failure(error, options) from None
    line = f"revvlink --context {context} nodes status" if context is not None else "revvlink nodes status"
    return Result(
        InitRecord(path=str(written)),
        text=str(written),
        notes=(f"now put your node in {written}, as with `revvlink config edit`, then try: {line}",),
    )
