"""What lists cost in SQLite, counted in steps of its machine; what they find is the contract."""

from __future__ import annotations

import itertools
from pathlib import Path

import apsw
import pytest

from ringback.core.commands import Cancel, Fail
from ringback.core.model import Query, Status
from ringback.engines.sqlite import SqliteEngine, lists
from ringback.engines.sqlite.engine import FILE
from ringback.engines.sqlite.readers import KEPT, Readers
from tests.contract.acts import apply, finish, start, submit, take
from tests.core.states import PROBLEM

MANY = 800
FEW_STEPS = 400
"""A list of none or one; to look at all of the many takes ten times as much."""


def steps(connection: apsw.Connection, query: Query) -> int:
    counter = itertools.count()
    connection.set_progress_handler(lambda: next(counter) < 0, 1)
    lists.listing(connection, query)
    connection.set_progress_handler(None)
    return next(counter)


@pytest.mark.parametrize("subject", ["me", None])
async def test_a_list_by_status_looks_at_few_others(
    data: Path, subject: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with SqliteEngine(data) as engine:
        for _ in range(MANY):
            await submit(engine, subject="me")
        for state in (await take(engine)).operations:
            await finish(engine, state)
        for status in (Status.FAILED, Status.CANCELLED, Status.RUNNING, Status.QUEUED):
            with apsw.Connection(str(data / FILE)) as connection:
                assert steps(connection, Query(subject=subject, status=status)) < FEW_STEPS
        fail = Fail(attempt=1, problem=PROBLEM, retryable=False)
        await apply(engine, await start(engine, subject="me"), fail)
        await apply(engine, await submit(engine, subject="me"), Cancel())
        await start(engine, subject="me", task="running")
        await submit(engine, subject="me")
        with apsw.Connection(str(data / FILE)) as connection:
            for status in Status:
                found = steps(connection, Query(subject=subject, status=status, limit=1))
                assert found < FEW_STEPS, status
            dead = Query(subject=subject, dead_letter=True, limit=1)
            assert steps(connection, dead) < FEW_STEPS
            # What the queue saves: where it is long, the subject's own are walked.
            monkeypatch.setattr(lists, "MAX_WALKED", 0)
            assert steps(connection, Query(subject=subject, task="none")) > 8 * FEW_STEPS
            assert lists.listing(connection, Query(subject=subject, status=Status.QUEUED))


def test_a_connection_is_used_again_unless_it_failed_or_is_still_reading(tmp_path: Path) -> None:
    path = str(tmp_path / "file")
    apsw.Connection(path).execute("CREATE TABLE t (n); INSERT INTO t VALUES (1), (2)")
    opened: list[apsw.Connection] = []

    def connect() -> apsw.Connection:
        opened.append(apsw.Connection(path))
        return opened[-1]

    def all_of_them(connection: apsw.Connection) -> object:
        return connection.execute("SELECT n FROM t").fetchall()

    readers = Readers(connect)
    for _ in range(3):
        assert readers.use(all_of_them) == [(1,), (2,)]
    assert len(opened) == 1
    with pytest.raises(apsw.SQLError):
        readers.use(lambda connection: connection.execute("SELECT nothing FROM t"))
    readers.use(all_of_them)
    assert len(opened) == 2
    cursors = []

    def stopping(connection: apsw.Connection) -> None:
        cursors.append(connection.execute("SELECT n FROM t"))
        next(cursors[-1])

    readers.use(stopping)
    readers.use(all_of_them)
    assert len(opened) == 3
    readers.renew()
    readers.use(all_of_them)
    assert len(opened) == 4

    def nested(depth: int) -> object:
        return readers.use(lambda _: nested(depth - 1) if depth else None)

    nested(KEPT)  # one more than are kept
    assert len(opened) == 4 + KEPT
    nested(KEPT)
    assert len(opened) == 4 + KEPT + 1
    readers.close()
    readers.use(all_of_them)
    readers.use(all_of_them)
    assert len(opened) == 4 + KEPT + 3
