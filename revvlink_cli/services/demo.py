"""The fleet of `revvlink demo`: simulated nodes whose load changes, and a bot that plays on them.

The nodes have the names, regions and tags of the documentation, so that its command lines work on them. The bot is a
`Pool` as of any bot: it moves its players when a node fails.
"""

from __future__ import annotations

import asyncio
import math
import random
import secrets
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from revvlink_cli.client import events
from revvlink_cli.client.errors import RevvlinkException
from revvlink_cli.client.node import Node
from revvlink_cli.client.pool import Pool
from revvlink_cli.client.protocol.messages import TrackEnd
from revvlink_cli.services.simulated_fleet import configuration_of
from revvlink_cli.simulator import NodeProfile, Simulator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from revvlink_cli.client.player import Player

TAGS = {"us-1": ("prod",), "us-2": ("prod",), "eu-1": ("prod",), "eu-2": ("canary",), "asia-1": ("prod",)}
"""Node -> its tags in the configuration."""

UNSTABLE = "us-2"
"""The node that fails and comes back. The documentation does not name it."""

BOT = 170939974227541168
"""User id of the bot."""

GUILDS = {
    81384788765712384: ("us-1", "us-east1.discord.gg:443", "ytsearch:night"),
    197038439483310086: ("us-2", "c-iad05-8e3a61c2.discord.media:8443", "ytsearch:paper lanterns"),
    290926798626357250: ("us-2", "us-west42.discord.gg:443", "ytsearch:vesper arcade"),
    613425648685547541: ("eu-1", "rotterdam8147.discord.gg:443", "ytsearch:copper"),
    817327181659111454: ("eu-2", "c-fra07-5d10b9f4.discord.media:8443", "ytsearch:mira solvang"),
    1042169503018278943: ("asia-1", "japan7.discord.gg:443", "ytsearch:june okada"),
}
"""Guild of the bot -> its node, its voice endpoint, and the search for its tracks."""

STEP = 2.0
"""Seconds between two changes of the load."""

PERIOD = 240.0
"""Seconds from one peak of the load to the next."""

FIRST_FAILURE, BETWEEN_FAILURES, OUTAGE = 20.0, 90.0, 12.0
"""Seconds until the unstable node first fails, until it fails again, and until it is back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoEvent:
    """Something that happened in the fleet.

    Attributes:
        kind: ``node_stopped``, ``node_started``, or the name of an event of the bot's pool.
        node: The node.
        text: What happened, in a sentence.
    """

    kind: str
    node: str
    text: str


def profiles(password: str) -> tuple[NodeProfile, ...]:
    """The nodes: four Lavalinks and a NodeLink; they really send sound to voice servers, as of `play --listen`."""
    common: dict[str, Any] = {"password": password, "audio": "sound"}
    youtube: dict[str, Any] = {"youtube_plugin": "1.18.0", "youtube_token": True}
    return (
        NodeProfile(
            identifier="us-1", region="us", first_session="8q2xk1", players=64, playing=41, system_load=0.34,
            lavalink_load=0.21, route_planner="RotateOnBan", failing_addresses=3, metrics=True,
            memory_reservable=2**31, memory_used=620 * 2**20, **youtube, **common,
        ),
        NodeProfile(
            identifier="us-2", region="us", players=31, playing=22, system_load=0.22, lavalink_load=0.12,
            memory_reservable=2**31, memory_used=410 * 2**20, uptime_ms=7_412_000, **youtube, **common,
        ),
        NodeProfile(
            identifier="eu-1", region="eu", players=120, playing=97, system_load=0.58, lavalink_load=0.41,
            memory_reservable=2**32, memory_used=1480 * 2**20, uptime_ms=1_219_384_000, **youtube, **common,
        ),
        NodeProfile.nodelink(
            identifier="eu-2", region="eu", players=18, playing=12, system_load=0.16, memory_used=9 * 2**30, guards=(),
            **common,
        ),
        NodeProfile(
            identifier="asia-1", region="asia", players=9, playing=6, system_load=0.12, lavalink_load=0.05,
            memory_reservable=2**30, memory_used=210 * 2**20, uptime_ms=351_922_000, **youtube, **common,
        ),
    )  # fmt: skip


class DemoFleet:
    """The simulated fleet and its bot."""

    def __init__(
        self,
        *,
        seed: int | None = None,
        outages: bool = False,
        moves: bool = True,
        on_event: Callable[[DemoEvent], None] = lambda _: None,
    ) -> None:
        """Prepare; nothing runs yet.

        Args:
            seed: Makes the changes of the load the same in every run; None makes them different.
            outages: Whether the unstable node fails now and then, without `fail`.
            moves: Whether the load changes.
            on_event: Is called with each event, in the thread of the simulator.
        """
        self._random = random.Random(seed)  # noqa: S311 - figures for a simulation
        self._outages = outages
        self._moves = moves
        self._on_event = on_event
        self._simulator = Simulator(profiles(secrets.token_urlsafe(18)))
        self._tasks: list[asyncio.Task[None]] = []
        self._moved, self._returned = asyncio.Event(), asyncio.Event()
        self._playlists: dict[int, list[Any]] = {}

        class DemoPool(Pool):
            """The pool of the bot."""

        self._pool = DemoPool

    def __len__(self) -> int:
        """The number of nodes."""
        return len(self._simulator)

    @property
    def simulator(self) -> Simulator:
        """The nodes."""
        return self._simulator

    @property
    def players(self) -> int:
        """The number of the bot's players."""
        return len(GUILDS)

    @contextmanager
    def running(self) -> Iterator[Path]:
        """Run the nodes on free loopback ports, and the bot; gives the path of a configuration file for them.

        Only the user can read the file, which holds the password. It is deleted at the end.
        """
        files: dict[str, Any] = {"cache": {"path": "cache.sqlite3"}, "page": {"history": "history.sqlite3"}}
        with self._simulator, configuration_of(self._simulator, "demo", tags=TAGS, **files) as path:
            try:
                self._simulator.call(self._start())
                yield path
            finally:
                self._simulator.call(self._stop())

    def session(self, node: str) -> str:
        """The bot's session on a node; "" while it has none."""
        return self._pool.get_node(node).session_id or ""

    def fail(self) -> None:
        """Kill the unstable node, and wait until the bot has moved its players."""
        self._simulator.call(self._fail())

    def recover(self) -> None:
        """Start the unstable node again, and wait until the bot is back on it."""
        self._simulator.call(self._recover())

    # The methods below run in the simulator's loop.

    async def _start(self) -> None:
        await self._pool.connect(
            nodes=[
                Node(
                    identifier=node.profile.identifier,
                    uri=node.uri,
                    password=node.password,
                    region=node.profile.region,
                    user_id=BOT,
                )
                for node in self._simulator
            ]
        )
        await asyncio.gather(*(self._place(guild, *wanted) for guild, wanted in GUILDS.items()))
        self._tasks = [asyncio.create_task(self._watch(), name="demo: events")]
        if self._moves:
            self._tasks.append(asyncio.create_task(self._change_load(), name="demo: load"))
        if self._outages:
            self._tasks.append(asyncio.create_task(self._fail_now_and_then(), name="demo: outages"))

    async def _stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._pool.close()

    async def _place(self, guild: int, name: str, endpoint: str, query: str) -> None:
        player = self._pool.create_player(guild, node=self._pool.get_node(name))
        voice = {"token": secrets.token_hex(8), "session_id": secrets.token_hex(16)}
        await player.update_voice(endpoint=endpoint, channel_id=guild + 1, **voice)
        self._playlists[guild] = list(await self._pool.fetch_tracks(query) or ())
        await self._play_next(player)

    async def _play_next(self, player: Player) -> None:
        playlist = self._playlists[player.guild_id]
        playlist.append(playlist.pop(0))
        await player.play(playlist[-1])

    async def _watch(self) -> None:
        """Play on when a track ends, and pass on the events of the pool."""
        subscription = self._pool.fleet().subscribe()
        try:
            while (event := await subscription.next()) is not None:
                await self._handle(event)
        finally:
            self._pool.fleet().unsubscribe(subscription)

    async def _handle(self, event: events.PoolEvent) -> None:
        match event:
            case events.NodeEvent(event=TrackEnd(reason="finished") as ended):
                player = self._pool.get_player(ended.guild_id)
                if player is not None:
                    with suppress(RevvlinkException):  # the node fails at this moment; the player moves soon
                        await self._play_next(player)
            case events.NodeReady():
                self._report("node_ready", event.node, "the bot is connected again")
                await self._return_players(event.node)
                self._returned.set()
            case events.NodeLost():
                players = f"{event.players} player{'s' if event.players != 1 else ''}"
                self._report("node_lost", event.node, f"the bot has lost its connection, and {players} with it")
            case events.PlayerMoved() if event.origin is not None:
                self._report("player_moved", event.target, f"guild {event.guild_id} moves here from {event.origin}")
                if event.origin == UNSTABLE and not self._pool.get_node(UNSTABLE).players:
                    self._moved.set()

    async def _return_players(self, name: str) -> None:
        """Move the players whose node is back to it."""
        node = self._pool.get_node(name)
        for guild in (guild for guild, (home, *_) in GUILDS.items() if home == name):
            player = self._pool.get_player(guild)
            if player is not None and player.node is not node:
                with suppress(RevvlinkException):  # it has failed again; the player stays where it is
                    await player.switch_node(node)

    def _report(self, kind: str, node: str, text: str) -> None:
        self._on_event(DemoEvent(kind=kind, node=node, text=text))

    async def _fail(self) -> None:
        node = self._simulator.simulation[UNSTABLE]
        if not node.is_up:  # it has failed by chance
            return
        self._moved.clear()
        await node.kill()
        self._report("node_stopped", UNSTABLE, "the process of the node is killed")
        with suppress(TimeoutError):
            async with asyncio.timeout(OUTAGE):
                await self._moved.wait()

    async def _recover(self) -> None:
        node = self._simulator.simulation[UNSTABLE]
        if node.is_up:
            return
        self._returned.clear()
        await node.start()
        self._report("node_started", UNSTABLE, "the node is started again")
        with suppress(TimeoutError):
            async with asyncio.timeout(OUTAGE):
                await self._returned.wait()

    async def _fail_now_and_then(self) -> None:
        await asyncio.sleep(FIRST_FAILURE)
        while True:
            if self._simulator.simulation[UNSTABLE].is_up:
                await self._simulator.simulation[UNSTABLE].kill()
                self._report("node_stopped", UNSTABLE, "the process of the node is killed")
            await asyncio.sleep(OUTAGE)
            await self._recover()
            await asyncio.sleep(BETWEEN_FAILURES)

    async def _change_load(self) -> None:
        """Let the load of each node rise and fall slowly, with small random changes that fade."""
        drift = {node.profile.identifier: 0.0 for node in self._simulator}
        step = 0
        while True:
            await asyncio.sleep(STEP)
            step += 1
            for number, node in enumerate(self._simulator.simulation):
                if not node.is_up:
                    continue
                profile = node.profile
                drift[profile.identifier] = 0.9 * drift[profile.identifier] + self._random.gauss(0, 0.03)
                wave = math.sin(2 * math.pi * (step * STEP / PERIOD + number / len(drift)))
                factor = max(1 + 0.18 * wave + drift[profile.identifier], 0.2)
                players = round(profile.players * factor)
                await node.set_load(
                    players=players,
                    playing=min(round(profile.playing * factor), players),
                    system_load=min(profile.system_load * factor + abs(self._random.gauss(0, 0.01)), 0.99),
                    lavalink_load=min(profile.lavalink_load * factor, 0.95),
                    memory_used=int(profile.memory_used * (0.9 + 0.15 * factor * self._random.uniform(0.9, 1.1))),
                )
