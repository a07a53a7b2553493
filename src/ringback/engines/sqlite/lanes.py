"""Lanes: the queues of operations that have a key, which is what limits count by.

Operations of one task, policy, priority and key stand in one lane, in the order in which they
are to be claimed, and only the first of a lane counts for a claim. So a key with a long backlog
that is at its limit costs a claim one step, and hides nobody.

``open_at`` is when a lane is next worth looking at: when its first is ready and, under a rate,
the key has its turn.
"""

from __future__ import annotations

from typing import Any

from ringback.core.model import HELD, OperationState
from ringback.engines.sqlite.writer import Transaction


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
        "INSERT INTO lanes (task, limit_key, policy, priority, rated, open_at, head) "
        "VALUES (?, ?, ?, ?, ?, ?, 0)",
        (*place, bool(state.policy.rate_per_key), HELD),
    )
    return cursor.connection.last_insert_rowid()


def joined(transaction: Transaction, lane: int, row: int, state: OperationState) -> None:
    """An operation was queued: it is the lane's first if it is ready before that."""
    open_at = state.ready_at
    if state.policy.rate_per_key:
        open_at = max(open_at, _turn(transaction, state.task, state.limit_key))
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
    row, open_at = first
    task, key, rated = cursor.execute(
        "SELECT task, limit_key, rated FROM lanes WHERE row = ?", (lane,)
    ).get
    if rated:
        open_at = max(open_at, _turn(transaction, task, key))
    cursor.execute("UPDATE lanes SET open_at = ?, head = ? WHERE row = ?", (open_at, row, lane))


def started(transaction: Transaction, state: OperationState, now: float) -> None:
    """An operation was claimed: under a rate, the key's next start has to wait for its turn."""
    rate = state.policy.rate_per_key
    if not rate:
        return
    turn = now + 1.0 / rate
    transaction.cursor.execute(
        "INSERT OR REPLACE INTO rates VALUES (?, ?, ?, ?)",
        (state.task, state.limit_key, now, turn),
    )
    transaction.cursor.execute(
        "UPDATE lanes SET open_at = ? WHERE task = ? AND limit_key = ? AND rated AND open_at < ?",
        (turn, state.task, state.limit_key, turn),
    )


def _turn(transaction: Transaction, task: str, key: str | None) -> float:
    """When the key may start its next operation; 0 where there is nothing to wait for."""
    found = transaction.cursor.execute(
        "SELECT next_at FROM rates WHERE task = ? AND limit_key = ?", (task, key)
    ).fetchone()
    return float(found[0]) if found is not None else 0.0
