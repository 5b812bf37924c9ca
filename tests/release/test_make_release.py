"""`make release`: what it refuses, and what it writes."""

from __future__ import annotations

import datetime as dt
import hashlib
import subprocess
from typing import TYPE_CHECKING

import pytest

from release.make_release import (
    ROOT,
    ReleaseError,
    differing,
    export,
    git,
    next_version,
    prepare,
    refusals,
    version_of,
    write_checksums,
)

if TYPE_CHECKING:
    from pathlib import Path

TODAY = dt.date(2026, 11, 29)
PROJECT = '[tool.revvlink.project]\nurl = "{}"\ncontact = "{}"\nsecurity_contact = "{}"\n'


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A repository with a commit in which nothing but the version and the project's addresses are missing."""
    root = tmp_path / "checkout"
    (root / "revvlink_cli").mkdir(parents=True)
    (root / "revvlink_cli" / "_version.py").write_text('"""x"""\n\n__version__ = "0.1.0"\n', encoding="utf-8")
    (root / "pyproject.toml").write_text(PROJECT.format("", "", ""), encoding="utf-8")
    (root / "CHANGELOG.md").write_text("# Changelog\n\n## Unreleased\n\n### Added\n\n- A thing.\n", encoding="utf-8")
    (root / ".gitignore").write_text("/.tested\n", encoding="utf-8")
    git(root, "init", "--quiet")
    git(root, "config", "user.name", "test")
    git(root, "config", "user.email", "test@example.org")
    _commit(root)
    return root


def _commit(root: Path) -> None:
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", "test")


def test_release_is_refused_until_all_is_ready(checkout: Path) -> None:
    """Each thing that is missing is one reason, with what to do; one after the other goes, until none is left."""
    (checkout / "new.txt").touch()
    assert [reason.split("(")[0].strip() for reason in refusals(checkout)] == [
        "1 files are changed or new",
        "pyproject.toml: url in [tool.revvlink.project] is empty",
        "pyproject.toml: contact in [tool.revvlink.project] is empty",
        "pyproject.toml: security_contact in [tool.revvlink.project] is empty",
        "CHANGELOG.md has no section 0.1.0",
        "the tests have not passed on this commit",
    ]

    prepare(checkout, "0.2.0", TODAY)
    (checkout / "pyproject.toml").write_text(PROJECT.format("https://example.org/a", "a@b", "c@d"), encoding="utf-8")
    _commit(checkout)
    assert [reason.split("(")[0].strip() for reason in refusals(checkout)] == [
        "the tests have not passed on this commit"
    ]

    (checkout / ".tested").write_text(git(checkout, "rev-parse", "HEAD") + "\n", encoding="utf-8")
    assert refusals(checkout) == []

    git(checkout, "tag", "v0.2.0")
    assert refusals(checkout) == ["the tag v0.2.0 exists"]


def test_changes_under_unreleased_are_no_part_of_a_release(checkout: Path) -> None:
    """A change that was listed after the version got its heading has no version: the release is refused."""
    prepare(checkout, "0.2.0", TODAY)
    path = checkout / "CHANGELOG.md"
    path.write_text(path.read_text("utf-8").replace("Unreleased\n", "Unreleased\n\n### Fixed\n\n- B.\n"), "utf-8")

    assert any("under Unreleased" in reason for reason in refusals(checkout))


def test_preparing_writes_the_version_and_the_heading(checkout: Path) -> None:
    """The version is in the package, the changes are below its heading, and an empty Unreleased stays."""
    prepare(checkout, "0.2.0", TODAY)

    assert version_of(checkout) == "0.2.0"
    assert (checkout / "CHANGELOG.md").read_text(encoding="utf-8") == (
        "# Changelog\n\n## Unreleased\n\n## 0.2.0 - 2026-11-29\n\n### Added\n\n- A thing.\n"
    )
    with pytest.raises(ReleaseError, match="no change under Unreleased"):
        prepare(checkout, "0.3.0", TODAY)
    with pytest.raises(ReleaseError, match=r"'0\.2' is not a version"):
        prepare(checkout, "0.2", TODAY)
    assert next_version("0.2.3") == "0.3.0"


def test_the_real_files_can_be_prepared(tmp_path: Path) -> None:
    """The version and the changelog of this project have the form that `prepare` reads."""
    (tmp_path / "revvlink_cli").mkdir()
    for name in ("CHANGELOG.md", "revvlink_cli/_version.py"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    if "## Unreleased\n\n### " not in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"):
        pytest.skip("this version is released")
    following = next_version(version_of(tmp_path))
    prepare(tmp_path, following, TODAY)

    assert version_of(tmp_path) == following


def test_export_has_the_commit_and_nothing_else(checkout: Path, tmp_path: Path) -> None:
    """Files that are new or changed since the commit are not part of a release."""
    (checkout / "new.txt").touch()
    (checkout / "CHANGELOG.md").write_text("changed", encoding="utf-8")
    export(checkout, tmp_path / "exported")

    names = {str(path.relative_to(tmp_path / "exported")) for path in (tmp_path / "exported").rglob("*.*")}
    assert names == {".gitignore", "CHANGELOG.md", "pyproject.toml", "revvlink_cli/_version.py"}
    assert "A thing" in (tmp_path / "exported" / "CHANGELOG.md").read_text(encoding="utf-8")


def test_checksums_and_differences(tmp_path: Path) -> None:
    """`sha256sum --check` accepts the sums; a file with other bytes, or only in one folder, differs."""
    first, second = tmp_path / "1", tmp_path / "2"
    for folder in (first, second):
        folder.mkdir()
        (folder / "a.whl").write_bytes(b"same")
    assert differing(first, second) == []
    (first / "b.tar.gz").write_bytes(b"one")
    assert differing(first, second) == ["b.tar.gz"]
    (second / "b.tar.gz").write_bytes(b"two")
    assert differing(first, second) == ["b.tar.gz"]

    write_checksums(first)
    sums = write_checksums(first)  # does not sum up itself
    assert sums.read_text(encoding="utf-8").splitlines()[0] == f"{hashlib.sha256(b'same').hexdigest()}  a.whl"
    done = subprocess.run(
        ["sha256sum", "--check", "SHA256SUMS"], cwd=first, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "a.whl: OK\nb.tar.gz: OK\n")
