"""Idempotency keys: which operation was accepted under which.

A key has a slot, half of its scope's digest, and so a place in a table of small rows that is in
no order of time: the smaller that table, the more of it is in memory. The other half stands in
the row with the digest of the payload, and tells two keys apart that fall on one slot: the later
one gets the next. New keys stand elsewhere until there are many: that is in recent.py.
"""

from __future__ import annotations

from typing import Any

from ringback.core.model import IdempotencyRecord, OperationState
from ringback.engines.sqlite import rows
from ringback.engines.sqlite.recent import Recent
from ringback.engines.sqlite.writer import Transaction
from ringback.errors import IdempotencyKeyReused, OperationForgotten

SLOT_BYTES = 8
"""Of the scope's digest."""
MAX_PROBES = 8
"""Slots looked at for a key. Two digests share a slot once in some billion keys; eight, never."""
SWEEP_KEYS = 4000
"""Keys looked at in one sweep: a few milliseconds."""
SWEEP_OPERATIONS = 2000
"""Operations whose keys are looked at in one sweep: their rows are larger, and clearing a key
writes the row."""


def find(
    transaction: Transaction, key: IdempotencyRecord, now: float
) -> OperationState | Recent | None:
    """The operation that was accepted under this key; else the key as a new one is to have it.

    None if there is no place for it. Raises ``IdempotencyKeyReused`` and ``OperationForgotten``.
    """
    first = int.from_bytes(key.scope[:SLOT_BYTES]) >> 2  # one of SLOTS
    half = key.scope[SLOT_BYTES:]
    fingerprint = half + key.payload
    slots = range(first, first + MAX_PROBES)
    found = transaction.recent.at(slots)
    if not found:
        return first, fingerprint, key.expires_at
    living = {slot: each for slot, each in found.items() if each.expires_at > now}
    for each in living.values():
        if each.fingerprint[: len(half)] == half:
            return _accepted(transaction, each.operation, each.fingerprint == fingerprint)
    free = next((slot for slot in slots if slot not in living), None)
    return None if free is None else (free, fingerprint, key.expires_at)


def _accepted(transaction: Transaction, operation: str, same_payload: bool) -> OperationState:
    if not same_payload:
        raise IdempotencyKeyReused(operation=operation)
    found = transaction.cursor.execute(rows.SELECT + "WHERE o.id = ?", (operation,)).fetchone()
    if found is None:
        raise OperationForgotten(
            "This Idempotency-Key was used for an operation that has been forgotten. "
            "Use a new key to do the work again.",
            operation=operation,
        )
    return rows.decode(found)


class KeySweep:
    """Deletes expired keys, wherever they are, a stretch at a time from one end to the other: of
    the large table, and of the operations' rows. In those also what was merged is cleared: an
    operation may be kept for much longer than its key.
    """

    def __init__(self) -> None:
        self._slot = -1
        self._row = 0

    def sweep(self, transaction: Transaction, now: float) -> int:
        """Look at the next stretch of both; how many keys went."""
        return self._sweep_table(transaction, now) + self._sweep_rows(transaction, now)

    def _sweep_table(self, transaction: Transaction, now: float) -> int:
        cursor = transaction.cursor
        seen: list[Any] = cursor.execute(
            "SELECT slot, expires_at FROM idempotency_keys WHERE slot > ? ORDER BY slot LIMIT ?",
            (self._slot, SWEEP_KEYS),
        ).fetchall()
        expired = [(slot,) for slot, expires_at in seen if expires_at <= now]
        cursor.executemany("DELETE FROM idempotency_keys WHERE slot = ?", expired)
        self._slot = seen[-1][0] if len(seen) == SWEEP_KEYS else -1
        return len(expired)

    def _sweep_rows(self, transaction: Transaction, now: float) -> int:
        cursor = transaction.cursor
        seen: list[Any] = cursor.execute(
            "SELECT row, key_expires FROM operations WHERE row > ? ORDER BY row LIMIT ?",
            (self._row, SWEEP_OPERATIONS),
        ).fetchall()
        expired = [
            (row,) for row, expires_at in seen if expires_at is not None and expires_at <= now
        ]
        cursor.executemany(
            "UPDATE operations SET key_slot = NULL, key_fingerprint = NULL, key_expires = NULL "
            "WHERE row = ?",
            expired,
        )
        self._row = seen[-1][0] if len(seen) == SWEEP_OPERATIONS else 0
        return len(expired)
