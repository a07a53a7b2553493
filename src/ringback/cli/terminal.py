"""Standard output and standard error: text, colour, JSON.

Results go to standard output, everything else to standard error. What a server or a task says
is shown without control characters, which could do to a terminal what they like.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

import msgspec

STYLES = {
    "bold": "1",
    "dim": "2",
    "red": "31",
    "green": "32",
    "yellow": "33",
    "blue": "34",
    "cyan": "36",
}
UNBOUNDED = 10_000
"""Columns, where nobody looks and nothing is to be cut off."""


class NobodyReads(Exception):
    """Whoever read our output has seen enough and went away."""


def out(text: str = "") -> None:
    """A line on standard output, at once. Raises ``NobodyReads``."""
    try:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        raise NobodyReads from None


def note(text: str) -> None:
    """A line on standard error."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def out_json(value: Any) -> None:
    """One document on standard output; indented for a person, on one line for a program."""
    encoded = msgspec.json.encode(value)
    if sys.stdout.isatty():
        encoded = msgspec.json.format(encoded, indent=2)
    out(encoded.decode())


def out_json_line(value: Any) -> None:
    """One line of JSON on standard output."""
    out(msgspec.json.encode(value).decode())


def coloured(stream: IO[str]) -> bool:
    """Whether colour is wanted there (https://no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def styled(text: str, style: str, stream: IO[str] | None = None) -> str:
    """Text in a style, where the stream (standard output, if none is given) shows any."""
    if not style or not coloured(stream or sys.stdout):
        return text
    codes = ";".join(STYLES[name] for name in style.split())
    return f"\x1b[{codes}m{text}\x1b[0m"


def width() -> int:
    """Columns of standard output; as many as one likes where it is no terminal."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else UNBOUNDED


@contextmanager
def without_echo() -> Iterator[None]:
    """Keep what is typed, the ^C too, from being written into what stands on the terminal."""
    if sys.platform == "win32" or not _owns_terminal():
        yield
        return
    import termios

    stream = sys.stdin.fileno()
    before = termios.tcgetattr(stream)
    quiet = [*before[:3], before[3] & ~termios.ECHO, *before[4:]]
    termios.tcsetattr(stream, termios.TCSANOW, quiet)
    try:
        yield
    finally:
        termios.tcsetattr(stream, termios.TCSANOW, before)


def _owns_terminal() -> bool:
    """Whether we may set the terminal: a job in the background would be stopped for it."""
    try:
        return os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()
    except (OSError, ValueError):
        return False


def clean(text: str) -> str:
    """Text without control characters but for line ends."""
    return "".join(
        c if c.isprintable() or c in "\n\t" else "\N{REPLACEMENT CHARACTER}" for c in text
    )


def one_line(text: str) -> str:
    """The same, on one line."""
    return " ".join(clean(text).split())


def indented_json(value: bytes) -> str:
    """JSON as people read it."""
    return clean(msgspec.json.format(value, indent=2).decode())
