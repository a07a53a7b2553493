"""Storing a change: the jobs that the writer runs for ``accept`` and ``commit``."""

from __future__ import annotations

import secrets
from typing import Any

from ringback.core.model import (
    Accepted,
    Change,
    Event,
    IdempotencyRecord,
    Kind,
    OperationState,
    Publication,
    Status,
)
from ringback.engines.sqlite import rows
from ringback.engines.sqlite.schema import EPOCH_BYTES
from ringback.engines.sqlite.writer import RETRY_AFTER, Transaction
from ringback.errors import Conflict, IdempotencyKeyReused, OperationForgotten, QueueFull
from ringback.ports import QUEUE

LOG_KEPT = 2000
"""Newest messages of an operation's log beyond which its older progress messages are dropped."""
LOG_TRIM_EVERY = 256
"""Messages between two looks at whether there is something to drop."""


def accept(
    transaction: Transaction, change: Change, key: IdempotencyRecord | None, max_queued: int
) -> Accepted:
    """Store a new operation, unless its key says that it was stored before."""
    state = change.after
    if key is not None:
        earlier = _claim_key(transaction, key, state, max_queued)
        if earlier is not None:
            return Accepted(earlier, True)
    else:
        _check_room(transaction, max_queued)
    _insert(transaction, state)
    return Accepted(state, False)


def _check_room(transaction: Transaction, max_queued: int) -> None:
    if transaction.queued >= max_queued:
        raise QueueFull(queued=transaction.queued, retry_after=RETRY_AFTER)


def _claim_key(
    transaction: Transaction, key: IdempotencyRecord, state: OperationState, max_queued: int
) -> OperationState | None:
    """Record the key, or return the operation it is for already."""
    cursor = transaction.cursor
    record = (key.scope, key.payload, state.id, key.expires_at)
    if transaction.queued < max_queued:  # the usual case: there is room, and the key is new
        cursor.execute(
            "INSERT INTO idempotency_keys VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING", record
        )
        if cursor.connection.changes():
            return None
    found = cursor.execute(
        "SELECT payload, operation, expires_at FROM idempotency_keys WHERE scope = ?", (key.scope,)
    ).fetchone()
    if found is not None and found[2] > state.created_at:
        if bytes(found[0]) != key.payload:
            raise IdempotencyKeyReused(operation=found[1])
        row = cursor.execute(rows.SELECT + "WHERE o.id = ?", (found[1],)).fetchone()
        if row is None:
            raise OperationForgotten(
                "This Idempotency-Key was used for an operation that has been forgotten. "
                "Use a new key to do the work again.",
                operation=found[1],
            )
        return rows.decode(row)
    _check_room(transaction, max_queued)
    cursor.execute("INSERT OR REPLACE INTO idempotency_keys VALUES (?, ?, ?, ?)", record)
    return None


def _insert(transaction: Transaction, state: OperationState) -> None:
    rows.insert(transaction, state)
    if state.status is Status.QUEUED:
        transaction.queued += 1
        transaction.changed.add(QUEUE)


def commit(transaction: Transaction, change: Change) -> None:
    """Store a change if nothing changed since it was decided; else raise ``Conflict``."""
    before, after = change.before, change.after
    found: Any = transaction.cursor.execute(
        "SELECT row, lease_until, version, status, attempt FROM operations WHERE id = ?",
        (after.id,),
    ).fetchone()
    if before is None or found is None:
        raise Conflict(operation=after.id)
    row, lease_until, *stored = found
    if stored != [before.version, before.status, before.attempt]:
        raise Conflict(operation=after.id)
    if change.lease is not None and lease_until != change.lease:
        raise Conflict(operation=after.id)
    if after is not before:
        store(transaction, row, before, after)
    append_messages(transaction, row, change)
    for publication in change.publications:
        append_topic(transaction, publication, after.updated_at)
    for event in change.events:
        _record_event(transaction, event, after.id)
    for caused in change.operations:
        _insert(transaction, caused)


def store(
    transaction: Transaction, row: int, before: OperationState, after: OperationState
) -> None:
    """Update an operation's row, and what is counted of it."""
    rows.update(transaction, row, before, after)
    queued = (after.status is Status.QUEUED) - (before.status is Status.QUEUED)
    transaction.queued += queued
    # A place may have become free for another operation of the same key, too.
    if queued > 0 or after.terminal or after.ready_at != before.ready_at:
        transaction.changed.add(QUEUE)


def append_messages(transaction: Transaction, row: int, change: Change) -> None:
    """Write the change's messages behind those the operation's log has."""
    after = change.after
    if not change.messages:
        return
    first = after.version - len(change.messages) + 1
    cursor = transaction.cursor
    for offset, draft in enumerate(change.messages, first):
        cursor.execute(
            "INSERT INTO operation_messages VALUES (?, ?, ?, ?, ?)",
            (row, offset, draft.kind, draft.data, after.updated_at),
        )
    transaction.changed.add(after.topic)
    if after.version // LOG_TRIM_EVERY != (first - 1) // LOG_TRIM_EVERY:
        # Only the newest progress matters to whoever comes late: a reader that is further
        # behind gets a gap and a snapshot. Parts and changes of state are never dropped.
        cursor.execute(
            "DELETE FROM operation_messages WHERE operation = ? AND offset <= ? AND kind = ?",
            (row, after.version - LOG_KEPT, Kind.PROGRESS),
        )


def append_topic(transaction: Transaction, publication: Publication, now: float) -> tuple[str, int]:
    """Append to a topic's log, which begins with its first message; its epoch and offset."""
    cursor = transaction.cursor
    found = cursor.execute(
        "UPDATE topics SET head = head + 1 WHERE name = ? RETURNING row, epoch, head",
        (publication.topic,),
    ).fetchone()
    if found is None:
        epoch = secrets.token_hex(EPOCH_BYTES)
        cursor.execute(
            "INSERT INTO topics (name, epoch, head) VALUES (?, ?, 1)", (publication.topic, epoch)
        )
        found = (cursor.connection.last_insert_rowid(), epoch, 1)
    row, epoch, head = found
    cursor.execute(
        "INSERT INTO topic_messages VALUES (?, ?, ?, ?)", (row, head, publication.data, now)
    )
    transaction.changed.add(publication.topic)
    return epoch, head


def _record_event(transaction: Transaction, event: Event, operation: str) -> None:
    transaction.cursor.execute(
        "INSERT INTO events (id, source, type, subject, operation, sequence, traceparent, data, "
        "at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            event.id,
            event.source,
            event.type,
            event.subject,
            operation,
            event.sequence,
            event.traceparent,
            event.data,
            event.time,
        ),
    )
