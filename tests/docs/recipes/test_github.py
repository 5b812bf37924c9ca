"""The recipe for GitHub Actions: it fits the schema, and its step runs."""

from __future__ import annotations

import re

from tests.conftest import Ran
from tests.docs.recipes.read_recipes import steps
from tests.docs.recipes.recipe_host import PASSWORD, Host, checkout, documents, report, validated


def test_schema_of_github_accepts_the_workflow() -> None:
    """It is as the schema of workflows has it, and the report is uploaded most of all when the check failed."""
    validated("vendor.github-workflows", "github-actions.yml")
    (workflow,) = documents("github-actions.yml")
    upload = workflow["jobs"]["check"]["steps"][-1]

    assert upload["if"] == "always()"
    assert f"junit={upload['with']['path']}" in steps()[0]["run"]


def test_the_step_of_the_workflow(host: Host) -> None:
    """It passes on a healthy fleet; a dead node is an error at the run, in the summary and in the report."""
    checkout(host)
    (step,) = steps()
    env = host.env | {"GITHUB_STEP_SUMMARY": str(host.root / "summary.md")}
    env |= {key: re.sub(r"\$\{\{ secrets\.\w+ \}\}", PASSWORD, value) for key, value in step["env"].items()}

    ran = host.run(step["run"], **env)
    assert ran == Ran(0, "::notice title=revvlink check::OK: 3 of 3 nodes healthy\n", "")
    assert report(host).get("failures") == "0"

    host.fleet["eu-1"].kill()
    ran = host.run(step["run"], **env)
    assert ran.code == 2
    assert "::error title=eu-1 reach CRITICAL::nothing listens on " in ran.out
    assert int(report(host).get("failures", "")) > 0
    assert "CRITICAL" in (host.root / "summary.md").read_text(encoding="utf-8")
