"""Start-up: what each command loads. Slow modules are a matter of who imports what, so that is what is looked at."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from revvlink_cli.client.cache.entries import Key, entry_for
from revvlink_cli.client.cache.sqlite import SQLiteStore
from revvlink_cli.client.protocol.tracks import Playable
from revvlink_cli.services.cache_handle import run_synchronously

if TYPE_CHECKING:
    from pathlib import Path

SLOW = ("asyncio", "aiohttp", "msgspec", "rich")

CONFIG = '[[nodes]]\nidentifier = "a"\nuri = "http://127.0.0.1:1"\npassword = "x"\n'

TRACK = (
    "QAAAUAMABkRlbW8gMwALRGVtbyBBdXRob3J//////////wAGZGVtby0zAQEAFmh0dHBzOi8vZGVtby5pbnZhbGlkLzMAAAAEZGVtbwAAAAAAAAAA"
)


def loaded(*arguments: str, exit_codes: tuple[int, ...] = (0, 2)) -> set[str]:
    """The modules that a command line has loaded when it ends."""
    code = (
        "import sys; from revvlink_cli.cli.app import run; code = run(sys.argv[1:]);"
        " sys.stderr.write('\\nLOADED ' + ' '.join(sys.modules)); sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode in exit_codes, done.stderr
    return set(done.stderr.rpartition("LOADED ")[2].split())


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--version"],
        ["version"],
        ["--help"],
        ["help", "options"],
        ["help", "check", "-o", "table"],
        ["version", "-o", "table"],
        ["nodes", "status", "--help"],
        ["region", "us-east1.discord.gg"],
        ["region", "a", "b", "-o", "json"],
        ["config", "path"],
        ["config", "show"],
        ["config", "get", "nodes.a.uri"],
        ["config", "set", "nodes.a.region", "us"],
        ["context", "list"],
        ["silence", "list"],
        ["context", "use", "--none"],
        ["--context", "nobody", "nodes", "list"],
        ["config", "validate", "-o", "jsonl"],
        ["config", "schema"],
        ["nodes", "list"],
        ["nodes", "list", "-o", "json"],
        ["track", "decode", TRACK],
        ["nonsense"],
        ["status"],
        ["nodes", "list", "nobody"],
    ],
)
def test_offline_commands_load_nothing_slow(isolated: Path, arguments: list[str]) -> None:
    """What sends nothing loads neither asyncio, aiohttp, msgspec nor Rich."""
    (isolated / "revvlink.toml").write_text(CONFIG, encoding="utf-8")

    assert loaded(*arguments).isdisjoint(SLOW)


@pytest.mark.parametrize(
    "arguments",
    [
        ["region", "x"],
        ["nodes", "list"],
        ["search", "x", "--cache-mode", "only"],
        ["COMPLETE", "revvlink nodes status "],
    ],
)
def test_offline_commands_compile_no_methods_of_their_types(isolated: Path, arguments: list[str]) -> None:
    """Their types come from `_record`: the methods of one dataclass or named tuple take as long as a module."""
    (isolated / "revvlink.toml").write_text(CONFIG, encoding="utf-8")
    code = (
        "import sys, revvlink_cli.cli.app as app, revvlink_cli.cli.completion as completion;"
        " completion.answer('bash', sys.argv[2:]) if sys.argv[1] == 'COMPLETE' else app.run(sys.argv[1:]);"
        " kinds = [kind for name, module in sys.modules.items() if name.startswith('revvlink_cli')"
        " for kind in vars(module).values() if hasattr(kind, '__match_args__')];"
        " made = {kind.__qualname__ for kind in kinds for method in (kind.__init__, kind.__new__)"
        " if hasattr(method, '__code__') and method.__code__.co_filename == '<string>'};"
        " assert len(kinds) > 4; assert not made, made"
    )

    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("query", ["known", "unknown"])
def test_search_in_the_cache_loads_no_module_that_it_does_not_need(isolated: Path, query: str) -> None:
    """Found or not, it needs neither a connection, nor a table, nor JSON output; ASCII needs no table of characters."""
    (isolated / "revvlink.toml").write_text(f'[cache]\npath = "tracks.db"\n{CONFIG}', encoding="utf-8")
    (isolated / "revvlink.toml").chmod(0o600)
    store = SQLiteStore(isolated / "tracks.db", capacity=10, fleet="http://127.0.0.1:1", in_thread=False)
    entry = entry_for(Key.of("ytsearch:known"), (Playable(encoded="QAAA", title="Known"),), now=time.time())
    assert entry is not None
    run_synchronously(store.put_all([(entry, 1)]))
    run_synchronously(store.close())
    not_needed = {
        "unicodedata", "encodings.utf_8_sig", "revvlink_cli._awaited", "revvlink_cli._shell",
        "revvlink_cli.client.connection", "revvlink_cli.output.envelope", "revvlink_cli.output.problems",
    }  # fmt: skip

    search = ("--config", str(isolated / "revvlink.toml"), "search", query, "--cache-mode", "only", "-o", "plain")

    found = loaded(*search, exit_codes=(0 if query == "known" else 1,))

    assert found.isdisjoint({*SLOW, *not_needed})


def test_tab_after_nodes_status_loads_neither_its_rows_nor_the_penalty(isolated: Path) -> None:
    """Names of nodes are completed from the configuration and the options alone."""
    (isolated / "revvlink.toml").write_text(CONFIG, encoding="utf-8")
    code = (
        "import sys; from revvlink_cli.cli.completion import answer; answer('bash', ['revvlink nodes status ']);"
        " wrong = {name for name in sys.modules if name.endswith(('_row', '_rows', '.penalty'))"
        " or name.startswith('revvlink_cli.services.')}; assert not wrong, wrong"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout) == (0, "a\n"), done.stderr


def test_no_command_loads_pydantic_or_click() -> None:
    """Typer brings its own copy of the one, and must not bring the other."""
    assert loaded("region", "x").isdisjoint({"pydantic", "click"})


def test_network_commands_load_rich_for_tables_only(isolated: Path) -> None:
    """A node's status through a pipe does without Rich."""
    (isolated / "revvlink.toml").write_text(CONFIG, encoding="utf-8")
    code = "import sys; from revvlink_cli.cli.app import run; run(sys.argv[1:]); assert 'rich' not in sys.modules"

    for output in ("plain", "json", "jsonl"):
        subprocess.run([sys.executable, "-c", code, "nodes", "status", "-o", output], check=True, capture_output=True)


def test_exporter_loads_the_libraries_of_the_web_configuration_for_its_option_only(isolated: Path) -> None:
    """Without the option it loads neither bcrypt nor YAML; without users it loads no bcrypt."""
    (isolated / "revvlink.toml").write_text(CONFIG, encoding="utf-8")
    (isolated / "web.yml").write_text("http_server_config:\n  http2: false\n", encoding="utf-8")

    assert loaded("exporter", "--check").isdisjoint({"bcrypt", "yaml"})
    assert "bcrypt" not in loaded("exporter", "--check", "--web.config.file", str(isolated / "web.yml"))


def test_importing_the_package_loads_nothing() -> None:
    """The public names are there, and cost nothing until they are used."""
    code = (
        "import revvlink_cli, sys; assert not {'asyncio', 'aiohttp', 'typer', 'revvlink_cli.client'} & set(sys.modules)"
    )

    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_command_that_asks_no_node_ends_as_others_do(isolated: Path) -> None:
    """Exit handlers run, what they print arrives, and the exit code is that of the command."""
    (isolated / "revvlink.toml").write_text(CONFIG, encoding="utf-8")
    code = (
        "import atexit, sys; atexit.register(print, 'handled', end=''); from revvlink_cli.__main__ import main; main()"
    )

    for arguments, exit_code in ((["nodes", "list"], 0), (["region", ""], 1), (["nodes", "list", "nobody"], 2)):
        done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout.endswith("handled")) == (exit_code, True), done.stderr
