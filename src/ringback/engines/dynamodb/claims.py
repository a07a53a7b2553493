"""Handing out queued operations.

The index says which are queued, in their order; what it says is looked at in the table, and taken
by a transaction that holds for it. The index follows the table within moments: what was just queued
may be seen a moment later, and what was just taken is passed over.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from ringback.core.commands import Fail
from ringback.core.lifecycle import NOBODY, decide
from ringback.core.lifecycle import claim as decide_claim
from ringback.core.model import HELD, Change, Claimed, Demand, OperationState, Status
from ringback.core.retry import CLOCK_SLACK, waits_until
from ringback.engines.dynamodb import items, schema
from ringback.engines.dynamodb.changes import Changes, Prepared
from ringback.engines.dynamodb.client import Cancelled, Client, pause
from ringback.engines.dynamodb.limits import Admitted, Limits, Write, takes
from ringback.engines.dynamodb.logs import Logs
from ringback.engines.dynamodb.searching import Entry, Search, entry_of
from ringback.errors import StoreUnavailable, TaskFailed

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
        self._doubtful: dict[str, OperationState] = {}
        """What was to be taken when the store did not answer: it may have been."""

    async def claim(
        self, worker: str, demands: Sequence[Demand], limit: int, now: float
    ) -> Claimed:
        """Take up to ``limit`` operations; see ``ports.Engine.claim`` for which."""
        async with self._one_at_a_time:
            if now < self._claimed_at - CLOCK_SLACK:
                await asyncio.gather(*[self._mend_waits(demand.task, now) for demand in demands])
            self._claimed_at = now
            slots = Counter({demand.task: demand.slots for demand in demands})
            doubtful: list[OperationState] = []
            for state in self._doubtful.values():
                if state.worker == worker and slots[state.task] > 0 and len(doubtful) < limit:
                    slots[state.task] -= 1
                    doubtful.append(state)
            taken = await self._taken_after_all(doubtful)
            try:
                waiting = await self._claim(worker, demands, limit, now, taken)
            except Exception as error:
                waiting = [_soon(taken, error, now)]
        return Claimed(tuple(taken), None if len(taken) >= limit else min(waiting, default=None))

    async def _claim(
        self,
        worker: str,
        demands: Sequence[Demand],
        limit: int,
        now: float,
        taken: list[OperationState],
    ) -> list[float]:
        """Add to what is taken; when time alone may make further ones eligible."""
        waiting: list[float] = []
        for tried in range(ROUNDS):
            had = Counter(state.task for state in taken)
            searches = []
            for demand in demands:
                wanted = min(limit - len(taken), demand.slots - had[demand.task])
                if wanted > 0:
                    searches.append((Search(self._client, demand.task, now), wanted))
            await asyncio.gather(*[search.best(wanted) for search, wanted in searches])
            waiting = [at for search, _ in searches for at in search.next]
            found = sorted(each for search, _ in searches for each in search.found)
            chosen = found[: limit - len(taken)]
            states, lost = await self._logs.load_some([each.admitted.id for each in chosen])
            await self._fail(lost.values(), now)
            admitted = [(each.task, each.admitted) for each in chosen]
            if await self._take(worker, admitted, states, now, taken) == len(chosen):
                break
            await pause(tried)
        return waiting

    async def _take(
        self,
        worker: str,
        chosen: Sequence[tuple[str, Admitted]],
        states: Mapping[str, OperationState],
        now: float,
        taken: list[OperationState],
    ) -> int:
        """Have these run, but for those that something happened to meanwhile; how many do. Each is
        among the taken at once: nobody else would know of it if the next failed.
        """
        before = len(taken)
        able = [
            (task, admitted)
            for task, admitted in chosen
            if admitted.id in states and ready(states[admitted.id], now)
        ]
        for at in range(0, len(able), AT_ONCE):
            for state in await self._take_some(worker, able[at : at + AT_ONCE], states, now):
                self._doubtful.pop(state.id, None)
                taken.append(state)
        return len(taken) - before

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
                await self._write([change.after for change in decided], [*writes, *counts])
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
            *[self._is_taken(*each) for each in zip(decided, prepared, strict=True)],
            return_exceptions=True,
        )
        taken = [
            change.after for change, answer in zip(decided, answers, strict=True) if answer is True
        ]
        failed = [answer for answer in answers if isinstance(answer, BaseException)]
        if failed and not taken:
            raise failed[0]
        return taken  # what failed is looked for again

    async def _is_taken(self, change: Change, prepared: Prepared) -> bool:
        try:
            await self._write([change.after], prepared.writes)
        except Cancelled as refused:
            return prepared.done(refused)
        return True

    async def _write(self, after: Sequence[OperationState], writes: Sequence[Write]) -> None:
        try:
            await self._client.transact(writes)
        except StoreUnavailable:
            self._doubtful |= {state.id: state for state in after}
            raise

    async def _taken_after_all(self, doubtful: Sequence[OperationState]) -> list[OperationState]:
        """Those that were taken, of those of which no answer said so: with nobody who knew, they
        would wait for their leases, and have had an attempt.
        """
        if not doubtful:
            return []
        states, _ = await self._logs.load_some([each.id for each in doubtful])
        found = []
        for each in doubtful:
            self._doubtful.pop(each.id, None)
            state = states.get(each.id)
            if (
                state is not None
                and state.status is Status.RUNNING
                and (state.attempt, state.worker) == (each.attempt, each.worker)
            ):
                found.append(state)
        return found

    async def choose(self, worker: str, operations: Sequence[str], now: float) -> Claimed:
        """Take exactly these, as far as they are eligible; see ``ports.Chosen``."""
        async with self._one_at_a_time:
            doubtful = [
                self._doubtful[each]
                for each in dict.fromkeys(operations)
                if each in self._doubtful and self._doubtful[each].worker == worker
            ]
            taken = await self._taken_after_all(doubtful)
            try:
                waiting = await self._choose(worker, operations, now, taken)
            except Exception as error:
                waiting = [_soon(taken, error, now)]
        return Claimed(tuple(taken), min(waiting, default=None))

    async def _choose(
        self, worker: str, operations: Sequence[str], now: float, taken: list[OperationState]
    ) -> list[float]:
        """Add to what is taken; when time alone may make further ones eligible."""
        waiting: list[float] = []
        for tried in range(ROUNDS):
            had = {state.id for state in taken}
            left = [each for each in dict.fromkeys(operations) if each not in had]
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
            if await self._take(worker, chosen, states, now, taken) == len(chosen):
                break
            await pause(tried)
        return waiting

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
            entry = entry_of(item)
            until = waits_until(entry.ready_at, queued_at, attempt, now)
            if until != entry.ready_at:
                await self._mend(entry, until, item["queued_at"], now)

    async def _mend(self, entry: Entry, until: float, seen: Any, now: float) -> None:
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


def _soon(taken: Sequence[OperationState], error: Exception, now: float) -> float:
    """When to claim again after an error: what was taken before it is given, and the next claim
    meets what is wrong. Raises it where nothing was.
    """
    if not taken:
        raise error
    log.warning("No more is claimed than %d operations: %s", len(taken), error)
    return math.nextafter(now, math.inf)
