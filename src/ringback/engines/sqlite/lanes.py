"""Lanes: the queues of operations whose key is limited.

Operations of one task, policy, priority and key stand in one lane, in the order in which they
are to be claimed, and only the first of a lane counts for a claim. So a key with a long backlog
that is at its limit costs a claim one step, and hides nobody.

``open_at`` is when a lane is next worth looking at: when its first is ready and the key's rate
allows a start. It may be too early, and then the claim that finds out sets it; never too late.
"""

from __future__ import annotations

from typing import Any

from ringback.core.model import HELD, OperationState, Policy
from ringback.engines.sqlite.writer import Transaction


def has_lane(policy: Policy, limit_key: str | None) -> bool:
    """Whether operations of this policy and key stand in a lane."""
    limited = policy.concurrency_per_key is not None or policy.rate_per_key is not None
    return limited and limit_key is not None


def find(transaction: Transaction, policy_row: int, state: OperationState) -> int:
    """The lane an operation belongs to, made if there is none."""
    cursor = transaction.cursor
    place = (state.task, state.limit_key, policy_row, state.priority)
    found = cursor.execute(
        "SELECT row FROM lanes WHERE task = ? AND limit_key = ? AND policy = ? AND priority = ?",
        place,
    ).fetchone()
    if found is not None:
        return int(found[0])
    cursor.execute(
        "INSERT INTO lanes (task, limit_key, policy, priority, open_at, head) "
        "VALUES (?, ?, ?, ?, ?, 0)",
        (*place, HELD),
    )
    return cursor.connection.last_insert_rowid()


def joined(transaction: Transaction, lane: int, row: int, state: OperationState) -> None:
    """An operation was queued: it is the lane's first if it is ready before that."""
    open_at = max(state.ready_at, key_ready_at(transaction, state.task, state.limit_key))
    transaction.cursor.execute(
        "UPDATE lanes SET open_at = ?, head = ? WHERE row = ? AND (open_at, head) > (?, ?)",
        (open_at, row, lane, open_at, row),
    )


def changed(transaction: Transaction, lane: int) -> None:
    """An operation left the lane, or has another time: see who is first now."""
    cursor = transaction.cursor
    first: Any = cursor.execute(
        "SELECT row, ready_at FROM operations INDEXED BY operations_in_lane "
        "WHERE status = 'queued' AND lane = ? ORDER BY ready_at, row LIMIT 1",
        (lane,),
    ).fetchone()
    if first is None:
        cursor.execute("DELETE FROM lanes WHERE row = ?", (lane,))
        return
    row, ready_at = first
    task, key = cursor.execute("SELECT task, limit_key FROM lanes WHERE row = ?", (lane,)).get
    open_at = max(ready_at, key_ready_at(transaction, task, key))
    cursor.execute("UPDATE lanes SET open_at = ?, head = ? WHERE row = ?", (open_at, row, lane))


def key_ready_at(transaction: Transaction, task: str, key: str | None) -> float:
    """When the rate of a key allows its next start; 0 where there is none to wait for."""
    found = transaction.cursor.execute(
        "SELECT next_at FROM rates WHERE task = ? AND limit_key = ?", (task, key)
    ).fetchone()
    return float(found[0]) if found is not None else 0.0


def started(transaction: Transaction, state: OperationState, now: float) -> None:
    """An operation was claimed: the key's next start has to wait for its turn."""
    rate = state.policy.rate_per_key
    if rate:
        transaction.cursor.execute(
            "INSERT OR REPLACE INTO rates VALUES (?, ?, ?, ?)",
            (state.task, state.limit_key, now, now + 1.0 / rate),
        )
