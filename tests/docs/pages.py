"""Reads the command lines of a page, with what the page shows that they print."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]

COMMANDS = ROOT / "docs" / "reference" / "commands"
"""The pages of the commands, whose examples each show what they print."""

MOST_LINES = 24
"""Lines of output that a page shows at most; ``...`` stands for the others."""


@dataclass(slots=True)
class Step:
    """A command line of a page.

    Attributes:
        text: What is typed, without prompt and comment.
        first: Number of the line below it, where its output begins.
        indent: What stands before each line of the block.
        shown: The lines that the page shows that it prints; none where the page leaves its output out.
        before: What the fleet does before it, such as ``kill eu-1``, from the comment ``<!-- fleet: kill eu-1 -->``.
    """

    text: str
    first: int
    indent: str
    shown: list[str] = field(default_factory=list)
    before: list[str] = field(default_factory=list)


def steps_of(path: Path) -> Iterator[Step]:
    """The command lines in the blocks of a page, from top to bottom."""
    lines = path.read_text(encoding="utf-8").splitlines()
    before: list[str] = []
    number = 0
    while number < len(lines):
        line = lines[number]
        number += 1
        if found := re.fullmatch(r"\s*<!-- fleet: (.*) -->", line):
            before += found[1].split(", ")
        if not line.strip().startswith("```console"):
            continue
        indent = line[: len(line) - len(line.lstrip())]
        step: Step | None = None
        while (line := lines[number].removeprefix(indent)) != "```":
            number += 1
            if line.startswith(("$ ", "PS> ")):
                if step is not None:
                    yield step
                typed = line.partition(" ")[2]
                while typed.endswith("\\"):
                    typed = typed.removesuffix("\\") + lines[number].strip()
                    number += 1
                typed = re.sub(r"\s+#\s.*", "", typed)
                step, before = Step("" if line.startswith("PS>") else typed, number, indent, before=before), []
            elif step is not None:
                step.shown.append(line)
        if step is not None:
            yield step


def with_output(path: Path, outputs: dict[int, list[str]]) -> str:
    """The text of a page with the output of some steps, each known by its `Step.first`, in place of what is shown."""
    lines = path.read_text(encoding="utf-8").splitlines()
    for step in reversed(list(steps_of(path))):
        if step.first in outputs:
            new = [f"{step.indent}{line}".rstrip() for line in shortened(outputs[step.first])]
            lines[step.first : step.first + len(step.shown)] = new
    return "\n".join(lines) + "\n"


def shortened(lines: list[str]) -> list[str]:
    """At most `MOST_LINES` lines."""
    return lines if len(lines) <= MOST_LINES else [*lines[: MOST_LINES - 1], "..."]


MASKS = (
    (r"\x1b\[[0-9;?]*[A-Za-z]", ""),
    (r">=(?=\d)", ""),  # a NodeLink's penalty is exact after its second statistics
    (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?(\.\d+)?(Z|[+-]\d\d:?\d\d| [A-Z]{3,4})?", "TIME"),
    (r"(?<![\w.-])\d\d:\d\d(:\d\d)?( [A-Z]{3,4})?", "TIME"),
    (r"(?<![\w.-])[\d.]+ ?(ms|s|m|min|h|d|days?|hours?|minutes?|seconds?)\b( ?\d+(ms|s|m|h|d)\b)*", "SPAN"),
    (r"(?<![\w.-])[\d.]+ ?([KMG]i)?B\b", "SIZE"),
    (r"(?<=127\.0\.0\.1:)\d+", "PORT"),
    (r"(?<![\w.-])-?\d+(\.\d+)*(?![\w-])", "N"),
    (r"(?<=\bremove )[a-z0-9]{5}\b|(?<=^removed )[a-z0-9]{5}$|^[a-z0-9]{5}(?=$| +(?:active|pending|expired))", "ID"),
    (r"(?<![\w/.-])[a-z0-9]{16}(?![\w/.-])", "ID"),
    (r'(?<="id": ")\w+', "ID"),
    (r"─+", "─"),
    (r"[░█▁▂▃▄▅▆▇⣀-⣿]+", "BAR"),
    (r"[ \t]+", " "),
)
"""What differs from run to run -> what stands for it in a comparison: times, figures, widths."""


def masked(line: str) -> str:
    """A line of output without times and figures."""
    for pattern, word in MASKS:
        line = re.sub(pattern, word, line)
    return line.strip()


def unwrapped(lines: list[str]) -> list[str]:
    """Lines of output with each row of a table on one line: the last column continues below itself."""
    if not any(line.startswith("──") for line in lines):
        return lines
    rows: list[str] = []
    for line in lines:
        if rows and line.startswith(" " * 8):
            rows[-1] += f" {line.strip()}"
        else:
            rows.append(line)
    return rows


def is_same(shown: list[str], printed: list[str]) -> bool:
    """Whether a page shows what is printed; a line ``...`` stands for any number of lines.

    Where a row of a table breaks is not a difference: a time with one digit more moves a word to the next line.
    """
    pattern = "".join(
        r"(?:.*\n)*" if line.strip() in ("...", "…") else f"{re.escape(masked(line))}\n" for line in unwrapped(shown)
    )
    return re.fullmatch(pattern, "".join(f"{masked(line)}\n" for line in unwrapped(printed))) is not None
