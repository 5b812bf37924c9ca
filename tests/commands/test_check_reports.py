"""The reports and the output of `check`: where they go, and when they cannot be written."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.commands.run_check import check
from tests.conftest import run_cli

if TYPE_CHECKING:
    from collections.abc import Callable

    from revvlink_cli.simulator import Simulator


def test_reports(config: Callable[..., Path], tmp_path: Path) -> None:
    """Several at once, each whole, readable by everybody, beside the usual output; what was there is replaced."""
    names = {kind: tmp_path / f"out.{kind}" for kind in ("junit", "prometheus", "nagios", "json", "markdown", "table")}
    names["junit"].write_text("old", encoding="utf-8")

    ran = check(config(), *(word for kind, path in names.items() for word in ("--report", f"{kind}={path}")))

    assert (ran.code, ran.out) == (0, "OK: 3 of 3 nodes healthy\n")
    assert names["junit"].read_text(encoding="utf-8").startswith("<?xml")
    assert json.loads(names["json"].read_text(encoding="utf-8"))["exit_code"] == 0
    assert "revvlink_node_up" in names["prometheus"].read_text(encoding="utf-8")
    assert {stat.S_IMODE(path.stat().st_mode) for path in names.values()} == {0o644}
    assert sorted(tmp_path.iterdir()) == sorted(names.values())


def test_a_report_that_cannot_be_written(config: Callable[..., Path], simulator: Simulator, tmp_path: Path) -> None:
    """It costs no verdict and no other report; alone it is UNKNOWN, and names flag, file and form."""
    gone, good = tmp_path / "gone" / "x.xml", tmp_path / "y.xml"
    path = config()

    ran = check(path, "--report", f"junit={gone}", "--report", f"junit={good}")

    assert (ran.code, ran.out) == (3, "OK: 3 of 3 nodes healthy\n")
    assert f"--report junit={gone}" in ran.err
    assert "FORMAT=FILE" in ran.err
    assert good.exists()
    assert check(path, "--report", f"junit={gone}", "--exit-zero").code == 3
    simulator["us-1"].stop()
    assert check(path, "--report", f"junit={gone}").code == 2


def test_a_full_disk(config: Callable[..., Path]) -> None:
    """A device that takes nothing is a report that cannot be written, too."""
    ran = check(config(), "--report", "prometheus=/dev/full")

    assert (ran.code, ran.out) == (3, "OK: 3 of 3 nodes healthy\n")
    assert "No space left" in ran.err


@pytest.mark.skipif(sys.platform == "win32", reason="there is no /dev/stdout")
def test_a_report_where_the_output_goes(config: Callable[..., Path], tmp_path: Path) -> None:
    """A pipe and a file behind /dev/stdout, /dev/stderr and other open files get both; readers may leave.

    Nothing that was there is lost, and no device is ever replaced by a file.
    """
    program = f'"{sys.executable}" -m revvlink_cli check --config "{config()}" --report'
    out = tmp_path / "o.txt"

    def shell(command: str) -> subprocess.CompletedProcess[str]:
        words = ["bash", "-o", "pipefail", "-c", command.replace("CHECK", program)]
        return subprocess.run(words, capture_output=True, text=True, check=False, cwd=tmp_path)

    piped = shell("CHECK junit=/dev/stdout | cat")
    assert (piped.returncode, piped.stderr) == (0, "")
    assert piped.stdout.startswith("OK: 3 of 3 nodes healthy\n<?xml")
    assert shell("CHECK junit=/dev/stdout | head -n 1").returncode == 0
    assert shell("CHECK junit=>(cat >o.txt); wait; sleep 0.2").stdout == "OK: 3 of 3 nodes healthy\n"
    assert out.read_text(encoding="utf-8").startswith("<?xml")
    for name, where in (("/dev/stdout", ">"), ("/dev/stderr", ">"), ("/dev/fd/7", "7>")):
        out.unlink()
        done = shell(f"echo before >o.txt; CHECK junit={name} >>o.txt 2>&1 7>&1")
        assert (done.returncode, done.stderr) == (0, ""), name
        assert out.read_text(encoding="utf-8").startswith("before\nOK: 3 of 3 nodes healthy\n<?xml"), name
        assert shell(f"CHECK junit={name} {where}o.txt 2>&1").returncode == 0
        assert "<?xml" in out.read_text(encoding="utf-8"), name
    assert sorted(tmp_path.iterdir()) == [out]
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder:
        for _ in range(2):
            assert shell(f"CHECK junit={folder}/x.xml").returncode == 0
        assert Path(folder, "x.xml").read_text("utf-8").count("<?xml") == 1, "a file like any other is replaced"
    assert Path("/dev/null").is_char_device()


def test_output_that_cannot_be_written(config: Callable[..., Path], simulator: Simulator, tmp_path: Path) -> None:
    """A full disk under stdout, or a table that cannot be exported, cost neither verdict nor reports."""
    path, good = config(), tmp_path / "good.json"
    simulator["us-1"].stop()
    command = f'"{sys.executable}" -m revvlink_cli check --config "{path}" --report "json={good}"'

    full = subprocess.run(["sh", "-c", f"{command} > /dev/full"], capture_output=True, text=True, check=False)
    assert (full.returncode, good.exists()) == (2, True)
    assert "cannot write the output" in full.stderr
    good.unlink()
    ran = check(path, "--export", str(tmp_path / "gone" / "x.csv"), "--report", f"json={good}")
    assert (ran.code, good.exists()) == (2, True)
    simulator["us-1"].start()
    assert check(path, "--export", str(tmp_path / "gone" / "x.csv")).code == 3
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    looping = check(path, "--report", f"json={tmp_path / 'a'}", "--report", f"markdown={tmp_path / 'c.md'}")
    assert (looping.code, (tmp_path / "c.md").exists()) == (3, True)


def test_formats_are_for_check_alone(config: Callable[..., Path]) -> None:
    """Other commands say so, and root options count for check too."""
    path = str(config())

    other = run_cli("nodes", "status", "--config", path, "-o", "nagios")
    assert (other.code, "nagios" in other.err) == (2, True)
    before = run_cli("-o", "nagios", "nodes", "list", "--config", path)
    assert (before.code, "`check` has it" in before.err) == (2, True)
    assert run_cli("-o", "nagios", "check", "--config", path).out.startswith("OK: ")
    assert run_cli("check", "--config", path, REVVLINK_OUTPUT="nagios").out.startswith("OK: ")
