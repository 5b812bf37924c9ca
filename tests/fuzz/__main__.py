"""Fuzzes every parser for a while: `make fuzz`, or ``python -m tests.fuzz --seconds 600 --seed 7 track range``."""

from __future__ import annotations

import argparse
import random
import sys
import time

from tests.fuzz.run import ParserError, try_cases
from tests.fuzz.targets import TARGETS


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> int:
    """Fuzz; 1 if a parser failed, after the others have been tried."""
    options = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    options.add_argument("names", nargs="*", metavar="NAME", help=", ".join(TARGETS))
    options.add_argument("--seconds", type=float, default=300.0, help="for all parsers together; 300 if not given")
    options.add_argument("--seed", type=int, default=None, help="repeats a run; another one each time if not given")
    given = options.parse_args()
    if unknown := [name for name in given.names if name not in TARGETS]:
        options.error(f"unknown: {', '.join(unknown)} (known: {', '.join(TARGETS)})")
    names = given.names or list(TARGETS)
    seed = given.seed if given.seed is not None else random.SystemRandom().randrange(10**9)
    _say(f"seed {seed}, {given.seconds / len(names):.0f} s for each of {len(names)} parsers")
    failed = 0
    for name in names:
        begun = time.monotonic()
        try:
            count = try_cases(name, TARGETS[name], seed, sys.maxsize, given.seconds / len(names))
        except ParserError as error:
            failed += 1
            _say(f"{name}: FAILED: {error}")
        else:
            _say(f"{name}: {count} inputs in {time.monotonic() - begun:.1f} s")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
