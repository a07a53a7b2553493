"""Rows of the operations table, and the records they are."""

from __future__ import annotations

import operator
from typing import Any

import apsw
import msgspec

from ringback.core.model import OperationState, Policy, Status
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

SELECT = (
    f"SELECT {', '.join('o.' + name for name in COLUMNS)}, "  # noqa: S608 - our own names
    "p.value, o.input, o.result, o.result_large, o.row "
    "FROM operations AS o JOIN policies AS p ON p.row = o.policy "
)

_INSERTED = [*COLUMNS, "policy", "input", "result", "result_large"]
INSERT = (
    f"INSERT INTO operations ({', '.join(_INSERTED)}) "  # noqa: S608 - our own names
    f"VALUES ({', '.join('?' * len(_INSERTED))})"
)

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
_plain = operator.attrgetter(*COLUMNS)
_changing = operator.attrgetter(*CHANGING)
_keeping_lease = operator.attrgetter(*_KEEPING_LEASE)
_decode_policy = msgspec.json.Decoder(Policy).decode
_encode_policy = msgspec.json.encode
_policies: dict[bytes, Policy] = {}


def decode(connection: apsw.Connection, row: tuple[Any, ...]) -> OperationState:
    """The record in a row that ``SELECT`` gave."""
    *plain, policy, data, result, result_large, number = row
    fields = dict(zip(COLUMNS, plain, strict=True))
    known = _policies.get(policy)
    if known is None:
        if len(_policies) >= MAX_CACHED_POLICIES:
            _policies.clear()
        known = _policies[policy] = _decode_policy(policy)
    fields["status"] = _STATUS[fields["status"]]
    fields["cancel_requested"] = bool(fields["cancel_requested"])
    fields["dead_letter"] = bool(fields["dead_letter"])
    if data is None:
        data = _payload(connection, number, "input")
    if result_large:
        result = _payload(connection, number, "result")
    return OperationState(policy=known, input=data, result=result, **fields)


def by_row(connection: apsw.Connection, row: int) -> OperationState:
    """The operation in a row that is known to be there."""
    found: Any = connection.execute(SELECT + "WHERE o.row = ?", (row,)).fetchone()
    return decode(connection, found)


MAX_CACHED_POLICIES = 1000
"""There are about as many as tasks; the bound is for an application that makes them up."""


def _payload(connection: apsw.Connection, row: int, kind: str) -> bytes:
    found = connection.execute(
        "SELECT data FROM payloads WHERE operation = ? AND kind = ?", (row, kind)
    ).fetchone()
    return bytes(found[0]) if found else b"null"


def insert(transaction: Transaction, state: OperationState) -> None:
    """Store a new operation."""
    cursor = transaction.cursor
    large_input = len(state.input) > INLINE_PAYLOAD
    large_result = state.result is not None and len(state.result) > INLINE_PAYLOAD
    cursor.execute(
        INSERT,
        (
            *_plain(state),
            policy_row(transaction, state.policy),
            None if large_input else state.input,
            None if large_result else state.result,
            large_result,
        ),
    )
    if large_input or large_result:
        row = cursor.connection.last_insert_rowid()
        if large_input:
            _store_payload(cursor, row, "input", state.input)
        if large_result and state.result is not None:
            _store_payload(cursor, row, "result", state.result)


def update(
    transaction: Transaction, row: int, before: OperationState, after: OperationState
) -> None:
    """Store what changed of an operation."""
    cursor = transaction.cursor
    if after.lease_until == before.lease_until:
        cursor.execute(UPDATE_KEEPING_LEASE, (*_keeping_lease(after), row))
    else:
        cursor.execute(UPDATE, (*_changing(after), row))
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
