"""The logs of a serving or working process: lines on standard error."""

from __future__ import annotations

import logging
import os
import sys

from ringback.errors import ConfigurationError

LEVELS = ("debug", "info", "warning", "error")
DEFAULT_LEVEL = "info"
DIM, RESET = "\x1b[2m", "\x1b[0m"
COLOURS = {"WARNING": "\x1b[33m", "ERROR": "\x1b[31m", "CRITICAL": "\x1b[31m"}


class Lines(logging.Formatter):
    """Time, level, process and logger, then the message."""

    def __init__(self, *, colour: bool) -> None:
        super().__init__()
        self._colour = colour

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        name = record.name.removeprefix("ringback.")
        head = f"{self.formatTime(record, '%H:%M:%S')} {record.levelname:<7} {name}[{os.getpid()}]"
        if self._colour:
            head = f"{COLOURS.get(record.levelname, DIM)}{head}{RESET}"
        return f"{head} {record.message}"


def set_up(level: str) -> None:
    """Log to standard error, from ``level`` up. Raises ``ConfigurationError``."""
    if level not in LEVELS:
        raise ConfigurationError(f"--log-level is one of {', '.join(LEVELS)}.")
    stream = sys.stderr
    handler = logging.StreamHandler(stream)
    colour = stream.isatty() and "NO_COLOR" not in os.environ
    handler.setFormatter(Lines(colour=colour))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for chatty in ("uvicorn", "httpx", "httpcore", "asyncio"):
        # What they have to say at "info" we say ourselves; httpx would log whole URLs.
        logging.getLogger(chatty).setLevel(max(logging.WARNING, root.level))
