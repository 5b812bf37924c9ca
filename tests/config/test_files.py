"""Files that are written as a whole: their modes, their owners, and places where a file cannot be replaced."""

from __future__ import annotations

import os
import resource
import stat
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from revvlink_cli.config.files import replace_whole
from tests.conftest import run_cli

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
NOBODY = 65_534


NODES = '[[nodes]]\nidentifier = "n"\nuri = "http://127.0.0.1:1"\npassword = "x"\n'


@pytest.fixture
def shared() -> Iterator[Path]:
    """A folder that every user can reach."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o777)
        yield folder


def mode_of(path: Path) -> int:
    """Rights of a file."""
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def masked() -> Iterator[None]:
    """Of a user who shares nothing."""
    before = os.umask(0o077)
    yield
    os.umask(before)


@pytest.mark.usefixtures("masked")
@pytest.mark.parametrize("name", ["table.csv", "table.md", "table.html", "table.svg"])
def test_an_exported_table_keeps_the_mode_of_its_file(write_config: Callable[..., Path], name: str) -> None:
    """A file that only its owner can read stays so, and a new one follows the umask."""
    path = write_config({"identifier": "n", "uri": "http://127.0.0.1:1", "password": "x"})
    new, old = path.with_name(name), path.with_name(f"old-{name}")
    old.touch()
    old.chmod(0o640)

    for file in (new, old):
        assert run_cli("--config", str(path), "nodes", "list", "--export", str(file)).code == 0
        assert file.stat().st_size

    assert mode_of(new) == 0o600
    assert mode_of(old) == 0o640


@pytest.mark.usefixtures("masked")
def test_only_the_collectors_file_is_for_everybody(write_config: Callable[..., Path]) -> None:
    """A new report for Prometheus can be read by its collector; every other new report follows the umask."""
    path = write_config({"identifier": "n", "uri": "http://127.0.0.1:1", "password": "x"})
    kinds = {kind: path.with_name(f"report.{kind}") for kind in ("prometheus", "junit", "markdown", "json", "nagios")}
    kept = path.with_name("kept.prom")
    kept.touch(0o600)
    reports = [f"--report={kind}={file}" for kind, file in (*kinds.items(), ("prometheus", kept))]

    run_cli("--config", str(path), "check", *reports)

    assert {kind: mode_of(file) for kind, file in kinds.items()} == {
        kind: 0o644 if kind == "prometheus" else 0o600 for kind in kinds
    }
    assert mode_of(kept) == 0o600


@AS_ROOT
def test_roots_change_leaves_a_file_to_its_owner(tmp_path: Path) -> None:
    """`sudo revvlink nodes add` does not take the configuration away from the user whose it is."""
    path = tmp_path / "nodes.toml"
    path.write_text(NODES, encoding="utf-8")
    os.chown(path, NOBODY, NOBODY)
    path.chmod(0o640)

    ran = run_cli("--config", str(path), "nodes", "add", "m", "http://127.0.0.1:2", "--password-env", "HOME")

    assert ran.code == 0, ran.err
    assert (path.stat().st_uid, path.stat().st_gid, mode_of(path)) == (NOBODY, NOBODY, 0o640)


@AS_ROOT
def test_a_group_that_cannot_be_kept_gets_no_rights(shared: Path) -> None:
    """Who may not give a file to its group gives what was meant for that group to no other."""
    path = shared / "secret"
    path.write_text("old", encoding="utf-8")
    path.chmod(0o660)
    os.chown(path, NOBODY, 0)

    done = subprocess.run([sys.executable, "-c", WRITE, str(path), "new"], check=False)

    assert done.returncode == 0
    assert (path.read_text(encoding="utf-8"), mode_of(path)) == ("new", 0o600)


WRITE = f"""
import os, sys
from pathlib import Path
from revvlink_cli.config.files import replace_whole
os.setgroups([]); os.setgid({NOBODY}); os.setuid({NOBODY})
replace_whole(Path(sys.argv[1]), sys.argv[2])
"""


@AS_ROOT
def test_a_file_that_is_mounted_alone_is_written() -> None:
    """As containers mount them: the name cannot be given to another file, and what is in it can be changed."""
    script = f"""
        set -e
        folder=$(mktemp -d); cd "$folder"
        printf '[[nodes]]\\nidentifier = "a"\\nuri = "http://h"\\npassword = "x"\\n' > outside.toml
        chmod 640 outside.toml; touch revvlink.toml
        mount --bind outside.toml revvlink.toml
        mount -t tmpfs -o size=16k tmpfs "$(mktemp -d)"
        {sys.executable} -m revvlink_cli --config revvlink.toml nodes add b http://h --password-env HOME
        {sys.executable} -m revvlink_cli --config revvlink.toml nodes list --export revvlink.toml.csv
        grep -c identifier outside.toml; stat -c %a outside.toml; ls -A
    """
    done = subprocess.run(
        ["unshare", "-m", "bash", "-c", script], capture_output=True, text=True, check=False, timeout=120
    )
    if "unshare" in done.stderr or "mount:" in done.stderr:
        pytest.skip(done.stderr)

    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[-5:] == ["2", "640", "outside.toml", "revvlink.toml", "revvlink.toml.csv"]


@AS_ROOT
@pytest.mark.parametrize("limit", [None, 100])
def test_a_folder_that_takes_no_file(shared: Path, limit: int | None) -> None:
    """A file in it that may be written is; where there is no room for all of it, it stays as it was."""
    path = shared / "file"
    path.write_text("old" * 20, encoding="utf-8")
    path.chmod(0o666)
    shared.chmod(0o755)
    new = "new" * 100

    def limited() -> None:
        if limit is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    command = [sys.executable, "-c", WRITE, str(path), new]
    done = subprocess.run(command, preexec_fn=limited, capture_output=True, check=False)

    assert (done.returncode == 0) == (limit is None)
    assert path.read_text(encoding="utf-8") == (new if limit is None else "old" * 20)


def test_a_link_is_followed(tmp_path: Path) -> None:
    """What it leads to is replaced, and it stays a link."""
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_text("old", encoding="utf-8")
    link.symlink_to(target)

    replace_whole(link.resolve(), "new")

    assert link.is_symlink()
    assert target.read_text(encoding="utf-8") == "new"
    assert sorted(tmp_path.iterdir()) == [link, target]
