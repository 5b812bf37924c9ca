"""Invents tracks for any words and for the addresses of well-known sources, in the form that these sources give.

The same identifier always gives the same tracks.
"""

from __future__ import annotations

import hashlib
import re
import string
from dataclasses import replace
from random import Random
from typing import NamedTuple
from urllib.parse import parse_qs, urlsplit

from revvlink_cli.client.protocol.encoded_tracks import encode_track
from revvlink_cli.client.protocol.tracks import Playable
from revvlink_cli.simulator.music import SEARCHES

AUTHORS = (
    "The Paper Lanterns", "Mira Solvang", "Copper & Rye", "Old Ferry Line", "Vesper Arcade", "Hollow Pines",
    "June Okada Trio", "Static Bloom",
)  # fmt: skip

VERSIONS = ("", " (Official Audio)", " (Live)", " (Lyrics)", " (Acoustic)", " (Remix)", " [4K]", " (Cover)")
"""What follows the words in the titles of a search."""

_LETTERS = string.ascii_letters + string.digits

_SPOTIFY = ("spsearch",)
_ID = string.ascii_letters + string.digits + "-_"


class Place(NamedTuple):
    """Where a track comes from.

    Attributes:
        source: Its source manager.
        kind: ``track`` or ``playlist``.
        name: The id in the address, or the words of the search.
    """

    source: str
    kind: str
    name: str


def place_of(identifier: str) -> Place | None:
    """The source that an identifier is for; None for none that is known here."""
    prefix, colon, words = identifier.partition(":")
    if colon and prefix in (*SEARCHES, *_SPOTIFY):
        return Place(SEARCHES.get(prefix, "spotify"), "search", words.strip())
    if not identifier.startswith(("http://", "https://")):
        return None
    try:
        parts = urlsplit(identifier)
    except ValueError:  # such as http://[
        return None
    host, path = (parts.hostname or "").removeprefix("www.").removeprefix("m."), parts.path.strip("/")
    query = parse_qs(parts.query)
    match host:
        case "youtu.be" if path:
            return Place("youtube", "track", path)
        case "youtube.com" | "music.youtube.com" if "list" in query:
            return Place("youtube", "playlist", query["list"][0])
        case "youtube.com" | "music.youtube.com" if "v" in query:
            return Place("youtube", "track", query["v"][0])
        case "soundcloud.com" if path.count("/") >= 2 and "/sets/" in f"/{path}/":
            return Place("soundcloud", "playlist", path)
        case "soundcloud.com" if path.count("/") == 1:
            return Place("soundcloud", "track", path)
        case "open.spotify.com" if found := re.search(r"(track|album|playlist|artist)/(\w+)$", path):
            return Place("spotify", "track" if found[1] == "track" else "playlist", found[2])
    return None


def invented(
    identifier: str, place: Place, count: int, title: str, author: str, length_s: float | None
) -> tuple[str, tuple[Playable, ...]]:
    """The name of a playlist, and tracks; what is "" or None is invented."""
    chance = Random(hashlib.sha256(identifier.encode("utf-8", "surrogatepass")).digest())  # noqa: S311 - a simulation
    name = title or f"{chance.choice(AUTHORS)}: Collected"
    return name, tuple(_track(place, number, title, author, length_s, chance) for number in range(count))


def _track(place: Place, number: int, title: str, author: str, length_s: float | None, chance: Random) -> Playable:
    author = author or chance.choice(AUTHORS)
    words = " ".join(place.name.split()).title() if place.kind == "search" else f"Track {chance.randint(1, 999)}"
    title = title if title and number == 0 else f"{words}{VERSIONS[number % len(VERSIONS)]}"
    length = length_s if length_s is not None else chance.randint(120, 360)
    identifier, uri, artwork = _addresses(place, number, author, title, chance)
    isrc = f"QZSIM26{chance.randint(0, 99999):05}" if place.source == "spotify" else None
    track = Playable(
        encoded="-", identifier=identifier, title=title, author=author, length=int(length * 1000), is_seekable=True,
        uri=uri, artwork=artwork, isrc=isrc, source=place.source,
    )  # fmt: skip
    return replace(track, encoded=encode_track(track))


def _addresses(place: Place, number: int, author: str, title: str, chance: Random) -> tuple[str, str, str]:
    """Id, address and artwork in the form of the source."""
    given = place.name if place.kind == "track" and number == 0 else None
    match place.source:
        case "youtube":
            name = given or "".join(chance.choices(_ID, k=11))
            return name, f"https://www.youtube.com/watch?v={name}", f"https://i.ytimg.com/vi/{name}/maxresdefault.jpg"
        case "soundcloud":
            slug = given or f"{_slug(author)}/{_slug(title)}"
            number_ = str(chance.randint(10**8, 10**9))
            artwork = f"https://i1.sndcdn.com/artworks-{''.join(chance.choices(_LETTERS, k=16))}-0-original.jpg"
            return number_, f"https://soundcloud.com/{slug}", artwork
        case "spotify":
            name = given or "".join(chance.choices(_LETTERS, k=22))
            artwork = f"https://i.scdn.co/image/ab67616d0000b273{chance.randbytes(12).hex()}"
            return name, f"https://open.spotify.com/track/{name}", artwork
    name = f"sim-{chance.randbytes(5).hex()}"
    return name, f"https://sim.invalid/{name}", f"https://sim.invalid/{name}.jpg"


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "untitled"
