"""Output: every format of every command keeps its promise."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from revvlink_cli.cli.json_schemas import FOLDER, schemas, written
from revvlink_cli.simulator import NodeProfile, Simulator
from tests.conftest import run_cli
from tests.run_in_process import run_in_process

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.conftest import Ran

PROFILE = NodeProfile(identifier="one", region="us", password="pw-for-output", players=3, playing=2)

COMMANDS = (
    ("nodes list", 2),
    ("nodes status", 5),
    ("nodes info one", 0),
    ("nodes info dead", 3),
    ("connect", 5),
    ("check", 2),
    ("region us-east1.discord.gg x", 0),
    ("region us-east1.discord.gg --route", 0),
    ("route us-east1.discord.gg", 0),
    ("route --region eu --explain", 0),
    ("search night", 0),
    ("search sim:playlist", 0),
    ("search ytsearch:zzz", 1),
    ("search sim:fails", 1),
    ("search night --node dead", 3),
    ("track decode nonsense", 1),
    ("config path", 0),
    ("config show", 0),
    ("config validate", 0),
    ("config schema", 0),
)
"""Command lines and their exit codes on one living and one dead node; of `nodes list`, how many rows."""


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    """One simulated node."""
    with Simulator([PROFILE]) as running:
        yield running


@pytest.fixture
def run(simulator: Simulator, write_config: Callable[..., Path]) -> Callable[..., Ran]:
    """Runs a command on one living and one dead node; in this process, unless it reads standard input."""
    path = write_config(
        {"identifier": "one", "uri": simulator["one"].uri, "password": PROFILE.password, "region": "us"},
        {"identifier": "dead", "uri": "http://127.0.0.1:1", "password": "pw-for-output", "region": "eu"},
    )

    def run_with_config(*arguments: str, **more: Any) -> Ran:
        line = ("--config", str(path), *arguments)
        ran = run_cli(*line, **more) if "stdin" in more else run_in_process(line, **{"COLUMNS": "200", **more})
        assert "Traceback" not in ran.err, ran.err
        assert "pw-for-output" not in ran.out + ran.err
        return ran

    return run_with_config


@pytest.mark.parametrize(("command", "code"), COMMANDS)
def test_json_is_as_its_schema_says(run: Callable[..., Ran], command: str, code: int) -> None:
    """The envelope is valid by the schema in the package, and has the process' exit code."""
    ran = run(*command.split(), "-o", "json")

    name = ran.json["command"]
    jsonschema.validate(ran.json, schemas()[name], jsonschema.Draft202012Validator)
    assert ran.json["exit_code"] == ran.code
    if name != "nodes list":
        assert ran.code == code
    assert (ran.code == 0) == (ran.json["status"] == "ok")


@pytest.mark.parametrize(("command", "code"), COMMANDS)
def test_every_format_ends_the_same(run: Callable[..., Ran], command: str, code: int) -> None:
    """Table, plain and jsonl have the same exit code; jsonl is one object a line; plain is free of escapes."""
    words = command.split()
    table, plain, lines = (run(*words, "-o", form) for form in ("table", "plain", "jsonl"))

    assert len({table.code, plain.code, lines.code}) == 1
    assert all(isinstance(json.loads(line), dict) for line in lines.out.splitlines())
    assert "\x1b" not in table.out + plain.out + lines.out
    assert code == table.code or command == "nodes list"


@pytest.mark.parametrize("form", ["table", "plain", "json", "jsonl"])
@pytest.mark.parametrize(
    "command", ["region us-east1.discord.gg --route", "route us-east1.discord.gg", "route --explain", "search night"]
)
def test_a_dead_node_is_noted_where_another_answers(run: Callable[..., Ran], command: str, form: str) -> None:
    """The question is answered: exit code 0 and no error; that a node had no part in it stands on stderr once."""
    ran = run(*command.split(), "-o", form)

    assert ran.code == 0
    assert ran.err.splitlines().count("note: dead: nothing listens on 127.0.0.1:1") == 1
    assert "error" not in ran.err
    assert run(*command.split(), "-o", form, "--quiet").err == ""


@pytest.mark.parametrize("command", ["region us-east1.discord.gg --route", "route us-east1.discord.gg", "search night"])
def test_nobody_answers(write_config: Callable[..., Path], command: str) -> None:
    """Where no node can, each is an error, and the exit code says why."""
    dead = {"uri": "http://127.0.0.1:1", "password": "pw"}
    path = write_config({"identifier": "a", **dead}, {"identifier": "b", **dead})

    ran = run_cli("--config", str(path), *command.split())

    assert (ran.code, ran.err.count("error: ")) == (3, 2)


def test_schemas_in_the_package_are_current() -> None:
    """The files are what `make schemas` writes, and valid schemas; there are no others."""
    assert {path.name: path.read_text(encoding="utf-8") for path in FOLDER.iterdir()} == written()
    for schema in schemas().values():
        jsonschema.Draft202012Validator.check_schema(schema)


def test_every_command_has_a_schema() -> None:
    """No command is forgotten."""
    import typer

    from revvlink_cli.cli.app import COMMANDS as ROOT
    from revvlink_cli.cli.app import Root, app

    def names_below(name: str, command: Any) -> set[str]:
        inner = getattr(command, "commands", None)
        if not inner:
            return {name}
        return {found for sub in inner for found in names_below(f"{name} {sub}", inner[sub])}

    root = typer.main.get_command(app)
    assert isinstance(root, Root)
    names = {found for name in ROOT for found in names_below(name, root.get_command(None, name))}
    assert names == set(schemas())


@pytest.mark.parametrize(
    ("arguments", "code", "command"),
    [
        (["nonsense", "-o", "json"], 2, ""),
        (["nodes", "status", "--nonsense", "--output=json"], 2, "nodes status"),
        (["region", "-o", "json"], 2, "region"),
        (["--config", "/nowhere.toml", "connect", "-o", "json"], 2, "connect"),
        (["--config", "/nowhere.toml", "check", "-o", "json"], 3, "check"),
        (["check", "--nonsense", "-ojson"], 3, "check"),
        (["nodes", "status", "--sort", "x", "-o", "json"], 2, "nodes status"),
        (["connect", "--timeout", "0", "-o", "json"], 2, "connect"),
        (["connect", "--hold", "-o", "json"], 2, "connect"),
        (["nodes", "status", "nobody", "-o", "json"], 2, "nodes status"),
    ],
)
def test_failures_before_the_command_speak_json(
    run: Callable[..., Ran], arguments: list[str], code: int, command: str
) -> None:
    """A mistake in the command line or the configuration is an envelope, too; for `check` it is UNKNOWN."""
    ran = run_cli(*arguments) if "--config" in arguments else run(*arguments)

    assert ran.code == code
    assert (ran.json["status"], ran.json["command"], ran.json["data"]) == ("error", command, None)
    assert ran.json["errors"][0]["message"]


def test_global_options_stand_anywhere(run: Callable[..., Ran]) -> None:
    """Before or after the command, and from the environment; flags win."""
    before, after = run("-o", "json", "nodes", "list"), run("nodes", "list", "-o", "json")
    variable = run("nodes", "list", REVVLINK_OUTPUT="json")
    flag = run("nodes", "list", "-o", "jsonl", REVVLINK_OUTPUT="json")

    assert before.out == after.out == variable.out
    assert len(flag.out.splitlines()) == 2


def test_globs_tags_and_regions(run: Callable[..., Ran]) -> None:
    """Nodes are chosen by pattern, tag and region; what fits nothing is told the nearest name."""
    assert run("nodes", "list", "d*").out.startswith("dead\t")
    assert run("nodes", "list", "--region", "US").out.startswith("one\t")
    assert run("nodes", "list", "--tag", "none").code == 2
    ran = run("nodes", "list", "deat")
    assert (ran.code, ran.out) == (2, "")
    assert "did you mean dead?" in ran.err


def test_a_table_fits_a_narrow_terminal(run: Callable[..., Ran]) -> None:
    """At 60 columns the least important ones go; no line is longer, and numbers are whole."""
    ran = run("nodes", "status", "-o", "table", COLUMNS="60")

    assert max(map(len, ran.out.splitlines())) <= 60
    assert "PENALTY" in ran.out
    assert "UPTIME" not in ran.out


def test_colours(run: Callable[..., Ran]) -> None:
    """FORCE_COLOR colours a pipe, NO_COLOR wins over it, and empty values count for nothing."""
    assert "\x1b[" in run("nodes", "status", "-o", "table", FORCE_COLOR="1").out
    assert "\x1b[" not in run("nodes", "status", "-o", "table", FORCE_COLOR="1", NO_COLOR="1").out
    assert "\x1b[" not in run("nodes", "status", "-o", "table", FORCE_COLOR="").out
    assert "\x1b[" in run("nodes", "status", "-o", "table", FORCE_COLOR="1", NO_COLOR="").out


def test_one_endpoint_is_just_its_label(run: Callable[..., Ran]) -> None:
    """For scripts: one endpoint prints one word; several, and those of a pipe, print both."""
    assert run("region", "c-gru03-1a2b3c4d.discord.media:8443").out == "southamerica\n"
    assert run("region", "-", stdin="us-east1.discord.gg\n\nx\n").out == "us-east1.discord.gg\tus\nx\tglobal\n"
    empty = run("region", "")
    assert (empty.code, empty.out) == (1, "")
    assert run("region", "-", stdin="").code == 2


@pytest.mark.usefixtures("run")
def test_a_password_file_of_a_new_node_counts_from_here(isolated: Path) -> None:
    """A relative path given to `nodes add` is the one that the shell would mean."""
    (isolated / "elsewhere").mkdir()
    config = isolated / "elsewhere" / "nodes.toml"
    (isolated / "nodes.toml").rename(config)
    (isolated / "secret").write_text("pw-for-output\n", encoding="utf-8")

    added = run_cli("--config", str(config), "nodes", "add", "new", "http://h", "--password-file", "secret")
    valid = run_cli("--config", str(config), "config", "validate")

    assert (added.code, valid.code) == (0, 0), added.err + valid.err
