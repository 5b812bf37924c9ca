"""docs/monitoring.md: its commands run, its output is what they print, its configurations are valid."""

from __future__ import annotations

import re
import shlex

import pytest

from tests.conftest import run_cli
from tests.docs.recipes.recipe_host import GUIDE, Host


def blocks(language: str) -> list[str]:
    """The guide's blocks in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", GUIDE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def inline() -> list[str]:
    """What the guide writes between two backticks, outside of blocks."""
    text = re.sub(r"^```.*?^```", "", GUIDE.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    return re.findall(r"`([^`\n]+)`", text)


@pytest.mark.parametrize("block", blocks("toml"), ids=lambda block: block.splitlines()[0].partition(" ")[0])
def test_configurations_of_the_guide_are_valid(block: str, host: Host) -> None:
    """Every piece of configuration in the guide is taken as it is."""
    path = host.etc / "guide.toml"
    node = '[[nodes]]\nidentifier = "n"\nuri = "http://127.0.0.1:1"\npassword_file = "us-1"\n'
    path.write_text(block if "[[nodes]]" in block else f"{block}\n{node}", encoding="utf-8")

    ran = run_cli("config", "validate", "--config", str(path))

    assert ran.code == 0, ran.err
    assert ran.err == ""


def test_commands_and_options_named_in_the_guide_exist() -> None:
    """What is named in the middle of a sentence exists, too."""
    spans = inline()
    lines = [shlex.split(span)[1:] for span in spans if span.startswith("revvlink ")]
    helps = [run_cli("help", "options"), *(run_cli(*line, "--help") for line in lines)]
    known = {flag for ran in helps for flag in re.findall(r"(?<![\w-])-{1,2}[a-z][a-z-]*", ran.out)}
    flags = {flag for span in spans for flag in re.findall(r"(?<![\w-])-{1,2}[a-z][a-z-]*", span)}

    assert len(lines) > 5
    assert all(ran.code == 0 for ran in helps), [ran.err for ran in helps]
    assert {"--min-healthy", "--report", "-o", "-v"} <= flags <= known


def test_the_guide_is_easy_to_read() -> None:
    """Lines are short outside of tables, and the place for the catalogue of checks is there."""
    text = GUIDE.read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("|")]

    assert max(map(len, lines)) <= 120
    assert re.search(r"<!-- checks: generated, see docs/generate\.py -->\n.*?<!-- end -->", text, re.DOTALL)
