"""The recipes, and what docs/monitoring.md shows: each is linted by the program it is for, and really run.

Programs that are not installed skip their tests, unless REVVLINK_TEST_RECIPES is set: then they fail.
"""

from __future__ import annotations

import grp
import http.server
import json
import os
import pwd
import re
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
import tomllib
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest

from revvlink_cli.simulator import NodeProfile, Simulator
from tests.conftest import Ran, run_cli

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).resolve().parents[2]
RECIPES = ROOT / "docs" / "recipes"
GUIDE = ROOT / "docs" / "monitoring.md"
BIN = Path(sys.executable).parent
PATHS = f"{BIN}{os.pathsep}{os.environ.get('PATH', os.defpath)}{os.pathsep}/usr/sbin"
PASSWORD = "pw"
VERDICTS = ("OK", "WARNING", "CRITICAL", "UNKNOWN")


def program(name: str) -> str:
    """Where a program is; without it there is no test."""
    found = shutil.which(name, path=PATHS)
    if found is None:
        told = f"{name} is not installed"
        if os.environ.get("REVVLINK_TEST_RECIPES"):
            pytest.fail(told)
        pytest.skip(told)
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
        self.server.messages.append(json.loads(body)["content"])
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Nobody wants to know."""


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


@pytest.fixture
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """A machine on which all is well."""
    profiles = [
        NodeProfile(identifier=name, region=name.partition("-")[0], password=PASSWORD, players=5, playing=3)
        for name in ("us-1", "eu-1", "asia-1")
    ]
    with Webhook() as webhook, Simulator(profiles) as fleet:
        serving = threading.Thread(target=webhook.serve_forever, kwargs={"poll_interval": 0.05})
        serving.start()
        try:
            yield Host(tmp_path_factory.mktemp("host"), fleet, webhook)
        finally:
            webhook.shutdown()
            serving.join()


# What is a command line, file by file.


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
    """The Dockerfile's instructions by name; the options of the HEALTHCHECK under their own."""
    found: dict[str, str] = {}
    for line in re.sub(r"\\\n\s*", "", re.sub(r"^#.*\n", "", read("Dockerfile"), flags=re.MULTILINE)).splitlines():
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
    assert len(flags) == 6
    return [[*command[1:], *(word for flag in flags for word in flag)]]


IN_RECIPE: dict[str, Callable[[], list[list[str]]]] = {
    "crontab": lambda: [found for line in cron()[1] for found in arguments(line)],
    "revvlink-check.service": lambda: arguments(unit("revvlink-check.service")["ExecStart"][0]),
    "revvlink-check.timer": list,
    "revvlink-exporter.service": lambda: arguments(unit("revvlink-exporter.service")["ExecStart"][0]),
    "nagios-commands.cfg": lambda: [arguments(expanded(s["check_command"], nagios()[0]))[0] for s in nagios()[1]],
    "icinga2.conf": of_icinga,
    "Dockerfile": lambda: [json.loads(docker()["HEALTHCHECK"])[1:], json.loads(docker()["CMD"])],
    "compose.yaml": lambda: [waiting()[0][1:]],
    "github-actions.yml": lambda: [found for step in steps() for found in arguments(step["run"])],
    "gitlab-ci.yml": lambda: [found for line in script() for found in arguments(line)],
    "kubernetes.yaml": lambda: [probe["exec"]["command"][1:] for probe in probes().values()],
}
"""Recipe -> the arguments of its command lines."""

HOW_MANY = {"crontab": 2, "nagios-commands.cfg": 3, "Dockerfile": 2, "kubernetes.yaml": 3, "revvlink-check.timer": 0}
"""Command lines that a recipe has; one where nothing is said."""


def test_every_recipe_is_tried_and_named_in_the_guide() -> None:
    """No file can be put beside the others without a test, nor without a link to it; no link leads nowhere."""
    there = {path.name for path in RECIPES.iterdir()}

    assert there == set(IN_RECIPE)
    assert set(re.findall(r"\]\(recipes/([^)]+)\)", GUIDE.read_text(encoding="utf-8"))) == there


@pytest.mark.parametrize("name", IN_RECIPE)
def test_command_lines_of_recipes_are_understood(name: str) -> None:
    """The real command line knows every command and option that a recipe has, also those in its comments."""
    found = IN_RECIPE[name]()
    assert len(found) == HOW_MANY.get(name, 1)

    for line in [*found, *map(shlex.split, re.findall(r"`revvlink ([^`]+)`", read(name)))]:
        ran = run_cli(*line, "--help")
        assert ran.code == 0, (line, ran.err)
        assert ran.out.startswith(f"Usage: revvlink {line[0]} "), line


@pytest.mark.parametrize("path", [GUIDE, *sorted(RECIPES.iterdir())], ids=lambda path: path.name)
def test_the_package_is_called_what_it_is_called(path: Path) -> None:
    """Whoever follows a recipe installs this package, and no other of a similar name."""
    name = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["name"]

    for installed in re.findall(r"pip install (?:--\S+ )*([\w.-]+)", path.read_text(encoding="utf-8")):
        assert installed == name


# The guide.


def blocks(language: str) -> list[str]:
    """The guide's blocks in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", GUIDE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def inline() -> list[str]:
    """What the guide writes between two backticks, outside of blocks."""
    text = re.sub(r"^```.*?^```", "", GUIDE.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    return re.findall(r"`([^`\n]+)`", text)


@pytest.mark.parametrize("block", blocks("console"), ids=lambda block: block.splitlines()[0].removeprefix("$ "))
def test_what_the_guide_shows_is_what_happens(block: str, host: Host) -> None:
    """Every command line of the guide ends as it should on a healthy fleet, and where output is shown, it is that.

    Where the output shown is a CRITICAL, eu-1 is down.
    """
    if "CRITICAL" in block:
        host.fleet["eu-1"].kill()
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        line, _, shown = part.partition("\n")
        ran = host.run(line, **host.env, REVVLINK_CONFIG=str(host.etc / "revvlink.toml"))

        verdict = shown.partition(":")[0]
        assert ran.code == (VERDICTS.index(verdict) if shown else 0), (line, ran)
        assert not re.search(r"^(error|warning):", ran.err, re.MULTILINE), ran.err
        if shown:
            assert re.sub(r":\d+", ":2334", ran.out) == shown


@pytest.mark.parametrize("block", blocks("toml"), ids=lambda block: block.splitlines()[0].partition(" ")[0])
def test_the_configurations_of_the_guide_are_right(block: str, host: Host) -> None:
    """Every piece of configuration in the guide is taken as it is."""
    path = host.etc / "guide.toml"
    node = '[[nodes]]\nidentifier = "n"\nuri = "http://127.0.0.1:1"\npassword_file = "us-1"\n'
    path.write_text(block if "[[nodes]]" in block else f"{block}\n{node}", encoding="utf-8")

    ran = run_cli("config", "validate", "--config", str(path))

    assert ran.code == 0, ran.err
    assert ran.err == ""


def test_commands_and_options_of_the_guides_text_are_there() -> None:
    """What is named in the middle of a sentence exists, too."""
    spans = inline()
    lines = [shlex.split(span)[1:] for span in spans if span.startswith("revvlink ")]
    helps = [run_cli(*line, "--help") for line in lines]
    known = {flag for ran in helps for flag in re.findall(r"(?<![\w-])-{1,2}[a-z][a-z-]*", ran.out)}
    flags = {flag for span in spans for flag in re.findall(r"(?<![\w-])-{1,2}[a-z][a-z-]*", span)}

    assert len(lines) > 5
    assert all(ran.code == 0 for ran in helps), [ran.err for ran in helps]
    assert {"--min-healthy", "--report", "-o", "-v"} <= flags <= known


def test_the_guide_is_easy_to_read() -> None:
    """Lines are short outside of tables, and the place for the catalogue of checks is there."""
    text = GUIDE.read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("|")]

    assert max(map(len, lines)) <= 120
    assert re.search(r"<!-- checks: generated, see docs/generate\.py -->\n.*?<!-- end -->", text, re.DOTALL)


# cron.


def test_cron_reads_the_crontab() -> None:
    """Debian's crontab finds nothing wrong with it."""
    done = subprocess.run(
        [program("crontab"), "-n", str(RECIPES / "crontab")], capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr


def as_cron(host: Host, command: str) -> Ran:
    """Run a line of the crontab as cron does, with the variables of the crontab and hardly any other."""
    variables, _ = cron()
    env = {"HOME": str(host.root), "LOGNAME": "root", **{key: host.place(value) for key, value in variables.items()}}
    env["PATH"] = f"{BIN}:{env['PATH']}"
    return host.run([env["SHELL"], "-c", host.place(command)], **env)


def test_cron_mails_what_is_wrong_and_nothing_else(host: Host) -> None:
    """The line is silent on a healthy fleet, and says which node is down on one that is not; a broken file, too."""
    _, (check, _) = cron()

    assert as_cron(host, check) == Ran(0, "", "")

    host.fleet["eu-1"].kill()
    ran = as_cron(host, check)
    assert ran.err == ""
    assert re.fullmatch(r"CRITICAL: 2 of 3 nodes healthy; eu-1 reach: nothing listens on [^\n]+\n", ran.out)

    (host.etc / "revvlink.toml").write_text("[nodes", encoding="utf-8")
    assert "revvlink.toml" in as_cron(host, check).out


def test_cron_writes_figures_for_node_exporter(host: Host) -> None:
    """The collector's file tells the verdict; the line is silent whatever it is, unless nothing could be checked."""
    _, (_, collect) = cron()
    path = host.root / "lib" / "prometheus" / "node-exporter" / "revvlink.prom"
    sample = re.compile(r'[a-z_]+(?:\{[a-z_]+="[^"]*"(?:,[a-z_]+="[^"]*")*\})? -?[0-9.e+-]+')

    assert as_cron(host, collect) == Ran(0, "", "")
    lines = path.read_text(encoding="utf-8").splitlines()
    assert "revvlink_check_verdict 0" in lines
    assert [line for line in lines if not line.startswith("# ") and not sample.fullmatch(line)] == []
    assert path.stat().st_mode & 0o777 == 0o644  # node exporter runs as somebody else

    host.fleet["eu-1"].kill()
    assert as_cron(host, collect) == Ran(0, "", "")
    assert "revvlink_check_verdict 2" in path.read_text(encoding="utf-8").splitlines()

    path.unlink()
    path.parent.rmdir()
    ran = as_cron(host, collect)
    assert (ran.code, ran.out) == (3, "")
    assert "revvlink.prom" in ran.err


# systemd.

UNITS = ("revvlink-check.service", "revvlink-check.timer", "revvlink-exporter.service")


def installed(host: Host) -> list[str]:
    """The units in a folder, with the program that is here."""
    folder = host.root / "units"
    folder.mkdir()
    for name in UNITS:
        text = read(name).replace("/usr/local/bin/revvlink", str(BIN / "revvlink"))
        (folder / name).write_text(text, encoding="utf-8")
    return [str(folder / name) for name in UNITS]


def test_systemd_takes_the_units(host: Host) -> None:
    """`systemd-analyze verify` has nothing to say about them, and the timer starts a unit that is there."""
    analyze = program("systemd-analyze")
    done = subprocess.run(
        [analyze, "verify", "--man=no", *installed(host)], capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_services_can_do_little(host: Host) -> None:
    """`systemd-analyze security` calls them safe: 10 is a service without any protection."""
    analyze = program("systemd-analyze")
    for path in installed(host):
        if path.endswith(".service"):
            line = [analyze, "security", "--offline=yes", "--threshold=25", "--no-pager", path]
            done = subprocess.run(line, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stdout + done.stderr


def as_unit(host: Host, name: str) -> tuple[list[str], dict[str, str]]:
    """Program and environment of a service: credentials copied, state folder made, specifiers put in."""
    keys = unit(name)
    credentials, state = host.root / "credentials", host.root / "state"
    credentials.mkdir(exist_ok=True)
    for folder in keys.get("StateDirectory", []):
        (state / folder).mkdir(parents=True, exist_ok=True)
    for entry in keys["LoadCredential"]:
        key, _, path = entry.partition(":")
        shutil.copyfile(host.place(path), credentials / key)
    env = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8", "HOME": "/proc"}  # where nobody can write
    for line in keys["Environment"]:
        key, _, value = line.partition("=")
        env[key] = value.replace("%d", str(credentials)).replace("%S", str(state))
    return shlex.split(host.place(keys["ExecStart"][0])), env


def test_the_check_service_fails_when_a_node_is_down_and_tells_discord_once(host: Host) -> None:
    """It needs nothing but its credentials and its state folder, in which it remembers what it told."""
    line, env = as_unit(host, "revvlink-check.service")

    assert host.run(line, **env) == Ran(0, "OK: 3 of 3 nodes healthy\n", "")
    assert host.webhook.messages == []

    host.fleet["eu-1"].kill()
    ran = host.run(line, **env)
    assert (ran.code, ran.err) == (2, "")
    assert ran.out.startswith("CRITICAL: 2 of 3 nodes healthy; eu-1 reach: ")
    assert host.run(line, **env).code == 2
    (told,) = host.webhook.messages
    assert "eu\\-1 reach" in told
    assert len(list((host.root / "state" / "revvlink").rglob("*.json"))) == 1

    host.fleet["eu-1"].start()
    assert host.run(line, **env).code == 0
    assert "is OK again, after" in host.webhook.messages[1]


def test_the_exporter_service_serves_and_ends_as_systemd_expects(host: Host) -> None:
    """It answers a scrape; what SIGTERM ends it with is a success, what a wrong configuration ends it with is final."""
    keys = unit("revvlink-exporter.service")
    line, env = as_unit(host, "revvlink-exporter.service")
    line = [word.replace("127.0.0.1:9870", "127.0.0.1:0") for word in line]

    with subprocess.Popen(line, env=env, cwd=host.root, stdout=subprocess.PIPE, text=True) as running:
        try:
            assert running.stdout is not None
            url, nodes = running.stdout.readline().split()
            with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(f"{url}/metrics") as answer:
                told = answer.read().decode()
        finally:
            running.send_signal(signal.SIGTERM)
        assert running.wait(20) == 0
    assert nodes == "3"
    assert "revvlink_fleet_nodes 3" in told.splitlines()

    Path(env["REVVLINK_CONFIG"]).write_text("[nodes", encoding="utf-8")
    assert [str(host.run(line, **env).code)] == keys["RestartPreventExitStatus"]


# Nagios and Icinga.

NUMBER = r"-?[0-9]+(?:\.[0-9]+)?"
RANGE = rf"@?(?:(?:~|{NUMBER}):(?:{NUMBER})?|{NUMBER})"
LIMITS = rf"(?:;(?P<warning>{RANGE})?(?:;(?P<critical>{RANGE})?(?:;(?:{NUMBER})?(?:;(?:{NUMBER})?)?)?)?)?"
DATUM = rf"'(?P<label>[^'=|\n]+)'=(?P<value>{NUMBER})(?P<unit>us|ms|s|%|[KMGT]?B|c)?{LIMITS}"
DATA = re.sub(r"\?P<\w+>", "?:", f"{DATUM}(?: {DATUM})*")
OUTPUT = re.compile(rf"(?P<verdict>{'|'.join(VERDICTS)}): [^|\n]+\n(?:[^|\n]+\n)*[^|\n]+?(?: \| (?P<data>{DATA}))?\n")
"""What a plugin may print. Source: Monitoring Plugins Development Guidelines, "Plugin Output for Nagios"."""


def performance(data: str) -> dict[str, re.Match[str]]:
    """Performance data by label; there is nothing else in it, and no label twice."""
    found = list(re.finditer(DATUM, data))
    assert " ".join(datum[0] for datum in found) == data.strip()
    assert len({datum["label"] for datum in found}) == len(found)
    return {datum["label"]: datum for datum in found}


def as_plugin(host: Host, service: dict[str, str]) -> tuple[str, dict[str, re.Match[str]]]:
    """Run the command of a service; its verdict and performance data, after a look at the form of the output."""
    ran = host.run(host.place(expanded(service["check_command"], nagios()[0])))
    output = OUTPUT.fullmatch(ran.out)
    assert output is not None, ran.out
    assert ran.err == ""
    assert len(ran.out.partition("\n")[0]) <= 80
    assert ran.code == VERDICTS.index(output["verdict"])
    return output["verdict"], performance(output["data"] or "")


def test_the_grammar_of_performance_data_is_strict() -> None:
    """What a graph would choke on does not pass: two bars, labels without quotes, exponents, a comma for a point."""
    assert OUTPUT.fullmatch("OK: fine\nall of it | 'a b'=1.5s;1:2;~:3;0;9 'c'=2%;@1:2;5:\n")
    for wrong in (
        "OK: fine\n",
        "OK: fine | 'a'=1\n",
        "OK: fine\nall | 'a'=1 | 'b'=2\n",
        "OK: fine\nall | a=1\n",
        "OK: fine\nall | 'a'=1e-5s\n",
        "OK: fine\nall | 'a'=1,5s\n",
        "OK: fine\nall | 'a'=nan\n",
        "OK: fine\nall | 'a'=1;:;\n",
        "OK: fine\nall | 'a'=1  'b'=2\n",
        "FINE: fine\nall | 'a'=1\n",
    ):
        assert not OUTPUT.fullmatch(wrong), wrong


def test_commands_of_nagios_on_a_healthy_fleet(host: Host) -> None:
    """Each service's command says OK; thresholds from its arguments stand in the performance data."""
    _, services = nagios()
    found = {service["service_description"]: as_plugin(host, service) for service in services}

    assert {verdict for verdict, _ in found.values()} == {"OK"}
    cpu, memory = (found["Lavalink us-1"][1][f"us-1 {name}"] for name in ("cpu_system_load", "memory_used"))
    assert (cpu["warning"], cpu["critical"]) == ("80", "95")
    assert (memory["warning"], memory["critical"]) == ("90", None)
    assert "asia-1 ready" in found["Lavalink fleet"][1]
    assert "us-1 cpu_system_load" not in found["Lavalink us-1 alive"][1]


def test_commands_of_nagios_when_something_is_wrong(host: Host) -> None:
    """The fleet bears the loss of one node with a WARNING, and of two not; thresholds count; mistakes are UNKNOWN."""
    _, services = nagios()
    fleet, node, alive = services

    host.fleet["us-1"].set_load(system_load=0.9)
    assert as_plugin(host, node)[0] == "WARNING"
    assert as_plugin(host, alive)[0] == "OK"

    host.fleet["us-1"].kill()
    assert [as_plugin(host, service)[0] for service in services] == ["WARNING", "CRITICAL", "CRITICAL"]
    host.fleet["eu-1"].kill()
    assert as_plugin(host, fleet)[0] == "CRITICAL"

    ran = host.run(host.place(expanded("check_revvlink_node!us-1!80%!50%", nagios()[0])))
    assert (ran.code, OUTPUT.fullmatch(ran.out) is not None) == (3, True)


NAGIOS_OBJECTS = """\
define command {
    command_name  nothing
    command_line  /bin/true
}
define timeperiod {
    timeperiod_name  always
    alias            always
    monday           00:00-24:00
}
define contact {
    contact_name                   nobody
    host_notification_commands     nothing
    host_notification_options      n
    host_notification_period       always
    service_notification_commands  nothing
    service_notification_options   n
    service_notification_period    always
}
define host {
    host_name            lavalink
    check_command        nothing
    check_period         always
    contacts             nobody
    max_check_attempts   1
    notification_period  always
}
define service {
    name                 generic-service
    register             0
    check_interval       60
    check_period         always
    contacts             nobody
    max_check_attempts   1
    notification_interval  60
    notification_period  always
    retry_interval       60
}
"""


def nagios_main(host: Host) -> Path:
    """A main configuration as small as Nagios takes it, around the recipe."""
    folder = host.root / "n"
    (folder / "results").mkdir(parents=True)
    (folder / "objects.cfg").write_text(NAGIOS_OBJECTS, encoding="utf-8")
    (folder / "recipe.cfg").write_text(host.place(read("nagios-commands.cfg")), encoding="utf-8")
    files = {
        "cfg_file": "objects.cfg",
        "check_result_path": "results",
        "command_file": "command",
        "lock_file": "lock",
        "log_file": "log",
        "object_cache_file": "cache",
        "query_socket": "query",
        "service_perfdata_file": "performance",
        "state_retention_file": "retention",
        "status_file": "status",
        "temp_file": "temporary",
    }
    settings = {
        "cfg_file ": folder / "recipe.cfg",
        "temp_path": folder,
        "check_external_commands": 1,
        "check_for_updates": 0,
        "execute_host_checks": 0,
        "illegal_macro_output_chars": "`~$&|'\"<>",
        "nagios_group": grp.getgrgid(os.getegid()).gr_name,
        "nagios_user": pwd.getpwuid(os.geteuid()).pw_name,
        "process_performance_data": 1,
        "service_perfdata_file_template": "$SERVICEDESC$\\t$SERVICESTATE$\\t$SERVICEOUTPUT$\\t$SERVICEPERFDATA$",
    }
    lines = [f"{key}={folder / name}" for key, name in files.items()]
    main = folder / "nagios.cfg"
    text = "\n".join([*lines, *(f"{key.strip()}={value}" for key, value in settings.items())])
    main.write_text(f"{text}\n", encoding="utf-8")
    return main


def test_nagios_takes_the_file(host: Host) -> None:
    """`nagios4 -v` finds neither an error nor a warning."""
    done = subprocess.run(
        [program("nagios4"), "-v", str(nagios_main(host))], capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stdout
    assert re.search(r"Total Warnings: 0\nTotal Errors: +0\n", done.stdout), done.stdout
    assert "Checked 3 services" in done.stdout


def collected(line: list[str], folder: Path, pattern: str, services: int, start: Callable[[], None]) -> dict[str, Any]:
    """Run a monitoring system until so many services are in the files it writes; their fields by name."""
    found: dict[str, Any] = {}
    with (folder / "output").open("w", encoding="utf-8") as output:
        running = subprocess.Popen(line, stdout=output, stderr=subprocess.STDOUT, cwd=folder)
        try:
            start()
            deadline = time.monotonic() + 40
            while len(found) < services and time.monotonic() < deadline:
                time.sleep(0.2)
                for path in folder.glob(pattern):
                    for entry in path.read_text(encoding="utf-8").splitlines():
                        name, *fields = entry.split("\t")
                        found[name] = fields
        finally:
            running.terminate()
            running.wait(20)
    assert len(found) == services, (found, (folder / "output").read_text(encoding="utf-8"))
    return found


def test_nagios_itself_runs_the_services(host: Host) -> None:
    """Nagios runs the commands, and has the state, the line and the performance data that were meant."""
    main = nagios_main(host)
    folder = main.parent
    host.fleet["eu-1"].kill()

    def start() -> None:
        deadline = time.monotonic() + 20
        while not (folder / "command").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        for service in nagios()[1]:
            now = int(time.time())
            order = f"[{now}] SCHEDULE_FORCED_SVC_CHECK;lavalink;{service['service_description']};{now}\n"
            with (folder / "command").open("w", encoding="utf-8") as pipe:
                pipe.write(order)

    found = collected([program("nagios4"), str(main)], folder, "performance", 3, start)

    assert {name: fields[0] for name, fields in found.items()} == {
        "Lavalink fleet": "WARNING",
        "Lavalink us-1": "OK",
        "Lavalink us-1 alive": "OK",
    }
    line = found["Lavalink fleet"][1]
    assert line.startswith("WARNING: 2 of 3 nodes healthy, eu-1 reach: nothing listens on ")
    assert found["Lavalink us-1"][1] == "OK: 1 of 1 node healthy"
    assert "us-1 players" in performance(found["Lavalink us-1"][2])


ICINGA_OBJECTS = """\
template Service "generic-service" {
  max_check_attempts = 1
  check_interval = 2s
  retry_interval = 2s
}
object CheckCommand "nothing" {
  command = [ "/bin/true" ]
}
object Host "lavalink" {
  check_command = "nothing"
  vars.revvlink_fleet = true
  vars.revvlink_nodes = [ "us-1", "eu-1" ]
}
object CheckerComponent "checker" { }
object PerfdataWriter "perfdata" {
  rotation_interval = 1s
  host_perfdata_path = "FOLDER/host"
  host_temp_path = "FOLDER/host-temporary"
  service_perfdata_path = "FOLDER/service"
  service_temp_path = "FOLDER/service-temporary"
  service_format_template = "$service.name$\\t$service.state_id$\\t$service.perfdata$"
}
"""


def icinga(host: Host) -> list[str]:
    """The command line of an Icinga that keeps to a folder."""
    folder = host.root / "i"
    (folder / "icinga2").mkdir(parents=True)
    (folder / "objects.conf").write_text(ICINGA_OBJECTS.replace("FOLDER", str(folder)), encoding="utf-8")
    (folder / "recipe.conf").write_text(host.place(read("icinga2.conf")), encoding="utf-8")
    constants = dict.fromkeys(("DataDir", "LogDir", "CacheDir", "SpoolDir", "InitRunDir"), str(folder)) | {
        "RunAsUser": pwd.getpwuid(os.geteuid()).pw_name,
        "RunAsGroup": grp.getgrgid(os.getegid()).gr_name,
    }
    line = [program("icinga2"), "daemon", "-c", str(folder / "objects.conf"), "-c", str(folder / "recipe.conf")]
    return [*line, *(f"-D{name}={value}" for name, value in constants.items())]


def test_icinga_takes_the_file(host: Host) -> None:
    """`icinga2 daemon -C` finds nothing wrong, and a service for the fleet and each node comes of it."""
    done = subprocess.run([*icinga(host), "-C"], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout
    assert not re.search(r"\b(warning|critical)/", done.stdout), done.stdout
    assert "Instantiated 3 Services" in done.stdout


def test_icinga_itself_runs_the_services(host: Host) -> None:
    """Icinga builds the command lines from the arguments, and has the states and thresholds that were meant."""
    host.fleet["eu-1"].kill()

    found = collected(icinga(host), host.root / "i", "service.*", 3, lambda: None)

    states = {name: int(fields[0]) for name, fields in found.items()}
    assert states == {"lavalink-fleet": 1, "lavalink-us-1": 0, "lavalink-eu-1": 2}
    data = performance(found["lavalink-us-1"][1])
    assert (data["us-1 cpu_system_load"]["warning"], data["us-1 cpu_system_load"]["critical"]) == ("80", "95")
    assert data["us-1 websocket_round_trip"]["critical"] == "2"


# Containers.


def seconds(text: str) -> float:
    """A time as Docker and revvlink write it."""
    number, unit_ = re.fullmatch(r"(\d+)(s|m)", text).groups()  # type: ignore[union-attr] # it is one
    return float(number) * {"s": 1, "m": 60}[unit_]


def test_the_dockerfile_is_a_good_one() -> None:
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


def validated(schema: str, name: str, *more: str) -> None:
    """Hold a recipe against the schema of the program it is for."""
    line = [program("check-jsonschema"), "--builtin-schema", schema, *more, str(RECIPES / name)]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_compose_takes_the_file() -> None:
    """It is as the specification of Compose has it; the bot waits for a wait that succeeded, and secrets exist."""
    validated("vendor.compose-spec", "compose.yaml")
    (compose,) = documents("compose.yaml")
    services = compose["services"]

    assert services["bot"]["depends_on"]["ready"]["condition"] == "service_completed_successfully"
    assert services["ready"]["restart"] == "no"
    assert services["ready"]["environment"]["REVVLINK_PASSWORD_FILE"] == (
        f"/run/secrets/{services['ready']['secrets'][0]}"
    )
    (secret,) = services["lavalink"]["secrets"]
    assert {secret["source"], *services["ready"]["secrets"], *services["bot"]["secrets"]} == set(compose["secrets"])


def test_the_bot_of_compose_is_started_when_lavalink_is_ready(host: Host) -> None:
    """The wait ends with 0 for a node that is started late, and with another code for a wrong password."""
    line, environment = waiting()
    env = {"PATH": PATHS} | {key: host.place(value) for key, value in environment.items()}
    host.fleet["us-1"].kill()
    late = threading.Timer(1.5, host.fleet["us-1"].start)
    late.start()
    begun = time.monotonic()
    try:
        ran = host.run(line, **env)
    finally:
        late.join()
    assert ran.code == 0, ran.err
    assert 1.4 < time.monotonic() - begun < 20

    host.secret(host.root / "secrets" / "lavalink_password", "wrong")
    assert host.run(line, **env).code == 4


def test_kubernetes_takes_the_file() -> None:
    """Its schemas know every field, and the password comes from the secret that is there."""
    line = [program("kubernetes-validate"), "--strict", str(RECIPES / "kubernetes.yaml")]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    secret, _ = documents("kubernetes.yaml")

    for entry in container()["env"]:
        if "valueFrom" in entry:
            named = entry["valueFrom"]["secretKeyRef"]
            assert named["name"] == secret["metadata"]["name"]
            assert named["key"] in secret["stringData"]


def test_the_probes_of_kubernetes(host: Host) -> None:
    """Each probe is 0 while the node is well, 1 when it is dead, and is over before Kubernetes gives up on it."""
    found = probes()
    env = {entry["name"]: host.place(entry.get("value", PASSWORD)) for entry in container()["env"]} | {"PATH": PATHS}
    assert set(found) == {"startupProbe", "readinessProbe", "livenessProbe"}

    for probe in found.values():
        command = probe["exec"]["command"]
        assert host.run(command, **env).code == 0
        assert 1 < seconds(command[command.index("--timeout") + 1]) < probe["timeoutSeconds"]
    host.fleet["us-1"].kill()
    for probe in found.values():
        assert host.run(probe["exec"]["command"], **env).code == 1


# CI.


def checkout(host: Host) -> None:
    """A configuration as the recipes for CI want it: in the repository, with the password in a variable."""
    host.configure(host.root / "revvlink.toml", {"password_env": "LAVALINK_PASSWORD"})


def report(host: Host) -> ET.Element:
    """The report that a job uploads."""
    return ET.parse(host.root / "revvlink.xml").getroot()


def test_github_takes_the_workflow() -> None:
    """It is as the schema of workflows has it, and the report is uploaded most of all when the check failed."""
    validated("vendor.github-workflows", "github-actions.yml")
    (workflow,) = documents("github-actions.yml")
    upload = workflow["jobs"]["check"]["steps"][-1]

    assert upload["if"] == "always()"
    assert f"junit={upload['with']['path']}" in steps()[0]["run"]


def test_the_step_of_the_workflow(host: Host) -> None:
    """It passes on a healthy fleet; a dead node is an error at the run, in the summary and in the report."""
    checkout(host)
    (step,) = steps()
    env = host.env | {"GITHUB_STEP_SUMMARY": str(host.root / "summary.md")}
    env |= {key: re.sub(r"\$\{\{ secrets\.\w+ \}\}", PASSWORD, value) for key, value in step["env"].items()}

    ran = host.run(step["run"], **env)
    assert ran == Ran(0, "::notice title=revvlink check::OK: 3 of 3 nodes healthy\n", "")
    assert report(host).get("failures") == "0"

    host.fleet["eu-1"].kill()
    ran = host.run(step["run"], **env)
    assert ran.code == 2
    assert "::error title=eu-1 reach CRITICAL::nothing listens on " in ran.out
    assert int(report(host).get("failures", "")) > 0
    assert "CRITICAL" in (host.root / "summary.md").read_text(encoding="utf-8")


def test_gitlab_takes_the_pipeline() -> None:
    """It is as the schema of pipelines has it, and the report is kept most of all when the check failed."""
    validated("vendor.gitlab-ci", "gitlab-ci.yml", "--data-transform", "gitlab-ci")
    (pipeline,) = documents("gitlab-ci.yml")
    artifacts = pipeline["lavalink"]["artifacts"]

    assert artifacts["when"] == "always"
    assert f"junit={artifacts['reports']['junit']}" in script()[0]


def test_the_script_of_the_pipeline(host: Host) -> None:
    """It passes on a healthy fleet, fails on a dead node, and a WARNING is the exit code that may fail."""
    checkout(host)
    (line,) = script()
    (pipeline,) = documents("gitlab-ci.yml")
    env = host.env | {"LAVALINK_PASSWORD": PASSWORD}

    assert host.run(line, **env) == Ran(0, "OK: 3 of 3 nodes healthy\n", "")
    assert report(host).get("failures") == "0"

    warned = host.run(f"{line} --warning cpu=1%", **env)
    assert warned.code == pipeline["lavalink"]["allow_failure"]["exit_codes"]

    host.fleet["eu-1"].kill()
    assert host.run(line, **env).code == 2
    failures = [failure.get("message", "") for failure in report(host).iter("failure")]
    assert any("nothing listens on" in message for message in failures), failures
