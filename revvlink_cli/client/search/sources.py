"""Maps search prefixes to the source managers that serve them."""

from __future__ import annotations

SOURCES: dict[str, str] = {
    "ytsearch": "youtube",
    "ytmsearch": "youtube",
    "scsearch": "soundcloud",
    "bcsearch": "bandcamp",
    "spsearch": "spotify",
    "sprec": "spotify",
    "amsearch": "applemusic",
    "dzsearch": "deezer",
    "dzisrc": "deezer",
    "dzrec": "deezer",
    "ymsearch": "yandexmusic",
    "ymrec": "yandexmusic",
    "vksearch": "vkmusic",
    "vkrec": "vkmusic",
    "tdsearch": "tidal",
    "tdrec": "tidal",
    "qbsearch": "qobuz",
    "qbisrc": "qobuz",
    "qbrec": "qobuz",
    "jssearch": "jiosaavn",
    "jsrec": "jiosaavn",
    "ftts": "flowerytts",
}
"""Search prefix -> name of the source manager that serves it: Lavalink's own and those of widespread plugins.

A prefix that is not here may be served by any node.
"""


def source_of(identifier: str) -> str | None:
    """The source manager that `identifier` needs, or None when it is unknown: then any node may serve it."""
    prefix, colon, _ = identifier.partition(":")
    return SOURCES.get(prefix.lower()) if colon else None
