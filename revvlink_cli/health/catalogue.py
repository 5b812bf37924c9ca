"""The table of checks: for each its code, stage, description, thresholds, figures and metrics.

``check --list``, ``--skip`` and ``--only``, thresholds, the order of findings, the Prometheus metrics with their help,
the JSON Schema of the configuration and the documentation all derive from `CHECKS`.

To add a check, add its entry here and its function to the table of its module in `revvlink_cli.health.checks`.
The configuration reads this module at start-up, so it imports nothing but ranges.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from revvlink_cli.health.ranges import NO_BOUNDS, Bounds, Range, Unit, parse

NODE = "revvlink_node_"
"""Prefix of metrics with a node as label."""

FLEET = "revvlink_fleet_"
"""Prefix of metrics of the whole fleet."""


class MetricType(StrEnum):
    """What kind of Prometheus metric shows a number."""

    GAUGE = "gauge"
    COUNTER = "counter"
    """A number that only grows, and begins again at 0 with a new process. Its name ends with ``_total``."""

    STATES = "states"
    """A verdict as a gauge for each verdict, with the label ``state``: 1 for the one that holds, 0 for the others."""


class Metric(NamedTuple):
    """A number that revvlink measures, and the Prometheus metric that shows it.

    Attributes:
        name: Name of the figure, without prefix and unit, such as ``cpu_system_load``. JSON and Nagios show it.
        unit: What it is measured in.
        help: Help text of the metric. It never changes with the value: Prometheus refuses files that differ in it.
        is_judged: Whether thresholds of its check apply to it.
        prefix: Prefix of the metric's name.
        type: The kind of metric.
        successor: Name of the metric that replaces this one, which the next version no longer has; "" for none.
    """

    name: str
    unit: Unit
    help: str
    is_judged: bool = False
    prefix: str = NODE
    type: MetricType = MetricType.GAUGE
    successor: str = ""

    @property
    def family(self) -> str:
        """Name of the metric in OpenMetrics, with the base unit: ``revvlink_node_cpu_system_load_ratio``."""
        return f"{self.prefix}{self.name}{'' if self.unit is Unit.COUNT else f'_{self.unit.base}'}"

    @property
    def full_name(self) -> str:
        """Name of the metric, with the base unit; that of a counter ends with ``_total``."""
        return f"{self.family}_total" if self.type is MetricType.COUNTER else self.family

    @property
    def full_help(self) -> str:
        """The help text, which begins with the name of the successor where there is one."""
        return f"Deprecated, use {self.successor}. {self.help}" if self.successor else self.help


class Check(NamedTuple):
    """One check.

    Attributes:
        code: Stable name of the check.
        stage: The part of the examination that it belongs to. A stage needs the stages before it.
        what: What it examines, and how it judges that.
        false_alarm: How likely it alerts although nothing is wrong, and when.
        figure: What thresholds judge, in words; "" if there is nothing to judge.
        metrics: The figures that it measures. Thresholds apply to the judged ones, each in its own unit.
        bounds: Default thresholds: they apply unless the configuration or an option sets another or switches them off.
        why: Why these default thresholds, for `revvlink init` and the documentation; "" without any.
        subject: What it examines several of on one node, as the label of its metrics; "" if there is only one.
        is_on_demand: Whether it runs only where a threshold, a requirement or ``--only`` asks for it, because it sends
            a request of its own.
    """

    code: str
    stage: str
    what: str
    false_alarm: str
    figure: str = ""
    metrics: tuple[Metric, ...] = ()
    bounds: Bounds = NO_BOUNDS
    why: str = ""
    subject: str = ""
    is_on_demand: bool = False

    @property
    def units(self) -> tuple[Unit, ...]:
        """The units that a threshold may have; a number without a unit has the first."""
        return tuple(metric.unit for metric in self.metrics if metric.is_judged)

    @property
    def units_shown(self) -> str:
        """The units of thresholds in words; "" where there is no figure."""
        return " or ".join(unit.value for unit in self.units)

    def metric(self, name: str, unit: Unit) -> Metric:
        """The metric of this name and unit.

        Raises:
            LookupError: The table does not list it.
        """
        for metric in self.metrics:
            if metric.name == name and metric.unit is unit:
                return metric
        raise LookupError(f"CHECKS lists no metric {name} in {unit.value} for the check {self.code}")


CHECKS = (
    Check(
        code="reach",
        stage="connection",
        what="the name resolves, the port takes connections, TLS is valid, HTTP is answered",
        false_alarm="low: a failure on the way to the node gives the same result; see --unknown-on-timeout",
        figure="time until the node was ready",
        metrics=(
            Metric("ready", Unit.SECONDS, "Time from the first packet until the node was ready.", is_judged=True),
        ),
    ),
    Check(
        code="certificate",
        stage="connection",
        what="how long the node's certificate remains valid",
        false_alarm="low: only where certificates are renewed in their last days",
        figure="time left; a number without a unit is days",
        metrics=(Metric("certificate_left", Unit.DAYS, "Time until the node's certificate ends.", is_judged=True),),
        bounds=Bounds(parse("14:", Unit.DAYS), parse("3:", Unit.DAYS)),
        why="days left: automatic renewal has failed by then, and bots are refused at the end",
    ),
    Check(code="auth", stage="auth", what="the node takes the password", false_alarm="none"),
    Check(
        code="version",
        stage="version",
        what="it is a Lavalink 4 or a NodeLink 3, and a Lavalink not older than min_version",
        false_alarm="none",
    ),
    Check(
        code="info",
        stage="info",
        what="the node has a source, and the sources, plugins and filters that are required",
        false_alarm="none",
        figure="source managers that are on",
        metrics=(Metric("sources", Unit.COUNT, "Source managers of the node that are on.", is_judged=True),),
        bounds=Bounds(None, parse("1:", Unit.COUNT)),
        why="sources: a node without one loads no track",
    ),
    Check(
        code="rest",
        stage="rest",
        what="how fast the node answers requests: the last of those that a check sends anyway, without canaries",
        false_alarm="low: one answer is one sample, and a long way to the node adds to it",
        figure="time from the request to the end of its answer, without connecting",
        metrics=(
            Metric(
                "rest_latency",
                Unit.SECONDS,
                "Time from the last request over REST to the end of its answer, without connecting and without loads.",
                is_judged=True,
            ),
        ),
        bounds=Bounds(parse("1s", Unit.SECONDS), parse("3s", Unit.SECONDS)),
        why="time of an answer: users wait for it at each command, and Discord ends an interaction after 3 s",
    ),
    Check(
        code="stats",
        stage="figures",
        what="the node sends statistics",
        false_alarm="low: a node under heavy load may take longer than the timeout",
        figure="age of the statistics",
        metrics=(Metric("stats_age", Unit.SECONDS, "Age of the node's statistics.", is_judged=True),),
    ),
    Check(
        code="cpu",
        stage="figures",
        what="load of the node's machine, in both of the last two samples or in the only one; a node that has not "
        "measured it yet is not judged",
        false_alarm="medium: figures are averages of half a minute or so, and a burst passes",
        figure="load of the machine, all cores busy is 100%",
        metrics=(
            Metric("cpu_system_load", Unit.RATIO, "Load of the node's machine, all cores busy is 1.", is_judged=True),
            Metric("cpu_lavalink_load", Unit.RATIO, "Load that the server itself causes, all cores busy is 1."),
            Metric("cpu_cores", Unit.COUNT, "Processor cores of the node."),
        ),
        bounds=Bounds(parse("90%", Unit.RATIO), None),
        why="load of the machine: audio stutters above it, because frames are sent late",
    ),
    Check(
        code="memory",
        stage="figures",
        what="memory in use, as a share of the node's limit; of NodeLink only the size",
        false_alarm="medium: a JVM fills its heap before it collects garbage",
        figure="share in use, or with B, MiB, GiB the memory itself",
        metrics=(
            Metric("memory_used", Unit.RATIO, "Memory in use, as a share of the node's limit.", is_judged=True),
            Metric("memory_used", Unit.BYTES, "Memory in use.", is_judged=True),
            Metric("memory_free", Unit.BYTES, "Memory that is allocated and not in use."),
            Metric("memory_allocated", Unit.BYTES, "Memory that is allocated."),
            Metric("memory_reservable", Unit.BYTES, "Memory limit of the node."),
        ),
        bounds=Bounds(parse("95%", Unit.RATIO), None),
        why="share of the heap in use: above it the JVM mostly collects garbage, and may run out",
    ),
    Check(
        code="players",
        stage="figures",
        what="how many players the node serves",
        false_alarm="none",
        figure="players",
        metrics=(
            Metric("players", Unit.COUNT, "Players of all bots on the node.", is_judged=True),
            Metric("playing_players", Unit.COUNT, "Players of all bots that play on the node."),
        ),
    ),
    Check(
        code="frames",
        stage="figures",
        what="share of audio frames that a NodeLink owed to all its players and did not send, between two samples; "
        "Lavalink shows frames to the session whose players play only, so nothing outside can see them",
        false_alarm="medium: with few players, one track that starts slowly is a large share",
        figure="share of frames lost",
        metrics=(
            Metric(
                "frames_lost",
                Unit.RATIO,
                "Share of audio frames that were due between two samples and were not sent; NodeLink only.",
                is_judged=True,
            ),
        ),
        bounds=Bounds(parse("10%", Unit.RATIO), None),
        why="share of frames lost: users hear the gaps",
    ),
    Check(
        code="uptime",
        stage="figures",
        what="how long the node has been up; a threshold finds recent restarts",
        false_alarm="low: planned restarts",
        figure="time since its start",
        metrics=(Metric("uptime", Unit.SECONDS, "Time since the node's start.", is_judged=True),),
    ),
    Check(
        code="websocket",
        stage="websocket",
        what="the websocket is open, ready and answers pings",
        false_alarm="low: one round trip is one sample",
        figure="round trip of a ping",
        metrics=(
            Metric("websocket_round_trip", Unit.SECONDS, "Round trip of a ping over the websocket.", is_judged=True),
        ),
    ),
    Check(
        code="penalty",
        stage="penalty",
        what="the cost of one more player; a lower bound where frame statistics are hidden, and not judged where the "
        "CPU is assumed",
        false_alarm="medium: as cpu",
        figure="penalty",
        metrics=(
            Metric(
                "penalty",
                Unit.COUNT,
                "Cost of one more player; a lower bound where frame statistics are hidden.",
                is_judged=True,
            ),
        ),
    ),
    Check(
        code="load",
        stage="load",
        what="each canary loads tracks; runs only where canaries are set",
        false_alarm="medium: it also depends on the source behind the node",
        figure="time the load took",
        metrics=(Metric("load", Unit.SECONDS, "Time that loading a canary took.", is_judged=True),),
        subject="canary",
    ),
    Check(
        code="play",
        stage="play",
        what="the first track of each playing canary plays; runs only where they are set",
        false_alarm="medium: it also depends on the source behind the node",
        figure="time from the request to play to the start of the track",
        metrics=(
            Metric("play_start", Unit.SECONDS, "Time from the request to play to the track's start.", is_judged=True),
        ),
        bounds=Bounds(parse("5s", Unit.SECONDS), None),
        why="time until a track starts: users think that the bot is broken",
        subject="canary",
    ),
    Check(
        code="packets",
        stage="play",
        what="packets of sound that a playing canary sends in a second; runs only with [play] listen",
        false_alarm="low: a busy network on the way to here",
        figure="packets a second, of which 50 are expected",
        metrics=(
            Metric(
                "play_packets_per_second",
                Unit.COUNT,
                "Packets that a playing canary sent in a second, of which 50 are expected.",
                is_judged=True,
            ),
        ),
        bounds=Bounds(parse("45:", Unit.COUNT), parse("25:", Unit.COUNT)),
        why="packets of sound a second: 50 are needed, and fewer are gaps",
        subject="canary",
    ),
    Check(
        code="silence",
        stage="play",
        what="share of silence in what a playing canary sends; runs only with [play] listen",
        false_alarm="medium: some tracks begin with silence",
        figure="share of packets of silence",
        metrics=(
            Metric("play_silence", Unit.RATIO, "Share of silence in what a playing canary sent.", is_judged=True),
        ),
        bounds=Bounds(parse("50%", Unit.RATIO), parse("95%", Unit.RATIO)),
        why="share of silence: so much is rarely what a track should be",
        subject="canary",
    ),
    Check(
        code="voice",
        stage="voice",
        what="the node supports Discord's end-to-end encryption (DAVE), without which users hear nothing, by its "
        "version and by its offer to [play] listen; skip it where bots play in stage channels only",
        false_alarm="none for releases; a development build without a commit date is a WARNING",
    ),
    Check(
        code="routeplanner",
        stage="routeplanner",
        what="the route planner's addresses do not fail; runs only where a threshold or --only asks for it, and is "
        "skipped on nodes without a route planner",
        false_alarm="low: a node lists an address until its planner tries it again",
        figure="failing addresses, or with % their share of a block of at most 65,536",
        metrics=(
            Metric("routeplanner_failing", Unit.COUNT, "Failing addresses of the route planner.", is_judged=True),
            Metric(
                "routeplanner_failing",
                Unit.RATIO,
                "Failing addresses as a share of the route planner's block; absent for blocks above 65,536 addresses.",
                is_judged=True,
            ),
        ),
        is_on_demand=True,
    ),
    Check(
        code="youtube",
        stage="youtube",
        what="the YouTube plugin has an OAuth token; runs only where --require-youtube-oauth, youtube_oauth or --only "
        "asks for it, and is skipped on nodes without the plugin",
        false_alarm="medium: without a token, addresses that YouTube trusts still load tracks",
        is_on_demand=True,
    ),
    Check(
        code="quorum",
        stage="fleet",
        what="at least min_healthy nodes are healthy; runs only where that is set. While it holds, a failure on a node "
        "is a WARNING",
        false_alarm="none of its own, beyond that of the node checks",
        figure="healthy nodes",
        metrics=(Metric("healthy_nodes", Unit.COUNT, "Nodes that are healthy.", is_judged=True, prefix=FLEET),),
    ),
    Check(
        code="regions",
        stage="fleet",
        what="every region of the configured nodes has a healthy node",
        false_alarm="none of its own, beyond that of the node checks",
        figure="regions without a healthy node",
        metrics=(
            Metric(
                "unserved_regions",
                Unit.COUNT,
                "Regions of the configured nodes without a healthy node.",
                is_judged=True,
                prefix=FLEET,
            ),
        ),
        bounds=Bounds(parse("0", Unit.COUNT), None),
        why="regions without a node: their players are sent to another one, which costs latency",
    ),
    Check(
        code="skew",
        stage="fleet",
        what="the nodes of one kind of server run the same version",
        false_alarm="high while a fleet is updated node by node",
        figure="versions beyond the first",
        metrics=(
            Metric(
                "version_skew",
                Unit.COUNT,
                "Versions beyond the first among nodes of one kind of server.",
                is_judged=True,
                prefix=FLEET,
            ),
        ),
        bounds=Bounds(parse("0", Unit.COUNT), None),
        why="versions beyond the first: an update was left half done",
    ),
    Check(
        code="plugins",
        stage="fleet",
        what="a plugin has the same version on all nodes of one kind of server that have it",
        false_alarm="high while a fleet is updated node by node",
        figure="plugins whose versions differ",
        metrics=(
            Metric(
                "plugin_skew",
                Unit.COUNT,
                "Plugins whose versions differ among nodes of one kind of server.",
                is_judged=True,
                prefix=FLEET,
            ),
        ),
        bounds=Bounds(parse("0", Unit.COUNT), None),
        why="plugins in several versions: the nodes load different tracks",
    ),
    Check(
        code="imbalance",
        stage="fleet",
        what="how unevenly playing players are spread within a region",
        false_alarm="medium: few players are never spread evenly",
        figure="the busiest node's players, as a multiple of its region's mean",
        metrics=(
            Metric(
                "imbalance",
                Unit.COUNT,
                "Playing players of the busiest node, as a multiple of its region's mean.",
                is_judged=True,
                prefix=FLEET,
            ),
        ),
    ),
)
"""Every check, in the order in which findings are listed."""

BY_CODE = {check.code: check for check in CHECKS}
NODE_CHECKS = tuple(check.code for check in CHECKS if check.stage != "fleet")
FLEET_CHECKS = tuple(check.code for check in CHECKS if check.stage == "fleet")
ON_DEMAND = tuple(check.code for check in CHECKS if check.is_on_demand)
"""Codes of the checks that run only where they are asked for."""
JUDGED = tuple(check.code for check in CHECKS if check.units)
"""Codes of the checks that thresholds can judge."""


def codes_of(name: str) -> tuple[str, ...]:
    """The codes of the checks that a name stands for: a check, or all checks of a stage. Empty for an unknown name."""
    return (name,) if name in BY_CODE else tuple(check.code for check in CHECKS if check.stage == name)


def read_range(code: str, text: str) -> Range:
    """Reads a threshold of a check. The unit in the text selects which of the check's figures it judges.

    Raises:
        ValueError: The text is not a range; the message says what to write.
    """
    first, *others = BY_CODE[code].units
    try:
        return parse(text, first)
    except ValueError as error:
        for unit in others:
            try:
                return parse(text, unit)
            except ValueError:
                more = ", ".join(suffix for suffix in unit.suffixes if suffix)
                error = ValueError(f"{error} or a size in {more}")
        raise error from None
