"""Groups and audiences: what is shared by many must not be by those who are not alike."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ringback.core.filters import Filter, parse
from ringback.core.model import BEGINNING, Message
from ringback.core.policies import TopicPolicy
from ringback.engines.sqlite import SqliteEngine
from ringback.hub import groups
from tests.hub.following import Lines, Listener, hubbub, publish, room
from tests.serving import until


async def test_several_audiences_of_one_filter_stay_in_order(data: Path) -> None:
    """Where a guard decides, or only the newest matters, each topic has an audience of its own."""
    policies = (
        TopicPolicy(pattern=parse("gauge/{id}"), coalesce=True),
        TopicPolicy(pattern=parse("#")),
    )
    async with hubbub(data, *policies) as (engine, hub):
        guarded, both = Listener(), Listener()
        hub.attach(guarded, parse("a/+"), lambda topic: True)
        hub.attach(both, parse("#"))

        class Newest(Listener):
            @property
            def write_newest(self) -> Callable[[str, bytes], object]:
                return lambda topic, data: self.writes.append(data)

        coalesced = Newest()
        hub.attach(coalesced, parse("+/+"))
        await publish(engine, "a/1", "gauge/1", "a/2", "a/1", "gauge/1", "a/2")
        await until(lambda: len(coalesced.got) == 6)
        assert [offset for _, offset in guarded.got] == [1, 3, 4, 6]
        assert [offset for _, offset in coalesced.got] == [1, 2, 3, 4, 5, 6], "it keeps up"
        assert [offset for _, offset in both.got] == [1, 3, 4, 6]
        assert both.newest == {"gauge/1": b'["gauge/1",5]\n'}


async def test_topics_that_came_to_be_known_apart_stay_in_order(data: Path) -> None:
    """When somebody comes for another topic, what is shared is worked out anew, as it is asked."""
    async with hubbub(data) as (engine, hub):
        follower, other = Listener(), Listener()
        hub.attach(follower, parse("a/+"))
        assert hub.listeners("a/1") == 1
        hub.attach(other, parse("b"))
        await publish(engine, "a/1", "a/2", "a/1")
        await until(lambda: len(follower.got) == 3)
        assert follower.got == [["a/1", 1], ["a/2", 2], ["a/1", 3]]


async def test_filters_of_one_text_are_not_one(data: Path) -> None:
    """A topic may have the name that another filter has for a text."""
    odd = Filter("secret:x", ("secret", "#"), lambda topic: topic == "secret/x")
    async with hubbub(data) as (engine, hub):
        named, matching = Listener(), Listener()
        for first, second in ((named, matching), (matching, named)):
            for each in (first, second):
                hub.attach(each, parse("secret:x") if each is named else odd)
            await publish(engine, "secret/x", "secret:x")
            await until(lambda: named.got and matching.got)
            assert {topic for topic, _ in named.got} == {"secret:x"}
            assert {topic for topic, _ in matching.got} == {"secret/x"}
            hub.leave(named)
            hub.leave(matching)
            named.writes.clear()
            matching.writes.clear()


async def test_of_what_nobody_declares_any_more_nobody_gets_anything(data: Path) -> None:
    async with SqliteEngine(data) as earlier:
        await publish(earlier, "old/1", "new/1")
    async with hubbub(data, TopicPolicy(pattern=parse("new/+"))) as (engine, hub):
        follower = Listener()
        await hub.join(follower, parse("#"), BEGINNING, room=room)
        assert [topic for topic, _ in follower.got] == ["new/1"]
        await publish(engine, "old/1", "new/2")
        await until(lambda: len(follower.got) == 2)
        assert follower.got[-1] == ["new/2", 4]


async def test_what_is_remembered_of_audiences_is_bounded(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(groups, "MAX_REMEMBERED", 1000)
    async with hubbub(data) as (_, hub):
        followers = [Listener() for _ in range(100)]
        for follower in followers:
            hub.attach(follower, parse("a/+"), lambda topic: True)
        for number in range(200):
            assert hub.listeners(f"a/{number}") == 100
            assert len(hub._groups._audiences) <= 11
        for follower in followers[1:]:
            hub.leave(follower)
        assert len(hub._groups._audiences) == 0
        assert hub.listeners("a/1") == 1


async def test_a_message_that_cannot_be_framed_is_a_gap_and_no_loss_of_others(data: Path) -> None:
    class Failing(Lines):
        def message(self, message: Message) -> bytes:
            if message.topic == "bad":
                raise ValueError("of this message alone")
            return super().message(message)

    async with hubbub(data) as (engine, hub):
        follower, other = Listener(Failing()), Listener()
        hub.attach(follower, parse("#"))
        hub.attach(other, parse("#"))
        await publish(engine, "a", "bad", "b")
        await until(lambda: len(other.got) == 3)
        assert follower.got == [["a", 1], ["gap", ["bad"]], ["b", 3]]
