"""What can be done to a node: each has an effect that clients see, or a clear error."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import aiohttp
import pytest

from revvlink_cli.simulator import Clock, NodeProfile, Simulation
from revvlink_cli.simulator.control_errors import NodeDownError, NodeUpError, NothingThereError
from tests.simulator.bot_in_the_loop import GUILD, HEADERS, bot_on

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from revvlink_cli.simulator.node_control import NodeControl

CONTROLS: dict[str, Callable[[NodeControl], Coroutine[None, None, object]]] = {
    "kill": lambda node: node.kill(),
    "stop": lambda node: node.stop(),
    "drop": lambda node: node.drop(),
    "freeze": lambda node: node.freeze(),
    "thaw": lambda node: node.thaw(),
    "set_delay": lambda node: node.set_delay(1),
    "set_load": lambda node: node.set_load(players=1),
    "set_frames": lambda node: node.set_frames(nulled=1),
    "set_password": lambda node: node.set_password("x"),
    "send": lambda node: node.send({"op": "x"}),
    "close_voice": lambda node: node.close_voice("", 4006),
    "lose_sessions": lambda node: node.lose_sessions(),
}


@pytest.mark.parametrize("name", CONTROLS)
def test_a_dead_node_is_an_error(name: str) -> None:
    """Nothing is silently done to a node that is down."""

    async def work() -> None:
        async with Simulation([NodeProfile(identifier="a")]) as nodes:
            await nodes["a"].kill()
            with pytest.raises(NodeDownError, match="a is down; start it first"):
                await CONTROLS[name](nodes["a"])
            await nodes["a"].start()
            with pytest.raises(NodeUpError, match="a runs already"):
                await nodes["a"].start()

    asyncio.run(work())


@pytest.mark.parametrize("make", [NodeProfile, NodeProfile.nodelink], ids=["lavalink", "nodelink"])
def test_password_frames_and_messages(make: Callable[..., NodeProfile]) -> None:
    """A new password is needed at once; lost frames are in the statistics; any message reaches the client."""

    async def work() -> None:
        clock = Clock.manual()
        async with Simulation([make(identifier="a")], clock=clock) as nodes, bot_on(nodes["a"]) as bot:
            node = nodes["a"]
            for nobody in (node.send({"op": "x"}, guild=GUILD), node.close_voice(GUILD, 4006)):
                with pytest.raises(NothingThereError, match=GUILD):
                    await nobody
            await bot.play()
            await clock.advance(100)
            assert await node.send({"op": "event", "type": "OddEvent"}, guild=GUILD) == 1
            assert (await bot.until("OddEvent"))["guildId"] == GUILD
            await node.set_frames(nulled=30, deficit=6)
            while (frames := (await bot.until("stats"))["frameStats"]) is None or not frames["nulled"]:
                continue
            minutes = frames.get("expected", 3000) / 3000  # a NodeLink sends totals, a Lavalink those of a minute
            assert (frames["nulled"], frames["deficit"]) == (30 * minutes, 6 * minutes)
            await node.close_voice(GUILD, 4014)
            assert (await bot.until("WebSocketClosedEvent"))["code"] == 4014
            await node.set_password("another")
            async with aiohttp.ClientSession() as http:
                answers = [
                    (await http.get(f"{node.uri}/v4/info", headers={**HEADERS, "Authorization": word})).status
                    for word in ("youshallnotpass", "another")
                ]
            assert answers[0] in (401, 403)
            assert answers[1] == 200

    asyncio.run(work())
