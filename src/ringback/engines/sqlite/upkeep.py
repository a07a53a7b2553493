"""Leases and retention: jobs that keep the store in order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import apsw

from ringback.core.model import TERMINAL, OperationState
from ringback.core.retry import lease_over
from ringback.engines.sqlite import journal, rows
from ringback.engines.sqlite.keys import KeySweep
from ringback.engines.sqlite.logs import missing
from ringback.engines.sqlite.writer import Transaction
from ringback.errors import StillOpen

SWEEP_ROWS = 200
"""Operations forgotten in one transaction: some milliseconds, so that requests need not wait."""
SWEEP_SMALL_ROWS = 2000
"""Likewise for rows that are nothing but themselves."""
REMEMBERED = 30 * 86400.0
"""Seconds for which a forgotten id is answered with 410, and only then with 404."""


def renew(
    transaction: Transaction, leases: Sequence[tuple[str, int]], now: float
) -> tuple[frozenset[str], frozenset[str]]:
    """Extend leases; the ids that are lost, and those to be cancelled."""
    cursor = transaction.cursor
    lost: set[str] = set()
    cancelled: set[str] = set()
    for operation, attempt in leases:
        found = cursor.execute(
            rows.SELECT + "WHERE o.id = ? AND o.status = 'running' AND o.attempt = ?",
            (operation, attempt),
        ).fetchone()
        if found is None:
            lost.add(operation)
            continue
        state = rows.decode(found)
        cursor.execute(
            "UPDATE operations SET lease_until = ? WHERE row = ?",
            (now + state.policy.lease, found[-1]),
        )
        if state.cancel_requested:
            cancelled.add(operation)
    return frozenset(lost), frozenset(cancelled)


def overdue(connection: apsw.Connection, now: float, limit: int) -> list[OperationState]:
    """Running operations whose lease is over."""
    # All running ones are looked at: there are no more of them than workers have slots, and
    # what counts as over (a lease from before the clock was set back) is the core's to say.
    found: list[OperationState] = []
    for row in connection.execute(rows.SELECT + "WHERE o.status = 'running'").fetchall():
        state = rows.decode(row)
        if lease_over(state, now):
            found.append(state)
            if len(found) >= limit:
                break
    return found


def forget(transaction: Transaction, operation: str, now: float) -> None:
    """Delete a terminal operation and its log, and remember that it was here."""
    cursor = transaction.cursor
    found = cursor.execute(
        "SELECT row, status, subject FROM operations WHERE id = ?", (operation,)
    ).fetchone()
    if found is None:
        raise missing(cursor.connection, operation)
    row, status, subject = found
    if status not in {terminal.value for terminal in TERMINAL}:
        raise StillOpen(operation=operation)
    _delete(transaction, [(row, operation, subject)], now)


def sweep(
    transaction: Transaction,
    now: float,
    event_retention: float,
    expired_keys: KeySweep,
    silent_topics: TopicSweep,
) -> int:
    """Delete some of what has expired; how many rows went."""
    cursor = transaction.cursor
    expired: list[Any] = cursor.execute(
        "SELECT row, id, subject FROM operations WHERE expires_at <= ? ORDER BY expires_at LIMIT ?",
        (now, SWEEP_ROWS),
    ).fetchall()
    _delete(transaction, expired, now)
    gone = len(expired) + expired_keys.sweep(transaction, now)
    for table, key, column, before in (
        ("forgotten", "id", "expires_at", now),
        ("events", "row", "at", now - event_retention),
    ):
        cursor.execute(
            f"DELETE FROM {table} WHERE {key} IN "  # noqa: S608 - our own names
            f"(SELECT {key} FROM {table} WHERE {column} <= ? LIMIT ?)",
            (before, SWEEP_SMALL_ROWS),
        )
        gone += cursor.connection.changes()
    gone += _sweep_messages(cursor, now) + silent_topics.sweep(transaction, now)
    cursor.execute("DELETE FROM rates WHERE next_at < ?", (now - 60.0,))
    return gone


def _sweep_messages(cursor: apsw.Cursor, now: float) -> int:
    """Remove messages of topics that are older than their topic keeps them."""
    due: list[Any] = cursor.execute(
        "SELECT row, age, retained FROM topics WHERE expires_at <= ? ORDER BY expires_at LIMIT ?",
        (now, SWEEP_ROWS),
    ).fetchall()
    total = 0
    for row, age, retained in due:
        count = size = last = 0
        expires_at = None
        log: list[Any] = cursor.execute(
            "SELECT number, at, length(data) FROM journal WHERE topic = ? ORDER BY number LIMIT ?",
            (row, SWEEP_SMALL_ROWS + 1),
        ).fetchall()
        for index, (number, at, length) in enumerate(log):
            if index == len(log) - 1 and len(log) <= SWEEP_SMALL_ROWS and retained:
                break  # the newest, which stays
            if at + age > now or index == SWEEP_SMALL_ROWS:
                expires_at = at + age
                break
            last, count, size = number, count + 1, size + length
        if count:
            journal.remove(cursor, row, last, count, size)
        cursor.execute("UPDATE topics SET expires_at = ? WHERE row = ?", (expires_at, row))
        total += count
    return total


class TopicSweep:
    """Deletes topics to which nobody has published for long, a stretch of them at a time.

    Where a topic was trimmed to is then remembered of all such together: a position from before
    is a gap in any topic that has begun since.
    """

    def __init__(self) -> None:
        self._after = 0

    def sweep(self, transaction: Transaction, now: float) -> int:
        """Look at the next stretch; how many went."""
        cursor = transaction.cursor
        seen: list[Any] = cursor.execute(
            "SELECT row, published_at, kept, trimmed FROM topics WHERE row > ? "
            "ORDER BY row LIMIT ?",
            (self._after, SWEEP_SMALL_ROWS),
        ).fetchall()
        silent = [
            (row, trimmed)
            for row, published_at, kept, trimmed in seen
            if not kept and published_at <= now - REMEMBERED
        ]
        cursor.executemany("DELETE FROM topics WHERE row = ?", [(row,) for row, _ in silent])
        if silent:
            cursor.execute(
                "UPDATE counters SET value = max(value, ?) WHERE name = 'trimmed'",
                (max(trimmed for _, trimmed in silent),),
            )
        self._after = seen[-1][0] if len(seen) == SWEEP_SMALL_ROWS else 0
        return len(silent)


def _delete(
    transaction: Transaction, operations: Sequence[tuple[int, str, str | None]], now: float
) -> None:
    cursor = transaction.cursor
    transaction.recent.leave([row for row, _, _ in operations], now)
    for row, operation, subject in operations:
        cursor.execute("DELETE FROM operation_messages WHERE operation = ?", (row,))
        cursor.execute("DELETE FROM payloads WHERE operation = ?", (row,))
        cursor.execute("DELETE FROM operations WHERE row = ?", (row,))
        cursor.execute(
            "INSERT OR REPLACE INTO forgotten VALUES (?, ?, ?)",
            (operation, subject, now + REMEMBERED),
        )
