"""What ``revvlink`` without arguments shows above the help: the configuration and the next commands to type."""

from __future__ import annotations

from typing import TYPE_CHECKING

from revvlink_cli.commands.shared.node_selection import find_source
from revvlink_cli.config.contexts import context_names
from revvlink_cli.config.load import load
from revvlink_cli.config.problems import ConfigError
from revvlink_cli.output.text import clean

if TYPE_CHECKING:
    from collections.abc import Mapping

    from revvlink_cli.commands.shared.command import Options

WITHOUT_CONFIGURATION = {
    "revvlink demo": "try every command on a simulated fleet",
    "revvlink init": "write a starter configuration",
    "revvlink nodes add NAME URI": "add a node, which writes a configuration too",
}

WITH_CONTEXTS = {
    "revvlink context list": "show the contexts and their nodes",
    "revvlink context use NAME": "choose the one that commands use",
}

WITH_MISTAKES = {
    "revvlink config validate": "show every mistake and its line",
    "revvlink config edit": "correct them in your editor",
}

WITH_NODES = {
    "revvlink nodes status": "show the state of every node",
    "revvlink check": "check the health of the fleet",
    "revvlink doctor": "find out why a node fails",
}


def overview(options: Options) -> str:
    """Describe the configuration without contacting a node, and name the next commands."""
    try:
        source = find_source(options)
    except ConfigError as error:
        if not error.is_missing:
            return _text("The configuration cannot be read.", WITH_MISTAKES)
        if names := context_names():
            shown = f"{', '.join(names[:5])}{' ...' if len(names) > 5 else ''}"
            return _text(f"No context is in use. Contexts: {shown}", WITH_CONTEXTS)
        return _text("There is no configuration yet.", WITHOUT_CONFIGURATION)
    place = str(source.path) if source.path is not None else str(source.kind)
    where = f"Context {source.context}: {place}" if source.context is not None else f"Configuration: {place}"
    try:
        nodes = load(source).nodes
    except ConfigError as error:
        count = len(error.problems)
        return _text(f"{where} ({count} {'mistake' if count == 1 else 'mistakes'})", WITH_MISTAKES)
    regions = dict.fromkeys(node.region for node in nodes if node.region is not None)
    summary = f"{len(nodes)} {'node' if len(nodes) == 1 else 'nodes'}"
    if regions:
        summary += f", {'region' if len(regions) == 1 else 'regions'} {', '.join(regions)}"
    return _text(f"{where} ({summary})", WITH_NODES)


def _text(first: str, commands: Mapping[str, str]) -> str:
    width = max(map(len, commands)) + 2
    return "\n".join([clean(first), *(f"  {name:<{width}}{meaning}" for name, meaning in commands.items())])
