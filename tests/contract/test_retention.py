"""`Retention`: what is forgotten, when, and what is remembered of it."""

from __future__ import annotations

import asyncio

import pytest

from ringback.core.commands import Cancel, Report, Succeed
from ringback.core.lifecycle import accept
from ringback.core.model import Event, Keep, Policy, Publication, Query
from ringback.errors import Conflict, OperationForgotten, StillOpen, UnknownOperation
from ringback.ports import FullEngine
from tests.contract.acts import DAY, apply, finish, ids, key, start, submit, sweep, take
from tests.contract.homes import Home, some
from tests.core.states import NOW, operation

BRIEF = Policy(retention=100.0)


async def test_a_terminal_operation_is_forgotten(engine: FullEngine, neighbour: FullEngine) -> None:
    done = await finish(engine, await start(engine, subject="me"))
    other = await finish(engine, await start(engine, subject="me"))
    await engine.forget(done.id, NOW)
    for each in (engine, neighbour):
        for ask in (each.load(done.id), each.read(done.topic, None, 10)):
            with pytest.raises(OperationForgotten) as gone:
                await ask
            assert gone.value.subject == "me", "only its owner is told that it was here"
        assert ids(await each.list(Query())) == [other.id]
    assert await engine.load(other.id) == other
    with pytest.raises(OperationForgotten):
        await engine.forget(done.id, NOW)


async def test_an_open_operation_is_not_forgotten(engine: FullEngine) -> None:
    queued = await submit(engine, task="other")
    running = await start(engine)
    for state in (queued, running):
        with pytest.raises(StillOpen):
            await engine.forget(state.id, NOW)
        assert await engine.load(state.id) == state


async def test_what_was_never_here_cannot_be_forgotten(engine: FullEngine) -> None:
    with pytest.raises(UnknownOperation):
        await engine.forget(operation().id, NOW)


async def test_a_forgotten_operation_is_remembered_for_thirty_days(engine: FullEngine) -> None:
    done = await finish(engine, await start(engine))
    await engine.forget(done.id, NOW)
    await sweep(engine, NOW + 29.9 * DAY)
    with pytest.raises(OperationForgotten):
        await engine.load(done.id)
    await sweep(engine, NOW + 30 * DAY)
    with pytest.raises(UnknownOperation):
        await engine.load(done.id)


async def test_what_ended_is_swept_after_its_retention(engine: FullEngine) -> None:
    done = await finish(engine, await start(engine, policy=BRIEF, input=b"1" * 10_000), NOW + 5)
    cancelled = await apply(engine, await submit(engine, policy=BRIEF), Cancel())
    longer = await finish(engine, await start(engine, policy=Policy(retention=200.0)))
    running = await start(engine, policy=BRIEF)
    await submit(engine, task="queued", policy=BRIEF)
    assert await sweep(engine, NOW + 99) == 0
    assert await sweep(engine, NOW + 104) == 1
    with pytest.raises(OperationForgotten):
        await engine.load(cancelled.id)
    assert await engine.load(done.id) == done
    assert await sweep(engine, NOW + 105) == 1
    with pytest.raises(OperationForgotten):
        await engine.read(done.topic, None, 10)
    assert await sweep(engine, NOW + DAY) == 1
    with pytest.raises(OperationForgotten):
        await engine.load(longer.id)
    assert await engine.load(running.id) == running, "what is open is kept however long"
    assert await engine.count_queued() == 1


async def test_a_sweep_is_bounded_and_says_when_it_is_done(home: Home, engine: FullEngine) -> None:
    states = [operation(policy=BRIEF) for _ in range(some(home, 1000, 110))]
    await asyncio.gather(*[engine.accept(accept(state), None) for state in states])
    running = (await take(engine)).operations
    await asyncio.gather(*[finish(engine, state) for state in running])
    counts: list[int] = []
    while not counts or counts[-1]:
        counts.append(await engine.sweep(NOW + 100))
    assert sum(counts) == len(states)
    assert max(counts) < len(states), "requests get their turn in between"
    assert await engine.list(Query()) == []


async def test_two_sweep_at_once(engine: FullEngine, neighbour: FullEngine) -> None:
    for _ in range(5):
        await finish(engine, await start(engine, policy=BRIEF))
    assert sum(await asyncio.gather(*[sweep(e, NOW + 100) for e in (engine, neighbour)])) == 5


async def test_idempotency_records_are_swept_when_they_expire(
    engine: FullEngine, neighbour: FullEngine
) -> None:
    await engine.accept(accept(operation()), key("a", expires_at=NOW + 10))
    await engine.accept(accept(operation()), key("b", expires_at=NOW + 20))
    assert await sweep(engine, NOW + 9) == 0
    assert await sweep(engine, NOW + 10) == 1
    assert await sweep(engine, NOW + 10) == 0
    assert (await engine.accept(accept(operation()), key("b", expires_at=NOW + 20))).replayed
    # For whoever has an earlier time too: it is gone, and not only passed over.
    for each in (neighbour, engine):
        again = await each.accept(accept(operation(NOW)), key("a", expires_at=NOW + 10))
        assert not again.replayed
        assert (await each.accept(accept(operation(NOW)), key("a", expires_at=NOW + 10))).replayed
        assert await sweep(each, NOW + 10) == 1


async def test_messages_and_events_are_swept_by_age(home: Home) -> None:
    keep = Keep(age=50.0)
    async with home.engine(event_retention=50.0) as engine:
        state = await start(engine)
        event = Event(id="e", source="/a", type="x", time=NOW, data=b"1")
        report = Report(attempt=1, publications=(Publication("t", b"1", keep=keep),))
        await apply(engine, state, Succeed(attempt=1, result=b"1", report=report, events=(event,)))
        await engine.publish([Publication("t", b"2", keep=keep)], NOW + 10)
        assert await sweep(engine, NOW + 49) == 0
        assert await sweep(engine, NOW + 50) == 2
        assert home.events() == []
        assert [m.data for m in (await engine.read("t", None, 10)).messages] == [b"2"]
        assert await sweep(engine, NOW + 60) == 1
        assert (await engine.read("t", None, 10)).messages == ()


async def test_a_change_of_what_was_swept_is_a_conflict(engine: FullEngine) -> None:
    running = await start(engine, policy=BRIEF)
    done = await finish(engine, running)
    await sweep(engine, NOW + 100)
    with pytest.raises(Conflict):
        await apply(engine, running, Report(attempt=1, progress=0.5))
    with pytest.raises(OperationForgotten):
        await engine.load(done.id)
