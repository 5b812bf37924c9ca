"""What drills find: frozen figures, without any time of the clock, so that the same seed gives the same output."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeState:
    """A node at one moment. Null is unknown."""

    playing: int
    cpu_load_ratio: float | None
    penalty: float | None
    verdict: str | None
    reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeChange:
    """A node before a drill and after it."""

    node: str
    region: str | None
    is_hit: bool
    before: NodeState
    after: NodeState


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFigures:
    """What one run with one seed gave."""

    seed: int
    moved: int
    restored: int
    lost: int
    out_of_region: int
    silence_median_ms: int | None
    silence_p95_ms: int | None
    silence_worst_ms: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionFigures:
    """Whether a region bears the loss of any one of its nodes."""

    region: str | None
    nodes: int
    playing: int
    holds: bool | None
    worst_loss: str
    peak_cpu_ratio: float | None
    short_players: int
    short_cores: float | None
    nodes_to_add: int | None
    why: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RestartFigures:
    """One step of a rolling restart, in the safest order that was found."""

    node: str
    players: int
    peak_cpu_ratio: float | None
    overloaded: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DrillOutcome:
    """What a drill found.

    Attributes:
        drill: Its name.
        hit: The nodes that it hits.
        players: Playing players that it concerns.
        moved: Those that play on another node afterwards; the fewest of all runs.
        restored: Those that play on the same node again, or still do.
        lost: Those that no node plays; the most of all runs.
        out_of_region: Those that moved to another region; the most of all runs.
        silence_median_ms: Milliseconds without sound, the median of all players of all runs; None without any.
        silence_p95_ms: Likewise, for all but 5 % of them.
        silence_worst_ms: The longest.
        peak_cpu_ratio: The highest load of a node afterwards, None where none is known.
        verdict: The gravest verdict afterwards; None where no node has a CPU baseline.
        bottleneck: Name of what takes the longest, or breaks first; None where nothing does.
        bottleneck_reason: The same in a sentence.
        overload_factor: How many times the players of now break the fleet; None where it was not asked or nothing
            breaks.
        mend: The smallest change that mends what is short, None where nothing is.
        nodes: Every node before and after, in the order of the configuration.
        runs: The runs.
        regions: Every region.
        order: The steps of a rolling restart; empty in other drills.
        assumptions: What the drill assumes.
        unobserved: What cannot be observed.
    """

    drill: str
    hit: tuple[str, ...]
    players: int
    moved: int
    restored: int
    lost: int
    out_of_region: int
    silence_median_ms: int | None
    silence_p95_ms: int | None
    silence_worst_ms: int | None
    peak_cpu_ratio: float | None
    verdict: str | None
    bottleneck: str | None
    bottleneck_reason: str | None
    overload_factor: float | None
    mend: str | None
    nodes: tuple[NodeChange, ...]
    runs: tuple[RunFigures, ...]
    regions: tuple[RegionFigures, ...]
    order: tuple[RestartFigures, ...]
    assumptions: tuple[str, ...]
    unobserved: tuple[str, ...]
