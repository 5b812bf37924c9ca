"""The recipes for systemd: systemd-analyze accepts the units, and their commands run with a unit's environment."""

from __future__ import annotations

import shlex
import shutil
import signal
import subprocess
import urllib.request
from pathlib import Path

from tests.conftest import Ran
from tests.docs.recipes.read_recipes import unit
from tests.docs.recipes.recipe_host import BIN, Host, program, read

UNITS = ("revvlink-check.service", "revvlink-check.timer", "revvlink-exporter.service")


def installed(host: Host) -> list[str]:
    """The units in a folder, with the program that is here."""
    folder = host.root / "units"
    folder.mkdir()
    for name in UNITS:
        text = read(name).replace("/usr/local/bin/revvlink", str(BIN / "revvlink"))
        (folder / name).write_text(text, encoding="utf-8")
    return [str(folder / name) for name in UNITS]


def test_systemd_accepts_the_units(host: Host) -> None:
    """`systemd-analyze verify` has nothing to say about them, and the timer starts a unit that is there."""
    analyze = program("systemd-analyze")
    done = subprocess.run(
        [analyze, "verify", "--man=no", *installed(host)], capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_systemd_rates_the_services_safe(host: Host) -> None:
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


def test_check_service_fails_when_a_node_is_down_and_alerts_discord_once(host: Host) -> None:
    """It needs only its credentials and its state folder, where it remembers the alerts that it sent."""
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
