"""What people type: an operation's input, and durations."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from ringback.errors import ConfigurationError

_PAIR = re.compile(r"([A-Za-z_][\w.-]*)=(.*)", re.DOTALL)
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*([smhdw]?)")
_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


def read_input(arguments: Sequence[str]) -> bytes:
    """JSON from ``{…}``, ``@file``, ``-`` for standard input, or ``key=value`` pairs.

    A pair's value is JSON where it reads as JSON, else text: ``n=3``, ``name=Ada``,
    ``tags='["a"]'``, and ``code='"007"'`` for text that looks like a number.
    Raises ``ConfigurationError``.
    """
    if not arguments:
        return b"{}"
    first = arguments[0]
    if len(arguments) == 1 and not _PAIR.fullmatch(first):
        if first == "-":
            return _checked(sys.stdin.buffer.read(), "standard input")
        if first.startswith("@"):
            return _checked(_file(Path(first[1:])), first[1:])
        return _checked(first.encode(), "the input")
    fields: dict[str, Any] = {}
    for argument in arguments:
        pair = _PAIR.fullmatch(argument)
        if pair is None:
            raise ConfigurationError(
                f"{argument!r} is no key=value pair. Give pairs, or one JSON value in quotes: "
                """'{"n": 3}', @file, or - for standard input."""
            )
        if pair[1] in fields:
            raise ConfigurationError(f"{pair[1]} is given twice.")
        fields[pair[1]] = _value(pair[2])
    return msgspec.json.encode(fields)


def _value(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text


def _file(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"The input file {path}: {error.strerror}.") from None


def _checked(data: bytes, name: str) -> bytes:
    if not data.strip():
        raise ConfigurationError(f"There is nothing in {name}; for no input at all, leave it out.")
    try:
        msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"{name[0].upper()}{name[1:]} is not JSON: {error}. Text needs double quotes; or give "
            "key=value pairs, @file, or - for standard input."
        ) from None
    return data


def duration(text: str) -> float:
    """Seconds from ``90``, ``90s``, ``30m``, ``1h``, ``7d``. Raises ``ConfigurationError``."""
    match = _DURATION.fullmatch(text.strip())
    if match is None or float(match[1]) <= 0:
        raise ConfigurationError(f"{text!r} is no duration: write 90s, 30m, 1h, 7d or 2w.")
    return float(match[1]) * _UNITS[match[2]]
