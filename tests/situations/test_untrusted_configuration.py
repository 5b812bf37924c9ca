"""A revvlink.toml in the working directory that takes the place of the user's or the site's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from revvlink_cli.simulator import NodeProfile, Simulator
from tests.conftest import run_cli

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

VERDICTS = [
    (("check",), 3),
    (("healthcheck",), 1),
    (("wait", "--timeout", "20"), 2),
    (("exporter", "--listen", "127.0.0.1:0"), 2),
]


@pytest.fixture
def here(isolated: Path) -> Iterator[Path]:
    """A stranger's configuration in the working directory, of a healthy node."""
    with Simulator([NodeProfile(identifier="stranger", password="pw")]) as simulator:
        path = isolated / "revvlink.toml"
        uri = simulator["stranger"].uri
        path.write_text(f'[[nodes]]\nidentifier = "stranger"\nuri = "{uri}"\npassword = "pw"\n', encoding="utf-8")
        yield path


@pytest.fixture(params=["config", "site"])
def own(isolated: Path, request: pytest.FixtureRequest) -> Path:
    """The configuration of the user, or of the site, of a node that is down."""
    folder: str = request.param
    path = isolated / folder / "revvlink" / "revvlink.toml"
    path.parent.mkdir(parents=True)
    path.write_text('[[nodes]]\nidentifier = "mine"\nuri = "http://127.0.0.1:1"\npassword = "pw"\n', encoding="utf-8")
    return path


@pytest.mark.parametrize(("command", "code"), VERDICTS)
def test_no_verdict_on_a_strangers_nodes(here: Path, own: Path, command: tuple[str, ...], code: int) -> None:
    """Nothing that others act on is said of them; the one line names both files and what to do."""
    ran = run_cli(*command)

    assert ran.code == code
    assert not ran.out or "healthy" not in ran.out
    assert ran.err.count("\n") == 1
    assert f"{here}: is in this folder and is not trusted, so it does not replace {own}" in ran.err
    assert "--config or REVVLINK_CONFIG, or run `revvlink config trust`" in ran.err


@pytest.mark.parametrize("command", [("nodes", "list"), ("nodes", "status"), ("config", "path"), ("region", "us1.a")])
def test_every_other_command_says_which_it_took(here: Path, own: Path, command: tuple[str, ...]) -> None:
    """On stderr, whatever the format, and why; -q keeps it back."""
    for form in ("plain", "json"):
        ran = run_cli(*command, "-o", form)
        assert ran.code == 0
        assert ran.err.startswith(f"warning: using {here} of this folder (not trusted: review it, then run `revvlink")
        assert f"instead of {own}" in ran.err
    assert not run_cli("-q", *command).err


def test_one_that_is_meant_is_used(here: Path, own: Path) -> None:
    """Named by flag or variable, or trusted, it is as good as any; where it is trusted the others are still named."""
    assert run_cli("check", "--config", str(here)).code == 0
    assert run_cli("check", REVVLINK_CONFIG=str(here)).code == 0
    assert run_cli("check", "--config", str(own)).code == 2
    assert run_cli("config", "trust").code == 0
    ran = run_cli("check")
    assert ran.code == 0
    assert ran.err.startswith(f"warning: using {here} of this folder (trusted) instead of {own}")


def test_the_only_one_is_used(here: Path) -> None:
    """As in a repository that CI checks out: nothing is said, and nothing is refused."""
    for command, _ in VERDICTS[:3]:
        ran = run_cli(*command)
        assert ran.code == 0, ran.err
        assert "instead of" not in ran.err
    assert here.is_file()


def test_a_link_to_ones_own_is_ones_own(isolated: Path, own: Path) -> None:
    """Nothing takes the place of a file that is linked into the working directory."""
    (isolated / "revvlink.toml").symlink_to(own)

    assert "instead of" not in run_cli("nodes", "list").err
