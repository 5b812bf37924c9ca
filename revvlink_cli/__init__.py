"""revvlink: the client for fleets of Lavalink v4 nodes, and the command line built on it.

Names are loaded when they are first used, so that the command line starts without what it does not need.
"""

from __future__ import annotations

from revvlink_cli._version import __version__

TYPE_CHECKING = False  # `typing` takes longer to load than all that a quick Ctrl-C may meet, see _interrupts
if TYPE_CHECKING:
    from revvlink_cli.client.cache.modes import CacheMode
    from revvlink_cli.client.cache.redis import RedisStore
    from revvlink_cli.client.cache.sqlite import SQLiteStore
    from revvlink_cli.client.cache.store import Store
    from revvlink_cli.client.errors import (
        AuthorizationFailedException,
        InvalidClientException,
        InvalidNodeException,
        LavalinkException,
        LavalinkLoadException,
        NodeException,
        PlayerDestroyedException,
        RevvlinkException,
        StoreException,
    )
    from revvlink_cli.client.node import Node
    from revvlink_cli.client.player import Player
    from revvlink_cli.client.pool import Pool
    from revvlink_cli.client.protocol.tracks import Playable, Playlist
    from revvlink_cli.client.routing.penalty import Penalty
    from revvlink_cli.client.snapshot import NodeStatus

__all__ = [
    "AuthorizationFailedException",
    "CacheMode",
    "InvalidClientException",
    "InvalidNodeException",
    "LavalinkException",
    "LavalinkLoadException",
    "Node",
    "NodeException",
    "NodeStatus",
    "Penalty",
    "Playable",
    "Player",
    "PlayerDestroyedException",
    "Playlist",
    "Pool",
    "RedisStore",
    "RevvlinkException",
    "SQLiteStore",
    "Store",
    "StoreException",
    "__version__",
]

_HOMES = {
    "CacheMode": "cache.modes",
    "Node": "node",
    "NodeStatus": "snapshot",
    "Penalty": "routing.penalty",
    "Playable": "protocol.tracks",
    "Player": "player",
    "Playlist": "protocol.tracks",
    "Pool": "pool",
    "RedisStore": "cache.redis",
    "SQLiteStore": "cache.sqlite",
    "Store": "cache.store",
}


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.client.{_HOMES.get(name, 'errors')}"), name)
