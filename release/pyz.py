"""Builds one file that runs on each supported Python of this system: ``python -m release.pyz WHEEL FOLDER``.

Libraries with compiled modules have a file for each Python, named after it. So the folders of all Pythons fit into one,
and each Python loads its own. shiv makes a program of that folder; it unpacks itself once, at its first start.
"""

from __future__ import annotations

import filecmp
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
EXTRAS = "redis,jq,notify"
"""All of them: a single file cannot get one later."""

PREAMBLE = """\
import sys

if "%d.%d" % sys.version_info[:2] not in {pythons!r} or {platform!r} != __import__("sysconfig").get_platform():
    print("error: this file is for Python {listed} on {platform} (install the wheel instead)", file=sys.stderr)
    sys.exit(2)
"""
"""Runs before revvlink is imported: an unknown Python would fail with an import error of a library."""


def pythons() -> list[str]:
    """The Pythons that the package supports, by its classifiers."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    classifiers = tomllib.loads(text)["project"]["classifiers"]
    return re.findall(r"^Programming Language :: Python :: (3\.\d+)$", "\n".join(classifiers), re.MULTILINE)


def build(wheel: Path, folder: Path) -> Path:
    """Build the file into a folder.

    Raises:
        RuntimeError: The libraries for two Pythons are of different versions, so that they do not fit into one file.
    """
    version = wheel.name.split("-")[1]
    built = folder / f"revvlink-{version}-{sysconfig.get_platform()}.pyz"
    programs = Path(sys.executable).parent
    with tempfile.TemporaryDirectory() as name:
        site, preamble = Path(name) / "site", Path(name) / "preamble.py"
        for python in pythons():
            one = Path(name) / python
            subprocess.run(
                [
                    *(str(programs / "uv"), "pip", "install", "--quiet", "--target", str(one)),
                    *("--python", sys.executable, "--python-version", python, "--only-binary", ":all:"),
                    f"{wheel.resolve()}[{EXTRAS}]",
                ],
                check=True,
            )
            _merge(one, site)
        supported = pythons()
        preamble.write_text(
            PREAMBLE.format(pythons=supported, listed=", ".join(supported), platform=sysconfig.get_platform()),
            encoding="utf-8",
        )
        subprocess.run(
            [
                *(str(programs / "shiv"), "--site-packages", str(site), "--entry-point", "revvlink_cli.__main__:main"),
                *("--compressed", "--reproducible", "--preamble", str(preamble), "--output-file", str(built)),
            ],
            check=True,
        )
    return built


def _merge(source: Path, target: Path) -> None:
    """Add a folder of libraries to another."""
    for path in sorted(source.rglob("*")):
        place = target / path.relative_to(source)
        if path.is_dir() or path.parent == source / "bin" or path.name in (".lock", "direct_url.json", "RECORD"):
            continue  # programs and records name the folder, which is not there later
        if place.exists() and path.suffix == ".py" and not filecmp.cmp(path, place, shallow=False):
            raise RuntimeError(f"{path.relative_to(source)} differs between two Pythons")
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, place)


if __name__ == "__main__":
    print(build(Path(sys.argv[1]), Path(sys.argv[2])))
