"""The language of `--filter`: what it means, what it prints, and where a mistake is."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from revvlink_cli.commands.nodes.status_rows import StatusRow
from revvlink_cli.output.envelope import to_json
from revvlink_cli.output.filter_syntax import parse
from revvlink_cli.output.filtering import And, Comparison, Condition, FilterError, Not, Or, Truth, Value
from tests.output.test_renderers_golden import DEAD, FRESH, WELL

FLEET = (WELL, FRESH, DEAD)

WORDS = st.text(st.sampled_from("abz_019-+*/.,:%é音[]{}^$?\\"), min_size=1, max_size=6).filter(
    lambda text: text.lower() not in ("and", "or", "not")
)
PATHS = (
    st.lists(st.text(st.sampled_from("abz_9"), min_size=1, max_size=4), min_size=1, max_size=3)
    .map(tuple)
    .filter(lambda path: path[0] not in ("and", "or", "not") or len(path) > 1)
)
VALUES = st.builds(Value, WORDS) | st.builds(Value, st.text(max_size=6), st.just(True))
SINGLE: st.SearchStrategy[Condition] = st.builds(Truth, PATHS) | st.builds(
    Comparison, PATHS, st.sampled_from(("==", "!=", ">", ">=", "<", "<=")), VALUES
)


def _parts(kind: type[And | Or]) -> Any:
    def make(parts: list[Condition]) -> Condition:
        flat = [inner for part in parts for inner in (part.parts if isinstance(part, kind) else (part,))]
        return kind(tuple(flat))

    return make


CONDITIONS = st.recursive(
    SINGLE,
    lambda inner: (
        st.builds(Not, inner)
        | st.lists(inner, min_size=2, max_size=3).map(_parts(And))
        | st.lists(inner, min_size=2, max_size=3).map(_parts(Or))
    ),
    max_leaves=6,
)


@given(
    st.text()
    | st.lists(
        st.sampled_from(
            ["(", ")", "and", "or", "not", "!", "&&", "==", "~", ">", "<", "=", "'", '"', "\\", "[", "node", "playing",
             "penalty_terms", ".", "cpu", "7", "90%", "null", "x", " ", "\n", "{9999999999999999}", "(?P<", "²"]
        )
    ).map("".join)
)  # fmt: skip
def test_any_text_is_a_condition_or_a_mistake_with_a_place(text: str) -> None:
    """No text raises anything but the error of the language, whose place is in the text; what is read can be used."""
    mistake: FilterError | None = None
    condition: Condition = Truth(("node",))
    try:
        condition = parse(text)
        for row in FLEET:
            condition.holds(to_json(row))
        condition = condition.bound_to(StatusRow)
    except FilterError as error:
        mistake = error
    assert mistake is None or 0 <= mistake.at <= len(text)
    for row in FLEET:
        condition.holds(to_json(row))


@given(CONDITIONS)
def test_a_printed_condition_reads_as_itself(condition: Condition) -> None:
    """Printing and parsing are inverse, so no parenthesis, quote or escape is lost."""
    assert parse(str(condition)) == condition


@given(CONDITIONS, st.dictionaries(st.sampled_from("abz"), st.none() | st.booleans() | st.integers() | st.text()))
def test_not_is_the_opposite(condition: Condition, row: dict[str, Any]) -> None:
    """Each condition holds for a row or does not, and `not` turns that around."""
    assert Not(condition).holds(row) is not condition.holds(row)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("playing>40 and region==us", "us-1"),
        ("playing>40 && region=='us' || state==failed", "us-1 asia"),
        ("not (state==connected)", "asia"),
        ("!state==connected", "asia"),
        ("playing==0", "eu-1"),
        ("playing==null", "asia"),
        ("playing!=0", "us-1 asia"),
        ("playing>=0", "us-1 eu-1"),
        ("playing", "us-1"),
        ("penalty_is_lower_bound", "us-1"),
        ("speaks_dave!=true", "asia"),
        ("PLAYING > 40", "us-1"),
        ("penalty_terms.players>60", "us-1"),
        ("tags==prod", "us-1"),
        ("tags!=prod", "eu-1 asia"),
        ("unknown_messages.count>2", "eu-1"),
        ("memory_used_bytes<100MiB", "eu-1"),
        ("cpu_load_ratio>30%", "us-1"),
        ("cpu_load_ratio>0.35", ""),
        ("uptime_ms<5m", "eu-1"),
        ("stats_age_s>=500ms", "eu-1"),
        ("version>=4.1.9", "us-1"),
        ("version<3.10", "eu-1"),
        ("version==4.2.2", "us-1"),
        ("message~LISTENS", "asia"),
        ("message~'^nothing .* h:\\d+$'", "asia"),
        ('node~"^us|^eu"', "us-1 eu-1"),
        ("region==null and reason==connection_refused", "asia"),
    ],
)
def test_conditions(text: str, expected: str) -> None:
    """Numbers, units, texts, versions, lists, unknown values and nested fields compare as people expect."""
    condition = parse(text).bound_to(StatusRow)

    found = [row.node.partition("\x1b")[0] for row in FLEET if condition.holds(to_json(row))]

    assert " ".join(found) == expected


@pytest.mark.parametrize(
    ("text", "at", "message"),
    [
        ("", 0, "the condition is empty; write FIELD OPERATOR VALUE, such as playing>100"),
        ("playing>", 8, "a value is missing after >"),
        ("playing>100 region==us", 12, "'and' or 'or' is missing before region"),
        ("(playing>1", 0, "the ) of this ( is missing"),
        ("playing>1)", 9, "this ) closes nothing"),
        ("playing=1", 7, "= is not an operator here: write =="),
        ("region=~us", 6, "=~ is not an operator here: write ~"),
        ("playin>1", 0, "there is no field playin: did you mean playing?"),
        ("penalty_terms.cpus>1", 14, "there is no field cpus in penalty_terms: did you mean cpu?"),
        ("playing>many", 8, "playing is a number, many is none"),
        ("is_stale==maybe", 10, "is_stale is true or false, not maybe"),
        ("playing>null", 8, "null is neither greater nor less than anything: use == or !="),
        ("region=='us", 8, "the ' that ends this text is missing"),
        ("and region==us", 0, "a field is missing before and"),
        ("region==and", 8, 'a value is missing before and, or write "and"'),
        ("tags.x==1", 4, "tags has no fields in it"),
    ],
)
def test_mistakes(text: str, at: int, message: str) -> None:
    """A mistake is named in a sentence, with its place."""
    with pytest.raises(FilterError) as caught:
        parse(text).bound_to(StatusRow)

    assert (str(caught.value), caught.value.at) == (message, at)


def test_depth_has_a_bound() -> None:
    """Thousands of parentheses are a mistake, not the end of the program."""
    with pytest.raises(FilterError, match="more than 50 parentheses"):
        parse("(" * 10_000)
