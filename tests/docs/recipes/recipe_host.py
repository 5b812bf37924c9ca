"""A stand-in for the machine that recipes are for: its folders, its nodes, its programs and a webhook.

Tests of programs that are not installed are skipped. With REVVLINK_TEST_RECIPES they fail instead.
"""

from __future__ import annotations

import http.server
import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest

from tests.conftest import Ran

if TYPE_CHECKING:
    from revvlink_cli.simulator import Simulator

ROOT = Path(__file__).resolve().parents[3]
RECIPES = ROOT / "docs" / "recipes"
DOCKERFILE = ROOT / "Dockerfile"
GUIDE = ROOT / "docs" / "monitoring.md"
BIN = Path(sys.executable).parent
PATHS = f"{BIN}{os.pathsep}{os.environ.get('PATH', os.defpath)}{os.pathsep}/usr/sbin"
PASSWORD = "pw"
VERDICTS = ("OK", "WARNING", "CRITICAL", "UNKNOWN")


def program(name: str) -> str:
    """The path of a program; without it the test is skipped, or fails with REVVLINK_TEST_RECIPES."""
    found = shutil.which(name, path=PATHS)
    if found is None:
        message = f"{name} is not installed"
        if os.environ.get("REVVLINK_TEST_RECIPES"):
            pytest.fail(message)
        pytest.skip(message)
    return found


def read(name: str) -> str:
    """The text of a recipe."""
    return (RECIPES / name).read_text(encoding="utf-8")


def documents(name: str) -> list[Any]:
    """The documents of a YAML recipe."""
    try:
        from ruamel.yaml import YAML
    except ImportError:
        program("ruamel.yaml")
    return list(YAML(typ="safe", pure=True).load_all(read(name)))


class Webhook(http.server.ThreadingHTTPServer):
    """Takes messages as Discord does."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Taker)
        self.messages: list[str] = []

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/api/webhooks/1/secret"


class _Taker(http.server.BaseHTTPRequestHandler):
    server: Webhook

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        taken = json.loads(body)
        parts = [taken["content"], *(embed["description"] for embed in taken["embeds"])]
        self.server.messages.append("\n".join(parts))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Print nothing."""


@dataclass
class Host:
    """A machine with revvlink, a configuration in /etc/revvlink and three nodes; a folder stands for all of it."""

    root: Path
    fleet: Simulator
    webhook: Webhook
    env: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Lay the folders out."""
        self.etc = self.root / "etc"
        for folder in (self.etc, self.root / "lib" / "prometheus" / "node-exporter", self.root / "secrets"):
            folder.mkdir(parents=True)
        for name, text in (("us-1", PASSWORD), ("eu-1", PASSWORD), ("webhook", self.webhook.address)):
            self.secret(self.etc / name, text)
        self.secret(self.root / "secrets" / "lavalink_password", PASSWORD)
        self.configure(self.etc / "revvlink.toml", {"password_file": "us-1"}, discord={"webhook_file": "webhook"})
        self.env = {"PATH": PATHS, "HOME": str(self.root), "LANG": "C.UTF-8"}

    def secret(self, path: Path, text: str) -> None:
        """Write a file with a secret."""
        path.touch(mode=0o600)
        path.write_text(f"{text}\n", encoding="utf-8")

    def configure(self, path: Path, password: dict[str, str], **sections: Any) -> None:
        """Write a configuration of the three nodes."""
        import tomli_w

        nodes: list[dict[str, Any]] = [
            {"identifier": node.profile.identifier, "uri": node.uri, "region": node.profile.region, "tags": ["prod"]}
            | password
            for node in self.fleet
        ]
        path.write_text(tomli_w.dumps({**sections, "nodes": nodes}), encoding="utf-8")

    def place(self, text: str) -> str:
        """Text with the paths and addresses of this machine."""
        for path, here in (
            ("/usr/local/bin/revvlink", BIN / "revvlink"),
            ("/etc/revvlink", self.etc),
            ("/var/lib", self.root / "lib"),
            ("/run/secrets", self.root / "secrets"),
            ("http://lavalink:2333", self.fleet["us-1"].uri),
            ("http://127.0.0.1:2333", self.fleet["us-1"].uri),
        ):
            text = text.replace(path, str(here))
        return text

    def run(self, command: str | list[str], **environment: str) -> Ran:
        """Run a shell's line, or a program with its arguments; only the variables given are set."""
        line = ["sh", "-c", command] if isinstance(command, str) else command
        env = environment or self.env
        # Looked up by hand: subprocess would look for the program in the path of the tests.
        line = [shutil.which(line[0], path=env.get("PATH", os.defpath)) or line[0], *line[1:]]
        done = subprocess.run(
            line, capture_output=True, encoding="utf-8", timeout=60, env=env, cwd=self.root, check=False
        )
        assert "Traceback" not in done.stderr, done.stderr
        return Ran(done.returncode, done.stdout, done.stderr)


def seconds(text: str) -> float:
    """A time as Docker and revvlink write it."""
    number, unit_ = re.fullmatch(r"(\d+)(s|m)", text).groups()  # type: ignore[union-attr] # it is one
    return float(number) * {"s": 1, "m": 60}[unit_]


def validated(schema: str, name: str, *more: str) -> None:
    """Hold a recipe against the schema of the program it is for."""
    line = [program("check-jsonschema"), "--builtin-schema", schema, *more, str(RECIPES / name)]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def checkout(host: Host) -> None:
    """A configuration as the recipes for CI want it: in the repository, with the password in a variable."""
    host.configure(host.root / "revvlink.toml", {"password_env": "LAVALINK_PASSWORD"})


def report(host: Host) -> ET.Element:
    """The report that a job uploads."""
    return ET.parse(host.root / "revvlink.xml").getroot()
