"""The state machine of alerts: how long a problem must hold, and checks that change too often."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from revvlink_cli.health.damping import ChangeKind, CheckState, Rules, advance
from revvlink_cli.health.findings import Finding, Verdict
from revvlink_cli.health.fleet import Report
from revvlink_cli.health.hold import Hold
from revvlink_cli.health.silences import Silence
from revvlink_cli.services.alerting.state import changes, dumped, read, unsent

VERDICTS = st.sampled_from(["OK", "OK", "WARNING", "CRITICAL", "UNKNOWN"])
HOLDS = st.one_of(st.integers(1, 4).map(Hold), st.integers(1, 600).map(lambda seconds: Hold(seconds=float(seconds))))
RULES = st.builds(
    Rules,
    after=HOLDS,
    recover_after=HOLDS,
    remind=st.none(),
    unstable_changes=st.integers(0, 8),
    unstable_window=st.floats(60, 7200),
)
C, W, OK = "CRITICAL", "WARNING", "OK"


def played(found: list[str], rules: Rules, *, every: float = 60.0) -> list[ChangeKind | None]:
    """What each of these runs reports."""
    state: CheckState | None = None
    kinds = []
    for run, verdict in enumerate(found):
        state, kind = advance(state, verdict, 1e9 + run * every, rules)
        kinds.append(kind)
    return kinds


@pytest.mark.parametrize(
    ("found", "rules", "reported"),
    [
        ([C, OK], Rules(), ["began", "recovered"]),
        ([C, C, OK, OK], Rules(Hold(2), Hold(2)), [None, "began", None, "recovered"]),
        ([C, OK, C, OK, C, C], Rules(Hold(2), unstable_changes=0), [None] * 5 + ["began"]),
        ([W, C, C], Rules(Hold(2)), [None, "began", None]),
        ([W, W, C, W, C, C], Rules(Hold(2)), [None, "began", None, None, None, "changed"]),
        ([C, C, OK, C, OK, OK], Rules(recover_after=Hold(2)), ["began", None, None, None, None, "recovered"]),
        ([C, C, C, OK], Rules(Hold(seconds=120.0)), [None, None, "began", "recovered"]),
        ([C, C, C], Rules(remind=120.0), ["began", None, "lasts"]),
        ([C, OK] * 3, Rules(unstable_changes=3), ["began", "recovered", "began", "unstable", None, None]),
        (
            [C, OK, C, OK, C, *[C] * 5],
            Rules(unstable_changes=2, unstable_window=1200.0),
            ["began", "recovered", "unstable", None, None, None, None, None, None, "steady"],
        ),
        ([C, OK, *[OK] * 20], Rules(unstable_changes=1), ["began", "unstable", *[None] * 20]),
    ],
)
def test_what_each_run_reports(found: list[str], rules: Rules, reported: list[str | None]) -> None:
    """Problems are reported when they have held, and a check that changes too often only as unstable and steady."""
    assert played(found, rules) == reported


@given(st.lists(VERDICTS, min_size=100, max_size=100), RULES, st.floats(1, 600))
def test_a_hundred_runs_make_at_most_one_message_a_change(found: list[str], rules: Rules, every: float) -> None:
    """There are never more messages than changes, at any time, with any rules; and none that repeats the last one."""
    messages = changed = 0
    before = OK
    for verdict, kind in zip(found, played(found, rules, every=every), strict=True):
        changed += verdict != before
        before = verdict
        messages += kind is not None
        assert messages <= changed


@given(st.integers(3, 8), st.integers(0, 3))
def test_flapping_is_two_messages(limit: int, lead: int) -> None:
    """A check that changes with every run for hours is reported as unstable once, and once when it is steady."""
    rules = Rules(Hold(2), Hold(2), unstable_changes=limit)
    kinds = played([*[OK] * lead, *[C, OK] * 200, *[OK] * 60], rules)

    assert [kind for kind in kinds if kind is not None] == [ChangeKind.UNSTABLE, ChangeKind.STEADY]


@given(st.lists(VERDICTS, max_size=60), RULES)
def test_the_end_is_right(found: list[str], rules: Rules) -> None:
    """After a long calm the reported verdict is what is the case, and nothing is left to remember of a sound check."""
    state: CheckState | None = None
    for run, verdict in enumerate([*found, *[OK] * 200]):
        state, _ = advance(state, verdict, 1e9 + run * 120.0, rules)

    assert state is None or state.is_idle


@given(st.lists(VERDICTS, min_size=1, max_size=60), RULES, st.randoms(use_true_random=False))
def test_a_message_that_was_not_sent_comes_later(found: list[str], rules: Rules, chance: object) -> None:
    """With a channel that fails now and then, messages come late, and the last one says what is the case."""
    state: CheckState | None = None
    told = OK
    for run, verdict in enumerate([*found, *[C] * 200]):
        after, kind = advance(state, verdict, 1e9 + run * 120.0, rules)
        if kind is not None and run < len(found) and chance.random() < 0.5:  # type: ignore[attr-defined]
            assert after is not None
            after = unsent(state, after)
        elif kind is not None:  # a message that a check is unstable says the verdict, too
            told = verdict
        state = after

    assert told == C


@given(st.dictionaries(st.sampled_from(["a", "b"]), st.lists(VERDICTS, min_size=1, max_size=20)), RULES)
def test_the_file_keeps_everything(found: dict[str, list[str]], rules: Rules) -> None:
    """What is read again is what was written, but for checks with nothing to remember."""
    states: dict[str, CheckState] = {}
    for node, verdicts in found.items():
        state: CheckState | None = None
        for run, verdict in enumerate(verdicts):
            state, _ = advance(state, verdict, 1e9 + run, rules)
        if state is not None and not state.is_idle:
            states[json.dumps([node, "reach", None])] = state

    assert read(dumped(states)) == states


def test_no_message_is_sent_about_a_silenced_node() -> None:
    """What happens during a silence is not reported; what lasts at its end is, also if it was reported before."""
    silence = Silence(id="s", is_for_all=True, reason="x", created_by="x", created_at=0.0, until=9e9)
    states: dict[str, CheckState] = {}
    kinds: dict[str, list[str]] = {"a": [], "b": [], "c": [], "d": []}
    # Each node's runs: CRITICAL or OK; capitals are silenced.
    runs = {"a": "cCCc", "b": "oCCc", "c": "cCOo", "d": "cOOo"}
    for run in range(4):
        report = report_of({name: letters[run] for name, letters in runs.items()}, silence)
        changed, states = changes(report, states, Rules(), now=1e9 + run * 60, scope="")
        for change in changed:
            kinds[json.loads(change.key)[0]].append(f"{run} {change.kind}")
            assert change.state.since == 1e9 + (60 if change.key.startswith('["b') else 0)
    assert kinds == {"a": ["0 began", "3 began"], "b": ["3 began"], "c": ["0 began"], "d": ["0 began"]}
    assert {json.loads(key)[0] for key in states} == {"a", "b"}


def report_of(nodes: dict[str, str], silence: Silence) -> Report:
    """A report with the check ``reach`` of these nodes."""
    found = []
    for name, letter in nodes.items():
        raw = Verdict.CRITICAL if letter.lower() == "c" else Verdict.OK
        finding = Finding(node=name, check="reach", verdict=raw, message="m")
        if letter == "C":
            finding = replace(finding, verdict=Verdict.OK, raw_verdict=raw, silence=silence)
        found.append(finding)
    silenced = {name: silence for name, letter in nodes.items() if letter.isupper()}
    return Report(Verdict.OK, tuple(found), len(nodes), 0, made=tuple(found), silenced=silenced)


def test_a_file_of_the_first_version_is_read_on() -> None:
    """A problem that an older version has reported is not reported again, and its end is, with its duration."""
    key = json.dumps(["a", "reach", None])
    states = read(json.dumps({key: ["CRITICAL", 1e9, 1e9, 1e9 + 60]}))
    state, kind = advance(states[key], C, 1e9 + 120, Rules())
    assert kind is None
    state, kind = advance(state, OK, 1e9 + 180, Rules())

    assert (kind, state is not None and state.since) == (ChangeKind.RECOVERED, 1e9)


@pytest.mark.parametrize(
    "text",
    [
        *("", "[]", '{"version": 3}', '{"version": 2}', '{"version": 2, "states": {"x": 1}}', "[" * 10000),
        *('{"[1, 2, 3]": ["CRITICAL", 1, 1, 1]}', '{"x": ["NONE", 1, 1, 1]}'),
    ],
)
def test_a_file_that_cannot_be_read_is_empty(text: str) -> None:
    """Neither damage nor a version from the future stops an alert."""
    assert read(text) == {}
