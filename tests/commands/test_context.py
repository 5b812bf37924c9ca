"""`context` and ``--context`` as they are typed."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from revvlink_cli.cli.app import run
from revvlink_cli.cli.completion import candidates
from tests.conftest import Ran
from tests.fake_terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Typed = Callable[..., Ran]

NODE = '[[nodes]]\nidentifier = "us-1"\nuri = "http://127.0.0.1:1"\npassword = "x"\nregion = "us"\n'


@pytest.fixture
def typed(capfd: pytest.CaptureFixture[str]) -> Typed:
    """Runs a command line in this process."""

    def run_line(*arguments: str) -> Ran:
        capfd.readouterr()
        code = run(arguments)
        return Ran(code, *capfd.readouterr())

    return run_line


@pytest.fixture
def contexts(isolated: Path) -> Path:
    """The folder of the contexts ``prod`` with one node and ``broken`` with a mistake."""
    folder = isolated / "config" / "revvlink" / "contexts"
    folder.mkdir(parents=True, mode=0o700)
    (folder / "prod.toml").write_text(NODE, encoding="utf-8")
    (folder / "broken.toml").write_text(f'{NODE}retries = "many"\n', encoding="utf-8")
    for path in folder.iterdir():
        path.chmod(0o600)
    return folder


def test_list_and_use(contexts: Path, typed: Typed, monkeypatch: pytest.MonkeyPatch) -> None:
    """The context in use is marked, whatever chose it; a broken file is a row with its mistake, not an error."""
    assert typed("context", "use", "prod").out == "prod\n"
    ran = typed("context", "list", "-o", "json")

    broken, prod = ran.rows
    assert ran.code == 0
    assert prod == {
        "context": "prod",
        "is_current": True,
        "nodes": 1,
        "path": str(contexts / "prod.toml"),
        "problem": None,
    }
    assert broken["nodes"] is None
    assert broken["problem"].startswith("line 6: nodes[0].retries: must be")
    assert "broken" in typed("nodes", "list", "--context", "broken").err
    monkeypatch.setenv("REVVLINK_CONTEXT", "broken")
    assert [row["is_current"] for row in typed("context", "list", "-o", "json").rows] == [True, False]
    ran = typed("context", "use", "prod", "-o", "table")
    assert "warning: REVVLINK_CONTEXT is set" in ran.err
    monkeypatch.delenv("REVVLINK_CONTEXT")
    assert "cannot be used yet" in typed("context", "use", "broken").err
    assert typed("context", "use", "--none").out == "no context\n"
    assert typed("nodes", "list").code == 2
    assert typed("context", "use").code == typed("context", "use", "prod", "--none").code == 2


def test_add_rename_and_remove(isolated: Path, typed: Typed) -> None:
    """Files are readable by their owner alone; a name is taken once; removal needs --yes where nobody can answer."""
    (isolated / "mine.toml").write_text(NODE, encoding="utf-8")
    path = isolated / "config" / "revvlink" / "contexts" / "prod.toml"

    assert typed("context", "add", "prod", "--from", "mine.toml").out == f"{path}\n"
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert path.read_text(encoding="utf-8") == NODE
    assert "there is a context prod already" in typed("init", "--context", "prod").err
    assert typed("init", "--context", "prod", "--force").code == 0
    assert "[[nodes]]" in path.read_text(encoding="utf-8")
    assert typed("context", "add", "../evil").code == 2
    assert typed("init", "--context", "x", "file.toml").code == 2
    assert typed("context", "rename", "prod", "live").code == 0
    assert typed("context", "show", "live", "-o", "json").rows["nodes"] == ["main"]
    assert typed("context", "use", "live").code == 0
    ran = typed("context", "remove", "live", "--yes")
    assert (ran.code, "in use" in ran.err, "--none" in ran.err) == (2, True, True)
    assert typed("context", "use", "--none").code == 0
    assert "add --yes" in typed("context", "remove", "live").err
    assert typed("context", "remove", "live", "--yes").code == 0
    assert typed("context", "list", "-o", "json").rows == []


def test_the_context_is_shown(contexts: Path, isolated: Path, typed: Typed) -> None:
    """Titles, the settings, their path and the overview name it; a file alone has no title."""
    (contexts.parent / "revvlink.toml").write_text(NODE, encoding="utf-8")
    plain = typed("nodes", "list", "-o", "table").out
    ran = typed("--context", "prod", "nodes", "list", "-o", "table")

    assert plain.startswith("NODE")
    assert ran.out == f"Nodes of prod\n{plain}"
    assert typed("nodes", "list", "--context=prod", "-o", "plain").out == typed("nodes", "list", "-o", "plain").out
    assert typed("--context", "prod", "config", "show", "-o", "json").rows[0] == {
        "key": "context",
        "value": "prod",
        "origin": "--context",
        "line": None,
    }
    assert typed("config", "show", "-o", "json").rows[0]["key"] == "search.source"
    assert typed("--context", "prod", "config", "path", "-o", "json").rows["context"] == "prod"
    assert typed("context", "use", "prod").code == 0
    assert typed().out.startswith(f"Context prod: {contexts / 'prod.toml'} (1 node, region us)\n")
    (isolated / "revvlink.toml").write_text(NODE, encoding="utf-8")
    assert typed("nodes", "list").err.startswith("warning: using the context prod instead of ")
    (contexts / "prod.toml").unlink()
    assert typed().out.startswith("The configuration cannot be read.\n")


@pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo-terminals")
def test_removal_asks_on_a_terminal(contexts: Path) -> None:
    """The question names the file and its nodes; only a yes deletes it."""
    for answer, code in (("n", 130), ("y", 0)):
        terminal = Terminal(None, "context", "remove", "prod", columns=200)
        terminal.until_line(r"prod\.toml with 1 node\? \[y/N\]")
        terminal.press(f"{answer}\r")
        assert terminal.end() == code
        assert (contexts / "prod.toml").exists() == (answer == "n")


def test_contradictions(contexts: Path, typed: Typed) -> None:
    """A command line that names two configurations is refused, as is a context that is a path."""
    for line in (("--config", str(contexts / "prod.toml")), ("--uri", "http://127.0.0.1:1")):
        ran = typed("nodes", "list", "--context", "prod", *line)
        assert ran.code == 2, line
        assert "--context" in ran.err
    assert "use --config" in typed("nodes", "list", "--context", "./prod.toml").err
    assert "did you mean prod?" in typed("nodes", "list", "--context", "PROD").err


@pytest.mark.usefixtures("contexts")
def test_demo_shows_its_own_fleet(typed: Typed) -> None:
    """The simulated fleet takes the place of the context that is in use or on the command line."""
    ran = typed("--context", "prod", "demo", "--", "nodes", "list", "-o", "json")

    assert ran.code == 0, ran.err
    assert len(ran.rows) > 1


@pytest.mark.usefixtures("contexts")
def test_completion() -> None:
    """Names of contexts are offered, and nodes of the context that the line names."""
    assert candidates("revvlink --context ") == ["broken", "prod"]
    assert candidates("revvlink nodes list --context=p") == ["prod"]
    assert candidates("revvlink context use b") == ["broken"]
    assert candidates("revvlink context rename ") == ["broken", "prod"]
    assert candidates("revvlink --context prod nodes info ") == ["us-1\tus"]
