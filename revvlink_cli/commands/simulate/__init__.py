"""``revvlink simulate``: simulated nodes for bots and tests."""

from __future__ import annotations

from revvlink_cli.commands.shared.command import make_group

app = make_group("revvlink_cli.commands.simulate", {"run": "run", "record": "record", "ctl": "ctl"}, default="run")
