"""Ids of guilds: taken as int or as text, given back as int, and refused when no guild can have them."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from revvlink_cli import Pool
from revvlink_cli.client.connection.session_players import RemotePlayer, read_frequent
from revvlink_cli.client.events import NodeEvent, PlayerMoved
from revvlink_cli.client.protocol.guild_ids import MAX_ID, read_guild_id
from revvlink_cli.client.protocol.messages import read_event
from tests.conftest import run_cli
from tests.faults.watched_fleet import fleet, guild, placed, profiles, run, voice

if TYPE_CHECKING:
    from collections.abc import Callable

FUNNY: list[Any] = [0, -1, 2**64, 10**5000, "abc", "", "0", "-5", "+5", " 5", "5 ", "1_0", "٣", "05", "5.0", "1" * 21]
"""What no guild can be called."""

ODD: list[Any] = [None, True, 5.0, b"5", [5], object()]
"""What is not an id at all."""


class Empty(Pool):
    """A pool without nodes."""


@pytest.mark.parametrize("make", [Empty.create_player, Empty.get_player])
def test_what_cannot_be_is_refused(make: Callable[[Any], object]) -> None:
    """A wrong value is a ValueError, a wrong type a TypeError, both with the parameter's name."""
    for wrong in FUNNY:
        with pytest.raises(ValueError, match="guild_id must be"):
            make(wrong)
    for wrong in ODD:
        with pytest.raises(TypeError, match="guild_id must be"):
            make(wrong)


def test_what_servers_send() -> None:
    """Text and number are one guild; what is neither is not a guild, and the message is odd, not lost."""
    assert [read_guild_id(value) for value in ("5", 5, MAX_ID, str(MAX_ID))] == [5, 5, MAX_ID, MAX_ID]
    assert {read_guild_id(value) for value in FUNNY + ODD} == {None}
    assert read_frequent('{"op":"playerUpdate","guildId":"7","state":{}}') is not None
    assert read_frequent('{"op":"playerUpdate","guildId":"x","state":{}}') is None
    event, odd = read_event({"type": "TrackStuckEvent", "guildId": "x", "thresholdMs": 1})
    assert (event.guild_id, odd) == (None, ("TrackStuckEvent guildId",))
    with pytest.raises(ValueError, match="guild"):
        RemotePlayer.from_payload({"guildId": "x"})


def test_an_int_wherever_one_looks() -> None:
    """Players, rosters, events, moves and reports of drains have ints, whatever the player was asked for with."""

    async def work() -> None:
        async with fleet(*profiles("a", "b")) as watched:
            await placed(watched, 1, playing=True)
            pool, number = watched.pool, guild(0)
            player = pool.get_player(str(number))
            assert player is not None
            assert player is pool.get_player(number) is pool.create_player(str(number)) is pool.create_player(number)
            node = player.node
            assert node is not None
            await watched.until(lambda: watched.told(NodeEvent))
            report = await pool.drain(node)

            there = player.node
            assert there is not None
            seen = [player.guild_id, *there.players, *there.session_players, *report.moved]
            seen += [told.guild_id for told in watched.told(PlayerMoved)]
            seen += [told.event.guild_id for told in watched.told(NodeEvent)]
            assert set(map(type, seen)) == {int}
            assert set(seen) == {number}

    run(work)


def test_requests_of_ones_own() -> None:
    """`Node` takes int and text, too, and refuses the rest before it asks the server anything."""

    async def work() -> None:
        async with fleet(*profiles("a")) as watched:
            node = watched.pool.nodes["a"]
            assert (await node.update_player(guild(1), {"volume": 5})).guild_id == guild(1)
            assert (await node.update_player(str(guild(1)), {"volume": 6})).guild_id == guild(1)
            assert list(node.session_players) == [guild(1)]
            await node.destroy_player(str(guild(1)))
            assert node.session_players == {}
            asked = len(watched.simulator["a"].requests)
            with pytest.raises(ValueError, match="guild_id"):
                await node.update_player("../sessions", {})
            with pytest.raises(TypeError, match="guild_id"):
                await node.destroy_player(None)  # type: ignore[arg-type]  # on purpose
            assert len(watched.simulator["a"].requests) == asked

    run(work)


def test_texts_in_json(isolated: object) -> None:  # noqa: ARG001 - the environment
    """Commands print ids as texts, and refuse what is none as a mistake in usage."""

    async def work() -> None:
        async with fleet(*profiles("a")) as watched:
            await watched.pool.create_player(guild(1)).update_voice(**voice(1))
            node = watched.pool.nodes["a"]
            config: dict[str, Any] = {"REVVLINK_URI": node.uri, "REVVLINK_IDENTIFIER": "a", "REVVLINK_PASSWORD": "pw"}
            place = ("--node", "a", "--session", node.session_id or "")

            async def command(*words: str) -> Any:
                return await asyncio.to_thread(run_cli, "players", *words, *place, "-o", "json", **config)

            listed = await command("list")
            assert json.loads(listed.out)["data"][0]["guild_id"] == str(guild(1)), listed
            assert (await command("show", str(guild(1)))).rows["guild_id"] == str(guild(1))
            refused = await command("show", "abc")
            assert refused.code == 2
            assert "'abc'" in refused.err + refused.out

    run(work)
