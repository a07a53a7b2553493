"""Events from outside: from patterns of handlers to patterns of EventBridge."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

MAX_PATTERN = 1800
"""Characters of one rule's types. EventBridge takes 2,048 of the whole pattern."""


OWN = "ringback."
"""Begins the source of events that an application of ours puts on a bus."""
STORED = "aws.s3.ObjectCreated:Put"
"""The type of the event that a file makes which nobody declared as an upload."""


def pattern(name: str, types: Sequence[Any]) -> dict[str, Any]:
    """What a rule looks for: these types, from anybody but the application.

    Its own events are on the bus for others; its handlers had them when they were emitted.
    """
    return {"source": [{"anything-but": f"{OWN}{name}"}], "detail-type": list(types)}


def topics(patterns: Sequence[str]) -> Iterator[list[Any]]:
    """Types for as few rules as there can be: an event that fits two rules comes twice."""
    chunk: list[Any] = []
    length = 0
    for each in patterns:
        found = event_type(each)
        size = len(json.dumps(found)) + len(", ")
        if chunk and length + size > MAX_PATTERN:
            yield chunk
            chunk, length = [], 0
        chunk.append(found)
        length += size
    if chunk:
        yield chunk


def event_type(text: str) -> Any:
    """A handler's pattern, where ``*`` is any text, as EventBridge has it."""
    while "**" in text:
        text = text.replace("**", "*")
    match text.split("*"):
        case [_]:
            return text
        case ["", ""]:
            return {"exists": True}
        case [start, ""]:
            return {"prefix": start}
        case ["", end]:
            return {"suffix": end}
        case _:
            return {"wildcard": text.replace("\\", "\\\\")}
