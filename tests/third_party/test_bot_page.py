"""The tests on the page on tests of bots pass as they stand, with the clients that they are for."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.third_party.catalogue import ThirdParty, third_parties
from tests.third_party.environments import KEPT, program

if TYPE_CHECKING:
    from collections.abc import Iterable

pytestmark = pytest.mark.skipif(
    not os.environ.get("REVVLINK_TEST_CLIENTS"), reason="REVVLINK_TEST_CLIENTS=1 tries other people's clients"
)

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"

FILES = dict(
    re.findall(r"```\w+\n(?:#|//) ([\w.]+)\n(.*?)```", (DOCS / "test-a-bot.md").read_text(encoding="utf-8"), re.DOTALL)
)
"""The files of the page by name."""

SCENARIO = '[[nodes]]\nname = "us-1"\n[[nodes]]\nname = "eu-1"\n'


def _packages(*names: str) -> Iterable[str]:
    """The packages of these clients, in the versions in which they are tried."""
    known = {client.name: client.packages for client in third_parties()}
    return dict.fromkeys(package for name in names for package in known[name])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with all files that the page has, and those that it names."""
    for name, text in FILES.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    stand_in = DOCS / "recipes" / "discord_stand_in.py"
    (tmp_path / stand_in.name).write_text(stand_in.read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / "bot.toml").write_text(SCENARIO, encoding="utf-8")
    return tmp_path


def _run(folder: Path, *words: str) -> None:
    """Run a command; it must succeed."""
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    done = subprocess.run(
        words, cwd=folder, env={**os.environ, "PATH": path}, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", [name for name in FILES if re.fullmatch(r"test_\w+\.py", name)])
def test_in_python(name: str, folder: Path) -> None:
    """Each module of the page runs with pytest and pytest-asyncio."""
    packages = (*_packages("wavelink", "lavalink.py", "mafic"), "pytest", "pytest-asyncio", "-e", str(ROOT))
    bots = ThirdParty(name="page-python", language="python", packages=packages, python="3.11", kinds=())
    _run(folder, program(bots), "-m", "pytest", "-p", "no:cacheprovider", name)


def test_in_javascript(folder: Path) -> None:
    """The module of the page runs with vitest, and ends its nodes."""
    bots = ThirdParty(
        name="page-node", language="node", packages=(*_packages("lavalink-client"), "vitest"), python="", kinds=()
    )
    node = program(bots)
    (folder / "node_modules").symlink_to(KEPT / bots.name / "node_modules")
    (folder / "package.json").write_text('{"type": "module"}', encoding="utf-8")
    _run(folder, node, "node_modules/vitest/vitest.mjs", "run")
