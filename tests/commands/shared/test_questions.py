"""Questions to a person, on a terminal in this process. A whole command asks one in `tests/commands/nodes`."""

from __future__ import annotations

import os
import signal
import sys
import threading
from typing import TYPE_CHECKING

import pytest
import typer

from revvlink_cli.commands.shared.questions import ask

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def keyboard(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """What is written here is typed on the terminal behind standard input."""
    keyboard, terminal = os.openpty()
    with os.fdopen(terminal, encoding="utf-8") as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        yield keyboard
    os.close(keyboard)


@pytest.mark.parametrize(
    ("typed", "default", "answer"),
    [("y\n", False, True), (" YES \n", False, True), ("n\n", True, False), ("\n", False, False), ("\n", True, True)],
)
def test_answers(typed: str, default: bool, answer: bool, keyboard: int, capsys: pytest.CaptureFixture[str]) -> None:
    """The answer is a letter or a word; an empty line is the choice in capitals."""
    os.write(keyboard, typed.encode())
    assert ask("Go\x1b on?", default=default) is answer
    assert capsys.readouterr().err == f"Go\\x1b on? [{'Y/n' if default else 'y/N'}]: "


def test_another_word_is_no_answer(keyboard: int, capsys: pytest.CaptureFixture[str]) -> None:
    """The question comes again until it is answered; lines typed ahead are read one by one."""
    os.write(keyboard, b"maybe\nyes\nno\n")
    assert ask("Go on?")
    assert capsys.readouterr().err == "Go on? [y/N]: Answer y or n.\nGo on? [y/N]: "
    assert not ask("Go on?")


def test_the_end_of_the_input_aborts(keyboard: int) -> None:
    """Ctrl-D is not an answer."""
    os.write(keyboard, b"\x04")
    with pytest.raises(typer.Abort):
        ask("Go on?")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
def test_signals_while_it_waits(keyboard: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A signal whose handler raises nothing leaves the question open; Ctrl-C aborts. Neither outlives the question."""
    handled = threading.Event()
    before = [
        (signal.SIGUSR1, signal.signal(signal.SIGUSR1, lambda *_: handled.set())),
        (signal.SIGINT, signal.signal(signal.SIGINT, signal.default_int_handler)),
    ]
    main = threading.main_thread().ident
    assert main is not None

    def disturb() -> None:
        signal.pthread_kill(main, signal.SIGUSR1)
        assert handled.wait(30)
        os.write(keyboard, b"y\n")

    try:
        threads = [
            threading.Thread(target=disturb),
            threading.Thread(target=os.kill, args=(os.getpid(), signal.SIGINT)),
        ]
        monkeypatch.setattr("revvlink_cli.commands.shared.questions.write_error", lambda _: threads.pop(0).start())
        assert ask("Go on?")
        with pytest.raises(typer.Abort):
            ask("Go on?")
        assert signal.set_wakeup_fd(-1) == -1
    finally:
        for number, handler in before:
            signal.signal(number, handler)
