"""`Engine.accept`, `load`, and the life of the store itself."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from ringback.core.lifecycle import accept
from ringback.core.model import HELD, OperationState, Policy
from ringback.errors import (
    IdempotencyKeyReused,
    OperationForgotten,
    QueueFull,
    StoreUnavailable,
    UnknownOperation,
)
from ringback.ports import Engine, FullEngine
from tests.contract.acts import finish, ids, key, submit, take
from tests.contract.homes import Home, some
from tests.core.states import NOW, operation

FULL = operation(
    policy=Policy(
        max_attempts=7,
        timeout=1.5,
        concurrency=3,
        concurrency_per_key=2,
        rate_per_key=0.5,
        resumable=True,
    ),
    subject="somebody",
    priority=-2,
    ready_at=NOW + 0.123456789,
    limit_key="k\u00e9y",
    parent="an operation",
    traceparent="00-1-2-01",
    input=b'{"a": [1, 2.50, "\xc3\xa9"]}',
)
"""One that uses every field a new operation can have."""


@pytest.mark.parametrize(
    "state",
    [operation(), FULL, operation(ready_at=HELD), operation(input=b'"' + b"x" * 500_000 + b'"')],
    ids=["plain", "full", "held", "large"],
)
async def test_what_is_accepted_is_stored(engine: FullEngine, state: OperationState) -> None:
    accepted = await engine.accept(accept(state), None)
    assert (accepted.operation, accepted.replayed) == (state, False)
    assert await engine.load(state.id) == state


async def test_what_is_accepted_outlives_the_engine(home: Home) -> None:
    async with home.engine() as engine:
        await engine.accept(accept(FULL), key("a"))
        epoch = engine.epoch
    async with home.engine() as engine:
        assert engine.epoch == epoch
        assert await engine.load(FULL.id) == FULL
        assert (await engine.accept(accept(operation()), key("a"))).replayed


async def test_closing_finishes_what_was_begun(home: Home) -> None:
    states = [operation() for _ in range(some(home, 1000))]
    async with home.engine() as engine:
        waiting = [engine.accept(accept(state), None) for state in states]
    await asyncio.gather(*waiting)
    async with home.engine() as engine:
        assert await engine.count_queued() == len(states)
    with pytest.raises(StoreUnavailable):
        await engine.load(states[0].id)


async def test_an_id_that_was_never_here_is_unknown(engine: FullEngine) -> None:
    with pytest.raises(UnknownOperation):
        await engine.load(operation().id)


async def test_the_epoch_is_that_of_the_store(engine: FullEngine, neighbour: FullEngine) -> None:
    assert engine.epoch == neighbour.epoch
    assert 1 <= len(engine.epoch) <= 32


async def test_the_same_key_is_answered_with_the_first_operation(engine: FullEngine) -> None:
    first = await engine.accept(accept(operation()), key("a"))
    again = await engine.accept(accept(operation()), key("a"))
    assert (again.operation, again.replayed) == (first.operation, True)
    assert await engine.count_queued() == 1


async def test_a_replay_gives_the_operation_as_it_stands_by_now(engine: FullEngine) -> None:
    await engine.accept(accept(operation()), key("a"))
    (running,) = (await take(engine)).operations
    done = await finish(engine, running)
    assert (await engine.accept(accept(operation()), key("a"))).operation == done


async def test_other_keys_are_other_operations(engine: FullEngine) -> None:
    one = await engine.accept(accept(operation()), key("a"))
    other = await engine.accept(accept(operation()), key("b"))
    neither = await engine.accept(accept(operation()), None)
    assert [each.replayed for each in (one, other, neither)] == [False] * 3
    assert await engine.count_queued() == 3


async def test_of_concurrent_calls_one_stores(engine: FullEngine, neighbour: FullEngine) -> None:
    """Over two engines at once, as over two processes."""
    engines: list[Engine] = [engine, neighbour] * 25
    states = [operation() for _ in engines]
    answers = await asyncio.gather(
        *[each.accept(accept(state), key("a")) for each, state in zip(engines, states, strict=True)]
    )
    stored = [answer.operation for answer in answers if not answer.replayed]
    assert len(stored) == 1
    assert {answer.operation.id for answer in answers} == {stored[0].id}
    assert await engine.count_queued() == 1
    for state in states:
        if state.id != stored[0].id:
            with pytest.raises(UnknownOperation):
                await engine.load(state.id)


async def test_a_key_is_for_one_payload(engine: FullEngine) -> None:
    first = await engine.accept(accept(operation()), key("a", "one"))
    refused = operation()
    with pytest.raises(IdempotencyKeyReused) as reused:
        await engine.accept(accept(refused), key("a", "other"))
    assert reused.value.fields["operation"] == first.operation.id
    with pytest.raises(UnknownOperation):
        await engine.load(refused.id)
    assert (await engine.accept(accept(operation()), key("a", "one"))).replayed


async def test_an_expired_key_counts_as_absent(engine: FullEngine) -> None:
    await engine.accept(accept(operation()), key("a", "one", expires_at=NOW + 10))
    assert (await engine.accept(accept(operation(NOW + 9)), key("a", "one"))).replayed
    renewed = key("a", "other", expires_at=NOW + 100)
    fresh = await engine.accept(accept(operation(NOW + 10)), renewed)
    assert not fresh.replayed
    again = await engine.accept(accept(operation(NOW + 99)), renewed)
    assert (again.replayed, again.operation.id) == (True, fresh.operation.id)


async def test_a_key_whose_operation_was_forgotten_is_not_used_again(engine: FullEngine) -> None:
    await engine.accept(accept(operation()), key("a"))
    (running,) = (await take(engine)).operations
    await finish(engine, running)
    await engine.forget(running.id, NOW)
    with pytest.raises(OperationForgotten) as gone:
        await engine.accept(accept(operation()), key("a"))
    assert gone.value.fields["operation"] == running.id
    assert await engine.count_queued() == 0


async def test_a_full_queue_takes_nothing_more(home: Home) -> None:
    async with home.engine(max_queued=3) as engine:
        for name in "abc":
            await engine.accept(accept(operation()), key(name))
        refused = operation()
        with pytest.raises(QueueFull) as full:
            await engine.accept(accept(refused), key("d"))
        assert full.value.retry_after
        with pytest.raises(QueueFull):
            await engine.accept(accept(operation()), None)
        with pytest.raises(UnknownOperation):
            await engine.load(refused.id)
        assert (await engine.accept(accept(operation()), key("a"))).replayed, "it is no new one"
        await take(engine, 1)
        fresh = await engine.accept(accept(operation()), key("d"))
        assert not fresh.replayed, "the refusal left no record of its key"


async def test_the_bound_holds_for_concurrent_calls_too(home: Home) -> None:
    async with home.engine(max_queued=10) as one, home.engine(max_queued=10) as other:
        answers = await asyncio.gather(
            *[each.accept(accept(operation()), None) for each in (one, other) for _ in range(20)],
            return_exceptions=True,
        )
        refused = [answer for answer in answers if isinstance(answer, QueueFull)]
        assert len(refused) == 30 if home.exact else len(refused) >= 20
        assert await one.count_queued() == 40 - len(refused)


async def test_a_refusal_does_not_touch_its_neighbours(engine: FullEngine) -> None:
    """Those that came at the same moment are stored, whatever happens to one of them."""
    await engine.accept(accept(operation()), key("a", "one"))
    states = [operation() for _ in range(50)]
    waiting = [engine.accept(accept(state), None) for state in states[:25]]
    bad = engine.accept(accept(operation()), key("a", "other"))
    waiting += [engine.accept(accept(state), None) for state in states[25:]]
    with pytest.raises(IdempotencyKeyReused):
        await bad
    await asyncio.gather(*waiting)
    assert [await engine.load(state.id) for state in states] == states


async def test_acceptance_has_no_message(engine: FullEngine) -> None:
    state = await submit(engine)
    page = await engine.read(state.topic, None, 10)
    assert page.messages == ()
    assert page.position.offset == state.version == 0


async def test_many_at_once_are_each_stored(home: Home, engine: FullEngine) -> None:
    states = [
        msgspec.structs.replace(operation(), priority=number) for number in range(some(home, 2000))
    ]
    await asyncio.gather(*[engine.accept(accept(state), None) for state in states])
    given = (await take(engine, 2000)).operations
    assert ids(given) == ids(states)[::-1]
