"""Declaring topics, and what is published to them."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from ringback import Operation, Ringback
from ringback.core.filters import parse
from ringback.errors import ConfigurationError, InvalidInput, PayloadTooLarge, UnknownTopic
from ringback.tasks.topics import declare_topic
from tests.hub.following import Listener
from tests.serving import until


class Price(BaseModel):
    cents: int


async def later(claims: object, **parameters: str) -> bool:
    return False


class Later:
    async def __call__(self, claims: object) -> bool:
        return False


def test_a_declaration_says_how_long_and_how_much_is_kept() -> None:
    keep = declare_topic("a", {}, 500.0).policy.keep
    assert keep is not None
    assert (keep.age, keep.count, keep.bytes, keep.retained) == (500.0, None, None, False)
    keep = declare_topic(
        "a", {"age": timedelta(minutes=1), "count": 3, "size": 9, "retained": True}, 500.0
    ).policy.keep
    assert keep is not None
    assert (keep.age, keep.count, keep.bytes, keep.retained) == (60.0, 3, 9, True)
    for_ever = declare_topic("a", {"age": None}, 500.0).policy.keep
    assert for_ever is not None
    assert for_ever.age > 50 * 365 * 86400
    assert declare_topic("a", {"durable": False}, 500.0).policy.keep is None


@pytest.mark.parametrize(
    ("pattern", "options"),
    [
        ("a//b", {}),
        ("a/{x", {}),
        ("operations/{id}", {}),
        ("$own", {}),
        ("a", {"colour": "blue"}),
        ("a", {"subscribe": "everyone"}),
        ("a", {"publish": True}),
        ("a", {"count": 0}),
        ("a", {"size": "many"}),
        ("a", {"age": 0}),
        ("a", {"age": "1h"}),
        ("a", {"max_message": -1}),
        ("a", {"durable": False, "count": 5}),
        ("a", {"model": object()}),
        ("a", {"subscribe": later}),
        ("a", {"publish": Later()}),
        ("a", {"presence": partial(later, x="y")}),
        ("/rooms/:id", {"subscribe": lambda claims, id: True}),
        ("/rooms/:id", {"presence": lambda claims: True}),
    ],
)
def test_what_cannot_be_meant_is_refused(pattern: str, options: Any) -> None:
    with pytest.raises(ConfigurationError):
        Ringback().topic(pattern, **options)


def test_a_pattern_is_declared_once() -> None:
    rb = Ringback()
    rb.topic("a/{x}")
    with pytest.raises(ConfigurationError, match="twice"):
        rb.topic("a/{x}")


async def test_published_from_everywhere(data: Path) -> None:
    """From a task with its change, from a route or a script at once."""
    rb = Ringback(data=data)
    prices = rb.topic("prices/{good}", model=Price, max_message=100)
    rb.topic("ticks", durable=False)

    @rb.task(retries=0)
    async def work(op: Operation) -> None:
        await op.publish("ticks", 1)
        await op.publish("prices/tea", {"cents": "3"})

    async with rb.running() as running:
        await running.hub.start()
        listener, ticking = Listener(), Listener()
        running.hub.attach(listener, parse("prices/+"))
        running.hub.attach(ticking, parse("ticks"))
        published = await prices.publish({"cents": 1}, good="tea")
        assert published.position is not None
        assert (published.topic, published.position.offset) == ("prices/tea", 1)
        assert published.listeners == 1
        tick = await rb.publish("ticks", 1)
        assert (tick.position, tick.listeners) == (None, 1)
        await rb.wait((await rb.submit("work")).id, 20)
        await until(lambda: len(listener.got) == 2 and len(ticking.got) == 2)
        page = await running.service.engine.read("prices/tea", None, 10)
        assert [message.data for message in page.messages] == [b'{"cents":1}', b'{"cents":3}']
        for topic, value, error in (
            ("prices/tea", {"cents": "many"}, InvalidInput),
            ("prices/tea", {"cents": int("9" * 200)}, PayloadTooLarge),
            ("undeclared", 1, UnknownTopic),
            ("operations/x", 1, InvalidInput),
        ):
            with pytest.raises(error):
                await rb.publish(topic, value)
        for wrong in ({}, {"good": "a/b/"}, {"good": ""}):
            with pytest.raises((InvalidInput, UnknownTopic)):
                await prices.publish({"cents": 1}, **wrong)


async def test_open_topics_need_no_declaration(data: Path) -> None:
    rb = Ringback(data=data, open_topics=True, topic_retention=60)
    async with rb.running(worker=False) as running:
        assert (await rb.publish("any/thing", 1)).position is not None
        policy = running.service.publisher.topics.policy("any/thing")
        assert policy.keep is not None
        assert policy.keep.age == 60
