"""Writes the picture of the README as SVG: the status table of a real run on the simulated fleet.

python docs/picture.py
"""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

COMMAND = ("nodes", "status")


def main() -> None:
    """Run the command and write ``status.svg`` beside this file."""
    environment = {**os.environ, "FORCE_COLOR": "1", "COLUMNS": "116"}
    shown = subprocess.run(  # noqa: S603 - runs this program
        [sys.executable, "-m", "revvlink_cli", "demo", "--", *COMMAND, "--output", "table"],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        env=environment,
    ).stdout
    console = Console(record=True, width=116, file=io.StringIO(), force_terminal=True)
    console.print(Text.assemble(("$ ", "bold green"), f"revvlink {' '.join(COMMAND)}"))
    console.print(Text.from_ansi(shown.rstrip("\n")))
    picture = console.export_svg(title="revvlink")
    picture = re.sub(r"@font-face \{.*?\}\s*", "", picture, flags=re.DOTALL)  # the viewer's font is enough
    (Path(__file__).parent / "status.svg").write_text(picture, encoding="utf-8")


if __name__ == "__main__":
    main()
