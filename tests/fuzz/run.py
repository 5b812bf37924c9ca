"""Gives a parser inputs that are nearly right, and checks how it takes them."""

from __future__ import annotations

import contextlib
import math
import random
import signal
import tempfile
import time
from typing import TYPE_CHECKING

from revvlink_cli.output.text import clean
from tests.fuzz.mutate import mutated

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.fuzz.targets import Target

LONGEST = 5.0
"""Seconds of the processor that one input may take; most take less than a thousandth."""


class ParserError(AssertionError):
    """An input that a parser does not take as it should; its text has all that is needed to repeat it."""

    def __init__(self, name: str, seed: int, number: int, text: str, reason: str) -> None:
        super().__init__(f"{name}, seed {seed}, case {number}: {reason}\ninput: {text!a}")


def input_of(name: str, target: Target, seed: int, number: int) -> str:
    """The input of a case."""
    return mutated(target.samples, random.Random(f"{seed} {name} {number}"), target.tokens)


def try_cases(name: str, target: Target, seed: int, most: int, seconds: float = math.inf) -> int:
    """Try that many inputs, or as many as the time allows, in a folder of their own; returns how many.

    Raises:
        ParserError: One raises what is not documented, takes too long, or has an error that is not a short clean line.
    """
    until = time.monotonic() + seconds
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder, contextlib.chdir(folder), _stopping():
        for number in range(most):
            if time.monotonic() >= until:
                return number
            text = input_of(name, target, seed, number)
            if hasattr(signal, "setitimer"):
                signal.setitimer(signal.ITIMER_PROF, LONGEST)
            try:
                for error in target.read(text):
                    _check(error, text)
            except Exception as error:
                raise ParserError(name, seed, number, text, f"{type(error).__name__}: {error}") from error
    return most


def _check(error: str, text: str) -> None:
    shown = clean(error)
    assert "\n" not in shown, "an error is one line"
    assert len(shown) <= 12 * len(text) + 2000, f"an error of {len(shown)} characters"


@contextlib.contextmanager
def _stopping() -> Iterator[None]:
    """Interrupts an input that takes too long, where the system can."""

    def stop(*_: object) -> None:
        raise TimeoutError(f"it takes more than {LONGEST:.0f} s")

    if not hasattr(signal, "setitimer"):
        yield
        return
    former = signal.signal(signal.SIGPROF, stop)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, former)
