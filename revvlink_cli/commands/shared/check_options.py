"""The options that set the requirements of checks; they override the configuration."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from revvlink_cli.commands.shared.values import seconds
from revvlink_cli.output.result import CommandError, Failure

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from revvlink_cli.client.settings import NodeSettings
    from revvlink_cli.config.settings import NodeEntry, Settings
    from revvlink_cli.health.policy import Policy, Requirements


def _codes(incomplete: str) -> list[tuple[str, str]]:
    from revvlink_cli.health.catalogue import CHECKS

    return [(check.code, check.what) for check in CHECKS if check.code.startswith(incomplete)]


def _judged(incomplete: str) -> list[tuple[str, str]]:
    from revvlink_cli.health.catalogue import CHECKS

    return [(f"{check.code}=", check.figure) for check in CHECKS if check.figure and check.code.startswith(incomplete)]


Warnings = Annotated[
    list[str] | None,
    typer.Option(
        "--warning", "-w", metavar="CHECK=RANGE", help="Warn when the check's figure is out of this range.",
        autocompletion=_judged,
    ),
]  # fmt: skip
Criticals = Annotated[
    list[str] | None,
    typer.Option(
        "--critical", "-c", metavar="CHECK=RANGE", help="Be critical when the check's figure is out of this range.",
        autocompletion=_judged,
    ),
]  # fmt: skip
Skips = Annotated[
    list[str] | None,
    typer.Option("--skip", metavar="CHECK", help="Leave out a check, or a stage; may be given more than once.",
                 autocompletion=_codes),
]  # fmt: skip
Onlys = Annotated[
    list[str] | None,
    typer.Option("--only", metavar="CHECK", help="Report these checks, or stages, only.", autocompletion=_codes),
]
MinVersion = Annotated[
    str | None, typer.Option("--min-version", metavar="VERSION", help="Oldest version that a Lavalink may have.")
]
Sources = Annotated[
    list[str] | None, typer.Option("--require-source", metavar="NAME", help="Source manager that must be on.")
]
Plugins = Annotated[
    list[str] | None,
    typer.Option(
        "--require-plugin", metavar="NAME[SPEC]", help="Plugin that must be loaded, such as 'youtube-plugin>=1.13'."
    ),
]
Filters = Annotated[list[str] | None, typer.Option("--require-filter", metavar="NAME", help="Filter that must be on.")]
YoutubeOauth = Annotated[
    bool, typer.Option("--require-youtube-oauth", help="Require the YouTube plugin to have an OAuth token.")
]
MaxLatency = Annotated[
    str | None,
    typer.Option("--max-latency", metavar="TIME", help="Longest time that loading a canary may take, such as 2s."),
]
Canaries = Annotated[
    list[str] | None,
    typer.Option(
        "--canary", metavar="QUERY", help="Query that must load, sent as it is: ytsearch:night, or an address."
    ),
]
Plays = Annotated[
    list[str] | None,
    typer.Option("--canary-play", metavar="QUERY", help="Query whose first track must play, see [play]."),
]
MinHealthy = Annotated[
    str | None,
    typer.Option("--min-healthy", metavar="N|N%", help="Nodes that must be healthy: while they are, what "
                 "fails on another is a WARNING."),
]  # fmt: skip
NoDefaults = Annotated[
    bool, typer.Option("--no-defaults", help="Show figures without the default thresholds; those that you set apply.")
]
MaxRestLatency = Annotated[
    str | None,
    typer.Option(
        "--max-rest-latency", metavar="TIME", help="Longest time that an answer over REST may take, such as 500ms."
    ),
]
UnknownOnTimeout = Annotated[
    bool,
    typer.Option("--unknown-on-timeout", help="Make a node that does not answer in time UNKNOWN, not CRITICAL."),
]


class CheckOptions(NamedTuple):
    """The requirements that the options set; None or empty for an option that is not given.

    Attributes:
        warning: By code of the check, its range; None takes a threshold away.
        critical: The same for critical ranges.
        changes: Other fields of `Requirements`, by name.
        only: Codes of the only checks to report.
        min_healthy: Nodes that must be healthy.
        limits_latency: Whether ``--max-latency`` made the critical range of the check ``load``.
        limits_rest: Whether ``--max-rest-latency`` made the critical range of the check ``rest``.
    """

    warning: Mapping[str, Any]
    critical: Mapping[str, Any]
    changes: Mapping[str, Any]
    only: frozenset[str]
    min_healthy: int | str | None
    limits_latency: bool = False
    limits_rest: bool = False

    @classmethod
    def of(
        cls,
        *,
        warning: Sequence[str] | None = None,
        critical: Sequence[str] | None = None,
        skip: Sequence[str] | None = None,
        only: Sequence[str] | None = None,
        min_version: str | None = None,
        sources: Sequence[str] | None = None,
        plugins: Sequence[str] | None = None,
        filters: Sequence[str] | None = None,
        canaries: Sequence[str] | None = None,
        plays: Sequence[str] | None = None,
        min_healthy: str | None = None,
        unknown_on_timeout: bool = False,
        youtube_oauth: bool = False,
        max_latency: str | None = None,
        max_rest_latency: str | None = None,
        no_defaults: bool = False,
    ) -> CheckOptions:
        """Read the options.

        Raises:
            typer.BadParameter: One of them cannot be read; the flag, the value and the accepted form are named.
        """
        from revvlink_cli.health.plugin_requirements import read_plugins
        from revvlink_cli.health.policy import read_codes, read_min_healthy, read_version

        criticals = _ranges("--critical", critical, only)
        for flag, code, longest in (
            ("--max-latency", "load", max_latency),
            ("--max-rest-latency", "rest", max_rest_latency),
        ):
            if longest is not None:
                if code in criticals:
                    raise typer.BadParameter(
                        f"and --critical {code}= set the same limit: keep one of them", param_hint=flag
                    )
                criticals = {**criticals, code: _latency(flag, code, longest)}
        if min_healthy is not None and any(value.startswith("quorum=") for value in critical or ()):
            raise typer.BadParameter(
                "and --critical quorum= set the same limit: keep one of them", param_hint="--min-healthy"
            )
        changes: dict[str, Any] = {}
        for flag, name, values in (
            ("--require-source", "sources", sources),
            ("--require-plugin", "plugins", plugins),
            ("--require-filter", "filters", filters),
            ("--canary", "canaries", canaries),
            ("--canary-play", "plays", plays),
        ):
            if not all(value.strip() for value in values or ()):  # such as a variable of a script that is not set
                raise typer.BadParameter("is empty: give a value, or leave it out", param_hint=flag)
            if values:
                changes[name] = _read(flag, read_plugins, values) if name == "plugins" else tuple(values)
        if no_defaults:
            changes["has_defaults"] = False
        if youtube_oauth:
            changes["youtube_oauth"] = True
        if unknown_on_timeout:
            changes["unknown_on_timeout"] = True
        if skip:
            changes["skip"] = _read("--skip", read_codes, skip)
        if min_version is not None:
            changes["min_version"] = _read("--min-version", read_version, min_version)
        return cls(
            _ranges("--warning", warning, only),
            MappingProxyType(criticals),
            MappingProxyType(changes),
            _read("--only", read_codes, only) if only else frozenset(),
            _read("--min-healthy", read_min_healthy, min_healthy) if min_healthy is not None else None,
            max_latency is not None,
            max_rest_latency is not None,
        )

    @property
    def fingerprint(self) -> str:
        """A text that is equal for options that set equal requirements."""
        changes = {name: value for name, value in self.changes.items() if name != "skip"}
        return repr((sorted(self.warning.items()), sorted(self.critical.items()), sorted(changes.items()),
                     self.min_healthy))  # fmt: skip

    def applied(self, policy: Policy) -> Policy:
        """Apply the options to a policy.

        Only the thresholds of the policy's own nodes and of the fleet can contradict an option.

        Raises:
            typer.BadParameter: A pair of thresholds makes no sense.
        """
        from revvlink_cli.health.catalogue import BY_CODE, NODE_CHECKS

        min_healthy = policy.min_healthy if "quorum" not in self.critical else None
        skipped = self.changes.get("skip", policy.common.skip)
        if self.only and self.only <= skipped:
            raise typer.BadParameter(f"{', '.join(sorted(self.only))}: left out by skip", param_hint="--only")
        canaries = self.changes.get("canaries") or [found for own in policy.nodes.values() for found in own.canaries]
        if self.limits_latency and not canaries:
            raise typer.BadParameter(
                "limits the time that canaries take to load, but there is no canary: add --canary",
                param_hint="--max-latency",
            )
        return replace(
            policy,
            common=self._over(policy.common, BY_CODE.keys() - set(NODE_CHECKS)),
            nodes=MappingProxyType({name: self._over(own, NODE_CHECKS) for name, own in policy.nodes.items()}),
            only=self.only,
            min_healthy=self.min_healthy if self.min_healthy is not None else min_healthy,
        )

    def _over(self, demands: Requirements, judged: Collection[str]) -> Requirements:
        from revvlink_cli.config.requirements import swapped, with_bounds

        defaults = self.changes.get("has_defaults", demands.has_defaults)
        bounds = with_bounds(demands.bounds, self.warning, self.critical, defaults=defaults)
        found = replace(demands, bounds=bounds, **self.changes)
        for code in swapped(found):
            if code not in judged:
                continue
            warning, critical = (limit.shown if limit is not None else "" for limit in found.bounds[code])
            flag = "--warning" if code in self.warning else "--critical"
            if flag == "--critical":
                flag = "--max-latency" if code == "load" and self.limits_latency else flag
                flag = "--max-rest-latency" if code == "rest" and self.limits_rest else flag
            raise typer.BadParameter(
                f"{code}: a warning at {warning} never appears, because all of it is critical at {critical}: "
                "exchange the two",
                param_hint=flag,
            )
        return found


def narrow_policy(policy: Policy, settings: Settings, entries: Sequence[NodeEntry]) -> Policy:
    """Limit a policy to some nodes. Requirements of the whole fleet do not apply to a part of it."""
    names = [entry.identifier for entry in entries]
    policy = replace(policy, nodes=MappingProxyType({name: policy.of(name) for name in names}))
    if len(entries) == len(settings.nodes):
        return policy
    left = {entry.identifier for entry in settings.nodes} - set(names)
    elsewhere = frozenset(entry.region or "" for entry in settings.nodes if entry.identifier in left)
    bounds = {code: bounds for code, bounds in policy.common.bounds.items() if code != "quorum"}
    common = replace(policy.common, bounds=MappingProxyType(bounds))
    return replace(policy, common=common, min_healthy=None, elsewhere=elsewhere)


def refuse_out_of_reach(
    policy: Policy, settings: Settings, nodes: int, usage_exit_code: int, flags: CheckOptions | None = None
) -> None:
    """Refuse a minimum of healthy nodes that is above the number of nodes.

    Raises:
        typer.BadParameter: An option sets it.
        CommandError: The configuration sets it.
    """
    found = policy.out_of_reach(nodes)
    if found is None:
        return
    key, wanted = found
    hint = "require fewer, or a share such as 50%"
    message = f"{wanted} healthy nodes are required, and there {'is' if nodes == 1 else 'are'} {nodes}"
    if flags is not None and (flags.min_healthy if key == "min_healthy" else flags.critical.get("quorum")):
        raise typer.BadParameter(f"{message}: {hint}", param_hint=f"--{key.replace('_', '-')}")
    origin = settings.origins.get(("check", key))
    where = f"{origin.text}:{origin.line}: " if origin is not None and origin.line is not None else ""
    name = "check.min_healthy" if key == "min_healthy" else f"check.{key}.quorum"
    raise CommandError(Failure("configuration", f"{where}{name}: {message}", hint=hint), exit_code=usage_exit_code)


def build_policy(settings: Settings, chosen: Sequence[NodeSettings], usage_exit_code: int) -> Policy:
    """Build the policy for some nodes of the configuration.

    Raises:
        CommandError: It requires more healthy nodes than there are.
    """
    names = {entry.identifier for entry in chosen}
    policy = narrow_policy(settings.policy, settings, [entry for entry in settings.nodes if entry.identifier in names])
    refuse_out_of_reach(policy, settings, len(chosen), usage_exit_code)
    return policy


def _read(flag: str, read: Callable[[Any], Any], value: Any) -> Any:
    try:
        return read(value)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=flag) from None


def _read_threshold(code: str, text: str) -> Any:
    """The range of a check, None to remove it."""
    from revvlink_cli.config.values import read_threshold

    try:
        return read_threshold(code, text)
    except ValueError as error:
        if "/" not in text:
            raise
        raise ValueError(f"{error}; quote the ~: the shell replaced it with your home folder") from None


def _latency(flag: str, code: str, text: str) -> Any:
    """The range of times up to this one, for a check."""
    from revvlink_cli.health.catalogue import read_range

    longest = seconds(text, flag)
    return read_range(code, f"{longest * 1000:.15g}ms" if longest < 1 else f"{longest:.15g}s")


def _ranges(flag: str, values: Sequence[str] | None, only: Sequence[str] | None) -> Mapping[str, Any]:
    """The ranges by the code of their check. A range alone is for the one check of ``--only``."""
    from revvlink_cli.health.policy import read_judged

    found: dict[str, Any] = {}
    for value in values or ():
        name, equals, text = value.partition("=")
        if not equals:
            if only is None or len(only) != 1:
                raise typer.BadParameter(
                    f"{value!r} is not CHECK=RANGE, such as cpu=90%; a range alone goes with one --only CHECK",
                    param_hint=flag,
                )
            name, text = only[0], value
        code = _read(flag, read_judged, name)
        found[code] = _read(flag, partial(_read_threshold, code), text)
    return MappingProxyType(found)
