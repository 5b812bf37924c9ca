"""Two nodes, and a configuration with one of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from revvlink_cli.simulator import NodeProfile, Simulator

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def pair() -> Iterator[Simulator]:
    """Two nodes with a password."""
    profiles = [NodeProfile(identifier=name, password="sound-of-silence") for name in ("one", "two")]
    with Simulator(profiles) as simulator:
        yield simulator


@pytest.fixture
def text(pair: Simulator) -> str:
    """The text of the configuration."""
    return (
        "# fleet\n[check]\nmin_healthy = 1  # at least\n\n"
        f'# the first\n[[nodes]]\nidentifier = "one"  # 1\nuri = "{pair["one"].uri}"\n'
        'password = "sound-of-silence"\ntags = ["prod", "old"]\n# end\n'
    )


@pytest.fixture
def path(isolated: Path, text: str) -> Path:
    """The configuration, in the user's folder."""
    file = isolated / "config" / "revvlink" / "revvlink.toml"
    file.parent.mkdir()
    file.touch(mode=0o600)
    file.write_text(text, encoding="utf-8")
    return file
