"""The pytest plugin: simulated nodes as fixtures.

pytest loads `plugin`, which loads nothing else before a test asks for a node.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from revvlink_cli.testing.nodes import Lavalink, LavalinkFleet

__all__ = ["Lavalink", "LavalinkFleet"]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from revvlink_cli.testing import nodes

    return getattr(nodes, name)
