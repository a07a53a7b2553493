"""Rows of the operations table, and the records they are."""

from __future__ import annotations

import operator
from typing import Any

import apsw
import msgspec

from ringback.core.model import OperationState, Policy, Status
from ringback.engines.sqlite import lanes
from ringback.engines.sqlite.recent import Recent
from ringback.engines.sqlite.writer import Transaction

INLINE_PAYLOAD = 2048
"""Bytes of an input or result kept in the operation's own row. A larger one has its own, so
that a change of state does not write it again."""

COLUMNS = [
    "id",
    "task",
    "status",
    "version",
    "attempt",
    "failures",
    "priority",
    "ready_at",
    "limit_key",
    "subject",
    "created_at",
    "updated_at",
    "started_at",
    "finished_at",
    "worker",
    "lease_until",
    "cancel_requested",
    "progress",
    "progress_message",
    "part_count",
    "parts_after",
    "dead_letter",
    "parent",
    "traceparent",
    "expires_at",
    "error",
    "diagnosis",
]
"""Those that carry the field of the same name."""

_SELECT = (
    f"SELECT {', '.join('o.' + name for name in COLUMNS)}, "  # noqa: S608 - our own names
    "p.value, "
    # Within the one statement, so that a large payload is of the same moment as its row.
    "coalesce(o.input, "
    "(SELECT data FROM payloads WHERE operation = o.row AND kind = 'input')), "
    "CASE WHEN o.result_large THEN "
    "(SELECT data FROM payloads WHERE operation = o.row AND kind = 'result') "
    "ELSE o.result END, o.row "
    "FROM operations AS o"
)


def selecting(hint: str) -> str:
    """``SELECT`` with ``INDEXED BY`` or ``NOT INDEXED``."""
    return f"{_SELECT} {hint} JOIN policies AS p ON p.row = o.policy "


SELECT = selecting("")

NEW = [
    "id",
    "task",
    "status",
    "version",
    "attempt",
    "failures",
    "priority",
    "ready_at",
    "limit_key",
    "subject",
    "created_at",
    "updated_at",
    "parent",
    "traceparent",
]
"""Those that a new operation has; the others begin with their defaults."""


def _insert(names: list[str]) -> str:
    marks = ", ".join("?" * len(names))
    return f"INSERT INTO operations ({', '.join(names)}) VALUES ({marks})"  # noqa: S608 - our own


_INSERTED = [*NEW, "policy", "lane", "input"]
INSERT = _insert(_INSERTED)
INSERT_WITH_KEY = _insert([*_INSERTED, "key_slot", "key_fingerprint", "key_expires"])

CHANGING = [
    name
    for name in COLUMNS
    if name not in {"id", "task", "subject", "created_at", "parent", "traceparent", "limit_key"}
]
"""Those that a change of state may touch."""
_KEEPING_LEASE = [name for name in CHANGING if name != "lease_until"]
"""The same while the lease is renewed beside: a report must not set it back."""


def _update(names: list[str]) -> str:
    assignments = ", ".join(f"{name} = ?" for name in names)
    return f"UPDATE operations SET {assignments} WHERE row = ?"  # noqa: S608 - our own names


UPDATE = _update(CHANGING)
UPDATE_KEEPING_LEASE = _update(_KEEPING_LEASE)

_STATUS = {status.value: status for status in Status}
_new = operator.attrgetter(*NEW)
_changing = operator.attrgetter(*CHANGING)
_keeping_lease = operator.attrgetter(*_KEEPING_LEASE)
_decode_policy = msgspec.json.Decoder(Policy).decode
_encode_policy = msgspec.json.encode
_policies: dict[bytes, Policy] = {}


def decode(row: tuple[Any, ...]) -> OperationState:
    """The record in a row that ``SELECT`` gave."""
    *plain, policy, data, result, _ = row
    fields = dict(zip(COLUMNS, plain, strict=True))
    fields["status"] = _STATUS[fields["status"]]
    fields["cancel_requested"] = bool(fields["cancel_requested"])
    fields["dead_letter"] = bool(fields["dead_letter"])
    return OperationState(policy=_policy(policy), input=data, result=result, **fields)


def _policy(value: bytes) -> Policy:
    known = _policies.get(value)
    if known is None:
        if len(_policies) >= MAX_CACHED_POLICIES:
            _policies.clear()
        known = _policies[value] = _decode_policy(value)
    return known


def by_row(connection: apsw.Connection, row: int) -> OperationState:
    """The operation in a row that is known to be there."""
    found: Any = connection.execute(SELECT + "WHERE o.row = ?", (row,)).fetchone()
    return decode(found)


MAX_CACHED_POLICIES = 1000
"""There are about as many as tasks; the bound is for an application that makes them up."""


def insert(transaction: Transaction, state: OperationState, key: Recent | None) -> None:
    """Store a new operation that was accepted under this key, if any, and queue it."""
    cursor = transaction.cursor
    large_input = len(state.input) > INLINE_PAYLOAD
    policy = policy_row(transaction, state.policy)
    lane = None
    if state.limit_key is not None:
        lane = lanes.find(transaction, policy, state)
    inline = None if large_input else state.input
    if key is None:
        cursor.execute(INSERT, (*_new(state), policy, lane, inline))
    else:
        cursor.execute(INSERT_WITH_KEY, (*_new(state), policy, lane, inline, *key))
    row = transaction.recent.add(cursor.connection.last_insert_rowid(), key)
    if lane is not None:
        lanes.joined(transaction, lane, row, state)
    if large_input:
        _store_payload(cursor, row, "input", state.input)


def update(
    transaction: Transaction, row: int, before: OperationState, after: OperationState
) -> None:
    """Store what changed of an operation, and of its place in the queue."""
    cursor = transaction.cursor
    if after.lease_until == before.lease_until:
        cursor.execute(UPDATE_KEEPING_LEASE, (*_keeping_lease(after), row))
    else:
        cursor.execute(UPDATE, (*_changing(after), row))
    if after.limit_key is not None:
        _move(transaction, row, before, after)
    if after.result is not before.result and after.result is not None:
        large = len(after.result) > INLINE_PAYLOAD
        cursor.execute(
            "UPDATE operations SET result = ?, result_large = ? WHERE row = ?",
            (None if large else after.result, large, row),
        )
        if large:
            _store_payload(cursor, row, "result", after.result)
    if after.input is not before.input and after.input != before.input:
        large = len(after.input) > INLINE_PAYLOAD
        cursor.execute(
            "UPDATE operations SET input = ? WHERE row = ?", (None if large else after.input, row)
        )
        if large:
            _store_payload(cursor, row, "input", after.input)


def _move(
    transaction: Transaction, row: int, before: OperationState, after: OperationState
) -> None:
    """Have the operation leave its lane, join one, or stand elsewhere in it."""
    cursor = transaction.cursor
    queued = after.status is Status.QUEUED
    if before.status is Status.QUEUED:
        if not queued or after.ready_at != before.ready_at:
            lane: Any = cursor.execute("SELECT lane FROM operations WHERE row = ?", (row,)).get
            lanes.changed(transaction, lane)
    elif queued:
        joined = lanes.find(transaction, policy_row(transaction, after.policy), after)
        cursor.execute("UPDATE operations SET lane = ? WHERE row = ?", (joined, row))
        lanes.joined(transaction, joined, row, after)


def _store_payload(cursor: apsw.Cursor, row: int, kind: str, data: bytes) -> None:
    cursor.execute("INSERT OR REPLACE INTO payloads VALUES (?, ?, ?)", (row, kind, data))


def policy_row(transaction: Transaction, policy: Policy) -> int:
    """The row of a policy, stored at its first use."""
    row = transaction.policies.get(policy)
    if row is None:
        value = _encode_policy(policy)
        cursor = transaction.cursor
        cursor.execute("INSERT INTO policies (value) VALUES (?) ON CONFLICT DO NOTHING", (value,))
        row = int(cursor.execute("SELECT row FROM policies WHERE value = ?", (value,)).get)
        if len(transaction.policies) >= MAX_CACHED_POLICIES:
            transaction.policies.clear()
        transaction.policies[policy] = row
    return row


def policy_of(transaction: Transaction, row: int) -> Policy:
    """The policy in a row that is known to be there."""
    found: Any = transaction.cursor.execute(
        "SELECT value FROM policies WHERE row = ?", (row,)
    ).fetchone()
    return _policy(found[0])
