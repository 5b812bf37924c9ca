"""Reads the command lines of each recipe the way the program it is for reads them."""

from __future__ import annotations

import json
import re
import shlex
from typing import Any

from tests.docs.recipes.recipe_host import DOCKERFILE, documents, read


def arguments(text: str) -> list[list[str]]:
    """The arguments of every revvlink in a shell's text."""
    lexer = shlex.shlex(text.replace("\\\n", " "), posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    lexer.commenters = ""
    found: list[list[str]] = []
    current: list[str] | None = None
    for token in lexer:
        if set(token) <= set("();<>|&"):
            if current and token[0] in "<>" and current[-1].isdigit():
                current.pop()  # the number of what is redirected
            current = None
        elif token.rpartition("/")[2] == "revvlink":
            current = []
            found.append(current)
        elif current is not None:
            current.append(token)
    return found


def cron() -> tuple[dict[str, str], list[str]]:
    """Variables and commands of the crontab, read as cron does: a % with no backslash before it ends the command."""
    variables: dict[str, str] = {}
    commands: list[str] = []
    for line in read("crontab").splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        if found := re.fullmatch(r"([A-Z_]+)=(.*)", line):
            variables[found[1]] = found[2]
            continue
        *when, command = line.split(None, 5)
        assert len(when) == 5
        assert not re.search(r"(?<!\\)%", command), command
        commands.append(command.replace(r"\%", "%"))
    return variables, commands


def unit(name: str) -> dict[str, list[str]]:
    """The keys of a unit's sections together, each with its values."""
    found: dict[str, list[str]] = {}
    for line in read(name).splitlines():
        if line and not line.startswith(("#", "[")):
            key, _, value = line.partition("=")
            found.setdefault(key, []).append(value)
    return found


def nagios() -> tuple[dict[str, str], list[dict[str, str]]]:
    """Commands by name, and services, of the Nagios file."""
    text = re.sub(r"\\\n\s*", "", read("nagios-commands.cfg"))
    commands: dict[str, str] = {}
    services: list[dict[str, str]] = []
    for kind, body in re.findall(r"^define (\w+) \{\n(.*?)^\}", text, flags=re.MULTILINE | re.DOTALL):
        keys = dict(line.split(None, 1) for line in body.strip().splitlines())
        if kind == "command":
            commands[keys["command_name"]] = keys["command_line"].strip()
        else:
            services.append(keys)
    return commands, services


def expanded(check_command: str, commands: dict[str, str]) -> str:
    """The command line of a service, its arguments put in as Nagios does."""
    name, *given = check_command.split("!")
    line = commands[name]
    for number in range(1, 33):
        line = line.replace(f"$ARG{number}$", given[number - 1] if number <= len(given) else "")
    assert "$" not in line, line
    return line


def docker() -> dict[str, str]:
    """The instructions of the Dockerfile's last stage by name; the options of the HEALTHCHECK under their own."""
    found: dict[str, str] = {}
    text = DOCKERFILE.read_text(encoding="utf-8").rpartition("\nFROM ")[2]
    for line in re.sub(r"\\\n\s*", "", re.sub(r"^#.*\n", "", f"FROM {text}", flags=re.MULTILINE)).splitlines():
        if line.strip():
            name, rest = line.split(None, 1)
            found[name] = rest
    options, _, command = found["HEALTHCHECK"].partition("CMD ")
    found["HEALTHCHECK"] = command
    return found | dict(option.split("=", 1) for option in options.split())


def steps() -> list[dict[str, Any]]:
    """Steps of the GitHub workflow that call revvlink."""
    (workflow,) = documents("github-actions.yml")
    return [step for step in workflow["jobs"]["check"]["steps"] if step.get("run", "").startswith("revvlink ")]


def script() -> list[str]:
    """Lines of the GitLab job that call revvlink."""
    (pipeline,) = documents("gitlab-ci.yml")
    return [line for line in pipeline["lavalink"]["script"] if line.startswith("revvlink ")]


def waiting() -> tuple[list[str], dict[str, str]]:
    """Command and environment of the service of compose.yaml that waits."""
    (compose,) = documents("compose.yaml")
    ready = compose["services"]["ready"]
    return [*json.loads(docker()["ENTRYPOINT"]), *ready["command"]], ready["environment"]


def container() -> dict[str, Any]:
    """The container of the Kubernetes deployment."""
    (found,) = documents("kubernetes.yaml")[1]["spec"]["template"]["spec"]["containers"]
    assert isinstance(found, dict)
    return found


def probes() -> dict[str, dict[str, Any]]:
    """The probes of the Kubernetes deployment, by name."""
    return {name: value for name, value in container().items() if name.endswith("Probe")}


def of_icinga() -> list[list[str]]:
    """The command of the Icinga file with every argument it may have."""
    text = read("icinga2.conf")
    command = re.findall(r'"([^"]+)"', re.findall(r"command = \[(.*)\]", text)[0])
    values = {"--timeout": "30s", "--min-healthy": "50%", "--warning": "cpu=80%", "--critical": "cpu=95%"}
    flags = [[flag, values.get(flag, "x")] for flag in re.findall(r'"(--[a-z-]+)" = ', text)]
    assert len(flags) == 7
    return [[*command[1:], *(word for flag in flags for word in flag)]]
