"""The voice server that nodes play to, and what it measures."""
