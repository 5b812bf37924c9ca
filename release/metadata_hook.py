"""Metadata that depends on the project's address, which `[tool.revvlink.project]` of pyproject.toml holds.

Hatchling calls `ProjectMetadata` when it builds. On a package index the links of README.md cannot be relative: they
become links to the project's page at the version's tag. Without an address their words stay, and pictures are left out.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\((?!\w+:)([^)\s]+)\)")
"""A link or a picture whose target is a path of the repository, or a heading of the page."""
COMMENT = re.compile(r"^<!--.*?-->\n", re.MULTILINE | re.DOTALL)
"""A note for the tests of the documentation."""


class ProjectMetadata(MetadataHookInterface):
    """Adds the description and the addresses to the metadata."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Set `readme` and `urls`, which pyproject.toml declares as dynamic."""
        import runpy
        import tomllib

        root = Path(self.root)
        settings = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
        url = settings["tool"]["revvlink"]["project"]["url"].rstrip("/")
        version = runpy.run_path(str(root / "revvlink_cli" / "_version.py"))["__version__"]
        text = describe((root / "README.md").read_text(encoding="utf-8"), url, version)
        metadata["readme"] = {"content-type": "text/markdown", "text": text}
        metadata["urls"] = project_urls(url, version)


def describe(text: str, url: str, version: str) -> str:
    """README.md for a package index.

    Args:
        text: The file.
        url: Address of the repository without a slash at its end, or an empty text.
        version: The version, whose tag the links lead to.
    """

    def point(found: re.Match[str]) -> str:
        picture, words, target = found.groups()
        if target.startswith("#"):
            return found[0]
        if not url:
            return "" if picture else words
        return f"{picture}[{words}]({url}/{'raw' if picture else 'blob'}/v{version}/{target})"

    described = LINK.sub(point, COMMENT.sub("", text))
    return re.sub(r"\n{3,}", "\n\n", described)


def project_urls(url: str, version: str) -> dict[str, str]:
    """The addresses by the names that package indexes know; none without an address."""
    if not url:
        return {}
    return {
        "Homepage": url,
        "Documentation": f"{url}/blob/v{version}/docs/index.md",
        "Source": url,
        "Issues": f"{url}/issues",
        "Changelog": f"{url}/blob/v{version}/CHANGELOG.md",
    }
