"""Shell completion: the candidates for ``revvlink <TAB>``.

The script of a shell, see `commands.completion`, calls ``revvlink`` with `VARIABLE` set to the name of the shell. Its
argument is the line up to the cursor. The answer is ``files`` to complete file names, or one candidate per line, with
its help after a tab.

    python -m revvlink_cli.cli.completion FOLDER    writes the scripts
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from revvlink_cli._shell import for_powershell
from revvlink_cli.output.streams import Output
from revvlink_cli.output.text import clean

if TYPE_CHECKING:
    from collections.abc import Sequence

VARIABLE = "_REVVLINK_COMPLETE"
"""Environment variable that requests candidates instead of a command."""


def answer(shell: str, arguments: Sequence[str]) -> None:
    """Print the candidates for the line in the last argument, in the form that `shell` reads."""
    line = arguments[-1] if arguments else ""
    lines = candidates(line)
    if lines != ["files"]:
        match shell:
            case "bash":
                lines = _for_bash(lines, arguments[0] if len(arguments) > 1 else "", line)
            case "zsh":
                lines = [_for_zsh(candidate) for candidate in lines]
            case "powershell":
                lines = [_for_powershell(_option_in(line) + candidate) for candidate in lines]
            case _:
                lines = [_option_in(line) + candidate for candidate in lines]
    Output().write("".join(f"{candidate}\n" for candidate in lines))


def _option_in(line: str) -> str:
    """``--name=`` if the last word begins with it: most shells replace the whole word."""
    word = line.rsplit(maxsplit=1)[-1] if line.split() and not line[-1:].isspace() else ""
    return word.partition("=")[0] + "=" if word.startswith("--") and "=" in word else ""


def candidates(line: str) -> list[str]:
    """The candidates at the end of a line, each with its help after a tab; or only ``files``."""
    import typer

    from revvlink_cli.cli.app import app
    from revvlink_cli.commands.shared.command import Options
    from revvlink_cli.commands.shared.typer_adapter import ShellComplete, split_arg_string
    from revvlink_cli.commands.shared.values import FILES

    words = split_arg_string(line)[1:]
    incomplete = "" if not words or line[-1:].isspace() else words.pop()

    class Resolver(ShellComplete):
        """Typer's completion, which finds the command and the parameter at the end of the line."""

        name = "revvlink"
        source_template = ""

        def source_vars(self) -> dict[str, Any]:
            return {}

        def get_completion_args(self) -> tuple[list[str], str]:
            return words, incomplete

        def format_completion(self, item: Any) -> str:
            return str(item.value)

    root = typer.main.get_command(app)
    try:
        found = Resolver(root, {"obj": Options()}, "revvlink", VARIABLE).get_completions(words, incomplete)
    except Exception:  # noqa: BLE001 - a wrong line has no candidates, and a prompt must not show errors
        return []
    if any(str(item.value).endswith(FILES) or item.type in ("file", "dir") for item in found):
        return ["files"]
    values = [item for item in found if str(item.value).startswith(incomplete.rpartition("=")[2])]
    return [clean(str(item.value)) + (f"\t{clean(item.help)}" if item.help else "") for item in values]


def _for_bash(lines: Sequence[str], breaks: str, line: str) -> list[str]:
    """Bash shows no help. It wants candidates quoted, and only the part after its last word break."""
    import shlex

    option = _option_in(line)
    word = "" if option or line[-1:].isspace() or not line.split() else line.rsplit(maxsplit=1)[-1]
    cut = word.rfind(":") + 1 if ":" in breaks else 0
    prefix = "" if "=" in breaks else option
    return [prefix + shlex.quote(candidate.partition("\t")[0][cut:]) for candidate in lines]


def _for_zsh(line: str) -> str:
    """Zsh separates value and help with a colon."""
    value, _, help_text = line.partition("\t")
    escaped = value.replace("\\", "\\\\").replace(":", "\\:")
    return f"{escaped}:{help_text}" if help_text else escaped


def _for_powershell(line: str) -> str:
    """PowerShell inserts text unchanged, so the quoted form comes before the displayed one."""
    value = line.partition("\t")[0]
    return f"{for_powershell(value)}\t{line}"


def main(folder: str) -> None:
    """Write the scripts."""
    from revvlink_cli.commands.completion import SCRIPTS

    for script in SCRIPTS.values():
        (Path(folder) / script.name).write_text(script.text, encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
