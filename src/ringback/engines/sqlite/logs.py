"""Reading: states, logs and lists, on the reading connection."""

from __future__ import annotations

from collections import Counter
from typing import Any

import apsw

from ringback.core.model import (
    BEGINNING,
    Kind,
    Message,
    OperationState,
    Page,
    Position,
    Query,
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


def queued_by_task(connection: apsw.Connection) -> dict[str, int]:
    """How many operations of each task are queued."""
    found: Counter[str] = Counter()
    for condition in ("lane IS NULL", "lane IS NOT NULL"):  # a partial index for each
        found.update(
            dict(
                connection.execute(
                    "SELECT task, count(*) FROM operations "  # noqa: S608 - only our own text
                    f"WHERE status = 'queued' AND {condition} GROUP BY task"
                )
            )
        )
    return dict(found)


def listing(connection: apsw.Connection, query: Query) -> list[OperationState]:
    """The operations that match, newest first."""
    where = ["1"]
    values: list[Any] = []
    for column, value in (
        ("subject", query.subject),
        ("status", None if query.status is None else query.status.value),
        ("task", query.task),
        ("parent", query.parent),
    ):
        if value is not None:
            where.append(f"o.{column} = ?")
            values.append(value)
    if query.dead_letter is not None:
        where.append("o.dead_letter" if query.dead_letter else "NOT o.dead_letter")
    if query.after is not None:
        where.append("o.id < ?")
        values.append(query.after)
    sql = rows.SELECT + f"WHERE {' AND '.join(where)} ORDER BY o.id DESC LIMIT ?"
    found = connection.execute(sql, (*values, query.limit)).fetchall()
    return [rows.decode(row) for row in found]
