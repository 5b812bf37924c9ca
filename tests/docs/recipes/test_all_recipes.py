"""Every recipe has a test and a link, and its command lines exist."""

from __future__ import annotations

import re
import shlex
import tomllib
from typing import TYPE_CHECKING

import pytest

from tests.conftest import run_cli
from tests.docs.recipes.read_recipes import (
    arguments,
    cron,
    expanded,
    nagios,
    of_icinga,
    probes,
    script,
    steps,
    unit,
    waiting,
)
from tests.docs.recipes.recipe_host import GUIDE, RECIPES, ROOT, read

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


IN_RECIPE: dict[str, Callable[[], list[list[str]]]] = {
    "crontab": lambda: [found for line in cron()[1] for found in arguments(line)],
    "revvlink-check.service": lambda: arguments(unit("revvlink-check.service")["ExecStart"][0]),
    "revvlink-check.timer": list,
    "revvlink-exporter.service": lambda: arguments(unit("revvlink-exporter.service")["ExecStart"][0]),
    "nagios-commands.cfg": lambda: [arguments(expanded(s["check_command"], nagios()[0]))[0] for s in nagios()[1]],
    "icinga2.conf": of_icinga,
    "compose.yaml": lambda: [waiting()[0][1:]],
    "github-actions.yml": lambda: [found for step in steps() for found in arguments(step["run"])],
    "gitlab-ci.yml": lambda: [found for line in script() for found in arguments(line)],
    "kubernetes.yaml": lambda: [probe["exec"]["command"][1:] for probe in probes().values()],
}
"""Recipe -> the arguments of its command lines."""
HOW_MANY = {"crontab": 2, "nagios-commands.cfg": 3, "kubernetes.yaml": 3, "revvlink-check.timer": 0}
"""Command lines that a recipe has; one where nothing is said."""

FOR_BOTS = {"discord_stand_in.py"}
"""What tests of bots copy; the page on them has its link, and tests/third_party runs it."""


def test_every_recipe_has_a_test_and_a_link_in_the_guide() -> None:
    """No file can be put beside the others without a test, nor without a link to it; no link leads nowhere."""
    there = {path.name for path in RECIPES.iterdir()}

    def linked(page: Path) -> set[str]:
        return set(re.findall(r"\]\(recipes/([^)]+)\)", page.read_text(encoding="utf-8")))

    assert there == {*IN_RECIPE, *FOR_BOTS}
    assert linked(GUIDE) == set(IN_RECIPE)
    assert linked(GUIDE.with_name("test-a-bot.md")) == FOR_BOTS


@pytest.mark.parametrize("name", IN_RECIPE)
def test_commands_and_options_of_recipes_exist(name: str) -> None:
    """The real command line knows every command and option that a recipe has, also those in its comments."""
    found = IN_RECIPE[name]()
    assert len(found) == HOW_MANY.get(name, 1)

    for line in [*found, *map(shlex.split, re.findall(r"`revvlink ([^`]+)`", read(name)))]:
        ran = run_cli(*line, "--help")
        assert ran.code == 0, (line, ran.err)
        assert ran.out.startswith(f"Usage: revvlink {line[0]} "), line


@pytest.mark.parametrize("path", [GUIDE, *sorted(RECIPES.iterdir())], ids=lambda path: path.name)
def test_recipes_install_this_package(path: Path) -> None:
    """Recipes and the guide install this package or its wheel, and no other of a similar name."""
    name = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["name"]

    for installed in re.findall(r"pip install (?:--\S+ )*'?([\w./*-]+)", path.read_text(encoding="utf-8")):
        assert installed in (name, f"wheels/{name.replace('-', '_')}-*.whl")
