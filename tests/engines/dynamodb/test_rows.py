"""Rows of topics, which are not written with each message."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from ringback.core.model import BEGINNING, Keep, Publication
from ringback.engines.dynamodb import DynamoEngine, schema
from ringback.engines.dynamodb.client import Item
from ringback.engines.dynamodb.topics import RESTLESS, TOPICS
from tests.contract.acts import DAY, sweep, whole_log
from tests.core.states import NOW

Make = Callable[..., DynamoEngine]
HOUR = Keep(age=3600.0)


async def publish(engine: DynamoEngine, at: float, keep: Keep = HOUR, count: int = 1) -> None:
    await engine.publish([Publication("t", b"1", keep=keep)] * count, NOW + at)


async def row(engine: DynamoEngine) -> Item:
    found = await engine.client.get(TOPICS, "t")
    assert found is not None
    return found


async def test_is_written_when_half_of_the_age_is_over(make: Make) -> None:
    async with make() as one, make() as other:
        rows = []
        for at in (0, 1, 1700, 1800, 1801):
            await publish(one, at)
            await publish(other, at)
            rows.append(await row(one))
    assert rows[0] == rows[1] == rows[2] != rows[3] == rows[4]


async def test_what_came_since_goes_by_its_age_too(make: Make) -> None:
    """It is not forgotten though the row does not know of it."""
    brief = Keep(age=100.0)
    async with make() as engine, make() as other:
        await publish(engine, 0, brief)
        await publish(other, 20, brief)
        assert await sweep(engine, NOW + 110) == 1
        await publish(engine, 111, brief)
        assert len(await whole_log(engine, "t")) == 2
        assert await sweep(other, NOW + 215) == 2
        assert "age" in await row(engine), "something might be on its way"
        assert await sweep(other, NOW + 111 + RESTLESS) == 0
        assert "age" not in await row(engine), "it rests"
        await publish(other, 112 + RESTLESS, brief)
        assert await sweep(engine, NOW + 300 + RESTLESS) == 1
        await sweep(engine, NOW + 40 * DAY)
        await sweep(engine, NOW + 80 * DAY)
        assert await engine.client.get(TOPICS, "t") is None


async def test_what_somebody_died_over_goes_with_its_topic(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object) -> None:
        raise KeyError

    async with make() as engine:
        await publish(engine, 0, Keep(age=10.0))
        with monkeypatch.context() as patch:
            patch.setattr(engine._topics, "_delete", fail)
            with pytest.raises(KeyError):
                await engine.sweep(NOW + 2 * RESTLESS)
        await sweep(engine, NOW + 40 * DAY)
        assert await engine.client.get(TOPICS, "t") is None
        left = await engine.client.query(
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues={":pk": {"S": schema.topic_key("t")}},
        )
    assert not left


async def test_a_bound_that_is_declared_later_holds_for_what_was_there(make: Make) -> None:
    few = Keep(age=3600.0, count=8)
    async with make() as engine:
        for at in range(30):
            await publish(engine, at)
        await publish(engine, 40, few)
        page = await engine.read("t", BEGINNING, 100)
        assert (len(page.messages), page.gap) == (8, True)
        assert "loose" not in await row(engine)
        for at in range(5):
            await publish(engine, 50 + at, few)
        assert 8 <= len((await engine.read("t", None, 100)).messages) <= 9


async def test_what_went_before_a_position_is_no_gap_behind_it(make: Make) -> None:
    """Both stand in one entry of the journal, of which a part is gone."""
    brief = Keep(age=10.0)
    async with make() as engine:
        both = [Publication("brief", b"1", keep=brief), Publication("t", b"2", keep=HOUR)]
        positions = await engine.publish(both, NOW)
        await sweep(engine, NOW + 100)
        page = await engine.follow(positions[0], 10)
        assert ([each.data for each in page.messages], page.gap) == ([b"2"], False)
        assert (await engine.follow(BEGINNING, 10)).missed == ("brief",)


@pytest.mark.parametrize("keep", [Keep(age=10.0), Keep(age=10.0, count=9)])
async def test_a_topic_that_begins_anew_says_what_it_lost(
    make: Make, monkeypatch: pytest.MonkeyPatch, keep: Keep
) -> None:
    """Were it another process that deleted it, since this one was started."""
    async with make() as one, make() as other:
        (old,) = await one.publish([Publication("t", b"1", keep=keep)], NOW)
        await publish(one, 0, keep)
        await sweep(other, NOW + 2 * RESTLESS)
        await sweep(other, NOW + 40 * DAY)
        assert await other.client.get(TOPICS, "t") is None
        later = time.time() + 41 * DAY
        monkeypatch.setattr(time, "time", lambda: later)
        await publish(one, 41 * DAY, keep)
        page = await one.read("t", old, 10)
        assert (len(page.messages), page.gap) == (1, True)
