"""The recipe for Docker: hadolint accepts the Dockerfile, and its health check runs."""

from __future__ import annotations

import json
import re
import subprocess

from tests.docs.recipes.read_recipes import docker
from tests.docs.recipes.recipe_host import PATHS, RECIPES, Host, program, seconds


def test_hadolint_accepts_the_dockerfile() -> None:
    """Nothing is wrong with it but that hadolint would pin the version, and takes a path for a password."""
    line = [program("hadolint"), "--ignore", "DL3013", "--ignore", "DL3064", str(RECIPES / "Dockerfile")]
    done = subprocess.run(line, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout) == (0, "")


def test_the_health_check_of_the_dockerfile(host: Host) -> None:
    """0 and one line while the node is well, 1 and one line when it is dead; revvlink gives up before Docker does."""
    found = docker()
    command = json.loads(found["HEALTHCHECK"])
    env = {"PATH": PATHS} | dict(host.place(pair).split("=", 1) for pair in found["ENV"].split())

    ran = host.run(command, **env)
    assert (ran.code, ran.err) == (0, "")
    assert re.fullmatch(r"healthy: [^\n]+\n", ran.out)

    host.fleet["us-1"].kill()
    ran = host.run(command, **env)
    assert ran.code == 1
    assert re.fullmatch(r"unhealthy: [^\n]+\n", ran.out)
    assert seconds(command[command.index("--timeout") + 1]) < seconds(found["--timeout"])
