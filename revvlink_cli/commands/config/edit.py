"""``revvlink config edit``: the configuration in an editor, checked before it replaces the file."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from revvlink_cli.commands.shared import config_file, node_selection
from revvlink_cli.commands.shared.command import Record, command, options_of
from revvlink_cli.commands.shared.questions import ask
from revvlink_cli.config.problems import ConfigError
from revvlink_cli.output import diagnostics
from revvlink_cli.output.result import CommandError, ExitCode, Failure, Result, column

if TYPE_CHECKING:
    from collections.abc import Iterator

    from revvlink_cli.commands.shared.command import Options


@dataclass(frozen=True, slots=True, kw_only=True)
class EditedRecord:
    """The file that was edited."""

    path: str = column("Path")
    changed: bool = column("Changed")


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    command(app, "edit", prints=lambda: {"": Record(EditedRecord)}, examples=("revvlink config edit",))(edit)


def edit(ctx: typer.Context) -> Result:
    """Edit the configuration in $VISUAL or $EDITOR.

    The editor gets a copy. The copy replaces the file if it has no mistake; else revvlink reports every mistake, and on
    a terminal offers to edit again. A rejected copy is kept, and its path is printed.
    """
    from revvlink_cli.config.editing import read_with_mark, replace

    options = options_of(ctx)
    source, path = config_file.find_file(options)
    try:
        before = "".join(read_with_mark(path))
    except ConfigError as error:
        raise node_selection.config_failure(error, options) from None
    copy = _make_copy(before)
    is_kept = False
    try:
        while True:
            _run_editor(copy, options)
            try:
                after = "".join(read_with_mark(copy))
                if after == before:
                    return Result(EditedRecord(path=str(path), changed=False), text=str(path), notes=("no change",))
                settings = replace(path, before, after)
            except ConfigError as error:
                is_kept = True
                _offer_again(node_selection.config_failure(error, options), copy)
                is_kept = False
                continue
            return Result(
                EditedRecord(path=str(path), changed=True),
                text=str(path),
                notes=(f"changed {path}",),
                warnings=(*map(str, settings.warnings), *config_file.trust_warning(path, is_trusted=source.trusted)),
            )
    finally:
        if not is_kept:
            _remove_copy(copy)


def _make_copy(text: str) -> Path:
    """A copy that only the user can read, with the name that editors know the format by."""
    import tempfile

    copy = Path(tempfile.mkdtemp(prefix="revvlink-")) / "revvlink.toml"
    copy.touch(mode=0o600)
    copy.write_bytes(text.encode())
    return copy


def _remove_copy(copy: Path) -> None:
    import shutil

    shutil.rmtree(copy.parent, ignore_errors=True)


def _run_editor(copy: Path, options: Options) -> None:
    """Run the editor on the copy.

    Raises:
        CommandError: There is no editor, or it failed.
    """
    import subprocess

    words = _editor(options)
    try:
        with _ctrl_c_for_the_editor():
            code = subprocess.call([*words, str(copy)])  # noqa: S603 - the user's own editor
    except OSError as error:
        message = f"the editor {words[0]} cannot be started: {error.strerror or error}"
        failure = Failure("usage", message, hint="set EDITOR to a program that waits until the file is closed")
        raise CommandError(failure, exit_code=options.usage_exit_code) from None
    if code != 0:
        failure = Failure("editor_failed", f"the editor {words[0]} ended with {code}; nothing is written")
        raise CommandError(failure, exit_code=ExitCode.FAILED)


def _editor(options: Options) -> list[str]:
    """The words of the editor's command line."""
    import os
    import shlex
    import shutil
    import sys

    named = os.environ.get("VISUAL") or os.environ.get("EDITOR")
    usual = ("notepad",) if sys.platform == "win32" else ("editor", "nano", "vi")
    found = named or next((name for name in usual if shutil.which(name)), None)
    try:
        words = shlex.split(found or "", posix=sys.platform != "win32")
    except ValueError:
        words = []
    if not words:
        is_windows = sys.platform == "win32"
        line = "$env:EDITOR = 'notepad'; revvlink config edit" if is_windows else "EDITOR=nano revvlink config edit"
        failure = Failure("usage", "there is no editor", hint=f"set EDITOR, as in {line}")
        raise CommandError(failure, exit_code=options.usage_exit_code)
    if sys.platform == "win32":  # quotes stay in its words; a script such as code.cmd is found by its full name only
        words = [word[1:-1] if len(word) > 1 and word[0] == word[-1] == '"' else word for word in words]
        words[0] = shutil.which(words[0]) or words[0]
    return words


@contextmanager
def _ctrl_c_for_the_editor() -> Iterator[None]:
    """Leave Ctrl-C to the editor, which gets it too, while the editor runs."""
    import signal

    before = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _offer_again(error: CommandError, copy: Path) -> None:
    """Report the mistakes, and return if a person wants to edit again.

    Raises:
        CommandError: The person stops editing; the error says where the rejected text is.
    """
    kept = Failure("configuration", f"nothing is written; your text is kept in {copy}")
    if not config_file.is_terminal():
        raise CommandError(*error.failures, kept, exit_code=error.exit_code) from None
    diagnostics.errors(error.failures)
    try:
        if ask("Edit again?", default=True):
            return
    except typer.Abort:
        diagnostics.notes([kept.message])
        raise
    raise CommandError(kept, exit_code=error.exit_code) from None
