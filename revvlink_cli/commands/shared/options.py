"""Arguments and options that several commands have, and what completes them.

What completes a value reads the configuration and nothing else; where that is missing or wrong, nothing is offered.

Annotations are evaluated in this module: Typer would evaluate their text with each command line.
"""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from revvlink_cli.commands.shared.node_flag import ONE, SOME, given_node, given_nodes

if TYPE_CHECKING:
    from revvlink_cli.config.settings import Settings


def _settings(ctx: typer.Context) -> "Settings | None":
    """The configuration that the command line so far names, None when it cannot be used."""
    from revvlink_cli.commands.shared import node_selection
    from revvlink_cli.commands.shared.command import options_of
    from revvlink_cli.output.result import CommandError

    try:
        return node_selection.load_settings(options_of(ctx))
    except CommandError:
        return None


def node_names(ctx: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """The configured nodes, each with its region."""
    settings = _settings(ctx)
    entries = settings.nodes if settings is not None else ()
    return [(entry.identifier, entry.region or "") for entry in entries if entry.identifier.startswith(incomplete)]


def regions(ctx: typer.Context, incomplete: str) -> list[str]:
    """Regions of the configured nodes, of the user's own map, and the built-in ones."""
    from revvlink_cli.client.routing.regions import LABELS

    settings = _settings(ctx)
    found = [entry.region for entry in settings.nodes if entry.region] if settings is not None else []
    own = settings.regions if settings is not None and settings.regions is not None else LABELS
    return [label for label in dict.fromkeys((*found, *own)) if label.startswith(incomplete)]


def tags(ctx: typer.Context, incomplete: str) -> list[str]:
    """Tags of the configured nodes."""
    settings = _settings(ctx)
    entries = settings.nodes if settings is not None else ()
    return sorted({tag for entry in entries for tag in entry.tags if tag.startswith(incomplete)})


def sources(ctx: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """Search prefixes, the configured one first, each with the source manager behind it."""
    from revvlink_cli.client.search.sources import SOURCES

    settings = _settings(ctx)
    first = [settings.search_source] if settings is not None else []
    known = dict.fromkeys((*first, *SOURCES))
    return [(prefix, SOURCES.get(prefix, "")) for prefix in known if prefix.startswith(incomplete)]


def _some_nodes(ctx: typer.Context, value: list[str] | None) -> list[str] | None:
    """The nodes of the argument, or of ``--node``."""
    return list(given_nodes(ctx, value or ())) or None


def _one_node(ctx: typer.Context, value: str | None) -> str | None:
    """The node of the argument, or of ``--node``; None for none."""
    return given_node(ctx, value)


Nodes = Annotated[
    list[str] | None,
    typer.Argument(
        metavar=SOME,
        help="Nodes by identifier, or by pattern such as 'us-*'; default: all.",
        autocompletion=node_names,
        callback=_some_nodes,
    ),
]
"""Some of the configured nodes; the command takes them with `--node` too."""

OneNode = Annotated[
    str | None,
    typer.Argument(
        metavar=ONE, help="The node; not needed where there is only one.", autocompletion=node_names,
        callback=_one_node,
    ),
]  # fmt: skip
"""One of the configured nodes, or the only one; the command takes it with `--node` too."""

Tags = Annotated[
    list[str] | None,
    typer.Option(
        "--tag",
        metavar="TAG",
        help="Only nodes that have this tag; may be given more than once.",
        autocompletion=tags,
    ),
]

Region = Annotated[
    str | None,
    typer.Option("--region", metavar="REGION", help="Only nodes of this region.", autocompletion=regions),
]

Source = Annotated[
    str | None,
    typer.Option(
        "--source",
        metavar="PREFIX",
        help="Search prefix for plain words, such as scsearch; the configured one if left out.",
        autocompletion=sources,
    ),
]


def node_option(help_text: str) -> Any:
    """``--node``, with what it means for a command."""
    return typer.Option("--node", metavar="NODE", help=help_text, autocompletion=node_names)
