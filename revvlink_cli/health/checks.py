"""What to make of a node: pure functions from a snapshot to findings."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from revvlink_cli.client.errors import Code, LavalinkLoadException, Stage
from revvlink_cli.client.protocol.dialects import Dialect
from revvlink_cli.health.catalogue import NODE_CHECKS
from revvlink_cli.health.failure_codes import EXPLANATIONS, FailureCode
from revvlink_cli.health.findings import Figure, Finding, Outcome, Skipped, Verdict, graver, judge
from revvlink_cli.health.known_failures import explain_load
from revvlink_cli.health.policy import NO_DEMANDS, Requirements
from revvlink_cli.health.ranges import NO_BOUNDS, Unit
from revvlink_cli.health.versions import Version
from revvlink_cli.health.voice import voice_ability

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

    from revvlink_cli.client.errors import RevvlinkException
    from revvlink_cli.client.protocol.models import NodeInfo, NodeStats
    from revvlink_cli.client.routing.penalty import Penalty
    from revvlink_cli.client.snapshot import NodeSnapshot
    from revvlink_cli.health.ranges import Bounds

_NOT_LOOKED_AT = {Code.INTERNAL, Code.PROXY_FAILED, Code.CA_FILE_UNUSABLE, Code.LOCAL_LIMIT, Code.CONFIGURATION}
"""Failures of revvlink and of its own machine: they say nothing about the node, which is UNKNOWN."""

_SILENT = {Code.TIMEOUT, Code.SILENT, Code.RESOLVE_FAILED}
"""Nothing answered."""

_SHUT_OUT = {Code.RATE_LIMITED, Code.FORBIDDEN, Code.CHALLENGE}
"""Something answered that does not let this machine through."""

_NO_LAVALINK = {Code.NOT_LAVALINK, Code.LAVALINK_V3, Code.REDIRECTED}
"""What answers so did not look at the password."""

_CHECK_OF = {
    Stage.CONFIG: "reach",
    Stage.RESOLVE: "reach",
    Stage.CONNECT: "reach",
    Stage.TLS: "reach",
    Stage.AUTH: "auth",
    Stage.VERSION: "version",
    Stage.READY: "websocket",
    Stage.REQUEST: "reach",
}

_CHECK_OF_CODE = {Code.CLOSED: "websocket"}
"""Failures that come after a stage that seems to be an earlier one: a websocket was ready before it was closed."""

_PASSED = {"auth": ("reach",), "version": ("reach", "auth"), "websocket": ("reach", "auth", "version")}
"""Check that failed -> those that must have been passed to get there."""

_BORNE = {"certificate": ("reach",), "auth": ()}
"""Checks that say what they are for and nothing else -> those whose failure they bear all the same."""

_TOLD = {"reach": "answers", "auth": "password accepted", "version": "speaks version 4"}


@dataclass(frozen=True, slots=True)
class Load:
    """What became of one canary on one node.

    Attributes:
        canary: What was asked for.
        took: Seconds until the answer, or until it was given up.
        tracks: How many tracks came, None when none could.
        error: Why not, None where nobody knows: it took too long.
    """

    canary: str
    took: float
    tracks: int | None = None
    error: RevvlinkException | None = None


class Subject(NamedTuple):
    """What is known of one node when it is examined.

    Attributes:
        node: The node.
        now: Monotonic second.
        timeout: Seconds that were given to it, for messages.
        demands: What is demanded of it.
        penalty: What one more player would cost, None when that is unknown.
        loads: What became of the canaries.
    """

    node: NodeSnapshot
    now: float
    timeout: float
    demands: Requirements = NO_DEMANDS
    penalty: Penalty | None = None
    loads: Sequence[Load] = ()

    def finding(
        self,
        check: str,
        message: str,
        verdict: Verdict = Verdict.OK,
        *,
        figures: tuple[Figure, ...] = (),
        code: str | None = None,
        stage: str | None = None,
        hint: str | None = None,
    ) -> Finding:
        """A finding on this node; a figure that alerts makes the verdict, if that is worse, and is told."""
        for figure in figures:
            judged = judge(figure.value, figure.bounds)
            if judged.gravity > verdict.gravity:
                limit = figure.bounds.critical if judged is Verdict.CRITICAL else figure.bounds.warning
                told = limit.shown if limit is not None else ""
                verdict, code, message = judged, code or "threshold", f"{message} (threshold {told})"
        return Finding(
            node=self.node.identifier,
            check=check,
            verdict=verdict,
            message=message,
            figures=figures,
            code=code,
            stage=stage,
            hint=hint,
        )

    def figure(self, check: str, name: str, value: float, unit: Unit, maximum: float | None = None) -> Figure:
        """A figure that a check judges, by those of its thresholds that are of this unit."""
        return Figure(name, value, unit, self.demands.bounds_of(check).of(unit), maximum)

    def verdict_of(self, error: RevvlinkException) -> Verdict:
        """How bad it is that the node, or a request to it, failed in this way."""
        if error.code in _NOT_LOOKED_AT:
            return Verdict.UNKNOWN
        no_answer = _is_silent(error) or error.code in _SHUT_OUT
        return self.on_timeout if no_answer else Verdict.CRITICAL

    @property
    def on_timeout(self) -> Verdict:
        """How bad it is that no answer came in time."""
        return Verdict.UNKNOWN if self.demands.unknown_on_timeout else Verdict.CRITICAL

    def untold(self, check: str, what: str) -> Finding:
        """A figure that the node did not tell: unknown where somebody wants it judged."""
        if self.demands.bounds_of(check) == NO_BOUNDS:
            return self.finding(check, what)
        return self.finding(
            check, f"{what}, and there is a threshold", Verdict.UNKNOWN, code="no_figure", hint="look at the node's log"
        )


def _is_silent(error: RevvlinkException | None) -> bool:
    """Whether what failed is that nothing answered in time."""
    return error is not None and (error.code in _SILENT or getattr(error, "timed_out", False))


def examine(subject: Subject) -> tuple[Outcome, ...]:
    """All checks on one node but those that it is exempt from."""
    return choose(explore(subject), frozenset(NODE_CHECKS) - subject.demands.skip)


def explore(subject: Subject) -> tuple[Outcome, ...]:
    """All checks on one node, in the order of the catalogue; what depends on one that failed is skipped."""
    node = subject.node
    found: dict[str, Sequence[Outcome]] = {}
    failed: Finding | None = None
    if node.ready_ms is None or node.hanging is not None:
        failed = _failure(subject)
        for check in _passed(failed, node.error):
            found[check] = (subject.finding(check, _TOLD[check]),)
        found[failed.check] = (failed,)
    else:
        found = {check: make(subject) for check, make in _CHECKS.items()}
        stats = node.stats(subject.now)
        if stats is not None:
            found |= {check: (judge_stats(subject, stats),) for check, judge_stats in _OF_STATS.items()}
    found |= {check: (Skipped(node.identifier, check, why),) for check, why in _pointless(subject)}
    needs = failed.check if failed is not None else "stats"
    return tuple(
        outcome
        for check in NODE_CHECKS
        for outcome in found.get(check, (Skipped(node.identifier, check, f"{needs} failed", needs),))
    )


def _pointless(subject: Subject) -> Iterator[tuple[str, str]]:
    """The checks that have nothing to look at, be the node well or not, and why."""
    if not subject.node.uri.startswith("https:"):
        yield "certificate", "the node speaks plain HTTP"
    if not subject.demands.canaries:
        yield "load", "no canary is given, see --canary"


def choose(outcomes: Iterable[Outcome], codes: Collection[str]) -> tuple[Outcome, ...]:
    """The outcomes of these checks on one node.

    Where one that failed is left out, the first that depends on it bears the failure, so that leaving a check out never
    makes a dead node look well. Where there is none, the first that could not be made for it is UNKNOWN.
    """
    kept: list[Outcome] = []
    lost: list[Finding] = []
    for outcome in outcomes:
        if outcome.check in codes:
            kept.append(outcome)
        elif isinstance(outcome, Finding) and outcome.verdict not in (Verdict.OK, Verdict.WARNING):
            lost.append(outcome)
    for failure in lost:
        missed = [
            place
            for place, outcome in enumerate(kept)
            if isinstance(outcome, Skipped) and outcome.needs == failure.check
        ]
        bearers = [place for place in missed if failure.check in _BORNE.get(kept[place].check, (failure.check,))]
        if missed:
            place = (bearers or missed)[0]
            borne = replace(failure, check=kept[place].check, origin=failure.check, figures=())
            kept[place] = borne if bearers else replace(borne, verdict=Verdict.UNKNOWN, raw_verdict=failure.verdict)
    return tuple(kept)


def _failure(subject: Subject) -> Finding:
    """The check that failed on a node which is not ready, or hangs."""
    error = subject.node.hanging or subject.node.error
    if error is None:
        stage = subject.node.stage
        check = _CHECK_OF[stage] if stage is not None else "reach"
        message = f"not connected within {subject.timeout:g} s"
        return subject.finding(
            check if check == "websocket" else "reach",
            message,
            subject.on_timeout,
            code=str(Code.TIMEOUT),
            stage=str(stage or Stage.CONNECT),
            hint="give it longer with --timeout, or look at the node",
        )
    return subject.finding(
        _CHECK_OF_CODE.get(error.code) or (_CHECK_OF[error.stage] if error.stage is not None else "reach"),
        error.message,
        subject.verdict_of(error),
        code=str(error.code),
        stage=str(error.stage) if error.stage is not None else None,
        hint=error.hint,
    )


def _passed(failed: Finding, error: RevvlinkException | None) -> tuple[str, ...]:
    if error is not None and error.code in _NO_LAVALINK:
        return ("reach",)
    return _PASSED.get(failed.check, ())


def _reach(subject: Subject) -> Sequence[Outcome]:
    ready = (subject.node.ready_ms or 0.0) / 1000
    figure = subject.figure("reach", "ready", ready, Unit.SECONDS)
    return (subject.finding("reach", f"ready in {subject.node.ready_ms:.0f} ms", figures=(figure,)),)


def _certificate(subject: Subject) -> Sequence[Outcome]:
    node = subject.node
    if node.certificate_expires is None:
        return (subject.untold("certificate", "no certificate was shown"),)
    left = node.certificate_expires - subject.now
    figure = subject.figure("certificate", "certificate_left", left, Unit.DAYS)
    return (subject.finding("certificate", f"valid for {Unit.DAYS.show(left)}", figures=(figure,),
                            hint="renew the node's certificate" if left < _SOON else None),)  # fmt: skip


_SOON = 30 * 86_400
"""Seconds before the end of a certificate from which on it is time to renew it."""


def _auth(subject: Subject) -> Sequence[Outcome]:
    return (subject.finding("auth", _TOLD["auth"]),)


def _version(subject: Subject) -> Sequence[Outcome]:
    node, wanted = subject.node, subject.demands.min_version
    info = node.info
    if info is None:
        why = str(node.error or "did not say what it is")
        verdict = Verdict.WARNING if wanted is None else Verdict.UNKNOWN
        return (subject.finding("version", why, verdict, code=str(Code.BAD_ANSWER)),)
    server = str(node.dialect or "v4 server")
    told = f"{server} {info.version}".rstrip()
    facts = (
        ("server", server),
        ("version", info.version),
        ("runtime", info.runtime or ""),
        ("lavaplayer", info.lavaplayer or ""),
    )
    finding = replace(subject.finding("version", told), facts=facts)
    if wanted is None or server == "NodeLink":
        return (finding,)
    have = _comparable(info.version)
    if have is None:
        why = "it is a development build" if info.version else "it does not tell its version"
        message = f"{told} cannot be compared with the required {wanted}: {why}"
        return (replace(finding, verdict=Verdict.UNKNOWN, message=message, code="no_figure"),)
    if have < wanted:
        message, hint = f"{told} is older than the required {wanted}", "update the node"
        return (replace(finding, verdict=Verdict.CRITICAL, message=message, code="too_old", hint=hint),)
    return (replace(finding, message=f"{told}, {wanted} or newer as required"),)


def _comparable(version: str) -> Version | None:
    """The version of a server; None for a development build, which has a commit in its place."""
    try:
        return Version(version) if "." in version else None
    except ValueError:
        return None


def _info(subject: Subject) -> Sequence[Outcome]:
    info, demands = subject.node.info, subject.demands
    if info is None:
        what = "the node did not say what it is"
        if not (demands.sources or demands.plugins or demands.filters):
            return (Skipped(subject.node.identifier, "info", what, "version"),)
        told = f"{what}, so nobody knows whether it has what is required"
        return (subject.finding("info", told, Verdict.UNKNOWN, code="no_figure", hint="look at the node's log"),)
    required = (
        ("source", demands.sources, info.sources),
        ("plugin", demands.plugins, tuple(plugin.name for plugin in info.plugins)),
        ("filter", demands.filters, info.filters),
    )
    missing = [_missing(kind, wanted, there) for kind, wanted, there in required]
    lacking = [what for what in missing if what]
    if lacking:
        what = "; ".join(lacking)
        return (subject.finding("info", what, Verdict.CRITICAL, code="missing", hint="enable it on the node"),)
    silent = [kind for kind, wanted, there in required if wanted and there is None]
    if silent:
        told = f"the node does not tell its {silent[0]}s, and some are required"
        return (subject.finding("info", told, Verdict.UNKNOWN, code="no_figure"),)
    asked = sum(len(wanted) for _, wanted, _ in required)
    return (subject.finding("info", f"{_what_is_there(info)}{', all that is required' if asked else ''}"),)


def _voice(subject: Subject) -> Sequence[Outcome]:
    ability = voice_ability(subject.node.info, subject.node.dialect)
    if ability.speaks_dave:
        return (subject.finding("voice", ability.reason),)
    known = EXPLANATIONS[FailureCode.VOICE_DAVE_REQUIRED]
    if ability.speaks_dave is None:
        what = f"whether it speaks DAVE is not known: {ability.reason}"
        hint = "measure it with `revvlink play --listen`"
        return (subject.finding("voice", what, Verdict.WARNING, code="no_figure", hint=hint),)
    what = f"{ability.reason}, and Discord closes its voice connections (4017): nobody hears it"
    return (subject.finding("voice", what, Verdict.CRITICAL, code=str(known.code), hint=known.next_step),)


def _missing(kind: str, wanted: Sequence[str], there: Collection[str] | None) -> str:
    if there is None:
        return ""
    known = {name.casefold() for name in there}
    gone = [name for name in wanted if name.casefold() not in known]
    return f"lacks the {kind}{'s' if len(gone) > 1 else ''} {', '.join(gone)}" if gone else ""


def _what_is_there(info: NodeInfo) -> str:
    counts = (("source", info.sources), ("filter", info.filters), ("plugin", info.plugins))
    return ", ".join(
        f"{len(there)} {kind}{'' if len(there) == 1 else 's'}" for kind, there in counts if there is not None
    )


def _stats(subject: Subject) -> Sequence[Outcome]:
    node = subject.node
    stats, timed = node.stats(subject.now), node.timed_stats
    if stats is None or timed is None or stats.players is None:
        why = f": {node.stats_error}" if node.stats_error is not None else ""
        what = f"no statistics{why}" if stats is None else "statistics without a number of players"
        verdict = subject.on_timeout if stats is None and _is_silent(node.stats_error) else Verdict.UNKNOWN
        return (subject.finding("stats", what, verdict, code="no_stats", hint="look at the node's log"),)
    age = max(subject.now - timed.at, 0.0)
    figure = subject.figure("stats", "stats_age", age, Unit.SECONDS)
    return (subject.finding("stats", f"told {Unit.SECONDS.show(age)} ago over {_ORIGINS[str(timed.origin)]}",
                            figures=(figure,)),)  # fmt: skip


_ORIGINS = {"websocket": "the websocket", "rest": "REST"}


def _cpu(subject: Subject, stats: NodeStats) -> Finding:
    if stats.system_load is None:
        if not stats.has_cpu_baseline:
            return subject.finding("cpu", "not measured yet, so not judged: the node has no baseline")
        return subject.untold("cpu", "the node does not tell its load")
    load = subject.figure("cpu", "cpu_system_load", stats.system_load, Unit.RATIO, 1.0)
    more = (
        [Figure("cpu_lavalink_load", stats.server_load, Unit.RATIO, maximum=1.0)]
        if stats.server_load is not None
        else []
    )
    cores = f" on {stats.cores} cores" if stats.cores else ""
    more += [Figure("cpu_cores", stats.cores, Unit.COUNT)] if stats.cores else []
    return subject.finding("cpu", f"load {Unit.RATIO.show(stats.system_load)}{cores}", figures=(load, *more))


def _memory(subject: Subject, stats: NodeStats) -> Finding:
    used, most = stats.memory_used, stats.memory_reservable
    if used is None or not most or most < 0:
        return subject.untold("memory", "the node does not tell its memory")
    in_use = subject.figure("memory", "memory_used", float(used), Unit.BYTES)
    sizes = {"free": stats.memory_free, "allocated": stats.memory_allocated, "reservable": most}
    more = tuple(Figure(f"memory_{name}", float(size), Unit.BYTES) for name, size in sizes.items() if size is not None)
    if subject.node.dialect is Dialect.NODELINK:  # used is its heap, reservable the memory of its machine
        told = f"{Unit.BYTES.show(used)} of heap in use; no share is judged, for a NodeLink does not give its limit"
        return subject.finding("memory", told, figures=(in_use, *more))
    share = subject.figure("memory", "memory_used", used / most, Unit.RATIO, 1.0)
    told = f"{Unit.RATIO.show(used / most)} in use: {Unit.BYTES.show(used)} of {Unit.BYTES.show(most)}"
    return subject.finding("memory", told, figures=(share, in_use, *more))


def _players(subject: Subject, stats: NodeStats) -> Finding:
    if stats.players is None:
        return subject.untold("players", "the node does not tell its players")
    figures = [subject.figure("players", "players", stats.players, Unit.COUNT)]
    if stats.playing is not None:
        figures.append(Figure("playing_players", stats.playing, Unit.COUNT))
    count = f"{stats.players} player{'' if stats.players == 1 else 's'}"
    return subject.finding("players", f"{count}, {stats.playing or 0} playing", figures=tuple(figures))


def _uptime(subject: Subject, stats: NodeStats) -> Finding:
    if stats.uptime_ms is None:
        return subject.untold("uptime", "the node does not tell its uptime")
    up = stats.uptime_ms / 1000
    figure = subject.figure("uptime", "uptime", up, Unit.SECONDS)
    return subject.finding("uptime", f"up for {Unit.SECONDS.show(up)}", figures=(figure,))


def _websocket(subject: Subject) -> Sequence[Outcome]:
    latency = subject.node.latency_ms
    if latency is None:
        message, hint = "ready, but it answered no ping in time", "look at the node's log, and at any proxy before it"
        return (
            subject.finding(
                "websocket", message, subject.on_timeout, code=str(Code.SILENT), stage=str(Stage.READY), hint=hint
            ),
        )
    figure = subject.figure("websocket", "websocket_round_trip", latency / 1000, Unit.SECONDS)
    return (subject.finding("websocket", f"ready, round trip {latency:.1f} ms", figures=(figure,)),)


def _penalty(subject: Subject) -> Sequence[Outcome]:
    penalty = subject.penalty
    if penalty is None:
        return (Skipped(subject.node.identifier, "penalty", "stats failed", "stats"),)
    told = f"{penalty.mark}{penalty.total:.1f}"
    if penalty.cpu_assumed:  # with the CPU of other nodes: a node is not critical for what they do
        judged = subject.demands.bounds_of("penalty") != NO_BOUNDS
        told += ", not judged: its CPU is not known, and counts as that of the others" if judged else ""
        return (subject.finding("penalty", told, figures=(Figure("penalty", penalty.total, Unit.COUNT),)),)
    figure = subject.figure("penalty", "penalty", penalty.total, Unit.COUNT)
    return (subject.finding("penalty", told, figures=(figure,)),)


def _load(subject: Subject) -> Sequence[Outcome]:
    tried = {load.canary: load for load in subject.loads}
    loads = [tried.get(canary, Load(canary, 0.0)) for canary in subject.demands.canaries]
    return tuple(replace(_loaded(subject, load), subject=load.canary) for load in loads)


def _loaded(subject: Subject, load: Load) -> Finding:
    if load.error is not None:
        message, code, hint = load.error.message, str(load.error.code), load.error.hint
        if isinstance(load.error, LavalinkLoadException) and (known := explain_load(load.error)).is_known:
            message, hint = known.sentence(message), known.next_step
            code = code if known.code is FailureCode.OTHER else str(known.code)
        return subject.finding(
            "load",
            f"{load.canary} does not load: {message}",
            subject.verdict_of(load.error),
            code=code,
            stage=str(Stage.REQUEST),
            hint=hint,
        )
    if load.tracks is None:
        message = f"{load.canary} was not loaded within {load.took:.1f} s"
        return subject.finding(
            "load",
            message,
            graver(subject.on_timeout, _exceeded(load.took, subject.demands.bounds_of("load"))),
            code=str(Code.TIMEOUT),
            stage=str(Stage.REQUEST),
            hint="give it longer with --timeout",
        )
    if load.tracks == 0:
        return subject.finding("load", f"{load.canary} loads nothing", Verdict.CRITICAL, code="empty",
                               hint="see whether the canary is still there, then look at the source")  # fmt: skip
    tracks = f"{load.tracks} track{'' if load.tracks == 1 else 's'}"
    figure = subject.figure("load", "load", load.took, Unit.SECONDS)
    return subject.finding("load", f"{load.canary} loaded {tracks} in {load.took * 1000:.0f} ms", figures=(figure,))


def _exceeded(at_least: float, bounds: Bounds) -> Verdict:
    """The least verdict on a figure of which only this much is known: what is too long will not get shorter."""
    for limit, verdict in ((bounds.critical, Verdict.CRITICAL), (bounds.warning, Verdict.WARNING)):
        if limit is not None and not limit.inside and at_least > limit.end:
            return verdict
    return Verdict.UNKNOWN


_CHECKS: dict[str, Callable[[Subject], Sequence[Outcome]]] = {
    "reach": _reach,
    "certificate": _certificate,
    "auth": _auth,
    "version": _version,
    "info": _info,
    "voice": _voice,
    "stats": _stats,
    "websocket": _websocket,
    "penalty": _penalty,
    "load": _load,
}

_OF_STATS: dict[str, Callable[[Subject, NodeStats], Finding]] = {
    "cpu": _cpu,
    "memory": _memory,
    "players": _players,
    "uptime": _uptime,
}
"""Checks of what statistics say."""
