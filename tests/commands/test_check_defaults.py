"""`check` without a word of thresholds: what it sees on real sockets, and how the defaults are shown and turned off."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any

import pytest

from revvlink_cli.client.settings import NodeSettings
from revvlink_cli.config.starter import starter_text
from revvlink_cli.health.catalogue import CHECKS
from revvlink_cli.health.findings import Verdict
from revvlink_cli.health.fleet import assess
from revvlink_cli.health.policy import Policy
from revvlink_cli.services.fleet_session import open_fleet
from revvlink_cli.simulator import NodeProfile, Simulator
from tests.commands.run_check import check, verdicts
from tests.commands.test_check_verdicts import bad, checked, telling
from tests.conftest import run_cli

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PASSWORD = "pw"
BUSY: dict[str, Any] = {
    "cpu": {"cores": 4, "systemLoad": 1.0, "lavalinkLoad": 0.9},
    "memory": {"free": 0, "used": 999, "allocated": 1000, "reservable": 1000},
}


def test_a_node_in_trouble_is_seen_without_configuration(write_config: Callable[..., Path]) -> None:
    """A busy machine and a full heap are a WARNING, no source is CRITICAL; without the defaults only figures remain."""
    handlers = {"n": telling({"sourceManagers": [], "filters": []}, **BUSY)}

    ran = checked(write_config, handlers, "--skip", "voice")
    assert (ran.code, bad(ran)) == (2, [("info", "critical"), ("cpu", "warning"), ("memory", "warning")])
    messages = {row["check"]: row["message"] for row in ran.rows if row["node"]}
    assert messages["cpu"] == "load 100% on 4 cores in the only sample (threshold 90%)"
    assert messages["load"] == "no canary: tracks were not tried (--canary)"

    ran = checked(write_config, handlers, "--skip", "voice", "--no-defaults", "--warning", "cpu=50%")
    assert (ran.code, bad(ran)) == (1, [("cpu", "warning")])
    figures = {figure["name"]: figure for row in ran.rows for figure in row["figures"]}
    assert (figures["sources"]["value"], figures["memory_used"]["warning"]) == (0, None)


def test_slow_answers(write_config: Callable[..., Path]) -> None:
    """The time of an answer is a check of its own: WARNING by default, with limits of its own, and in Nagios' form."""
    with Simulator([NodeProfile(identifier="n", password=PASSWORD, answer_delay=1.1)]) as simulator:
        path = write_config({"identifier": "n", "uri": simulator["n"].uri, "password": PASSWORD})
        nagios = check(path, "-o", "nagios")
        stricter = check(path, "-o", "json", "--max-rest-latency", "500ms")

    assert nagios.code == 1
    assert nagios.out.startswith("WARNING: 1 of 1 node healthy, n rest: answered in 1.")
    assert "\nno canary: tracks were not tried (--canary) | " in nagios.out
    data = dict(part.split("=") for part in re.findall(r"'n [^']*'=\S+", nagios.out))
    seconds, warning, critical, least = data["'n rest_latency'"].split(";")
    assert (warning, critical, least) == ("1", "3", "0")
    assert 1.0 < float(seconds.removesuffix("s")) < 3.0
    assert (stricter.code, verdicts(stricter)["n", "rest"]) == (2, "critical")


def test_a_busy_machine_in_two_samples() -> None:
    """Who stays connected, as the exporter does, warns from the second sample on, and knows how fast REST answers."""

    async def work() -> list[tuple[Verdict, str]]:
        found = []
        with Simulator([NodeProfile(identifier="n", password=PASSWORD)]) as simulator:
            settings = NodeSettings(identifier="n", uri=simulator["n"].uri, password=PASSWORD)
            async with open_fleet([settings], timeout=5.0, settled=True) as fleet:
                for load in (0.95, 0.96):
                    await asyncio.to_thread(simulator["n"].set_load, system_load=load)
                    async with asyncio.timeout(5.0):
                        while (sample := fleet.snapshot()).nodes[0].timed_stats.stats.system_load != load:  # type: ignore[union-attr]
                            await fleet.changed()
                    report = assess(sample, Policy(), timeout=5.0)
                    found += [(made.verdict, made.message) for made in report.findings if made.check == "cpu"]
                    assert sample.nodes[0].rest_latency_s is not None
        return found

    assert asyncio.run(work()) == [
        (Verdict.OK, "load 95% on 4 cores, 5% in the sample before"),
        (Verdict.WARNING, "load 96% on 4 cores, 95% in the sample before (threshold 90%)"),
    ]


def test_the_note_below_the_table(config: Callable[..., Path]) -> None:
    """People read that no track was tried; one line for a mail does not get longer, and a canary ends the note."""
    path = config()

    assert "no canary: tracks were not tried" in check(path, "-o", "table").err
    plain = check(path)
    assert (plain.out, plain.err) == ("OK: 3 of 3 nodes healthy\n", "")
    assert "tracks were not tried" not in check(path, "-o", "table", "--canary", "ytsearch:night").err


@pytest.mark.parametrize(
    ("key", "value", "origin"),
    [
        ("check.warning.cpu", "90%", "default"),
        ("check.warning.rest", "2s", "{path}"),
        ("check.critical.rest", "3s", "default"),
        ("nodes[a].check.warning.rest", "2s", "{path}"),
        ("nodes[b].check.warning.rest", "4s", "{path}"),
        ("nodes[b].check.warning.memory", "95%", "default"),
        ("nodes[c].check.defaults", False, "{path}"),
    ],
)
def test_where_a_threshold_comes_from(write_config: Callable[..., Path], key: str, value: object, origin: str) -> None:
    """`config get` and `config show` say for each threshold whether it is a default, of all, of a tag or of a node."""
    more: dict[str, dict[str, Any]] = {"a": {}, "b": {"check": {"warning": {"rest": "4s"}}}, "c": {"tags": ["bare"]}}
    nodes = [
        {"identifier": name, "uri": f"http://127.0.0.1:{port}", "password": PASSWORD, **more[name]}
        for port, name in enumerate(more, start=1)
    ]
    section = {"warning": {"rest": "2s"}, "tags": {"bare": {"defaults": False}}}
    path = write_config(*nodes, check=section)
    expected = (value, origin.format(path=path))

    got = run_cli("config", "get", key, "--config", str(path), "-o", "json")
    assert (got.json["data"]["value"], got.json["data"]["origin"]) == expected
    shown = run_cli("config", "show", "--config", str(path), "-o", "json")
    rows = {row["key"]: (row["value"], row["origin"]) for row in shown.rows}
    assert rows.get(key, expected) == expected  # a node without requirements of its own has no rows
    assert ("nodes[c].check.warning.cpu" in rows, "check.warning.cpu" in rows) == (False, True)


def test_what_init_writes_is_what_applies(isolated: Path) -> None:
    """The thresholds in the starter are comments that, taken as settings, are the defaults of every check."""
    commented = r"^# (?=\[check|(?:defaults|canaries) = |\w+ = \"[^\"]*\" +# )"
    text = re.sub(commented, "", starter_text(), flags=re.MULTILINE)
    path = isolated / "starter.toml"
    path.write_text(text, encoding="utf-8")

    shown = run_cli("config", "show", "--config", str(path), "-o", "json", LAVALINK_PASSWORD=PASSWORD)
    written = {row["key"]: row["value"] for row in shown.rows if row["origin"] == str(path)}
    assert "ytsearch:night" in str(written["check.canaries"]), "what no threshold sees has its key there, too"
    for check_ in CHECKS:
        for level, limit in zip(("warning", "critical"), check_.bounds, strict=True):
            found = written.get(f"check.{level}.{check_.code}")
            assert found == (limit.shown if limit is not None else None), check_.code
