"""Handing out queued operations.

The index says which are queued, in their order; what it says is looked at in the table, and taken
by a transaction that holds for it. The index follows the table within moments: what was just queued
may be seen a moment later, and what was just taken is passed over.
"""

from __future__ import annotations

import asyncio
import heapq
import logging
import math
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from ringback.core.commands import Fail
from ringback.core.lifecycle import NOBODY, decide
from ringback.core.lifecycle import claim as decide_claim
from ringback.core.model import HELD, Change, Claimed, Demand, OperationState, Policy, Status
from ringback.core.retry import CLOCK_SLACK, waits_until
from ringback.engines.dynamodb import items, schema
from ringback.engines.dynamodb.changes import Changes, Prepared
from ringback.engines.dynamodb.client import Cancelled, Client, Item, pause
from ringback.engines.dynamodb.limits import Admitted, Limits, Write, takes
from ringback.engines.dynamodb.logs import Logs
from ringback.errors import TaskFailed

FIRST_PAGE = 25
"""Entries of the index that are read at first, at least; each further page is twice as long."""
LONGEST_PAGE = 1000
AT_ONCE = 25
"""Operations taken in one transaction."""
ROUNDS = 10
"""Times that a claim looks anew, having met another."""

_NO_INPUT = msgspec.json.encode(
    TaskFailed(
        "The input is missing in the store, so the task cannot run. Submit it anew."
    ).problem()
)

log = logging.getLogger("ringback.dynamodb")

Place = tuple[str, float, str]
"""Where something stands in the order: priority (as in the index), when it is ready, id."""


class _Entry(NamedTuple):
    """A queued operation, as the index knows it."""

    place: str
    priority: str
    ready_at: float
    id: str
    policy: Policy
    limit_key: str | None


class _Found(NamedTuple):
    place: Place
    task: str
    admitted: Admitted


class _Search:
    """One task's eligible operations, best first, under its limits."""

    def __init__(self, client: Client, task: str, now: float) -> None:
        self._client = client
        self._task = task
        self._now = now
        self._limits = Limits(client, task, now)
        self._later: list[tuple[Place, _Entry]] = []
        """Those whose key's turn came after they were ready, in the order of their turns."""
        self.found: list[_Found] = []
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

    def _try(self, place: Place, entry: _Entry) -> None:
        admitted = self._limits.admit(entry.id, entry.policy, entry.limit_key)
        if admitted is not None:
            self.found.append(_Found(place, self._task, admitted))
            return
        turn = self._limits.turn(entry.policy, entry.limit_key)
        if turn > self._now:
            self.next.append(turn)

    async def _ready(self, size: int) -> AsyncIterator[_Entry]:
        """The ready ones in the order of the index; notes when the next of each priority is."""
        rest: list[_Entry] = []
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

    async def _page(self, beyond: str, size: int) -> tuple[list[_Entry], bool]:
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
        return [_entry(item) for item in answer["Items"]], "LastEvaluatedKey" in answer


def _entry(item: Item) -> _Entry:
    place = item["place"]["S"]
    priority, moment, operation = place.split("#", 2)
    ready_at = int(moment) / 1e6
    policy = items.policy_of(item["policy"]["S"])
    return _Entry(place, priority, ready_at, operation, policy, items.text(item, "limit_key"))


class Claims:
    """Claiming, for one process: one claim at a time, since several would meet each other."""

    def __init__(self, client: Client, changes: Changes, logs: Logs) -> None:
        self._client = client
        self._changes = changes
        self._logs = logs
        self._one_at_a_time = asyncio.Lock()
        self._claimed_at = math.inf
        """When this process last claimed, to notice that the clock was set back. Infinity: that
        is not known, and has to be looked into."""

    async def claim(
        self, worker: str, demands: Sequence[Demand], limit: int, now: float
    ) -> Claimed:
        """Take up to ``limit`` operations; see ``ports.Engine.claim`` for which."""
        async with self._one_at_a_time:
            if now < self._claimed_at - CLOCK_SLACK:
                await asyncio.gather(*[self._mend_waits(demand.task, now) for demand in demands])
            self._claimed_at = now
            return await self._claim(worker, demands, limit, now)

    async def _claim(
        self, worker: str, demands: Sequence[Demand], limit: int, now: float
    ) -> Claimed:
        taken: list[OperationState] = []
        waiting: list[float] = []
        for tried in range(ROUNDS):
            had = Counter(state.task for state in taken)
            searches = []
            for demand in demands:
                wanted = min(limit - len(taken), demand.slots - had[demand.task])
                if wanted > 0:
                    searches.append((_Search(self._client, demand.task, now), wanted))
            await asyncio.gather(*[search.best(wanted) for search, wanted in searches])
            waiting = [at for search, _ in searches for at in search.next]
            found = sorted(each for search, _ in searches for each in search.found)
            chosen = found[: limit - len(taken)]
            states, lost = await self._logs.load_some([each.admitted.id for each in chosen])
            await self._fail(lost.values(), now)
            admitted = [(each.task, each.admitted) for each in chosen]
            given = await self._take(worker, admitted, states, now)
            taken += given
            if len(given) == len(chosen):
                break
            await pause(tried)
        return Claimed(tuple(taken), None if len(taken) >= limit else min(waiting, default=None))

    async def _take(
        self,
        worker: str,
        chosen: Sequence[tuple[str, Admitted]],
        states: Mapping[str, OperationState],
        now: float,
    ) -> list[OperationState]:
        """Have these run, but for those that something happened to meanwhile."""
        able = [
            (task, admitted)
            for task, admitted in chosen
            if admitted.id in states and ready(states[admitted.id], now)
        ]
        taken: list[OperationState] = []
        for at in range(0, len(able), AT_ONCE):
            taken += await self._take_some(worker, able[at : at + AT_ONCE], states, now)
        return taken

    async def _take_some(
        self,
        worker: str,
        chosen: list[tuple[str, Admitted]],
        states: Mapping[str, OperationState],
        now: float,
    ) -> list[OperationState]:
        while chosen:
            decided = [decide_claim(states[each.id], worker, now) for _, each in chosen]
            prepared = [await self._changes.prepared(change) for change in decided]
            counts: list[Write] = []
            for task in sorted({task for task, _ in chosen}):
                counts += takes(task, [each for of, each in chosen if of == task], now)
            if not counts:
                return await self._take_each(decided, prepared)
            writes = [write for each in prepared for write in each.writes]
            owners = [index for index, each in enumerate(prepared) for _ in each.writes]
            try:
                await self._client.transact([*writes, *counts])
            except Cancelled as refused:
                failed = {index for index, why in enumerate(refused.reasons) if why is not None}
                if any(index >= len(owners) for index in failed):
                    return []  # a limit: what else may start has to be looked for anew
                lost = {owners[index] for index in failed}
                chosen = [each for index, each in enumerate(chosen) if index not in lost]
                continue
            return [change.after for change in decided]
        return []

    async def _take_each(
        self, decided: Sequence[Change], prepared: Sequence[Prepared]
    ) -> list[OperationState]:
        """The same where there are no limits to hold: each by itself costs half as much."""
        answers = await asyncio.gather(
            *[self._is_taken(each) for each in prepared], return_exceptions=True
        )
        taken = [
            change.after for change, answer in zip(decided, answers, strict=True) if answer is True
        ]
        failed = [answer for answer in answers if isinstance(answer, BaseException)]
        if failed and not taken:
            raise failed[0]
        return taken  # what failed is seen again, or its lease ends

    async def _is_taken(self, prepared: Prepared) -> bool:
        try:
            await self._client.transact(prepared.writes)
        except Cancelled as refused:
            return prepared.done(refused)
        return True

    async def choose(self, worker: str, operations: Sequence[str], now: float) -> Claimed:
        """Take exactly these, as far as they are eligible; see ``ports.Chosen``."""
        taken: list[OperationState] = []
        waiting: list[float] = []
        left = list(dict.fromkeys(operations))
        for tried in range(ROUNDS):
            states, lost = await self._logs.load_some(left)
            await self._fail(lost.values(), now)
            waiting = []
            chosen: list[tuple[str, Admitted]] = []
            limits: dict[str, Limits] = {}
            for operation in left:
                state = states.get(operation)
                if state is None or state.status is not Status.QUEUED:
                    continue
                of = limits.setdefault(state.task, Limits(self._client, state.task, now))
                await of.look([(state.policy, state.limit_key)])
                until = waits_until(state.ready_at, state.updated_at, state.attempt, now)
                until = max(until, of.turn(state.policy, state.limit_key))
                if until > now:
                    waiting += [until] * (until < HELD)
                    continue
                admitted = of.admit(operation, state.policy, state.limit_key)
                if admitted is not None:
                    chosen.append((state.task, admitted))
            given = await self._take(worker, chosen, states, now)
            taken += given
            if len(given) == len(chosen):
                break
            had = {state.id for state in given}
            left = [operation for operation in left if operation not in had]
            await pause(tried)
        return Claimed(tuple(taken), min(waiting, default=None))

    async def _fail(self, lost: Iterable[OperationState], now: float) -> None:
        """End what cannot run, since its input is missing. It is no dead letter: it could not be
        done again either.
        """
        for state in lost:
            if state.status is not Status.QUEUED:
                continue
            log.error("The input of %s is missing in S3; it has failed.", state.id)
            change = decide(state, Fail(attempt=NOBODY, problem=_NO_INPUT), now)
            if change is None:
                continue
            # With something in the place of its input it can be read again.
            after = msgspec.structs.replace(change.after, input=b"null")
            change = msgspec.structs.replace(change, after=after)
            try:
                await self._client.transact((await self._changes.prepared(change)).writes)
            except Cancelled:
                continue  # something happened to it meanwhile

    async def _mend_waits(self, task: str, now: float) -> None:
        """Have what was queued before the clock was set back wait from now on."""
        found = await self._client.query(
            IndexName=schema.STAGE,
            KeyConditionExpression="stage = :stage",
            FilterExpression="queued_at > :now",
            ExpressionAttributeValues={
                ":stage": {"S": items.queued_stage(task)},
                ":now": items.value(now + CLOCK_SLACK),
            },
        )
        for item in found:
            queued_at, attempt = items.number(item, "queued_at"), items.integer(item, "attempt")
            entry = _entry(item)
            until = waits_until(entry.ready_at, queued_at, attempt, now)
            if until != entry.ready_at:
                await self._mend(entry, until, item["queued_at"], now)

    async def _mend(self, entry: _Entry, until: float, seen: Any, now: float) -> None:
        place = f"{entry.priority}#{schema.time_key(until)}#{entry.id}"
        try:
            await self._client.update(
                schema.operation_key(entry.id),
                items.OPERATION,
                {
                    "UpdateExpression": "SET ready_at = :until, updated_at = :now, "
                    "queued_at = :now, #place = :place",
                    "ConditionExpression": "#stage = :stage AND queued_at = :seen",
                    "ExpressionAttributeNames": {"#place": "place", "#stage": "status"},
                    "ExpressionAttributeValues": {
                        ":until": items.value(until),
                        ":now": items.value(now),
                        ":place": {"S": place},
                        ":stage": {"S": Status.QUEUED.value},
                        ":seen": seen,
                    },
                },
            )
        except Cancelled:
            return  # it was taken, or mended by another


def ready(state: OperationState, now: float) -> bool:
    """Whether an operation waits for nothing but its limits."""
    return (
        state.status is Status.QUEUED
        and waits_until(state.ready_at, state.updated_at, state.attempt, now) <= now
    )
