"""The ways of Windows, tried with stand-ins: no test of this project has run on Windows itself.

`tests/windows_stand_in.py` takes away what Windows lacks. The last tests call single functions that have a way for it.
"""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from revvlink_cli import _folders, _interrupts, _renaming, _shell
from revvlink_cli.commands.config import edit
from revvlink_cli.commands.shared.command import Options
from revvlink_cli.config import files
from revvlink_cli.output import streams
from revvlink_cli.output.streams import Output
from tests import windows_stand_in

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[1]

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="takes away from Linux what Windows lacks")


def start(*arguments: str) -> subprocess.Popen[str]:
    """A process that pretends to run on Windows."""
    return subprocess.Popen(
        [sys.executable, "-m", "tests.windows_stand_in", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )


def test_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every module is imported without those of POSIX, and commands run on Windows' rules for files and event loops.

    Files are renamed and deleted while none of them is open. A console of cp1252 prints any text. No command needs
    signals of the event loop, a pipe to wait for, or a function that Windows lacks.
    """
    monkeypatch.setenv("LAVALINK_PASSWORD", "a long password")
    file = str(tmp_path / "revvlink.toml")
    page = str(tmp_path / "nodes.html")
    lines: tuple[tuple[str, ...], ...] = (
        ("init", "--config", file),
        ("nodes", "add", "音楽", "http://127.0.0.1:9", "--password-env", "LAVALINK_PASSWORD", "--config", file),
        ("nodes", "rename", "音楽", "eu-1", "--config", file),
        ("config", "set", "nodes.eu-1.region", "eu", "--config", file),
        ("config", "validate", "--config", file),
        ("silence", "add", "eu-1", "--for", "1h", "--reason", "Größe ≥ 音", "--config", file),
        ("silence", "list", "--config", file),
        ("nodes", "list", "--config", file, "--export", page),
        ("context", "add", "home", "--from", file),
        ("context", "rename", "home", "office"),
        ("context", "remove", "office", "--yes"),
        ("cache", "stats", "--config", file),
        ("nodes", "remove", "eu-1", "--yes", "--config", file),
        ("completion", "powershell"),
        ("demo", "--steady", "--", "nodes", "status", "--output", "json"),
        ("demo", "--steady", "--", "doctor"),
        ("config", "validate", "--config", str(tmp_path / "none.toml")),
    )
    process = start("lines")
    out, err = process.communicate(json.dumps(lines), timeout=60)
    assert process.returncode == 0, err
    count, *ended = map(json.loads, out.splitlines())
    shown = {" ".join(line[:2]): end[1] for line, end in zip(lines, ended, strict=True)}
    failed = [(line, end) for line, end in zip(lines, ended, strict=True) if end[0] != 0]

    assert count == len(windows_stand_in.package_modules())
    assert [line for line, _ in failed if line[-1] != "doctor"] == [lines[-1]], failed
    assert "Größe \\u2265 \\u97f3" in shown["silence list"]
    assert "Register-ArgumentCompleter" in shown["completion powershell"]
    assert len(json.loads(ended[-3][1])["data"]) == 5
    assert "permissions\t\tskipped\tfiles have no such modes here" in ended[-2][1]
    assert "crashed" not in ended[-2][1]
    assert "eu-1" in (tmp_path / "nodes.html").read_text(encoding="utf-8")
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")], "no copy is left behind"


def test_ctrl_break_ends_a_command_in_order(tmp_path: Path) -> None:
    """Ctrl-Break, which also ends services, stops the exporter; other commands end as after Ctrl-C."""
    config = tmp_path / "revvlink.toml"
    config.write_text(
        '[[nodes]]\nidentifier = "a"\nuri = "http://127.0.0.1:9"\npassword = "a long password"\n', encoding="utf-8"
    )
    exporter = start("main", "exporter", "--listen", "127.0.0.1:0", "--config", str(config))
    demo = start("main", "demo", "--keep")
    for process, code in ((exporter, 0), (demo, 130)):
        with process:
            assert process.stdout is not None
            assert process.stdout.readline(), "it is ready"
            process.send_signal(windows_stand_in.CTRL_BREAK)
            _, err = process.communicate(timeout=30)
        assert process.returncode == code, err
        assert "Traceback" not in err


@pytest.fixture
def windows(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """`sys.platform` is that of Windows."""
    monkeypatch.setattr(sys, "platform", "win32")
    yield
    monkeypatch.undo()


@pytest.mark.usefixtures("windows")
def test_a_file_that_is_open_for_a_moment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The rename is tried again while a scanner has the file open; after a second the error comes out."""
    target = tmp_path / "revvlink.toml"
    target.write_text("old", encoding="utf-8")
    refusals = 3
    rename = os.replace

    def refuse(source: Any, to: Any) -> None:
        nonlocal refusals
        if refusals:
            refusals -= 1
            raise PermissionError(errno.EACCES, "it is open")
        rename(source, to)

    monkeypatch.setattr(_renaming, "POLL", 0.001)
    monkeypatch.setattr(os, "replace", refuse)
    files.replace_whole(target, "new")
    assert target.read_text(encoding="utf-8") == "new"
    assert refusals == 0

    refusals = sys.maxsize
    monkeypatch.setattr(_renaming, "PATIENCE", 0.01)
    with pytest.raises(PermissionError):
        _renaming.replace(target, tmp_path / "other")
    with pytest.raises(PermissionError):
        files.replace_whole(tmp_path / "none.toml", "new")
    files.replace_whole(target, "newer")  # an existing file that cannot be replaced is overwritten
    assert [path.name for path in tmp_path.iterdir()] == ["revvlink.toml"]
    assert target.read_text(encoding="utf-8") == "newer"


def test_another_system_does_not_wait(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Elsewhere a refused rename is final at once: only Windows refuses it for open files."""
    calls = 0

    def refuse(*_: object) -> None:
        nonlocal calls
        calls += 1
        raise PermissionError

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(PermissionError):
        _renaming.replace(tmp_path / "a", tmp_path / "b")
    assert calls == 1


@pytest.mark.usefixtures("windows")
def test_a_reader_who_leaves_a_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows reports a closed pipe as an invalid argument; that is not an error, as elsewhere."""
    reader, writer = os.pipe()
    os.close(reader)

    class Pipe:
        def fileno(self) -> int:
            return writer

        def write(self, _text: str) -> None:
            raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(sys, "stdout", Pipe())
    output = Output()
    output.write("a row\n")
    monkeypatch.undo()
    os.close(writer)
    assert output.is_closed


def test_folders_of_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Configuration and state are in one folder of the user's local data, the cache is below it."""
    from platformdirs import windows as system

    known = {"CSIDL_LOCAL_APPDATA": "LOCAL", "CSIDL_COMMON_APPDATA": "COMMON"}
    monkeypatch.setattr(system, "get_win_folder", known.__getitem__)
    monkeypatch.setattr(sys, "platform", "win32")
    for kind in ("user_config_path", "user_state_path", "user_cache_path", "site_config_path"):
        find = partial(lambda kind, name, **more: getattr(system.Windows(name, **more), kind), kind)
        monkeypatch.setattr(f"platformdirs.{kind}", find)

    assert _folders.user_config_folder() == _folders.user_state_folder() == Path("LOCAL/revvlink")
    assert _folders.user_cache_folder() == Path("LOCAL/revvlink/Cache")
    assert _folders.site_config_folder() == Path("COMMON/revvlink")


class Kernel:
    """The console functions of Windows."""

    def __init__(self, *, mode: int | None, accepts: bool) -> None:
        self.mode = mode
        self.accepts = accepts
        self.handles: list[int] = []

    def GetStdHandle(self, number: int) -> int:  # noqa: N802 - its name in Windows
        self.handles.append(number)
        return number

    def GetConsoleMode(self, _handle: int, mode: Any) -> bool:  # noqa: N802 - as above
        if self.mode is not None:
            mode._obj.value = self.mode
        return self.mode is not None

    def SetConsoleMode(self, _handle: int, mode: int) -> bool:  # noqa: N802 - as above
        if self.accepts:
            self.mode = mode
        return self.accepts


@pytest.mark.parametrize(
    ("mode", "accepts", "acts", "after"),
    [(3, True, True, 7), (7, False, True, 7), (3, False, False, 3), (None, False, True, None)],
)
@pytest.mark.usefixtures("windows")
def test_consoles_act_on_sequences(
    mode: int | None, accepts: bool, acts: bool, after: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A console is asked to act on escape sequences; one that cannot gets none, and other terminals always can."""
    kernel = Kernel(mode=mode, accepts=accepts)
    monkeypatch.setattr("ctypes.windll", SimpleNamespace(kernel32=kernel), raising=False)

    assert streams.acts_on_sequences(sys.stdout) is acts
    assert streams.acts_on_sequences(sys.stderr) is acts
    assert kernel.handles == [-11, -12]
    assert kernel.mode == after


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("revvlink", "nodes", "list"), "revvlink nodes list"),
        (("--config", r"C:\Users\me\revvlink.toml"), r"--config C:\Users\me\revvlink.toml"),
        (("--config", r"C:\My Files\revvlink.toml"), r'--config "C:\My Files\revvlink.toml"'),
        (("--where", "playing>100"), '--where "playing>100"'),
        (("It's",), '"It\'s"'),
        (("$HOME",), "'$HOME'"),
        (('say "it\'s"',), "'say \"it''s\"'"),
        (("a folder\\",), "'a folder\\'"),
        (("",), "''"),
    ],
)
@pytest.mark.usefixtures("windows")
def test_hints_are_quoted_for_windows(words: tuple[str, ...], line: str) -> None:
    """A quoted word fits PowerShell and `cmd.exe`; where no form fits both, it fits PowerShell."""
    assert _shell.join(words) == line


def test_hints_use_programs_of_the_system(monkeypatch: pytest.MonkeyPatch) -> None:
    """What makes a file writable, and who listens on a port, has another command on each system."""
    found = []
    for platform in ("linux", "darwin", "win32"):
        monkeypatch.setattr(sys, "platform", platform)
        found.append((_shell.make_writable("a file"), _shell.list_listeners(9870)))

    assert found == [
        ("chmod u+w 'a file'", "ss -ltnp 'sport = :9870'"),
        ("chmod u+w 'a file'", "lsof -nP -iTCP:9870 -sTCP:LISTEN"),
        ('attrib -r "a file"', "netstat -ano | findstr :9870"),
    ]


@pytest.mark.parametrize(
    ("editor", "words"),
    [
        ('"C:\\Program Files\\Editor\\edit.exe" --wait', ["C:\\Program Files\\Editor\\edit.exe", "--wait"]),
        ("code --wait", ["C:\\bin\\code.cmd", "--wait"]),
    ],
)
@pytest.mark.usefixtures("windows")
def test_editors_of_windows(editor: str, words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A quoted path with backslashes stays whole, and a script is started by the name of its file."""
    monkeypatch.setenv("VISUAL", editor)
    monkeypatch.setattr("shutil.which", lambda name: "C:\\bin\\code.cmd" if name == "code" else None)

    assert edit._editor(Options()) == words


@pytest.mark.usefixtures("windows")
def test_ctrl_break_is_ctrl_c(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once the program has begun, Ctrl-Break raises what Ctrl-C raises."""
    monkeypatch.setattr("_signal.SIGBREAK", signal.SIGUSR1, raising=False)
    before = signal.getsignal(signal.SIGUSR1)
    try:
        _interrupts.raise_again()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGUSR1)
    finally:
        signal.signal(signal.SIGUSR1, before)
