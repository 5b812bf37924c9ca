"""The JSON that each command promises: `make schemas` writes it into the package, a test sees that it is true."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from revvlink_cli.commands import (
    cache,
    cache_transfer,
    check,
    config,
    connect,
    doctor,
    events,
    exporter,
    healthcheck,
    init,
    nodes,
    penalties,
    play,
    players,
    record,
    region,
    report,
    route,
    routeplanner,
    search_nodes,
    status,
    trackrows,
    wait,
)
from revvlink_cli.commands import help as help_
from revvlink_cli.output.schema import envelope_schema, record_schema, rows_schema
from revvlink_cli.output.verdicts import CheckRow

FOLDER = Path(__file__).parent.parent / "schemas"
"""Where the schemas lie: one file a command, spaces as hyphens."""


def schemas() -> dict[str, dict[str, Any]]:
    """Command -> JSON Schema of its envelope."""
    tracks = {"anyOf": [rows_schema(trackrows.TrackRow)]}
    regions = {"anyOf": [rows_schema(region.RegionRow), rows_schema(region.RouteRow)]}
    data: dict[str, dict[str, Any]] = {
        "cache clear": record_schema(cache.ClearRecord),
        "cache export": rows_schema(cache_transfer.ExportRow),
        "cache import": record_schema(cache_transfer.ImportRecord),
        "cache list": rows_schema(cache.EntryRow),
        "cache path": record_schema(cache.PathRecord),
        "cache show": record_schema(cache.CachedRecord),
        "cache stats": record_schema(cache.StatsRecord),
        "cache warm": rows_schema(cache_transfer.WarmRow),
        "check": {"anyOf": [rows_schema(CheckRow), rows_schema(check.CatalogueRow)]},
        "config path": record_schema(config.PathRecord),
        "config schema": {"type": "object"},
        "config show": rows_schema(config.SettingRow),
        "config trust": record_schema(config.TrustRecord),
        "config validate": record_schema(config.ValidRecord),
        "connect": rows_schema(connect.ConnectRow),
        "demo": {"type": "array", "items": {"type": "object"}},
        "doctor": {"anyOf": [rows_schema(doctor.DoctorRow), rows_schema(doctor.CheckupRow)]},
        "events": rows_schema(events.EventRow),
        "exporter": rows_schema(exporter.ExporterRow),
        "healthcheck": record_schema(healthcheck.HealthRecord),
        "help": record_schema(help_.HelpRecord),
        "init": record_schema(init.InitRecord),
        "nodes add": rows_schema(nodes.NodeRow),
        "nodes info": record_schema(nodes.InfoRecord),
        "nodes list": rows_schema(nodes.NodeRow),
        "nodes penalties": rows_schema(penalties.PenaltyRow),
        "nodes status": rows_schema(status.StatusRow),
        "play": rows_schema(play.PlayRow),
        "players destroy": record_schema(players.PlayerRow),
        "players list": rows_schema(players.PlayerRow),
        "players show": record_schema(players.PlayerRow),
        "record": record_schema(record.RecordRecord),
        "region": regions,
        "report": rows_schema(report.ReportRow),
        "route": {"anyOf": [rows_schema(region.RouteRow), rows_schema(route.ExplainRow)]},
        "routeplanner free": rows_schema(routeplanner.PlannerRow),
        "routeplanner status": rows_schema(routeplanner.PlannerRow),
        "search": {"anyOf": [rows_schema(trackrows.TrackRow), rows_schema(search_nodes.NodeLoadRow)]},
        "top": rows_schema(status.StatusTick),
        "track decode": tracks,
        "wait": rows_schema(wait.WaitRow),
    }
    return {command: envelope_schema(command, kind) for command, kind in data.items()}


def written() -> dict[str, str]:
    """File name -> text, as it should lie in `FOLDER`."""
    return {
        f"{command.replace(' ', '-')}.json": json.dumps(schema, indent=2) + "\n"
        for command, schema in schemas().items()
    }


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, text in written().items():
        (FOLDER / name).write_text(text, encoding="utf-8")
