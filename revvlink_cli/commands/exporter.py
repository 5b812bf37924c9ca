"""``revvlink exporter``: the nodes for Prometheus."""

from __future__ import annotations

import errno
import os
import re
from dataclasses import dataclass
from pathlib import Path  # noqa: TC003 - Typer reads it
from typing import TYPE_CHECKING, Annotated

import typer

from revvlink_cli._shell import list_listeners
from revvlink_cli.commands.shared import check_options, node_selection
from revvlink_cli.commands.shared.command import Rows, command, make_app, options_of
from revvlink_cli.commands.shared.options import Nodes, Region, Tags
from revvlink_cli.config.silences import SilenceWatch
from revvlink_cli.output import diagnostics
from revvlink_cli.output.result import CommandError, ExitCode, Failure, Kind, Stream, column

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from revvlink_cli.commands.shared.command import Options
    from revvlink_cli.config.settings import Settings
    from revvlink_cli.config.web_config import WebConfig
    from revvlink_cli.services.exporter import Plan
    from revvlink_cli.services.status_page import PagePlan, PageSetup

app = make_app()

_MOST_NAMED = 5
"""Nodes that the note about what is served names."""

LISTEN = "127.0.0.1:9870"
"""The default address."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExporterRow:
    """Where the exporter listens, and then a row whenever the configuration has been read again."""

    url: str = column("URL")
    nodes: int = column("NODES", Kind.COUNT)
    message: str | None = column("MESSAGE", wraps=True)


@command(app, prints=lambda: {"": Rows(ExporterRow)}, examples=("revvlink exporter --listen 127.0.0.1:9530",))
def exporter(
    ctx: typer.Context,
    nodes: Nodes = None,
    tag: Tags = None,
    region: Region = None,
    listen: Annotated[
        str, typer.Option("--listen", metavar="HOST:PORT", help="Where to listen; :PORT is every address, port 0 any.")
    ] = LISTEN,
    web_config_file: Annotated[
        Path | None,
        typer.Option(
            "--web.config.file",
            metavar="FILE",
            help="TLS, users and headers, in the format of Prometheus' exporter-toolkit.",
        ),
    ] = None,
    page: Annotated[
        bool | None, typer.Option("--page/--no-page", help="Serve a status page for people at /status, or do not.")
    ] = None,
    checks_only: Annotated[
        bool, typer.Option("--check", help="Read the configuration and the web configuration, then exit.")
    ] = False,
) -> Stream:
    """Serve metrics of the nodes to Prometheus.

    It runs until interrupted; SIGTERM ends it with exit code 0. /metrics has the fleet, which is kept connected;
    /probe?target=NODE checks one node from the beginning, within the time that the scrape has. On SIGHUP, or POST to
    /-/reload, the configuration is read again. --timeout is for single nodes and probes.
    """
    options = options_of(ctx)
    host, port = _address(listen)
    choose = node_selection.make_chooser(options, nodes, tag, region)

    def read_plan() -> tuple[Plan, Settings]:
        settings = node_selection.load_settings(options, for_verdict=True)
        chosen = choose(settings)
        policy = check_options.build_policy(settings, chosen, options.usage_exit_code)
        web = _web_config(web_config_file, options)
        silences = SilenceWatch(settings.silences_file, _warn)
        from revvlink_cli.services.exporter import Plan  # slow, so a wrong configuration is reported before

        rules = settings.alert.rules()
        plan = Plan(chosen, policy, settings.regions, settings.play, web, silences, _page_plan(settings), rules)
        return plan, settings

    plan, settings = read_plan()
    if checks_only:
        return Stream(ExporterRow, _checked(plan))

    def read_again() -> Plan:
        from revvlink_cli.services.exporter import ReloadError

        try:
            return read_plan()[0]
        except CommandError as error:
            raise ReloadError(error.failures[0].message) from None

    async def items() -> AsyncGenerator[ExporterRow, None]:
        import asyncio
        import signal
        import sys

        from revvlink_cli.services.exporter import ExporterControl, serving

        control = ExporterControl()
        setup = _page_setup(settings) if (settings.page.enabled if page is None else page) else None
        try:
            async with serving(
                plan,
                host,
                port,
                timeout=options.timeout,
                reload=read_again,
                control=control,
                complain=_warn,
                page=setup,
            ) as served:
                loop = asyncio.get_running_loop()
                if sys.platform == "win32":  # services and closed consoles end by Ctrl-Break
                    signal.signal(signal.SIGBREAK, lambda *_: loop.call_soon_threadsafe(control.stop))
                else:
                    loop.add_signal_handler(signal.SIGHUP, control.hang_up)
                    loop.add_signal_handler(signal.SIGTERM, control.stop)  # how services end
                if not options.quiet:
                    names = [entry.identifier for entry in plan.chosen]
                    diagnostics.notes([_served(served.url, names, settings.context, has_page=setup is not None)])
                yield ExporterRow(url=served.url, nodes=served.nodes, message=None)
                async for trouble in served.reloads():
                    message = "configuration read again" if trouble is None else f"as before: {trouble}"
                    yield ExporterRow(url=served.url, nodes=served.nodes, message=message)
        except OSError as error:
            raise CommandError(_not_listening(error, listen, port), exit_code=ExitCode.FAILED) from None

    return Stream(ExporterRow, items(), is_service=True)


async def _checked(plan: Plan) -> AsyncGenerator[ExporterRow, None]:
    """The only row of ``--check``; a mistake has ended the command before."""
    yield ExporterRow(url="", nodes=len(plan.chosen), message="the configuration can be used")


def _web_config(path: Path | None, options: Options) -> WebConfig | None:
    """The web configuration, None without one.

    Raises:
        CommandError: It cannot be used; every mistake is reported.
    """
    if path is None:
        return None
    from revvlink_cli.config.problems import ConfigError
    from revvlink_cli.config.web_config import load_web_config

    try:
        return load_web_config(path)
    except ConfigError as error:
        raise node_selection.config_failure(error, options) from None


def _page_plan(settings: Settings) -> PagePlan:
    """What the status page shows."""
    from revvlink_cli.services.status_page import TITLE, PagePlan

    usual = f"{TITLE} of {settings.context}" if settings.context is not None else TITLE
    return PagePlan(settings.page.title or usual, settings.page.public)


def _page_setup(settings: Settings) -> PageSetup:
    """The history of the status page, and how it is drawn."""
    from revvlink_cli.output.badges import fleet_badge, node_badge
    from revvlink_cli.output.status_json import status_json
    from revvlink_cli.output.status_page import POLICY, status_page
    from revvlink_cli.services.history import history_path
    from revvlink_cli.services.status_page import PageRenderers, PageSetup

    renderers = PageRenderers(status_page, status_json, node_badge, fleet_badge, POLICY)
    return PageSetup(settings.page.history or history_path(settings.context, settings.source.path), renderers)


def _served(url: str, names: list[str], context: str | None, *, has_page: bool) -> str:
    """What is served, and how it ends, for the person who starts the exporter."""
    from urllib.parse import quote

    some = ", ".join(names[:_MOST_NAMED])
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    fleet = f" of {context}" if context is not None else ""
    paths = f"/metrics, /probe?target={quote(names[0], safe='')}, /-/healthy{', /status' if has_page else ''}"
    return f"serving {some}{more}{fleet} at {url} ({paths}); Ctrl-C ends it"


def _warn(text: str) -> None:
    diagnostics.warnings([text])


def _address(text: str) -> tuple[str, int]:
    found = re.fullmatch(r"(?:\[([0-9A-Fa-f:.%\w]+)\]|([^:\[\]\s]*)):([0-9]{1,5})", text)
    if found is None or int(found[3]) > 65_535:
        raise typer.BadParameter(
            f"{text!r} is not an address to listen on: write HOST:PORT, such as {LISTEN} or [::1]:9870",
            param_hint="--listen",
        )
    return found[1] or found[2] or "", int(found[3])


def _not_listening(error: OSError, listen: str, port: int) -> Failure:
    if error.errno == errno.EADDRINUSE:
        hint = f"ask `{list_listeners(port)}` who listens there, or name another with --listen"
        return Failure("address_taken", f"{listen} is taken by another program", hint=hint)
    reason = os.strerror(error.errno) if error.errno is not None and error.errno > 0 else str(error)
    return Failure("cannot_listen", f"cannot listen on {listen}: {reason}", hint="name another with --listen")
