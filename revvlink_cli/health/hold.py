"""How long something must hold before it is acted on: a number of runs in a row, or a time."""

from __future__ import annotations

from revvlink_cli._record import NamedTuple


class Hold(NamedTuple):
    """A number of runs in a row, or a time.

    Attributes:
        runs: Runs in a row that must find the same.
        seconds: Time for which runs must have found the same.
    """

    runs: int = 1
    seconds: float = 0.0

    @property
    def shown(self) -> str | int:
        """As it is written in the configuration."""
        return f"{self.seconds:g}s" if self.seconds else self.runs

    def is_reached(self, runs: int, seconds: float) -> bool:
        """Whether something that was found in so many runs, for so long, has held."""
        return runs >= self.runs and seconds >= self.seconds
