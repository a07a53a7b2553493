"""`Listing`: looking for operations."""

from __future__ import annotations

import itertools

import pytest

from ringback.core.commands import Cancel, Fail
from ringback.core.model import HELD, OperationState, Policy, Query, Status
from ringback.ports import FullEngine
from tests.contract.acts import apply, finish, ids, start, submit, take
from tests.contract.homes import Home
from tests.core.states import NOW, PROBLEM


@pytest.fixture
async def stored(engine: FullEngine) -> list[OperationState]:
    """One of each kind, oldest first."""
    finished = await finish(engine, await start(engine, subject="me"))
    dead = await apply(
        engine,
        await start(engine, subject="me", parent=finished.id),
        Fail(attempt=1, problem=PROBLEM, retryable=False),
    )
    failed = await apply(
        engine,
        await start(engine, subject="you", task="other"),
        Fail(attempt=1, problem=PROBLEM, retryable=False, expected=True),
    )
    cancelled = await apply(engine, await submit(engine, task="other"), Cancel())
    running = await start(engine, subject="me", task="other")
    queued = await submit(engine, subject="me", parent=finished.id, result=None)
    return [finished, dead, failed, cancelled, running, queued]


async def test_the_queued_are_counted_by_task(engine: FullEngine) -> None:
    assert await engine.count_queued_by_task() == {}
    for task in ("a", "b", "b", "gone"):
        await submit(engine, task=task)
    await submit(engine, task="held", ready_at=HELD)
    await submit(engine, task="limited", limit_key="me", policy=Policy(concurrency_per_key=1))
    await apply(engine, await submit(engine, task="over"), Cancel())
    await start(engine, task="taken")
    assert await engine.count_queued_by_task() == {
        name: 2 if name == "b" else 1 for name in ("a", "b", "gone", "held", "limited")
    }


async def test_all_newest_first(engine: FullEngine, stored: list[OperationState]) -> None:
    assert await engine.list(Query()) == stored[::-1]


async def test_everything_given_has_to_match(
    home: Home, engine: FullEngine, stored: list[OperationState]
) -> None:
    every = list(
        itertools.product(
            (None, "me", "you", "nobody"),
            (None, *Status),
            (None, "task", "other"),
            (None, stored[0].id),
            (None, True, False),
        )
    )
    # Of fewer, those of a prime's step have each value beside each other's.
    for subject, status, task, parent, dead in every[:: 1 if home.share == 1 else 7]:
        query = Query(subject=subject, status=status, task=task, parent=parent, dead_letter=dead)
        expected = [
            state
            for state in stored[::-1]
            if subject in (None, state.subject)
            and status in (None, state.status)
            and task in (None, state.task)
            and parent in (None, state.parent)
            and dead in (None, state.dead_letter)
        ]
        assert await engine.list(query) == expected, query


@pytest.mark.parametrize("limit", [1, 2, 3, 6, 7])
async def test_pages_give_each_once(
    engine: FullEngine, stored: list[OperationState], limit: int
) -> None:
    """Also while new ones are accepted: those come before the first page."""
    found: list[OperationState] = []
    after = None
    while page := await engine.list(Query(after=after, limit=limit)):
        assert len(page) <= limit
        found += page
        after = page[-1].id
        await submit(engine)
    assert ids(found) == ids(stored[::-1])


async def test_a_cursor_need_not_be_there_any_more(
    engine: FullEngine, stored: list[OperationState]
) -> None:
    await engine.forget(stored[3].id, NOW)
    assert ids(await engine.list(Query(after=stored[3].id))) == ids(stored[2::-1])


async def test_queued_ones_are_counted(engine: FullEngine, neighbour: FullEngine) -> None:
    assert await engine.count_queued() == 0
    states = [await submit(engine) for _ in range(3)]
    await submit(neighbour, ready_at=HELD, task="held")
    await submit(neighbour, ready_at=NOW + 60, task="later")
    assert await engine.count_queued() == await neighbour.count_queued() == 5
    (running,) = (await take(neighbour, 1)).operations
    assert await engine.count_queued() == 4
    await apply(engine, running, Fail(attempt=1, problem=PROBLEM, delay=0.0))
    assert await engine.count_queued() == 5
    await apply(engine, states[1], Cancel())
    assert await engine.count_queued() == 4
    for state in (await take(engine)).operations:
        await finish(engine, state)
    assert await neighbour.count_queued() == 2


async def test_an_empty_text_is_a_text(engine: FullEngine) -> None:
    state = await submit(engine, subject="", parent="", limit_key="")
    for query in (Query(subject=""), Query(parent="")):
        assert await engine.list(query) == [state]
