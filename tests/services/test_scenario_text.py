"""Scenarios as TOML that is read back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import tomli_w
from hypothesis import given
from hypothesis import strategies as st

from revvlink_cli.config.schema import Kind
from revvlink_cli.services.scenario_files import FAULT, NODE, TRACK, UNSENDABLE, misplaced, read_scenario
from revvlink_cli.services.scenario_text import scenario_text

if TYPE_CHECKING:
    from revvlink_cli.config.schema import Key

EXAMPLE = (Path(__file__).resolve().parents[2] / "docs" / "scenario.example.toml").read_text(encoding="utf-8")

TEXTS = st.text(
    st.characters(min_codepoint=32, exclude_characters="\x7f", exclude_categories=["Cs"]), min_size=1
).filter(str.strip)


def _values(key: Key) -> st.SearchStrategy[Any]:
    """Values that a key takes."""
    if key.choices:
        return st.sampled_from(key.choices)
    if key.name == "plugins":
        return st.lists(TEXTS.map(lambda name: f"{name.strip()}:1.0"), max_size=3)
    match key.kind:
        case Kind.TEXT:
            return TEXTS
        case Kind.TEXTS:
            return st.lists(TEXTS, max_size=3)
        case Kind.BOOLEAN:
            return st.booleans()
        case Kind.DURATION:
            return st.integers(1, 10**10).map(lambda ms: f"{ms}ms"[:11]).filter(lambda text: text.endswith("ms")) | (
                st.floats(1e-9, 1e12)
            )
        case Kind.INTEGER:
            values = st.integers(int(key.minimum or 0), int(key.maximum or 2**63 - 1))
            return values.filter(lambda value: value not in UNSENDABLE)
        case Kind.NUMBER:
            return st.floats(key.minimum or 0, key.maximum or 1e6)
    raise AssertionError(f"the key {key.name} has a kind that no scenario had so far: say what it takes")


def _tables(keys: tuple[Key, ...], *always: str, never: tuple[str, ...] = ()) -> st.SearchStrategy[dict[str, Any]]:
    known = {key.name: _values(key) for key in keys if key.name not in never}
    return st.fixed_dictionaries(
        {name: known[name] for name in always}, optional={n: v for n, v in known.items() if n not in always}
    )


def _fitting(fault: dict[str, Any]) -> dict[str, Any]:
    """A fault without the keys that it does not use."""
    wrong = misplaced(fault)
    return {key: value for key, value in fault.items() if key not in wrong}


@given(
    nodes=st.lists(
        _tables(NODE, "name", never=("playing", "missing_frames")),
        min_size=1,
        max_size=3,
        unique_by=lambda node: node["name"],
    ),
    tracks=st.lists(_tables(TRACK, "match", never=("regex",)), max_size=3),
    faults=st.lists(_tables(FAULT, "do", never=("nodes", "every")).map(_fitting), max_size=3),
    seed=st.none() | st.integers(0, 2**63 - 1),
)
def test_what_is_written_is_read_back(
    nodes: list[dict[str, Any]], tracks: list[dict[str, Any]], faults: list[dict[str, Any]], seed: int | None
) -> None:
    """Any values of any keys, those that are added later included; the heading is a comment."""
    document = {"nodes": nodes, "tracks": tracks, "faults": faults, **({} if seed is None else {"seed": seed})}
    scenario = read_scenario(tomli_w.dumps(document))

    text = scenario_text(scenario, ("a heading", "of two lines"))

    assert text.startswith("# a heading\n# of two lines\n")
    assert read_scenario(text) == scenario


def test_what_is_usual_is_left_out() -> None:
    """A file has only what its writer chose; durations keep their units."""
    scenario = read_scenario(
        '[[nodes]]\nname = "a"\nkind = "nodelink"\nplayers = 0\n[[tracks]]\nmatch = "*"\nlength = "90s"'
    )

    assert scenario_text(scenario) == (
        '[[nodes]]\nname = "a"\nkind = "nodelink"\n\n[[tracks]]\nmatch = "*"\nlength = "90s"\n'
    )


def test_the_example_is_read_back() -> None:
    """It has every key."""
    scenario = read_scenario(EXAMPLE)

    assert read_scenario(scenario_text(scenario)) == scenario
