"""The heartbeat: the form of each kind of service, which runs call it, and no harm when it fails."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import pytest

from revvlink_cli.services.alerting.heartbeat import heartbeat_address
from revvlink_cli.simulator import NodeProfile, Simulator
from tests.conftest import run_cli

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.services.alerting.alert_server import AlertServer


@pytest.mark.parametrize(
    ("address", "is_up", "called"),
    [
        ("https://hc-ping.com/uuid", True, "https://hc-ping.com/uuid"),
        ("https://hc-ping.com/uuid", False, "https://hc-ping.com/uuid/fail"),
        ("https://hc-ping.com/key/slug/?create=1", False, "https://hc-ping.com/key/slug/fail?create=1"),
        ("https://kuma/api/push/T", True, "https://kuma/api/push/T?status=up&msg=OK%3A+fine&ping=1500"),
        ("https://kuma/api/push/T?status=up&msg=OK&ping=", False,
         "https://kuma/api/push/T?status=down&msg=OK%3A+fine&ping=1500"),
    ],
)  # fmt: skip
def test_the_address_that_is_called(address: str, is_up: bool, called: str) -> None:
    """Healthchecks.io and its like get /fail, uptime-kuma its three parameters in place of those that it suggests."""
    assert heartbeat_address(address, is_up=is_up, text="OK: fine", took=1.5).address == called


def test_runs_call_it(server: AlertServer, write_config: Callable[..., Path]) -> None:
    """Runs on the whole fleet call it, with or without --notify; a failing service is a warning without its address."""
    with Simulator([NodeProfile(identifier=name, password="pw") for name in ("a", "b")]) as fleet:
        nodes = [{"identifier": node.profile.identifier, "uri": node.uri, "password": "pw"} for node in fleet]
        path = str(write_config(*nodes, alert={"heartbeat": server.address("/ping/canary-token")}))
        assert run_cli("check", "--config", path).err == ""
        run_cli("check", "--config", path, "a")
        run_cli("check", "--config", path, "--only", "reach")
        assert [(taken.method, taken.path) for taken in server.taken] == [("POST", "/ping/canary-token")]
        assert server.taken[0].body == "OK: 2 of 2 nodes healthy"

        fleet["a"].stop()
        server.answers = [404]
        ran = run_cli("check", "--config", path)
        assert server.taken[1].path == "/ping/canary-token/fail"
        assert ran.code == 2
        assert ran.err == (
            "warning: heartbeat not sent: the heartbeat's address answered 404, it no longer exists: "
            "check the address in alert.heartbeat\n"
        )

        path = str(write_config(*nodes, alert={"heartbeat": server.address("/api/push/canary-token?status=up")}))
        assert run_cli("check", "--config", path).err == ""
        called = urlsplit(server.taken[2].path)
        assert (server.taken[2].method, called.path) == ("GET", "/api/push/canary-token")
        assert parse_qs(called.query)["msg"] == ["CRITICAL: 1 of 2 nodes healthy"]
        assert parse_qs(called.query)["status"] == ["down"]

        path = str(write_config(*nodes, alert={"heartbeat": "http://example.com/x"}))
        assert "the address in alert.heartbeat must begin with https://" in run_cli("check", "--config", path).err
