"""`Engine.claim`: who is given what, in which order. Limits are in `test_limits.py`."""

from __future__ import annotations

import asyncio

import msgspec

from ringback.core.commands import Fail, Release, Report
from ringback.core.lifecycle import NOBODY
from ringback.core.model import HELD, Demand, Kind, OperationState, Policy, Status
from ringback.ports import FullEngine
from tests.contract.acts import (
    apply,
    finish,
    ids,
    start,
    submit,
    submit_all,
    take,
    whole_log,
)
from tests.contract.homes import Home, some
from tests.core.states import NOW, PROBLEM, operation


async def test_what_is_claimed_runs_under_a_lease(engine: FullEngine) -> None:
    state = await submit(engine, policy=Policy(lease=12.0))
    claimed = await engine.claim("somebody", [Demand("task", 1)], 1, NOW + 1)
    (running,) = claimed.operations
    assert await engine.load(state.id) == running
    assert (running.status, running.attempt, running.worker) == (Status.RUNNING, 1, "somebody")
    assert (running.lease_until, running.started_at) == (NOW + 13, NOW + 1)
    (message,) = await whole_log(engine, state.topic)
    assert (message.kind, message.position.offset, message.at) == (Kind.STATUS, 1, NOW + 1)
    assert msgspec.json.decode(message.data)["status"] == "running"
    assert await engine.count_queued() == 0


async def test_nothing_queued_nothing_given(engine: FullEngine) -> None:
    claimed = await take(engine)
    assert (claimed.operations, claimed.next_ready_at) == ((), None)


async def test_no_operation_is_given_twice(
    home: Home, engine: FullEngine, neighbour: FullEngine
) -> None:
    states = [operation() for _ in range(some(home, 500, 60))]
    await submit_all(engine, states)
    answers = await asyncio.gather(
        *[take(each, len(states) // 15) for each in (engine, neighbour) for _ in range(15)]
    )
    given = [state.id for answer in answers for state in answer.operations]
    assert sorted(given) == ids(states)


async def test_the_limit_and_the_slots_hold(engine: FullEngine) -> None:
    await submit_all(engine, [operation(task=task) for task in "aabbb" for _ in range(2)])
    demands = [Demand("a", 1), Demand("b", 3), Demand("c", 9)]
    given = (await engine.claim("w", demands, 2, NOW)).operations
    assert [state.task for state in given] == ["a", "b"]
    given = (await engine.claim("w", demands, 9, NOW)).operations
    assert sorted(state.task for state in given) == ["a", "b", "b", "b"]
    assert (await engine.claim("w", [], 9, NOW)).operations == ()
    assert (await engine.claim("w", [Demand("a", 0)], 9, NOW)).operations == ()


async def test_only_demanded_tasks_are_given(home: Home, engine: FullEngine) -> None:
    """However many others are queued: of tasks that no worker here knows, say."""
    others = [operation(task=f"unknown{n % 50}") for n in range(some(home, 2000))]
    await submit_all(engine, others)
    state = await submit(engine)
    assert ids((await take(engine)).operations) == [state.id]
    assert (await take(engine)).operations == ()
    assert await engine.count_queued() == len(others)


async def test_the_order_is_priority_then_readiness_then_acceptance(engine: FullEngine) -> None:
    states = [
        operation(priority=priority, ready_at=NOW - late)
        for priority in (0, 5, -5, 0)
        for late in (1, 3, 2, 3)
    ]
    await submit_all(engine, states)
    expected = sorted(states, key=lambda state: (-state.priority, state.ready_at))
    given: list[OperationState] = []
    for limit in (1, 4, 100):
        given += (await take(engine, limit)).operations
    assert ids(given) == ids(expected)


async def test_the_order_is_over_all_tasks(engine: FullEngine) -> None:
    states = [
        operation(task=task, priority=priority)
        for task, priority in (("a", 0), ("b", 1), ("a", 1), ("c", 2), ("b", 0))
    ]
    await submit_all(engine, states)
    given = (await take(engine, 3, tasks=("a", "b", "c"))).operations
    assert ids(given) == [states[3].id, states[1].id, states[2].id]


async def test_what_is_not_ready_waits_and_says_until_when(engine: FullEngine) -> None:
    for delay in (30, 10, 20):
        await submit(engine, ready_at=NOW + delay)
    await submit(engine, ready_at=HELD)
    await submit(engine, task="other", ready_at=NOW + 1)
    assert (await take(engine)).next_ready_at == NOW + 10
    claimed = await take(engine, now=NOW + 10)
    assert len(claimed.operations) == 1
    assert claimed.next_ready_at == NOW + 20
    claimed = await take(engine, now=NOW + 100)
    assert (len(claimed.operations), claimed.next_ready_at) == (2, None), "what is held stays"


async def test_the_next_is_looked_for_in_every_priority(engine: FullEngine) -> None:
    await submit(engine, priority=5, ready_at=NOW + 30)
    await submit(engine, priority=1)
    await submit(engine, priority=-5, ready_at=NOW + 20)
    claimed = await take(engine)
    assert (len(claimed.operations), claimed.next_ready_at) == (1, NOW + 20)


async def test_what_is_not_ready_keeps_nothing_back(home: Home, engine: FullEngine) -> None:
    """Delayed ones of a higher priority, and a long line of them."""
    late = [operation(priority=9, ready_at=NOW + 1 + n) for n in range(some(home, 2000))]
    await submit_all(engine, late)
    state = await submit(engine, priority=-9)
    assert ids((await take(engine, 1)).operations) == [state.id]


async def test_a_released_one_is_ready_at_once(engine: FullEngine) -> None:
    state = await start(engine)
    await apply(engine, state, Release(1), NOW + 5)
    (again,) = (await take(engine, now=NOW + 5)).operations
    assert (again.id, again.attempt) == (state.id, 2)


async def test_a_held_one_is_not_given_whatever_it_reports(engine: FullEngine) -> None:
    state = await submit(engine, ready_at=HELD)
    await apply(engine, state, Report(attempt=NOBODY, progress=0.5))
    assert (await take(engine, now=NOW + 1e9)).operations == ()


async def test_what_ended_is_not_given(engine: FullEngine) -> None:
    await finish(engine, await start(engine))
    failed = await start(engine)
    await apply(engine, failed, Fail(attempt=1, problem=PROBLEM, retryable=False))
    assert (await take(engine, now=NOW + 1e6)).operations == ()


async def test_what_was_queued_before_the_clock_was_set_back_is_given(engine: FullEngine) -> None:
    """Nothing waits for the old time to come round; a time that was named stays."""
    await take(engine)
    fresh = await submit(engine)
    retried = await start(engine, task="other")
    await apply(engine, retried, Fail(attempt=1, problem=PROBLEM, delay=60.0))
    await submit(engine, ready_at=NOW + 10)
    back = NOW - 3600
    claimed = await take(engine, now=back, tasks=("task", "other"))
    assert ids(claimed.operations) == [fresh.id]
    assert claimed.next_ready_at == back + 60
    claimed = await take(engine, now=back + 60, tasks=("task", "other"))
    assert (ids(claimed.operations), claimed.next_ready_at) == ([retried.id], NOW + 10)


async def test_a_worker_that_starts_after_the_clock_was_set_back(engine: FullEngine) -> None:
    state = await submit(engine)
    assert ids((await take(engine, now=NOW - 3600)).operations) == [state.id]
