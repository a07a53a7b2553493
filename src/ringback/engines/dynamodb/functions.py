"""The table as functions see it: what its stream tells, and what a schedule sends again."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Mapping, Sequence
from typing import Any

from ringback.core.connections import Changes, Passing, Rest
from ringback.core.model import Event, OperationState, Status
from ringback.engines.dynamodb import items, relays, schema
from ringback.engines.dynamodb.client import Cancelled, Item
from ringback.engines.dynamodb.connections import (
    REST,
    SOCKETS,
    WAKE,
    TableConnections,
    read_rest,
)
from ringback.engines.dynamodb.logs import Logs
from ringback.engines.dynamodb.meta import Meta
from ringback.engines.dynamodb.queues import Queues
from ringback.engines.dynamodb.streams import RELAY, names
from ringback.ports import QUEUE

INSERT = "INSERT"


def changes_of(records: Sequence[Mapping[str, Any]]) -> Changes:
    """What records of the stream tell, as Lambda hands them over."""
    topics: set[str] = set()
    queued: dict[str, None] = {}
    passing: list[Passing] = []
    rests: list[Rest] = []
    events: list[Event] = []
    opened: dict[str, None] = {}
    unfinished: dict[str, None] = {}
    for record in records:
        new = _image(record["dynamodb"].get("NewImage") or {})
        if not new:
            continue
        old = _image(record["dynamodb"].get("OldImage") or {})
        inserted = record.get("eventName") == INSERT
        pk, sk = new["pk"]["S"], new["sk"]["S"]
        if pk.startswith(RELAY):
            messages = relays.read(bytes(new["messages"]["B"]))
            passing.append(Passing(f"{pk} {sk}", tuple(messages)))
        elif pk.startswith(REST):
            if inserted:
                rests.append(read_rest(new))
        elif pk.startswith(SOCKETS):
            if WAKE in new:
                (opened if inserted else unfinished)[pk.removeprefix(SOCKETS)] = None
        elif sk.startswith("e#") and pk.startswith("op#"):
            if inserted:
                events.append(items.event_of(new))
        else:
            topics |= names(new, old)
            if sk == items.OPERATION and items.text(new, "status") == Status.QUEUED:
                queued[pk.removeprefix("op#")] = None
    return Changes(
        topics=frozenset(topics - {QUEUE}),
        queued=tuple(queued),
        passing=tuple(passing),
        rests=tuple(rests),
        events=tuple(events),
        opened=tuple(opened),
        unfinished=tuple(unfinished),
    )


def _image(image: Mapping[str, Any]) -> Item:
    """An item of a record: in JSON, bytes are base64."""
    return {
        name: {"B": base64.b64decode(value["B"])}
        if isinstance(value.get("B"), str)
        else dict(value)
        for name, value in image.items()
    }


class TableFunctions(TableConnections):
    """What functions ask of a table, beside what every process does."""

    queues: Queues
    _relays: relays.Relays
    _logs: Logs
    _meta: Meta
    _begun: set[asyncio.Future[Any]]

    def changes(self, records: Sequence[Mapping[str, Any]]) -> Changes:
        """What records of the stream tell."""
        return changes_of(records)

    async def take_passing(self, key: str) -> bool:
        """Whether ephemeral messages are the caller's to tell: whoever deletes them tells them.
        What is left of a telling goes the same way.
        """
        pk, _, sk = key.partition(" ")
        try:
            await self.client.delete(pk, sk, {"ConditionExpression": "attribute_exists(pk)"})
        except Cancelled:
            return False
        return True

    async def flush(self) -> None:
        """Wait until what was begun is stored, queues were told and ephemeral messages are put."""
        while self._begun:
            await asyncio.wait(tuple(self._begun))
        await self.queues.drain()
        await self._relays.drain()

    async def due(
        self, now: float, limit: int, task: str | None = None
    ) -> Sequence[OperationState]:
        """Queued operations that are ready."""
        tasks = await self._meta.tasks() if task is None else [task]
        found = await asyncio.gather(*[self._due(task, now, limit) for task in tasks])
        ready = [pk.removeprefix("op#") for _, pk in _shared(found, limit)]
        states = await self._logs.look_at(ready)
        queued = [states[id] for id in ready if id in states]
        return [state for state in queued if state.status is Status.QUEUED]

    async def _due(self, task: str, now: float, limit: int) -> list[tuple[str, str]]:
        """When those of a task became ready, and their partitions; in the order of claims."""
        found: list[tuple[str, str]] = []
        beyond, soonest = "!", schema.time_key(now)
        while len(found) < limit:
            answer = await self.client.dynamodb(
                "query",
                IndexName=schema.STAGE,
                KeyConditionExpression="stage = :stage AND place > :beyond",
                ExpressionAttributeValues={
                    ":stage": {"S": items.queued_stage(task)},
                    ":beyond": {"S": beyond},
                },
                ProjectionExpression="pk, place",
                Limit=limit,
            )
            for item in answer["Items"]:
                place = item["place"]["S"]
                if place <= beyond:
                    continue
                priority, ready_at, _ = place.split("#", 2)
                if ready_at <= soonest:
                    found.append((ready_at, item["pk"]["S"]))
                    beyond = place
                else:
                    beyond = f"{priority}#~"  # the rest of it waits too: on to the next priority
            if "LastEvaluatedKey" not in answer:
                break
        return found[:limit]


def _shared(found: Sequence[Sequence[tuple[str, str]]], limit: int) -> list[tuple[str, str]]:
    """The first of all, and of each task its share: what waits for a limit, long and in numbers,
    hides nothing of other tasks.
    """
    some = [sorted(each) for each in found if each]
    share = max(1, limit // max(1, len(some)))
    first = sorted(one for each in some for one in each[:share])[:limit]
    rest = sorted(one for each in some for one in each[share:])
    return sorted(first + rest[: limit - len(first)])
