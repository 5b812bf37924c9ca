"""`healthcheck` as container engines run it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.conftest import run_cli

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from revvlink_cli.simulator import Simulator


def test_healthcheck(config: Callable[..., Path], simulator: Simulator) -> None:
    """0 and 1, one short line, whatever is wrong; a busy node is healthy all the same."""
    path = str(config(check={"critical": {"cpu": "1%", "players": "0"}}))

    well = run_cli("healthcheck", "us-1", "--config", path)
    assert (well.code, well.out.startswith("healthy: us-1 ready in"), well.err) == (0, True, "")
    loaded = run_cli("healthcheck", "us-1", "--config", path, "--canary", "ytsearch:night")
    assert loaded.code == 0
    assert run_cli("healthcheck", "us-1", "--config", path, "--canary", "sim:fails").code == 1
    simulator["us-1"].stop()
    dead = run_cli("healthcheck", "us-1", "--config", path)
    assert (dead.code, dead.out.count("\n"), dead.err) == (1, 1, "")
    assert dead.out.startswith("unhealthy: us-1 reach: nothing listens")
    assert len(dead.out.encode()) < 4096
    assert run_cli("healthcheck", "eu-1", "--config", path, "-o", "json").rows["state"] == "healthy"


@pytest.mark.parametrize(
    ("arguments", "told"), [(["us-2"], "did you mean us-1"), ([], "name one of us-1"), (["--nonsense"], "--nonsense")]
)
def test_healthcheck_knows_two_exit_codes(config: Callable[..., Path], arguments: list[str], told: str) -> None:
    """A mistake is 1: container engines keep 2 for themselves."""
    ran = run_cli("healthcheck", *arguments, "--config", str(config()))

    assert (ran.code, told in ran.err) == (1, True)


def test_healthcheck_of_a_broken_configuration(isolated: Path) -> None:
    """However much is wrong with it, it is one short line."""
    (isolated / "x.toml").write_text("\n".join(f"key{number} = 1" for number in range(200)), encoding="utf-8")

    ran = run_cli("healthcheck", "--config", "x.toml")
    assert (ran.code, len(ran.err.splitlines())) == (1, 1)
    assert "more" in ran.err
    assert len(ran.err.encode()) < 4096


def test_healthcheck_of_the_environment(simulator: Simulator) -> None:
    """In a container two variables are a whole configuration."""
    ran = run_cli("healthcheck", REVVLINK_URI=simulator["us-1"].uri, REVVLINK_PASSWORD="pw")

    assert ran.code == 0
