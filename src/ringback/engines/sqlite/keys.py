"""Idempotency keys: which operation was accepted under which.

A key has a slot, half of its scope's digest, and so a place in a table of small rows that is in
no order of time: the smaller that table, the more of it is in memory. The other half stands in
the row with the digest of the payload, and tells two keys apart that fall on one slot: the later
one gets the next. New keys wait elsewhere until there are many: that is in recent.py.
"""

from __future__ import annotations

from typing import Any

from ringback.core.model import IdempotencyRecord, OperationState
from ringback.engines.sqlite import rows
from ringback.engines.sqlite.recent import Key
from ringback.engines.sqlite.writer import Transaction
from ringback.errors import IdempotencyKeyReused, OperationForgotten

SLOT_BYTES = 8
"""Of the scope's digest."""
MAX_PROBES = 8
"""Slots looked at for a key. Two digests share a slot once in some billion keys; eight, never."""
SWEEP_KEYS = 4000
"""Keys looked at in one sweep: a few milliseconds."""


def take(
    transaction: Transaction, key: IdempotencyRecord, state: OperationState, *, room: bool
) -> OperationState | None:
    """Record the key, if there is room for an operation; or return the one it is for already.

    Raises ``IdempotencyKeyReused`` and ``OperationForgotten``.
    """
    first = int.from_bytes(key.scope[:SLOT_BYTES]) >> 2  # one of SLOTS
    half = key.scope[SLOT_BYTES:]
    fingerprint = half + key.payload
    slots = range(first, first + MAX_PROBES)
    ours = Key(fingerprint, _packed(state.id), key.expires_at)
    if room and transaction.recent.add_new(slots, ours):
        return None  # the usual case, in one statement
    found = transaction.recent.at(slots)
    living = {slot: each for slot, each in found.items() if each.expires_at > state.created_at}
    for each in living.values():
        if each.fingerprint[: len(half)] == half:
            return _accepted(
                transaction, _unpacked(each.operation), each.fingerprint == fingerprint
            )
    free = next((slot for slot in slots if slot not in living), None)
    if room and free is not None:
        transaction.recent.add(free, ours)
    return None


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
    """Deletes expired keys, a stretch of the table at a time, from one end to the other."""

    def __init__(self) -> None:
        self._after = -1

    def sweep(self, transaction: Transaction, now: float) -> int:
        """Look at the recent ones and at the next stretch; how many keys went."""
        gone = transaction.recent.sweep(now, SWEEP_KEYS)
        cursor = transaction.cursor
        seen: list[Any] = cursor.execute(
            "SELECT slot, expires_at FROM idempotency_keys WHERE slot > ? ORDER BY slot LIMIT ?",
            (self._after, SWEEP_KEYS),
        ).fetchall()
        expired = [(slot,) for slot, expires_at in seen if expires_at <= now]
        cursor.executemany("DELETE FROM idempotency_keys WHERE slot = ?", expired)
        self._after = seen[-1][0] if len(seen) == SWEEP_KEYS else -1
        return gone + len(expired)


def _packed(operation: str) -> bytes | str:
    """An id as 16 bytes, being a UUID; any other as it is."""
    digits = operation.replace("-", "")
    if len(operation) == 36 and len(digits) == 32 and operation == operation.lower():
        try:
            return bytes.fromhex(digits)
        except ValueError:
            return operation
    return operation


def _unpacked(operation: bytes | str) -> str:
    if isinstance(operation, str):
        return operation
    digits = operation.hex()
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
