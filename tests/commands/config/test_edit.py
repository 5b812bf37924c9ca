"""`config edit`: the configuration in an editor."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.commands.config.conftest import CONFIG
from tests.fake_terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Ran


@pytest.fixture
def editor(isolated: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Makes an editor of a line of Python, in which `file` is the path that it is given."""
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setenv("TMPDIR", str(isolated))
    monkeypatch.setattr(tempfile, "tempdir", str(isolated))

    def make(code: str) -> None:
        program = isolated / "my editor.py"
        program.write_text(f"import sys; from pathlib import Path; file = Path(sys.argv[1])\n{code}\n", "utf-8")
        monkeypatch.setenv("EDITOR", f"{sys.executable} '{program}'")

    return make


def test_an_edit_replaces_the_file(line: Callable[..., Ran], path: Path, editor: Callable[[str], None]) -> None:
    """The editor gets a private copy of the whole text, and what it leaves there is the file, which keeps its mode."""
    mode = "oct(file.stat().st_mode & 0o777)"
    editor(f"file.write_text(file.read_text().replace('# end', '# ' + {mode} + file.name))")
    path.chmod(0o640)

    ran = line("config", "edit", "-o", "json")

    assert (ran.code, ran.rows) == (0, {"path": str(path), "changed": True})
    assert path.read_text(encoding="utf-8") == CONFIG.replace("# end", "# 0o600revvlink.toml")
    assert path.stat().st_mode & 0o777 == 0o640


def test_no_edit(line: Callable[..., Ran], path: Path, editor: Callable[[str], None]) -> None:
    """A text that stays as it is, an editor that fails and one that does not exist write nothing."""
    editor("")
    ran = line("config", "edit", "-o", "table")
    assert (ran.code, ran.err) == (0, "note: no change\n")

    editor("file.write_text('broken'); sys.exit(3)")
    ran = line("config", "edit")
    assert ran.code == 1
    assert "ended with 3; nothing is written" in ran.err
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VISUAL", "/nowhere/vim")
        assert "the editor /nowhere/vim cannot be started" in line("config", "edit").err
        patch.setenv("VISUAL", "'")
        assert "there is no editor (set EDITOR" in line("config", "edit").err
    assert path.read_text(encoding="utf-8") == CONFIG


def test_a_wrong_edit_is_kept_elsewhere(line: Callable[..., Ran], path: Path, editor: Callable[[str], None]) -> None:
    """Every mistake comes with its line, the file stays, and the rejected text is not lost."""
    editor("file.write_text(file.read_text().replace('timeout = 4', 'timeout = 0'))")

    ran = line("config", "edit")

    assert ran.code == 2
    assert f"{path}:3:1: defaults.timeout: must be above 0" in ran.err
    kept = Path(ran.err.rpartition("your text is kept in ")[2].strip())
    assert kept.read_text("utf-8") == CONFIG.replace("timeout = 4", "timeout = 0")
    assert path.read_text(encoding="utf-8") == CONFIG


def test_a_change_meanwhile_is_not_lost(line: Callable[..., Ran], path: Path, editor: Callable[[str], None]) -> None:
    """What another program writes while the editor is open stays."""
    editor(f"file.write_text('# mine\\n' + file.read_text()); Path({str(path)!r}).open('a').write('# theirs')")

    ran = line("config", "edit")

    assert ran.code == 2
    assert "was changed by another program meanwhile" in ran.err
    assert path.read_text(encoding="utf-8") == f"{CONFIG}# theirs"


def test_line_ends_and_mark_stay(line: Callable[..., Ran], path: Path, editor: Callable[[str], None]) -> None:
    """The file is as the editor writes it, byte for byte."""
    path.write_bytes(b"\xef\xbb\xbf" + CONFIG.replace("\n", "\r\n").encode())
    editor("file.write_bytes(file.read_bytes().replace(b'# end', b'# done'))")

    assert line("config", "edit").code == 0
    assert path.read_bytes() == b"\xef\xbb\xbf" + CONFIG.replace("\n", "\r\n").replace("# end", "# done").encode()


def test_a_person_may_edit_again(isolated: Path, path: Path, editor: Callable[[str], None]) -> None:
    """On a terminal the mistakes are shown, and the editor opens again with the same text."""
    editor(
        "text = file.read_text()\n"
        "file.write_text(text.replace('\"us-1\"', '\"us 1\"') if '\"us-1\"' in text else text.replace('us 1', 'us-9'))"
    )
    terminal = Terminal(None, "config", "edit", columns=200)
    deadline = time.monotonic() + 20
    while "Edit again?" not in terminal.seen and time.monotonic() < deadline:
        terminal.read(0.1)
    terminal.press("\n")

    assert terminal.end() == 0, terminal.seen
    assert "must not have spaces" in " ".join(terminal.seen.split())  # a long line is wrapped
    assert path.read_text(encoding="utf-8") == CONFIG.replace("us-1", "us-9")
    assert not list(isolated.glob("revvlink-*"))
