"""Messages of a log that stand in their operation's item, and those that stand beside it."""

from __future__ import annotations

import pytest

from ringback.core.commands import Expire, Fail, Redrive, Report, Succeed
from ringback.core.model import Kind, Message, OperationState, Policy
from ringback.core.view import INLINE_RESULT, operation_view
from ringback.engines.dynamodb import DynamoEngine, schema
from ringback.engines.dynamodb.entries import APART, EARLY, ENTRIES
from ringback.engines.dynamodb.items import OPERATION
from tests.contract.acts import apply, finish, offsets, start, take, whole_log
from tests.core.states import NOW, operation


async def shapes(engine: DynamoEngine, state: OperationState) -> tuple[int, bool]:
    """How many entries are in an operation's item, and whether others are beside it."""
    item = await engine.client.get(schema.operation_key(state.id), OPERATION)
    assert item is not None
    return len(item.get(ENTRIES, {}).get("L", ())), APART in item


def told(messages: list[Message]) -> list[bytes]:
    """What those say that tell of a state."""
    return [message.data for message in messages if message.kind is Kind.STATUS]


@pytest.mark.parametrize("size", [2, 20_000, INLINE_RESULT + 1])
async def test_each_tells_what_was_so_then(engine: DynamoEngine, size: int) -> None:
    """With a result in the item, in S3, or too large for a message."""
    states = [await start(engine, policy=Policy(lease=10.0), parent=operation().id)]
    late = NOW + 10

    async def go(command: Fail | Expire | Succeed) -> None:
        states.append(await apply(engine, states[-1], command, late))

    async def claim(now: float) -> None:
        (taken,) = (await take(engine, now=now)).operations
        states.append(taken)

    await go(Expire(attempt=1, jitter=0.5))
    await claim(late)
    await go(Fail(attempt=2, problem=b'{"title":"x"}', retryable=True, delay=5.0))
    await claim(late + 5)
    report = Report(attempt=3, progress=0.5, message="half", parts=(b"1",))
    await go(Succeed(attempt=3, result=b'"%s"' % (b"x" * (size - 2)), report=report))
    messages = await whole_log(engine, states[0].topic)
    assert told(messages) == [operation_view(state) for state in states]
    assert offsets(messages) == list(range(1, states[-1].version + 1))
    assert await shapes(engine, states[0]) == (6, False)
    assert await engine.load(states[0].id) == states[-1]


async def test_a_dead_letter_that_is_done_again(engine: DynamoEngine) -> None:
    problem = b'{"title":"%s"}' % (b"x" * 2000)
    running = await start(engine)
    failed = await apply(engine, running, Fail(attempt=1, problem=problem, retryable=False))
    redriven = await apply(engine, failed, Redrive(operation().id, None))
    states = [running, failed, redriven]
    assert told(await whole_log(engine, running.topic)) == list(map(operation_view, states))
    assert await shapes(engine, running) == (3, False)


async def test_a_long_log_stands_beside_its_operation(engine: DynamoEngine) -> None:
    state = await start(engine)
    for number in range(EARLY + 3):
        state = await apply(engine, state, Report(attempt=1, progress=number / 100))
    state = await finish(engine, state)
    for limit in (1, 4, 100):
        messages = await whole_log(engine, state.topic, None, limit)
        assert offsets(messages) == list(range(1, state.version + 1))
        for at in (0, EARLY - 2, EARLY, state.version - 2):
            rest = await whole_log(engine, state.topic, messages[at].position, limit)
            assert rest == messages[at + 1 :]
    assert await shapes(engine, state) == (EARLY + 1, True)


async def test_what_is_large_stands_beside_it_between_small_ones(engine: DynamoEngine) -> None:
    state = await start(engine)
    large = b'"%s"' % (b"x" * 300)
    for part in (b"1", large, b"2", large):
        state = await apply(engine, state, Report(attempt=1, parts=(part,)))
    state = await finish(engine, state)
    messages = await whole_log(engine, state.topic, None, 2)
    assert offsets(messages) == [1, 2, 3, 4, 5, 6]
    assert [len(m.data) > 300 for m in messages if m.kind is Kind.PART] == [0, 1, 0, 1]
    assert await shapes(engine, state) == (4, True)
