"""The files of docs/prometheus: promtool accepts them, their names exist, and a real Prometheus runs them.

``REVVLINK_TEST_PROMETHEUS=1`` turns a missing Prometheus into a failure.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from revvlink_cli.health.catalogue import BY_CODE
from revvlink_cli.health.metrics import METRICS
from revvlink_cli.simulator import NodeProfile, Simulator
from tests.conftest import run_cli
from tests.docs.prometheus_programs import (
    ALERTMANAGER,
    CONFIGURATION,
    DASHBOARD,
    FOLDER,
    MANAGER,
    OUTSIDE,
    PAGE,
    RULES,
    alertmanager,
    blackbox,
    in_time,
    post,
    prometheus,
    tool,
    webhook,
)
from tests.services.running_exporter import HELP, PASSWORD, WAIT, ask, configured, eventually, exporter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

VARIABLES = {"$job": "revvlink", "$node": ".*"}
"""What the dashboard's variables stand for before a choice is made."""
SILENT = {"revvlink_node_certificate_left_seconds", "revvlink_check_failure", "revvlink_node_frames_lost_ratio"}
"""What a simulated fleet of healthy Lavalink nodes over plain HTTP does not have."""


def test_promtool_is_content() -> None:
    """The configuration and the rules are valid."""
    for arguments in (("check", "config", "prometheus.yml"), ("check", "rules", "rules.yml")):
        done = subprocess.run(
            [tool("promtool"), *arguments], cwd=FOLDER, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_amtool_is_content() -> None:
    """Alertmanager's example is valid, and each alert reaches the receiver that it is meant for."""
    path = shutil.which("amtool")
    if path is None:
        pytest.skip("amtool (prometheus-alertmanager) is not installed")
    done = subprocess.run([path, "check-config", ALERTMANAGER], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    receivers = {"critical": "on-call", "warning": "team", "info": "team", "none": "none"}
    for severity, receiver in receivers.items():
        name = next(name for name, its_severity in alerts().items() if its_severity == severity)
        routed = subprocess.run(
            [path, "config", "routes", "test", f"--config.file={ALERTMANAGER}", f"--verify.receivers={receiver}",
             f"alertname={name}", f"severity={severity}"], capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert routed.returncode == 0, routed.stdout + routed.stderr


def test_a_real_alertmanager(isolated: Path) -> None:
    """Nodes that fail together are one message, and what follows from another alert is held back."""
    sent = [
        *(("RevvlinkNodeDown", "critical", "a:9870", f"n-{number}") for number in range(12)),
        ("RevvlinkNodeCpuHigh", "warning", "a:9870", "n-1"),
        ("RevvlinkNodeSilenced", "none", "a:9870", "n-2"),
        ("RevvlinkFleetUnhealthy", "critical", "b:9870", ""),
        ("RevvlinkNodeDown", "critical", "b:9870", "m-1"),
        ("RevvlinkCheckCritical", "critical", "b:9870", "m-2"),
    ]
    alerts_ = [
        {"labels": {"alertname": name, "severity": severity, "job": "revvlink", "instance": instance, "node": node}}
        for name, severity, instance, node in sent
    ]
    with alertmanager(isolated / "alertmanager") as url:
        post(f"{url}/api/v2/alerts", alerts_)
        groups = eventually(lambda: notified(ask(f"{url}/api/v2/alerts/groups").text, len(sent)), "it knows all alerts")
    down = {f"n-{number}" for number in range(12)} - {"n-2"}
    assert groups == {
        ("on-call", "RevvlinkNodeDown", "a:9870"): down,
        ("on-call", "RevvlinkFleetUnhealthy", "b:9870"): {""},
        ("on-call", "RevvlinkCheckCritical", "b:9870"): {"m-2"},
        ("none", "RevvlinkNodeSilenced", "a:9870"): {"n-2"},
    }


def notified(text: str, wanted: int) -> dict[tuple[str, str, str], set[str]] | None:
    """By receiver, alert and exporter, the nodes that Alertmanager sends; None until it has all alerts."""
    found: dict[tuple[str, str, str], set[str]] = {}
    groups = json.loads(text)
    if sum(len(group["alerts"]) for group in groups) < wanted:
        return None
    for group in groups:
        for alert in group["alerts"]:
            if alert["status"]["state"] == "unprocessed":
                return None
            if alert["status"]["state"] == "active":
                labels = alert["labels"]
                place = (group["receiver"]["name"], labels["alertname"], labels["instance"])
                found.setdefault(place, set()).add(labels.get("node", ""))
    return found


def test_alertmanager_names_alerts_that_exist() -> None:
    """Every name and every pattern of an inhibition finds an alert of the rules."""
    text = ALERTMANAGER.read_text("utf-8")
    patterns = re.findall(r'alertname =~ "([^"]+)"', text) + re.findall(r"alertname !?= (\w+)", text)

    assert len(patterns) > 8
    for pattern in patterns:
        for part in re.split(r"\|(?![^(]*\))", pattern):
            assert any(re.fullmatch(part, name) for name in alerts()), part


def test_the_rules_have_the_thresholds_of_check() -> None:
    """A limit of an alert is the default threshold of the check, so that both agree on what is wrong."""
    text = RULES.read_text("utf-8")
    for code, metric in (("cpu", "cpu_system_load_ratio"), ("memory", "memory_used_ratio"),
                         ("rest", "rest_latency_seconds"), ("frames", "frames_lost_ratio")):  # fmt: skip
        warning = BY_CODE[code].bounds.warning
        assert warning is not None
        limits = [float(limit) for limit in re.findall(rf"revvlink_node_{metric}{{[^}}]*}} > ([\d.]+)", text)]
        assert limits == [pytest.approx(warning.end)], code
    for bound, days in ((BY_CODE["certificate"].bounds.warning, 14), (BY_CODE["certificate"].bounds.critical, 3)):
        assert bound is not None
        assert bound.start == days * 86_400
        assert f"(revvlink_node_certificate_left_seconds) < {days} * 86400" in text
    assert "revvlink_fleet_unserved_regions > 0" in text
    assert "revvlink_fleet_version_skew > 0" in text


def test_what_the_page_says_to_scrape_is_valid(isolated: Path) -> None:
    """The jobs that docs/prometheus.md shows make a configuration, the same as the example's."""
    blocks = re.findall(r"```yaml\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    jobs = [block for block in blocks if block.startswith("  - job_name")]
    path = isolated / "prometheus.yml"
    whole = [block for block in blocks if block.startswith("scrape_configs:")]
    for text in ("scrape_configs:\n" + "".join(jobs), *whole):
        path.write_text(text, encoding="utf-8")
        done = subprocess.run(
            [tool("promtool"), "check", "config", str(path)], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
    shown = [line.split() for line in "".join(jobs).splitlines() if line.strip()]
    example = CONFIGURATION.read_text("utf-8").partition("scrape_configs:\n")[2]
    wanted = [line.split() for line in example.splitlines() if line.strip() and not line.strip().startswith("#")]
    assert [words(line) for line in shown] == [words(line) for line in wanted]


def test_every_alert_is_tested_both_ways() -> None:
    """For each one the unit tests have a moment when it fires, and one when it does not."""
    text = (FOLDER / "rules_test.yml").read_text("utf-8")
    fires: set[str] = set()
    rests: set[str] = set()
    for name, what in re.findall(r"alertname: (\w+)\n(.*?)(?=alertname:|\n  - name:|\Z)", text, re.DOTALL):
        (rests if "exp_alerts: []" in what else fires).add(name)

    assert fires == rests == set(alerts())


def test_every_alert_is_in_the_page() -> None:
    """The page lists them in order, each with the severity that it has."""
    listed = dict(re.findall(r"^\| `(Revvlink\w+)` \| (\w+) \|", PAGE.read_text("utf-8"), re.MULTILINE))

    assert list(listed.items()) == list(alerts().items())


@pytest.mark.parametrize("path", [RULES, PAGE, DASHBOARD], ids=lambda path: path.name)
def test_every_metric_exists(path: Path) -> None:
    """What the rules, the page and the dashboard name is what the code writes, or what the rules record."""
    text = path.read_text("utf-8")
    named = {word for word in re.findall(r"[a-zA-Z_:][\w:]*", text) if word.startswith(("revvlink_", "probe_"))}
    recorded = set(re.findall(r"\w+:(?:revvlink|probe)_\w+:\w+", text))

    assert named
    assert named - HELP.keys() == set()
    assert recorded <= set(re.findall(r"record: (\S+)", RULES.read_text("utf-8")))
    if path == DASHBOARD:  # whoever has not loaded the rules has the dashboard all the same
        assert not recorded
        for expression in expressions():
            assert set(re.findall(r"\b(?:revvlink|probe)_\w+", expression)), expression


def test_the_page_lists_every_metric() -> None:
    """In their order, with type and meaning; those that the next version drops with their successor."""
    text = PAGE.read_text("utf-8")
    rows = re.findall(r"^\| `([a-z]+_\w+)` \| (gauge|counter|states) \| (.*) \|$", text, re.MULTILINE)
    old = re.findall(r"^\| `(\w+)` \| `(\w+)` \|$", text, re.MULTILINE)

    assert rows == [(metric.full_name, metric.type, metric.help) for metric in METRICS if not metric.successor]
    assert old == [(metric.full_name, metric.successor) for metric in METRICS if metric.successor]
    assert {name for _, name in old} <= {name for name, *_ in rows}


def test_the_dashboard_has_grafanas_model() -> None:
    """Grafana can import it: every field is one of its dashboard model, with a value that the model allows."""
    schema = json.loads((Path(__file__).parents[1] / "data" / "grafana-dashboard.schema.json").read_text("utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    errors = jsonschema.Draft202012Validator(schema).iter_errors(json.loads(DASHBOARD.read_text("utf-8")))

    assert [f"{error.json_path}: {error.message[:200]}" for error in errors] == []


def test_the_dashboard_asks_what_prometheus_can_parse(isolated: Path) -> None:
    """Every expression is valid PromQL, and no file names a metric that the next version drops."""
    rules = []
    for number, expression in enumerate(expressions()):
        for name, value in VARIABLES.items():
            expression = expression.replace(name, value)  # noqa: PLW2901 - what Grafana does
        rules.append({"record": f"expression:{number}", "expr": expression})
    path = isolated / "rules.yml"
    path.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}), encoding="utf-8")
    old = {metric.full_name for metric in METRICS if metric.successor}
    for text in (file.read_text("utf-8") for file in FOLDER.iterdir()):
        assert not old & set(re.findall(r"\w+", text))
    done = subprocess.run([tool("promtool"), "check", "rules", str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_dashboard_is_sound() -> None:
    """Ids are unique, panels do not overlap, and nothing in it is bound to one installation."""
    dashboard = json.loads(DASHBOARD.read_text("utf-8"))
    panels = dashboard["panels"]
    taken: dict[tuple[int, int], str] = {}
    for panel in panels:
        place = panel["gridPos"]
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                assert x < 24, panel["title"]
                assert taken.setdefault((x, y), panel["title"]) == panel["title"]
        for bound in (panel, *panel.get("targets", ())) if panel["type"] != "row" else ():
            assert bound["datasource"] == {"type": "prometheus", "uid": "${datasource}"}, panel["title"]
    variables = {variable["name"]: variable for variable in dashboard["templating"]["list"]}

    assert len({panel["id"] for panel in panels}) == len(panels)
    assert len({panel["title"] for panel in panels if panel["type"] != "row"}) > 12
    assert dashboard["id"] is None
    assert variables["datasource"]["query"] == "prometheus"
    assert variables["node"]["definition"] == "label_values(revvlink_node_up, node)"
    used = {name for expression in expressions() for name in re.findall(r"\$\w+", expression)}
    assert used == VARIABLES.keys()


def test_a_real_prometheus_with_a_real_alertmanager(write_config: Callable[..., Path], isolated: Path) -> None:
    """They run the shipped files: scrapes, probes, discovery and rules of a fleet; when nodes die, one message.

    The message names all of them, without those that `revvlink silence` or a silence of Alertmanager is for. A
    blackbox_exporter beside the exporter sees the same death. Meanwhile every unit test of the rules passes.
    """
    for names in (("prometheus",), MANAGER, OUTSIDE):
        tool(*names)
    with ExitStack() as stack:
        stack.enter_context(rules_in_unit_tests())
        simulator = stack.enter_context(Simulator(many_nodes()))
        config = configured(write_config, simulator, check={"canaries": ["ytsearch:night"]})
        assert run_cli("--config", str(config), "silence", "add", "us-4", "--for", "1h", "--reason", "disk").code == 0
        running = stack.enter_context(exporter(config))
        messages, receiver = stack.enter_context(webhook())
        manager = stack.enter_context(alertmanager(isolated / "alertmanager", receiver))
        outside = stack.enter_context(blackbox(isolated / "blackbox"))
        uris = {name: simulator[name].uri for name in ("us-1", "us-2")}
        asked = stack.enter_context(prometheus(isolated / "prometheus", running.url, manager, outside, uris))

        silence = {"matchers": [{"name": "node", "value": "eu-2", "isRegex": False, "isEqual": True}],
                   "startsAt": "2026-01-01T00:00:00Z", "endsAt": "2126-01-01T00:00:00Z",
                   "createdBy": "test", "comment": "a new disk"}  # fmt: skip
        post(f"{manager}/api/v2/silences", silence)

        targets = in_time(lambda: settled(asked), "all targets are up")
        assert sorted(targets) == sorted(
            [("revvlink", running.url.removeprefix("http://")), ("revvlink-probe", "us-1"), ("revvlink-probe", "eu-1"),
             ("discovered", "asia-1"),
             *(("lavalink-outside", f"{uri}/version") for uri in uris.values())]
        )  # fmt: skip
        up = 'revvlink_node_up{job="revvlink"}'
        everybody = {node.profile.identifier: 1.0 for node in simulator}
        in_time(lambda: by_label(asked, up, "node") == everybody, "every node is up")
        probes = 'probe_success{job!="lavalink-outside"}'
        well = dict.fromkeys(("us-1", "eu-1", "asia-1"), 1.0)
        in_time(lambda: by_label(asked, probes, "instance") == well, "probes succeed")

        rules = in_time(lambda: evaluated(asked), "every rule was evaluated")
        assert {rule["name"] for rule in rules if rule["type"] == "alerting"} == alerts().keys()
        assert [rule["lastError"] for rule in rules if rule["health"] != "ok"] == []
        assert firing(rules) <= {("RevvlinkNodeSilenced", "us-4")}
        for expression in expressions():
            for name, value in VARIABLES.items():
                expression = expression.replace(name, value)  # noqa: PLW2901 - what Grafana does
            found = asked("query", query=expression)["result"]
            assert found or any(metric in expression for metric in SILENT), expression

        dead = {"us-2", "us-3", "us-4", "eu-2"}
        for name in dead:
            simulator[name].kill()
        alive = everybody | dict.fromkeys(dead, 0.0)
        in_time(lambda: by_label(asked, up, "node") == alive, "four nodes are down, the others up")
        seen = {f"{uris['us-1']}/version": 1.0, f"{uris['us-2']}/version": 0.0}
        in_time(lambda: by_label(asked, 'probe_success{job="lavalink-outside"}', "instance") == seen, "both see it")

        # What follows from a death (its canary, the error budget) has alerts of its own, sooner or later.
        held = {"us-2": (False, False), "us-3": (False, False), "us-4": (True, False), "eu-2": (False, True)}
        in_time(lambda: held_back(f"{manager}/api/v2/alerts") == held, "Alertmanager has the alerts, and holds two")
        in_time(lambda: {"us-2", "us-3"} in [told[2] for told in down(messages)], "one message names both nodes")
        places = {(receiver_, instance) for receiver_, instance, _ in down(messages)}
        assert places == {("on-call", running.url.removeprefix("http://"))}
        assert {node for *_, nodes in down(messages) for node in nodes} == {"us-2", "us-3"}
        assert "RevvlinkNodeSilenced" not in {message["groupLabels"]["alertname"] for message in messages}


@contextmanager
def rules_in_unit_tests() -> Iterator[None]:
    """Runs the unit tests of the rules beside the block; they must pass."""
    command = [tool("promtool"), "test", "rules", "rules_test.yml"]
    process = subprocess.Popen(command, cwd=FOLDER, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        yield
        said, _ = process.communicate(timeout=120)
        assert process.returncode == 0, said
    finally:
        process.kill()
        process.wait(WAIT)


def many_nodes() -> list[NodeProfile]:
    """Eight nodes, so that the fleet is healthy with half of them."""
    regions = {"us": 5, "eu": 2, "asia": 1}
    return [
        NodeProfile(identifier=f"{region}-{number}", region=region, password=PASSWORD, players=9, playing=9)
        for region, count in regions.items()
        for number in range(1, count + 1)
    ]


def held_back(url: str) -> dict[str, tuple[bool, bool]]:
    """By node that is down: whether its alert is inhibited, and whether it is silenced."""
    return {
        alert["labels"]["node"]: (bool(alert["status"]["inhibitedBy"]), bool(alert["status"]["silencedBy"]))
        for alert in json.loads(ask(url).text)
        if alert["labels"]["alertname"] == "RevvlinkNodeDown"
    }


def down(messages: list[dict[str, Any]]) -> list[tuple[str, str, set[str]]]:
    """The messages on nodes that are down: receiver, exporter and nodes of each."""
    return [
        (
            message["receiver"],
            message["groupLabels"]["instance"],
            {alert["labels"]["node"] for alert in message["alerts"]},
        )
        for message in list(messages)
        if message["groupLabels"]["alertname"] == "RevvlinkNodeDown"
    ]


def words(line: list[str]) -> list[str]:
    """A line without its comment."""
    return line[: line.index("#")] if "#" in line else line


def alerts() -> dict[str, str]:
    """The rules' alerts, each with its severity."""
    return dict(re.findall(r"alert: (\w+)\n.*?severity: (\w+)\n", RULES.read_text("utf-8"), re.DOTALL))


def expressions() -> list[str]:
    """Everything that the dashboard asks Prometheus for."""
    panels = json.loads(DASHBOARD.read_text("utf-8"))["panels"]
    return [target["expr"] for panel in panels for target in panel.get("targets", ())]


def settled(asked: Callable[..., Any]) -> list[tuple[str, str]]:
    """Job and instance of every target, once all are up."""
    targets = asked("targets", state="active")["activeTargets"]
    if any(target["health"] != "up" for target in targets):
        return []
    return [(target["labels"]["job"], target["labels"]["instance"]) for target in targets]


def evaluated(asked: Callable[..., Any]) -> list[dict[str, Any]]:
    """Every rule, once all have been evaluated."""
    rules = [rule for group in asked("rules")["groups"] for rule in group["rules"]]
    return [] if any(rule["health"] == "unknown" for rule in rules) else rules


def firing(rules: list[dict[str, Any]]) -> set[tuple[str, str]]:
    """Names and nodes of the alerts that are pending or firing."""
    return {(rule["name"], alert["labels"].get("node", "")) for rule in rules for alert in rule.get("alerts", ())}


def by_label(asked: Callable[..., Any], query: str, label: str) -> dict[str, float]:
    """The values of a query now, by one of their labels."""
    return {found["metric"][label]: float(found["value"][1]) for found in asked("query", query=query)["result"]}
