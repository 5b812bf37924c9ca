"""``revvlink version``."""

from __future__ import annotations

import sys
from dataclasses import dataclass

from revvlink_cli._version import __version__
from revvlink_cli.commands.shared.command import Record, command, make_app
from revvlink_cli.output.result import Result, column

app = make_app()


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionRecord:
    """The versions of the program and of Python."""

    revvlink: str = column("revvlink")
    python: str = column("Python")


@command(app, prints=lambda: {"": Record(VersionRecord)}, examples=("revvlink version", "revvlink version -o json"))
def version() -> Result:
    """Show the version."""
    record = VersionRecord(revvlink=__version__, python=".".join(map(str, sys.version_info[:3])))
    return Result(record, text=f"revvlink {__version__}")
