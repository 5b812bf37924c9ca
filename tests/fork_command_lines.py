"""Runs many command lines at a time, each in a process forked off one that has loaded everything: no start-up each.

Reads a JSON list of objects with ``arguments`` and ``home`` on standard input, and writes the list of their outcomes.
"""

from __future__ import annotations

import gc
import json
import os
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

AT_ONCE = 16
"""Processes that run together; most of them only wait."""

FOLDERS = {"HOME": ".", "XDG_CONFIG_HOME": "config", "XDG_STATE_HOME": "state", "XDG_CACHE_HOME": "cache"}


def main() -> None:
    """Run them all."""
    from revvlink_cli.cli.app import COMMANDS, run

    for name in ("aiohttp", "revvlink_cli.services.checking", "revvlink_cli.services.doctor.examination"):
        import_module(name)
    for name in COMMANDS:
        import_module(f"revvlink_cli.commands.{name}")
    gc.collect()
    gc.freeze()  # as in `warm_command_line`
    jobs: list[dict[str, Any]] = json.load(sys.stdin)
    found: list[dict[str, Any]] = [{} for _ in jobs]
    running: dict[int, int] = {}
    for number, job in enumerate(jobs):
        if len(running) == AT_ONCE:
            _reap(running, jobs, found)
        pid = os.fork()
        if pid == 0:
            _become(Path(job["home"]))
            os._exit(_code(run, job["arguments"]))
        running[pid] = number
    while running:
        _reap(running, jobs, found)
    json.dump(found, sys.stdout)


def _code(run: Any, arguments: list[str]) -> int:
    try:
        return int(run(arguments))
    except BaseException as error:  # noqa: BLE001 - a fork must never go on with what its parent was doing
        print(f"Traceback: {error!r}", file=sys.stderr)  # noqa: T201
        return 99
    finally:
        sys.stdout.flush()
        sys.stderr.flush()


def _become(home: Path) -> None:
    """Take this folder for home, and write what is printed to a file there."""
    for name, folder in FOLDERS.items():
        (home / folder).mkdir(exist_ok=True, parents=True)
        os.environ[name] = str(home / folder)
    os.chdir(home)
    said = os.open("said", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    for stream in (1, 2):
        os.dup2(said, stream)


def _reap(running: dict[int, int], jobs: list[dict[str, Any]], found: list[dict[str, Any]]) -> None:
    pid, status = os.wait()
    number = running.pop(pid)
    said = (Path(jobs[number]["home"]) / "said").read_text("utf-8")
    found[number] = {"code": os.waitstatus_to_exitcode(status), "said": said}


if __name__ == "__main__":
    main()
