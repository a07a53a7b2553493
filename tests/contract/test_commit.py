"""`Engine.commit`: all of a change, or nothing of it."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from ringback.core.commands import Cancel, Claim, Command, Fail, Redrive, Report, Start, Succeed
from ringback.core.lifecycle import decide
from ringback.core.model import HELD, Change, Event, Kind, OperationState, Publication, Status
from ringback.errors import Conflict, UnknownOperation
from ringback.ports import FullEngine
from tests.contract.acts import apply, offsets, start, submit, take, whole_log
from tests.contract.homes import Home
from tests.core.states import NOW, PROBLEM, operation

NEWS = (Publication("news", b'"one"'), Publication("other/topic", b"1"), Publication("news", b"2"))


def everything(state: OperationState, now: float = NOW) -> Change:
    """A change with all that one can have."""
    report = Report(attempt=state.attempt, progress=0.5, parts=(b"1", b"2"), publications=NEWS)
    events = tuple(
        Event(id=f"e{number}", source="/a", type="x", time=now, data=b"{}", sequence=number)
        for number in (1, 2)
    )
    command = Succeed(attempt=state.attempt, result=b'{"a":1}', report=report, events=events)
    change = decide(state, command, now)
    assert change is not None
    return msgspec.structs.replace(change, operations=(operation(parent=state.id), operation()))


async def nothing_of(
    change: Change, engine: FullEngine, home: Home, stored: OperationState
) -> None:
    """The store is as if the change had never been."""
    assert await engine.load(stored.id) == stored
    assert len(await whole_log(engine, stored.topic)) == stored.version
    for topic in ("news", "other/topic"):
        assert (await engine.read(topic, None, 10)).messages == ()
    assert home.events() == []
    for caused in change.operations:
        with pytest.raises(UnknownOperation):
            await engine.load(caused.id)
    assert (await take(engine)).operations == ()


async def test_all_of_a_change_is_stored(
    home: Home, engine: FullEngine, neighbour: FullEngine
) -> None:
    """And can be read, by another process too, as soon as the commit returns."""
    state = await start(engine)
    change = everything(state)
    await engine.commit(change)
    for reader in (engine, neighbour):
        assert await reader.load(state.id) == change.after
        log = await whole_log(reader, state.topic)
        assert offsets(log) == [1, 2, 3, 4, 5]
        kinds = [message.kind for message in log]
        assert kinds == [Kind.STATUS, Kind.PART, Kind.PART, Kind.PROGRESS, Kind.STATUS]
        assert [message.data for message in log[1:]] == [draft.data for draft in change.messages]
        assert {message.at for message in log} == {NOW}
        assert {message.topic for message in log} == {state.topic}
        assert {message.position.epoch for message in log} == {engine.epoch}
        news = await whole_log(reader, "news")
        assert [(message.data, message.kind) for message in news] == [
            (b'"one"', Kind.MESSAGE),
            (b"2", Kind.MESSAGE),
        ]
        assert offsets(news) == [1, 3]
        assert [message.at for message in news] == [change.after.updated_at] * 2
        assert [message.data for message in await whole_log(reader, "other/topic")] == [b"1"]
        assert [await reader.load(caused.id) for caused in change.operations] == list(
            change.operations
        )
    assert home.events() == [("e1", state.id), ("e2", state.id)]
    assert await engine.count_queued() == 2
    assert len((await take(neighbour)).operations) == 2


async def test_a_conflict_stores_nothing(home: Home, engine: FullEngine) -> None:
    state = await start(engine)
    change = everything(state)
    newer = await apply(engine, state, Report(attempt=1, progress=0.1))
    with pytest.raises(Conflict):
        await engine.commit(change)
    await nothing_of(change, engine, home, newer)


@pytest.mark.parametrize("field", ["version", "status", "attempt"])
async def test_a_change_applies_to_what_it_was_decided_on(
    home: Home, engine: FullEngine, field: str
) -> None:
    state = await start(engine)
    change = everything(state)
    other = {"version": 7, "status": Status.QUEUED, "attempt": 2}[field]
    wrong = msgspec.structs.replace(state, **{field: other})
    with pytest.raises(Conflict):
        await engine.commit(msgspec.structs.replace(change, before=wrong))
    await nothing_of(change, engine, home, state)


async def test_a_change_applies_once(home: Home, engine: FullEngine) -> None:
    state = await start(engine)
    change = everything(state)
    await engine.commit(change)
    with pytest.raises(Conflict):
        await engine.commit(change)
    assert await engine.load(state.id) == change.after
    assert len(home.events()) == 2


async def test_of_concurrent_changes_one_applies(
    home: Home, engine: FullEngine, neighbour: FullEngine
) -> None:
    state = await start(engine)
    change = everything(state)
    engines = [engine, neighbour] * 10
    answers = await asyncio.gather(
        *[each.commit(change) for each in engines], return_exceptions=True
    )
    assert [type(answer) for answer in answers if answer] == [Conflict] * 19
    assert len(home.events()) == 2
    assert offsets(await whole_log(engine, "news")) == [1, 3]


async def test_an_operation_that_is_gone_is_a_conflict(engine: FullEngine) -> None:
    state = await start(engine)
    done = await apply(engine, state, Fail(attempt=1, problem=PROBLEM, retryable=False))
    change = decide(done, Redrive(operation().id), NOW)
    assert change is not None
    await engine.forget(done.id, NOW)
    with pytest.raises(Conflict):
        await engine.commit(change)
    assert await engine.count_queued() == 0


async def test_what_is_new_is_not_committed(engine: FullEngine) -> None:
    """Accepting is for that, with its bound and its key."""
    state = operation()
    with pytest.raises(Conflict):
        await engine.commit(Change(before=None, after=state))
    with pytest.raises(UnknownOperation):
        await engine.load(state.id)


async def test_the_bound_is_not_for_what_a_change_causes(home: Home) -> None:
    """An event whose handler did not fit would be lost."""
    async with home.engine(max_queued=1) as engine:
        state = await start(engine)
        await engine.commit(everything(state))
        assert await engine.count_queued() == 2


async def test_publications_alone_change_no_version(engine: FullEngine) -> None:
    state = await start(engine)
    after = await apply(engine, state, Report(attempt=1, publications=NEWS), NOW + 60)
    assert await engine.load(state.id) == after
    assert after.version == state.version
    assert [message.at for message in await whole_log(engine, "news")] == [NOW + 60] * 2


@pytest.mark.parametrize("size", [0, 10, 10_000, 1_000_000])
async def test_results_and_inputs_of_any_size(engine: FullEngine, size: int) -> None:
    data = b'"' + b"x" * size + b'"'
    state = await start(engine, input=data)
    assert state.input == data
    done = await apply(engine, state, Succeed(attempt=1, result=data))
    loaded = await engine.load(state.id)
    assert loaded == done
    assert (loaded.input, loaded.result) == (data, data)


@pytest.mark.parametrize("before", [10, 10_000])
@pytest.mark.parametrize("then", [10, 10_000])
async def test_an_input_that_is_known_later(engine: FullEngine, before: int, then: int) -> None:
    state = await submit(engine, ready_at=HELD, input=b"1" * before)
    assert (await take(engine)).operations == ()
    started = await apply(engine, state, Start(b"2" * then))
    assert await engine.load(state.id) == started
    (running,) = (await take(engine)).operations
    assert running.input == b"2" * then


@pytest.mark.parametrize(
    "commands",
    [
        [Fail(attempt=1, problem=PROBLEM, diagnosis="tracebäck", delay=0.0)],
        [Fail(attempt=1, problem=PROBLEM, retryable=False)],
        [Cancel()],
        [Report(attempt=1, progress=0.25, message="höre", parts=(b"1",))],
        [Report(attempt=1, progress=0.25), Cancel(), Succeed(attempt=1, result=b"null")],
    ],
    ids=lambda commands: "-".join(type(command).__name__ for command in commands),
)
async def test_every_field_is_kept(engine: FullEngine, commands: list[Command]) -> None:
    state = await start(engine, subject="me", limit_key="k", parent="p", traceparent="t")
    for command in commands:
        state = await apply(engine, state, command, NOW + 0.123456)
    assert await engine.load(state.id) == state
    assert (await whole_log(engine, state.topic))[0].kind is Kind.STATUS


async def test_a_failed_operation_is_claimed_again(engine: FullEngine) -> None:
    state = await start(engine)
    await apply(engine, state, Fail(attempt=1, problem=PROBLEM, delay=30.0))
    waiting = await take(engine, now=NOW + 29)
    assert (waiting.operations, waiting.next_ready_at) == ((), NOW + 30)
    (again,) = (await take(engine, now=NOW + 30)).operations
    assert (again.id, again.attempt, again.failures) == (state.id, 2, 1)


async def test_a_cancelled_one_is_never_claimed(engine: FullEngine) -> None:
    state = await submit(engine)
    cancelled = await apply(engine, state, Cancel())
    assert (await take(engine)).operations == ()
    assert await engine.load(state.id) == cancelled
    assert await engine.count_queued() == 0
    assert decide(state, Claim("w"), NOW) is not None
