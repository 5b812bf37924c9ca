"""The Lavalink client: a pool of supervised nodes. It imports nothing above itself and never prints."""
