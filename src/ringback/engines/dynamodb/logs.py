"""Reading operations: their states, their logs and lists of them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import Any

from ringback.core.model import BEGINNING, Message, OperationState, Page, Position, Query
from ringback.engines.dynamodb import entries, items, schema
from ringback.engines.dynamodb.changes import LOG_KEPT, LOG_TRIM_EVERY
from ringback.engines.dynamodb.client import Client, Item, NoObject, key_of
from ringback.engines.dynamodb.payloads import Payloads
from ringback.errors import OperationForgotten, UnknownOperation

PAGE_BYTES = 1024 * 1024
"""Bytes of messages in one page, so that a reader of large ones does not fill the memory."""
MAX_PAGE = 1000
"""Messages in one page."""
LOOK_AT = 50
"""Entries of an index that are looked at together, at least."""

log = logging.getLogger("ringback.dynamodb")


class Logs:
    """What is read of operations."""

    def __init__(self, client: Client, payloads: Payloads) -> None:
        self._client = client
        self._payloads = payloads

    async def load(self, operation: str) -> OperationState:
        """The stored state. Raises ``UnknownOperation`` and ``OperationForgotten``."""
        item = await self.item(operation)
        try:
            return await self.state_of(item)
        except NoObject:  # it may have been forgotten meanwhile, or have another payload
            again = await self.item(operation)
            if again == item:
                raise
            return await self.state_of(again)

    async def item(self, operation: str) -> Item:
        """The item of an operation. Raises ``UnknownOperation`` and ``OperationForgotten``."""
        item = await self._client.get(schema.operation_key(operation), items.OPERATION)
        return present(operation, item)

    async def state_of(self, item: Item) -> OperationState:
        """The operation that an item is, with its payloads."""
        input, result = await asyncio.gather(
            self._payloads.load(item, "input"), self._payloads.load(item, "result")
        )
        return items.operation_of(item, input or b"", result)

    async def load_all(self, operations: Sequence[str]) -> dict[str, OperationState]:
        """Those of several that there are, but for what has lost a payload."""
        states, lost = await self.load_some(operations)
        for id in lost:
            log.error("A payload of %s is missing in S3; it is passed over.", id)
        return states

    async def load_some(
        self, operations: Sequence[str]
    ) -> tuple[dict[str, OperationState], dict[str, OperationState]]:
        """Those of several that there are; and those that have lost a payload, without any."""
        keys = [(schema.operation_key(each), items.OPERATION) for each in operations]
        found = await self._client.get_all(list(dict.fromkeys(keys)))
        kept = [item for item in found.values() if items.FORGOTTEN not in item]
        loaded = await asyncio.gather(*[self._whole(item) for item in kept])
        states = {state.id: state for state, whole in loaded if whole}
        return states, {state.id: state for state, whole in loaded if not whole}

    async def look_at(self, operations: Sequence[str]) -> dict[str, OperationState]:
        """Those of several that there are, without what stands in S3: to see how they are."""
        keys = [(schema.operation_key(each), items.OPERATION) for each in operations]
        found = await self._client.get_all(list(dict.fromkeys(keys)))
        states = [
            items.operation_of(
                item,
                bytes(item.get("input", {}).get("B", b"")),
                bytes(item["result"]["B"]) if "result" in item else None,
            )
            for item in found.values()
            if items.FORGOTTEN not in item
        ]
        return {state.id: state for state in states}

    async def _whole(self, item: Item) -> tuple[OperationState, bool]:
        """The operation that an item is; or what is left of it."""
        try:
            return await self.state_of(item), True
        except NoObject:
            return items.operation_of(item, b"", None), False

    async def read(self, epoch: str, operation: str, after: Position | None, limit: int) -> Page:
        """Messages of an operation's log; see ``ports.Engine.read``."""
        item = await self.item(operation)
        try:
            return await self._read(item, epoch, after, limit)
        except NoObject:  # it may have been forgotten meanwhile
            again = await self.item(operation)
            if again == item:
                raise
            return await self._read(again, epoch, after, limit)

    async def _read(self, item: Item, epoch: str, after: Position | None, limit: int) -> Page:
        version = items.integer(item, "version")
        head = Position(epoch, version)
        foreign = (
            after is not None
            and after != BEGINNING
            and (after.epoch != epoch or after.offset > version)
        )
        offset = 0 if after is None or foreign else after.offset
        found: list[Message] = []
        gap, size, wanted = foreign, 0, min(limit, MAX_PAGE)
        async for message in self._messages_after(item, epoch, offset, wanted):
            number = message.position.offset
            if number <= offset:
                continue
            if number != offset + 1 and not (after is None and not found):
                if found:  # a hole: what follows it comes with the next page, as a gap
                    return Page(messages=tuple(found), position=found[-1].position, gap=gap)
                gap = True
            offset = number
            found.append(message)
            size += len(message.data)
            if len(found) >= wanted or size >= PAGE_BYTES:
                return Page(messages=tuple(found), position=message.position, gap=gap)
        if not found and offset < version and after is not None:
            gap = True
        position = found[-1].position if found else head
        return Page(messages=tuple(found), position=position, gap=gap)

    async def _messages_after(
        self, item: Item, epoch: str, offset: int, wanted: int
    ) -> AsyncIterator[Message]:
        """Messages in order, as it was when the operation's item was read: those there, and those
        of items of their own, if there are any.
        """
        version = items.integer(item, "version")
        dropped = dropped_upto(version)
        inside = [
            each
            for each in entries.entries_of(item)
            if each.last > offset and not (each.is_progress and each.last <= dropped)
        ]
        beside: list[Item] = []
        if items.integer(item, entries.APART) > offset:
            found = await self._log(items.operation_in(item), offset, wanted)
            beside = [each for each in found if items.log_end(each) <= version]
        state = None
        while inside or beside:
            if not inside or (beside and items.integer(beside[0], "first") < inside[0].first):
                for message in await self._messages(beside.pop(0), epoch):
                    yield message
                continue
            if state is None:
                result = None
                if any(each.has_result for each in inside):
                    result = await self._payloads.load(item, "result")
                state = items.operation_of(item, b"", result)
            for message in inside.pop(0).read(state, epoch):
                yield message

    async def _log(self, operation: str, offset: int, limit: int) -> list[Item]:
        """Items with messages after an offset: of a page, as many as DynamoDB gives at once."""
        answer = await self._client.dynamodb(
            "query",
            KeyConditionExpression="pk = :pk AND sk BETWEEN :after AND :end",
            ExpressionAttributeValues={
                ":pk": {"S": schema.operation_key(operation)},
                ":after": {"S": items.log_key(offset + 1)},
                ":end": {"S": "m#~"},
            },
            ConsistentRead=True,
            Limit=limit,
        )
        found: list[Item] = answer["Items"]
        return found

    async def _messages(self, item: Item, epoch: str) -> list[Message]:
        data = await self._payloads.load(item, "messages")
        return items.log_messages({**item, "messages": {"B": data or b""}}, epoch)

    async def trim(self, before: int, after: OperationState) -> None:
        """Drop progress messages that are further behind than ``LOG_KEPT``, if it is time to."""
        end = dropped_upto(after.version)
        if end <= dropped_upto(before) or end <= 0:
            return
        found = await self._client.query(
            KeyConditionExpression="pk = :pk AND sk BETWEEN :first AND :last",
            FilterExpression="kinds = :kind",
            ProjectionExpression="pk, sk, messages_s3",
            ExpressionAttributeValues={
                ":pk": {"S": schema.operation_key(after.id)},
                # What was to go at the last look, and was perhaps not, goes now.
                ":first": {"S": items.log_key(max(0, end - 4 * LOG_TRIM_EVERY))},
                ":last": {"S": items.log_key(end)},
                ":kind": {"S": "progress"},
            },
            ConsistentRead=True,
        )
        await self._client.delete_all([key_of(item) for item in found])
        await self._payloads.forget(found)

    async def queued(self, tasks: Iterable[str]) -> dict[str, int]:
        """How many operations of these tasks are queued."""
        wanted = sorted(tasks)
        counts = await asyncio.gather(*[self._count(items.queued_stage(task)) for task in wanted])
        return {task: count for task, count in zip(wanted, counts, strict=True) if count}

    async def _count(self, stage: str) -> int:
        total = 0
        parameters: dict[str, Any] = {
            "IndexName": schema.STAGE,
            "KeyConditionExpression": "stage = :stage",
            "ExpressionAttributeValues": {":stage": {"S": stage}},
            "Select": "COUNT",
        }
        while True:
            answer = await self._client.dynamodb("query", **parameters)
            total += int(answer["Count"])
            if "LastEvaluatedKey" not in answer:
                return total
            parameters["ExclusiveStartKey"] = answer["LastEvaluatedKey"]

    async def listing(self, query: Query, tasks: Iterable[str]) -> list[OperationState]:
        """The operations that match, newest first; ``tasks`` are all there are."""
        sources = _sources(query, tasks)
        found: list[OperationState] = []
        after = query.after
        while len(found) < query.limit:
            size = max(LOOK_AT, query.limit - len(found))
            pages = await asyncio.gather(*[self._ids(*source, after, size) for source in sources])
            # Beyond the last of a page that is full there may be more of its source.
            ends = [page[-1] for page in pages if len(page) == size]
            end = max(ends, default="")
            ids = sorted({id for page in pages for id in page if id >= end}, reverse=True)
            states = await self.load_all(ids)
            found += [states[id] for id in ids if id in states and matches(states[id], query)]
            if not ends:
                break
            after = end
        return found[: query.limit]

    async def _ids(
        self, index: str, name: str, value: str, after: str | None, size: int
    ) -> list[str]:
        values = {":value": {"S": value}}
        condition = "#name = :value"
        if after is not None:
            condition += " AND pk < :after"
            values[":after"] = {"S": schema.operation_key(after)}
        found = await self._client.query(
            IndexName=index,
            KeyConditionExpression=condition,
            ExpressionAttributeNames={"#name": name},
            ExpressionAttributeValues=values,
            ScanIndexForward=False,
            Limit=size,
        )
        return [items.operation_in(item) for item in found]


def dropped_upto(version: int) -> int:
    """Up to which offset a log of so many messages has lost its progress."""
    return version // LOG_TRIM_EVERY * LOG_TRIM_EVERY - LOG_KEPT


def _sources(query: Query, tasks: Iterable[str]) -> Sequence[tuple[str, str, str]]:
    """The index to look at, its attribute, and its partitions' values."""
    if query.subject is not None:
        return [(schema.BY_SUBJECT, "subject", query.subject or items.EMPTY)]
    if query.parent is not None:
        return [(schema.BY_PARENT, "parent", query.parent or items.EMPTY)]
    if query.dead_letter:
        return [(schema.DEAD, "dead", "1")]
    wanted = sorted(tasks) if query.task is None else [query.task]
    return [(schema.BY_TASK, "task", task) for task in wanted]


def matches(state: OperationState, query: Query) -> bool:
    """Whether an operation is all that is asked for."""
    wanted: Mapping[str, object] = {
        "subject": query.subject,
        "status": query.status,
        "task": query.task,
        "parent": query.parent,
        "dead_letter": query.dead_letter,
    }
    return all(given is None or getattr(state, name) == given for name, given in wanted.items())


def present(operation: str, item: Item | None) -> Item:
    """The item of an operation. Raises ``UnknownOperation`` and ``OperationForgotten``."""
    if item is None:
        raise UnknownOperation(operation=operation)
    if items.FORGOTTEN in item:
        error = OperationForgotten(operation=operation)
        owner = items.text(item, "owner")
        error.subject = "" if owner == items.EMPTY else owner
        raise error
    return item
