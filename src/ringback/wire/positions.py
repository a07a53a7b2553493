"""Where a reader stands in several logs, in one text: an id of Server-Sent Events.

All topics have one position. Each operation has a log of its own, whose position is appended:

    e-12
    e-12,operations/0198c2e4-…:e-5
    e-12,retained
    earliest,operations/0198c2e4-…:e-5
"""

from __future__ import annotations

from collections.abc import Mapping

from ringback.core.model import Position
from ringback.core.topics import OPERATIONS

FOREIGN = Position("?", 0)
"""Stands for a position that is none of ours: it reads as a gap."""
EARLIEST = "earliest"
"""As a position: from the oldest message that is kept."""
RETAINED = "retained"
"""Appended while the last values of topics, up to that position, are still on their way."""


def pack(topics: Position, operations: Mapping[str, Position], *, retained: bool = False) -> str:
    """The text; ``operations`` are the positions by the operations' topics. ``retained``: whoever
    is cut off here has not got all last values.
    """
    others = [f"{topic}:{at}" for topic, at in operations.items()]
    return ",".join([str(topics), *others, *[RETAINED] * retained])


def unpack(text: str) -> tuple[Position | None, dict[str, Position], bool]:
    """What was packed; what is no position reads as ``FOREIGN``, and ``EARLIEST`` as None."""
    topics, *others = text.split(",")
    operations: dict[str, Position] = {}
    for each in others:
        topic, colon, at = each.rpartition(":")
        if colon and topic.startswith(OPERATIONS):
            operations[topic] = Position.parse(at) or FOREIGN
    topics = topics.strip()
    after = None if topics == EARLIEST else Position.parse(topics) or FOREIGN
    return after, operations, RETAINED in others
