"""Shows the log of the package on stderr, for ``-v``."""

from __future__ import annotations

import logging

from revvlink_cli.config.secrets_in_use import redact
from revvlink_cli.output.streams import write_error_line
from revvlink_cli.output.text import clean


class LogHandler(logging.Handler):
    """Writes each record as cleaned lines without secrets."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write the record."""
        text = record.getMessage()
        if record.exc_info:
            text = f"{text}\n{logging.Formatter().formatException(record.exc_info)}"
        for line in redact(text).splitlines() or [""]:
            write_error_line(f"{record.levelname.lower()}: {clean(line)}")
