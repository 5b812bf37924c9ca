"""An environment for each client, with the versions of ``clients.toml``; made once, then kept below ``.venv``."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.third_party.catalogue import HERE

if TYPE_CHECKING:
    from tests.third_party.catalogue import ThirdParty

SCRIPTS = HERE / "scripts"
KEPT = HERE.parents[1] / ".venv" / "clients"
"""Where environments are; `make clean` deletes them."""


def command(client: ThirdParty) -> list[str]:
    """What runs the client's script, in its environment; skips the test where that cannot be made."""
    ending = "py" if client.language == "python" else "mjs"
    return [program(client), str(SCRIPTS / f"try_{client.script}.{ending}")]


def program(client: ThirdParty) -> str:
    """Python in the client's environment, or node for it; skips the test where that cannot be made."""
    folder = KEPT / client.name
    folder.mkdir(parents=True, exist_ok=True)
    with (KEPT / f"{client.name}.lock").open("w") as lock:  # tests run side by side
        fcntl.flock(lock, fcntl.LOCK_EX)
        return _python(client, folder) if client.language == "python" else _node(client, folder)


def _python(client: ThirdParty, folder: Path) -> str:
    python = folder / "bin" / "python"
    if _is_new(client, folder):
        _install(client, _interpreter(client.python), "-m", "venv", "--clear", str(folder))
        _install(client, str(python), "-m", "pip", "install", "--quiet", *client.packages)
        _is_made(client, folder)
    return str(python)


def _node(client: ThirdParty, folder: Path) -> str:
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        pytest.skip("there is no node with npm here")
    if _is_new(client, folder):
        (folder / "package.json").write_text("{}", encoding="utf-8")
        quiet = ("--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error")
        _install(client, npm, "install", "--prefix", str(folder), *quiet, *client.packages)
        _is_made(client, folder)
    return node


def _is_new(client: ThirdParty, folder: Path) -> bool:
    made = folder / "made.json"
    return not made.is_file() or json.loads(made.read_text(encoding="utf-8")) != list(client.packages)


def _is_made(client: ThirdParty, folder: Path) -> None:
    (folder / "made.json").write_text(json.dumps(client.packages), encoding="utf-8")


def _install(client: ThirdParty, *words: str) -> None:
    """Run an installer; without the registry there is no environment, and so no test."""
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        pytest.skip(f"{client.packages[0]} cannot be installed here: {last}")


def _interpreter(lowest: str) -> str:
    """A Python of that version or newer."""
    major, minor = (int(part) for part in lowest.split("."))
    if sys.version_info >= (major, minor):
        return sys.executable
    root = Path(os.environ.get("PYENV_ROOT", Path("~").expanduser() / ".pyenv"))
    for newer in range(minor, minor + 4):
        names = [shutil.which(f"python{major}.{newer}"), *map(str, root.glob(f"versions/{major}.{newer}.*/bin/python"))]
        for name in filter(None, names):
            if subprocess.run([name, "--version"], capture_output=True, check=False).returncode == 0:
                return name
    pytest.skip(f"there is no Python {lowest} or newer here")
