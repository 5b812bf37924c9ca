"""The types that commands return: data, never text laid out for a screen.

A row type is a frozen dataclass. Its fields are the keys of the JSON output (raw numbers, the unit in the name). A
field made with `column` is also a column of the table and of the plain output, in the order of the fields.
"""

from __future__ import annotations

import dataclasses
from dataclasses import field
from enum import Enum, IntEnum
from typing import TYPE_CHECKING, Any

from revvlink_cli._record import NamedTuple, record
from revvlink_cli.output.formats import Format

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from revvlink_cli.health.fleet import Report
    from revvlink_cli.output.picture import Picture


class ExitCode(IntEnum):
    """Exit codes of the process. `check` uses 0 to 3 as monitoring systems do."""

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
    """What a column holds, which decides how a table shows it."""

    TEXT = "text"
    COUNT = "count"
    BYTES = "bytes"
    RATIO = "ratio"
    DURATION_MS = "duration"
    LATENCY_MS = "latency"
    SCORE = "score"
    STATE = "state"
    TIME = "time"
    """A time in ISO 8601 with its zone. A table shows it as a local time of day."""


class Column(NamedTuple):
    """How a field is shown.

    Attributes:
        title: Heading of the column.
        kind: What it holds.
        cell: Makes the table's text from the whole row, if the field alone is not enough: one line, or a sequence of
            lines. The renderer cleans it.
        rank: On a narrow terminal, columns of the highest rank are left out first; those of rank 0 stay.
        flexible: Whether a narrow terminal may cut the text.
        wraps: Whether the text explains its row. It is then never cut or left out: it takes several lines, or stands
            below its row if the terminal is too narrow.
        unbroken: As `wraps`, for text that users copy: it is not broken into lines either.
        narrowest: Width that text which is cut or wraps keeps while another column can be left out instead.
        plain: Makes the field of plain output and CSV from the row, if that is not the field itself.
        wide: Whether only ``--output wide`` and ``--columns`` show it.
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
    wide: bool = False


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
    wide: bool = False,
    default: Any = dataclasses.MISSING,
) -> Any:
    """Declare a dataclass field that is a column, see `Column`."""
    if narrowest is None:
        narrowest = 20 if wraps else 10
    made = Column(title, kind, cell, rank, flexible, wraps or unbroken, unbroken, narrowest, plain, wide)
    return field(default=default, metadata={"column": made})


def columns_of(row: type) -> tuple[tuple[str, Column], ...]:
    """Field names and columns of a row type, in order, without those of ``--output wide``."""
    return tuple((name, column) for name, column in all_columns_of(row) if not column.wide)


def all_columns_of(row: type) -> tuple[tuple[str, Column], ...]:
    """Field names and columns of a row type, in order."""
    return tuple(
        (entry.name, entry.metadata["column"]) for entry in dataclasses.fields(row) if "column" in entry.metadata
    )


def plain_column(name: str) -> Column:
    """The column of a field that has none of its own."""
    return Column(name.replace("_", " ").upper(), Kind.TEXT, None, 0, True, False, False, 10, None)


@record(frozen=True)
class Failure:
    """One thing that went wrong, as it stands in ``errors``.

    Attributes:
        code: Stable code.
        message: What happened, on one line.
        node: The node it happened to, or None.
        stage: The stage that failed, such as ``auth``, or None.
        hint: What to do next, or None.
        excerpt: The text at fault, and below it a caret under the place of the mistake; or None.
        context: The fleet it happened in, where the command is about several; or None.
    """

    code: str
    message: str
    node: str | None = None
    stage: str | None = None
    hint: str | None = None
    excerpt: str | None = None
    context: str | None = None

    @property
    def place(self) -> str | None:
        """Where it happened: ``us-1``, ``prod/us-1``, or the context ``prod`` as a whole; None if that is unknown."""
        return "/".join(part for part in (self.context, self.node) if part) or None


class Legend(NamedTuple):
    """A note that explains what stands in a column. It is shown with rows that need it, where the column is shown.

    Attributes:
        fields: Names of the fields of the columns, one of which has to be shown; none for the row as a whole.
        explain: Makes the note from the rows that are shown; None where they need none.
    """

    fields: tuple[str, ...]
    explain: Callable[[Sequence[Any]], str | None]


@record(frozen=True)
class Result:
    """The outcome of a command that ends.

    Attributes:
        data: A tuple of rows, one row (shown as a list of its fields), or None.
        row: The row type, so that an empty table has columns too; taken from the data if None.
        exit_code: Exit code of the process.
        errors: What went wrong; on stderr, and in the JSON envelope.
        notes: Notes on stderr, with a table only.
        legends: Notes that depend on the rows and columns that are shown; before the other notes.
        text: Text that the table and plain formats show instead of the data.
        title: Line above the table.
        warnings: Warnings on stderr, with every format.
        origin: Source of the data if it is an unusual one, such as the cache; a note with every format.
        left_out: Failures of nodes that the answer does not need; notes with every format.
        is_help: Whether `text` is a help text, which has headings and names to colour.
        time: Time of the sample that the rows are, with `--watch`; CSV has it in each row.
        is_ordered: Whether the user has chosen the order of the rows; else a table shows those with a problem first.
        table_rows: Rows that a table shows instead of the data, or None.
        has_errors_in_table: Whether the rows of the table state the errors, so that they do not follow on stderr.
        has_notes_in_documents: Whether Markdown has the notes too, because the rows mislead without them.
    """

    data: Any = None
    row: type | None = None
    exit_code: int = ExitCode.OK
    errors: tuple[Failure, ...] = ()
    notes: tuple[str, ...] = ()
    legends: tuple[Legend, ...] = ()
    text: str | None = None
    title: str | None = None
    warnings: tuple[str, ...] = ()
    origin: str | None = None
    left_out: tuple[Failure, ...] = ()
    is_help: bool = False
    time: str | None = None
    is_ordered: bool = False
    table_rows: tuple[Any, ...] | None = None
    has_errors_in_table: bool = False
    has_notes_in_documents: bool = False

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


@record(frozen=True)
class CheckResult(Result):
    """The outcome of a command that judges the health of nodes.

    Attributes:
        line: The outcome on one line, errors included; plain output shows it instead of the data.
        report: What the formats of monitoring and CI systems are made from.
        report_files: Files to write as well: the format and the path of each.
        notify: Sends notifications once the output is written, and returns warnings. It does not change the exit code.
    """

    line: str | None = None
    report: Report | None = None
    report_files: tuple[tuple[Format, str], ...] = ()
    notify: Callable[[], Coroutine[Any, Any, tuple[str, ...]]] | None = None


class Stream(NamedTuple):
    """The outcome of a command that runs on: rows as they arrive.

    Attributes:
        row: Type of the rows.
        items: The rows, then perhaps one `Result` without data.
        total: Number of rows for the progress bar on a terminal, None if unknown.
        is_shown_with_progress: Whether a row is printed although there is a progress bar.
        terminal_format: Format on a terminal if none is given.
        piped_format: Format elsewhere if none is given.
        table_of: Makes a table from a row; a terminal shows one table after the other in place.
        is_endless: Whether the rows may never end, so that no document can hold them.
        has_verdict: Whether the exit code matters without the rows: the command then runs on when the reader leaves.
        is_service: Whether the rows are only a log: the command then runs on when they cannot be written at all.
    """

    row: type
    items: AsyncGenerator[Any, None]
    total: int | None = None
    is_shown_with_progress: Callable[[Any], bool] = lambda _: True
    terminal_format: Format = Format.TABLE
    piped_format: Format = Format.PLAIN
    table_of: Callable[[Any], Result] | None = None
    is_endless: bool = False
    has_verdict: bool = False
    is_service: bool = False


class Frame(NamedTuple):
    """One picture of a stream of tables that are shown in place.

    Attributes:
        result: The table in the middle, and its notes. If not all rows fit, rows in trouble come first, and a line
            states how many rows are missing.
        above: Lines above the table.
        below: Lines below the table.
        selected: Index of the row that has to be visible, None if no row is selected.
    """

    result: Result
    above: tuple[str, ...] = ()
    below: tuple[str, ...] = ()
    selected: int | None = None


class FullScreen(NamedTuple):
    """The outcome of a command that fills a terminal and reads keys.

    Attributes:
        pictures: Yields pictures, then perhaps one `Result` without data. Its arguments: a function that returns lines
            and columns of the terminal, and whether keys can be read.
        press: Called with each key that is pressed.
        stream: The outcome where stdout is not a terminal, or another format is chosen.
    """

    pictures: Callable[[Callable[[], tuple[int, int]], bool], AsyncGenerator[Picture | Result, None]]
    press: Callable[[str], None]
    stream: Stream


class Step(NamedTuple):
    """One command line of a `Script`.

    Attributes:
        arguments: The command line, without ``revvlink``; empty for a text alone.
        text: What it shows, on stderr before it; "" for nothing, the command line included.
        exit_codes: Exit codes that are not failures of the script.
    """

    arguments: tuple[str, ...]
    text: str = ""
    exit_codes: tuple[int, ...] = (ExitCode.OK,)


class Script(NamedTuple):
    """The outcome of a command that runs other command lines.

    Attributes:
        environment: Sets up what they need, and gives the path of their configuration file.
        steps: The command lines; each is made when the one before has ended.
        note: Note on stderr before the first one.
        ending: Lines on stderr after the last one.
    """

    environment: Callable[[], AbstractContextManager[Path]]
    steps: Iterator[Step]
    note: str
    ending: tuple[str, ...] = ()


class CommandError(Exception):
    """Raised by a command that cannot do its work at all.

    Attributes:
        failures: The reasons, at least one.
        exit_code: Exit code of the process.
    """

    def __init__(self, *failures: Failure, exit_code: int = ExitCode.FAILED) -> None:
        super().__init__("; ".join(failure.message for failure in failures))
        self.failures = failures
        self.exit_code = exit_code
