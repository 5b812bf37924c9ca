"""Rehearses outages on a simulated copy of a fleet, with the real pool, in simulated time."""
