"""`doctor`: what it finds, what it repairs, and what it never tells."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from revvlink_cli.services.doctor.context import Diagnosis, DoctorContext, Finder, State
from revvlink_cli.services.doctor.examination import CHECKUPS, examine
from revvlink_cli.services.doctor.node_checks import compare_clocks
from revvlink_cli.services.doctor.redaction import Redactor
from revvlink_cli.simulator import NodeProfile, Simulator
from tests.conftest import run_cli

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.conftest import Ran

SECRET = "canary-pass-phrase"


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    """Two nodes."""
    with Simulator([NodeProfile(identifier=name, region="us", password=SECRET) for name in ("a", "b")]) as running:
        yield running


@pytest.fixture
def run(simulator: Simulator, write_config: Callable[..., Path]) -> Callable[..., Ran]:
    """Runs `doctor` on them."""

    def examined(*arguments: str, own: dict[str, Any] | None = None, **sections: Any) -> Ran:
        nodes = [
            {"identifier": node.profile.identifier, "uri": node.uri, "password": SECRET, **(own or {})}
            for node in simulator
        ]
        path = write_config(*nodes, **sections)
        ran = run_cli("doctor", "--config", str(path), "--timeout", "3", *arguments)
        assert SECRET not in ran.out + ran.err
        return ran

    return examined


def states(ran: Ran) -> dict[tuple[str, str | None], str]:
    """By checkup and subject, the state."""
    return {(row["checkup"], row["subject"]): row["state"] for row in ran.rows}


def test_all_is_well(run: Callable[..., Ran]) -> None:
    """Every checkup comes to something, exit code 0."""
    ran = run("-o", "json")

    assert ran.code == 0, ran.err
    assert [*dict.fromkeys(row["checkup"] for row in ran.rows)] == list(CHECKUPS)
    assert set(states(ran).values()) == {"ok"}
    assert states(ran)["clocks", None] == "ok"


def test_what_is_wrong_has_a_fix(run: Callable[..., Ran], simulator: Simulator) -> None:
    """A node that is down, one that refuses the password: each is a finding with a line on what to do."""
    simulator["a"].stop()

    ran = run("-o", "json")
    assert ran.code == 1
    assert (states(ran)["nodes", "a"], states(ran)["nodes", "b"]) == ("failed", "ok")
    assert all(row["fix"] for row in ran.rows if row["state"] in ("failed", "warning"))
    refused = run("-o", "json", "--only", "nodes", own={"password": "another"})
    assert "auth" in next(row["message"] for row in refused.rows if row["subject"] == "b")


def test_no_configuration(isolated: Path) -> None:
    """Without one, or with one that is wrong, the rest is examined all the same."""
    none = run_cli("doctor", "-o", "json")
    assert none.code == 1
    assert (states(none)["configuration", None], states(none)["nodes", None]) == ("failed", "skipped")
    assert states(none)["program", "typer"] == "ok"
    (isolated / "wrong.toml").write_text("[check]\nskp = 1\n[[nodes]]\n", encoding="utf-8")
    wrong = run_cli("doctor", "--config", "wrong.toml", "-o", "json")
    told = [row["message"] for row in wrong.rows if row["checkup"] == "configuration"]
    assert any("check.skp: is not a key" in line for line in told)
    assert len(told) >= 4


def test_permissions_are_all_that_is_repaired(run: Callable[..., Ran], isolated: Path) -> None:
    """Others can read a secret: that is told, repaired on request, and nothing else is touched."""
    secret = isolated / "secret"
    secret.write_text(SECRET, encoding="utf-8")
    secret.chmod(0o644)
    own = {"password_file": str(secret)}

    def examined(*arguments: str) -> Ran:
        path = isolated / "nodes.toml"
        if path.exists():
            path.chmod(0o666)
        run("--only", "program")
        text = path.read_text(encoding="utf-8").replace(
            f'password = "{SECRET}"', f'password_file = "{own["password_file"]}"'
        )
        path.write_text(text, encoding="utf-8")
        return run_cli("doctor", "--config", str(path), "--only", "permissions", "-o", "json", *arguments)

    examined()
    told = examined()
    assert (told.code, set(states(told).values())) == (0, {"warning"})
    assert {Path(row["subject"]).name for row in told.rows} == {"secret", "nodes.toml"}
    assert all("chmod" in row["fix"] for row in told.rows)
    assert stat.S_IMODE(secret.stat().st_mode) == 0o644

    fixed = examined("--fix")
    assert set(states(fixed).values()) == {"fixed"}
    assert stat.S_IMODE(secret.stat().st_mode) == 0o640  # that a group may read it may be meant
    assert stat.S_IMODE((isolated / "nodes.toml").stat().st_mode) == 0o644
    assert secret.read_text(encoding="utf-8") == SECRET

    def told_then() -> list[str]:
        ran = run_cli("doctor", "--config", str(isolated / "nodes.toml"), "--only", "permissions", "-o", "json")
        return [row["message"] for row in ran.rows]

    assert told_then() == ["only you and the file's group can read secrets; only you can change the configuration"]
    secret.chmod(0o600)
    assert told_then() == ["only you can read secrets and change the configuration"]


def test_names_and_proxies(run: Callable[..., Ran]) -> None:
    """A host that cannot be resolved, and a proxy that takes no connections, are findings."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    ran = run("--only", "names", "--only", "proxies", "-o", "json",
              own={"uri": "http://no-such-host.invalid:1", "proxy": f"http://127.0.0.1:{port}"})  # fmt: skip

    assert ran.code == 1
    assert states(ran)["names", "no-such-host.invalid"] == "failed"
    assert states(ran)["proxies", f"127.0.0.1:{port}"] == "failed"


def test_a_cache_that_cannot_be_used(run: Callable[..., Ran]) -> None:
    """A Redis that is not there is a finding, and so is a folder in the way of the database."""
    ran = run("--only", "cache", "-o", "json", cache={"backend": "redis", "url": f"redis://:{SECRET}@127.0.0.1:1/0"})
    assert (ran.code, states(ran)["cache", None]) == (1, "failed")
    ran = run("--only", "cache", "-o", "json", cache={"path": "/"})
    assert (ran.code, states(ran)["cache", None]) == (1, "failed")


def test_what_drops_packets_costs_no_finding(run: Callable[..., Ran]) -> None:
    """A node and a proxy that take no connection use up the time, and everything else is told all the same."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as hole:
        waiting = [socket.socket() for _ in range(3)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(hole.getsockname())
        address = f"http://127.0.0.1:{hole.getsockname()[1]}"
        ran = run("-o", "json", own={"uri": address, "proxy": address})
        for one in waiting:
            one.close()

    found = states(ran)
    assert ran.code == 1
    assert (found["program", "typer"], found["nodes", "a"]) == ("ok", "failed")
    assert "failed" in {state for (checkup, _), state in found.items() if checkup == "proxies"}


@pytest.mark.parametrize("url", [f"redis://user:{SECRET}/x@h:6379/0", f"redis://:{SECRET}#@h", f"redis://[{SECRET}"])
def test_an_address_with_a_password_that_breaks_it(run: Callable[..., Ran], url: str) -> None:
    """It is a mistake of the configuration, told without a part of the password."""
    ran = run("--redact", "-o", "json", cache={"backend": "redis", "url": url})

    assert ran.code == 1
    assert "cache.url: is not an address of a Redis server" in ran.out


def test_what_does_not_go_with_redact() -> None:
    """The log would tell what the output does not."""
    ran = run_cli("doctor", "--redact", "-v")

    assert (ran.code, "--redact" in ran.err) == (2, True)


def test_redacted_output_tells_no_place(run: Callable[..., Ran], simulator: Simulator, isolated: Path) -> None:
    """Neither addresses nor one's home are in any format; what is wrong still is."""
    simulator["a"].stop()
    for kind in ("table", "plain", "json"):
        ran = run("--redact", "-o", kind)
        everything = ran.out + ran.err
        assert "127.0.0.1" not in everything
        assert str(simulator["a"].port) not in everything
        assert str(isolated) not in everything
        assert "nothing listens on host-1" in everything


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("lava.example.com:2333 refused", "host-1 refused"),
        ("LAVA.example.com and other.example.com", "host-1 and other.example.com"),
        ("[2001:db8::7]:2333 is down, so is 10.1.2.3:80", "(address) is down, so is (address)"),
        ("redirects to https://other.example.com/x?y=1; stop", "redirects to (address); stop"),
        ("fe80::1%eth0", "(address)%eth0"),
        ("eu.lava.example.com-1 is down", "eu.host-1-1 is down"),
        ("redirects to //sso.example.net/login", "redirects to (address)"),
        ("at 12:30:15 it was 4.2.2", "at 12:30:15 it was 4.2.2"),
        ("nodes[0].check and nodes[12].uri", "nodes[0].check and nodes[12].uri"),
        ("[::1] and [fe80::1%3]:80", "(address) and (address)"),
        ("alias.example.org is down, us-1 is not", "host-2 is down, us-1 is not"),
    ],
)
def test_what_is_redacted(text: str, shown: str, write_config: Callable[..., Path]) -> None:
    """Hosts of the configuration get names, other addresses go; times and versions stay."""
    path = write_config(
        {"identifier": "us-1", "uri": "http://lava.example.com:2333", "password": "x"},
        {"identifier": "alias.example.org", "uri": "http://10.0.0.1", "password": "x"},
    )

    assert Redactor(DoctorContext(str(path), os.environ, Path(), timeout=1, fixes=False)).of(text) == shown


BROKEN = """
[[nodes]]
identifier = "lava.secret-corp.example"
uri = "lava.secret-corp.example:2333"
passwort = "x"

[[nodes]]
identifier = "lava.secret-corp.example"
uri = "http://other.secret-corp.example"
password = "x"
proxy = 1

[cache]
url = "http://[redis.secret-corp.example"
"""


@pytest.mark.parametrize("broken", [BROKEN, "nodes = 1\ncache = []", "[[nodes]]\nuri = 1\n", "nodes = ["])
def test_a_broken_configuration_is_redacted(isolated: Path, broken: str) -> None:
    """Its hosts are known as far as it can be read; what is wrong stays legible, with the number of the node."""
    (isolated / "x.toml").write_text(broken, encoding="utf-8")

    ran = run_cli("doctor", "--redact", "--config", "x.toml", "-o", "json", "--only", "configuration")

    assert ran.code == 1
    assert "secret-corp" not in ran.out + ran.err
    if broken is BROKEN:
        told = "\n".join(row["message"] for row in ran.rows)
        assert "nodes[0].passwort: is not a key" in told
        assert "nodes[1].identifier: host-1 is taken by the node on line 3" in told


async def _found(context: DoctorContext, *wanted: str) -> list[Diagnosis]:
    return [diagnosis async for diagnosis in examine(context, wanted)]


def test_one_crash_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkup with a defect is a finding of its own."""
    import asyncio

    async def broken(_: DoctorContext) -> list[Diagnosis]:
        raise ZeroDivisionError("by\nzero")

    monkeypatch.setitem(CHECKUPS, "machine", broken)
    context = DoctorContext(None, {}, Path("/nonexistent"), timeout=1, fixes=False)
    found = asyncio.run(_found(context, "machine", "program"))

    assert (found[0].state, found[0].message) == (State.CRASHED, "ZeroDivisionError: by zero")
    assert found[1].state is State.OK


def test_the_list_and_mistakes() -> None:
    """Checkups are listed without a configuration; an unknown one is a mistake."""
    assert [row["checkup"] for row in run_cli("doctor", "--list", "-o", "json").rows] == list(CHECKUPS)
    ran = run_cli("doctor", "--only", "nodez")
    assert (ran.code, "'nodez' is not one of" in ran.err) == (2, True)


def test_clocks() -> None:
    """A node whose clock is off is named; where most differ it is this machine's."""
    find = Finder("clocks")

    assert compare_clocks(find, {"a": 0.0, "b": 90.0, "c": 0.0})[0].subject == "b"
    assert "this machine's clock" in compare_clocks(find, {"a": 90.0, "b": 91.0, "c": 90.0})[0].message
    assert compare_clocks(find, {"a": -1.0})[0].state is State.OK


@pytest.mark.parametrize(
    ("ahead", "named"),
    [
        ({"a": 0.0, "b": -6430.0}, {"b": "6430 s"}),
        ({"a": 0.0, "b": -6430.0, "c": 0.0, "d": 60.0}, {"b": "6430 s", "d": "60 s"}),
        ({"a": 90.0, "b": -90.0}, {"a": "90 s", "b": "90 s"}),
        ({"a": 90.0, "b": -90.0, "c": 90.0, "d": 0.0}, {"a": "90 s", "b": "90 s", "c": "90 s"}),
        ({"a": 90.0}, {"a": "90 s"}),
        ({"a": 90.0, "b": 90.4}, {None: "90 s"}),
        ({"a": -7000.0, "b": -6430.0, "c": -6430.0, "d": 0.0}, {None: "6430 s"}),
    ],
)
def test_whose_clock_is_wrong(ahead: dict[str, float], named: dict[str | None, str]) -> None:
    """This machine's, where more than half of the nodes are off to one side; else theirs, each by how much."""
    found = compare_clocks(Finder("clocks"), ahead)

    assert {diagnosis.subject: diagnosis.state for diagnosis in found} == dict.fromkeys(named, State.WARNING)
    assert all(named[diagnosis.subject] in diagnosis.message for diagnosis in found)
