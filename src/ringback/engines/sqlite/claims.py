"""Handing out queued operations: the job that the writer runs for ``claim``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from ringback.core.lifecycle import claim as decide_claim
from ringback.core.model import Claimed, Demand, OperationState, Policy
from ringback.engines.sqlite import rows
from ringback.engines.sqlite.commit import append_messages, store
from ringback.engines.sqlite.writer import Transaction

MAX_PASSED_OVER = 500
"""Operations at their key's limit that a claim steps over one by one; then it goes by key."""
MAX_KEYS = 2000
"""Distinct keys a claim looks at when it goes by key: a bound of its time, some milliseconds."""

_HEAD = "SELECT row, limit_key, ready_at FROM operations INDEXED BY operations_ready "


def claim(
    transaction: Transaction, worker: str, demands: Sequence[Demand], limit: int, now: float
) -> Claimed:
    """Take up to ``limit`` operations; see ``ports.Engine.claim`` for which."""
    candidates: list[tuple[int, float, int]] = []
    next_ready: float | None = None
    for demand in demands:
        wanted = min(limit, demand.slots)
        if wanted > 0:
            search = _Search(transaction, demand.task, wanted, now)
            candidates.extend(search.found)
            next_ready = _sooner(next_ready, search.next_ready)
    candidates.sort()
    taken = [_take(transaction, worker, row, now) for _, _, row in candidates[:limit]]
    return Claimed(tuple(taken), next_ready)


def _take(transaction: Transaction, worker: str, row: int, now: float) -> OperationState:
    cursor = transaction.cursor
    before = rows.by_row(cursor.connection, row)
    change = decide_claim(before, worker, now)
    after = change.after
    store(transaction, row, before, after)
    append_messages(transaction, row, change)
    rate = before.policy.rate_per_key
    if rate and before.limit_key is not None:
        cursor.execute(
            "INSERT OR REPLACE INTO rates VALUES (?, ?, ?)",
            (before.task, before.limit_key, now + 1.0 / rate),
        )
    return after


class _Search:
    """One task's eligible operations, best first, under its limits."""

    def __init__(self, transaction: Transaction, task: str, wanted: int, now: float) -> None:
        self._cursor = transaction.cursor
        self._connection = transaction.cursor.connection
        self._task = task
        self._now = now
        self.found: list[tuple[int, float, int]] = []
        """(-priority, ready_at, row)"""
        self.next_ready: float | None = None
        self._policy: Policy | None = None
        self._taken: dict[str, int] = {}
        self._full: dict[str, bool] = {}
        for priority in self._priorities():
            if len(self.found) >= wanted:
                break
            wanted = min(wanted, self._room(priority) + len(self.found))
            self._at_priority(priority, wanted)

    def _priorities(self) -> Iterator[int]:
        """The priorities that have queued operations, highest first: a step of the index each."""
        row = self._cursor.execute(
            "SELECT priority FROM operations INDEXED BY operations_ready "
            "WHERE status = 'queued' AND task = ? ORDER BY priority DESC LIMIT 1",
            (self._task,),
        ).fetchone()
        while row is not None:
            yield row[0]
            row = self._cursor.execute(
                "SELECT priority FROM operations INDEXED BY operations_ready "
                "WHERE status = 'queued' AND task = ? AND priority < ? "
                "ORDER BY priority DESC LIMIT 1",
                (self._task, row[0]),
            ).fetchone()

    def _room(self, priority: int) -> int:
        """How many more of this task may run, by the policy of the next in line."""
        if self._policy is None:
            row: Any = self._cursor.execute(
                _HEAD + "WHERE status = 'queued' AND task = ? AND priority = ? "
                "ORDER BY ready_at, row LIMIT 1",
                (self._task, priority),
            ).fetchone()
            self._policy = rows.by_row(self._connection, row[0]).policy
        overall = self._policy.concurrency
        if overall is None:
            return 1 << 30
        running = self._cursor.execute(
            "SELECT COUNT(*) FROM operations INDEXED BY operations_running "
            "WHERE status = 'running' AND task = ?",
            (self._task,),
        ).fetchone()
        return max(0, overall - (running[0] if running else 0) - len(self.found))

    def _at_priority(self, priority: int, wanted: int) -> None:
        passed_over = 0
        cursor: Any = self._connection.cursor()
        for row, key, ready_at in cursor.execute(
            _HEAD + "WHERE status = 'queued' AND task = ? AND priority = ? ORDER BY ready_at, row",
            (self._task, priority),
        ):
            if ready_at > self._now:
                self.next_ready = _sooner(self.next_ready, ready_at)
                break
            if len(self.found) >= wanted:
                break
            if key is not None and not self._admit(key):
                passed_over += 1
                if passed_over >= MAX_PASSED_OVER:
                    self._by_key(priority, wanted)
                    break
                continue
            self.found.append((-priority, ready_at, row))
        cursor.close()

    def _by_key(self, priority: int, wanted: int) -> None:
        """The first of each key that has room: what a long tail of one key would hide."""
        chosen = {row for _, _, row in self.found}
        key = ""
        for _ in range(MAX_KEYS):
            if len(self.found) >= wanted:
                return
            step = self._cursor.execute(
                "SELECT limit_key FROM operations INDEXED BY operations_ready_by_key "
                "WHERE status = 'queued' AND task = ? AND limit_key > ? "
                "ORDER BY limit_key LIMIT 1",
                (self._task, key),
            ).fetchone()
            if step is None:
                return
            key = step[0]
            if self._full.get(key):
                continue
            first: list[Any] = self._connection.execute(
                "SELECT row, ready_at FROM operations INDEXED BY operations_ready_by_key "
                "WHERE status = 'queued' AND task = ? AND limit_key = ? AND priority = ? "
                "AND ready_at <= ? ORDER BY ready_at LIMIT ?",
                (self._task, key, priority, self._now, wanted),
            ).fetchall()
            for row, ready_at in first:
                if row in chosen:
                    continue
                if len(self.found) >= wanted or not self._admit(key):
                    break
                self.found.append((-priority, ready_at, row))

    def _admit(self, key: str) -> bool:
        """Whether one more of this key may start now; counts it if so."""
        if self._full.get(key):
            return False
        if self._policy is None:
            return True
        per_key, rate = self._policy.concurrency_per_key, self._policy.rate_per_key
        if per_key is not None:
            if key not in self._taken:
                running = self._cursor.execute(
                    "SELECT COUNT(*) FROM operations INDEXED BY operations_running "
                    "WHERE status = 'running' AND task = ? AND limit_key = ?",
                    (self._task, key),
                ).fetchone()
                self._taken[key] = running[0] if running else 0
            if self._taken[key] >= per_key:
                self._full[key] = True
                return False
            self._taken[key] += 1
        if rate:
            next_at = self._cursor.execute(
                "SELECT next_at FROM rates WHERE task = ? AND limit_key = ?", (self._task, key)
            ).fetchone()
            if next_at is not None and self._now < next_at[0] <= self._now + 1.0 / rate:
                self._full[key] = True
                self.next_ready = _sooner(self.next_ready, next_at[0])
                return False
            self._full[key] = True  # the next of this key has to wait for its turn
            self.next_ready = _sooner(self.next_ready, self._now + 1.0 / rate)
        return True


def _sooner(one: float | None, other: float | None) -> float | None:
    if one is None or other is None:
        return one if other is None else other
    return min(one, other)
