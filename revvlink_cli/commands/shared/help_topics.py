"""The topics of ``revvlink help``, which the manual page has too, made from the tables that the program uses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from revvlink_cli.output.result import EXIT_CODE_MEANINGS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from revvlink_cli.client.routing.penalty import Term

ENVIRONMENT = {
    "REVVLINK_CONFIG": "path of the configuration file",
    "REVVLINK_CONTEXT": "name of the context; not together with `REVVLINK_CONFIG`",
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
    "REVVLINK_SIMULATE_ADMIN": "address of the admin API of simulated nodes, for `simulate ctl`",
    "REVVLINK_SIMULATE_ADMIN_TOKEN": "its token",
    "_REVVLINK_COMPLETE": "set by the completion scripts: candidates are printed instead of running a command",
    "NO_COLOR": "no colours, when it is not empty",
    "FORCE_COLOR": "colours through a pipe too, when it is not empty; `NO_COLOR` wins",
    "TERM": "no colours when it is `dumb`",
    "COLUMNS": "width of tables and help texts that do not go to a terminal",
}
"""Every environment variable that counts."""

FILES = {
    "revvlink.toml": "configuration of the working directory; it gets no secrets from elsewhere until it is trusted",
    "~/.config/revvlink/revvlink.toml": "the user's configuration, which `revvlink init` writes",
    "~/.config/revvlink/contexts/NAME.toml": "the configuration of the context NAME",
    "/etc/xdg/revvlink/revvlink.toml": "the configuration for every user of this machine",
    "~/.cache/revvlink/": "the track cache, unless [cache] names another place",
    "~/.local/state/revvlink/": "the chosen context, files that are trusted, and the alerts that were sent",
}
"""Every file that revvlink reads and writes on Linux, unless options name others."""


def _exit_codes(width: int) -> str:
    return "\n\n".join(
        [
            _table(((str(int(code)), meaning) for code, meaning in EXIT_CODE_MEANINGS.items()), width),
            _prose(
                "revvlink check has the codes of monitoring systems instead: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN. "
                "A mistake in its command line or in the configuration is 3, so that a typing error in a crontab is "
                "no outage. revvlink healthcheck has two: 0 healthy, 1 not healthy or unknown.",
                width,
            ),
        ]
    )


def _environment(width: int) -> str:
    return _table(((name, meaning.replace("`", "")) for name, meaning in ENVIRONMENT.items()), width)


def _files(width: int) -> str:
    places = _prose(
        "On macOS and Windows these folders are those of the system. XDG_CONFIG_HOME, XDG_CACHE_HOME and "
        "XDG_STATE_HOME move them on Linux. `revvlink config path` and `revvlink cache path` print the files in use.",
        width,
    )
    return f"{_table(((name, meaning.replace('`', '')) for name, meaning in FILES.items()), width)}\n\n{places}"


_FORMATS = {
    "table": "The default on a terminal. Columns that do not fit are left out, the least important first. The text "
    'that explains a row is never cut. "-" is an unknown value, never zero.',
    "plain": "The default elsewhere: one record a line, fields separated by tabs, nothing cut, no heading, numbers in "
    "full. A single record is one field a line.",
    "json": 'One envelope: {"revvlink": 1, "command", "status": "ok|empty|partial|error", "exit_code", "data", '
    '"errors"}. Numbers carry their unit in their name (uptime_ms, cpu_load_ratio), unknown values are null, and each '
    "error has a code that never changes its meaning. Failures before the command runs are such an envelope, too.",
    "jsonl": 'One object a line. An error is an object with the one key "error".',
    "yaml": "The same envelope as json.",
    "wide": "A table with every column, as wide as it needs to be.",
    "csv": "The fields of plain below a head. Text that a spreadsheet would run as a formula gets an apostrophe.",
    "name": "The name of each row, once, for xargs.",
}

_CHOICES = {
    "--problems": "Only rows with a problem; a line on standard error says how many are left out.",
    "--columns A,B": "These columns, by the names of JSON fields or headings; in table, wide, plain and csv.",
    "--filter EXPR": "Only rows for which this holds, in every format: FIELD OPERATOR VALUE, joined by and, or, not "
    "and parentheses. Operators: == != > >= < <= and ~, which looks for a regular expression. A FIELD alone holds "
    "when it has a value. Dots reach inner fields. Numbers may have a unit: uptime_ms<5m, memory_used_bytes>2GiB, "
    "cpu_load_ratio>90%.",
    "--jq PROGRAM": "What a jq program makes of the JSON output: strings as they are, other values as JSON.",
}
"""Options that choose rows and columns -> what they show."""


def _output(width: int) -> str:
    return "\n\n".join(
        [
            _prose(
                "Data goes to standard output; errors, notes, warnings and the log of -v go to standard error. "
                "--output takes:",
                width,
            ),
            _table(_FORMATS.items(), width),
            _prose(
                "Tables show rows with a problem first, unless --sort is given. These choose rows and columns:", width
            ),
            _table(_CHOICES.items(), width),
            _prose(
                "revvlink writes out the control characters in the texts of servers: the terminal never acts on them.",
                width,
            ),
        ]
    )


def _configuration(width: int) -> str:
    from revvlink_cli.config import schema

    parts = [
        _prose(
            "revvlink uses the first of these: --config PATH, --context NAME or --uri URI, REVVLINK_URI, "
            "$REVVLINK_CONFIG or $REVVLINK_CONTEXT, the context that `revvlink context use` has chosen, "
            "./revvlink.toml, the file in the user's configuration folder, the one in the site's. `revvlink init` "
            "writes a starter file, `revvlink config path` prints which file is used, and `revvlink config validate` "
            "reports every mistake at once.",
            width,
        )
    ]
    for section, keys in schema.SECTIONS.items():
        parts += ["", f"[[{section}]]" if section == "nodes" else f"[{section}]"]
        parts.append(_table(((key.name, key.help + _default(key)) for key in keys), width))
    parts += ["", "[regions]", _prose(f"{schema.REGIONS_HELP}.", width)]
    return "\n".join(parts)


def _default(key: object) -> str:
    default = getattr(key, "default", None)
    return f" (default {default})" if default not in (None, ()) else ""


def _penalty(width: int) -> str:
    from revvlink_cli.client.routing.penalty import TERMS

    wide = max(len(term.formula) for term in TERMS) + 2 if width >= USUAL_WIDTH else 0
    terms = [(term.label, f"{term.formula:<{wide}}{' ' * (not wide)}{_meaning(term)}") for term in TERMS]
    marks = {
        ">=": "marks a lower bound: a Lavalink shows its frame statistics only to the session whose players they are, "
        "and an observer's session has none.",
        "~": "marks a node that has not measured its CPU yet. It counts with the median of the others.",
    }
    return "\n\n".join(
        [
            _prose(
                "The penalty is what one more player costs on a node. Lower is better, 0 is idle. It is the sum of "
                "these terms:",
                width,
            ),
            _table(terms, width),
            _table(marks.items(), width),
            _prose(
                "A server that was never asked before answers a CPU of exactly 0: it has not measured, it is not "
                "idle. Figures are up to 30 seconds old, and polling servers older than 4.1.0 spoils their own.",
                width,
            ),
            _prose("`revvlink route --explain` shows each term of every node.", width),
        ]
    )


def _meaning(term: Term) -> str:
    return f"{term.variable}: {term.meaning} ({term.unit})"


def _options(_width: int) -> str:
    from revvlink_cli.commands.shared.command import global_option_help

    return global_option_help()


TOPICS: dict[str, tuple[str, Callable[[int], str]]] = {
    "options": ("the global options, which every command takes", _options),
    "exit-codes": ("what each exit code means", _exit_codes),
    "environment": ("the variables that count", _environment),
    "files": ("the files that revvlink reads and writes", _files),
    "output": ("formats, and what goes where", _output),
    "configuration": ("the file: where revvlink searches for it, and its keys", _configuration),
    "penalty": ("how the cost of a node is worked out", _penalty),
}
"""Topic -> what it is about, and its text for so many columns."""

USUAL_WIDTH = 72
"""Width in columns from which a name and its meaning stand side by side, however long the name is."""

WIDEST = 100
"""Longest lines that are easy to read."""


def list_topics(width: int) -> str:
    """Every topic with its line, and how to read one."""
    more = "`revvlink help TOPIC` explains one; `revvlink help COMMAND`, a command."
    return f"{_table(((name, about) for name, (about, _) in TOPICS.items()), width)}\n\n{_prose(more, width)}"


def _prose(text: str, width: int) -> str:
    import textwrap

    return textwrap.fill(text, min(width, WIDEST), break_on_hyphens=False)


def _table(rows: Iterable[tuple[str, str]], width: int) -> str:
    """Two columns; the second begins below the first where that leaves it more room."""
    import textwrap

    kept = list(rows)
    widest = max(len(name) for name, _ in kept)
    left = min(widest, widest if width >= USUAL_WIDTH else width // 4) + 2
    lines = []
    for name, meaning in kept:
        wrapped = textwrap.wrap(meaning, max(min(width, WIDEST) - left, 10), break_on_hyphens=False) or [""]
        if len(name) + 2 > left:
            lines.append(name)
        else:
            lines.append(f"{name:<{left}}{wrapped.pop(0)}")
        lines += [f"{'':<{left}}{line}" for line in wrapped]
    return "\n".join(lines)
