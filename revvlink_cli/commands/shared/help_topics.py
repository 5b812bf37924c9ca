"""What ``revvlink help TOPIC`` and the manual page say beyond the commands, from the data the program goes by."""

from __future__ import annotations

from typing import TYPE_CHECKING

from revvlink_cli.output.result import EXIT_CODE_MEANINGS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

ENVIRONMENT = {
    "REVVLINK_CONFIG": "path of the configuration file",
    "REVVLINK_URI": "address of the one node to use; with a password a whole configuration, in place of any file",
    "REVVLINK_PASSWORD": "its password",
    "REVVLINK_PASSWORD_FILE": "a file whose first line is its password",
    "REVVLINK_IDENTIFIER": "its name; host and port if left out",
    "REVVLINK_REGION": "its region label",
    "REVVLINK_USER_ID": "the bot's user id",
    "REVVLINK_CACHE_MODE": "as `search --cache-mode`",
    "REVVLINK_OUTPUT": "as `--output`",
    "REVVLINK_TIMEOUT": "as `--timeout`",
    "REVVLINK_QUIET": "as `--quiet`",
    "REVVLINK_VERBOSE": "as `--verbose`: 1 or 2",
    "REVVLINK_NO_COLOR": "as `--no-color`",
    "_REVVLINK_COMPLETE": "set by the completion scripts: candidates are printed instead of running a command",
    "NO_COLOR": "no colours, when it is not empty",
    "FORCE_COLOR": "colours through a pipe too, when it is not empty; `NO_COLOR` wins",
    "TERM": "no colours when it is `dumb`",
    "COLUMNS": "width of tables and help texts that do not go to a terminal",
}
"""Every environment variable that counts."""


def _exit_codes() -> str:
    return (
        _table((str(int(code)), meaning) for code, meaning in EXIT_CODE_MEANINGS.items())
        + "\n\nrevvlink check has the codes of monitoring systems instead: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN. A\n"
        "mistake in its command line or in the configuration is 3, so that a typing error in a crontab wakes nobody.\n"
        "revvlink healthcheck has two: 0 healthy, 1 not healthy, or unknown."
    )


def _environment() -> str:
    return _table((name, meaning.replace("`", "")) for name, meaning in ENVIRONMENT.items())


def _output() -> str:
    return """Data goes to standard output, everything else (errors, notes, warnings, -v) to standard error.
--output takes:

table   the default on a terminal. Columns that do not fit go, the least important first; the text that explains a row
        is never cut. "-" is an unknown value, never zero.
plain   the default elsewhere: one record a line, fields separated by tabs, nothing cut, no heading, numbers in full.
        A single record is one field a line.
json    one envelope: {"revvlink": 1, "command", "status": "ok|empty|partial|error", "exit_code", "data", "errors"}.
        Numbers carry their unit in their name (uptime_ms, cpu_load_ratio), unknown values are null, and each error
        has a code that never changes its meaning. Failures before the command runs are such an envelope, too.
jsonl   one object a line; an error is an object with the one key "error".

Nothing that a server sends reaches the terminal as it is: control characters are written out."""


def _configuration() -> str:
    from revvlink_cli.config import schema

    parts = [
        "Looked for in this order: --config PATH or --uri URI, REVVLINK_URI, $REVVLINK_CONFIG, ./revvlink.toml, the",
        "user's configuration folder, the site's. `revvlink init` writes a starter file, `revvlink config path` prints",
        "which one is used, `revvlink config validate` finds every mistake at once.",
    ]
    for section, keys in schema.SECTIONS.items():
        parts += ["", f"[[{section}]]" if section == "nodes" else f"[{section}]"]
        parts.append(_table((key.name, key.help + _default(key)) for key in keys))
    parts += ["", "[regions]", f"{schema.REGIONS_HELP}."]
    return "\n".join(parts)


def _default(key: object) -> str:
    default = getattr(key, "default", None)
    return f" (default {default})" if default not in (None, ()) else ""


def _penalty() -> str:
    from revvlink_cli.client.routing.penalty import TERMS

    wide = max(len(term.formula) for term in TERMS) + 2
    terms = _table(
        (term.label, f"{term.formula:<{wide}}{term.variable}: {term.meaning} ({term.unit})") for term in TERMS
    )
    return f"""What one more player costs on a node; lower is better, 0 is idle. It is the sum of these terms:

{terms}

>=  marks a lower bound: a Lavalink shows its frame statistics only to the session whose players they are, and an
    observer's session has none.
~   marks a node that has not measured its CPU yet; it counts with the median of the others.

A server that was never asked before answers a CPU of exactly 0: it has not measured, it is not idle. Figures are up to
30 seconds old, and polling servers older than 4.1.0 spoils their own.

`revvlink route --explain` shows each term of every node."""


def _options() -> str:
    from revvlink_cli.commands.shared.command import global_option_help

    return global_option_help()


TOPICS: dict[str, tuple[str, Callable[[], str]]] = {
    "options": ("the global options, which every command takes", _options),
    "exit-codes": ("what each exit code means", _exit_codes),
    "environment": ("the variables that count", _environment),
    "output": ("formats, and what goes where", _output),
    "configuration": ("the file: where it is looked for, and its keys", _configuration),
    "penalty": ("how the cost of a node is worked out", _penalty),
}
"""Topic -> what it is about, and its text."""


def _table(rows: Iterable[tuple[str, str]]) -> str:
    """Two columns, the first as wide as it has to be."""
    import textwrap

    kept = list(rows)
    left = max(len(name) for name, _ in kept) + 2
    lines = []
    for name, meaning in kept:
        first, *more = textwrap.wrap(meaning, 100 - left) or [""]
        lines += [f"{name:<{left}}{first}", *(f"{'':<{left}}{line}" for line in more)]
    return "\n".join(lines)
