"""The limits of ``revvlink drill``, which make it a test for CI."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from revvlink_cli._percent import percent
from revvlink_cli.output.result import Failure

if TYPE_CHECKING:
    from collections.abc import Iterator

    from revvlink_cli.services.drill.outcome import DrillOutcome


@dataclass(frozen=True, slots=True)
class Limits:
    """What must hold: the longest silence in seconds, the most lost players, the highest load; None for any."""

    silence: float | None
    lost: int | None
    cpu: float | None

    def broken_by(self, outcome: DrillOutcome) -> list[Failure]:
        """The limits that a drill breaks. One that cannot be judged is broken too."""
        return [*self._silences(outcome), *self._losses(outcome), *self._loads(outcome)]

    def _silences(self, outcome: DrillOutcome) -> Iterator[Failure]:
        if self.silence is None:
            return
        worst = outcome.silence_worst_ms
        if worst is not None and worst > self.silence * 1000:
            message = f"{outcome.drill}: a player is silent for {worst / 1000:.1f} s, more than {self.silence:g} s"
            yield Failure("max_silence", message, hint=outcome.mend)
        if outcome.lost:
            message = f"{outcome.drill}: {outcome.lost} players are lost, and stay silent"
            yield Failure("max_silence", message, hint=outcome.mend)

    def _losses(self, outcome: DrillOutcome) -> Iterator[Failure]:
        if self.lost is not None and outcome.lost > self.lost:
            yield Failure("max_lost", f"{outcome.drill}: {outcome.lost} players are lost, more than {self.lost}")

    def _loads(self, outcome: DrillOutcome) -> Iterator[Failure]:
        if self.cpu is None:
            return
        if outcome.peak_cpu_ratio is not None and outcome.peak_cpu_ratio > self.cpu:
            message = f"{outcome.drill}: load {percent(outcome.peak_cpu_ratio)}, more than {percent(self.cpu)}"
            yield Failure("max_cpu", message)
        unknown = [node.node for node in outcome.nodes if node.after.playing and node.after.cpu_load_ratio is None]
        if unknown:
            message = f"{outcome.drill}: the load of {', '.join(unknown)} is unknown: there is no CPU baseline yet"
            yield Failure("max_cpu", message, hint="try again in a minute, or use --from with a recording")
