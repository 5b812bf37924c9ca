"""How long a player waits for a node, and what ends the wait."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from revvlink_cli import Node, NodeException, NodeStatus, PlayerDestroyedException, RevvlinkException
from revvlink_cli.client.events import PlayerLost
from tests.faults.watched_fleet import PASSWORD, Watched, fleet, guild, profiles, run, voice
from tests.fidelity.replay_server import response

if TYPE_CHECKING:
    from revvlink_cli.client.routing.failover import DrainReport

PLACEMENT = "revvlink_cli.client.routing.placement"


async def pause_of(watched: Watched, number: int) -> asyncio.Task[None]:
    """A first voice update that waits, as the only node did not answer."""
    await asyncio.to_thread(watched.simulator["a"].freeze, websockets=False)
    waiting = asyncio.create_task(watched.pool.create_player(guild(number)).update_voice(**voice(number)))
    reserved = watched.pool.nodes["a"]
    await watched.until(lambda: reserved.snapshot().reserved)
    await watched.until(lambda: not reserved.snapshot().reserved)
    assert not waiting.done()
    return waiting


@pytest.fixture
def long_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nodes that did not answer are asked again after a minute."""
    monkeypatch.setattr(f"{PLACEMENT}.ROUND_PAUSE", 120.0)


@pytest.mark.usefixtures("long_pause")
def test_close_ends_the_pause_between_two_rounds() -> None:
    """A caller that waits for the next round gets its exception when the pool closes."""

    async def work() -> None:
        async with fleet(*profiles("a"), timeout=0.3) as watched:
            waiting = await pause_of(watched, 1)
            await asyncio.to_thread(watched.simulator["a"].thaw)
            await watched.pool.close()
            async with asyncio.timeout(5):
                with pytest.raises(PlayerDestroyedException):
                    await waiting

    run(work)


def test_close_while_calls_wait_for_their_turn_to_be_placed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A call that has not asked a node yet gets the exception of a closed pool, as any later call does."""
    monkeypatch.setattr(f"{PLACEMENT}.MAX_CONCURRENT", 1)

    async def work() -> None:
        async with fleet(*profiles("a", answer_delay=0.5)) as watched:
            players = [watched.pool.create_player(guild(number)) for number in range(4)]
            calls = [asyncio.create_task(player.update_voice(**voice(at))) for at, player in enumerate(players)]
            await watched.until(lambda: watched.pool.nodes["a"].snapshot().reserved)
            await watched.pool.close()
            outcomes = await asyncio.gather(*calls, return_exceptions=True)
            assert isinstance(outcomes[0], NodeException)
            assert [type(outcome) for outcome in outcomes[1:]] == [PlayerDestroyedException] * 3

    run(work)


def test_players_made_again_on_their_node_count_once() -> None:
    """After a restart of their node, its players are not counted as others that are on their way, too."""

    async def work() -> None:
        async with fleet(*profiles("a"), resume_timeout=0) as watched:
            for number in range(20):
                await watched.pool.create_player(guild(number)).update_voice(**voice(number))
            counts = []

            def note(_: str, __: object) -> None:
                counts.append(watched.pool.nodes["a"].snapshot().held)

            watched.fleet.client = SimpleNamespace(user=SimpleNamespace(id=1), dispatch=note)
            await asyncio.to_thread(watched.simulator["a"].kill)
            await watched.until_status("a", NodeStatus.DISCONNECTED)
            await asyncio.to_thread(watched.simulator["a"].start)
            await watched.until_settled(20)
            assert max(counts) == 20

    run(work)


@pytest.mark.usefixtures("long_pause")
def test_destroy_ends_the_pause_between_two_rounds() -> None:
    """A caller that waits for the next round gets its exception when its player is destroyed."""

    async def work() -> None:
        async with fleet(*profiles("a"), timeout=0.3) as watched:
            waiting = await pause_of(watched, 1)
            await asyncio.to_thread(watched.simulator["a"].thaw)
            player = watched.pool.get_player(guild(1))
            assert player is not None
            await player.destroy()
            async with asyncio.timeout(5):
                with pytest.raises(PlayerDestroyedException):
                    await waiting

    run(work)


@pytest.mark.usefixtures("long_pause")
def test_new_node_ends_the_pause_between_two_rounds() -> None:
    """A node that joins takes the waiting player at once."""

    async def work() -> None:
        async with fleet(*profiles("a", "b"), timeout=0.3) as watched:
            await watched.pool.remove_node(watched.pool.nodes["b"])
            waiting = await pause_of(watched, 1)
            await watched.pool.add_node(Node(identifier="b", uri=watched.simulator["b"].uri, password=PASSWORD))
            async with asyncio.timeout(5):
                await waiting
            player = watched.pool.get_player(guild(1))
            assert player is not None
            assert player.node is watched.pool.nodes["b"]
            await asyncio.to_thread(watched.simulator["a"].thaw)

    run(work)


@pytest.mark.usefixtures("long_pause")
def test_uncordoned_node_ends_the_pause_between_two_rounds() -> None:
    """A node that is uncordoned takes the waiting player at once."""

    async def work() -> None:
        async with fleet(*profiles("a", "b"), timeout=0.3) as watched:
            watched.pool.nodes["b"].cordon()
            waiting = await pause_of(watched, 1)
            watched.pool.nodes["b"].uncordon()
            async with asyncio.timeout(5):
                await waiting
            player = watched.pool.get_player(guild(1))
            assert player is not None
            assert player.node is watched.pool.nodes["b"]
            await asyncio.to_thread(watched.simulator["a"].thaw)

    run(work)


def test_placement_limit_is_read_at_each_placement(monkeypatch: pytest.MonkeyPatch) -> None:
    """A changed limit applies to the next placement."""
    monkeypatch.setattr(f"{PLACEMENT}.PLACEMENT_LIMIT", 0.2)

    async def work() -> None:
        async with fleet(*profiles("a")) as watched:
            watched.pool.nodes["a"].cordon()
            async with asyncio.timeout(5):
                with pytest.raises(RevvlinkException, match="cordoned"):
                    await watched.pool.create_player(guild(1)).update_voice(**voice(1))

    run(work)


def test_placement_limit_is_read_at_each_failover(monkeypatch: pytest.MonkeyPatch) -> None:
    """A changed limit applies to the players of a node that is lost."""
    monkeypatch.setattr(f"{PLACEMENT}.PLACEMENT_LIMIT", 0.2)

    async def work() -> None:
        async with fleet(*profiles("a"), resume_timeout=0) as watched:
            await watched.pool.create_player(guild(1)).update_voice(**voice(1))
            await asyncio.to_thread(watched.simulator["a"].kill)
            await watched.until_status("a", NodeStatus.DISCONNECTED)
            await watched.until(lambda: watched.told(PlayerLost), 5)
            await asyncio.to_thread(watched.simulator["a"].start)

    run(work)


@pytest.mark.usefixtures("long_pause")
def test_waiting_player_does_not_delay_the_others_in_a_failover(monkeypatch: pytest.MonkeyPatch) -> None:
    """With one worker: while the first player waits for a node that accepts it, another worker moves the others."""
    monkeypatch.setattr(f"{PLACEMENT}.MAX_CONCURRENT", 1)
    unavailable = response(b"", status="503 Service Unavailable")

    async def work() -> None:
        async with fleet(*profiles("a", "b"), networked=True, resume_timeout=0, retries=0) as watched:
            watched.pool.nodes["b"].cordon()
            for number in range(4):
                await watched.pool.create_player(guild(number)).update_voice(**voice(number))
            watched.pool.nodes["b"].uncordon()
            path = f"/players/{guild(0)}".encode()
            watched.networks["b"].answer = lambda line: unavailable if path in line else None
            await asyncio.to_thread(watched.simulator["a"].kill)
            others = [guild(number) for number in range(1, 4)]
            await watched.until(lambda: [*watched.pool.nodes["b"].players] == others, 5)
            assert guild(0) in watched.pool.nodes["a"].players

    run(work)


def test_close_wakes_the_callers_that_wait_for_a_slot(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pool that closes before the first placement has begun: its caller and those behind it get an exception."""
    monkeypatch.setattr(f"{PLACEMENT}.MAX_CONCURRENT", 1)

    async def work() -> None:
        async with fleet(*profiles("a")) as watched:
            players = [watched.pool.create_player(guild(number)) for number in range(3)]
            waiting = [
                asyncio.create_task(player.update_voice(**voice(number))) for number, player in enumerate(players)
            ]
            await asyncio.sleep(0)  # the first one has the slot, the others wait for it
            await watched.pool.close()
            async with asyncio.timeout(5):
                outcomes = await asyncio.gather(*waiting, return_exceptions=True)
            assert all(isinstance(outcome, RevvlinkException) for outcome in outcomes), outcomes

    run(work)


def test_drain_at_the_loss_of_a_node_does_not_end_its_failover() -> None:
    """A bot drains a node in its handler of the loss, before the failover has begun: the players move later."""
    draining: list[asyncio.Task[DrainReport]] = []

    async def work() -> None:
        async with fleet(*profiles("a", "b"), resume_timeout=0) as watched:
            nodes = watched.pool.nodes

            def dispatch(name: str, _event: object) -> None:
                if name == "revvlink_node_lost":
                    draining.append(asyncio.create_task(watched.pool.drain(nodes["a"])))

            client = SimpleNamespace(user=SimpleNamespace(id=170939974227541168), dispatch=dispatch)
            await watched.pool.connect(nodes=[], client=client)
            nodes["b"].cordon()
            await watched.pool.create_player(guild(1)).update_voice(**voice(1))
            await asyncio.to_thread(watched.simulator["a"].kill)
            await watched.until(lambda: draining, 5)
            assert (await draining[0]).failed.keys() == {guild(1)}
            nodes["b"].uncordon()
            await watched.until(lambda: guild(1) in nodes["b"].players, 5)

    run(work)
