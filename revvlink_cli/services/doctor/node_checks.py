"""Checkups of the nodes and of the network between them and this machine."""

from __future__ import annotations

import asyncio
import statistics
import time
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from revvlink_cli.client.connection.connector import Resolver
from revvlink_cli.health.findings import Finding, Verdict
from revvlink_cli.services.doctor.context import Diagnosis, DoctorContext, Finder, Found, NodeReport, State

if TYPE_CHECKING:
    from collections.abc import Mapping

    from revvlink_cli.health.fleet import Report

SLOW_NAME = 1.0
"""Seconds after which a name server counts as slow."""

SKEW = 5.0
"""Seconds by which clocks may differ: an HTTP date has whole seconds, and the answer takes time to arrive."""


async def names(context: DoctorContext) -> Found:
    """Whether the hosts of the nodes resolve, and how fast."""
    find = Finder("names")
    settings = context.settings
    if settings is None:
        return find.skip("there is no configuration")
    hosts = dict.fromkeys(urlsplit(entry.uri).hostname or "" for entry in settings.nodes)
    return list(await asyncio.gather(*(_name(find, host, context.timeout) for host in hosts)))


async def _name(find: Finder, host: str, timeout: float) -> Diagnosis:
    begun = time.monotonic()
    fix = "check the host in uri, and this machine's DNS"
    try:
        async with asyncio.timeout(timeout):
            answers = await Resolver().resolve(host, 0)
    except TimeoutError:
        return find.fail(f"no name server answered within {timeout:g} s", fix, host)
    except OSError as error:
        return find.fail(f"cannot be resolved: {error}", fix, host)
    took = time.monotonic() - begun
    count = len({answer["host"] for answer in answers})
    message = f"{count} address{'' if count == 1 else 'es'} in {took * 1000:.0f} ms"
    if took > SLOW_NAME:
        return find.warn(message, "the name server is slow: check this machine's DNS", host)
    return find.ok(message, host)


async def proxies(context: DoctorContext) -> Found:
    """Whether the configured proxies accept connections, and which nodes use those of the environment."""
    find = Finder("proxies")
    settings = context.settings
    if settings is None:
        return find.skip("there is no configuration")
    named = [name for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy")
             if context.environment.get(name)]  # fmt: skip
    followers = [entry.identifier for entry in settings.nodes if entry.values.get("trust_env")]
    found: Found = []
    if named and followers:
        found.append(find.ok(f"{', '.join(named)} apply to {', '.join(followers)}"))
    elif named:
        found.append(find.ok(f"{', '.join(named)} are set but not used: no node has trust_env"))
    proxies = {entry.values["proxy"] for entry in settings.nodes if entry.values.get("proxy")}
    for proxy in sorted(proxies):
        parts = urlsplit(proxy)
        where = f"{parts.hostname}:{parts.port or 80}"
        try:
            async with asyncio.timeout(context.timeout):
                _, writer = await asyncio.open_connection(parts.hostname, parts.port or 80)
                writer.close()
                await writer.wait_closed()
        except (OSError, TimeoutError):
            found.append(find.fail("does not accept connections", "start the proxy, or correct proxy", where))
        else:
            found.append(find.ok("accepts connections", where))
    return found or [find.ok("there are none")]


async def nodes(context: DoctorContext) -> Found:
    """The checks of each node, as `check` runs them, without canaries."""
    find = Finder("nodes")
    answer = await context.node_report()
    return _found_of(find, answer.report) if isinstance(answer, NodeReport) else find.skip(answer)


async def clocks(context: DoctorContext) -> Found:
    """Whether the clocks of this machine and of the nodes agree."""
    find = Finder("clocks")
    answer = await context.node_report()
    return compare_clocks(find, answer.clock_offsets) if isinstance(answer, NodeReport) else find.skip(answer)


def _found_of(find: Finder, report: Report) -> Found:
    states = {Verdict.OK: State.OK, Verdict.WARNING: State.WARNING, Verdict.UNKNOWN: State.FAILED,
              Verdict.CRITICAL: State.FAILED}  # fmt: skip
    by_node: dict[str | None, list[Finding]] = {}
    for finding in report.findings:
        by_node.setdefault(finding.node, []).append(finding)
    found: Found = []
    for node, findings in by_node.items():
        bad = [finding for finding in findings if finding.verdict is not Verdict.OK]
        for finding in bad:
            fix = finding.hint or "read the node's log"
            message = f"{finding.check}: {finding.message}"
            found.append(Diagnosis(find.name, node or "fleet", states[finding.verdict], message, fix))
        if not bad:
            passed = ", ".join(dict.fromkeys(finding.check for finding in findings))
            found.append(find.ok(passed, node or "fleet"))
    return found


def compare_clocks(find: Finder, offsets: Mapping[str, float]) -> Found:
    """The diagnoses of clock offsets, in seconds by node."""
    if not offsets:
        return find.skip("no node sends its time")
    fix = "let NTP set it: see `timedatectl`"
    wrong = {name: by for name, by in offsets.items() if abs(by) > SKEW}
    for side in ([by for by in wrong.values() if by > 0], [by for by in wrong.values() if by < 0]):
        if 1 < len(side) > len(offsets) / 2:  # a single node may be as wrong as this machine
            by = abs(statistics.median(side))
            return [find.warn(f"this machine's clock differs from those of most nodes by {by:.0f} s", fix)]
    if not wrong:
        return [find.ok(f"agrees with {len(offsets)} node{'' if len(offsets) == 1 else 's'} to within {SKEW:g} s")]
    return [
        find.warn(f"its clock and this machine's differ by {abs(by):.0f} s", fix, name) for name, by in wrong.items()
    ]
