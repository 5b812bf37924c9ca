"""Finds the smallest change that mends what a drill has shown."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from revvlink_cli.services.drill.bottleneck import Bottleneck
    from revvlink_cli.services.drill.model import FleetModel
    from revvlink_cli.services.drill.outcome import RegionFigures
    from revvlink_cli.services.drill.rehearsal import Outage, PlayerOutcome


def mend_silence(
    fleet: FleetModel,
    outage: Outage,
    players: Sequence[PlayerOutcome],
    bottleneck: Bottleneck | None,
    most: float | None,
) -> str | None:
    """The smallest change with which no player is silent for longer than `most` seconds; None where none is needed."""
    worst = max((player.silence for player in players if player.silence is not None), default=0.0)
    if most is None or bottleneck is None or worst <= most:
        return None
    match bottleneck.code:
        case "resume_timeout":
            window = max(fleet[name].resume_timeout for name in outage.nodes)
            left = math.floor(window - (worst - most))
            if left >= 1:
                return f"set resume_timeout = {left} on {_listed(outage.nodes)}"
        case "players_at_once" | "nodelink_requests" if most > bottleneck.detection:
            targets = len({player.target for player in players if player.target is not None})
            more = max(math.ceil(targets * bottleneck.queue / (most - bottleneck.detection)) - targets, 1)
            return f"add {more} node{'s' if more > 1 else ''} that {'take' if more > 1 else 'takes'} these players too"
    return f"no setting brings it below {most:g} s: {bottleneck.reason}"


def mend_regions(regions: Sequence[RegionFigures]) -> str | None:
    """The fewest nodes with which every region bears the loss of one; None where no region is known to be short."""
    parts = [
        f"{region.nodes_to_add} {f'in {region.region}' if region.region else 'without a region'}"
        for region in regions
        if region.holds is False and region.nodes_to_add
    ]
    if not parts:
        return None
    return f"add nodes as large as the largest there: {', '.join(parts)}"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
