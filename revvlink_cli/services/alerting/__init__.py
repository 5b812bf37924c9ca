"""Alerts: what has changed since the last run, and the channels that people read."""
