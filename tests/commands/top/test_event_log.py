"""The events of `top`: repeated ones are one entry."""

from __future__ import annotations

from revvlink_cli.client.errors import Code, NodeException
from revvlink_cli.client.events import NodeFailed, NodeReady
from revvlink_cli.commands.top.event_log import FORGOTTEN, MOST, MOST_OF_NODE, EventLog


def failed(node: str, port: int = 1, code: Code = Code.REFUSED) -> NodeFailed:
    """A failed attempt."""
    reason = NodeException(f"nothing listens on h:{port}", code=code, node=node, hint="start the node")
    return NodeFailed(node=node, reason=reason, attempts=1)


def test_equal_failures_are_one_entry() -> None:
    """Failures with one code are one entry over all nodes, with the last one's text; a node's own are kept apart."""
    log = EventLog()
    for at in range(6):
        log.add(float(at), failed(f"n{at % 2}", port=at % 2))
    (entry,) = log.last(5)

    assert (entry.count, entry.first, entry.last, list(entry.nodes)) == (6, 0.0, 5.0, ["n0", "n1"])
    assert entry.detail == "nothing listens on h:1"
    (own,) = log.failures_of("n0")
    assert (own.count, own.detail, own.advice) == (3, "nothing listens on h:0", "start the node")


def test_sessions_do_not_tell_events_apart() -> None:
    """Nodes that become ready are one entry, although each has a session of its own."""
    log = EventLog()
    for number in range(3):
        log.add(float(number), NodeReady(node=f"n{number}", session_id=f"s{number}", resumed=False))

    assert [(entry.event, entry.count, entry.detail) for entry in log.last(9)] == [("node_ready", 3, None)]


def test_an_old_event_is_counted_anew() -> None:
    """After a long time without it, an event is counted from one again; only so many entries are kept."""
    log = EventLog()
    log.add(0.0, failed("a"))
    log.add(FORGOTTEN + 1, failed("a"))
    assert [(entry.count, entry.first) for entry in log.last(9)] == [(1, FORGOTTEN + 1)]
    for number in range(MOST_OF_NODE + 5):
        log.add(FORGOTTEN + 2 + number, failed("a", port=number))
    assert len(log.failures_of("a")) == MOST_OF_NODE
    assert len(log) <= MOST
    assert log.last(0) == ()
