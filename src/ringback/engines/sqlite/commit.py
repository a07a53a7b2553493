"""Storing a change: the jobs that the writer runs for ``accept`` and ``commit``."""

from __future__ import annotations

from typing import Any

from ringback.core.model import (
    Accepted,
    Change,
    Event,
    IdempotencyRecord,
    Kind,
    OperationState,
    Status,
)
from ringback.engines.sqlite import journal, keys, rows
from ringback.engines.sqlite.recent import Recent
from ringback.engines.sqlite.writer import RETRY_AFTER, Transaction
from ringback.errors import Conflict, QueueFull
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
    room = transaction.queued < max_queued
    found = None if key is None else keys.find(transaction, key, state.created_at)
    if isinstance(found, OperationState):
        return Accepted(found, True)
    if not room:
        raise QueueFull(queued=transaction.queued, retry_after=RETRY_AFTER)
    _insert(transaction, state, found)
    return Accepted(state, False)


def _insert(transaction: Transaction, state: OperationState, key: Recent | None = None) -> None:
    rows.insert(transaction, state, key)
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
        if publication.keep is not None:
            journal.append(transaction, publication, after.updated_at)
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
