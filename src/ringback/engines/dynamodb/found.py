"""What reading the journal comes upon, before its data is fetched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from ringback.core.model import BEGINNING, Position
from ringback.engines.dynamodb import items
from ringback.engines.dynamodb.client import Item, Key
from ringback.engines.dynamodb.packs import Packed
from ringback.engines.dynamodb.topics import TOPICS

NEWEST = 10
"""Entries that may still be on their way in: the newest."""
ON_THE_WAY = 7
"""Looks for a pack that an entry names, within a second about. One that is not there then, and that
nobody says was removed, counts as gone."""


class Found(msgspec.Struct):
    """A message, before its data was fetched."""

    topic: str
    packed: Packed


def start_of(epoch: str, newest: int, after: Position | None) -> tuple[int, bool]:
    """After which number to read, and whether the position is not of this journal."""
    if after is None or after == BEGINNING:
        return 0, False
    if after.epoch != epoch or after.offset > newest:
        return 0, True
    return after.offset, False


def end_of(found: Sequence[Found], offset: int) -> int:
    return found[-1].packed.number if found else offset


def trimmed_of(rows: Mapping[Key, Item], topic: str) -> int:
    """The newest number that was removed of a topic, as far as its row knows."""
    return items.integer(rows.get((TOPICS, topic), {}), "trimmed")


def is_kept(rows: dict[Key, Item], each: Found) -> bool:
    row = rows.get((TOPICS, each.topic))
    return row is None or each.packed.number > items.integer(row, "trimmed")
