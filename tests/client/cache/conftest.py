"""The node and the runner that tests of the cache share."""

from tests.cache_fixtures import node, run

__all__ = ["node", "run"]
