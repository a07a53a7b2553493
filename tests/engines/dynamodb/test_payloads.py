"""What is large stands in S3, and goes with what it belongs to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from ringback.core.commands import Report, Start, Succeed
from ringback.core.lifecycle import accept
from ringback.core.model import BEGINNING, HELD, Event, Keep, Publication, Query, Status
from ringback.engines.dynamodb import DynamoEngine
from ringback.engines.dynamodb.payloads import INLINE, INLINE_MESSAGE, MOST, PREFIX, Payloads
from ringback.errors import Conflict, OperationForgotten, PayloadTooLarge
from tests import moto
from tests.contract.acts import apply, finish, key, start, submit, take, whole_log
from tests.core.states import NOW, operation
from tests.serving import until


def text(size: int) -> bytes:
    return b'"' + b"x" * (size - 2) + b'"'


def objects(owner: str = "") -> int:
    """How many payloads there are."""
    found = moto.client("s3").list_objects_v2(Bucket=moto.bucket(), Prefix=PREFIX + owner)
    return int(found["KeyCount"])


@pytest.mark.parametrize(("size", "apart"), [(INLINE, 0), (INLINE + 1, 2), (1_000_000, 2)])
async def test_inputs_and_results(engine: DynamoEngine, size: int, apart: int) -> None:
    state = await start(engine, input=text(size))
    done = await apply(engine, state, Succeed(attempt=1, result=text(size)))
    assert await engine.load(state.id) == done
    assert objects(state.id) >= apart
    await engine.forget(state.id, NOW)
    assert objects(state.id) == 0, "they go with their operation"


async def test_parts_of_a_log(engine: DynamoEngine) -> None:
    state = await start(engine)
    parts = tuple(text(50_000) for _ in range(20))
    await apply(engine, state, Report(attempt=1, parts=parts))
    assert len(await whole_log(engine, state.topic)) == 21
    assert objects(state.id) == 1


async def test_an_input_that_replaces_another(engine: DynamoEngine) -> None:
    state = await submit(engine, ready_at=HELD, input=text(INLINE + 1))
    small = await apply(engine, state, Start(b"1"))
    assert await engine.load(state.id) == small


async def test_messages_of_topics(engine: DynamoEngine) -> None:
    before = objects()
    keep = Keep(age=10.0)
    await engine.publish([Publication("t", text(INLINE_MESSAGE + 1), keep=keep)] * 3, NOW)
    assert objects() == before + 3
    assert [len(m.data) for m in await whole_log(engine, "t")] == [INLINE_MESSAGE + 1] * 3
    assert await engine.sweep(NOW + 100) == 3
    assert objects() == before


async def test_a_message_that_is_removed_while_it_is_read(
    engine: DynamoEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep, large = Keep(count=1), text(INLINE_MESSAGE + 1)
    await engine.publish([Publication("t", large, keep=keep)], NOW)
    fetch = Payloads.fetch

    async def late(self: Payloads, where: str) -> bytes:
        monkeypatch.undo()
        await engine.publish([Publication("t", b"2", keep=keep)], NOW)
        return await fetch(self, where)

    monkeypatch.setattr(Payloads, "fetch", late)
    page = await engine.read("t", BEGINNING, 10)
    assert ([message.data for message in page.messages], page.gap) == ([b"2"], True)


async def test_what_was_refused_leaves_nothing(engine: DynamoEngine) -> None:
    state = await start(engine)
    await finish(engine, state)
    before = objects()
    with pytest.raises(Conflict):
        await apply(engine, state, Succeed(attempt=1, result=text(INLINE + 1)))
    await engine.accept(accept(operation()), key("a"))
    again = await engine.accept(accept(operation(input=text(INLINE + 1))), key("a"))
    assert again.replayed
    assert objects() == before


async def test_without_a_bucket(make: Callable[..., Any]) -> None:
    async with make(bucket="") as engine:
        state = await submit(engine, input=text(MOST))
        assert await engine.load(state.id) == state
        with pytest.raises(PayloadTooLarge, match="aws_bucket"):
            await submit(engine, input=text(MOST + 1))


async def test_an_item_that_is_too_large_as_a_whole(make: Callable[..., Any]) -> None:
    """Its payloads fit, each by itself."""
    async with make(bucket="") as engine:
        state = await start(engine, input=text(MOST))
        published = Report(attempt=1, publications=(Publication("t", b"1"),))
        large = Succeed(attempt=1, result=text(MOST))
        with pytest.raises(PayloadTooLarge, match="400 KB"):
            await apply(engine, state, large)
        both = await asyncio.gather(
            apply(engine, state, Succeed(attempt=1, result=large.result, report=published)),
            engine.publish([Publication("t", b"2")], NOW),
            return_exceptions=True,
        )
        assert isinstance(both[0], PayloadTooLarge)
        assert not isinstance(both[1], BaseException), "it is not to blame"
        assert await engine.load(state.id) == state


async def test_what_is_too_large_fails_nothing_beside(
    make: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Several publishers' messages go in one transaction, and the work of others with them."""
    async with make(bucket="") as engine:
        state = await start(engine, input=text(MOST))
        transact, free = engine.client.transact, asyncio.Event()

        async def waiting(writes: Any) -> None:
            await free.wait()
            await transact(writes)

        monkeypatch.setattr(engine.client, "transact", waiting)
        first = asyncio.ensure_future(engine.publish([Publication("t", b"1")], NOW))
        await until(lambda: engine._journal._appending is not None and not engine._journal._waiting)
        report = Report(attempt=1, publications=(Publication("t", b"2"),))
        large = Succeed(attempt=1, result=text(MOST), report=report)
        both = [
            asyncio.ensure_future(apply(engine, state, large)),
            asyncio.ensure_future(engine.publish([Publication("t", b"3")], NOW)),
        ]
        await until(lambda: len(engine._journal._waiting) == 2)
        free.set()
        refused, stored = await asyncio.gather(*both, return_exceptions=True)
        await first
        assert isinstance(refused, PayloadTooLarge)
        assert not isinstance(stored, BaseException)
        assert [message.data for message in await whole_log(engine, "t")] == [b"1", b"3"]


async def test_more_than_a_transaction_takes(engine: DynamoEngine) -> None:
    state = await start(engine)
    events = tuple(
        Event(id=f"e{n}", source="/x", type="t", time=NOW, data=text(250_000), sequence=n)
        for n in range(20)
    )
    with pytest.raises(PayloadTooLarge, match="4 MB"):
        await apply(engine, state, Succeed(attempt=1, result=text(INLINE + 1), events=events))
    assert await engine.load(state.id) == state
    assert objects(state.id) == 0
    await finish(engine, state)


async def test_more_topics_than_a_transaction_has(engine: DynamoEngine) -> None:
    many = [Publication(f"t/{number}", b"1") for number in range(60)]
    with pytest.raises(PayloadTooLarge, match="fewer topics"):
        await engine.publish(many, NOW)
    assert (await engine.follow(None, 1)).position.offset == 0


def lose(operation: str) -> None:
    """Delete what stands in S3 of an operation."""
    s3, bucket = moto.client("s3"), moto.bucket()
    for each in s3.list_objects_v2(Bucket=bucket, Prefix=PREFIX + operation)["Contents"]:
        s3.delete_object(Bucket=bucket, Key=each["Key"])


@pytest.mark.parametrize("chosen", [False, True], ids=["claimed", "named"])
async def test_what_has_lost_its_input_keeps_nothing_else_back(
    engine: DynamoEngine, chosen: bool
) -> None:
    lost = await submit(engine, input=text(INLINE + 1))
    other = await submit(engine, input=text(INLINE + 1))
    lose(lost.id)
    assert [each.id for each in await engine.list(Query())] == [other.id]
    if chosen:
        claimed = await engine.claim_chosen("worker", [lost.id, other.id], NOW)
    else:
        claimed = await take(engine)
    assert [each.id for each in claimed.operations] == [other.id]
    failed = await engine.load(lost.id)
    assert failed.status is Status.FAILED
    assert b"input is missing" in (failed.error or b"")
    assert await engine.count_queued() == 0


async def test_what_has_lost_its_result_is_passed_over_in_lists(engine: DynamoEngine) -> None:
    state = await start(engine)
    await apply(engine, state, Succeed(attempt=1, result=text(INLINE + 1)))
    lose(state.id)
    assert await engine.list(Query()) == []
    with pytest.raises(RuntimeError, match="missing in S3"):
        await engine.load(state.id)


async def test_what_is_forgotten_while_it_is_read(
    engine: DynamoEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = await start(engine, input=text(INLINE + 1))
    await finish(engine, state)
    fetch = Payloads.fetch

    async def late(self: Payloads, where: str) -> bytes:
        monkeypatch.setattr(Payloads, "fetch", fetch)
        await engine.forget(state.id, NOW)
        return await fetch(self, where)

    monkeypatch.setattr(Payloads, "fetch", late)
    with pytest.raises(OperationForgotten):
        await engine.load(state.id)
