"""Makes a release of the commit that is checked out, up to the upload.

    python -m release.make_release prepare VERSION    writes the version and the changelog's heading
    python -m release.make_release [--dry-run]        builds all files into dist/, and sets the tag

A dry run sets no tag, and warns where a release refuses. It releases the next minor version of what is in the
changelog under "Unreleased".
"""

from __future__ import annotations

import argparse
import datetime as dt
import hashlib
import json
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
from pathlib import Path

from release import pyz

ROOT = Path(__file__).resolve().parents[1]
PROGRAMS = Path(sys.executable).parent

VERSION_FILE = Path("revvlink_cli", "_version.py")
TESTED = ".tested"
"""`.ci/run` writes the commit into this file when everything has passed."""
UNRELEASED = "## Unreleased\n"
REPRODUCED = ("*.tar.gz", "*.whl")


class ReleaseError(Exception):
    """The release cannot be made; the message says why, and what to do."""


def version_of(root: Path) -> str:
    """The version that a checkout has."""
    found = re.search(r'^__version__ = "(.+)"$', (root / VERSION_FILE).read_text(encoding="utf-8"), re.MULTILINE)
    if found is None:
        raise ReleaseError(f"{VERSION_FILE} has no version")
    return found[1]


def next_version(version: str) -> str:
    """The next minor version."""
    major, minor, _ = version.split(".")
    return f"{major}.{int(minor) + 1}.0"


def prepare(root: Path, version: str, today: dt.date) -> None:
    """Write the version into a checkout, and its heading into the changelog.

    Raises:
        ReleaseError: The version is none, or the changelog has nothing for it.
    """
    if not re.fullmatch(r"\d+\.\d+\.\d+", version):
        raise ReleaseError(f"{version!r} is not a version (write it like 0.2.0)")
    path = root / "CHANGELOG.md"
    text = path.read_text(encoding="utf-8")
    if not re.search(rf"^{UNRELEASED}\n+### ", text, re.MULTILINE):
        raise ReleaseError("CHANGELOG.md has no change under Unreleased")
    heading = f"{UNRELEASED}\n## {version} - {today.isoformat()}\n"
    path.write_text(text.replace(UNRELEASED, heading, 1), encoding="utf-8")
    source = root / VERSION_FILE
    text = source.read_text(encoding="utf-8").replace(f'"{version_of(root)}"', f'"{version}"')
    source.write_text(text, encoding="utf-8")


def refusals(root: Path) -> list[str]:
    """Why a checkout must not be released; empty when nothing is in the way."""
    version = version_of(root)
    found = []
    if not is_repository(root):
        found.append("this folder is not a git repository (release from a clone)")
    elif changed := git(root, "status", "--porcelain"):
        found.append(f"{len(changed.splitlines())} files are changed or new (commit them)")
    settings = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    project = settings["tool"]["revvlink"]["project"]
    found += [
        f"pyproject.toml: {key} in [tool.revvlink.project] is empty" for key, value in project.items() if not value
    ]
    changelog = (root / "CHANGELOG.md").read_text(encoding="utf-8")
    if not re.search(rf"^## {re.escape(version)} - \d{{4}}-\d\d-\d\d$", changelog, re.MULTILINE):
        following = next_version(version)
        found.append(f"CHANGELOG.md has no section {version} (run `make prepare-release VERSION={following}`)")
    elif re.search(rf"^{UNRELEASED}\n+### ", changelog, re.MULTILINE):
        found.append("CHANGELOG.md has changes under Unreleased (move them to the version)")
    if is_repository(root):
        if git(root, "tag", "--list", f"v{version}"):
            found.append(f"the tag v{version} exists")
        tested = root / TESTED
        if not tested.exists() or tested.read_text(encoding="utf-8").strip() != git(root, "rev-parse", "HEAD"):
            found.append("the tests have not passed on this commit (run `bash .ci/run`)")
    return found


def is_repository(root: Path) -> bool:
    """Whether git knows the folder as the top of a repository with a commit."""
    line = ["git", "-C", str(root), "rev-parse", "--verify", "--quiet", "HEAD"]
    return (root / ".git").exists() and subprocess.run(line, check=False, capture_output=True).returncode == 0


def git(root: Path, *arguments: str) -> str:
    """What git prints, without the end of its last line."""
    done = subprocess.run(["git", "-C", root, *arguments], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def export(root: Path, folder: Path) -> None:
    """Write the files of the commit that is checked out to a folder, without any other file.

    Where there is no commit, as in an unpacked source distribution, it writes the files of a source distribution.
    """
    if is_repository(root):
        archive = folder.with_suffix(".tar")
        git(root, "archive", "--output", str(archive), "HEAD")
        _unpack(archive, folder)
        return
    with tempfile.TemporaryDirectory() as name:
        _run("python", "-m", "build", "--no-isolation", "--sdist", "--outdir", name, root)
        _unpack(next(Path(name).glob("*.tar.gz")), Path(name) / "unpacked")
        next((Path(name) / "unpacked").iterdir()).rename(folder)
    (folder / "PKG-INFO").unlink()  # the build would take the version from it, instead of from the package


def _unpack(archive: Path, folder: Path) -> None:
    with tarfile.open(archive) as files:
        files.extractall(folder, filter="data")


def build(source: Path, folder: Path) -> None:
    """Build the source distribution, and the wheel from it."""
    _run("python", "-m", "build", "--no-isolation", "--outdir", folder, source)


def differing(first: Path, second: Path) -> list[str]:
    """Names of source distributions and wheels that are not the same in two folders."""
    names = {path.name for folder in (first, second) for kind in REPRODUCED for path in folder.glob(kind)}
    return sorted(name for name in names if _digest(first / name) != _digest(second / name))


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else ""


def write_checksums(folder: Path) -> Path:
    """Write SHA256SUMS of all files of a folder, as `sha256sum --check` reads it."""
    sums = folder / "SHA256SUMS"
    sums.unlink(missing_ok=True)
    files = sorted(path for path in folder.iterdir() if path.is_file())
    sums.write_text("".join(f"{_digest(path)}  {path.name}\n" for path in files), encoding="utf-8")
    return sums


def make_files(root: Path, folder: Path, *, prepares: bool) -> str:
    """Build and check all files of a release.

    Args:
        root: The checkout.
        folder: What gets the files; its former files are removed.
        prepares: Whether the changelog gets its heading first, for a dry run.

    Returns:
        The version.

    Raises:
        ReleaseError: A second build has other bytes, or the program has another version.
    """
    shutil.rmtree(folder, ignore_errors=True)
    with tempfile.TemporaryDirectory() as name:
        source, again = Path(name) / "source", Path(name) / "again"
        export(root, source)
        if prepares:
            prepare(source, next_version(version_of(source)), dt.datetime.now(dt.UTC).date())
        version = version_of(source)

        _say("source distribution and wheel, built twice")
        build(source, folder)
        _unpack(next(folder.glob("*.tar.gz")), again)
        build(next(again.iterdir()), again / "dist")
        if changed := differing(folder, again / "dist"):
            raise ReleaseError(f"a second build, from the source distribution, has other bytes: {', '.join(changed)}")

        _say("checks of the metadata and the wheel")
        wheel = next(folder.glob("*.whl"))
        _run("validate-pyproject", source / "pyproject.toml")
        _run("twine", "--no-color", "check", "--strict", *folder.iterdir())
        _run("check-wheel-contents", wheel)

        _say("libraries of an environment with the wheel")
        environment = Path(name) / "environment"
        _run("uv", "venv", "--quiet", "--python", sys.executable, environment)
        _run("uv", "pip", "install", "--quiet", "--python", environment, f"{wheel}[{pyz.EXTRAS}]")
        printed = subprocess.run(
            [environment / "bin" / "revvlink", "--version"], check=True, capture_output=True, text=True
        ).stdout
        if printed != f"revvlink {version}\n":
            raise ReleaseError(f"the version is {version}, but the program prints {printed!r}")
        sbom = folder / f"revvlink-{version}.cdx.json"
        _run(
            *("cyclonedx-py", "environment", "--output-reproducible", "--output-format", "JSON"),
            *("--pyproject", source / "pyproject.toml", "--output-file", sbom, environment),
        )
        _name_version(sbom, version)
    _say("the single file")
    pyz.build(wheel, folder)
    write_checksums(folder)
    return version


def _name_version(sbom: Path, version: str) -> None:
    """Add the version to the product of an SBOM: cyclonedx does not know the version of a project that computes it."""
    content = json.loads(sbom.read_text(encoding="utf-8"))
    product = content["metadata"]["component"]
    product |= {"version": version, "purl": f"pkg:pypi/{product['name']}@{version}"}
    sbom.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def _run(program: str, *arguments: str | Path) -> None:
    """Run a program of this environment; its output is shown when it fails."""
    done = subprocess.run(
        [PROGRAMS / program, *arguments], check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    if done.returncode:
        raise ReleaseError(f"{program} failed:\n{done.stdout}")


def _say(what: str) -> None:
    print(f"-- {what}", flush=True)


def release(root: Path, *, is_dry: bool) -> None:
    """Make the release.

    Raises:
        ReleaseError: Something is in the way; nothing is built then.
    """
    found = refusals(root)
    if found and not is_dry:
        raise ReleaseError("\n".join(["no release is made:", *(f"- {reason}" for reason in found)]))
    for reason in found:
        print(f"warning: a release would be refused: {reason}")
    folder = root / "dist"
    is_unreleased = any("has no section" in reason for reason in found)
    version = make_files(root, folder, prepares=is_dry and is_unreleased)
    print((folder / "SHA256SUMS").read_text(encoding="utf-8"), end="")
    if is_dry:
        print(f"dry run: revvlink {version} is in dist/, and no tag was set")
        return
    git(root, "tag", "--annotate", f"v{version}", "--message", f"revvlink {version}")
    print(
        f"revvlink {version} is in dist/, and the tag v{version} is set in this checkout. Nothing was uploaded.\n"
        f"Next: git push origin HEAD v{version}    (.github/workflows/release.yml then builds and uploads it)\n"
        f"or:   twine upload dist/*.tar.gz dist/*.whl\n"
        f"To undo: git tag --delete v{version}"
    )


def main() -> int:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Make a release, up to the upload.")
    parser.add_argument("--dry-run", action="store_true", help="set no tag, and warn instead of refusing")
    commands = parser.add_subparsers(dest="command")
    preparing = commands.add_parser("prepare", help="write the version and the changelog's heading")
    preparing.add_argument("version")
    given = parser.parse_args()
    try:
        if given.command == "prepare":
            prepare(ROOT, given.version, dt.datetime.now(dt.UTC).date())
            print(f"Review the changes, and commit them: git commit --all --message 'Release {given.version}'")
            print("Then run `bash .ci/run`, and `make release`.")
        else:
            release(ROOT, is_dry=given.dry_run)
    except (ReleaseError, subprocess.CalledProcessError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
