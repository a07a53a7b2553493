"""Handing out queued operations: the job that the writer runs for ``claim``.

An operation carries the policy it was accepted with, so one task may have queued ones of
several. For each task, the operations of each policy and the lanes (``lanes``) of each are walked
in order, and merged; what a limit refuses takes its whole queue out of the walk.
"""

from __future__ import annotations

import heapq
import itertools
from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from typing import Any

from ringback.core.lifecycle import claim as decide_claim
from ringback.core.model import HELD, Claimed, Demand, OperationState, Policy
from ringback.core.retry import CLOCK_SLACK, waits_until
from ringback.engines.sqlite import lanes, rows
from ringback.engines.sqlite.commit import append_messages, store
from ringback.engines.sqlite.writer import Transaction

Place = tuple[int, float, int]
"""Where something stands in the order: (-priority, ready_at, row)."""

PLAIN = "operations INDEXED BY operations_ready WHERE status = 'queued' AND lane IS NULL AND "
"""The queued operations that stand in no lane, by task, policy, priority and time."""
LANES = "lanes INDEXED BY lanes_open WHERE "
"""The lanes, likewise."""
MAX_PRIORITY = 1 << 62
"""Above any priority there is."""

_What = tuple[str | None, int | None]
"""An operation: its limited key, or None; and no lane. A lane: its key, and its row."""
_Walk = Generator[tuple[Place, _What], None, None]
_Next = tuple[Place, int, _What, int, _Walk]
"""The next step of a walk, with a serial number, and the policy whose walk it is."""


def claim(
    transaction: Transaction, worker: str, demands: Sequence[Demand], limit: int, now: float
) -> Claimed:
    """Take up to ``limit`` operations; see ``ports.Engine.claim`` for which."""
    if now < transaction.claimed_at - CLOCK_SLACK:
        mend_waits(transaction, now)
    transaction.claimed_at = now
    found: list[Place] = []
    for demand in demands:
        wanted = min(limit, demand.slots)
        if wanted > 0:
            found += _Search(transaction, demand.task, now).best(wanted)
    found.sort()
    taken = [_take(transaction, worker, row, now) for _, _, row in found[:limit]]
    if len(taken) >= limit:
        return Claimed(tuple(taken), None)
    tasks = [demand.task for demand in demands if demand.slots > 0]
    waiting = (at for task in tasks for at in _next_ready(transaction, task, now))
    return Claimed(tuple(taken), min(waiting, default=None))


def _take(transaction: Transaction, worker: str, row: int, now: float) -> OperationState:
    before = rows.by_row(transaction.cursor.connection, row)
    change = decide_claim(before, worker, now)
    if before.limit_key is not None:
        lanes.started(transaction, before, now)
    store(transaction, row, before, change.after)
    append_messages(transaction, row, change)
    return change.after


def mend_waits(transaction: Transaction, now: float) -> None:
    """Have what was queued before the clock was set back wait from now on (``waits_until``)."""
    cursor = transaction.cursor
    for index, condition in (
        ("operations_ready", "lane IS NULL"),
        ("operations_in_lane", "lane IS NOT NULL"),
    ):
        waiting: list[Any] = cursor.execute(
            "SELECT row, ready_at, updated_at, attempt "  # noqa: S608 - our own names
            f"FROM operations INDEXED BY {index} "
            f"WHERE status = 'queued' AND {condition} AND ready_at > ? AND ready_at < ?",
            (now, HELD),
        ).fetchall()
        for row, ready_at, queued_at, attempt in waiting:
            until = waits_until(ready_at, queued_at, attempt, now)
            if until != ready_at:
                cursor.execute(
                    "UPDATE operations SET ready_at = ?, updated_at = ? WHERE row = ?",
                    (until, now, row),
                )
    cursor.execute("DELETE FROM rates WHERE started_at > ?", (now + CLOCK_SLACK,))
    shut: list[Any] = cursor.execute(
        "SELECT row FROM lanes WHERE open_at > ? AND open_at < ?", (now, HELD)
    ).fetchall()
    for (lane,) in shut:
        lanes.changed(transaction, lane)


class _Search:
    """One task's eligible operations, best first, under its limits."""

    def __init__(self, transaction: Transaction, task: str, now: float) -> None:
        self._transaction = transaction
        self._connection = transaction.cursor.connection
        self._task = task
        self._now = now
        self._found: list[Place] = []
        self._heap: list[_Next] = []
        self._serial = itertools.count()
        self._running: int | None = None
        self._running_by_key: dict[str, int] | None = None
        self._found_of: Counter[str] = Counter()
        """How many were found of each key."""
        self._turned: set[str] = set()
        """Keys that had their turn under a rate by one that was found."""

    def best(self, wanted: int) -> list[Place]:
        """The first ``wanted`` that may start now."""
        for source in (PLAIN, LANES):
            for policy in _policies(self._transaction, source, self._task):
                self._push(policy, self._walk(source, policy))
        while self._heap and len(self._found) < wanted:
            place, _, (key, lane), policy, walk = heapq.heappop(self._heap)
            limits = rows.policy_of(self._transaction, policy)
            if not self._has_room(limits):
                continue  # for nothing of this policy: none of its walks goes on
            if self._admits(key, limits):
                if lane is None:
                    self._find(place, key, limits)
                else:
                    self._push(policy, self._in_lane(lane, key, place))
            elif lane is None:
                continue  # nor for the rest of this lane
            self._push(policy, walk)
        for *_, walk in self._heap:  # a statement left open would hold on to its snapshot
            walk.close()
        self._heap.clear()
        return self._found

    def _push(self, policy: int, walk: _Walk) -> None:
        step = next(walk, None)
        if step is not None:
            place, what = step
            heapq.heappush(self._heap, (place, next(self._serial), what, policy, walk))

    def _walk(self, source: str, policy: int) -> _Walk:
        """The ready operations, or open lanes, of a policy."""
        columns, order = (
            ("NULL, NULL", "ready_at, row")
            if source is PLAIN
            else ("limit_key, row", "open_at, head")
        )
        at = order.partition(",")[0]
        for priority in _priorities(self._transaction, source, self._task, policy):
            ready: Any = self._connection.execute(
                f"SELECT {order}, {columns} FROM {source} task = ? AND policy = ? "  # noqa: S608
                f"AND priority = ? AND {at} <= ? ORDER BY {order}",
                (self._task, policy, priority, self._now),
            )
            for moment, row, key, lane in ready:
                yield (-priority, moment, row), (key, lane)

    def _in_lane(self, lane: int, key: str | None, place: Place) -> _Walk:
        priority, opened, _ = place
        ready: Any = self._connection.execute(
            "SELECT ready_at, row FROM operations INDEXED BY operations_in_lane "
            "WHERE status = 'queued' AND lane = ? AND ready_at <= ? ORDER BY ready_at, row",
            (lane, self._now),
        )
        for ready_at, row in ready:
            yield (priority, max(ready_at, opened), row), (key, None)

    def _find(self, place: Place, key: str | None, policy: Policy) -> None:
        self._found.append(place)
        if key is not None:
            self._found_of[key] += 1
            if policy.rate_per_key:
                self._turned.add(key)

    def _has_room(self, policy: Policy) -> bool:
        """Whether one more of the task may run, by this policy."""
        if policy.concurrency is None:
            return True
        if self._running is None:
            count: Any = self._connection.execute(
                "SELECT COUNT(*) FROM operations INDEXED BY operations_running "
                "WHERE status = 'running' AND task = ?",
                (self._task,),
            ).get
            self._running = int(count)
        return self._running + len(self._found) < policy.concurrency

    def _admits(self, key: str | None, policy: Policy) -> bool:
        """Whether one more of the key may start now, by this policy."""
        if key is None:
            return True
        if policy.rate_per_key and key in self._turned:
            return False  # the next has to wait
        if policy.concurrency_per_key is None:
            return True
        if self._running_by_key is None:
            counts: Any = self._connection.execute(
                "SELECT limit_key, COUNT(*) FROM operations INDEXED BY operations_running "
                "WHERE status = 'running' AND task = ? GROUP BY limit_key",
                (self._task,),
            )
            self._running_by_key = dict(counts)
        running = self._running_by_key.get(key, 0) + self._found_of[key]
        return running < policy.concurrency_per_key


def _policies(transaction: Transaction, source: str, task: str) -> Iterator[int]:
    """The policies of a task's queued operations: a step of the index each."""
    policy = -1
    while True:
        found: Any = transaction.cursor.execute(
            f"SELECT policy FROM {source} task = ? AND policy > ? ORDER BY policy LIMIT 1",  # noqa: S608
            (task, policy),
        ).fetchone()
        if found is None:
            return
        policy = found[0]
        yield policy


def _priorities(transaction: Transaction, source: str, task: str, policy: int) -> Iterator[int]:
    """The priorities among them, highest first."""
    priority = MAX_PRIORITY
    while True:
        found: Any = transaction.cursor.execute(
            f"SELECT priority FROM {source} task = ? AND policy = ? AND priority < ? "  # noqa: S608
            "ORDER BY priority DESC LIMIT 1",
            (task, policy, priority),
        ).fetchone()
        if found is None:
            return
        priority = found[0]
        yield priority


def _next_ready(transaction: Transaction, task: str, now: float) -> Iterator[float]:
    """When the next of each queue of a task is ready."""
    for source, at in ((PLAIN, "ready_at"), (LANES, "open_at")):
        for policy in _policies(transaction, source, task):
            for priority in _priorities(transaction, source, task, policy):
                found: Any = transaction.cursor.execute(
                    f"SELECT {at} FROM {source} task = ? AND policy = ? AND priority = ? "  # noqa: S608
                    f"AND {at} > ? AND {at} < ? ORDER BY {at} LIMIT 1",
                    (task, policy, priority, now, HELD),
                ).fetchone()
                if found is not None:
                    yield found[0]
