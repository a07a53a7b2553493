"""How many requests each thing takes: that is what is paid for."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable
from typing import Any

import pytest

from ringback.core.commands import Cancel, Report, Succeed
from ringback.core.filters import parse
from ringback.core.lifecycle import accept, decide
from ringback.core.model import BEGINNING, Keep, Policy, Publication, Query
from ringback.engines.dynamodb import DynamoEngine
from ringback.engines.dynamodb.entries import EARLY
from ringback.engines.dynamodb.searching import FIRST_PAGE
from tests import moto
from tests.contract.acts import apply, finish, key, start, submit, take
from tests.core.states import NOW, operation


@pytest.fixture(autouse=True)
async def warm(engine: DynamoEngine) -> None:
    """What a process does once: its task is known, the waits were looked at, the journal's end."""
    await finish(engine, await start(engine))
    await engine.publish([Publication("warm", b"1")], NOW)


async def cost(engine: DynamoEngine, what: Awaitable[Any]) -> dict[str, int]:
    """The requests that something takes."""
    before = Counter(engine.client.requests)
    await what
    return dict(Counter(engine.client.requests) - before)


async def test_an_acceptance(engine: DynamoEngine) -> None:
    assert await cost(engine, submit(engine)) == {"PutItem": 1}


async def test_an_acceptance_with_a_key(engine: DynamoEngine) -> None:
    new = engine.accept(accept(operation()), key("a"))
    assert await cost(engine, new) == {"PutItem": 2}
    again = engine.accept(accept(operation()), key("a"))
    assert await cost(engine, again) == {"PutItem": 1, "GetItem": 1}


async def test_a_large_input(engine: DynamoEngine) -> None:
    large = b'"' + b"x" * 20_000 + b'"'
    assert await cost(engine, submit(engine, input=large)) == {"PutObject": 1, "PutItem": 1}


async def test_a_claim(engine: DynamoEngine) -> None:
    await submit(engine)
    wanted = {"Query": 1, "BatchGetItem": 1, "UpdateItem": 1}
    assert await cost(engine, take(engine)) == wanted
    assert await cost(engine, take(engine)) == {"Query": 1}, "an idle worker's"
    for _ in range(20):
        await submit(engine)
    assert await cost(engine, take(engine)) == {**wanted, "UpdateItem": 20}


async def test_a_claim_of_what_a_message_names(engine: DynamoEngine) -> None:
    state = await submit(engine)
    wanted = {"BatchGetItem": 1, "UpdateItem": 1}
    assert await cost(engine, engine.claim_chosen("w", [state.id], NOW)) == wanted
    assert await cost(engine, engine.claim_chosen("w", [state.id], NOW)) == {"BatchGetItem": 1}


async def test_a_claim_under_limits(engine: DynamoEngine) -> None:
    await submit(engine, limit_key="k", policy=Policy(concurrency=5, concurrency_per_key=1))
    wanted = {"Query": 2, "BatchGetItem": 2, "TransactWriteItems": 1}
    assert await cost(engine, take(engine)) == wanted


async def test_a_claim_at_a_limit_does_not_read_the_whole_queue(engine: DynamoEngine) -> None:
    one = Policy(concurrency=1)
    for _ in range(3 * FIRST_PAGE):
        await submit(engine, policy=one)
    (running,) = (await take(engine, 1)).operations
    idle = {"Query": 2, "BatchGetItem": 1}
    assert await cost(engine, take(engine, 1)) == idle, "the first of the queue, and what runs"
    await finish(engine, running)
    assert len((await take(engine, 10)).operations) == 1


async def test_each_change_of_a_running_one(engine: DynamoEngine) -> None:
    state = await start(engine)
    one = {"UpdateItem": 1}
    report = Report(attempt=1, progress=0.5)
    assert await cost(engine, apply(engine, state, report)) == one
    state = await engine.load(state.id)
    report = Report(attempt=1, parts=(b'"%s"' % (b"x" * 200), b"2"))
    assert await cost(engine, apply(engine, state, report)) == {"TransactWriteItems": 1}
    state = await engine.load(state.id)
    assert await cost(engine, engine.renew([(state.id, 1)], NOW)) == {"UpdateItem": 1}
    published = Report(attempt=1, publications=tuple(Publication(t, b"1") for t in "aabc"))
    first = {"TransactWriteItems": 1, "BatchGetItem": 1}
    assert await cost(engine, apply(engine, state, published)) == first
    assert await cost(engine, apply(engine, state, published)) == {"TransactWriteItems": 1}
    assert await cost(engine, finish(engine, state)) == one


async def test_a_cancellation(engine: DynamoEngine) -> None:
    state = await submit(engine)
    assert await cost(engine, apply(engine, state, Cancel())) == {"UpdateItem": 1}


async def test_units_of_writing(engine: DynamoEngine) -> None:
    """Of an operation with a subject, and a message to a topic that had one before."""

    async def units(what: Awaitable[Any]) -> tuple[float, float]:
        moto.requests()
        await what
        used = moto.requests()["units"]
        return used["write"], used["index"]

    input = b'{"user":"ada","address":"1 Main Street","notes":"%s"}' % (b"x" * 200)
    state = operation(NOW, subject="ada", input=input, traceparent="0" * 55)
    assert await units(engine.accept(accept(state), key("a"))) == (5, 3)
    worker = "2026/11/22/[$LATEST]" + "0" * 32
    assert await units(engine.claim_chosen(worker, [state.id], NOW)) == (3, 2)
    state = await engine.load(state.id)
    assert await units(engine.renew([(state.id, 1)], NOW + 1)) == (2, 1)
    progress = decide(state, Report(attempt=1, progress=0.5, message="half of it"), NOW + 2)
    assert progress is not None
    assert await units(engine.commit(progress)) == (1, 0)
    told = Report(attempt=1, publications=(Publication("warm", b"1"),))
    ended = decide(progress.after, Succeed(attempt=1, result=b'"done"', report=told), NOW + 3)
    assert ended is not None
    assert await units(engine.commit(ended)) == (8, 2)
    assert await units(engine.forget(state.id, NOW + 4)) == (4, 3)


async def test_publications_made_together_share_a_transaction(engine: DynamoEngine) -> None:
    async def publish() -> None:
        each = [engine.publish([Publication(f"t/{n % 5}", b"1")], NOW) for n in range(20)]
        await asyncio.gather(*each)

    first = {"TransactWriteItems": 1, "BatchGetItem": 1}
    assert await cost(engine, publish()) == first, "and a look at what there is of each topic"
    assert await cost(engine, publish()) == {"TransactWriteItems": 1}


async def test_a_bounded_log_is_looked_at_now_and_then(engine: DynamoEngine) -> None:
    keep = Keep(count=80)

    async def publish(count: int) -> None:
        for _ in range(count):
            await engine.publish([Publication("bounded", b"1", keep=keep)], NOW)

    assert await cost(engine, publish(20)) == {"TransactWriteItems": 20, "GetItem": 1}


async def test_reading(engine: DynamoEngine) -> None:
    state = await start(engine)
    await engine.publish([Publication("t", b"1"), Publication("u", b"2")], NOW)
    end = (await engine.follow(None, 1)).position
    assert await cost(engine, engine.load(state.id)) == {"GetItem": 1}
    log = engine.read(state.topic, BEGINNING, 10)
    assert await cost(engine, log) == {"GetItem": 1}
    for number in range(EARLY):
        state = await apply(engine, state, Report(attempt=1, progress=number / EARLY))
    log = engine.read(state.topic, BEGINNING, 99)
    assert await cost(engine, log) == {"GetItem": 1, "Query": 1}
    assert await cost(engine, engine.read("t", BEGINNING, 10)) == {"GetItem": 1, "Query": 2}
    assert await cost(engine, engine.follow(None, 10)) == {"Query": 1}
    assert await cost(engine, engine.follow(end, 10)) == {"Query": 1}, "nothing new"
    await engine.publish([Publication("t", b"1"), Publication("u", b"2")], NOW)
    news = engine.follow(end, 10)
    assert await cost(engine, news) == {"Query": 2, "BatchGetItem": 2}
    replay = engine.replay(parse("+"), end, 10)
    assert await cost(engine, replay) == {"Query": 3, "BatchGetItem": 2}


async def test_lists(engine: DynamoEngine) -> None:
    for subject in ("me", "me", "you"):
        await submit(engine, subject=subject)
    wanted = {"GetItem": 1, "Query": 1, "BatchGetItem": 1}
    assert await cost(engine, engine.list(Query(subject="me"))) == wanted
    assert await cost(engine, engine.list(Query())) == wanted, "and one query for each task"
    assert await cost(engine, engine.count_queued()) == {"GetItem": 1, "Query": 1}
