"""CONTRIBUTING.md sends people to places that exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

ROWS = re.findall(
    r"^\| ([^|]+) \| `([\w/]+\.py)` \| `(\w+)` \| (.+) \|$",
    (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"),
    re.MULTILINE,
)
"""What to change, the first file, the symbol there, and what goes with it."""


def _names(path: Path) -> set[str]:
    """The names that a module defines at its top."""
    found: set[str] = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                found.add(name)
            case ast.Assign(targets=targets):
                found |= {target.id for target in targets if isinstance(target, ast.Name)}
            case ast.AnnAssign(target=ast.Name(id=name)):
                found.add(name)
    return found


def test_there_are_enough_rows() -> None:
    """The table is read as a table: a change of its form would leave nothing to check."""
    assert len(ROWS) >= 25


@pytest.mark.parametrize(("what", "file", "symbol", "beside"), ROWS, ids=[row[0] for row in ROWS])
def test_a_row_names_what_is_there(what: str, file: str, symbol: str, beside: str) -> None:
    """The file of a row exists and defines the symbol; the other files that it names exist too."""
    assert symbol in _names(ROOT / file), what
    for named in re.findall(r"`([\w/.]+(?:\.\w+|/))`", beside):
        assert (ROOT / named).exists() or (ROOT / "revvlink_cli" / named).exists(), named


def test_links_lead_somewhere() -> None:
    """The pages that CONTRIBUTING.md links to exist, and the architecture names only modules that exist."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    page = (ROOT / "docs" / "explanation" / "architecture.md").read_text(encoding="utf-8")
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", text):
        assert (ROOT / target).exists(), target
    for module in re.findall(r"`((?:\w+/)*\w+\.py)`", page):
        places = [ROOT / "revvlink_cli" / module, ROOT / "revvlink_cli" / "client" / module]
        assert any(place.exists() for place in places), module
