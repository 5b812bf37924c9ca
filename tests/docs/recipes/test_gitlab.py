"""The recipe for GitLab CI: it fits the schema, and its script runs."""

from __future__ import annotations

from tests.conftest import Ran
from tests.docs.recipes.read_recipes import script
from tests.docs.recipes.recipe_host import PASSWORD, Host, checkout, documents, report, validated


def test_schema_of_gitlab_accepts_the_pipeline() -> None:
    """It is as the schema of pipelines has it, and the report is kept most of all when the check failed."""
    validated("vendor.gitlab-ci", "gitlab-ci.yml", "--data-transform", "gitlab-ci")
    (pipeline,) = documents("gitlab-ci.yml")
    artifacts = pipeline["lavalink"]["artifacts"]

    assert artifacts["when"] == "always"
    assert f"junit={artifacts['reports']['junit']}" in script()[0]


def test_the_script_of_the_pipeline(host: Host) -> None:
    """It passes on a healthy fleet, fails on a dead node, and a WARNING is the exit code that may fail."""
    checkout(host)
    (line,) = script()
    (pipeline,) = documents("gitlab-ci.yml")
    env = host.env | {"LAVALINK_PASSWORD": PASSWORD}

    assert host.run(line, **env) == Ran(0, "OK: 3 of 3 nodes healthy\n", "")
    assert report(host).get("failures") == "0"

    warned = host.run(f"{line} --warning cpu=1%", **env)
    assert warned.code == pipeline["lavalink"]["allow_failure"]["exit_codes"]

    host.fleet["eu-1"].kill()
    assert host.run(line, **env).code == 2
    failures = [failure.get("message", "") for failure in report(host).iter("failure")]
    assert any("nothing listens on" in message for message in failures), failures
