"""The Lavalink v4 protocol: wire models, messages, dialects and tracks."""
