"""Plays a track on nodes, and reports whether it sounds."""
