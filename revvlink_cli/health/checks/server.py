"""Checks of what a node is: its version, what it has loaded, whether it can speak to Discord."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from revvlink_cli.client.errors import Code
from revvlink_cli.health.checks.context import NodeCheck, NodeChecks
from revvlink_cli.health.failure_codes import FailureCode
from revvlink_cli.health.findings import Skipped, Verdict
from revvlink_cli.health.ranges import Unit
from revvlink_cli.health.versions import Version
from revvlink_cli.health.voice import advice_without_dave, voice_ability

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from revvlink_cli.client.protocol.models import NodeInfo
    from revvlink_cli.health.checks.context import CheckContext
    from revvlink_cli.health.findings import Finding, Outcome
    from revvlink_cli.health.plugin_requirements import PluginRequirement


def _version(context: CheckContext) -> Sequence[Outcome]:
    node, wanted = context.node, context.requirements.min_version
    info = node.info
    if info is None:
        why = str(node.error or "sent no information about itself")
        verdict = Verdict.WARNING if wanted is None else Verdict.UNKNOWN
        return (context.finding("version", why, verdict, code=str(Code.BAD_ANSWER)),)
    server = str(node.dialect or "v4 server")
    shown = f"{server} {info.version}".rstrip()
    facts = (
        ("server", server),
        ("version", info.version),
        ("runtime", info.runtime or ""),
        ("lavaplayer", info.lavaplayer or ""),
    )
    finding = context.finding("version", shown, facts=facts)
    if wanted is None or server == "NodeLink":
        return (finding,)
    have = _comparable(info.version)
    if have is None:
        why = "it is a development build" if info.version else "it does not report its version"
        message = f"{shown} cannot be compared with the required {wanted}: {why}"
        return (replace(finding, verdict=Verdict.UNKNOWN, message=message, code="no_figure"),)
    if have < wanted:
        message, hint = f"{shown} is older than the required {wanted}", "update the node"
        return (replace(finding, verdict=Verdict.CRITICAL, message=message, code="too_old", hint=hint),)
    return (replace(finding, message=f"{shown}, {wanted} or newer as required"),)


def _comparable(version: str) -> Version | None:
    """The version of a server; None for a development build, which has a commit in its place."""
    try:
        return Version(version) if "." in version else None
    except ValueError:
        return None


def _info(context: CheckContext) -> Sequence[Outcome]:
    info, requirements = context.node.info, context.requirements
    if info is None:
        what = "the node sent no information about itself"
        if not (requirements.sources or requirements.plugins or requirements.filters):
            return (Skipped(context.node.identifier, "info", what, "version"),)
        message = f"{what}, so it is unknown whether it has what is required"
        return (context.finding("info", message, Verdict.UNKNOWN, code="no_figure", hint="read the node's log"),)
    required = (
        ("source", requirements.sources, info.sources),
        ("plugin", [plugin.name for plugin in requirements.plugins], tuple(plugin.name for plugin in info.plugins)),
        ("filter", requirements.filters, info.filters),
    )
    sources = (context.figure("info", "sources", len(info.sources), Unit.COUNT),) if info.sources is not None else ()
    missing = [_missing(kind, wanted, there) for kind, wanted, there in required]
    lacking = [what for what in missing if what]
    if lacking:
        what = "; ".join(lacking)
        hint = "enable it on the node"
        return (context.finding("info", what, Verdict.CRITICAL, code="missing", hint=hint, figures=sources),)
    refused = [_unmet(wanted, info) for wanted in requirements.plugins]
    wrong = [what for verdict, what in refused if verdict is Verdict.CRITICAL]
    if wrong:
        hint = "install the required version on the node"
        return (context.finding("info", "; ".join(wrong), Verdict.CRITICAL, code="plugin_version", hint=hint),)
    silent = [kind for kind, wanted, there in required if wanted and there is None]
    if silent:
        message = f"the node does not report its {silent[0]}s, and some are required"
        return (context.finding("info", message, Verdict.UNKNOWN, code="no_figure"),)
    unread = [what for verdict, what in refused if verdict is Verdict.UNKNOWN]
    if unread:
        hint = "install a release of the plugin, or require it without a version"
        return (context.finding("info", "; ".join(unread), Verdict.UNKNOWN, code="no_figure", hint=hint),)
    asked = sum(len(wanted) for _, wanted, _ in required)
    message = f"{_what_is_there(info)}{', all that is required' if asked else ''}"
    finding = context.finding("info", message, figures=sources)
    if finding.verdict is Verdict.OK:
        return (finding,)
    hint = "enable sources in the node's configuration, or install a plugin that has some"
    if not info.sources:
        return (replace(finding, message="it has no source, so it loads no track", code="no_sources", hint=hint),)
    return (replace(finding, hint=hint),)


def _unmet(wanted: PluginRequirement, info: NodeInfo) -> tuple[Verdict, str]:
    """The verdict on the version of a plugin that the node has, and what is wrong with it."""
    versions = [plugin.version for plugin in info.plugins if plugin.name.casefold() == wanted.name.casefold()]
    answers = [wanted.allows(version) for version in versions]
    if True in answers:
        return Verdict.OK, ""
    if None in answers:
        version = versions[answers.index(None)]
        shown = f"has the version {version}, which" if version else "does not report its version, which"
        return Verdict.UNKNOWN, f"the plugin {wanted.name} {shown} cannot be compared with {wanted.specifiers}"
    return Verdict.CRITICAL, f"the plugin {wanted.name} has the version {versions[0]}, not {wanted.specifiers}"


def _missing(kind: str, wanted: Sequence[str], there: Collection[str] | None) -> str:
    if there is None or not wanted:
        return ""
    known = {name.casefold() for name in there}
    gone = [name for name in wanted if name.casefold() not in known]
    return f"lacks the {kind}{'s' if len(gone) > 1 else ''} {', '.join(gone)}" if gone else ""


def _what_is_there(info: NodeInfo) -> str:
    counts = (("source", info.sources), ("filter", info.filters), ("plugin", info.plugins))
    return ", ".join(
        f"{len(there)} {kind}{'' if len(there) == 1 else 's'}" for kind, there in counts if there is not None
    )


def _voice(context: CheckContext) -> Sequence[Outcome]:
    offered = [played.dave_version for played in context.played if played.dave_version is not None]
    if offered:
        return (_measured_voice(context, min(offered)),)
    ability = voice_ability(context.node.info, context.node.dialect)
    if ability.speaks_dave:
        return (context.finding("voice", ability.reason),)
    if ability.speaks_dave is None:
        what = f"whether it speaks DAVE is not known: {ability.reason}"
        hint = "measure it with `revvlink play --listen`"
        return (context.finding("voice", what, Verdict.WARNING, code="no_figure", hint=hint),)
    return (_without_dave(context, ability.reason),)


def _measured_voice(context: CheckContext, offered: int) -> Finding:
    """What the node itself offered to a voice server says more than its version."""
    if offered:
        return context.finding("voice", f"it offered DAVE version {offered}")
    return _without_dave(context, "it offered no DAVE")


def _without_dave(context: CheckContext, reason: str) -> Finding:
    what = f"{reason}, and Discord closes its voice connections (4017): users hear nothing"
    hint = advice_without_dave(voice_ability(context.node.info, context.node.dialect))
    return context.finding("voice", what, Verdict.CRITICAL, code=str(FailureCode.VOICE_DAVE_REQUIRED), hint=hint)


CHECKS: NodeChecks = {
    "version": NodeCheck(_version),
    "info": NodeCheck(_info),
    "voice": NodeCheck(_voice),
}
