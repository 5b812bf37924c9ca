"""The channels of alerts: what each of them sends, which answers are tried again, and how failures are reported."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from contextlib import contextmanager
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from revvlink_cli.services.alerting.channels import AppriseChannel, DiscordChannel, request
from revvlink_cli.services.alerting.delivery import Delivery
from revvlink_cli.services.alerting.message import make_test_alert
from revvlink_cli.simulator import NodeProfile, Simulator
from tests.conftest import run_cli

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.services.alerting.alert_server import AlertServer


@pytest.mark.parametrize(
    ("answers", "pause", "failure", "may_have_arrived", "requests"),
    [
        ([204], None, None, True, 1),
        ([429, 204], "0", None, True, 2),
        ([429, 429], "0.01", "the webhook answered 429, too many messages: the next run sends this one", False, 2),
        ([429], "60", "the webhook answered 429, too many messages: the next run sends this one", False, 1),
        ([429], "Wed, 21 Oct 2026 07:28:00 GMT", "the webhook answered 429, too many messages", False, 1),
        ([503, 204], "0", None, True, 2),
        ([500, 502], "0", "the webhook answered 502", False, 2),
        ([504], "0", "the webhook answered 504", True, 1),
        ([302], None, "the webhook answered 302, a redirect: configure the address that it leads to", False, 1),
        ([404], None, "the webhook answered 404, it no longer exists: make a new one", False, 1),
    ],
)
def test_what_is_tried_again(
    server: AlertServer,
    answers: list[int],
    pause: str | None,
    failure: str | None,
    may_have_arrived: bool,
    requests: int,
) -> None:
    """A limit and an error of the server are tried again once, within bounds; a message that may be there is not."""
    server.answers = list(answers)
    server.headers = {"Retry-After": pause} if pause is not None else {}
    sent = asyncio.run(request("POST", server.address("/x"), json={}, advice={404: "make a new one"}))

    assert (sent.failure or "").startswith(failure or "")
    assert sent == Delivery(sent.failure, may_have_arrived)
    assert ((sent.failure is None), len(server.taken)) == (failure is None, requests)


def test_threads_of_discord(server: AlertServer) -> None:
    """The thread is added to the address, which may have a query of its own."""
    channel = DiscordChannel(server.address("/hook?wait=true"), thread="170939974227541168")
    asyncio.run(channel.send(make_test_alert("prod", 1, 1e9)))

    assert server.taken[0].path == "/hook?wait=true&thread_id=170939974227541168"
    assert "alerts of prod arrive here" in json.loads(server.taken[0].body)["content"]


def test_every_channel_gets_each_change_once(
    server: AlertServer, write_config: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With --notify all, in the second run by default; a channel that fails gets it later, and the others only once."""
    pytest.importorskip("apprise")
    monkeypatch.setenv("SERVICE", server.address("/apprise/canary-token").replace("http:", "json:"))
    with Simulator([NodeProfile(identifier=name, password="pw") for name in ("a", "b")]) as fleet:
        nodes = [{"identifier": node.profile.identifier, "uri": node.uri, "password": "pw"} for node in fleet]
        alert = {"webhook": server.address("/json/canary-token"), "apprise": ["env:SERVICE"], "recover_after": 1}
        discord = {"webhook": server.address("/discord/canary-token"), "mention": "170939974227541168"}
        path = str(write_config(*nodes, alert=alert, discord=discord))
        fleet["a"].stop()
        errors = []
        for run in range(3):
            ran = run_cli("check", "--config", path, "--notify", "all")
            errors.append(ran.err)
            assert ran.code == 2
            assert len(server.taken) == (3 if run else 0)
        assert errors == ["", "", ""]
        taken = {each.path: json.loads(each.body) for each in server.taken}
        assert len(server.taken) == len(taken) == 3

        jsonschema.validate(taken["/json/canary-token"], schema())
        (change,) = taken["/json/canary-token"]["changes"]
        assert (change["node"], change["check"], change["change"]) == ("a", "reach", "began")
        assert taken["/discord/canary-token"]["content"].startswith("<@&170939974227541168> **CRITICAL: 1 of 2 nodes")
        assert "a reach CRITICAL: nothing listens" in taken["/apprise/canary-token"]["message"]

        fleet["a"].start()
        server.taken.clear()
        server.answers = [404] * 2
        ran = run_cli("check", "--config", path, "--notify", "webhook")
        assert ran.err == (
            "warning: alert to JSON webhook not sent: the webhook answered 404, it no longer exists: "
            "check the address in alert.webhook\n"
        )
        ran = run_cli("check", "--config", path, "--notify", "apprise")
        assert ran.err == (
            "warning: alert to apprise service 1 not sent: the service answered 404: "
            "check the address in alert.apprise\n"
        )
        for _ in range(2):
            assert run_cli("check", "--config", path, "--notify", "all").err == ""
        assert sorted(each.path for each in server.taken[2:]) == [
            "/apprise/canary-token", "/discord/canary-token", "/json/canary-token",
        ]  # fmt: skip


def test_a_test_message(server: AlertServer, write_config: Callable[..., Path], isolated: Path) -> None:
    """Each channel has a row; one that fails makes the exit code 1, and no output has its address."""
    node = {"identifier": "a", "uri": "http://127.0.0.1:1", "password": "pw"}
    path = str(write_config(node))
    ran = run_cli("alert", "test", "--config", path)
    assert (ran.code, "no channel is configured" in ran.err) == (2, True)

    alert = {"webhook": server.address("/json/canary-token"), "heartbeat": server.address("/beat/canary-token")}
    path = str(write_config(node, alert=alert, discord={"webhook": server.address("/discord/canary-token")}))
    ran = run_cli("alert", "test", "--config", path, "-o", "json")
    rows = json.loads(ran.out)["data"]
    assert (ran.code, ran.err) == (0, "")
    assert [(row["channel"], row["state"]) for row in rows] == [
        ("Discord", "ok"), ("JSON webhook", "ok"), ("heartbeat", "ok"),
    ]  # fmt: skip
    assert rows[-1]["message"] == "called: the service counts this as a run"
    (beat,) = [each for each in server.taken if each.path.startswith("/beat")]
    assert (beat.method, beat.path, beat.body) == (
        "POST", "/beat/canary-token", "Test: alerts of revvlink arrive here")  # fmt: skip
    bodies: list[Any] = [json.loads(each.body) for each in server.taken if each.path.startswith("/json")]
    jsonschema.validate(bodies[0], schema())
    assert (bodies[0]["kind"], bodies[0]["changes"]) == ("test", [])
    assert not (isolated / "state" / "revvlink" / "alerts").exists()

    alert["apprise"] = ["file:missing"]  # type: ignore[assignment]
    server.answers = [401]
    path = str(write_config(node, alert=alert))
    ran = run_cli("alert", "test", "--config", path)
    assert ran.code == 1
    assert "JSON webhook\tfailed" in ran.out
    assert "the file missing cannot be read" in ran.out
    assert "check the address in alert.webhook" in ran.err
    assert "canary-token" not in ran.out + ran.err


def schema() -> Any:
    """The schema in the package."""
    return json.loads(files("revvlink_cli").joinpath("schemas/alert.json").read_text("utf-8"))


def test_apprise_is_bounded_and_says_why(server: AlertServer) -> None:
    """A limit is tried again once; a service that is not there, and an address that is none, are named."""
    pytest.importorskip("apprise")
    server.answers = [503]
    messages = {
        "sent again": server.address("/x"),
        "no service": "http://127.0.0.1:1/canary-token",
        "no address": "slack://canary-token",
    }

    async def send_all() -> dict[str, Delivery]:
        alert = make_test_alert(None, 1, 1e9)
        channels = [AppriseChannel(address.replace("http:", "json:")) for address in messages.values()]
        sent = await asyncio.gather(*(channel.send(alert) for channel in channels))
        return dict(zip(messages, sent, strict=True))

    assert asyncio.run(send_all()) == {
        "sent again": Delivery(),
        "no service": Delivery(
            "nothing listens at the address of the service: check the address in alert.apprise", may_have_arrived=False
        ),
        "no address": Delivery(
            "apprise cannot read the address of the service Slack in alert.apprise: "
            "see https://github.com/caronc/apprise/wiki",
            may_have_arrived=False,
        ),
    }
    assert len(server.taken) == 2


def test_apprise_that_never_ends_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that never answers holds neither the run nor its end, and may have the message."""
    pytest.importorskip("apprise")
    monkeypatch.setattr("revvlink_cli.services.alerting.apprise.TOTAL_TIMEOUT", 0.5)
    with slow_server() as address:
        began = time.monotonic()
        sent = asyncio.run(AppriseChannel(address).send(make_test_alert(None, 1, 1e9)))
        took = time.monotonic() - began
    assert sent == Delivery("the service did not answer within 0.5 s, and the message may not have arrived")
    assert took < 25, "a machine that is busy loads apprise slowly"


@contextmanager
def slow_server() -> Iterator[str]:
    """A server that takes a connection and never answers, under an address of apprise."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"json://127.0.0.1:{listening.getsockname()[1]}/x"
