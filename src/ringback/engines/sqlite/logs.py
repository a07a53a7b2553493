"""Reading: states and logs, on the reading connection."""

from __future__ import annotations

from typing import Any

import apsw

from ringback.core.model import (
    BEGINNING,
    Kind,
    Message,
    OperationState,
    Page,
    Position,
)
from ringback.core.topics import OPERATIONS
from ringback.engines.sqlite import rows
from ringback.engines.sqlite.journal import MAX_PAGE, PAGE_BYTES
from ringback.errors import OperationForgotten, UnknownOperation

_KINDS = {kind.value: kind for kind in Kind}


def load(connection: apsw.Connection, operation: str) -> OperationState:
    """The stored state of an operation."""
    row = connection.execute(rows.SELECT + "WHERE o.id = ?", (operation,)).fetchone()
    if row is None:
        raise missing(connection, operation)
    return rows.decode(row)


def missing(connection: apsw.Connection, operation: str) -> UnknownOperation | OperationForgotten:
    """Why there is no such operation."""
    row = connection.execute("SELECT subject FROM forgotten WHERE id = ?", (operation,)).fetchone()
    if row is None:
        return UnknownOperation(operation=operation)
    error = OperationForgotten(operation=operation)
    error.subject = row[0]
    return error


def read(
    connection: apsw.Connection, epoch: str, operation: str, after: Position | None, limit: int
) -> Page:
    """Messages of an operation's log after a position; see ``ports.Engine.read``."""
    found = connection.execute(
        "SELECT row, version FROM operations WHERE id = ?", (operation,)
    ).fetchone()
    if found is None:
        raise missing(connection, operation)
    row, version = found
    if after is None:
        oldest = connection.execute(
            "SELECT min(offset) FROM operation_messages WHERE operation = ?", (row,)
        ).get
        after = Position(epoch, oldest - 1 if oldest is not None else version)
    elif after == BEGINNING:
        after = Position(epoch, 0)
    return _page(connection, row, operation, Position(epoch, version), after, limit)


def _page(
    connection: apsw.Connection,
    row: int,
    operation: str,
    head: Position,
    after: Position,
    limit: int,
) -> Page:
    gap = after.epoch != head.epoch or after.offset > head.offset
    offset = 0 if gap else after.offset
    messages: list[Message] = []
    size = 0
    found: list[Any] = connection.execute(
        "SELECT offset, kind, data, at FROM operation_messages "
        "WHERE operation = ? AND offset > ? ORDER BY offset LIMIT ?",
        (row, offset, min(limit, MAX_PAGE)),
    ).fetchall()
    for number, kind, data, at in found:
        if number != offset + 1:
            if messages:  # a hole: what follows it comes with the next page, as a gap
                break
            gap = gap or number != after.offset + 1
        offset = number
        messages.append(
            Message(
                topic=OPERATIONS + operation,
                position=Position(head.epoch, number),
                kind=_KINDS[kind],
                data=data,
                at=at,
            )
        )
        size += len(data)
        if size >= PAGE_BYTES:
            break
    if not messages and offset < head.offset:
        gap, offset = True, head.offset
    return Page(messages=tuple(messages), position=Position(head.epoch, offset), gap=gap)
