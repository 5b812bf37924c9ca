"""The Dockerfile: hadolint accepts it, its build needs nothing that is left out, and its commands run."""

from __future__ import annotations

import json
import re
import subprocess
import tomllib

from tests.conftest import run_cli
from tests.docs.recipes.read_recipes import docker
from tests.docs.recipes.recipe_host import DOCKERFILE, PATHS, ROOT, Host, program, seconds


def test_hadolint_accepts_the_dockerfile() -> None:
    """Nothing is wrong with it, and it needs no exception."""
    line = [program("hadolint"), str(DOCKERFILE)]
    done = subprocess.run(line, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout) == (0, "")


def test_build_context_has_what_the_wheel_is_built_from() -> None:
    """Each path that the build of the wheel reads is let into the context, and exists."""
    kept = re.findall(r"^!(.+)$", (ROOT / ".dockerignore").read_text(encoding="utf-8"), re.MULTILINE)
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    wheel = settings["tool"]["hatch"]["build"]["targets"]["wheel"]
    hook = settings["tool"]["hatch"]["metadata"]["hooks"]["custom"]["path"]
    read = {*wheel["packages"], *wheel["shared-data"], *settings["project"]["license-files"], "README.md", hook}

    assert all((ROOT / path).exists() for path in kept)
    assert {path.split("/")[0] for path in read} | {"pyproject.toml"} == set(kept)


def test_the_commands_of_the_image(host: Host) -> None:
    """The container runs as another user than root, its commands exist, and the health check tells a dead node.

    The health check has exit code 0 and one line while the node is well, 1 and one line when it is dead. revvlink gives
    up before Docker does.
    """
    found = docker()
    command = json.loads(found["HEALTHCHECK"])
    env = {
        "PATH": PATHS,
        "REVVLINK_URI": host.place("http://lavalink:2333"),
        "REVVLINK_PASSWORD_FILE": host.place("/run/secrets/lavalink_password"),
    }
    assert found["USER"].split(":")[0].isdigit()
    assert int(found["USER"].split(":")[0]) > 0
    assert json.loads(found["ENTRYPOINT"]) == ["revvlink"]
    for line in (json.loads(found["CMD"]), command[1:]):
        assert run_cli(*line, "--help").code == 0

    ran = host.run(command, **env)
    assert (ran.code, ran.err) == (0, "")
    assert re.fullmatch(r"healthy: [^\n]+\n", ran.out)

    host.fleet["us-1"].kill()
    ran = host.run(command, **env)
    assert ran.code == 1
    assert re.fullmatch(r"unhealthy: [^\n]+\n", ran.out)
    assert seconds(command[command.index("--timeout") + 1]) < seconds(found["--timeout"])
