"""What alerts say: causes, limits of Discord, the payload of JSON webhooks, and texts of nodes that mean nothing."""

from __future__ import annotations

import json
import re
from importlib.resources import files
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from revvlink_cli.client.redaction import Secret
from revvlink_cli.config import secrets_in_use
from revvlink_cli.health.damping import CheckState, Rules
from revvlink_cli.health.findings import Finding, Skipped, Verdict, worst
from revvlink_cli.health.fleet import Report
from revvlink_cli.health.hold import Hold
from revvlink_cli.services.alerting.discord import discord_body
from revvlink_cli.services.alerting.message import Alert, common_text, make_alert, make_test_alert, payload
from revvlink_cli.services.alerting.state import changes

HOSTILE = st.sampled_from([
    "@everyone", "<@&170939974227541168>", "**", "`", "```", "\\", "[x](https://evil.example)", "\n# big", "\u202e",
    "<!channel>", "\N{PILE OF POO}" * 9, "||", "> quote", ":smile:", "\ud800",
])  # fmt: skip
TEXTS = st.one_of(st.text(max_size=900), st.lists(HOSTILE, max_size=90).map("".join))


def finding(node: str | None, message: str, *, check: str = "reach", verdict: Verdict = Verdict.CRITICAL,
            code: str | None = "refused", hint: str | None = None) -> Finding:  # fmt: skip
    """A finding."""
    return Finding(node=node, check=check, verdict=verdict, message=message, code=code, hint=hint)


def alert_on(*findings: Finding, states: dict[str, CheckState] | None = None, now: float = 1e9,
             context: str | None = None, rules: Rules = Rules()) -> tuple[Alert, dict[str, CheckState]]:  # noqa: B008  # fmt: skip
    """The alert on a report with these findings, and the states after it."""
    report = Report(worst(findings), findings, len(findings), 0, context=context)
    found, after = changes(report, states or {}, rules, now=now, scope="")
    return make_alert(report, found, now), after


def test_one_cause_is_one_entry() -> None:
    """Twelve nodes of one dead host are one line with their names, a busy one is another; the grave one comes first."""
    dead = [finding(f"eu-{n}", f"nothing listens on eu-{n}:2333", hint="start Lavalink") for n in range(12)]
    busy = finding("us-1", "the CPU is at 93 %", check="cpu", verdict=Verdict.WARNING, code="threshold")
    alert, _ = alert_on(busy, *dead, context="prod")

    first, *names = alert.lines()
    assert first == "12 nodes reach CRITICAL: nothing listens on \N{HORIZONTAL ELLIPSIS}"
    assert names[0] == "  eu-0: nothing listens on eu-0:2333"
    since = "  since 2001-09-09 01:46 UTC"
    assert names[12:] == [since, "  what to do: start Lavalink", "us-1 cpu WARNING: the CPU is at 93 %", since]
    assert payload(alert)["text"].split("\n")[:2] == [alert.headline, f"revvlink on {alert.host}, fleet prod"]
    body = discord_body(alert)
    assert [field["name"] for field in body["embeds"][0]["fields"]] == ["Nodes (12)", "Since", "What to do"]
    assert body["embeds"][0]["color"] != body["embeds"][1]["color"]
    assert body["embeds"][0]["footer"]["text"].endswith(", fleet prod")
    assert alert.host in body["embeds"][0]["footer"]["text"]


def test_the_end_says_how_long_it_lasted() -> None:
    """The time from the first run that found the problem to the first that found none."""
    _, states = alert_on(finding("a", "x"))
    alert, _ = alert_on(finding("a", "", verdict=Verdict.OK), states=states, now=1e9 + 300)

    assert alert.lines() == ["a reach is OK again, after 5m 0s of CRITICAL"]
    assert payload(alert)["changes"][0]["lasted_s"] == 300


def test_a_flapping_check_began_to_flap_at_one_time() -> None:
    """Every channel names the same moment, and says how often the verdict changed; names of one text share a line."""
    states: dict[str, CheckState] = {}
    alert = None
    for run in range(5):
        verdict = Verdict.OK if run % 2 else Verdict.CRITICAL
        found = [finding(name, "" if run % 2 else "nothing listens", verdict=verdict) for name in ("a", "b")]
        rules = Rules(after=Hold(9), unstable_changes=4)
        alert, states = alert_on(*found, states=states, now=1e9 + 60 * run, rules=rules)

    assert alert is not None
    assert alert.lines() == [
        "2 nodes reach are unstable, 5 changes within 4m 0s, now CRITICAL: nothing listens",
        "  a, b",
        "  since 2001-09-09 01:46 UTC",
    ]
    assert {change["since"] for change in payload(alert)["changes"]} == {"2001-09-09T01:46:40Z"}
    assert "<t:1000000000:f>" in json.dumps(discord_body(alert))


def test_only_the_role_is_mentioned_and_only_when_something_got_worse() -> None:
    """A new problem and a graver one mention it; the end of a problem, and a reminder, do not."""
    role = "170939974227541168"
    began, states = alert_on(finding("a", f"<@&{role}> @everyone", verdict=Verdict.WARNING))
    worse, states = alert_on(finding("a", "x"), states=states)
    lasts, states = alert_on(finding("a", "x"), states=states, rules=Rules(remind=1.0), now=1e9 + 60)
    over, _ = alert_on(finding("a", "x", verdict=Verdict.OK), states=states)

    bodies = [discord_body(alert, role) for alert in (began, worse, lasts, over)]
    assert [body["content"].startswith(f"<@&{role}> **") for body in bodies] == [True, True, False, False]
    assert bodies[0]["allowed_mentions"] == {"parse": [], "roles": [role]}
    assert [body["allowed_mentions"] for body in bodies[2:]] == [{"parse": []}] * 2
    assert discord_body(began)["allowed_mentions"] == {"parse": []}


@settings(max_examples=30)
@given(
    st.lists(st.tuples(st.text(max_size=30), TEXTS, st.sampled_from(["a", "b", "c"]), TEXTS), max_size=60),
    st.booleans(),
)
def test_messages_fit_and_mean_nothing(found: list[tuple[str, str, str, str]], splits: bool) -> None:
    """Whatever nodes say, Discord's limits hold, no text mentions anybody, and none has markup or links."""
    alert, _ = alert_on(*(
        finding(name or "n", text, check=f"check{index if splits else ''}", code=code, hint=hint)
        for index, (name, text, code, hint) in enumerate(found)
    ))  # fmt: skip
    body = discord_body(alert, "170939974227541168")

    embeds = body["embeds"]
    own = {"description", "color", "fields", "footer", "timestamp"}
    assert len(body["content"]) <= 2000
    assert len(embeds) <= 10
    assert sum(map(size, embeds)) <= 6000
    for embed in embeds:
        assert embed.keys() <= own
        assert len(embed["description"]) <= 4096
        assert len(embed["fields" if "fields" in embed else "footer"]) <= 25
        assert all(
            0 < len(field["name"]) <= 256 and 0 < utf16(field["value"]) <= 1024 for field in embed.get("fields", ())
        )
        texts = [
            embed["description"],
            *(field["value"] for field in embed.get("fields", ()) if field["name"] != "Since"),
        ]
        for text in texts:
            assert not re.search(r"(?<!\\)(?:\\\\)*[@<`|\[\]]", text.replace("\\\\", ""))
            assert not re.search(r"(?<!\\)://", text)
    plain = "\n".join(alert.lines())
    assert "@everyone" not in plain
    assert "<!" not in plain
    jsonschema.validate(json.loads(json.dumps(payload(alert))), schema())


def size(embed: dict[str, Any]) -> int:
    """Characters that Discord counts, in its clients' unit."""
    fields = (text for field in embed.get("fields", ()) for text in (field["name"], field["value"]))
    return sum(map(utf16, [embed["description"], embed["footer"]["text"], *fields]))


def utf16(text: str) -> int:
    """The length in UTF-16."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def schema() -> Any:
    """The schema in the package."""
    return json.loads(files("revvlink_cli").joinpath("schemas/alert.json").read_text("utf-8"))


def test_the_payload_has_every_field_of_its_schema() -> None:
    """Also a test message is valid, and names its fleet."""
    for made in (make_test_alert("prod", 3, 1e9), alert_on(finding(None, "x", check="quorum"))[0]):
        found = payload(made)
        assert found.keys() == schema()["properties"].keys()
        jsonschema.validate(found, schema())
        assert all(change.keys() == schema()["properties"]["changes"]["items"]["properties"].keys()
                   for change in found["changes"])  # fmt: skip


def test_secrets_are_masked() -> None:
    """A password that a server echoes is in no form of a message."""
    secrets_in_use.use([Secret("hunter2-canary")])
    alert, _ = alert_on(finding("a", "wrong: hunter2-canary", hint="hunter2-canary"))

    assert "hunter2" not in json.dumps([discord_body(alert), payload(alert), alert.lines()])


@pytest.mark.parametrize(("address", "text", "shown"), [
    ("http://127.0.0.1:9977/hook", "JSON webhook: refused", "JSON webhook: refused"),
    ("https://push.example/api/push/x7Kq2mPz9L", "push x7Kq2mPz9L refused", "push *** refused"),
    ("http://127.0.0.1:9977/hook", "at http://127.0.0.1:9977/hook", "at ***"),
])  # fmt: skip
def test_the_address_of_a_channel(address: str, text: str, shown: str) -> None:
    """The whole address and a token at its end are masked; a short word at its end stays, as it is in other texts."""
    secrets_in_use.use(secrets_in_use.of_setting("webhook", address))

    assert secrets_in_use.redact(text) == shown


def test_what_does_not_run_has_no_end() -> None:
    """A check that needs another one, which failed, is neither over nor new."""
    _, states = alert_on(finding("a", "x", check="cpu"))
    report = Report(Verdict.OK, (Skipped("a", "cpu", "x", "stats"),), 1, 1)
    found, after = changes(report, states, Rules(), now=1e9, scope="")

    assert (found, after.keys()) == ([], states.keys())


@given(st.lists(st.text(max_size=40), min_size=1, max_size=5))
def test_common_text_is_short(texts: list[str]) -> None:
    """What texts have in common is never longer than the longest of them and an ellipsis."""
    assert len(common_text(texts)) <= max(max(map(len, texts)) + 2, len("different causes"))
