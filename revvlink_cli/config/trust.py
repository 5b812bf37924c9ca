"""Which files found in a working directory may use what is not theirs.

A repository that somebody cloned can hold a ``revvlink.toml`` that names an attacker's node and one's own password
variable. So a file merely found gets nothing from the environment or from other files until its content has been
approved, by its hash.
"""

from __future__ import annotations

from pathlib import Path

from revvlink_cli.config.files import read_text, write_atomically


def trust_file() -> Path:
    """Where approvals are kept: a line each, hash and path."""
    import platformdirs

    return Path(platformdirs.user_state_path("revvlink")) / "trusted"


def is_trusted(path: Path, text: str) -> bool:
    """Whether exactly this content of this file has been approved."""
    try:
        known = trust_file().read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return False
    where = _where(path)
    return (
        any(line.partition(" ")[2] == where for line in known.splitlines()) and _line(path, text) in known.splitlines()
    )


def trust(path: Path) -> None:
    """Approve the content that the file has now.

    Raises:
        ConfigError: It cannot be read, or the approval cannot be written.
    """
    store = trust_file()
    try:
        known = store.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        known = []
    where = _where(path)
    kept = [line for line in known if line.partition(" ")[2] != where]
    write_atomically(store, "\n".join([*kept, _line(path, read_text(path))]) + "\n")


def _line(path: Path, text: str) -> str:
    import hashlib

    return f"{hashlib.sha256(text.encode()).hexdigest()} {_where(path)}"


def _where(path: Path) -> str:
    """The path as one line of text."""
    return str(path.resolve()).encode("unicode_escape").decode()
