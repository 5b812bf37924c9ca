"""What a public project has: policies, templates and workflows, which only GitHub can run."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from revvlink_cli.client.cache import entries
from revvlink_cli.client.connection import exchange, handshake
from revvlink_cli.client.protocol import encoded_tracks, models
from revvlink_cli.commands.shared import stdin
from revvlink_cli.config import files, trust
from revvlink_cli.services import listener, web_gate

ROOT = Path(__file__).resolve().parents[2]
GITHUB = ROOT / ".github"
WORKFLOWS = sorted(GITHUB.glob("workflows/*.yml"))
FORMS = sorted(path for path in GITHUB.glob("ISSUE_TEMPLATE/*.yml") if path.name != "config.yml")
PAGES = (
    "SECURITY.md",
    "CODE_OF_CONDUCT.md",
    "docs/support.md",
    "docs/explanation/security.md",
    "docs/how-to/windows.md",
)


def _steps() -> list[dict[str, Any]]:
    jobs = [job for path in WORKFLOWS for job in yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"].values()]
    return [step for job in jobs for step in job["steps"]]


@pytest.mark.parametrize(
    ("schema", "paths"),
    [
        ("vendor.github-workflows", WORKFLOWS),
        ("custom.github-workflows-require-timeout", WORKFLOWS),
        ("vendor.dependabot", [GITHUB / "dependabot.yml"]),
        ("vendor.github-issue-forms", FORMS),
        ("vendor.github-issue-config", [GITHUB / "ISSUE_TEMPLATE" / "config.yml"]),
    ],
)
def test_schemas_of_github_accept_the_files(schema: str, paths: list[Path]) -> None:
    """GitHub silently ignores a file with a mistake; its schemas find one before."""
    assert paths
    program = Path(sys.executable).parent / "check-jsonschema"
    line = [str(program), "--builtin-schema", schema, *map(str, paths)]
    done = subprocess.run(line, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr


def test_workflows_run_what_the_repository_has() -> None:
    """Each target of make exists, each folder of tests too, and every action has a version."""
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    runs = [step["run"] for step in _steps() if "run" in step]
    made = {word for run in runs for line in re.findall(r"\bmake ([a-z -]+)\b", run) for word in line.split()}
    tested = {path for run in runs if "pytest" in run for path in re.findall(r"\btests/[\w/.]+", run)}

    assert made
    assert made <= targets
    assert tested
    assert all((ROOT / path).exists() for path in tested)
    assert all(
        re.fullmatch(r"[\w-]+/[\w-]+@(v\d+|release/v\d+|[0-9a-f]{40})", uses)
        for uses in [step["uses"] for step in _steps() if "uses" in step]
    )


def test_only_the_upload_may_ask_for_an_identity() -> None:
    """Every workflow starts with the right to read; the two jobs that upload have one more right each."""
    for path in WORKFLOWS:
        workflow = yaml.safe_load(path.read_text(encoding="utf-8"))
        assert workflow["permissions"] == {"contents": "read"}, path.name
        more = {name: job["permissions"] for name, job in workflow["jobs"].items() if "permissions" in job}
        uploads = {"publish": {"id-token": "write"}, "page": {"contents": "write"}}
        assert more == (uploads if path.name == "release.yml" else {})


def test_systems_and_pythons_are_those_of_the_classifiers() -> None:
    """The workflow tests each Python that the package claims, on each of the three systems."""
    workflow = yaml.safe_load((GITHUB / "workflows" / "tests.yml").read_text(encoding="utf-8"))
    claimed = re.findall(r'"Programming Language :: Python :: (3\.\d+)"', (ROOT / "pyproject.toml").read_text("utf-8"))
    tested = {name: job["strategy"]["matrix"]["python"] for name, job in workflow["jobs"].items() if "strategy" in job}

    assert tested == dict.fromkeys(("linux", "macos", "windows"), claimed)


@pytest.mark.parametrize("name", PAGES)
def test_links_lead_somewhere(name: str) -> None:
    """Each link of a page leads to a file of the repository, and its heading exists."""
    page = ROOT / name
    for target, heading in re.findall(r"\]\((?!\w+:)([^)#\s]*)(#[^)\s]*)?\)", page.read_text(encoding="utf-8")):
        found = (page.parent / target).resolve() if target else page
        assert found.is_file(), target
        headings = re.findall(r"^#+ (.+)$", found.read_text(encoding="utf-8"), re.MULTILINE)
        assert not heading or heading[1:] in {
            re.sub(r"[^\w -]", "", h).strip().lower().replace(" ", "-") for h in headings
        }


def test_limits_on_the_page_are_those_of_the_code() -> None:
    """The page on security names each limit with the value that the code has."""
    page = (ROOT / "docs" / "explanation" / "security.md").read_text(encoding="utf-8")
    found = dict(re.findall(r"^\| ([^|]+) \| ([^|]+) \|$", page.partition("## Limits")[2], re.MULTILINE))
    mib, limits = 1024 * 1024, listener.Limits()

    assert found["an answer with tracks or players"] == f"{exchange.MAX_BODY // mib} MiB"
    assert found["any other answer, and every refusal"] == f"{exchange.MAX_PLAIN_BODY // mib} MiB"
    assert found["a websocket message"].startswith(f"{handshake.MAX_MESSAGE // mib} MiB;")
    assert found["nesting of JSON"] == f"{models.MAX_NESTING} levels"
    assert found["an encoded track"] == f"{encoded_tracks.MAX_ENCODED // 1024} KiB"
    assert found["a cached result"] == f"{entries.MAX_BODY // mib} MiB"
    assert found["a configuration file"] == f"{files.MAX_SIZE // mib} MiB"
    assert found["a file of certificate authorities"] == f"{trust.MAX_AUTHORITIES // mib} MiB"
    assert found["the first line of a secret's file"] == f"64 KiB; a pipe has {files.PIPE_PATIENCE:g} s"
    assert found["a line on standard input"] == f"{stdin.MAX_LINE // mib} MiB"
    assert found["connections to the exporter"] == (
        f"{limits.connections}; each has {limits.header_time:g} s for a request and {limits.idle_time:g} s between two"
    )
    verifications = f"{web_gate.THREADS} at once, {web_gate.MOST_WAITING} with those that wait"
    assert found["verifications of passwords by the exporter"] == verifications
