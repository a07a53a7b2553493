"""Finding the queued operations that a claim may take, in the order of the index."""

from __future__ import annotations

import heapq
import math
from collections.abc import AsyncIterator
from typing import NamedTuple

from ringback.core.model import HELD, Policy
from ringback.engines.dynamodb import items, schema
from ringback.engines.dynamodb.client import Client, Item
from ringback.engines.dynamodb.limits import Admitted, Limits

FIRST_PAGE = 25
"""Entries of the index that are read at first, at least; each further page is twice as long."""
LONGEST_PAGE = 1000

Place = tuple[str, float, str]
"""Where something stands in the order: priority (as in the index), when it is ready, id."""


class Entry(NamedTuple):
    """A queued operation, as the index knows it."""

    place: str
    priority: str
    ready_at: float
    id: str
    policy: Policy
    limit_key: str | None


class Found(NamedTuple):
    place: Place
    task: str
    admitted: Admitted


class Search:
    """One task's eligible operations, best first, under its limits."""

    def __init__(self, client: Client, task: str, now: float) -> None:
        self._client = client
        self._task = task
        self._now = now
        self._limits = Limits(client, task, now)
        self._later: list[tuple[Place, Entry]] = []
        """Those whose key's turn came after they were ready, in the order of their turns."""
        self.found: list[Found] = []
        self.next: list[float] = []
        """When time alone may make further ones eligible."""

    async def best(self, wanted: int) -> None:
        """Find the first ``wanted`` that may start now."""
        async for entry in self._ready(max(FIRST_PAGE, wanted)):
            turn = self._limits.turn(entry.policy, entry.limit_key)
            place = (entry.priority, entry.ready_at, entry.id)
            self._meet(place, wanted)
            if len(self.found) >= wanted:
                return
            if turn > self._now:
                self.next.append(turn)
            elif turn > entry.ready_at:
                heapq.heappush(self._later, ((entry.priority, turn, entry.id), entry))
            else:
                self._try(place, entry)
            if len(self.found) >= wanted:
                return
        self._meet(None, wanted)

    def _meet(self, upto: Place | None, wanted: int) -> None:
        while self._later and len(self.found) < wanted:
            if upto is not None and self._later[0][0] > upto:
                return
            self._try(*heapq.heappop(self._later))

    def _try(self, place: Place, entry: Entry) -> None:
        admitted = self._limits.admit(entry.id, entry.policy, entry.limit_key)
        if admitted is not None:
            self.found.append(Found(place, self._task, admitted))
            return
        turn = self._limits.turn(entry.policy, entry.limit_key)
        if turn > self._now:
            self.next.append(turn)

    async def _ready(self, size: int) -> AsyncIterator[Entry]:
        """The ready ones in the order of the index; notes when the next of each priority is."""
        rest: list[Entry] = []
        beyond, more = "", True
        policies: set[Policy] = set()
        soonest = schema.time_key(self._now)
        while more or rest:
            if not rest:
                if len(policies) == 1 and all(map(self._limits.full, policies)):
                    return  # what follows is of the same, and a queue at its limit may be long
                rest, more = await self._page(beyond, size)
                size = min(size * 2, LONGEST_PAGE)
                policies |= {each.policy for each in rest}
                await self._limits.look((each.policy, each.limit_key) for each in rest)
            while rest:
                entry = rest.pop(0)
                if entry.place <= beyond:
                    continue
                beyond = entry.place
                if entry.place[len(entry.priority) + 1 :][: len(soonest)] <= soonest:
                    yield entry
                    continue
                if entry.ready_at < HELD:
                    self.next.append(max(entry.ready_at, math.nextafter(self._now, math.inf)))
                beyond = f"{entry.priority}#~"  # on to the next priority

    async def _page(self, beyond: str, size: int) -> tuple[list[Entry], bool]:
        answer = await self._client.dynamodb(
            "query",
            IndexName=schema.STAGE,
            KeyConditionExpression="stage = :stage AND place > :beyond",
            ExpressionAttributeValues={
                ":stage": {"S": items.queued_stage(self._task)},
                ":beyond": {"S": beyond or "!"},
            },
            Limit=size,
        )
        return [entry_of(item) for item in answer["Items"]], "LastEvaluatedKey" in answer


def entry_of(item: Item) -> Entry:
    place = item["place"]["S"]
    priority, moment, operation = place.split("#", 2)
    ready_at = int(moment) / 1e6
    policy = items.policy_of(item["policy"]["S"])
    return Entry(place, priority, ready_at, operation, policy, items.text(item, "limit_key"))
