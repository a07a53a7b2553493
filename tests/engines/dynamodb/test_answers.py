"""What no answer came to: it is stored once, or it is told that it is not."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from ringback.core.commands import Report
from ringback.core.lifecycle import accept
from ringback.core.model import Kind, Publication
from ringback.engines.dynamodb import DynamoEngine
from ringback.engines.dynamodb.client import TRIES
from ringback.engines.dynamodb.packs import JOURNAL
from ringback.errors import StoreUnavailable
from tests.contract.acts import apply, finish, key, start, sweep, whole_log
from tests.core.states import NOW, operation
from tests.engines.dynamodb.proxy import BROKEN, Proxy

Make = Callable[..., DynamoEngine]


async def test_who_goes_away_has_it_stored(engine: DynamoEngine) -> None:
    """In between there is the record of a key, and no operation."""
    state = operation()
    accepting = asyncio.ensure_future(engine.accept(accept(state), key("a")))
    await asyncio.sleep(0)
    accepting.cancel()
    await engine.flush()
    assert await engine.load(state.id) == state


async def test_what_was_forgotten_is_so_though_not_all_of_it_is_gone(
    make: Make, between: Proxy
) -> None:
    """Asked again, it would be gone, and who asked would not know by whom."""
    async with make(options=between.options()) as engine:
        states = [await start(engine, input=b"x" * 20_000) for _ in range(2)]
        for state in states:
            await finish(engine, state)
        lost = ["PutItem"]

        def lose(action: str) -> None:
            if action in lost:
                lost.remove(action)
                raise ConnectionError("the answer is lost")

        between.after = lose
        await engine.forget(states[0].id, NOW)
        assert not lost
        between.fail(TRIES, BROKEN, "Query")
        await engine.forget(states[1].id, NOW)
        assert await sweep(engine, NOW + 1) == 0
        for state in states:
            (note,) = await engine.client.query(
                KeyConditionExpression="pk = :pk",
                ExpressionAttributeValues={":pk": {"S": f"op#{state.id}"}},
            )
            assert not note.keys() & {"stage", "place", "input_s3"}


@pytest.mark.parametrize("written", [True, False], ids=["written", "not written"])
async def test_what_no_answer_comes_to_is_looked_for(
    engine: DynamoEngine, monkeypatch: pytest.MonkeyPatch, written: bool
) -> None:
    """Whoever is told that it is not stored would store it once more."""
    running = await start(engine)
    transact, state = engine.client.transact, operation(task="other")
    small = Report(attempt=1, parts=(b"1",))
    large = Report(attempt=1, parts=(b'"%s"' % (b"x" * 1000),))
    told = Report(attempt=1, progress=0.5, publications=(Publication("t", b"1"),))

    async def lost(writes: Any) -> None:
        if written:
            await transact(writes)
        raise StoreUnavailable

    monkeypatch.setattr(engine.client, "transact", lost)
    for report in (small, large, told):
        if written:
            running = await apply(engine, running, report)
            continue
        with pytest.raises(StoreUnavailable):
            await apply(engine, running, report)
    doing: list[Awaitable[Any]] = [
        engine.accept(accept(state), None),
        engine.publish([Publication("t", b"2")], NOW),
    ]
    answers = await asyncio.gather(*doing, return_exceptions=True)
    assert [isinstance(answer, StoreUnavailable) for answer in answers] == [not written] * 2
    parts = [m for m in await whole_log(engine, running.topic) if m.kind is Kind.PART]
    messages = [message.data for message in await whole_log(engine, "t")]
    assert (len(parts), messages) == ((2, [b"1", b"2"]) if written else (0, []))
    assert await engine.count_queued() == written
    assert await engine.load(running.id) == running


SMALL, LARGE = b"1", b'"%s"' % (b"x" * 1000)
TOLD = (Publication("t", b"1"),)


@pytest.mark.parametrize(
    "report",
    [
        Report(attempt=1, parts=(SMALL,)),
        Report(attempt=1, parts=(LARGE,)),
        Report(attempt=1, parts=(SMALL,), publications=TOLD),
        Report(attempt=1, publications=TOLD),
    ],
    ids=["small", "large", "with a message", "a message"],
)
@pytest.mark.parametrize("written", [True, False], ids=["written", "not written"])
async def test_what_is_reported_until_it_is_answered_is_stored_once(
    engine: DynamoEngine, monkeypatch: pytest.MonkeyPatch, report: Report, written: bool
) -> None:
    """The store was away between the write and its answer, and for as long as it was looked for."""
    running = await start(engine)
    transact, get = engine.client.transact, engine.client.get

    async def lost(writes: Any) -> None:
        if written:
            await transact(writes)
        raise StoreUnavailable

    async def away(pk: str, sk: str, *, consistent: bool = True) -> Any:
        if pk == f"op#{running.id}" or pk == JOURNAL:
            raise StoreUnavailable
        return await get(pk, sk)

    with monkeypatch.context() as patch:
        patch.setattr(engine.client, "transact", lost)
        patch.setattr(engine.client, "get", away)
        for _ in range(2):
            with pytest.raises(StoreUnavailable):
                await apply(engine, running, report)
    after = await apply(engine, running, report, NOW + 1)
    await apply(engine, after, Report(attempt=1, parts=(b"2",)), NOW + 2)
    parts = [m for m in await whole_log(engine, running.topic) if m.kind is Kind.PART]
    assert len(parts) == len(report.parts) + 1
    messages = [message.data for message in await whole_log(engine, "t")]
    assert messages == [each.data for each in report.publications]
    assert not engine._unanswered


async def test_what_is_reported_besides_is_no_part_of_it(
    engine: DynamoEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = await start(engine)

    async def lost(writes: Any) -> None:
        raise StoreUnavailable

    with monkeypatch.context() as patch:
        patch.setattr(engine.client, "transact", lost)
        with pytest.raises(StoreUnavailable):
            await apply(engine, running, Report(attempt=1, parts=(b"1",)))
    await apply(engine, running, Report(attempt=1, parts=(b"1", b"2")))
    log = await whole_log(engine, running.topic)
    assert [message.kind for message in log] == [Kind.STATUS, Kind.PART, Kind.PART]
