"""Reading the journal: of one topic, of those that match, of all.

Numbers are given without a step left out, so what is missing between two of them is known to be
gone, or is of another topic. What is removed of a log is asked for after the log was read: whatever
was removed before that is told.

A transaction is whole, and yet its items are not seen in one moment: while it is being carried out,
an entry of the journal may be there, and a pack that it names not yet. Such a pack is waited for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import msgspec

from ringback.core.filters import AnyFilter, Filter
from ringback.core.model import Message, Page, Position
from ringback.engines.dynamodb import items, schema
from ringback.engines.dynamodb.client import Client, Item, Key, pause
from ringback.engines.dynamodb.found import (
    NEWEST,
    ON_THE_WAY,
    Found,
    end_of,
    is_kept,
    start_of,
    trimmed_of,
)
from ringback.engines.dynamodb.journal import Journal
from ringback.engines.dynamodb.logs import MAX_PAGE, PAGE_BYTES
from ringback.engines.dynamodb.packs import (
    JOURNAL,
    entry_packs,
    last_named,
    messages_of,
    pack_key,
)
from ringback.engines.dynamodb.payloads import Payloads
from ringback.engines.dynamodb.topics import TOPICS, Topics, name_of
from ringback.engines.dynamodb.values import LastValues

MAX_MISSED = 1000
"""Topics that lost messages and are known to who follows all of them; of more, it may be any."""
WALK = 20
"""Numbers of the journal that are walked in the time in which one topic's are asked for."""
ENTRIES = 100
"""Entries of the journal that are read together."""
ENDS = 1000
"""Ends of entries that are remembered."""


class Feeds:
    """The journal, as it is read."""

    def __init__(
        self, client: Client, payloads: Payloads, topics: Topics, journal: Journal
    ) -> None:
        self._client = client
        self._payloads = payloads
        self._topics = topics
        self._journal = journal
        self._values = LastValues(client, topics, journal)
        self._ends: dict[int, None] = {}
        """Numbers at which an entry ends: behind them nothing has begun before."""

    async def read(self, epoch: str, topic: str, after: Position | None, limit: int) -> Page:
        """Messages of one topic; see ``ports.Engine.read``."""
        entries = await self._journal.newest(NEWEST)
        newest = self._end_of(entries)
        offset, foreign = start_of(epoch, newest, after)
        named = last_named(entries).get(topic, 0)
        tried = 0
        while True:
            found, whole = await self._of_topic(topic, offset, limit)
            trimmed = await self._topics.trimmed(topic)
            seen = not whole or named <= max(trimmed, end_of(found, offset))
            if seen or tried == ON_THE_WAY:
                break
            await pause(tried)
            tried += 1
        kept = [each for each in found if each.packed.number > trimmed]
        if found and not kept and not whole:  # all that was read is about to be deleted
            found, _ = await self._of_topic(topic, trimmed, limit)
            kept = found
        gap = foreign or (after is not None and (offset < trimmed or not seen))
        page = await self._page(epoch, kept, newest, limit)
        return msgspec.structs.replace(page, gap=gap, missed=(topic,) if gap else ())

    async def _head(self) -> int:
        return self._end_of(await self._journal.newest(1))

    def _end_of(self, entries: Sequence[Item]) -> int:
        newest = items.integer(entries[0], "last") if entries else 0
        self._remember(newest)
        return newest

    async def _of_topic(self, topic: str, offset: int, limit: int) -> tuple[list[Found], bool]:
        """Messages of a topic after a number: those of a page, and whether they are all."""
        answer = await self._client.dynamodb(
            "query",
            KeyConditionExpression="pk = :pk AND sk > :after",
            ExpressionAttributeValues={
                ":pk": {"S": schema.topic_key(topic)},
                ":after": {"S": schema.number_key(offset)},
            },
            ConsistentRead=True,
            Limit=min(limit, MAX_PAGE),
        )
        found = [
            Found(topic, message)
            for item in answer["Items"]
            for message in messages_of(item)
            if message.number > offset
        ]
        return found, "LastEvaluatedKey" not in answer

    async def _page(self, epoch: str, found: Sequence[Found], newest: int, limit: int) -> Page:
        taken: list[Found] = []
        size = 0
        for each in found[: min(limit, MAX_PAGE)]:
            taken.append(each)
            size += each.packed.size
            if size >= PAGE_BYTES:
                break
        messages = await self._fetched(epoch, taken)
        position = messages[-1].position if messages else Position(epoch, newest)
        return Page(messages=tuple(messages), position=position)

    async def _fetched(self, epoch: str, found: Sequence[Found]) -> list[Message]:
        """Messages with their data, from wherever it is."""
        large = [each.packed for each in found if each.packed.where is not None]
        data = await asyncio.gather(*[self._payloads.fetch(each.where or "") for each in large])
        for packed, given in zip(large, data, strict=True):
            packed.data = given
        return [each.packed.message(each.topic, epoch) for each in found]

    async def follow(self, epoch: str, after: Position | None, limit: int) -> Page:
        """Messages of all topics; see ``ports.Journal.follow``."""
        newest = await self._head()
        if after is None:
            return Page(messages=(), position=Position(epoch, newest))
        offset, foreign = start_of(epoch, newest, after)
        found, missed, end, whole = await self._walk(offset, newest, limit, None)
        page = await self._page(epoch, found, end, limit)
        if not whole and not foreign:
            missed |= dict.fromkeys(await self._topics.trimmed_beyond(offset, MAX_MISSED + 1))
        known = not foreign and len(missed) <= MAX_MISSED
        names = tuple(missed) if known else ()
        return msgspec.structs.replace(page, gap=foreign or bool(missed), missed=names)

    async def replay(
        self, epoch: str, filter: AnyFilter, after: Position | None, limit: int
    ) -> Page:
        """Messages of all topics that match; see ``ports.Journal.replay``."""
        if isinstance(filter, Filter) and filter.exact:
            return await self.read(epoch, filter.text, after, limit)
        entries = await self._journal.newest(NEWEST)
        newest = self._end_of(entries)
        offset, foreign = start_of(epoch, newest, after) if after is not None else (0, False)
        starts: dict[str, int] = {}
        named = last_named(entries)
        if newest - offset >= WALK:
            # Of what is on its way in the row may not be there yet; and what is removed may be.
            starts = {name: offset for name in named if filter.matches(name)} | {
                name_of(row): max(offset, items.integer(row, "trimmed"))
                for row in await self._topics.candidates(filter)
            }
        if newest - offset < WALK * max(1, len(starts)):
            found, gone, end, _ = await self._walk(offset, newest, limit, filter)
            lost = list(gone)
        else:
            found, lost = await self._seek(starts, limit, named)
            end = newest
        missed: dict[str, None] = {}
        if after is not None and not foreign:  # of which nobody knows what was lost with it
            trimmed = await self.trimmed(filter)  # as it is once they were read
            missed = dict.fromkeys([*(name for name in trimmed if trimmed[name] > offset), *lost])
        page = await self._page(epoch, found, end, limit)
        return msgspec.structs.replace(page, gap=foreign or bool(missed), missed=tuple(missed))

    async def trimmed(self, filter: AnyFilter) -> dict[str, int]:
        """Up to which number topics lost messages; see ``ports.Journal.trimmed``."""
        rows = await self._topics.candidates(filter)
        found = {name_of(row): items.integer(row, "trimmed") for row in rows}
        unknown = {each.text for each in filter.alternatives if each.exact} - found.keys()
        if unknown:
            found |= dict.fromkeys(sorted(unknown), await self._topics.look_at_floor())
        return {name: number for name, number in found.items() if number}

    async def _seek(
        self, starts: Mapping[str, int], limit: int, named: Mapping[str, int]
    ) -> tuple[list[Found], list[str]]:
        """Messages of topics, each after its number; in the order of their numbers. ``named``: up
        to which number the newest entries know some. With them: topics of which these are missing.
        """
        tried = 0
        while True:
            of = starts.items()
            answers = await asyncio.gather(*[self._of_topic(*each, limit) for each in of])
            rows = await self._client.get_all([(TOPICS, name) for name in starts])
            lost = [
                name
                for (name, start), (found, whole) in zip(of, answers, strict=True)
                if whole and named.get(name, 0) > max(trimmed_of(rows, name), end_of(found, start))
            ]
            if any((TOPICS, name) not in rows for name in lost):  # or it is no more
                floor = await self._topics.look_at_floor()
                lost = [name for name in lost if named[name] > floor]
            ends = [found[-1].packed.number for found, whole in answers if not whole and found]
            end = min(ends, default=1 << 62)
            kept = [
                each
                for found, _ in answers
                for each in found
                if each.packed.number <= end and is_kept(rows, each)
            ]
            if ends and not kept:  # all that was read is about to be deleted
                starts = {name: max(start, trimmed_of(rows, name)) for name, start in of}
                continue
            if not lost or tried == ON_THE_WAY:
                return sorted(kept, key=lambda each: each.packed.number), lost
            await pause(tried)
            tried += 1

    async def _walk(
        self, offset: int, newest: int, limit: int, filter: AnyFilter | None
    ) -> tuple[list[Found], dict[str, None], int, bool]:
        """Messages after a number in the order of the journal, of topics that match or of all.

        With them: which topics lost messages among them, up to which number was walked, and
        whether all entries of it are there.
        """
        found: list[Found] = []
        missed: dict[str, None] = {}
        whole, end, size = True, offset, 0
        wanted = min(limit, MAX_PAGE)
        while len(found) < wanted and size < PAGE_BYTES and end < newest:
            entries = await self._entries(end)
            if not entries:
                return found, missed, newest, False
            packs: list[tuple[str, int]] = []
            for entry in entries:
                whole = whole and int(entry["sk"]["S"]) <= end + 1
                end = items.integer(entry, "last")
                packs += [
                    each
                    for each in entry_packs(entry)
                    if each[1] > offset and (filter is None or filter.matches(each[0]))
                ]
                self._remember(end)
                if len(packs) >= wanted - len(found):
                    break
            more, lost = await self._unpacked(packs, offset)
            found += more
            size += sum(each.packed.size for each in more)
            missed |= lost
        return found, missed, max(end, newest) if len(found) < wanted else end, whole

    async def _entries(self, end: int) -> list[Item]:
        """Entries of the journal with numbers after one."""
        onward = self._client.query(
            KeyConditionExpression="pk = :pk AND sk > :end",
            ExpressionAttributeValues={
                ":pk": {"S": JOURNAL},
                ":end": {"S": schema.number_key(end)},
            },
            ConsistentRead=True,
            Limit=ENTRIES,
        )
        if end == 0 or end in self._ends:
            return await onward
        entries, around = await asyncio.gather(
            onward,
            self._client.query(
                KeyConditionExpression="pk = :pk AND sk <= :end",
                ExpressionAttributeValues={
                    ":pk": {"S": JOURNAL},
                    ":end": {"S": schema.number_key(end)},
                },
                ConsistentRead=True,
                ScanIndexForward=False,
                Limit=1,
            ),
        )
        return [entry for entry in around if items.integer(entry, "last") > end] + entries

    def _remember(self, end: int) -> None:
        self._ends[end] = None
        if len(self._ends) > ENDS:
            del self._ends[next(iter(self._ends))]

    async def _unpacked(
        self, packs: Sequence[tuple[str, int]], offset: int
    ) -> tuple[list[Found], dict[str, None]]:
        """The messages of packs, and the topics of which some are gone."""
        keys: list[Key] = [pack_key(*each) for each in packs]
        names = dict.fromkeys(topic for topic, _ in packs)
        tried = 0
        while True:
            stored = await self._client.get_all(keys)
            rows = await self._client.get_all([(TOPICS, name) for name in names])
            lacking = [each for each in packs if pack_key(*each) not in stored]
            floor = await self._topics.look_at_floor() if lacking else 0
            gone = all(last <= max(trimmed_of(rows, topic), floor) for topic, last in lacking)
            if gone or tried == ON_THE_WAY:
                break
            await pause(tried)
            tried += 1
        found: list[Found] = []
        missed: dict[str, None] = {}
        for topic, last in packs:
            item = stored.get(pack_key(topic, last))
            if item is None:
                missed[topic] = None
                continue
            for message in messages_of(item):
                each = Found(topic, message)
                if message.number <= offset:
                    continue
                if is_kept(rows, each):
                    found.append(each)
                else:
                    missed[topic] = None
        found.sort(key=lambda each: each.packed.number)
        return found, missed

    async def retained(
        self, epoch: str, filter: AnyFilter, upto: Position, limit: int, beyond: str
    ) -> list[Message]:
        """The last messages of retained topics; see ``ports.Journal.retained``."""
        return await self._fetched(epoch, await self._values.read(filter, upto, limit, beyond))

    async def find(self, epoch: str, id: str) -> Position | None:
        """The newest message of this id; see ``ports.Journal.find``."""
        found = await self._client.get(schema.digest_key("id", id.encode()), "id")
        if found is None:
            return None
        topic, number = str(items.text(found, "topic")), items.integer(found, "number")
        stored = await self._client.get_all(
            [pack_key(topic, items.integer(found, "pack")), (TOPICS, topic)]
        )
        trimmed = items.integer(stored.get((TOPICS, topic), {}), "trimmed")
        return Position(epoch, number) if len(stored) == 2 and trimmed < number else None
