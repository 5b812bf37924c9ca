"""Examines the machine, the configuration and the nodes."""
