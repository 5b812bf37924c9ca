"""Reads the text of a node list from a file or from standard input, within a limit."""

from __future__ import annotations

import codecs
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from revvlink_cli.config.files import MAX_SIZE
from revvlink_cli.config.problems import ConfigError, Problem

if TYPE_CHECKING:
    from typing import BinaryIO

_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def read_list_text(name: str) -> tuple[str, Path]:
    """The text of a list, with line feeds as line ends, and its file, or ``standard input``.

    Args:
        name: The file, or ``-`` for standard input.

    Raises:
        ConfigError: It cannot be read, is not text, or is too large.
    """
    path = Path("standard input" if name == "-" else name)
    try:
        if name != "-":
            with path.open("rb") as file:
                data = _bounded(file)
        elif sys.stdin is None or sys.stdin.closed:
            raise ConfigError([Problem("is closed", path, hint="name a file, or pipe one in")])
        else:
            data = _bounded(sys.stdin.buffer)
    except OSError as error:
        hint = "name a file, or - for standard input"
        raise ConfigError([Problem(f"cannot be read: {error.strerror or error}", path, hint=hint)]) from None
    if len(data) > MAX_SIZE:
        message = f"is larger than {MAX_SIZE} bytes, which is too large for a list of nodes"
        raise ConfigError([Problem(message, path, hint="split it")])
    return _decoded(data, path), path


def _bounded(file: BinaryIO) -> bytes:
    """The content of a file, or a byte more than the limit."""
    parts: list[bytes] = []
    size = 0
    while size <= MAX_SIZE and (part := file.read(MAX_SIZE + 1 - size)):
        parts.append(part)
        size += len(part)
    return b"".join(parts)


def _decoded(data: bytes, path: Path) -> str:
    """The text of some bytes: UTF-8, or UTF-16 that says so.

    Raises:
        ConfigError: They are not such a text.
    """
    try:
        text = data.decode("utf-16") if data.startswith(_UTF16) else data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        is_binary = b"\0" in data[:8192]
        line = None if is_binary else data.count(b"\n", 0, error.start) + 1
        what = "is a binary file, not a list of nodes" if is_binary else "is not UTF-8 text"
        raise ConfigError([Problem(what, path, line, hint="save the list as UTF-8 text")]) from None
    if "\0" in text:
        raise ConfigError([Problem("is a binary file, not a list of nodes", path, hint="name a text file")])
    return text.replace("\r\n", "\n").replace("\r", "\n")
