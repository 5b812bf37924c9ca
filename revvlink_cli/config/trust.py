"""Decides which files found in a working directory may use the environment and other files.

A cloned repository can hold a ``revvlink.toml`` that names an attacker's node and the user's own password
variable. So such a file gets nothing from the environment or from other files until its content has been
approved, by its hash.

The files that it names by a relative path lie in the same repository, so they are a part of what was approved: where
each of them is, so that a link does not lead to another secret later, and what is in certificate authorities, for they
decide who is given the passwords. A password file may change: passwords do.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from revvlink_cli._folders import user_state_folder
from revvlink_cli.config.files import write_atomically
from revvlink_cli.config.locking import changing
from revvlink_cli.config.problems import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_AUTHORITIES = 4 * 1024 * 1024
"""Bytes of a file of certificate authorities that count; that of a whole system has a quarter of a MiB."""


def trust_file() -> Path:
    """The file with the approvals: a hash and a path on each line."""
    return user_state_folder() / "trusted"


def is_trusted(path: Path, text: str) -> bool:
    """Whether exactly this content of this file has been approved."""
    try:
        known = trust_file().read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return False
    where = _where(path)
    return any(line.partition(" ")[2] == where for line in known) and _line(path, text) in known


def trust(path: Path, text: str) -> None:
    """Approve a file with this content.

    Args:
        path: The file.
        text: The reviewed text; the file may have changed since.

    Raises:
        ConfigError: The approval cannot be written.
    """
    store = trust_file()
    with changing(store):
        try:
            known = store.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError):
            known = []
        where = _where(path)
        kept = [line for line in known if line.partition(" ")[2] != where]
        write_atomically(store, "\n".join([*kept, _line(path, text)]) + "\n")


def _line(path: Path, text: str) -> str:
    import hashlib

    approved = hashlib.sha256(text.encode())
    for named in _files_named(path, text):
        approved.update(f"\0{named}".encode("utf-8", "surrogateescape"))
    return f"{approved.hexdigest()} {_where(path)}"


def _files_named(path: Path, text: str) -> Iterator[str]:
    """The approved parts of each file that a configuration names by a relative path."""
    import hashlib

    from revvlink_cli.config.documents import read_toml
    from revvlink_cli.config.schema import SECTIONS

    try:
        document = read_toml(text)
    except ConfigError:
        return  # it cannot be used whether it is trusted or not
    for section, keys in SECTIONS.items():
        found: Any = document.get(section)
        for table in found if isinstance(found, list) else [found]:
            for key in keys:
                name = table.get(key.name) if key.names_file and isinstance(table, dict) else None
                if not isinstance(name, str) or Path(name).is_absolute() or name.startswith("~"):
                    continue
                with contextlib.suppress(OSError, ValueError):  # it cannot be used, and may be later
                    file = (path.resolve().parent / name).resolve()
                    yield f"{key.name} {file}"
                    if key.name == "ca_file" and file.is_file():
                        with file.open("rb") as authority:
                            yield hashlib.sha256(authority.read(MAX_AUTHORITIES)).hexdigest()


def _where(path: Path) -> str:
    """The path as one line of text."""
    return str(path.resolve()).encode("unicode_escape").decode()
