"""From TOML to frozen settings: what may stand in the file, what does, and whether it may be trusted."""
