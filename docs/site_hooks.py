"""Hooks of mkdocs.yml: a page of the navigation for each command, and files that the pages link to outside of docs/."""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File
from mkdocs.structure.nav import Link

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.nav import Navigation
    from mkdocs.structure.pages import Page

ROOT = Path(__file__).parent.parent

COMMANDS = "reference/commands/"

OUTSIDE = {
    **{
        f"revvlink_cli/schemas/{path.name}": f"schemas/{path.name}" for path in ROOT.glob("revvlink_cli/schemas/*.json")
    },
    **{name: f"project/{name}" for name in ("CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "CODE_OF_CONDUCT.md")},
    "revvlink.example.toml": "project/revvlink.example.toml",
    "man/revvlink.1": "project/revvlink.1",
}
"""File of the repository -> where it stands in the site."""

PARTS = {
    "Exit codes": ("reference", "Exit codes"),
    "Checks": ("monitoring", "Checks"),
    "Metrics": ("prometheus", "Metrics"),
    "JSON and other output": ("reference", "Output"),
    "Codes of errors": ("reference", "Codes of errors"),
    "Environment": ("reference", "Environment"),
}
"""Entry of the navigation, below the overview of the reference -> the page and the heading that it leads to."""


def on_config(config: MkDocsConfig) -> None:
    """Put the pages of the commands where the navigation names their folder."""
    names = sorted(path.name for path in (ROOT / "docs" / COMMANDS).glob("*.md") if path.name != "index.md")
    pages = [{name.removesuffix(".md").replace("-", " ", 1): COMMANDS + name} for name in names]
    config.nav = _with_commands(config.nav, [f"{COMMANDS}index.md", *pages])


def _with_commands(nav: Any, pages: list[Any]) -> Any:
    if isinstance(nav, list):
        return [_with_commands(item, pages) for item in nav]
    if isinstance(nav, dict):
        return {title: _with_commands(inner, pages) for title, inner in nav.items()}
    return pages if nav == COMMANDS else nav


def on_nav(nav: Navigation, **_: Any) -> Navigation:
    """Add the parts of long pages that readers search by name.

    Raises:
        PluginError: A heading does not exist.
    """
    links = []
    for title, (name, heading) in PARTS.items():
        text = (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8")
        if re.search(rf"^#+ {re.escape(heading)}$", text, re.MULTILINE) is None:
            raise PluginError(f"{name}.md has no heading {heading!r}")
        links.append(Link(title, f"{name}.html#{heading.lower().replace(' ', '-')}"))
    for section in nav.items:
        if section.title == "Reference" and section.children is not None:
            section.children[1:1] = links
            for link in links:
                link.parent = section
    return nav


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add the files that stand outside of docs/."""
    for source, place in OUTSIDE.items():
        path = ROOT / source
        if path.exists():
            files.append(File.generated(config, place, abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, *, page: Page, **_: Any) -> str:
    """Point links from and to files outside of docs/ at their places in the site."""
    sources = {place: source for source, place in OUTSIDE.items()}
    here = page.file.src_uri
    source_folder = posixpath.dirname(sources.get(here, f"docs/{here}"))

    def moved(found: re.Match[str]) -> str:
        source = posixpath.normpath(posixpath.join(source_folder, found[1]))
        if source not in OUTSIDE and here not in sources:
            return found[0]
        place = OUTSIDE.get(source, source.removeprefix("docs/"))
        return f"]({posixpath.relpath(place, posixpath.dirname(here) or '.')}{found[2] or ''})"

    return re.sub(r"\]\((?!\w+:)([^)#\s]+)(#[^)\s]*)?\)", moved, markdown)
