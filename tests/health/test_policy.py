"""The values of a policy: names of checks, quorums and versions."""

from __future__ import annotations

import pytest

from revvlink_cli.health.catalogue import codes_of
from revvlink_cli.health.policy import read_codes, read_min_healthy, read_version


def test_names_of_checks() -> None:
    """A stage means all of its checks, a check itself alone; what is misspelt is told the nearest."""
    assert codes_of("figures") == ("stats", "cpu", "memory", "players", "frames", "uptime")
    assert (codes_of("stats"), codes_of("reach")) == (("stats",), ("reach",))
    assert read_codes(["fleet", "cpu"]) == {"quorum", "regions", "skew", "plugins", "imbalance", "cpu"}
    with pytest.raises(ValueError, match="did you mean memory"):
        read_codes(["memroy"])


@pytest.mark.parametrize("text", ["", "0", "-1", "101%", "0%", "half", "1.5", "5 %%", "\u0663"])
def test_quorums_that_are_none(text: str) -> None:
    """What is not a number of nodes and no share of them is refused."""
    with pytest.raises(ValueError, match="share"):
        read_min_healthy(text)


@pytest.mark.parametrize("text", ["", "4.", "4.x", "latest", "4..1", "-1", "\u0664.\u0661"])
def test_versions_that_are_none(text: str) -> None:
    """What is not a version is refused."""
    with pytest.raises(ValueError, match="not a version"):
        read_version(text)
