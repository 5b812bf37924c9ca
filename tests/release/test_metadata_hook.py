"""The metadata that depends on the project's address."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from release.metadata_hook import ProjectMetadata, describe, project_urls

ROOT = Path(__file__).resolve().parents[2]
URL = "https://example.org/someone/revvlink"


def test_links_of_the_readme_lead_to_the_tag() -> None:
    """Each relative link becomes one to a file of this version; pictures are raw files, other links stay."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    links = re.findall(r"(!?)\[[^\]]*\]\(([^)]+)\)", text)
    found = re.findall(r"(!?)\[[^\]]*\]\(([^)]+)\)", describe(text, URL, "0.2.0"))

    assert found == [
        (picture, target if "://" in target else f"{URL}/{'raw' if picture else 'blob'}/v0.2.0/{target}")
        for picture, target in links
    ]
    assert any(picture for picture, _ in found)


def test_without_an_address_the_words_of_links_stay() -> None:
    """No relative link is left, no picture, no comment; what a link says is kept, and a link to elsewhere too."""
    text = "# x\n\n<!-- for tests -->\n![a](docs/a.svg)\n\nSee [the\npage](docs/p.md#h) and [it](https://e.org).\n"

    assert describe(text, "", "1") == "# x\n\nSee the\npage and [it](https://e.org).\n"
    whole = describe((ROOT / "README.md").read_text(encoding="utf-8"), "", "1")
    assert not re.search(r"\]\((?!https?:)", whole)
    assert "<!--" not in whole
    assert "your first node" in whole


def test_the_hook_reads_the_one_place_of_the_address() -> None:
    """The package has addresses if and only if pyproject.toml has one, and invents none."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    metadata: dict[str, object] = {}
    ProjectMetadata(str(ROOT), {}).update(metadata)

    assert set(settings["tool"]["revvlink"]["project"]) == {"url", "contact", "security_contact"}
    assert bool(metadata["urls"]) is bool(settings["tool"]["revvlink"]["project"]["url"])
    assert project_urls("", "1") == {}
    assert set(project_urls(URL, "1")) == {"Homepage", "Documentation", "Source", "Issues", "Changelog"}
    assert all(found.startswith(URL) for found in project_urls(URL, "1").values())
