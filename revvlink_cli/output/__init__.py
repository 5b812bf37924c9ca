"""The only floor that writes: what commands return becomes text here, and an exit code."""
