"""The recipes for systemd: systemd-analyze accepts the units, and their commands run with a unit's environment."""

from __future__ import annotations

import os
import shlex
import signal
import stat
import subprocess
import sys
import tempfile
import urllib.request
from dataclasses import replace
from pathlib import Path

import pytest

from tests.conftest import Ran
from tests.docs.recipes.read_recipes import unit
from tests.docs.recipes.recipe_host import BIN, ROOT, Host, program, read

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


def test_the_units_can_be_enabled_and_share_user_and_state() -> None:
    """`systemctl enable` needs an install section; two users of one state folder would take it from each other."""
    services = [unit(name) for name in UNITS if name.endswith(".service")]
    for key in ("User", "Group", "StateDirectory", "Environment"):
        assert services[0][key] == services[1][key], key
    assert not any("DynamicUser" in keys or "LoadCredential" in keys for keys in services)
    assert unit("revvlink-exporter.service")["WantedBy"] == ["multi-user.target"]
    assert unit("revvlink-check.timer")["WantedBy"] == ["timers.target"]
    assert unit("revvlink-exporter.service")["ExecReload"] == ["/bin/kill -HUP $MAINPID"]


def as_unit(host: Host, name: str) -> tuple[list[str], dict[str, str]]:
    """Program and environment of a service, with its state folder made."""
    keys = unit(name)
    for folder in keys["StateDirectory"]:
        Path(host.place(f"/var/lib/{folder}")).mkdir(exist_ok=True)
    env = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8", "HOME": "/proc"}  # where nobody can write
    for line in keys["Environment"]:
        key, _, value = line.partition("=")
        env[key] = host.place(value)
    return shlex.split(host.place(keys["ExecStart"][0])), env


def test_check_service_fails_when_a_node_is_down_and_alerts_discord_once(host: Host) -> None:
    """It needs only its configuration and its state folder, where it remembers the alerts that it sent."""
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
    assert len(list((host.root / "lib" / "revvlink").rglob("*.json"))) == 1

    host.fleet["eu-1"].start()
    for _ in range(2):  # the end is reported, like the begin, when two runs in a row have found it
        assert len(host.webhook.messages) == 1
        assert host.run(line, **env).code == 0
    assert "is OK again, after" in host.webhook.messages[1]


SERVICE, ANOTHER = 61_234, 61_235
"""Users, and the group of the first: that of the services, and one whose cron job checks the fleet."""


def program_for_others() -> tuple[list[str], dict[str, str]]:
    """A command line of revvlink that other users can run, and its environment; without one, the test is skipped."""
    packages = os.pathsep.join((str(ROOT), *(path for path in sys.path if path.endswith("site-packages"))))
    environment = {"PYTHONPATH": packages, "PYTHONDONTWRITEBYTECODE": "1"}
    for python in (sys.executable, "/usr/bin/python3"):
        line = [python, "-c", "import aiohttp, revvlink_cli"]
        try:
            done = subprocess.run(
                line, env=environment, cwd="/", user=ANOTHER, group=ANOTHER, extra_groups=[], check=False,
                capture_output=True,
            )  # fmt: skip
        except PermissionError:
            continue
        if done.returncode == 0:
            return [python, "-m", "revvlink_cli"], environment
    pytest.skip("other users cannot run this Python")


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() != 0, reason="only root can run programs as other users")
def test_root_the_service_and_another_user_see_the_same_silences(host: Host) -> None:
    """Root adds a silence; the exporter and a cron job of a user in its group honour it, without a reload."""
    program_line, more = program_for_others()
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        machine = replace(host, root=Path(folder))
        line, env = as_unit(machine, "revvlink-exporter.service")
        line = [*program_line, *(word.replace("127.0.0.1:9870", "127.0.0.1:0") for word in line[1:]), "--page"]
        env |= more
        for path in (machine.etc, *machine.etc.iterdir()):  # as the units say: chgrp, then g+rX,o=
            os.chown(path, 0, SERVICE)
            path.chmod(0o750 if path.is_dir() else 0o640)
        state = machine.root / "lib" / "revvlink"
        os.chown(state, SERVICE, SERVICE)
        state.chmod(0o755)
        host.fleet["eu-1"].kill()

        def as_another(*arguments: str) -> subprocess.CompletedProcess[str]:
            return subprocess.run(
                [*program_line, *arguments], env={**env, "XDG_STATE_HOME": "/proc"}, cwd="/", timeout=60, check=False,
                capture_output=True, text=True, user=ANOTHER, group=ANOTHER, extra_groups=[SERVICE],
            )  # fmt: skip

        with subprocess.Popen(
            line, env=env, cwd="/", stdout=subprocess.PIPE, text=True, user=SERVICE, group=SERVICE, extra_groups=[],
            umask=0o077,
        ) as running:  # fmt: skip
            try:
                assert running.stdout is not None
                url = running.stdout.readline().split()[0]
                added = host.run(
                    [*program_line, "silence", "add", "eu-1", "--for", "1h", "--reason", "new disk"], **env
                )
                assert added.code == 0, added.err
                file = machine.etc / "revvlink.silences.json"
                assert (file.stat().st_gid, stat.S_IMODE(file.stat().st_mode)) == (SERVICE, 0o640)
                with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(f"{url}/metrics") as answer:
                    metrics = answer.read().decode().splitlines()
                assert 'revvlink_node_silenced{node="eu-1"} 1' in metrics
                checked = as_another("check")
                assert checked.returncode == 0, checked
                assert checked.stdout.startswith("OK: 2 of 3 nodes healthy, 1 silenced; eu-1 reach: nothing listens")
                assert checked.stderr == ""
                assert as_another("config", "validate").returncode == 0
                refused = as_another("silence", "remove", "eu-1")
                assert (refused.returncode, refused.stderr.count("\n")) == (2, 1), refused
            finally:
                running.send_signal(signal.SIGTERM)
            assert running.wait(20) == 0
        (history,) = state.rglob("history/*.sqlite3")
        assert history.stat().st_uid == SERVICE


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
