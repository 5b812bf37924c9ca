"""The terms of the penalty in rows, sort orders and help: each face shows every term of the table."""

from __future__ import annotations

import dataclasses

import pytest

from revvlink_cli.client.routing.penalty import TERMS, Penalty
from revvlink_cli.commands.nodes.penalties import PenaltyRow
from revvlink_cli.commands.nodes.status_rows import PenaltyTerms
from revvlink_cli.commands.route import ExplainRow
from revvlink_cli.commands.shared import penalty_columns
from revvlink_cli.output.result import columns_of
from tests.conftest import run_cli

NAMES = [term.name for term in TERMS]


@pytest.mark.parametrize("row", [PenaltyRow, ExplainRow])
def test_rows_have_a_column_for_every_term(row: type) -> None:
    """`nodes penalties` and `route --explain` show every term, in the order of the table, under its label."""
    columns = [(name, column.title) for name, column in columns_of(row)]
    begin = columns.index((NAMES[0], TERMS[0].label.upper()))

    assert columns[begin : begin + len(TERMS)] == [(term.name, term.label.upper()) for term in TERMS]
    assert columns[begin + len(TERMS)][0] == "penalty"


def test_json_of_the_status_has_every_term() -> None:
    """`penalty_terms` of `nodes status` has a field for every term."""
    assert [entry.name for entry in dataclasses.fields(PenaltyTerms)] == NAMES


def test_fields_of_a_row_are_those_of_the_penalty() -> None:
    """A row gets every field of the penalty; all are None where it is unknown."""
    cost = Penalty(1.0, 2.0, 3.0, 4.0, 5.0, is_lower_bound=True, cpu_assumed=False)
    known, unknown = penalty_columns.terms_of(cost), penalty_columns.terms_of(None)

    assert [known[name] for name in NAMES] == [getattr(cost, name) for name in NAMES]
    assert known["penalty"] == cost.total
    assert len(known) == len(dataclasses.fields(Penalty)) + 1
    assert unknown == dict.fromkeys(known)
    assert penalty_columns.sum_of(penalty_columns.costs_of(cost)).split(" + ") == [
        f"{term.label} {getattr(cost, term.name):.1f}" for term in TERMS
    ]


def test_help_and_sort_orders_have_every_term() -> None:
    """`--sort` takes every term, and `help penalty` shows every formula."""
    topic = run_cli("help", "penalty").out
    usage = " ".join(run_cli("nodes", "penalties", "--help").out.split())

    assert all(term.formula in topic for term in TERMS)
    assert ", ".join(NAMES) in usage
