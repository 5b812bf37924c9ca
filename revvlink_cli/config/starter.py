"""The configuration that `revvlink init` writes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from revvlink_cli.config.files import write_atomically
from revvlink_cli.config.locking import changing
from revvlink_cli.config.problems import ConfigError, Problem
from revvlink_cli.config.source import FILE_NAME, user_path
from revvlink_cli.config.trust import trust

if TYPE_CHECKING:
    from pathlib import Path

_NODE = {
    "identifier": "main",
    "uri": "http://127.0.0.1:2333",
    "password_env": "LAVALINK_PASSWORD",
    "region": "us",
}


def default_path() -> Path:
    """The user's own configuration file."""
    return user_path()


def starter_text() -> str:
    """A small configuration of one node, with the words to go on from there."""
    import tomli_w

    return (
        "# The nodes that revvlink manages. Every key: `revvlink config schema`, or docs/configuration.md.\n"
        "\n"
        "# [defaults]            # for every node; a node's own key wins\n"
        "# user_id = 170939974227541168\n"
        "# timeout = 5.0\n"
        "\n"
        "# One table a node. The password stays out of this file: set the variable,\n"
        '# or write password_file = "/run/secrets/lavalink" instead.\n'
        f"[[nodes]]\n{tomli_w.dumps(_NODE)}"
        f"\n{_thresholds_text()}\n{_damping_text()}"
    )


def _thresholds_text() -> str:
    """The default thresholds as comments, each with its reason."""
    from revvlink_cli.health.catalogue import CHECKS

    lines = [
        "# `revvlink check` and the exporter judge by these thresholds; they need no word in this file. Take a # away",
        '# to change one; "" switches it off. Each is the range of good values, see docs/monitoring.md.',
        "",
        "# [check]",
        "# defaults = true        # false: figures are judged by your own thresholds only",
        '# canaries = ["ytsearch:night"]  # each node loads these in every run; without one, no track is tried',
    ]
    for index, level in enumerate(("warning", "critical")):
        lines += ["", f"# [check.{level}]"]
        for check in CHECKS:
            limit = check.bounds[index]
            if limit is not None:
                setting = f'{check.code} = "{limit.text}"'
                lines.append(f"# {setting:<22} # {check.why}")
    return "\n".join([*lines, ""])


def _damping_text() -> str:
    """The default rules of damping as comments."""
    from revvlink_cli.config.schema import SECTIONS

    usual = {key.name: key.default for key in SECTIONS["alert"]}
    return (
        "# One bad run is not an outage: `check --notify`, the exporter and its page wait for the next one.\n"
        "\n"
        "# [alert]\n"
        f'# after = {usual["after"]}              # runs in a row that must find a problem; or a time, such as "5m"\n'
        f"# recover_after = {usual['recover_after']}      # the same for its end\n"
    )


def write_starter(path: Path, *, force: bool) -> Path:
    """Write the starter, readable by its owner alone.

    Args:
        path: The file, or a folder to put ``revvlink.toml`` into.
        force: Whether to replace a file.

    Returns:
        The file.

    Raises:
        ConfigError: There is a file already, or it cannot be written.
    """
    target = path / FILE_NAME if path.is_dir() else path
    text = starter_text()
    with changing(target):
        if target.exists() and not force:
            raise ConfigError([Problem("is there already", target, hint="keep it, or replace it with --force")])
        write_atomically(target, text)
        trust(target, text)
    return target
