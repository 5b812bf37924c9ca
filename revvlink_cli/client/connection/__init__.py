"""Connections to nodes: the supervisor that keeps one alive, the websocket, REST, and their limits."""
