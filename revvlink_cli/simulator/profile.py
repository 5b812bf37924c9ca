"""The properties and faults of a simulated node."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from revvlink_cli.simulator.music import SOURCES
from revvlink_cli.simulator.routeplanner import PLANNERS

if TYPE_CHECKING:
    from revvlink_cli.simulator.track_rules import TrackRule

DIALECTS = ("lavalink", "nodelink")
"""The kinds of server that a node can be."""

PLAYER_LOAD = 0.018
"""Share of one core that a playing player takes on a genuine Lavalink that transcodes."""

VOICE = ("accept", "delay", "hang", "refuse")
"""What a node may do with a voice state."""

AUDIO = ("sound", "silence", "foreign", "blocked", "pauses")
"""Audio that a node can send: music, silence, packets of another stream, nothing over UDP, or music with pauses."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeProfile:
    """One simulated node.

    Attributes:
        identifier: Its name.
        region: Its region in the configuration of the demo, the only reader of this value.
        password: The ``Authorization`` that it accepts.
        version: The version that it reports.
        dialect: ``lavalink``, or ``nodelink``; see `nodelink`.
        guards: The guards of a NodeLink: ``flood`` delays and bans, ``rate`` limits.
        sources: Its source managers, from `music.SOURCES`.
        disabled_filters: Filters that are disabled in its configuration.
        route_planner: Strategy of its route planner (``RotateOnBan``, ``LoadBalance``, ``NanoSwitch``,
            ``RotatingNanoSwitch``), None for none.
        failing_addresses: Number of addresses that its route planner has found failing.
        address_block: Number of addresses of its route planner; None is what the strategy has in the recordings.
        metrics: Whether it has a ``/metrics`` page for Prometheus.
        players: Number of players of other sessions, in its statistics.
        playing: Number of these that play.
        system_load: Load of its machine, 0..1.
        lavalink_load: Load of its process, 0..1.
        cores: Processor cores.
        memory_used: Bytes of heap in use.
        memory_reservable: Bytes to which the heap may grow.
        uptime_ms: Uptime in milliseconds at its first start here.
        answer_delay: Seconds before every HTTP response and handshake.
        stats_interval: Seconds between two ``stats`` messages.
        player_update_interval: Seconds between two ``playerUpdate`` messages.
        track_stuck_threshold: Seconds without audio after which a track is reported as stuck.
        audio: The audio that it sends to real voice servers: ``sound``, ``silence``, ``foreign`` (packets of another
            stream), ``blocked`` (nothing over UDP) or ``pauses`` (0.4 s of music in 2 s). With None it connects to
            no voice servers.
        voice_ca: PEM file of the authority that it trusts for voice servers, "" for the machine's; None connects
            without TLS.
        requires_dave: Whether Discord closes its voice connections with 4017 if its version does not support DAVE.
        load_stream: Whether ``/v4/loadstream`` of a NodeLink is enabled.
        plugins: Names and versions of its plugins, each as ``name:version``; None is what a simulated node has.
        youtube_plugin: Version of its YouTube plugin, which adds the routes under ``/youtube``; None for none.
        youtube_token: Whether that plugin has an OAuth token; a text is the token.
        youtube_failure: Name of the simulated failure with which the plugin refuses to stream any track, "" for none.
        first_session: Id of the first session after a start; None makes it random, as are all later ones.
        tracks: Rules for the identifiers that it loads; the first that takes one decides. Without a rule, the
            simulator's own music is found.
        voice: What a voice state brings: ``accept``, ``delay`` (after `voice_delay`), ``hang`` (the request never ends)
            or ``refuse`` (the voice server cannot be reached; a Lavalink hangs then).
        voice_delay: Seconds of ``delay``.
        ogg_breaks_when_moved: Whether a Lavalink fails to start an Ogg track in the middle, as after a move to it; a
            genuine one does.
        nulled_frames: Frames a minute, of the 3,000 of a player, that are silence because none was ready.
        missing_frames: Frames a minute that are not sent at all.
        player_load: Share of one core that each playing player adds to both loads; see `PLAYER_LOAD`.
        port: Port on 127.0.0.1; 0 takes a free one.

    Raises:
        ValueError: An interval is not above zero, or the dialect, the route planner or the audio is unknown.
    """

    identifier: str
    region: str | None = None
    password: str = "youshallnotpass"  # noqa: S105 - the servers' own example, for a simulation
    version: str = "4.2.2"
    dialect: str = "lavalink"
    guards: tuple[str, ...] = ("flood", "rate")
    sources: tuple[str, ...] = SOURCES
    disabled_filters: tuple[str, ...] = ()
    route_planner: str | None = None
    failing_addresses: int = 0
    address_block: int | None = None
    metrics: bool = False
    players: int = 0
    playing: int = 0
    system_load: float = 0.05
    lavalink_load: float = 0.02
    cores: int = 4
    memory_used: int = 180 * 2**20
    memory_reservable: int = 512 * 2**20
    uptime_ms: int = 93_784_000
    answer_delay: float = 0.0
    stats_interval: float = 60.0
    player_update_interval: float = 5.0
    track_stuck_threshold: float = 10.0
    audio: str | None = None
    voice_ca: str | None = None
    requires_dave: bool = False
    load_stream: bool = False
    plugins: tuple[str, ...] | None = None
    youtube_plugin: str | None = None
    youtube_token: bool | str = False
    youtube_failure: str = ""
    first_session: str | None = None
    tracks: tuple[TrackRule, ...] = ()
    voice: str = "accept"
    voice_delay: float = 2.0
    ogg_breaks_when_moved: bool = False
    nulled_frames: int = 0
    missing_frames: int = 0
    player_load: float = 0.0
    port: int = 0

    @property
    def dave_version(self) -> int:
        """Its version of DAVE, Discord's end-to-end encryption, or 0; Lavalink supports it from 4.2 on."""
        numbers = [int(part) for part in self.version.split("-")[0].split(".")[:2] if part.isdecimal()]
        return int(self.dialect == "nodelink" or numbers >= [4, 2])

    def plugin_versions(self) -> list[dict[str, str]]:
        """Its plugins as in ``/v4/info``."""
        plugins = self.plugins
        if plugins is None:
            plugins = () if self.dialect == "nodelink" else ("simulator:1.0.0",)
        parts = [plugin.rpartition(":") for plugin in plugins]
        return [{"name": name, "version": version} for name, _, version in parts]

    @classmethod
    def nodelink(cls, **changes: Any) -> NodeProfile:
        """The profile of a NodeLink 3, with its version, intervals and memory, and with these changes."""
        memory = 24 * 2**30  # the host's
        plain: dict[str, Any] = {"version": "3.7.0", "stats_interval": 30.0, "player_update_interval": 2.0}
        return cls(**(plain | {"dialect": "nodelink", "memory_reservable": memory} | changes))

    def __post_init__(self) -> None:
        """Refuse values that no node can have."""
        if min(self.stats_interval, self.player_update_interval) <= 0:
            raise ValueError("intervals must be above zero")
        if self.dialect not in DIALECTS:
            raise ValueError(f"unknown dialect: {self.dialect}")
        if self.audio is not None and self.audio not in AUDIO:
            raise ValueError(f"unknown audio: {self.audio}")
        if self.voice not in VOICE:
            raise ValueError(f"unknown voice: {self.voice}")
        if self.route_planner is not None and self.route_planner not in PLANNERS:
            raise ValueError(f"unknown route planner: {self.route_planner}")
