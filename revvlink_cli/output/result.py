"""What a command returns: data with its meaning, never text laid out for a screen.

A row type is a frozen dataclass whose fields are the keys of the JSON output (raw numbers, the unit in the name). A
field made with `column` is also a column of the table and of the plain output, in the order of the fields.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from enum import Enum, IntEnum
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from revvlink_cli.health.fleet import Report
    from revvlink_cli.output.formats import Format


class ExitCode(IntEnum):
    """What the process tells its caller. `check` uses 0 to 3 as monitoring systems do."""

    OK = 0
    FAILED = 1
    USAGE = 2
    UNREACHABLE = 3
    AUTHENTICATION = 4
    PARTIAL = 5
    INTERRUPTED = 130
    QUIT = 131
    TERMINATED = 143


EXIT_CODE_MEANINGS: dict[ExitCode, str] = {
    ExitCode.OK: "done",
    ExitCode.FAILED: "it failed, or nothing was found",
    ExitCode.USAGE: "the command or the configuration is wrong",
    ExitCode.UNREACHABLE: "no node could be reached, or time ran out",
    ExitCode.AUTHENTICATION: "every node refused the password",
    ExitCode.PARTIAL: "some nodes worked, some did not",
    ExitCode.INTERRUPTED: "interrupted with Ctrl-C",
    ExitCode.QUIT: "ended by SIGQUIT, which Ctrl-\\ sends",
    ExitCode.TERMINATED: "ended by SIGTERM",
}


class Kind(Enum):
    """What a column holds; it decides how people are shown it."""

    TEXT = "text"
    COUNT = "count"
    BYTES = "bytes"
    RATIO = "ratio"
    DURATION_MS = "duration"
    LATENCY_MS = "latency"
    SCORE = "score"
    STATE = "state"


class Column(NamedTuple):
    """How a field is shown.

    Attributes:
        title: Head of the column.
        kind: What it holds.
        cell: Makes the table's text from the whole row where the field alone does not tell enough: one line, or a
            sequence of lines. The renderer cleans it.
        rank: Columns of the highest rank are the first to go when the terminal is too narrow; those of rank 0 stay.
        flexible: Whether a narrow terminal may cut its text.
        wraps: Whether it explains its row: it is never cut and never goes. It takes several lines where it has to, and
            where the terminal is too narrow even for that it stands below its row.
        unbroken: The same for a text that is there to be copied: it is not broken into lines either.
        narrowest: Width that a text which is cut or wraps keeps as long as another column can go instead.
        plain: Makes the field of the plain output and of CSV from the row, where that is not the field itself.
    """

    title: str
    kind: Kind
    cell: Callable[[Any], str | Sequence[str]] | None
    rank: int
    flexible: bool
    wraps: bool
    unbroken: bool
    narrowest: int
    plain: Callable[[Any], Any] | None


def column(
    title: str,
    kind: Kind = Kind.TEXT,
    *,
    cell: Callable[[Any], str | Sequence[str]] | None = None,
    rank: int = 1,
    flexible: bool = False,
    wraps: bool = False,
    unbroken: bool = False,
    narrowest: int | None = None,
    plain: Callable[[Any], Any] | None = None,
    default: Any = dataclasses.MISSING,
) -> Any:
    """A dataclass field that is a column, see `Column`."""
    if narrowest is None:
        narrowest = 20 if wraps else 10
    made = Column(title, kind, cell, rank, flexible, wraps or unbroken, unbroken, narrowest, plain)
    return field(default=default, metadata={"column": made})


def columns_of(row: type) -> tuple[tuple[str, Column], ...]:
    """Field names and columns of a row type, in order."""
    return tuple(
        (entry.name, entry.metadata["column"]) for entry in dataclasses.fields(row) if "column" in entry.metadata
    )


@dataclass(frozen=True, slots=True)
class Failure:
    """One thing that went wrong, as it stands in ``errors``.

    Attributes:
        code: Stable word for it.
        message: What happened, one line.
        node: Node concerned, or None.
        stage: How far things got, or None.
        hint: What to do next, or None.
    """

    code: str
    message: str
    node: str | None = None
    stage: str | None = None
    hint: str | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """The outcome of a command.

    Attributes:
        data: A tuple of rows, one row (shown as a list of its fields), or None.
        row: The row type, so that an empty table has its columns too; taken from the data when None.
        exit_code: For the process.
        errors: What went wrong; on stderr, and in the JSON envelope.
        notes: Further words for people, on stderr.
        text: What table and plain output show in place of the data.
        title: Line above the table.
        warnings: What people should know in every format, on stderr.
        origin: Where the data came from, if not from where one would think; on stderr in every format.
        left_out: Why nodes had no part in an answer that is whole without them; notes on stderr in every format.
        line: What plain output shows in place of the data: the whole outcome on one line.
        view: The rows that a table shows in place of all of them, or None.
        report: What formats of monitoring systems are made of, where the command was a check.
        reports: Files to write as well: a format and a path each.
        afterwards: What is left to do when all of this has been told, in time of its own; gives warnings.
    """

    data: Any = None
    row: type | None = None
    exit_code: int = ExitCode.OK
    errors: tuple[Failure, ...] = ()
    notes: tuple[str, ...] = ()
    text: str | None = None
    title: str | None = None
    line: str | None = None
    warnings: tuple[str, ...] = ()
    origin: str | None = None
    left_out: tuple[Failure, ...] = ()
    view: tuple[Any, ...] | None = None
    report: Report | None = None
    reports: tuple[tuple[Format, str], ...] = ()
    afterwards: Callable[[], Coroutine[Any, Any, tuple[str, ...]]] | None = None

    @property
    def row_type(self) -> type | None:
        """The type of the rows, or of the one row."""
        if self.row is not None:
            return self.row
        if isinstance(self.data, tuple):
            return type(self.data[0]) if self.data else None
        return type(self.data) if dataclasses.is_dataclass(self.data) else None

    @property
    def status(self) -> str:
        """``ok``, ``empty``, ``partial`` or ``error``, for the JSON envelope."""
        if self.exit_code == ExitCode.PARTIAL:
            return "partial"
        if self.exit_code == ExitCode.OK:
            return "ok" if not self.errors else "partial"
        return "empty" if self.exit_code == ExitCode.FAILED and not self.errors else "error"


class Stream(NamedTuple):
    """The outcome of a command that goes on: rows as they come, and a `Result` without data at the end, if any.

    Attributes:
        row: Type of the rows.
        items: The rows, then perhaps one `Result`.
        total: How many rows there will be, None where nobody knows; a terminal gets a progress bar then.
        beside_bar: Whether a row is worth showing beside a progress bar.
        otherwise: Format where none was asked for, None for the usual one.
        piped: The same, off a terminal.
        is_service: Whether it goes on when nobody reads its rows any more: they are not what it is for.
        frame: Makes a table of a row: on a terminal it is drawn again for every row.
    """

    row: type
    items: AsyncGenerator[Any, None]
    total: int | None = None
    beside_bar: Callable[[Any], bool] | None = None
    otherwise: Format | None = None
    piped: Format | None = None
    is_service: bool = False
    frame: Callable[[Any], Result] | None = None


class Frame(NamedTuple):
    """One picture of a whole screen.

    Attributes:
        result: The table in its middle, and its notes. Of rows that do not fit, those in trouble come first, and it is
            said how many there are.
        above: Lines above it.
        below: Lines below it.
        selected: Index of the row that has to be seen, None where no row is selected.
    """

    result: Result
    above: tuple[str, ...] = ()
    below: tuple[str, ...] = ()
    selected: int | None = None


class Live(NamedTuple):
    """The outcome of a command that fills a terminal and listens to keys.

    Attributes:
        frames: Pictures as they change, and a `Result` without data at the end, if any; told how many lines and columns
            there are.
        key: Told of every key that is pressed.
        piped: What takes its place where there is no terminal.
    """

    frames: Callable[[Callable[[], tuple[int, int]]], AsyncGenerator[Frame | Result, None]]
    key: Callable[[str], None]
    piped: Stream


class Script(NamedTuple):
    """The outcome of a command that consists of other command lines.

    Attributes:
        environment: Sets up what they need for as long as they run, and gives the configuration file to use.
        steps: The command lines.
        note: Told before the first of them.
    """

    environment: Callable[[], AbstractContextManager[Path]]
    steps: tuple[tuple[str, ...], ...]
    note: str


class CommandError(Exception):
    """A command that cannot do its work at all.

    Attributes:
        failures: Why; at least one.
        exit_code: For the process.
    """

    def __init__(self, *failures: Failure, exit_code: int = ExitCode.FAILED) -> None:
        super().__init__("; ".join(failure.message for failure in failures))
        self.failures = failures
        self.exit_code = exit_code
