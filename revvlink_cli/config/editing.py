"""Adds a node to a configuration file without changing its existing text."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from revvlink_cli.config.files import read_text, write_atomically
from revvlink_cli.config.load import parse
from revvlink_cli.config.locking import changing
from revvlink_cli.config.problems import ConfigError, Problem
from revvlink_cli.config.source import Source, SourceKind
from revvlink_cli.config.trust import is_trusted, trust

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from revvlink_cli.config.settings import Settings


def append_node(path: Path, values: Mapping[str, Any]) -> Settings:
    """Adds a ``[[nodes]]`` table to the end of a configuration file.

    The whole result is checked before the file is replaced. A trusted file stays trusted.

    Args:
        path: The file.
        values: The keys of the node, without a password in plain text.

    Returns:
        The new configuration; the new node is its last.

    Raises:
        ConfigError: The node is wrong or its name is taken, the file cannot take a table at its end, or cannot be
            written. The file is then unchanged.
    """
    with changing(path):
        return _append(path, values)


def _append(path: Path, values: Mapping[str, Any]) -> Settings:
    import tomli_w

    with path.open("rb") as file:
        has_mark = file.read(3) == b"\xef\xbb\xbf"
    text = read_text(path)
    newline = "\r\n" if "\r\n" in text else "\n"
    table = f"[[nodes]]\n{tomli_w.dumps(dict(values))}".replace("\n", newline)
    gap = "" if not text else newline if text.endswith("\n") else newline * 2
    longer = f"{text}{gap}{table}"
    try:
        settings = parse(longer, Source(SourceKind.FLAG, path, trusted=True, environment=os.environ))
    except ConfigError as error:
        if len(error.problems) == 1 and "TOML" in error.problems[0].message:
            hint = "write the nodes as [[nodes]] tables instead of nodes = [ ... ]"
            raise ConfigError([Problem("cannot take another [[nodes]] table at its end", path, hint=hint)]) from None
        raise
    was_trusted = is_trusted(path, text)
    write_atomically(path, ("\ufeff" if has_mark else "") + longer, keeps_mode=True)
    if was_trusted:
        trust(path, longer)
    return settings
