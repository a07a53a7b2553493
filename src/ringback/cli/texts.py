"""Files on standard output: as they would be written to one."""

from __future__ import annotations

import sys

from ringback.cli.terminal import NobodyReads


def write_text(text: str) -> None:
    """As UTF-8 with line feeds, whatever the terminal or Windows would have. Raises
    ``NobodyReads``.
    """
    try:
        sys.stdout.buffer.write(text.encode())
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        raise NobodyReads from None
