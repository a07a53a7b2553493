"""The last values of retained topics, as they are read.

Whoever begins with them gets what comes after a position. So what was stored up to there and is not
seen yet is waited for: nothing brings it any more.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from ringback.core.filters import AnyFilter
from ringback.core.model import Position
from ringback.engines.dynamodb import items, schema
from ringback.engines.dynamodb.client import Client, Item, pause
from ringback.engines.dynamodb.found import NEWEST, ON_THE_WAY, Found
from ringback.engines.dynamodb.journal import Journal
from ringback.engines.dynamodb.logs import MAX_PAGE, PAGE_BYTES
from ringback.engines.dynamodb.packs import last_named, messages_of
from ringback.engines.dynamodb.topics import Topics, name_of, retained


class LastValues:
    """The newest message of each topic that keeps it."""

    def __init__(self, client: Client, topics: Topics, journal: Journal) -> None:
        self._client = client
        self._topics = topics
        self._journal = journal

    async def read(self, filter: AnyFilter, upto: Position, limit: int, beyond: str) -> list[Found]:
        """Those of topics that match, up to a position; see ``ports.Journal.retained``."""
        entries = [
            entry
            for entry in await self._journal.newest(NEWEST)
            if items.integer(entry, "last") <= upto.offset
        ]
        named = {
            topic: last
            for topic, last in last_named(entries).items()
            if topic > beyond and filter.matches(topic)
        }
        rows = retained(await self._rows(filter, beyond, named))
        found: list[Found] = []
        size = 0
        wanted = min(limit, MAX_PAGE)
        while rows and len(found) < wanted and size < PAGE_BYTES:
            some, rows = rows[: wanted - len(found)], rows[wanted - len(found) :]
            for each in await self._newest(some, upto.offset, named):
                found.append(each)
                size += each.packed.size
                if size >= PAGE_BYTES:
                    break
        return found

    async def _rows(self, filter: AnyFilter, beyond: str, named: Mapping[str, int]) -> list[Item]:
        """Rows of topics that match, with those of topics that are on their way in."""
        tried = 0
        while True:
            rows = await self._topics.candidates(filter, beyond)
            lacking = named.keys() - {name_of(row) for row in rows}
            floor = await self._topics.look_at_floor() if lacking else 0
            if all(named[topic] <= floor for topic in lacking) or tried == ON_THE_WAY:
                return rows
            await pause(tried)
            tried += 1

    async def _newest(
        self, rows: Sequence[Item], upto: int, named: Mapping[str, int]
    ) -> list[Found]:
        """Of each topic the newest message up to a number. ``named``: the newest there is, of those
        that may still be on their way in.
        """
        answers = await asyncio.gather(
            *[self._newest_of(row, upto, named.get(name_of(row), 0)) for row in rows]
        )
        return [answer for answer in answers if answer is not None]

    async def _newest_of(self, row: Item, upto: int, named: int) -> Found | None:
        topic, trimmed = name_of(row), items.integer(row, "trimmed")
        tried = 0
        while True:
            found = await self._last(topic, trimmed, upto)
            if max(trimmed, found.packed.number if found else 0) >= named or tried == ON_THE_WAY:
                return found
            await pause(tried)
            trimmed = await self._topics.trimmed(topic)
            tried += 1

    async def _last(self, topic: str, trimmed: int, upto: int) -> Found | None:
        for condition, forward in (("sk >= :upto", True), ("sk < :upto", False)):
            packs = await self._client.query(
                KeyConditionExpression=f"pk = :pk AND {condition}",
                ExpressionAttributeValues={
                    ":pk": {"S": schema.topic_key(topic)},
                    ":upto": {"S": schema.number_key(upto)},
                },
                ConsistentRead=True,
                ScanIndexForward=forward,
                Limit=1,
            )
            for pack in packs:
                for message in reversed(messages_of(pack)):
                    if trimmed < message.number <= upto:
                        return Found(topic, message)
        return None
