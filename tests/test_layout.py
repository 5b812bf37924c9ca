"""The layout of the tests: a module of the package finds its tests by its name."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
TESTS = ROOT / "tests"
PACKAGE = ROOT / "revvlink_cli"

MIRRORED = ("cli", "client", "commands", "config", "health", "output", "services", "simulator", "testing")
"""Folders of the package with tests in a folder of the same name."""

ACROSS = {"data", "docs", "faults", "fidelity", "fuzz", "real", "release", "situations", "third_party"}
"""Folders of tests of several modules: documentation, broken servers, recordings, parsers, releases, situations."""


def _test_modules() -> list[str]:
    found = (path for folder in MIRRORED for path in (TESTS / folder).rglob("test_*.py"))
    return sorted(str(path.relative_to(TESTS)) for path in found)


def test_every_folder_is_a_mirror_or_named() -> None:
    """A new folder of tests has the name of a folder of the package, or is in the list of those that have not."""
    folders = {path.name for path in TESTS.iterdir() if path.is_dir() and path.name != "__pycache__"}

    assert folders == {*MIRRORED, *ACROSS}
    assert not {name for name in ACROSS if (PACKAGE / name).exists()}


@pytest.mark.parametrize("path", _test_modules())
def test_module_is_named_after_what_it_tests(path: str) -> None:
    """`client/cache/test_sqlite_files.py` tests `client/cache/sqlite.py`; the name may go on with an aspect."""
    folder = PACKAGE / Path(path).parent
    assert folder.is_dir(), f"the package has no folder {Path(path).parent}"
    modules = {found.stem for found in folder.glob("*.py")} | {found.parent.name for found in folder.glob("*/*.py")}
    tested = Path(path).stem.removeprefix("test_")

    assert any(f"{tested}_".startswith(f"{module}_") for module in (modules | {folder.name}) - {"__init__"})


def test_no_test_module_is_too_long() -> None:
    """A reader finds a test by the name of its module: one beyond 550 lines has more than one concern."""
    lines = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in TESTS.rglob("*.py")}

    assert {str(path): count for path, count in lines.items() if count > 550} == {}
