"""A week of `check`, once a minute, on five nodes: messages beside real changes. `pytest -s` prints the figures."""

from __future__ import annotations

import json
import random
from collections import Counter
from itertools import pairwise
from typing import NamedTuple

from revvlink_cli.health.damping import CheckState, Rules
from revvlink_cli.health.findings import Finding, Verdict, worst
from revvlink_cli.health.fleet import Report
from revvlink_cli.health.hold import Hold
from revvlink_cli.services.alerting.message import make_alert
from revvlink_cli.services.alerting.state import changes, dumped, read

MINUTES = 7 * 24 * 60
DEFAULT = Rules(after=Hold(2), recover_after=Hold(2))


class Week(NamedTuple):
    """What happens to each node.

    Attributes:
        verdicts: By node, the verdict of each minute.
        real: By node, how often its state really changes: the begin and the end of each outage.
        spells: By node, how often it begins to flap.
    """

    verdicts: dict[str, list[Verdict]]
    real: Counter[str]
    spells: Counter[str]


def make_week(seed: int) -> Week:
    """A node that is well, one with bad samples, one with outages, one with both, and one that flaps for hours."""
    chance = random.Random(seed)
    verdicts = {name: [Verdict.OK] * MINUTES for name in ("calm", "noisy", "outages", "both", "flapping")}
    real: Counter[str] = Counter()
    for name in ("outages", "both"):
        at = chance.randrange(200, 900)
        while at + 400 < MINUTES:
            length = chance.randrange(5, 240)
            verdicts[name][at : at + length] = [Verdict.CRITICAL] * length
            real[name] += 2
            at += length + chance.randrange(300, 2000)
    for name in ("noisy", "both"):  # single bad samples, hours apart
        for at in range(60, MINUTES - 60, 180):
            moment = at + chance.randrange(60)
            if len(set(verdicts[name][moment - 15 : moment + 15])) == 1:  # well or not, for a while
                verdicts[name][moment] = chance.choice([Verdict.WARNING, Verdict.UNKNOWN, Verdict.CRITICAL])
    for spell in range(5):  # hours in which a node comes and goes with nearly every run
        first = 300 + spell * 1800
        for minute in range(first, first + 400):
            verdicts["flapping"][minute] = chance.choice([Verdict.OK, Verdict.CRITICAL])
    return Week(verdicts, real, Counter({"flapping": 5}))


def messages_of(week: Week, rules: Rules, *, runners: int = 1) -> Counter[str]:
    """How many messages name each node, with so many runners that share a state, one after the other."""
    states: dict[str, CheckState] = {}
    found: Counter[str] = Counter()
    for minute in range(MINUTES):
        findings = tuple(
            Finding(node=name, check="reach", verdict=verdicts[minute], message="nothing listens")
            for name, verdicts in week.verdicts.items()
        )
        report = Report(worst(findings), findings, len(findings), 0, made=findings)
        for runner in range(runners):
            now = 1e9 + minute * 60 + runner * 20
            changed, states = changes(report, states, rules, now=now, scope="")
            if changed:
                assert len(make_alert(report, changed, now).groups) <= len(changed)
                found.update(json.loads(change.key)[0] for change in changed)
        if minute % 500 == 0:
            states = read(dumped(states))  # as from run to run
    return found


def test_a_week_makes_a_message_a_real_change() -> None:
    """Each begin and each end of an outage is one message; bad samples make none; hours of flapping make few.

    Two runners on one machine that share a state, a third of a minute apart, make no more than one: with a time in
    place of a number of runs.
    """
    week = make_week(seed=1)
    by_default = messages_of(week, DEFAULT)
    of_two = messages_of(week, Rules(after=Hold(seconds=60.0), recover_after=Hold(seconds=60.0)), runners=2)
    changed = {name: sum(a is not b for a, b in pairwise(verdicts)) for name, verdicts in week.verdicts.items()}
    for name in week.verdicts:
        figures = f"{changed[name]} changes of the verdict, {week.real[name]} real, {week.spells[name]} flapping spells"
        print(f"{name}: {figures}; {by_default[name]} messages, {of_two[name]} from two runners")  # noqa: T201 - for -s

    assert (by_default["calm"], by_default["noisy"], of_two["noisy"]) == (0, 0, 0)
    for name in ("outages", "both"):
        assert by_default[name] == of_two[name] == week.real[name]
    most = DEFAULT.unstable_changes + 2  # those until it is unstable, that it is, and that it is steady
    assert max(by_default["flapping"], of_two["flapping"]) <= most * week.spells["flapping"] < changed["flapping"] / 10
