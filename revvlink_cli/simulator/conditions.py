"""The conditions that can be waited for: the state of a node, its sessions and its players."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from revvlink_cli.simulator.node_control import NodeControl
    from revvlink_cli.simulator.player import Player

Condition = Literal[
    "node_up", "node_down", "session_open", "no_session", "player_exists", "no_player", "player_playing"
]  # fmt: skip
"""What can be waited for."""


def _players(node: NodeControl, guild: str | None) -> list[Player]:
    return [
        player
        for session in node.sessions.values()
        for player in session.players.values()
        if guild in (None, player.guild_id)
    ]


CONDITIONS: Mapping[Condition, Callable[[NodeControl, str | None], bool]] = {
    "node_up": lambda node, _: node.is_up,
    "node_down": lambda node, _: not node.is_up,
    "session_open": lambda node, _: node.open_sockets > 0,
    "no_session": lambda node, _: node.open_sockets == 0,
    "player_exists": lambda node, guild: bool(_players(node, guild)),
    "no_player": lambda node, guild: not _players(node, guild),
    "player_playing": lambda node, guild: any(one.is_playing and one.is_sending for one in _players(node, guild)),
}
"""Condition -> whether it holds on a node, for a guild if one is given. A player plays if it sends audio."""
