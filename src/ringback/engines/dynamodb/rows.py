"""Which rows of topics need not be written with a message: see ``topics``."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import NamedTuple

from ringback.core.model import Keep
from ringback.engines.dynamodb import items
from ringback.engines.dynamodb.client import Client
from ringback.engines.dynamodb.topics import META, TOPICS, Topics, is_loose

SEEN_FOR = 60.0
"""Seconds for which a row is taken to be as it was seen."""
MANY = 10_000
"""Rows that are remembered."""


class _Seen(NamedTuple):
    """A row, as it was."""

    age: float
    at: float
    """When a message came that it was written for."""
    clock: float
    """When it was so, by the clock on the wall: a process may be frozen for hours."""


class Rows:
    """The rows of topics, as one process saw them last."""

    def __init__(self, client: Client, topics: Topics) -> None:
        self._client = client
        self._topics = topics
        self._seen: dict[str, _Seen] = {}
        self._looked_at = 0.0
        """When it was looked last up to where topics that are no more lost messages: a row that is
        made says so."""

    async def see(self, wanted: Mapping[str, Keep]) -> None:
        """Look at the rows of topics that something comes to, where that may save writing them;
        and, now and then, at what rows that are made say.
        """
        clock = time.time()
        unseen = [
            topic
            for topic, keep in wanted.items()
            if is_loose(keep)
            and not ((seen := self._seen.get(topic)) and 0 <= clock - seen.clock < SEEN_FOR)
        ]
        if not unseen and 0 <= clock - self._looked_at < SEEN_FOR:
            return
        rows = await self._client.get_all([*((TOPICS, topic) for topic in unseen), META])
        self._topics.see_floor(rows.get(META))
        self._looked_at = clock
        if len(self._seen) + len(unseen) > MANY:
            self._seen.clear()
        for topic in unseen:
            row = rows.get((TOPICS, topic), {})
            retained = row.get("retained", {}).get("BOOL")
            if "age" in row and "loose" in row and not retained:
                at = items.number(row, "published_at")
                self._seen[topic] = _Seen(items.number(row, "age"), at, clock)
            else:
                self._seen.pop(topic, None)

    def needed(self, topic: str, keep: Keep, at: float) -> bool:
        """Whether a topic's row has to be written with a message."""
        seen = self._seen.get(topic)
        return (
            seen is None
            or not is_loose(keep)
            or seen.age != keep.age
            or not 0 <= time.time() - seen.clock < SEEN_FOR
            or not 0 <= at - seen.at < keep.age / 2
        )

    def wrote(self, topic: str, keep: Keep, at: float) -> None:
        """A row was written just now."""
        if is_loose(keep):
            self._seen[topic] = _Seen(keep.age, at, time.time())
        else:
            self._seen.pop(topic, None)
