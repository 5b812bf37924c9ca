"""The way to nodes that trust the environment: its proxies count, and its passwords do not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from revvlink_cli.simulator import NodeProfile, Simulator
from tests.conftest import run_cli

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture
def config(write_config: Callable[..., Path]) -> Iterator[Path]:
    """A configuration of a node that trusts the environment."""
    with Simulator([NodeProfile(identifier="n", password="pw")]) as simulator:
        yield write_config({"identifier": "n", "uri": simulator["n"].uri, "password": "pw", "trust_env": True})


@pytest.mark.parametrize("entry", ["machine 127.0.0.1 login me password mine", "default login me password mine", "{"])
def test_a_netrc_is_not_read(config: Path, isolated: Path, entry: str) -> None:
    """The node has a password of its own, and nobody else's is sent to it; a search works as well."""
    netrc = isolated / ".netrc"
    netrc.write_text(f"{entry}\n", encoding="utf-8")
    netrc.chmod(0o600)

    for command in (("nodes", "status"), ("search", "night", "--cache-mode", "bypass"), ("check",)):
        ran = run_cli("--config", str(config), *command)
        assert ran.code == 0, ran.err


@pytest.mark.parametrize(
    ("proxy", "told"),
    [
        ("http://127.0.0.1:1", "the proxy on the way to"),
        ("http://user:canary@127.0.0.1:1", "the proxy on the way to"),
        ("socks5://127.0.0.1:1", "HTTP_PROXY is not the address of an HTTP proxy"),
        ("https://127.0.0.1:1", "HTTP_PROXY is not the address of an HTTP proxy"),
        ("nonsense", "HTTP_PROXY is not the address of an HTTP proxy"),
        ("127.0.0.1:3128", "HTTP_PROXY is not the address of an HTTP proxy"),
        ("http://[", "HTTP_PROXY is not the address of an HTTP proxy"),
    ],
)
def test_a_proxy_of_the_environment(config: Path, proxy: str, told: str) -> None:
    """It is used, or refused in one line; NO_PROXY goes round it."""
    ran = run_cli("--config", str(config), "nodes", "status", "-o", "json", http_proxy=proxy)
    assert ran.code == 3
    (error,) = ran.json["errors"]
    assert error["code"] == "proxy_failed"
    assert told in error["message"]
    assert "canary" not in ran.out + ran.err

    assert run_cli("--config", str(config), "nodes", "status", http_proxy=proxy, no_proxy="127.0.0.1").code == 0
