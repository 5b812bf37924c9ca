"""Every check there is, once: its code, what it looks at, how often it cries wolf, and what its figure is.

``check --list``, the documentation, thresholds and the order of findings all come from `CHECKS`.
"""

from __future__ import annotations

from typing import NamedTuple

from revvlink_cli.health.ranges import NO_BOUNDS, Bounds, Range, Unit, parse


class Check(NamedTuple):
    """One check.

    Attributes:
        code: Stable word for it.
        stage: What it belongs to; the stages come one after the other, each needs those before it.
        what: What it looks at, and what it makes of that.
        false_alarm: How likely it alerts though nothing is wrong, and when.
        figure: What its figure is, "" if it has none.
        unit: What that is measured in.
        bounds: Thresholds where none are given.
        other: What else its thresholds may be of: a second figure, which is judged in its own unit.
    """

    code: str
    stage: str
    what: str
    false_alarm: str
    figure: str = ""
    unit: Unit = Unit.COUNT
    bounds: Bounds = NO_BOUNDS
    other: Unit | None = None

    @property
    def units(self) -> str:
        """What thresholds are of, in words; "" where there is no figure."""
        if not self.figure:
            return ""
        return self.unit.value if self.other is None else f"{self.unit.value} or {self.other.value}"


CHECKS = (
    Check(
        "reach",
        "connection",
        "the name resolves, the port takes connections, TLS is valid, HTTP is answered",
        "low: what fails on the way to the node looks the same; see --unknown-on-timeout",
        "time until the node was ready",
        Unit.SECONDS,
    ),
    Check(
        "certificate",
        "connection",
        "how long the node's certificate is still valid",
        "low: where renewal is left to the last days",
        "time left, a number alone is days",
        Unit.DAYS,
        Bounds(parse("14:", Unit.DAYS), parse("3:", Unit.DAYS)),
    ),
    Check("auth", "auth", "the node takes the password", "none"),
    Check(
        "version",
        "version",
        "it is a Lavalink 4 or a NodeLink 3, and a Lavalink not older than min_version",
        "none",
    ),
    Check(
        "info",
        "info",
        "the sources, plugins and filters that are required are there",
        "none",
    ),
    Check(
        "stats",
        "figures",
        "the node tells how it is doing",
        "low: a node under heavy load may take longer than the timeout",
        "age of the statistics",
        Unit.SECONDS,
    ),
    Check(
        "cpu",
        "figures",
        "load of the node's machine; a node that has not measured it yet is not judged",
        "medium: figures are averages of half a minute or so, and a burst passes",
        "load of the machine, all cores busy is 100%",
        Unit.RATIO,
    ),
    Check(
        "memory",
        "figures",
        "memory in use, of what the node may take; of a NodeLink the size only",
        "medium: a JVM fills its heap before it collects garbage",
        "share in use, or with B, MiB, GiB the memory itself",
        Unit.RATIO,
        other=Unit.BYTES,
    ),
    Check("players", "figures", "how many players the node serves", "none", "players"),
    Check(
        "uptime",
        "figures",
        "how long the node has been up: with a threshold, whether it was restarted lately",
        "low: restarts that were meant",
        "time since its start",
        Unit.SECONDS,
    ),
    Check(
        "websocket",
        "websocket",
        "the websocket is open, ready and answers pings",
        "low: one round trip is one sample",
        "round trip of a ping",
        Unit.SECONDS,
    ),
    Check(
        "penalty",
        "penalty",
        "what one more player would cost; a lower bound where frame statistics are hidden, and not judged where the "
        "CPU is assumed",
        "medium: as cpu",
        "penalty",
    ),
    Check(
        "load",
        "load",
        "each canary really loads tracks; made where canaries are given",
        "medium: it depends on the source behind the node, too",
        "time the load took",
        Unit.SECONDS,
    ),
    Check(
        "voice",
        "voice",
        "the node can speak Discord's end-to-end encryption (DAVE), without which nobody hears it; skip it where only "
        "stages are served",
        "none for releases; a development build whose commit is not dated is a WARNING",
    ),
    Check(
        "quorum",
        "fleet",
        "at least min_healthy nodes are healthy; made where that is given, and then whatever fails on one is a WARNING",
        "none beyond that of its nodes",
        "healthy nodes",
    ),
    Check(
        "regions",
        "fleet",
        "every region of the configured nodes has a healthy one",
        "none beyond that of its nodes",
        "regions without a healthy node",
        Unit.COUNT,
        Bounds(parse("0", Unit.COUNT), None),
    ),
    Check(
        "skew",
        "fleet",
        "the nodes of one kind of server run the same version",
        "high while a fleet is updated node by node",
        "versions beyond the first",
        Unit.COUNT,
        Bounds(parse("0", Unit.COUNT), None),
    ),
    Check(
        "imbalance",
        "fleet",
        "how unevenly playing players are spread within a region",
        "medium: few players are never spread evenly",
        "the busiest node's players, as a multiple of its region's mean",
    ),
)

BY_CODE = {check.code: check for check in CHECKS}
NODE_CHECKS = tuple(check.code for check in CHECKS if check.stage != "fleet")
JUDGED = tuple(check.code for check in CHECKS if check.figure)
"""Codes of the checks that have a figure, which thresholds can judge."""


def codes_of(name: str) -> tuple[str, ...]:
    """The codes that a name means: that of a check, or all of a stage; none when there is no such thing."""
    return (name,) if name in BY_CODE else tuple(check.code for check in CHECKS if check.stage == name)


def read_range(code: str, text: str) -> Range:
    """A range of a check's figure, or of its second one, by the unit that stands in it.

    Raises:
        ValueError: It is none; the text says what would be.
    """
    check = BY_CODE[code]
    if check.other is None:
        return parse(text, check.unit)
    try:
        return parse(text, check.unit)
    except ValueError as error:
        try:
            return parse(text, check.other)
        except ValueError:
            more = ", ".join(suffix for suffix in check.other.suffixes if suffix)
            raise ValueError(f"{error}; or a size in {more}") from None
