"""The hub on a real engine: who gets what, once and in order."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest

from ringback.core.filters import Filter, parse
from ringback.core.model import BEGINNING, Keep, Message, Page, Position, Publication
from ringback.core.policies import TopicPolicy
from ringback.hub.past import MAX_RETAINED
from tests.hub.following import LINES, NOW, Lines, Listener, hubbub, publish, room
from tests.serving import until


async def test_followers_get_what_matches(data: Path) -> None:
    async with hubbub(data) as (engine, hub):
        exact, wild, other = Listener(), Listener(), Listener()
        hub.attach(exact, parse("q/1"))
        hub.attach(wild, parse("q/+"))
        hub.attach(other, parse("z"))
        await publish(engine, "q/1", "q/2", "r", "q/1")
        await until(lambda: len(wild.got) == 3)
        assert exact.got == [["q/1", 1], ["q/1", 4]]
        assert wild.got == [["q/1", 1], ["q/2", 2], ["q/1", 4]]
        assert other.got == []
        assert hub.delivered == 5
        assert (hub.listeners("q/1"), hub.listeners("q/2"), hub.listeners("r")) == (2, 1, 0)
        hub.detach(wild, parse("q/+"))
        await publish(engine, "q/1")
        await until(lambda: len(exact.got) == 3)
        assert len(wild.got) == 3
        assert hub.followers == 2


async def test_what_is_committed_together_is_one_write_of_shared_frames(data: Path) -> None:
    async with hubbub(data) as (engine, hub):
        format = Lines()
        followers = [Listener(format) for _ in range(50)]
        for follower in followers:
            hub.attach(follower, parse("t"))
        await publish(engine, *["t"] * 16)
        await until(lambda: len(followers[-1].got) == 16)
        assert {len(follower.writes) for follower in followers} == {1}
        assert len({id(follower.writes[0]) for follower in followers}) == 1
        assert format.framed == 16


async def test_whoever_follows_twice_gets_it_once_and_in_order(data: Path) -> None:
    """Also what only one of its filters matches stays in order with the rest."""
    async with hubbub(data) as (engine, hub):
        both, one = Listener(), Listener()
        for filter in ("a/+", "a/1", "#"):
            hub.attach(both, parse(filter))
        hub.attach(one, parse("a/1"))
        await publish(engine, "b", "a/1", "b", "a/2", "a/1")
        await until(lambda: len(both.got) >= 5)
        assert [offset for _, offset in both.got] == [1, 2, 3, 4, 5]
        assert [offset for _, offset in one.got] == [2, 5]
        hub.detach(both, parse("#"))
        hub.detach(both, parse("a/1"))
        await publish(engine, "b", "a/1")
        await until(lambda: len(one.got) == 3)
        assert [offset for _, offset in both.got] == [1, 2, 3, 4, 5, 7]


async def test_a_guard_keeps_topics_from_one_and_not_from_others(data: Path) -> None:
    async with hubbub(data) as (engine, hub):
        all_of_it, some = Listener(), Listener()
        hub.attach(all_of_it, parse("room/+"))
        hub.attach(some, parse("room/+"), lambda topic: topic != "room/secret")
        await publish(engine, "room/1", "room/secret", "room/2")
        await until(lambda: len(all_of_it.got) == 3)
        assert [topic for topic, _ in some.got] == ["room/1", "room/2"]
        joined = Listener()
        others = ["room/secret", "room/2"]
        await hub.join(joined, parse("room/+"), BEGINNING, others.__contains__, room=room)
        assert [topic for topic, _ in joined.got] == ["room/secret", "room/2"]
        hub.attach(some, parse("room/+"))
        await publish(engine, "room/secret")
        await until(lambda: len(some.got) == 3)
        assert [topic for topic, _ in joined.got][2:] == ["room/secret"]


async def test_ephemeral_messages_of_one_turn_are_one_write(data: Path) -> None:
    async with hubbub(data) as (engine, hub):
        follower = Listener()
        hub.attach(follower, parse("t"))
        for _ in range(5):
            engine.relay([Publication("t", b"1", keep=None)], NOW)
        await until(lambda: follower.writes)
        assert len(follower.writes) == 1
        assert follower.got == [["t", 0]] * 5
        page = await engine.read("t", None, 10)
        assert page.messages == ()


async def test_ephemeral_messages_come_from_another_process(data: Path) -> None:
    async with hubbub(data) as (_, hub), hubbub(data) as (other, _):
        follower = Listener()
        hub.attach(follower, parse("t"))
        big = b'"' + b"x" * 60_000 + b'"'
        other.relay([Publication("t", big, keep=None)] * 7, NOW)
        await until(lambda: len(follower.got) == 7)


async def test_of_a_coalesced_topic_the_newest_is_offered(data: Path) -> None:
    policy = TopicPolicy(pattern=parse("gauge/{id}"), coalesce=True)
    rest = TopicPolicy(pattern=parse("#"))
    async with hubbub(data, policy, rest) as (engine, hub):
        follower = Listener()
        hub.attach(follower, parse("#"))
        await publish(engine, "gauge/a", "gauge/a", "gauge/b", "t")
        await until(lambda: follower.writes)
        assert follower.newest == {"gauge/a": b'["gauge/a",2]\n', "gauge/b": b'["gauge/b",3]\n'}
        assert follower.got == [["t", 4]]


async def test_a_new_follower_gets_what_is_retained(data: Path) -> None:
    async with hubbub(data) as (engine, hub):
        await publish(engine, "a/1", "a/1", "a/2", keep=Keep(retained=True))
        await publish(engine, "a/3")
        await until(lambda: hub.position.offset == 4)
        follower = Listener()
        await hub.join(follower, parse("a/+"), hub.position, retained=True, room=room)
        assert follower.got == [["a/1", 2], ["a/2", 3]]
        await publish(engine, "a/1")
        await until(lambda: len(follower.got) == 3)


async def test_last_values_are_looked_for_until_enough_may_be_seen(data: Path) -> None:
    """However many others come before them; what is too much is a gap."""
    async with hubbub(data) as (engine, hub):
        names = [f"s/{number:04}" for number in range(1, 1502)]
        await publish(engine, *names, keep=Keep(retained=True))
        await until(lambda: hub.position.offset == 1501)
        one, all_of_them = Listener(), Listener()
        await hub.join(one, parse("s/+"), hub.position, "s/1501".__eq__, retained=True, room=room)
        assert one.got == [["s/1501", 1501]]
        await hub.join(all_of_them, parse("s/+"), hub.position, retained=True, room=room)
        assert len(all_of_them.got) == MAX_RETAINED + 1
        assert all_of_them.got[-1] == ["gap", []]


async def test_what_may_not_be_seen_is_little_of_what_is_replayed(data: Path) -> None:
    async with hubbub(data) as (engine, hub):
        await publish(engine, *["t/secret"] * 600, *["t/1"] * 5)
        await until(lambda: hub.position.offset == 605)
        follower, patient = Listener(), Listener()
        await hub.join(follower, parse("t/+"), BEGINNING, "t/1".__eq__, room=room, limit=100)
        assert follower.got == [["t/1", number] for number in range(601, 606)]
        await publish(engine, *["t/secret"] * 3000, "t/1")
        await until(lambda: hub.position.offset == 3606)
        await hub.join(patient, parse("t/+"), BEGINNING, "t/1".__eq__, room=room, limit=100)
        assert patient.got == [*follower.got[:5], ["gap", []]], "but it is work, and has an end"


async def test_what_is_gone_is_a_gap(data: Path) -> None:
    async with hubbub(data) as (engine, hub):
        await publish(engine, *["t"] * 30, "u", keep=Keep(count=10))
        follower, foreign = Listener(), Listener()
        await hub.join(follower, parse("#"), Position(engine.epoch, 1), room=room)
        assert follower.got[0] == ["gap", ["t"]]
        assert [offset for _, offset in follower.got[1:]][-1] == 31
        await hub.join(foreign, parse("u"), Position("other", 9), room=room)
        assert foreign.got == [["gap", ["u"]], ["u", 31]]
        wild = Listener()
        await hub.join(wild, parse("+"), Position("other", 9), room=room)
        assert wild.got[0] == ["gap", []] or wild.got[0] == ["gap", ["t"]]


async def test_a_live_follower_is_told_of_a_gap(data: Path) -> None:
    """Where a commit of many leaves only the last of them."""
    async with hubbub(data) as (engine, hub):
        follower, other = Listener(), Listener()
        hub.attach(follower, parse("t"))
        hub.attach(other, parse("u"))
        await publish(engine, *["t"] * 50, "u", keep=Keep(count=1))
        await until(lambda: other.got)
        assert follower.got[0] == ["gap", ["t"]]
        assert follower.got[-1] == ["t", 50]
        assert other.got == [["u", 51]]


async def test_followers_come_and_go_under_publishing(data: Path) -> None:
    """From any position, by any filter, while others publish: each message once and in order."""
    names = [f"q/{number}" for number in range(5)] + ["other"]
    filters = [parse(text) for text in ("q/1", "q/+", "#", "q/{id}", "other")]
    async with hubbub(data) as (engine, hub):
        pick = random.Random(7)
        sent: list[tuple[str, int]] = []
        stop = asyncio.Event()

        async def publisher(seed: int) -> None:
            own = random.Random(seed)
            while not stop.is_set():
                batch = [own.choice(names) for _ in range(own.randint(1, 8))]
                positions = await publish(engine, *batch)
                sent.extend((n, p.offset) for n, p in zip(batch, positions, strict=True))

        async def follow(filter: Filter, after: int) -> None:
            follower = Listener()
            position = Position(engine.epoch, after)
            guard = pick.choice([None, lambda topic: True])  # which has an audience a topic
            await hub.join(follower, filter, position, guard, room=lambda: asyncio.sleep(0))
            count = len(follower.got)
            await until(lambda: len(follower.got) > count + 3)
            hub.detach(follower, filter)
            got = [(str(topic), offset) for topic, offset in follower.got]
            last = got[-1][1]
            assert isinstance(last, int)
            await until(lambda: max(offset for _, offset in sent) >= last)
            wanted = [e for e in sorted(sent, key=lambda each: each[1]) if after < e[1] <= last]
            assert got == [each for each in wanted if filter.matches(each[0])]

        publishers = [asyncio.create_task(publisher(seed)) for seed in range(3)]
        for _ in range(12):
            await asyncio.gather(
                *[follow(pick.choice(filters), pick.randint(0, len(sent))) for _ in range(10)]
            )
        await until(lambda: len(sent) > 500)
        stop.set()
        await asyncio.gather(*publishers)
        assert hub.followers == 0


async def more(follower: Listener, messages: int) -> None:
    """Wait until a follower has got some more."""
    enough = len(follower.got) + messages
    await until(lambda: len(follower.got) >= enough)


async def test_several_filters_are_followed_in_one_order(data: Path) -> None:
    """Cut after any message, whoever resumes after it has missed nothing of any filter."""
    names = ["a", "b", "c/1", "c/2", "other"]
    async with hubbub(data) as (engine, hub):
        pick = random.Random(11)
        sent: list[tuple[str, int]] = []
        stop = asyncio.Event()

        async def publisher() -> None:
            while not stop.is_set():
                batch = [pick.choice(names) for _ in range(pick.randint(1, 8))]
                positions = await publish(engine, *batch)
                sent.extend((n, p.offset) for n, p in zip(batch, positions, strict=True))

        publishing = asyncio.create_task(publisher())
        filters = {parse(text): None for text in ("a", "b", "c/+", "c/1", "unheard/of")}
        at = Position(engine.epoch, 0)
        got: list[list[object]] = []
        for _ in range(40):
            follower = Listener()
            await hub.join_all(follower, filters, at, room=lambda: asyncio.sleep(0))
            await more(follower, pick.randint(1, 6))
            hub.leave(follower)
            cut = follower.got[: pick.randint(1, len(follower.got))]
            got += cut
            last = cut[-1][1]
            assert isinstance(last, int)
            at = Position(engine.epoch, last)
        stop.set()
        await publishing
        wanted = [[n, o] for n, o in sorted(sent, key=lambda each: each[1]) if n != "other"]
        assert got == wanted[: len(got)]
        assert len(got) > 200


async def test_several_filters_have_one_gap(data: Path) -> None:
    async with hubbub(data) as (engine, hub):
        await publish(engine, *["t"] * 30, "u", keep=Keep(count=10))
        follower = Listener()
        filters = {parse("t"): None, parse("u"): None, parse("v"): None}
        await hub.join_all(follower, filters, Position(engine.epoch, 1), room=room)
        assert follower.got[0] == ["gap", ["t"]]
        assert follower.got[-1] == ["u", 31]
        guarded = Listener()
        some = {parse("t"): lambda topic: False, parse("u"): None}
        await hub.join_all(guarded, some, Position(engine.epoch, 1), room=room)
        assert guarded.got == [["u", 31]]


async def test_nothing_is_left_of_whoever_went(data: Path) -> None:
    async with hubbub(data) as (engine, hub):
        for text in ("a", "a/+", "b/{x}", "#"):
            follower = Listener(LINES)
            hub.attach(follower, parse(text))
            assert hub.is_attached(follower, parse(text))
            hub.detach(follower, parse(text))
            assert not hub.is_attached(follower, parse(text))
        assert hub.followers == 0
        assert hub.listeners("a") == 0
        left = hub._groups
        assert (left._groups, left._named, left._index.empty) == ({}, {}, True)
        await publish(engine, "a")


async def test_a_guard_that_fails_keeps_nobody_else_from_anything(data: Path) -> None:
    def failing(topic: str) -> bool:
        raise RuntimeError("a predicate of the application")

    async with hubbub(data) as (engine, hub):
        follower, other = Listener(), Listener()
        hub.attach(follower, parse("a/+"), failing)
        hub.attach(other, parse("a/+"))
        await publish(engine, "a/1")
        await until(lambda: other.got)
        await hub.join(follower, parse("a/#"), BEGINNING, failing, room=room)
        assert follower.got == []


async def test_what_is_private_is_for_those_who_take_it(data: Path) -> None:
    """Live and replayed; and what comes before and behind stays in order."""
    async with hubbub(data, TopicPolicy(pattern=parse("#"))) as (engine, hub):
        allowed, other, wild = Listener(), Listener(), Listener()
        allowed.allowed = True
        for follower in (allowed, other):
            hub.attach(follower, parse("t"))
        hub.attach(wild, parse("#"))
        open, private = Publication("t", b"1"), Publication("t", b"1", b'{"private":true}')
        text = Publication("t", b"1", rb'{"id":"\"private\":true"}')
        await engine.publish([open, private, open, text, private, open], NOW)
        await until(lambda: len(allowed.got) == 6)
        assert [offset for _, offset in allowed.got] == [1, 2, 3, 4, 5, 6]
        assert other.got == wild.got == [["t", 1], ["t", 3], ["t", 4], ["t", 6]]
        assert hub.delivered == 6 + 4 + 4
        for follower in (allowed, other):
            hub.leave(follower)
            follower.writes.clear()
            await hub.join(follower, parse("t"), BEGINNING, room=room)
        assert len(allowed.got) == 6
        assert len(other.got) == 4


async def test_whoever_cannot_tell_keeps_no_message_from_others(data: Path) -> None:
    class Failing(Listener):
        def takes(self, message: Message) -> bool:
            raise RuntimeError("the application's predicate")

    async with hubbub(data) as (engine, hub):
        failing, good = Failing(), Listener()
        good.allowed = True
        hub.attach(failing, parse("t"))
        hub.attach(good, parse("t"))
        await engine.publish([Publication("t", b"1", b'{"private":true}')], NOW)
        await publish(engine, "t")
        await until(lambda: len(good.got) == 2)
        assert failing.got == [["t", 2]]


async def test_a_filter_that_says_more_than_segments(data: Path) -> None:
    async with hubbub(data) as (engine, hub):
        follower, same = Listener(), Listener()
        even = Filter("even", ("n", "#"), lambda topic: topic[-1] in "02468")
        hub.attach(follower, even)
        hub.attach(same, even)
        await publish(engine, "n/1", "n/2", "m/2", "n/4")
        await until(lambda: len(same.got) == 2)
        assert follower.got == same.got == [["n/2", 2], ["n/4", 4]]
        assert hub.listeners("n/3") == 0
        later = Listener()
        await hub.join(later, even, BEGINNING, room=room)
        assert later.got == follower.got


async def test_who_rests_while_it_reads_begins_where_the_journal_ends(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A function is frozen in the middle of it, and goes on hours later."""
    async with hubbub(data) as (engine, hub):
        whole, thawed = engine.follow, asyncio.Event()
        asked: list[Position] = []

        async def follow(after: Position | None, limit: int) -> Page:
            if after is not None:
                asked.append(after)
                await thawed.wait()
            return await whole(after, limit)

        with monkeypatch.context() as patch:
            patch.setattr(engine, "follow", follow)
            await publish(engine, "t")
            await until(lambda: bool(asked))
            hub.rest()
        await publish(engine, "t", "t")
        await hub.start()
        late = Listener()
        assert hub.attach(late, parse("t")).offset == 3
        thawed.set()
        await publish(engine, "t")
        await until(lambda: bool(late.got))
        assert late.got == [["t", 4]]
