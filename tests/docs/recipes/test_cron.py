"""The recipe for cron: Debian's crontab accepts it, and its lines run as cron runs them."""

from __future__ import annotations

import re
import subprocess

from tests.conftest import Ran
from tests.docs.recipes.read_recipes import cron
from tests.docs.recipes.recipe_host import BIN, RECIPES, Host, program


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
    """The collector's file has the verdict; the line prints nothing, unless nothing could be checked."""
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
