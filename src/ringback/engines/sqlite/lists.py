"""Lists of operations, and how many are queued: reading that may take long.

An index of all states would be written at each step of an operation. So the queue and what runs
are looked for in the indexes that claims use, and only what finished has one for lists, which is
written once.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import apsw

from ringback.core.model import OperationState, Query, Status
from ringback.engines.sqlite import rows

MAX_WALKED = 2000
"""Queued operations up to which all of them are looked at for those of one subject: some
milliseconds. Where there are more, the subject's own operations are walked, newest first, since
what is queued mostly came last."""

_FINISHED = "o.finished_at IS NOT NULL"
_UNSUCCESSFUL = "o.status <> 'succeeded'"
"""The conditions of partial indexes, word for word: SQLite uses one where the query has it."""
_IN_QUEUE = (
    "o.row IN (SELECT row FROM operations WHERE status = 'queued' AND lane IS NULL UNION ALL "
    "SELECT row FROM operations WHERE status = 'queued' AND lane IS NOT NULL)"
)


def listing(connection: apsw.Connection, query: Query) -> list[OperationState]:
    """The operations that match, newest first."""
    hint, where = _way(connection, query)
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
    sql = rows.selecting(hint) + f"WHERE {' AND '.join(where)} ORDER BY o.id DESC LIMIT ?"
    found = connection.execute(sql, (*values, query.limit)).fetchall()
    return [rows.decode(row) for row in found]


def _way(connection: apsw.Connection, query: Query) -> tuple[str, list[str]]:
    """Which index to take, and the conditions without which SQLite would not take it."""
    if query.parent is not None:
        return "", ["1"]
    status = query.status
    if query.dead_letter and query.subject is not None:
        status = Status.FAILED  # as all dead letters are
    match status:
        case Status.RUNNING:
            return "INDEXED BY operations_running", ["o.status = 'running'"]
        case Status.QUEUED if _queued(connection) <= MAX_WALKED:
            return "NOT INDEXED", [_IN_QUEUE]
        case Status.FAILED | Status.CANCELLED if query.subject is None:
            return "INDEXED BY operations_unsuccessful", [_FINISHED, _UNSUCCESSFUL]
        case Status.SUCCEEDED | Status.FAILED | Status.CANCELLED if query.subject is not None:
            only = f"o.status = '{status.value}'"
            return "INDEXED BY operations_finished", [_FINISHED, only]
    return "", ["1"]


def _queued(connection: apsw.Connection) -> int:
    return int(connection.execute("SELECT value FROM counters WHERE name = 'queued'").get)


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
