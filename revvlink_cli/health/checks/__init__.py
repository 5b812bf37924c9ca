"""The checks: pure functions from snapshots to findings, in a module for each concern."""
