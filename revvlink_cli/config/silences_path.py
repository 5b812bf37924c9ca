"""The file of the silences of a configuration. What reads and changes it is `silences`, which takes longer to load."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

ENDING = ".silences.json"


def path_beside(configuration: Path) -> Path:
    """The file of the silences of a configuration file: ``revvlink.silences.json`` beside ``revvlink.toml``."""
    return configuration.with_name(f"{configuration.stem}{ENDING}")
