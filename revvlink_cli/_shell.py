"""Writes command lines as the user's shell reads them: a POSIX shell, or PowerShell on Windows."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def join(words: Iterable[str]) -> str:
    """One command line that a person can paste into a shell."""
    if sys.platform == "win32":
        return " ".join(map(for_windows, words))
    import shlex

    return shlex.join(words)


def for_windows(word: str) -> str:
    """A word as the shells of Windows read it: for PowerShell and `cmd.exe` where one form fits both."""
    if re.fullmatch(r"[A-Za-z0-9_./:=\\-]+", word) is not None:
        return word
    if re.fullmatch(r"[^\"$`%!^\u201c-\u201f]*[^\"$`%!^\u201c-\u201f\\]", word) is not None:
        return f'"{word}"'
    return for_powershell(word)


def for_powershell(word: str) -> str:
    """A word as PowerShell reads it. Curly quotes count as quotes there."""
    if re.fullmatch(r"[A-Za-z0-9_./:=-]+", word) is not None:
        return word
    return "'" + re.sub("['\u2018\u2019\u201a\u201b]", r"\g<0>\g<0>", word) + "'"


def make_writable(path: object) -> str:
    """The command that makes a file writable."""
    return join(("attrib", "-r", str(path)) if sys.platform == "win32" else ("chmod", "u+w", str(path)))


def list_listeners(port: int) -> str:
    """The command that shows which program listens on a port."""
    if sys.platform == "win32":
        return f"netstat -ano | findstr :{port}"
    return f"lsof -nP -iTCP:{port} -sTCP:LISTEN" if sys.platform == "darwin" else f"ss -ltnp 'sport = :{port}'"
