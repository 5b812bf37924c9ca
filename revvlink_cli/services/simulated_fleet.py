"""The configuration with which this tool finds simulated nodes."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tomli_w

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from revvlink_cli.simulator import SimulatedNode


@contextmanager
def configuration_of(
    nodes: Iterable[SimulatedNode],
    program: str,
    *,
    tags: Mapping[str, tuple[str, ...]] | None = None,
    ca_file: Path | None = None,
    **sections: Any,
) -> Iterator[Path]:
    """Write a configuration file for nodes that run; gives its path.

    Only the user can read the file, which holds the passwords. It is deleted at the end, with all that is beside it.

    Args:
        nodes: The nodes.
        program: What runs them, for the name of the folder.
        tags: Name of a node -> its tags.
        ca_file: The certificate of their authority, None for one that the machine trusts.
        sections: Other sections of the configuration.
    """
    tables = []
    for node in nodes:
        profile = node.profile
        table: dict[str, Any] = {"identifier": profile.identifier, "uri": node.uri, "password": profile.password}
        if profile.region is not None:
            table["region"] = profile.region
        if ca_file is not None:
            table["ca_file"] = str(ca_file)
        if tags is not None:
            table["tags"] = list(tags[profile.identifier])
        tables.append(table)
    with tempfile.TemporaryDirectory(prefix=f"revvlink-{program}-") as folder:
        path = Path(folder) / "revvlink.toml"
        path.touch(mode=0o600)
        path.write_text(tomli_w.dumps({**sections, "nodes": tables}), encoding="utf-8")
        yield path
