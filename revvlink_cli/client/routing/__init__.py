"""Which node serves a player: penalties, regions, ranking, placement and failover."""
