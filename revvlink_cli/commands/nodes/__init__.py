"""``revvlink nodes``: what is configured, how it is doing, what each node is; and changes of the configured nodes."""

from __future__ import annotations

from revvlink_cli.commands.shared.command import make_group

app = make_group(
    "revvlink_cli.commands.nodes",
    {
        "list": "listing", "penalties": "penalties", "status": "status", "test": "test", "info": "info",
        "add": "add", "edit": "edit", "rename": "rename", "remove": "remove",
        "import": "transfer", "export": "transfer",
    },
)  # fmt: skip
