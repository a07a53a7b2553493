"""Processes that meet, and one that was asleep."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from ringback.core.commands import Cancel, Expire, Report
from ringback.core.filters import parse
from ringback.core.lifecycle import accept, decide
from ringback.core.model import HELD, Keep, Policy, Publication, Status
from ringback.engines.dynamodb import DynamoEngine, feeds, values
from ringback.engines.dynamodb.accepting import ABANDONED
from ringback.engines.dynamodb.packs import pack_key
from ringback.engines.dynamodb.payloads import MOST
from ringback.engines.dynamodb.topics import TOPICS
from ringback.errors import (
    IdempotencyKeyReused,
    OperationForgotten,
    PayloadTooLarge,
    StoreUnavailable,
    UnknownOperation,
)
from tests.contract.acts import DAY, apply, finish, key, start, sweep, take
from tests.core.states import NOW, operation
from tests.engines.dynamodb.proxy import Proxy, refusal

Make = Callable[..., DynamoEngine]
LIMIT = 30.0


async def test_no_number_is_given_twice(make: Make) -> None:
    """Who was asleep while the journal went on, and was swept, does not go on where it was."""
    brief = Keep(count=1, age=10)
    async with make() as sleeper, make() as other:
        await sleeper.publish([Publication("a", b"0")], NOW)
        for number in range(4):
            await other.publish([Publication("t", b"%d" % number, keep=brief)], NOW)
        await sweep(other, NOW + 100)
        (position,) = await sleeper.publish([Publication("t", b"new", keep=brief)], NOW + 101)
        assert position.offset == 6
        for number in range(4):
            await other.publish([Publication("t", b"%d" % number, keep=brief)], NOW + 101)
        await sweep(other, NOW + DAY)
        sleeper._journal._head_at -= DAY
        (position,) = await sleeper.publish([Publication("t", b"last", keep=brief)], NOW + DAY)
        assert position.offset == 11


async def test_nor_by_who_was_asleep_in_the_middle(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A function is frozen once it has answered, whatever it still waits for."""
    brief, ahead = Keep(count=1, age=10), [0.0]
    async with make() as sleeper, make() as other:
        await sleeper.publish([Publication("a", b"0")], NOW)
        see = sleeper._journal._rows.see

        async def slow(wanted: Any) -> None:
            await see(wanted)
            if not ahead[0]:
                for number in range(4):
                    await other.publish([Publication("t", b"%d" % number, keep=brief)], NOW)
                await sweep(other, NOW + DAY)
                ahead[0] = DAY

        monkeypatch.setattr(sleeper._journal._rows, "see", slow)
        monkeypatch.setattr("time.time", lambda: NOW + ahead[0])
        (position,) = await sleeper.publish([Publication("b", b"new")], NOW + DAY)
        assert position.offset == 6


async def test_what_is_asked_for_anew_when_nobody_knows_its_token_is_stored_once(
    engine: DynamoEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DynamoDB does for ten minutes. A function may be frozen for longer before it asks again."""
    whole = engine.client.transact

    async def transact(writes: Any) -> None:
        engine.client.transact = whole  # type: ignore[method-assign]
        await whole(writes)
        await whole(writes)

    state = await start(engine)
    large = Publication("t", b'"' + b"x" * 100_000 + b'"')
    change = decide(state, Report(attempt=1, parts=(b"1",), publications=(large,)), NOW)
    assert change is not None
    monkeypatch.setattr(engine.client, "transact", transact)
    (position,) = await engine.publish([Publication("t", b"1")], NOW)
    monkeypatch.setattr(engine.client, "transact", transact)
    await engine.commit(change)
    page = await engine.read("t", None, 10)
    assert [len(message.data) for message in page.messages] == [1, 100_002]
    assert page.messages[0].position == position


async def test_a_write_that_meets_a_transaction_is_tried_again(make: Make, between: Proxy) -> None:
    """A lease is renewed while a report is being stored."""
    async with make(options=between.options()) as engine:
        state = await start(engine)
        between.fail(2, refusal("TransactionConflictException"), "UpdateItem")
        lost, cancelled = await engine.renew([(state.id, state.attempt)], NOW)
        assert (lost, cancelled) == (frozenset(), frozenset())


async def test_a_lease_that_was_renewed_is_expired(engine: DynamoEngine) -> None:
    """DynamoDB adds in decimals, and a float is only near to what that comes to."""
    for number in range(8):
        state = await start(engine, policy=Policy(lease=0.6))
        await engine.renew([(state.id, 1)], NOW + 0.1234567 + number / 1e6)
        (over,) = await engine.overdue(NOW + 10, 10)
        assert (await apply(engine, over, Expire(1, 0.0), NOW + 10)).status is Status.QUEUED
        (again,) = (await take(engine, now=NOW + 10)).operations
        await finish(engine, again)


async def test_a_change_is_stored_though_its_log_cannot_be_trimmed(
    engine: DynamoEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Told that it was not, a worker would report the same again."""

    async def trim(*_: object) -> None:
        raise StoreUnavailable

    monkeypatch.setattr(engine._logs, "trim", trim)
    state = await start(engine)
    after = await apply(engine, state, Report(attempt=1, parts=(b"1",)))
    assert await engine.load(state.id) == after


async def test_a_failure_nobody_thought_of_is_told(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody waits for ever, and what is published next goes its way."""
    async with make() as engine:
        with monkeypatch.context() as patch:
            patch.setattr(engine._topics, "cut", _fail)
            publishing = engine.publish([Publication("t", b"1", keep=Keep(count=1))], NOW)
            with pytest.raises(KeyError):
                await asyncio.wait_for(publishing, LIMIT)
        (position,) = await engine.publish([Publication("t", b"2")], NOW)
        assert position.offset == 2


@pytest.mark.parametrize("way", ["read", "replay", "many", "follow"])
async def test_a_message_on_its_way_in_is_waited_for(
    engine: DynamoEngine, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    """A transaction's items are not seen in one moment; no reader goes on past what is to come."""
    positions = [
        (await engine.publish([Publication(f"t/{number}", b"%d" % number)], NOW))[0]
        for number in range(3)
    ]
    pack = pack_key("t/2", positions[2].offset)
    item = await engine.client.get(*pack)
    assert item is not None
    await engine.client.delete(*pack)

    async def pause(tried: int) -> None:
        await engine.client.put(item)

    monkeypatch.setattr(feeds, "pause", pause)
    if way == "many":
        monkeypatch.setattr(feeds, "WALK", 0)
    match way:
        case "read":
            page = await engine.read("t/2", positions[1], 10)
        case "follow":
            page = await engine.follow(positions[1], 10)
        case _:
            page = await engine.replay(parse("t/+"), positions[1], 10)
    assert ([message.data for message in page.messages], page.gap) == ([b"2"], False)


@pytest.mark.parametrize("filter", ["t/+", "t/2/#"])
async def test_so_is_the_first_of_a_topic_of_which_nothing_is_seen_yet(
    engine: DynamoEngine, monkeypatch: pytest.MonkeyPatch, filter: str
) -> None:
    """Nor is its row, by which a replay finds the topics that match."""
    names = ["t/0", "t/1", "t/2/3"] if "#" in filter else ["t/0", "t/1", "t/2"]
    positions = [
        (await engine.publish([Publication(name, name.encode())], NOW))[0] for name in names
    ]
    keys = [pack_key(names[2], positions[2].offset), (TOPICS, names[2])]
    coming = list((await engine.client.get_all(keys)).values())
    await engine.client.delete_all(keys)

    async def pause(tried: int) -> None:
        for item in coming:
            await engine.client.put(item)

    monkeypatch.setattr(feeds, "pause", pause)
    monkeypatch.setattr(feeds, "WALK", 0)
    page = await engine.replay(parse(filter), positions[1], 10)
    assert ([message.topic for message in page.messages], page.gap) == ([names[2]], False)


@pytest.mark.parametrize("first", [False, True])
async def test_a_last_value_on_its_way_in_is_waited_for(
    engine: DynamoEngine, monkeypatch: pytest.MonkeyPatch, first: bool
) -> None:
    """What comes after the position does not bring it any more."""
    kept = Keep(retained=True)
    if not first:
        await engine.publish([Publication("t/1", b"old", keep=kept)], NOW)
    (newest,) = await engine.publish([Publication("t/1", b"new", keep=kept)], NOW)
    keys = [pack_key("t/1", newest.offset), *([(TOPICS, "t/1")] * first)]
    coming = list((await engine.client.get_all(keys)).values())
    await engine.client.delete_all(keys)

    async def pause(tried: int) -> None:
        for item in coming:
            await engine.client.put(item)

    monkeypatch.setattr(values, "pause", pause)
    found = await engine.retained(parse("t/+"), newest, 10)
    assert [message.data for message in found] == [b"new"]


@pytest.mark.parametrize("way", ["read", "replay", "many", "follow"])
async def test_a_message_that_never_comes_is_a_gap(
    engine: DynamoEngine, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    """Whoever reads goes on in the end, and is told."""
    (before,) = await engine.publish([Publication("t/1", b"1")], NOW)
    (lost,) = await engine.publish([Publication("t/1", b"2")], NOW)
    await engine.client.delete(*pack_key("t/1", lost.offset))

    async def pause(tried: int) -> None:
        """No time passes."""

    monkeypatch.setattr(feeds, "pause", pause)
    if way == "many":
        monkeypatch.setattr(feeds, "WALK", 0)
    match way:
        case "read":
            page = await engine.read("t/1", before, 10)
        case "follow":
            page = await engine.follow(before, 10)
        case _:
            page = await engine.replay(parse("t/+"), before, 10)
    assert (page.messages, page.gap, page.missed, page.position) == ((), True, ("t/1",), lost)


async def test_a_key_whose_process_died_before_its_operation_was_stored(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next ones store it, and only one of them, under the name that the key is known for."""
    first, large = operation(), b'"' + b"x" * 20_000 + b'"'
    async with make() as engine, make() as other:
        with monkeypatch.context() as patch:
            patch.setattr(engine._acceptance, "_insert", _fail)
            with pytest.raises(KeyError):
                await engine.accept(accept(first), key("a"))
        with pytest.raises(UnknownOperation):
            await engine.load(first.id)
        with pytest.raises(IdempotencyKeyReused):
            await engine.accept(accept(operation()), key("a", "another"))
        again = [operation(input=large) for _ in range(10)]
        answers = await asyncio.gather(
            *[
                each.accept(accept(state), key("a"))
                for each, state in zip([engine, other] * 5, again, strict=True)
            ]
        )
        assert {answer.operation.id for answer in answers} == {first.id}
        assert sorted(answer.replayed for answer in answers) == [False] + [True] * 9
        assert await engine.load(first.id) == answers[0].operation
        assert await engine.count_queued() == 1


@pytest.mark.parametrize("ready_at", [NOW, HELD], ids=["queued", "held"])
async def test_a_key_whose_process_died_is_taken_over_for_something_else(
    make: Make, monkeypatch: pytest.MonkeyPatch, ready_at: float
) -> None:
    """Not at once, since it may be slow; and then it does not come after all."""
    first, late = operation(), NOW + ABANDONED
    async with make() as engine, make() as other:
        with monkeypatch.context() as patch:
            patch.setattr(engine._acceptance, "_insert", _fail)
            with pytest.raises(KeyError):
                await engine.accept(accept(first), key("a"))
        with pytest.raises(IdempotencyKeyReused):
            await engine.accept(accept(operation(late - 1)), key("a", "another"))
        again = [operation(late, ready_at=ready_at) for _ in range(6)]
        answers = await asyncio.gather(
            *[
                each.accept(accept(state), key("a", "another"))
                for each, state in zip([engine, other] * 3, again, strict=True)
            ]
        )
        (taken,) = {answer.operation.id for answer in answers}
        assert sorted(answer.replayed for answer in answers) == [False] + [True] * 5
        assert await engine.load(taken) == answers[0].operation
        item = await engine._changes.inserted(first)
        with pytest.raises(OperationForgotten):
            await engine._acceptance._insert(first, item, known=True)
        with pytest.raises(IdempotencyKeyReused) as told:
            await engine.accept(accept(operation(late)), key("a"))
        assert told.value.fields == {"operation": taken}


async def test_an_operation_that_was_slow_keeps_its_key(engine: DynamoEngine) -> None:
    first, known = operation(), key("a")
    await engine._acceptance._note(known, first)
    look = engine.client.get

    async def late(pk: str, sk: str, *, consistent: bool = True) -> Any:
        found = await look(pk, sk)
        engine.client.get = look  # type: ignore[method-assign]
        await engine.client.put(await engine._changes.inserted(first))
        return found

    engine.client.get = late  # type: ignore[method-assign]
    with pytest.raises(IdempotencyKeyReused) as told:
        await engine.accept(accept(operation(NOW + ABANDONED)), key("a", "another"))
    assert told.value.fields == {"operation": first.id}
    assert (await engine.accept(accept(operation()), known)).operation == first


async def test_a_key_does_not_bring_back_what_was_forgotten(engine: DynamoEngine) -> None:
    known = key("a", expires_at=NOW + 100 * DAY)
    state = (await engine.accept(accept(operation()), known)).operation
    await apply(engine, state, Cancel())
    await engine.forget(state.id, NOW)
    for then in (NOW + 29 * DAY, NOW + 31 * DAY):
        with pytest.raises(OperationForgotten):
            await engine.accept(accept(operation(then)), known)
        await sweep(engine, NOW + 30 * DAY)


async def test_a_key_of_what_no_item_takes_is_free_again(make: Make) -> None:
    async with make(bucket="") as engine:
        state = operation(input=b'"' + b"x" * (MOST - 2) + b'"', traceparent="x" * 60_000)
        with pytest.raises(PayloadTooLarge, match="400 KB"):
            await engine.accept(accept(state), key("a"))
        assert not (await engine.accept(accept(operation()), key("a", "smaller"))).replayed


async def test_what_belongs_to_a_forgotten_operation_goes_though_somebody_dies(
    engine: DynamoEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = await start(engine, input=b"x" * 100_000)
    state = await apply(engine, state, Report(attempt=1, parts=(b'"%s"' % (b"x" * 1000),)))
    await finish(engine, state)
    with monkeypatch.context() as patch:
        patch.setattr(engine.client, "delete_all", _fail)
        with pytest.raises(KeyError):
            await engine.forget(state.id, NOW)
    await sweep(engine, NOW + 1)
    (note,) = await engine.client.query(
        KeyConditionExpression="pk = :pk",
        ExpressionAttributeValues={":pk": {"S": f"op#{state.id}"}},
    )
    assert not note.keys() & {"stage", "place", "input_s3"}
    with pytest.raises(OperationForgotten):
        await engine.load(state.id)


async def _fail(*_: object, **__: object) -> None:
    raise KeyError


@pytest.mark.parametrize("text", ["t/+", "t/1"])
async def test_what_is_removed_and_not_deleted_yet_hides_nothing(
    engine: DynamoEngine, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    """Whoever asks for what is kept gets it, though all that is read first counts as gone: who cut
    the log died before it deleted that, or is about to.
    """
    monkeypatch.setattr(feeds, "WALK", 0)
    monkeypatch.setattr(engine._topics, "_delete", lambda *of: asyncio.sleep(0))
    for number in range(4):
        await engine.publish([Publication("t/1", b"%d" % number, keep=Keep(count=2))], NOW)
    page = await engine.replay(parse(text), None, 1)
    assert ([message.data for message in page.messages], page.gap) == ([b"2"], False)


async def test_what_is_published_first_is_first_were_it_large(engine: DynamoEngine) -> None:
    """Its data is on its way to S3 when the next is there already."""
    large = b'"' + b"x" * 100_000 + b'"'
    sent = [large, b"1", large, b"2", b"3"]
    await asyncio.gather(*[engine.publish([Publication("t", data)], NOW) for data in sent])
    page = await engine.read("t", None, 10)
    assert [message.data for message in page.messages] == sent
