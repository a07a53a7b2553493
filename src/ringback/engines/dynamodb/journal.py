"""Appending to the journal: the messages of all topics, numbered in the order of their commits.

There is no counter: an entry stands under its first number, and is put on the condition that there
is none. Whoever knows where the newest entry ends puts the next one there, and of several that do
one does; the others look, and try again. Who knew it long ago looks anew: the entries that came
since may be swept, and then no condition would fail (``HEAD_GOOD_FOR``). What one process publishes
while a transaction is under way goes with the next, so its messages cost a share of one: the entry,
and for each topic the pack and the topic's row.

So a process appends one transaction at a time, some ten milliseconds each, and several share that.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from ringback.core.model import Keep, Publication
from ringback.engines.dynamodb import items, schema
from ringback.engines.dynamodb.client import (
    CONFLICTS,
    MAX_TRANSACTION,
    Cancelled,
    Client,
    Item,
    Key,
    NotUnderstood,
    busy,
    key_of,
    pause,
)
from ringback.engines.dynamodb.limits import Write, write_size
from ringback.engines.dynamodb.packs import (
    JOURNAL,
    MARK,
    Packed,
    entry_item,
    id_of,
    last_of,
    pack_items,
    packed,
)
from ringback.engines.dynamodb.payloads import Payloads
from ringback.engines.dynamodb.rows import Rows
from ringback.engines.dynamodb.topics import Topics
from ringback.errors import PayloadTooLarge, RingbackError, StoreUnavailable

MAX_BYTES = 3 * 1024 * 1024
"""Bytes in one transaction: it ends at 4 MB."""
HEAD_GOOD_FOR = 60.0
"""Seconds for which the end of the journal is taken to be where it was; entries are kept for far
longer (``upkeep.ENTRIES_KEPT``)."""

log = logging.getLogger("ringback.dynamodb")


class _Unit(msgspec.Struct, eq=False):
    """What has to be written together."""

    publications: list[Publication]
    messages: list[Packed]
    writes: list[Write]
    done: asyncio.Future[list[int]]

    @property
    def size(self) -> int:
        return sum(map(_message_size, self.messages)) + sum(map(write_size, self.writes))

    def keys(self) -> set[Key]:
        """The items that are written besides."""
        whats = [what for write in self.writes for what in write.values()]
        return {key_of(what.get("Key") or what["Item"]) for what in whats}

    def items(self) -> int:
        """How many items it has in a transaction of its own, but for the journal's."""
        topics = {each.topic for each in self.publications}
        ids = sum(id_of(each.attributes) is not None for each in self.messages)
        more = self.size // (128 * 1024)  # further packs of what is large
        return len(self.writes) + 2 * len(topics) + ids + more


class _Draft(msgspec.Struct):
    """A transaction to be tried."""

    writes: list[Write]
    owners: list[object]
    """Of each write: its unit, the name of the topic whose row it is, or None."""
    numbers: list[list[int]]
    last: int
    keeps: dict[str, tuple[Keep, int, int]]
    """Of each topic: how it is kept, and how many messages and bytes come."""
    entry: Item = {}
    rows: dict[str, float] = {}
    """Topics whose rows are written, and when the newest message of them is from."""


class Journal:
    """The journal, as one process writes it."""

    def __init__(
        self,
        client: Client,
        payloads: Payloads,
        topics: Topics,
        process: str,
        told: Callable[[frozenset[str]], None],
    ) -> None:
        """``told`` is called with the names of topics that messages were stored of."""
        self._client = client
        self._payloads = payloads
        self._topics = topics
        self._rows = Rows(client, topics)
        self._process = process
        self._told = told
        self._coming: dict[str, asyncio.Future[None]] = {}
        """Of topics, the newest that is yet to wait with the others: its data is being stored."""
        self._waiting: list[_Unit] = []
        self._appending: asyncio.Task[None] | None = None
        self._head: int | None = None
        """The newest number, as far as is known; None: it has to be looked for."""
        self._head_at = 0.0
        """When that was so, by the clock on the wall: a process may be frozen for hours."""
        self._redeclared: set[str] = set()
        """Topics that are declared otherwise than when their row was written."""

    async def close(self) -> None:
        """Write what waits."""
        while self._appending is not None:
            with contextlib.suppress(Exception):
                await asyncio.shield(self._appending)

    async def head(self) -> int:
        """The number of the newest message there was."""
        found = await self.newest(1)
        return items.integer(found[0], "last") if found else 0

    async def newest(self, count: int) -> list[Item]:
        """The newest entries, the newest first."""
        return await self._client.query(
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues={":pk": {"S": JOURNAL}},
            ConsistentRead=True,
            ScanIndexForward=False,
            Limit=count,
        )

    async def append(
        self, publications: Sequence[Publication], now: float, writes: Sequence[Write] = ()
    ) -> list[int]:
        """Store messages, and what is to be written with them; their numbers.

        Raises ``Cancelled``, with the reasons of ``writes``, when a condition of those is refused.
        """
        topics = {each.topic for each in publications}
        earlier = {self._coming[topic] for topic in topics if topic in self._coming}
        come: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._coming |= dict.fromkeys(topics, come)
        try:
            try:
                messages = await packed(self._payloads, [(each, now) for each in publications])
            finally:
                if earlier:  # what was published first is first, were it large
                    await asyncio.wait(earlier)
            unit = await self._queue(publications, messages, writes)
        finally:
            come.set_result(None)
            for topic in topics:
                if self._coming.get(topic) is come:
                    del self._coming[topic]
        try:
            return await asyncio.shield(unit.done)
        except (Cancelled, PayloadTooLarge):
            await self._forget(unit)
            raise

    async def _queue(
        self, publications: Sequence[Publication], messages: list[Packed], writes: Sequence[Write]
    ) -> _Unit:
        future: asyncio.Future[list[int]] = asyncio.get_running_loop().create_future()
        unit = _Unit(list(publications), messages, list(writes), future)
        if unit.items() + 1 > MAX_TRANSACTION or unit.size > MAX_BYTES:
            await self._forget(unit)
            raise PayloadTooLarge(
                "So much cannot be stored at once: a transaction of DynamoDB has a hundred items "
                "and 4 MB, and each topic takes two. Publish to fewer topics in one call.",
                topics=len({each.topic for each in publications}),
            )
        self._waiting.append(unit)
        if self._appending is None:
            self._appending = asyncio.ensure_future(self._append_all())
        return unit

    async def _forget(self, unit: _Unit) -> None:
        await self._payloads.remove([each.where for each in unit.messages if each.where])

    async def _append_all(self) -> None:
        try:
            while self._waiting:
                await asyncio.sleep(0)  # let those of this turn of the loop come along
                await self._try(self._batch())
        finally:
            self._appending = None

    async def _try(self, batch: list[_Unit]) -> None:
        try:
            await self._write(batch)
        except Exception as error:
            self._head = None  # nobody knows whether it was written
            waiting = [unit for unit in batch if not unit.done.done()]
            if isinstance(error, NotUnderstood | PayloadTooLarge) and len(waiting) > 1:
                for unit in waiting:  # what one publisher sends must not fail another's
                    await self._try([unit])
                return
            for unit in waiting:
                unit.done.set_exception(error)

    def _batch(self) -> list[_Unit]:
        """What goes into the next transaction: the first that wait, as many as fit."""
        batch: list[_Unit] = []
        count, size = 1, 0
        touched: set[Key] = set()
        while self._waiting:
            unit = self._waiting[0]
            count, size, keys = count + unit.items(), size + unit.size, unit.keys()
            # An item is written once in a transaction.
            if batch and (count > MAX_TRANSACTION or size > MAX_BYTES or keys & touched):
                break
            touched |= keys
            batch.append(self._waiting.pop(0))
        return batch

    async def _write(self, batch: list[_Unit]) -> None:
        for tried in range(CONFLICTS):
            if not batch:
                return
            await self._rows.see(
                {each.topic: each.keep or Keep() for unit in batch for each in unit.publications}
            )
            # Last of all that is waited for, which may take hours where a process is frozen.
            while self._head is None or not 0 <= time.time() - self._head_at < HEAD_GOOD_FOR:
                self._head_at = time.time()
                self._head = await self.head()
            self._head_at = time.time()
            draft = self._draft(batch, self._head)
            try:
                await self._client.transact(draft.writes)
            except Cancelled as refused:
                # Asked for anew when DynamoDB knows its token no more, it is refused for itself.
                if not _is_ours(refused.reasons[draft.owners.index(None)] or {}, draft.entry):
                    if self._refused(batch, draft, refused):
                        await pause(tried)
                    continue
            except StoreUnavailable:
                if not await self._is_there(draft.entry):
                    raise
            await self._written(batch, draft)
            return
        raise busy()

    async def _is_there(self, entry: Item) -> bool:
        """Whether an entry was put though no answer says so: told that it was not, whoever
        publishes would do so once more.
        """
        return _is_ours(await self._client.find({"Put": {"Item": entry}}), entry)

    def _refused(self, batch: list[_Unit], draft: _Draft, refused: Cancelled) -> bool:
        """Learn from a refusal; whether another process was there first."""
        met = False
        reasons: dict[int, list[Item | None]] = {}
        for owner, reason in zip(draft.owners, refused.reasons, strict=True):
            if isinstance(owner, _Unit):
                reasons.setdefault(id(owner), []).append(reason)
            elif reason is not None and isinstance(owner, str):
                self._redeclared.add(owner)
            elif reason is not None:
                self._head, met = None, True
        for unit in tuple(batch):
            whys = reasons.get(id(unit), [])
            if any(why is not None for why in whys):
                batch.remove(unit)
                if not unit.done.done():
                    unit.done.set_exception(Cancelled(whys))
        return met

    async def _written(self, batch: list[_Unit], draft: _Draft) -> None:
        self._head = draft.last
        self._redeclared -= draft.keeps.keys()
        for topic, at in draft.rows.items():
            self._rows.wrote(topic, draft.keeps[topic][0], at)
        for topic, (keep, count, size) in draft.keeps.items():
            if keep.count is not None or keep.bytes is not None:
                try:
                    await self._topics.cut(topic, keep, count, size)
                except (RingbackError, RuntimeError) as error:
                    log.warning("The log of %s is cut later: %s", topic, error)
        for unit, numbers in zip(batch, draft.numbers, strict=True):
            if not unit.done.done():
                unit.done.set_result(numbers)
        self._told(frozenset(draft.keeps))

    def _draft(self, batch: list[_Unit], head: int) -> _Draft:
        """The transaction of a batch, behind a number."""
        draft = _Draft(writes=[], owners=[], numbers=[], last=head, keeps={})
        by_topic: dict[str, list[Packed]] = {}
        keeps: dict[str, Keep] = {}
        ids: dict[str, tuple[str, Packed]] = {}
        for unit in batch:
            self._add(draft, unit.writes, unit)
            numbers: list[int] = []
            for publication, message in zip(unit.publications, unit.messages, strict=True):
                draft.last += 1
                numbers.append(draft.last)
                message.number = draft.last
                by_topic.setdefault(publication.topic, []).append(message)
                keep = publication.keep or Keep()
                if keeps.setdefault(publication.topic, keep).age != keep.age:
                    self._redeclared.add(publication.topic)
                keeps[publication.topic] = keep
                id = id_of(message.attributes)
                if id is not None:
                    ids[id] = (publication.topic, message)
            draft.numbers.append(numbers)
        packs: list[Item] = []
        lasts: dict[int, int] = {}
        for topic, messages in by_topic.items():
            made = pack_items(topic, messages)
            packs += made
            ends = [last_of(item) for item in made]
            for message in messages:
                lasts[message.number] = next(end for end in ends if end >= message.number)
            size = sum(each.size for each in messages)
            draft.keeps[topic] = (keeps[topic], len(messages), size)
        at = max(message.at for unit in batch for message in unit.messages)
        entry = draft.entry = entry_item(head + 1, draft.last, packs, self._process, at)
        self._add(
            draft,
            [{"Put": {"Item": entry, "ConditionExpression": "attribute_not_exists(pk)"}}],
            None,
        )
        self._add(draft, [{"Put": {"Item": item}} for item in packs], None)
        for topic, messages in by_topic.items():
            keep, count, size = draft.keeps[topic]
            anew = topic in self._redeclared
            if not anew and not self._rows.needed(topic, keep, messages[-1].at):
                continue
            draft.rows[topic] = messages[-1].at
            row = self._topics.row(topic, keep, count, size, messages[-1], anew=anew)
            self._add(draft, [row], topic)
        for id, (topic, message) in ids.items():
            self._add(
                draft, [_id_write(id, topic, message, lasts[message.number], keeps[topic])], None
            )
        return draft

    @staticmethod
    def _add(draft: _Draft, writes: Sequence[Write], owner: object) -> None:
        draft.writes += writes
        draft.owners += [owner] * len(writes)


def _is_ours(found: Item, entry: Item) -> bool:
    """Whether what stands in an entry's place is that very one."""
    return bool(found.get(MARK) == entry[MARK])


def _message_size(message: Packed) -> int:
    return len(message.data or b"") + len(message.attributes or b"") + 200


def _id_write(id: str, topic: str, message: Packed, last: int, keep: Keep) -> dict[str, Any]:
    item: Item = {
        "pk": {"S": schema.digest_key("id", id.encode())},
        "sk": {"S": "id"},
        "topic": {"S": topic},
        "number": items.value(message.number),
        "pack": items.value(last),
    }
    if not keep.retained:
        item[schema.EXPIRES] = items.value(int(message.at + keep.age) + 1)
    return {"Put": {"Item": item}}
