"""Measures the speed that the product promises, beside other clients: ``python -m benchmarks [NAME...]``.

Every figure is a ratio of two that were measured by turns in one run, because machines are noisy and differ. The peer
is revvlink 1.0.5, an earlier client with the same API. A row that misses its target, or fails, makes the exit code 1.
"""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import traceback
from pathlib import Path

from benchmarks.measure import Figure, chart, digits, figure_of
from benchmarks.report import save
from benchmarks.rows import ROWS

WIDTH = max(map(len, ROWS)) + 1


def main() -> int:
    """Run the named benchmarks, or all; gives 1 when one misses its target or fails, 2 for an unknown name."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure the speed of revvlink.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="a row; all rows if none is named")
    parser.add_argument("--list", action="store_true", help="print the names of the rows and what they mean")
    parser.add_argument("--write-docs", action="store_true", help="keep the figures, and write docs/performance.md")
    arguments = parser.parse_args()
    if arguments.list:
        if hasattr(signal, "SIGPIPE"):
            signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # a reader such as `head` ends it without a trace
        for name, row in ROWS.items():
            print(f"{name:{WIDTH}} {row.meaning}")
        return 0
    names = arguments.names or list(ROWS)
    if unknown := sorted(set(names) - set(ROWS)):
        print(f"unknown: {', '.join(unknown)}; there are: {', '.join(ROWS)}", file=sys.stderr)
        return 2
    figures = _measure(names)
    missed = [name for name, figure in figures if figure is None or not figure.is_met]
    if arguments.write_docs:
        save({name: figure for name, figure in figures if figure is not None}, ROWS)
        subprocess.run([sys.executable, Path(__file__).parents[1] / "docs" / "generate.py"], check=True)
    if missed:
        print(f"missed: {', '.join(missed)}", file=sys.stderr)
    return int(bool(missed))


def _measure(names: list[str]) -> list[tuple[str, Figure | None]]:
    """Measure rows one after the other and print each; a row that fails has no figure and does not end the run."""
    print(f"{'benchmark':{WIDTH}} {'ours':>12} {'beside':>12} {'ratio':>8}  {'spread':13}  target")
    figures: list[tuple[str, Figure | None]] = []
    for name in names:
        try:
            figure = figure_of(ROWS[name], ROWS[name].measure())
        except Exception:  # noqa: BLE001 - the other rows are still of use
            traceback.print_exc()
            print(f"{name:{WIDTH}} FAILED", flush=True)
            figures.append((name, None))
            continue
        print(
            f"{name:{WIDTH}} {figure.ours:>12} {figure.beside:>12} {digits(figure.ratio):>8}  {figure.spread:13}  "
            f"{figure.target}{'' if figure.is_met else '  MISSED'}",
            flush=True,
        )
        for line in [*(chart(figure) if figure.points else ()), *figure.notes]:
            print(f"  {line}", flush=True)
        figures.append((name, figure))
    return figures


if __name__ == "__main__":
    sys.exit(main())
