"""The music of a simulated node: invented titles by invented artists, and some files.

The files exist under ``music/`` (source ``local``) and at the end of any address (source ``http``).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from urllib.parse import unquote, urlsplit

from revvlink_cli.client.protocol.durations import STREAM_LENGTH
from revvlink_cli.client.protocol.encoded_tracks import encode_track
from revvlink_cli.client.protocol.tracks import Playable

SOURCES = ("youtube", "soundcloud", "local", "http", "sim")
"""Source managers of a simulated node."""

SEARCHES = {"ytsearch": "youtube", "ytmsearch": "youtube", "scsearch": "soundcloud", "simsearch": "sim"}
"""Search prefix -> the source of its results."""

_SONGS = (
    ("Night Bus to the Harbour", "The Paper Lanterns", 214),
    ("Night Garden", "Mira Solvang", 187),
    ("All Night Diner", "Copper & Rye", 243),
    ("Lighthouse Keeper", "The Paper Lanterns", 198),
    ("Salt on the Window", "The Paper Lanterns", 231),
    ("Slow Trains", "Mira Solvang", 276),
    ("A Field Guide to Clouds", "Mira Solvang", 205),
    ("Second Hand Summer", "Copper & Rye", 192),
    ("Porch Light", "Copper & Rye", 221),
    ("Half a Mile of Rain", "Old Ferry Line", 254),
    ("Tin Roof Waltz", "Old Ferry Line", 168),
    ("Letters Home", "Old Ferry Line", 239),
    ("Blue Hour", "Vesper Arcade", 312),
    ("Neon Tide", "Vesper Arcade", 289),
    ("Signal Lost", "Vesper Arcade", 266),
    ("Rooftop Static", "Vesper Arcade", 301),
    ("Cedar and Smoke", "Hollow Pines", 227),
    ("North Slope", "Hollow Pines", 335),
    ("Winter Wheat", "Hollow Pines", 248),
    ("Carousel", "June Okada Trio", 402),
    ("Five for Nobody", "June Okada Trio", 377),
    ("Round the Corner", "June Okada Trio", 295),
    ("Count to Ten", "Static Bloom", 143),
    ("Paper Tigers", "Static Bloom", 156),
    ("Every Second Street", "Static Bloom", 171),
    ("Marble Stairs", "Quartet Alba", 512),
    ("Adagio for a Small Room", "Quartet Alba", 468),
    ("The Long Way Round", "Juniper Road", 219),
    ("Good Morning, Kilowatt", "Juniper Road", 183),
    ("One Hour of Gentle Rain", "Field Recordings Society", 3605),
)


_UNKNOWN = ("Unknown title", "Unknown artist")

FILES: dict[str, tuple[str, str, int, str | None]] = {
    "one.wav": (*_UNKNOWN, 3000, None),
    "two.mp3": ("Two & a half + \u00fc", "Static Bloom", 8040, "QZSIM2600099"),
    "three.ogg": ("Three", "Static Bloom", 5000, None),
    "four.flac": ("Four", "Quartet Alba", 4000, None),
    "long.ogg": ("Long", "Field Recordings Society", 240_000, None),
    "broken.flac": ("Broken", "Static Bloom", 4000, None),
    "stall.wav": (*_UNKNOWN, 3000, None),
    "long.wav": (*_UNKNOWN, 60_000, None),
    "with space + plus & amp.wav": (*_UNKNOWN, 3000, None),
}
"""File -> title, author, milliseconds and ISRC. `failing` gives the failures of unplayable ones."""

UNPLAYABLE_FILES = ("text.txt", "empty.mp3", "list.pls")
"""Files that a Lavalink does not load; a NodeLink loads them, because it does not check the content."""


STALL = 480
"""Milliseconds of audio that a stalling stream gives."""


@dataclass(frozen=True, slots=True)
class Failing:
    """How a track fails during playback.

    Attributes:
        message: The message of the exception.
        cause: The class and the message of its cause.
        reason: The reason in the end event of the track.
        stalls: Whether the track stops giving audio without an exception.
    """

    message: str = ""
    cause: str = ""
    reason: str = "loadFailed"
    stalls: bool = False


@dataclass(frozen=True, slots=True)
class Loaded:
    """The answer to one identifier.

    Attributes:
        kind: The load type.
        tracks: The tracks in the answer.
        name: Name of the playlist.
        selected: Index of the playlist's selected track.
        reason: The innermost cause of a failed load, in the words of a Lavalink.
        message: The message of a failed load.
        severity: Its severity.
    """

    kind: str
    tracks: tuple[Playable, ...] = ()
    name: str = ""
    selected: int = -1
    reason: str = "java.lang.IllegalStateException: the simulated source is out of order"
    message: str = "Something went wrong while looking up the track."
    severity: str = "fault"


def _track(number: int, title: str, author: str, seconds: int) -> Playable:
    address = f"https://sim.invalid/{number}"
    return _encoded(
        Playable(
            encoded="-",
            identifier=f"sim-{number}",
            title=title,
            author=author,
            length=seconds * 1000,
            is_seekable=True,
            uri=address,
            artwork=f"{address}.jpg",
            isrc=f"QZSIM26{number:05}",
            source="sim",
        )
    )


def _encoded(track: Playable) -> Playable:
    return replace(track, encoded=encode_track(track))


TRACKS = tuple(_track(number, *song) for number, song in enumerate(_SONGS, start=1))
"""All tracks with an end."""

STREAM = _encoded(
    Playable(
        encoded="-",
        identifier="sim-stream",
        title="Harbour Radio",
        author="Old Ferry Line",
        length=STREAM_LENGTH,
        is_stream=True,
        uri="https://sim.invalid/stream",
        source="sim",
    )
)
"""A stream, which has no end."""

UNPLAYABLE = replace(STREAM, identifier="sim-unplayable", title="Off the Air", uri="https://sim.invalid/unplayable")
"""A plugin's track that fails at the start of playback."""

FRIENDLY = "com.sedmelluq.discord.lavaplayer.tools.FriendlyException: "

FAILURES = {
    "login": f"{FRIENDLY}This video requires login.",
    "bot": f"{FRIENDLY}Sign in to confirm you\u2019re not a bot",
    "region": f"{FRIENDLY}The uploader has not made this video available in your country",
    "forbidden": "java.lang.RuntimeException: Not success status code: 403",
}
"""Name after ``sim:`` of a track that loads but fails during playback -> the exception's class and message."""

FAILING_TRACKS = {
    f"sim-{name}": replace(STREAM, identifier=f"sim-{name}", title=f"Fails: {name}", uri=f"https://sim.invalid/{name}")
    for name in FAILURES
}

MOVED_OGG = Failing(
    "Something went wrong when seeking to a position.",
    'java.lang.NullPointerException: Cannot invoke "OpusPacketRouter.seekPerformed(long, long)" because it is null',
)
"""The failure of an Ogg track that a Lavalink starts in the middle."""

_BY_NAME = {name: track for track in (*TRACKS, STREAM) for name in (track.identifier, track.uri)}


def file_name(track: Playable) -> str:
    """The name of a track's file, the end of its address."""
    return unquote((track.uri or track.identifier).rpartition("/")[2])


def is_ogg(track: Playable) -> bool:
    """Whether the track is an Ogg file."""
    return track.source in ("local", "http") and file_name(track).endswith(".ogg")


def failing(track: Playable) -> Failing | None:
    """How the track fails during playback, None when it does not."""
    name = file_name(track)
    message = "Something broke when playing the track."
    if track.identifier == UNPLAYABLE.identifier:
        return Failing(message, "java.lang.IllegalStateException: the simulated source is off the air")
    if track.identifier in FAILING_TRACKS:
        return Failing(message, FAILURES[track.identifier.removeprefix("sim-")])
    if track.source not in ("local", "http") or track.is_stream:
        return None
    if name == "stall.wav":
        return Failing(stalls=True)
    if name == "broken.flac":
        decoding = "Something went wrong when decoding the track."
        return Failing(decoding, "java.io.EOFException: Bit stream needs more bytes", "finished")
    if name not in FILES:
        return Failing(message, f"java.io.FileNotFoundException: {track.identifier} (No such file or directory)")
    return None


def any_file(address: str) -> Playable:
    """A local file whose content has not been checked."""
    return _file(address.rpartition("/")[2], address, "local")


def _file(name: str, address: str, source: str) -> Playable:
    title, author, length, isrc = FILES.get(name, (*_UNKNOWN, -1, None))
    return _encoded(
        Playable(
            encoded="-",
            identifier=address,
            title=title,
            author=author,
            length=length,
            is_seekable=True,
            uri=address,
            isrc=isrc,
            source=source,
            plugin_info={"probeInfo": name.rpartition(".")[2]},
        )
    )


def _radio(address: str) -> Playable:
    """A playlist of streams on the web, which loads as one stream."""
    title, author = _UNKNOWN
    probe = {"probeInfo": "m3u|hls-outer"}
    radio = Playable(
        encoded="-", identifier=address, title=title, author=author, length=STREAM_LENGTH, is_stream=True, uri=address,
        source="http", plugin_info=probe,
    )  # fmt: skip
    return _encoded(radio)


def _local(path: str) -> Loaded:
    name = path.removeprefix("music/")
    if name in UNPLAYABLE_FILES:
        message = "The playlist file contains no links." if name == "list.pls" else "Unknown file format."
        return Loaded("error", reason=f"{FRIENDLY}{message}")
    if name == "list.m3u":
        return Loaded("track", (_file("one.wav", "music/one.wav", "local"),))
    return Loaded("track", (_file(name, path, "local"),)) if name in FILES else Loaded("empty")


def _web(address: str) -> Loaded:
    try:
        name = unquote(urlsplit(address).path.rpartition("/")[2])
    except ValueError:  # such as http://[
        return Loaded("error")
    if name == "list.m3u":
        return Loaded("track", (_radio(address),))
    if name in FILES:
        return Loaded("track", (_file(name, address, "http"),))
    return Loaded("empty" if name == "404" else "error")


def _search(source: str, words: str) -> Loaded:
    wanted = words.casefold().split()
    found = tuple(
        _encoded(replace(track, source=source))
        for track in TRACKS
        if wanted and all(word in f"{track.title} {track.author}".casefold() for word in wanted)
    )
    return Loaded("search", found) if found else Loaded("empty")


def look_up(identifier: str, sources: tuple[str, ...] = SOURCES) -> Loaded:
    """The answer of a node with these sources to an identifier, with the load types of Lavalink."""
    if "sim" in sources:
        match identifier:
            case "sim:playlist":
                return Loaded("playlist", TRACKS[3:8], "Evenings by the Water", 1)
            case "sim:playlist-empty":
                return Loaded("playlist", (), "Nothing Yet")
            case "sim:stream":
                return Loaded("track", (STREAM,))
            case "sim:unplayable":
                return Loaded("track", (_encoded(UNPLAYABLE),))
            case "sim:fails":
                return Loaded("error")
            case "simsearch:nothing":  # a plugin answers an empty search; built-in sources answer `empty`
                return Loaded("search")
        failing_track = FAILING_TRACKS.get(identifier.replace("sim:", "sim-", 1))
        if failing_track is not None:
            return Loaded("track", (_encoded(failing_track),))
        if identifier in _BY_NAME:
            return Loaded("track", (_BY_NAME[identifier],))
    prefix, colon, words = identifier.partition(":")
    if colon and SEARCHES.get(prefix) in sources:
        return _search(SEARCHES[prefix], words)
    if "local" in sources and identifier.startswith("music/"):
        return _local(identifier)
    if "http" in sources and identifier.startswith(("http://", "https://")):
        return _web(identifier)
    return Loaded("empty")
