"""A simulated NodeLink 3."""
