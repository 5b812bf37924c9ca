"""The tests on the page on tests of bots: each runs where the packages are that it needs."""

from __future__ import annotations

import ast
import re
from importlib.util import find_spec
from pathlib import Path

import pytest

import revvlink_cli.testing.nodes  # noqa: F401 - a run in this process unloads what it has loaded; aiohttp must stay

pytest_plugins = ["pytester"]

DOCS = Path(__file__).resolve().parents[2] / "docs"

PAGE = (DOCS / "test-a-bot.md").read_text(encoding="utf-8")

FILES = dict(re.findall(r"```\w+\n# ([\w.]+)\n(.*?)```", PAGE, re.DOTALL))
"""The files of the page by name."""

SCENARIO = '[[nodes]]\nname = "us-1"\n[[nodes]]\nname = "eu-1"\n'


def _imported(name: str) -> set[str]:
    """The packages that a file needs, those of the files that it imports included."""
    found = set()
    for node in ast.walk(ast.parse(FILES[name])):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            found.add(node.module)
    return {part.partition(".")[0] for part in found}


@pytest.mark.parametrize("name", [name for name in FILES if name.startswith("test_")])
def test_every_test_of_the_page(name: str, pytester: pytest.Pytester) -> None:
    """It passes as it stands."""
    wanted = _imported(name) - {"bot", "discord_stand_in"} | (
        {"pytest_asyncio"} if "async def" in FILES[name] else set()
    )
    missing = sorted(package for package in wanted if find_spec(package) is None)
    if missing:
        pytest.skip(f"packages of bots are not installed: {', '.join(missing)}")
    for file, text in FILES.items():
        pytester.path.joinpath(file).write_text(text, encoding="utf-8")
    stand_in = DOCS / "recipes" / "discord_stand_in.py"
    pytester.path.joinpath(stand_in.name).write_text(stand_in.read_text(encoding="utf-8"), encoding="utf-8")
    pytester.path.joinpath("bot.toml").write_text(SCENARIO, encoding="utf-8")
    pytester.syspathinsert()

    outcome = pytester.runpytest_inprocess(name).parseoutcomes()

    assert outcome.get("passed", 0) > 0
    assert {*outcome} <= {"passed", "warning", "warnings"}
