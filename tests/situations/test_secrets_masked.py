"""No command, in no format, shows a secret that a server sends back: neither on stdout nor stderr, nor in files."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import signal
import time
import urllib.request
from typing import TYPE_CHECKING

import pytest

from revvlink_cli.cli.app import run
from revvlink_cli.output.formats import COMMON, Format
from tests.conftest import start_cli
from tests.situations.echoing_servers import EchoingNode, EchoingRedis, shown_in
from tests.situations.every_command import commands

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

INLINE, FROM_ENV, FROM_FILE = "Quokka-Inline+1 two/3?", "quokkaEnv%2Fpässword", "quokka file \\n&pass<word>"
HEADER, PROXY_USER, PROXY_PASSWORD = "header-quokka-77", "proxyuserquokka", "proxy:p@ss quokka"
REDIS_USER, REDIS_PASSWORD, WEBHOOK = "redisquokkauser", "redis/quokka#word", "webhookquokkatoken-xyz123"
SECRETS = [INLINE, FROM_ENV, FROM_FILE, HEADER, PROXY_USER, PROXY_PASSWORD, REDIS_USER, REDIS_PASSWORD, WEBHOOK]

NODE_COMMANDS = (
    "nodes list", "nodes status", "nodes penalties", "nodes info inline", "nodes status --watch --count 2 --interval 1",
    "connect", "search night", "search fails --cache-mode bypass", "search night --encoded", "search x --node env",
    "cache stats", "cache list", "cache show night", "cache export", "cache warm queries.txt --refresh",
    "region rotterdam1.discord.media --route", "route rotterdam1.discord.media --explain",
    "players list --node inline --session s", "players show 5 --node env --session s",
    "players destroy 5 --yes --node file --session s", "routeplanner status", "routeplanner free inline --all",
    "track decode QAAA --node inline", "check --canary fails --canary night", "check --notify discord",
    "healthcheck inline --canary night", "wait --timeout 2", "doctor", "doctor --redact --quiet",
    "config show", "config validate", "simulate record --for 200ms --search night --search fails",
    "drill all --seed 1", "drill node-loss --per-node --seed 1 --save loss.toml",
)  # fmt: skip
"""Each with what makes it go far."""


@pytest.fixture
def config(isolated: Path, write_config: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Writes a configuration whose secrets come from everywhere."""
    monkeypatch.setenv("CANARY_PASSWORD", FROM_ENV)
    (isolated / "password").write_text(f"{FROM_FILE}\n", encoding="utf-8")
    (isolated / "password").chmod(0o600)
    (isolated / "queries.txt").write_text("night\nfails\n", encoding="utf-8")
    for name in ("config", "state", "cache"):
        (isolated / name).chmod(0o700)

    def write(node: EchoingNode, redis: EchoingRedis | None = None) -> Path:
        from urllib.parse import quote

        uri = f"http://127.0.0.1:{node.port}"
        proxy = f"http://{PROXY_USER}:{quote(PROXY_PASSWORD, safe='')}@127.0.0.1:{node.port}"
        cache = {"backend": "sqlite"}
        if redis is not None:
            user = f"{REDIS_USER}:{quote(REDIS_PASSWORD, safe='')}"
            cache = {"backend": "redis", "url": f"redis://{user}@127.0.0.1:{redis.port}/0"}
        return write_config(
            {"identifier": "inline", "uri": uri, "password": INLINE, "headers": {"X-Token": HEADER, "X-Short": "hx"}},
            {"identifier": "env", "uri": f"{uri}/env", "password_env": "CANARY_PASSWORD", "proxy": proxy},
            {"identifier": "file", "uri": f"{uri}/file", "password_file": "password"},
            defaults={"timeout": 1.5, "retries": 1},
            cache=cache,
            discord={"webhook": f"{uri}/api/webhooks/1/{WEBHOOK}"},
        )

    return write


@contextlib.contextmanager
def captured() -> Iterator[io.StringIO]:
    """All that a command writes, on either stream; logging is as before afterwards."""
    page = io.StringIO()
    logs = [logging.getLogger(name) for name in ("revvlink_cli", "asyncio")]
    before = [(log, list(log.handlers), log.level) for log in logs]
    with contextlib.redirect_stdout(page), contextlib.redirect_stderr(page):
        yield page
    for log, handlers, level in before:
        log.handlers[:] = handlers
        log.setLevel(level)


def formats_of(command: str) -> tuple[Format, ...]:
    """The formats of a command."""
    if command.startswith("check"):
        return tuple(Format)
    if "--watch" in command:  # each sample takes its time, and other formats write rows as these do
        return (Format.TABLE, Format.PLAIN, Format.CSV, Format.JSON, Format.JSONL)
    return COMMON


@pytest.mark.parametrize("command", NODE_COMMANDS)
def test_nodes_that_echo(config: Callable[..., Path], command: str) -> None:
    """A node that echoes every secret in every encoding in every field, in each format, with all of the log."""
    with EchoingNode() as node:
        path = config(node)
        seen = ""
        for kind in formats_of(command):
            verbose = [] if "--quiet" in command else ["-vv"]
            with captured() as page:
                run(["--config", str(path), "--timeout", "4", *verbose, *command.split(), "-o", kind])
            seen += page.getvalue()
            found = shown_in(page.getvalue(), SECRETS)
            assert found == [], (
                f"{command} as {kind}: {[line for line in page.getvalue().splitlines() if shown_in(line, SECRETS)][:3]}"
            )
        assert seen
        assert shown_in("\n".join(node.bodies), SECRETS) == []


OTHER_COMMANDS = (
    "alert test", "cache import export.jsonl", "cache clear --yes", "cache path", "completion bash", "config edit",
    "config get nodes[inline].password", "config path", "config schema", "config set nodes[inline].region=eu",
    "config trust nodes.toml", "config unset nodes[inline].region", "context add prod --from nodes.toml",
    "context list", "context show prod", "context use prod", "context rename prod new", "context remove new --yes",
    "help output", "init new.toml", "nodes add more http://127.0.0.1:1 --password-file password --timeout 1",
    "nodes edit more --tag paid", "nodes rename more less", "nodes remove less --yes", "nodes test inline",
    "nodes export --for json", "nodes import list.json --dry-run", "play night --for 1s --node inline",
    "silence add inline --for 1h --reason disk", "silence list", "silence remove --all --yes", "version",
    "demo -- nodes list", "simulate run nodes.toml", "simulate ctl nodes",
)  # fmt: skip
"""The commands that ask no node, or have a test of their own above or below, in an order in which each succeeds."""

ELSEWHERE = ("events", "exporter", "record", "report", "top")
"""The commands that go on, or write files, see below."""


def test_every_command_is_tried() -> None:
    """A new command has to be tried with servers that echo secrets, too."""
    tried = {*NODE_COMMANDS, *OTHER_COMMANDS, *ELSEWHERE}
    assert [name for name in commands() if not any(f"{line} ".startswith(f"{name} ") for line in tried)] == []


def test_other_commands(config: Callable[..., Path], isolated: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the others write in each format has no secret, on a fleet that echoes them all."""
    monkeypatch.setenv("VISUAL", "true")
    (isolated / "list.json").write_text(
        json.dumps([{"identifier": "x", "host": "h.example.com", "port": 1, "password": INLINE}]), encoding="utf-8"
    )
    (isolated / "export.jsonl").write_text(json.dumps({"identifier": INLINE}), encoding="utf-8")
    with EchoingNode() as node:
        path = config(node)
        for number, command in enumerate(OTHER_COMMANDS):
            for kind in COMMON if command in ("silence list", "context list", "nodes export --for json") else (
                COMMON[number % len(COMMON)], COMMON[(number + 3) % len(COMMON)], Format.TABLE
            ):  # fmt: skip
                with captured() as page:
                    run(["--config", str(path), "--timeout", "4", "-vv", *command.split(), "-o", kind])
                assert shown_in(page.getvalue(), SECRETS) == [], (command, kind, page.getvalue())


@pytest.mark.parametrize("manner", ["errors", "texts", "pages", "redirects", "garbage"])
@pytest.mark.parametrize(
    "command", ["nodes status", "search night", "check", "doctor", "players list --node env --session s"]
)
def test_refusals_that_echo(config: Callable[..., Path], manner: str, command: str) -> None:
    """Error answers of each kind: JSON, text, page, redirect, no HTTP at all."""
    with EchoingNode(manner) as node:
        path = config(node)
        for kind in (Format.TABLE, Format.JSON):
            with captured() as page:
                run(["--config", str(path), "--timeout", "4", "-vv", *command.split(), "-o", kind])
            assert shown_in(page.getvalue(), SECRETS) == []


@pytest.mark.parametrize("manner", ["lively", "errors"])
@pytest.mark.parametrize(
    "command", ["cache stats", "cache list", "cache show x", "cache export", "cache clear --yes", "search x", "doctor",
                "doctor --redact"],
)  # fmt: skip
def test_redis_that_echoes(config: Callable[..., Path], manner: str, command: str) -> None:
    """A Redis server that echoes user and password: in errors, in names of entries, in what it keeps."""
    with EchoingNode() as node, EchoingRedis(manner) as redis:
        path = config(node, redis)
        for kind in (Format.TABLE, Format.PLAIN, Format.JSON, Format.JSONL):
            verbose = [] if "--redact" in command else ["-vv"]
            with captured() as page:
                run(["--config", str(path), "--timeout", "4", *verbose, *command.split(), "-o", kind])
            found = shown_in(page.getvalue(), SECRETS)
            assert found == [], (
                f"{command} as {kind}: {[line for line in page.getvalue().splitlines() if shown_in(line, SECRETS)][:3]}"
            )
        assert redis.echo.heard


def test_files_that_are_written(config: Callable[..., Path], isolated: Path) -> None:
    """Exports, reports and recordings have none of them either, nor what is made of a recording."""
    with EchoingNode() as node:
        path = ["--config", str(config(node)), "--timeout", "4"]
        written = [isolated / f"table.{ending}" for ending in ("svg", "html", "md", "csv")]
        reports = {
            kind: isolated / f"report.{kind}" for kind in ("junit", "markdown", "prometheus", "github", "nagios")
        }
        with captured() as page:
            for file in written:
                run([*path, "search", "night", "--export", str(file)])
            run([*path, "check", "--canary", "fails",
                 *(word for kind, file in reports.items() for word in ("--report", f"{kind}={file}"))])  # fmt: skip
            run([*path, "record", str(isolated / "looks.jsonl"), "--count", "2", "--interval", "1"])
            run(["report", str(isolated / "looks.jsonl"), "--html", str(isolated / "page.html")])
        assert shown_in(page.getvalue(), SECRETS) == []
    files = [*written, *reports.values(), isolated / "looks.jsonl", isolated / "page.html"]

    assert [file for file in files if not file.stat().st_size or shown_in(file.read_text(), SECRETS)] == []


def test_a_password_that_is_kept_in_the_cache(config: Callable[..., Path]) -> None:
    """What a node said once, `cache show` does not show later, though it asks nobody and needs no password."""
    with EchoingNode() as node:
        path = ["--config", str(config(node)), "--timeout", "4"]
        with captured() as page:
            for number in range(9):
                run([*path, "search", f"night{number}"])
            for number in range(9):
                run([*path, "cache", "show", f"night{number}", "-o", "json"])

    assert shown_in(page.getvalue(), SECRETS) == []


@pytest.mark.parametrize("manner", ["lively", "closes"])
@pytest.mark.parametrize(
    "command", ["events", "events -o jsonl", "top -o jsonl", "connect --hold", "exporter --listen 127.0.0.1:0"]
)
def test_what_goes_on(config: Callable[..., Path], manner: str, command: str) -> None:
    """Events, reasons why websockets were closed, and what the exporter answers."""
    with EchoingNode(manner) as node:
        path = config(node)
        first = ""
        line = ("--config", str(path), "--timeout", "4", "-vv", *command.split())
        with start_cli(*line, stderr_to_stdout=True) as process:
            try:
                if command.startswith("exporter"):
                    served = next(line for line in process.stdout if "http://127.0.0.1" in line)
                    url = "http://127.0.0.1:" + served.split("http://127.0.0.1:")[1].split("/")[0].split()[0]
                    answers = "".join(
                        _got(f"{url}{part}")
                        for part in ("/metrics", "/probe?target=inline", "/probe?target=env", "/", "/probe?target=x")
                    )
                    assert "revvlink_node_up" in answers
                    assert [line for line in answers.splitlines() if shown_in(line, SECRETS)] == []
                else:
                    first = process.stdout.readline()  # it has started, however busy the machine is
                    time.sleep(2)
            finally:
                process.send_signal(signal.SIGTERM)
                rest, _ = process.communicate(timeout=30)

    assert first + rest
    assert shown_in(first + rest, SECRETS) == []


def _got(url: str) -> str:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return str(answer.read().decode())
    except urllib.error.HTTPError as error:
        return error.read().decode()
