"""Examines machine, configuration and nodes."""
