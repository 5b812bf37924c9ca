"""Tries an installed revvlink as a new user does: ``python -m release.try_program VERSION COMMAND...``.

It runs what a package may lose: modules that are loaded when they are used, data files, and compiled modules (msgspec,
aiohttp, bcrypt).
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path

HASH = "$2b$06$Fgal77zsrJIDaMnz7rr4o..GhCcQHW1Cn0/YC1WgEhVrlwi2XT2Mq"
"""The bcrypt hash of the word "tried"."""
ENVIRONMENT = {**os.environ, "REVVLINK_URI": "http://127.0.0.1:9", "REVVLINK_PASSWORD": "tried"}
"""One node, which is not there: the exporter serves all the same."""


def try_program(version: str, program: list[str]) -> None:
    """Run the program.

    Raises:
        AssertionError: It does not do what it should.
    """
    program = [str(Path(word).absolute()) if Path(word).exists() else word for word in program]  # it runs elsewhere
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)

        def run(*arguments: str) -> str:
            return subprocess.run(
                [*program, *arguments], check=True, cwd=folder, stdout=subprocess.PIPE, encoding="utf-8"
            ).stdout

        _expect(run("--version"), f"revvlink {version}\n")
        _expect(run("region", "us-east1.discord.gg:443", "-o", "plain"), "us\n")
        _expect("OK: 1 of 1 node healthy" in run("demo"), expected=True)
        status = json.loads(run("demo", "--", "nodes", "status", "--output", "json"))
        _expect((status["status"], len(status["data"])), ("ok", 5))
        _expect("$schema" in json.loads(run("config", "schema")), expected=True)
        _expect("complete -F" in run("completion", "bash"), expected=True)
        _expect("revvlink nodes status" in run("help", "nodes", "status"), expected=True)
        _try_exporter(program, folder)


def _try_exporter(program: list[str], folder: Path) -> None:
    """Start the exporter with a password, and ask it for metrics."""
    (folder / "web.yml").write_text(f"basic_auth_users:\n  tried: {HASH}\n", encoding="utf-8")
    line = [*program, "exporter", "--listen", "127.0.0.1:0", "--web.config.file", "web.yml", "-o", "plain"]
    with subprocess.Popen(line, cwd=folder, env=ENVIRONMENT, stdout=subprocess.PIPE, encoding="utf-8") as exporter:
        try:
            url = (exporter.stdout or sys.stdin).readline().split("\t")[0]
            request = urllib.request.Request(f"{url}/metrics")  # noqa: S310 - an address that the exporter printed
            request.add_header("Authorization", f"Basic {base64.b64encode(b'tried:tried').decode()}")
            with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - as above
                _expect(b'revvlink_node_up{node="127.0.0.1:9"} 0' in answer.read(), expected=True)
        finally:
            exporter.terminate()


def _expect(found: object, expected: object) -> None:
    if found != expected:
        raise AssertionError(f"expected {expected!r}, found {found!r}")


if __name__ == "__main__":
    try_program(sys.argv[1], sys.argv[2:])
    print(f"{' '.join(sys.argv[2:])}: version {sys.argv[1]} works")
