"""What each cache mode reads, asks and keeps."""

from __future__ import annotations

import pytest

from revvlink_cli.client.cache.modes import CacheMode

POLICY = {
    CacheMode.PREFER: (True, True, True),
    CacheMode.REFRESH: (False, True, True),
    CacheMode.BYPASS: (False, True, False),
    CacheMode.ONLY: (True, False, False),
}


@pytest.mark.parametrize("mode", CacheMode)
def test_each_mode_reads_asks_and_writes_as_documented(mode: CacheMode) -> None:
    """The table of docs/cache.md holds, and no mode is without a row here."""
    assert (mode.reads, mode.asks_nodes, mode.writes) == POLICY[mode]
