"""What is written to the two streams, whoever reads them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from revvlink_cli.output.text import clean_json
from tests.conftest import run_cli

COMMAND = "::set-env name=PATH::evil"


@pytest.mark.parametrize("variable", ["GITHUB_ACTIONS", "TF_BUILD"])
@pytest.mark.parametrize(
    "text", [COMMAND, f"  {COMMAND}", "##[add-mask]evil", "a ##[error]evil", "##vso[task.setvariable variable=x]evil"]
)
def test_nothing_foreign_is_a_command_of_a_workflow(text: str, variable: str) -> None:
    """A name or an argument that looks like one is printed so that it is none, on both streams and in every format."""
    environment: dict[str, Any] = {variable: "true"}
    for arguments in (
        ("region", text, "other", "-o", "plain"),
        ("region", text, "other", "-o", "table"),
        ("region", text, "other", "-o", "json"),
        ("region", text, "other", "-o", "jsonl"),
        (text,),
        ("nodes", "list", text),
        ("help", text),
    ):
        ran = run_cli(*arguments, **environment)
        for line in (ran.out + ran.err).splitlines():
            assert not line.lstrip().startswith("::")
            assert "##[" not in line
            assert "##vso[" not in line
        if "json" in arguments:
            assert ran.rows[0]["endpoint"] == text


def test_elsewhere_it_is_printed_as_it_is() -> None:
    """Programs that read the output get what there is."""
    assert run_cli("region", COMMAND, "other", "-o", "plain").out.startswith(COMMAND)


def test_json_means_the_same() -> None:
    """What is escaped in it is read as it was."""
    text = "a ##[group] ## ##vso[x] C## #[ ###[y]"
    assert json.loads(clean_json(json.dumps(text))) == text
    assert "##[" not in clean_json(json.dumps(text))
