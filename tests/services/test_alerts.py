"""Alerts: one message for each real change, to a webhook that is not Discord's, and no harm when it fails."""

from __future__ import annotations

import json
import os
import random
import socket
import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from revvlink_cli.health.damping import CheckState, Rules
from revvlink_cli.health.findings import Finding, Skipped, Verdict, worst
from revvlink_cli.health.fleet import Report
from revvlink_cli.services.alerting.state import KEPT, changes
from revvlink_cli.simulator import NodeProfile, Simulator
from tests.conftest import run_cli

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.conftest import Ran


ALERT = {"after": 1, "recover_after": 1}
"""Rules that report what one run finds."""


class Webhook:
    """A server that takes messages, and answers as the test wants.

    Attributes:
        taken: The bodies that came.
        status: What it answers; 0 is nothing, and it hangs up.
    """

    def __init__(self) -> None:
        self.taken: list[dict[str, Any]] = []
        self.status = 204
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if outer.status < 300:
                    outer.taken.append(json.loads(body))
                if outer.status == 0:
                    self.close_connection = True
                    return
                self.send_response(outer.status)
                if outer.status == 302:
                    self.send_header("Location", f"{outer.address}/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_address[1]}/api/webhooks/1/canary-token"

    @property
    def texts(self) -> list[str]:
        """The messages that came, each with its embeds."""
        return [
            "\n".join([body["content"], *(embed["description"] for embed in body["embeds"])]) for body in self.taken
        ]


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    """A webhook."""
    made = Webhook()
    thread = threading.Thread(target=made.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield made
    made.server.shutdown()
    made.server.server_close()
    thread.join()


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    """Two nodes."""
    with Simulator([NodeProfile(identifier=name, password="pw") for name in ("a", "b")]) as running:
        yield running


@pytest.fixture
def run(
    simulator: Simulator, webhook: Webhook, isolated: Path, write_config: Callable[..., Path]
) -> Callable[..., Ran]:
    """Runs ``check --notify discord`` on them."""
    secret = isolated / "webhook"
    secret.touch(mode=0o600)
    secret.write_text(f"{webhook.address}\n", encoding="utf-8")
    nodes = [{"identifier": node.profile.identifier, "uri": node.uri, "password": "pw"} for node in simulator]
    path = write_config(*nodes, discord={"webhook_file": "webhook"}, alert=ALERT)

    def check(*arguments: str) -> Ran:
        ran = run_cli("check", "--config", str(path), "--notify", "discord", *arguments)
        assert "canary-token" not in ran.out + ran.err
        return ran

    return check


def test_a_message_a_change(run: Callable[..., Ran], simulator: Simulator, webhook: Webhook) -> None:
    """Nothing while all is well, one message when a node goes, none while it is gone, one when it is back."""
    assert run().code == 0
    assert webhook.taken == []

    simulator["a"].stop()
    for _ in range(3):
        assert run().code == 2
    assert len(webhook.texts) == 1
    assert "CRITICAL: 1 of 2 nodes healthy" in webhook.texts[0]
    assert "**a reach** CRITICAL: nothing listens" in webhook.texts[0]

    simulator["a"].start()
    for _ in range(2):
        assert run().code == 0
    assert len(webhook.texts) == 2
    assert "**a reach** is OK again, after" in webhook.texts[1]
    assert webhook.taken[0]["allowed_mentions"] == {"parse": []}


def test_runs_on_parts_do_not_contradict(run: Callable[..., Ran], simulator: Simulator, webhook: Webhook) -> None:
    """A run that does not look at what is wrong does not say that it is over."""
    simulator["a"].stop()
    run()
    run("b")
    run("--only", "version", "b")
    run()

    assert len(webhook.texts) == 1


def test_a_broken_webhook_costs_no_verdict(run: Callable[..., Ran], simulator: Simulator, webhook: Webhook) -> None:
    """It is a warning, and the next run reports what this one could not."""
    simulator["a"].stop()
    for status in (500, 404, 429, 302):
        webhook.status = status
        ran = run()
        assert (ran.code, ran.out[:8]) == (2, "CRITICAL")
        assert f"warning: alert not sent: the webhook answered {status}" in ran.err
    webhook.status = 204
    run()

    assert len(webhook.texts) == 1


def test_a_webhook_that_takes_and_hangs_up(run: Callable[..., Ran], simulator: Simulator, webhook: Webhook) -> None:
    """A sent message may have arrived: repeating it with every run would be worse than losing it."""
    simulator["a"].stop()
    webhook.status = 0
    ran = run()
    run()

    assert (
        "warning: the webhook closed the connection (ServerDisconnectedError), the message may not have arrived"
        in ran.err
    )
    assert len(webhook.texts) == 1


@pytest.mark.parametrize("skip", [["auth"], ["reach", "auth"], ["connection", "auth", "version", "info"]])
def test_every_outage_is_reported(
    simulator: Simulator, webhook: Webhook, write_config: Callable[..., Path], skip: list[str]
) -> None:
    """Also where the check that fails is left out: each begins and ends with a message, which names that check."""
    for password in ("no", "pw") * 2:
        node = {"identifier": "a", "uri": simulator["a"].uri, "password": password}
        path = write_config(node, discord={"webhook": webhook.address}, alert=ALERT, check={"skip": skip})
        for _ in range(2):
            run_cli("check", "--config", str(path), "--notify", "discord")

    began, over = "**a auth** CRITICAL: ", "**a auth** is OK again"
    assert [next(line for line in (began, over) if line in text) for text in webhook.texts] == [began, over] * 2


def test_an_outage_is_reported_once_by_all_runs_that_see_it(
    run: Callable[..., Ran], simulator: Simulator, webhook: Webhook
) -> None:
    """Runs that leave out different checks find the same trouble in different places, and see when it is over."""
    simulator["a"].stop()
    parts = [(), ("--skip", "reach"), ("--only", "websocket"), ("--only", "auth"), ("--skip", "connection", "a"), ()]
    codes = [run(*part).code for part in parts]
    simulator["a"].start()
    run("--only", "figures")
    run()

    assert codes == [2, 2, 2, 3, 2, 2]
    assert ["**a reach** CRITICAL" in webhook.texts[0], "**a reach** is OK again" in webhook.texts[1]] == [True, True]
    assert len(webhook.texts) == 2


def test_a_webhook_that_is_gone(run: Callable[..., Ran], webhook: Webhook, simulator: Simulator) -> None:
    """A server that is not there, and a file that is not there, are warnings."""
    simulator["a"].stop()
    webhook.server.shutdown()
    webhook.server.server_close()
    ran = run()
    assert (ran.code, "alert not sent: the webhook cannot be reached" in ran.err) == (2, True)
    Path("webhook").unlink()
    ran = run()
    assert (ran.code, "alert not sent" in ran.err) == (2, True)


@pytest.mark.parametrize("address", ["http://example.com/x", "ftp://example.com", "nonsense", "https://"])
def test_addresses_that_are_none(run: Callable[..., Ran], address: str) -> None:
    """The address is a secret: it is sent over TLS, or to this machine, or not at all."""
    Path("webhook").write_text(f"{address}\n", encoding="utf-8")

    ran = run()
    assert (ran.code, "must begin with https://" in ran.err) == (0, True)


def test_state_that_cannot_be_kept(
    run: Callable[..., Ran], simulator: Simulator, webhook: Webhook, isolated: Path
) -> None:
    """Without it every run would send the same alert again, so none is sent, and a warning says so."""
    (isolated / "state").rmdir()
    (isolated / "state").touch()
    simulator["a"].stop()

    ran = run()
    assert (ran.code, webhook.taken) == (2, [])
    assert "alert not sent: its state cannot be saved" in ran.err


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes in folders")
@pytest.mark.parametrize("ending", ["json", "lock"])
def test_state_that_is_a_pipe(
    run: Callable[..., Ran], simulator: Simulator, webhook: Webhook, isolated: Path, ending: str
) -> None:
    """The command does not wait for the pipe: no alert is sent, and a warning says so."""
    simulator["a"].stop()
    run()
    (path,) = (isolated / "state" / "revvlink" / "alerts").glob(f"*.{ending}")
    path.unlink()
    os.mkfifo(path)

    ran = run()
    assert (ran.code, len(webhook.texts)) == (2, 1)
    assert f"alert not sent: its state cannot be saved: {path} is not a file" in ran.err


@pytest.mark.parametrize("content", ["", "{", "[]", "null", '{"x": 1}', '{"[1]": ["CRITICAL", 1, 1, 1]}', "\x00\xff"])
def test_state_that_is_damaged(
    run: Callable[..., Ran], simulator: Simulator, webhook: Webhook, isolated: Path, content: str
) -> None:
    """An unreadable state counts as empty: the alert is sent once more, and the file is replaced."""
    simulator["a"].stop()
    run()
    (path,) = (isolated / "state" / "revvlink" / "alerts").glob("*.json")
    path.write_text(content, encoding="latin-1")
    run()
    run()

    assert len(webhook.texts) == 2
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_sixteen_runs_at_once(run: Callable[..., Ran], simulator: Simulator, webhook: Webhook) -> None:
    """One of them tells, the others know that it does."""
    simulator["a"].stop()
    with ThreadPoolExecutor(8) as pool:
        codes = [ran.code for ran in pool.map(lambda _: run(), range(16))]

    assert codes == [2] * 16
    assert len(webhook.texts) == 1


def test_reminders(run: Callable[..., Ran], simulator: Simulator, webhook: Webhook) -> None:
    """A lasting problem is reported again after --remind, not before."""
    simulator["a"].stop()
    run("--remind", "1h")
    run("--remind", "1h")
    assert len(webhook.texts) == 1
    run("--remind", "1ms")

    assert "CRITICAL, for" in webhook.texts[1]


AT_ONCE = Rules(unstable_changes=0)
"""Every change is reported."""


def report(**states: Verdict) -> Report:
    """A report on these nodes."""
    found = tuple(
        Finding(node=node, check="reach", verdict=verdict, message=f"{verdict.name} of {node}")
        for node, verdict in states.items()
    )
    return Report(worst(found), found, len(found), sum(verdict is Verdict.OK for verdict in states.values()))


@given(st.integers(0, 2**32))
def test_a_hundred_flapping_runs(seed: int) -> None:
    """However nodes flap, there is at most one message for each run that found something else than the one before."""
    chance = random.Random(seed)
    reported: dict[str, CheckState] = {}
    before = {"a": Verdict.OK, "b": Verdict.OK}
    for second in range(100):
        now = {node: chance.choice([verdict, verdict, *Verdict]) for node, verdict in before.items()}
        found, reported = changes(report(**now), reported, AT_ONCE, now=1e9 + second, scope="x")
        assert {json.loads(change.key)[0] for change in found} == {node for node in now if now[node] != before[node]}
        before = now


def test_what_does_not_apply_any_more_is_over() -> None:
    """A node that speaks plain HTTP now has no certificate to renew, one without canaries none that fails."""
    bad = tuple(
        Finding(node="a", check=check, subject=subject, verdict=Verdict.CRITICAL, message="x")
        for check, subject in (("certificate", None), ("load", "q"), ("cpu", None))
    )
    _, reported = changes(Report(worst(bad), bad, 1, 0), {}, AT_ONCE, now=1e9, scope="x")
    now = (Skipped("a", "certificate", "x"), Skipped("a", "load", "x"), Skipped("a", "cpu", "x", "stats"))
    found, left = changes(Report(Verdict.OK, now, 1, 1), reported, AT_ONCE, now=1e9 + 1, scope="x")

    assert [json.loads(change.key)[1] for change in found if change.finding is None] == ["certificate", "load"]
    assert [json.loads(key)[1] for key in left] == ["cpu"]


def test_what_nobody_looks_at_is_forgotten() -> None:
    """Trouble of a node that no run has seen for a month is not trouble of ours."""
    _, reported = changes(report(a=Verdict.CRITICAL), {}, Rules(), now=1e9, scope="x")
    _, later = changes(report(b=Verdict.OK), reported, Rules(), now=1e9 + KEPT + 1, scope="x")

    assert (len(reported), later) == (1, {})


def test_a_webhook_that_hangs(simulator: Simulator, write_config: Callable[..., Path]) -> None:
    """The verdict is printed before the alert is sent, and stands, however long the webhook takes."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}/x"
        node = simulator["a"]
        node.freeze()
        path = write_config(
            {"identifier": "a", "uri": node.uri, "password": "pw"}, discord={"webhook": address}, alert=ALERT
        )
        ran = run_cli("check", "--config", str(path), "--notify", "discord", "--timeout", "2")

    assert (ran.code, ran.out.partition(":")[0]) == (2, "CRITICAL")
    assert "warning: the webhook did not answer within 5 s, and the message may not have arrived" in ran.err


def test_folders_that_call_their_files_alike(
    simulator: Simulator, webhook: Webhook, write_config: Callable[..., Path], isolated: Path
) -> None:
    """Two configurations named by the same relative path have two states."""
    for name in ("a", "b"):
        node = simulator[name]
        node.stop()
        path = write_config(
            {"identifier": name, "uri": node.uri, "password": "pw"}, discord={"webhook": webhook.address}
        )
        (isolated / name).mkdir()
        path.rename(isolated / name / "revvlink.toml")
    for _ in range(3):
        for name in ("a", "b"):
            os.chdir(isolated / name)
            run_cli("check", "--config", "revvlink.toml", "--notify", "discord")

    assert len(webhook.texts) == 2


def test_parts_of_a_fleet_with_a_quorum(
    simulator: Simulator, webhook: Webhook, write_config: Callable[..., Path]
) -> None:
    """That a quorum holds for all and says nothing of a part makes no change of what is wrong."""
    nodes = [{"identifier": node.profile.identifier, "uri": node.uri, "password": "pw"} for node in simulator]
    path = write_config(*nodes, discord={"webhook": webhook.address}, alert=ALERT, check={"min_healthy": 1})
    simulator["a"].stop()
    codes = [
        run_cli("check", "--config", str(path), "--notify", "discord", *part).code for part in ((), ("a",), (), ("a",))
    ]

    assert codes == [1, 2, 1, 2]
    assert len(webhook.texts) == 1


@pytest.mark.parametrize("address", ["https://.discord.com/x", f"https://{'a' * 64}.example.com/x", "https://a:b/x"])
def test_addresses_that_cannot_be_called(run: Callable[..., Ran], simulator: Simulator, address: str) -> None:
    """Whatever is wrong with it is a warning, with -vv, too."""
    Path("webhook").write_text(f"{address}\n", encoding="utf-8")
    simulator["a"].stop()

    ran = run("-vv")
    assert ran.code == 2
    assert "warning: alert not sent" in ran.err
