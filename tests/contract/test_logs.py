"""`Engine.read` and `Publishing.publish`: logs, positions, gaps."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ringback.core.commands import Report
from ringback.core.model import BEGINNING, KEEP, Keep, Kind, Message, Position, Publication
from ringback.errors import UnknownOperation
from ringback.ports import FullEngine
from tests.contract.acts import DAY, apply, finish, offsets, start, submit, sweep, whole_log
from tests.contract.homes import Home, some
from tests.core.states import NOW, operation
from tests.thorough import examples


async def publish(
    engine: FullEngine, count: int, topic: str = "t", now: float = NOW, keep: Keep = KEEP
) -> list[Position]:
    """So many messages, in one commit."""
    publications = [Publication(topic, b"%d" % number, keep=keep) for number in range(count)]
    return list(await engine.publish(publications, now))


async def test_a_message_has_the_position_it_was_given(engine: FullEngine) -> None:
    positions = await publish(engine, 3)
    assert [position.offset for position in positions] == [1, 2, 3]
    messages = await whole_log(engine, "t")
    assert [message.position for message in messages] == positions
    assert [message.data for message in messages] == [b"0", b"1", b"2"]
    assert {(message.topic, message.kind, message.at) for message in messages} == {
        ("t", Kind.MESSAGE, NOW)
    }


async def test_topics_share_their_numbers(engine: FullEngine) -> None:
    mixed = [Publication(topic, b"1") for topic in ("a", "b", "a", "c/d", "a")]
    positions = await engine.publish(mixed, NOW)
    assert [position.offset for position in positions] == [1, 2, 3, 4, 5]
    assert {position.epoch for position in positions} == {engine.epoch}
    assert offsets(await whole_log(engine, "a")) == [1, 3, 5]
    assert offsets((await engine.read("c/d", positions[2], 10)).messages) == [4]


async def test_publishers_share_a_log(engine: FullEngine, neighbour: FullEngine) -> None:
    """Over two engines, every offset is given once, and none is missing."""
    answers = await asyncio.gather(
        *[publish(each, 2) for each in (engine, neighbour) for _ in range(25)]
    )
    given_offsets = [position.offset for answer in answers for position in answer]
    assert sorted(given_offsets) == list(range(1, 101))
    for first, second in answers:
        assert second.offset == first.offset + 1, "what is published together stands together"
    for reader in (engine, neighbour):
        assert offsets(await whole_log(reader, "t")) == list(range(1, 101))


async def test_attributes_stay_with_their_message(engine: FullEngine) -> None:
    await engine.publish([Publication("t", b"1", b'{"id":"x"}'), Publication("t", b"2")], NOW)
    assert [m.attributes for m in await whole_log(engine, "t")] == [b'{"id":"x"}', None]


async def test_nothing_is_published_by_a_call_without_messages(engine: FullEngine) -> None:
    assert list(await engine.publish([], NOW)) == []


async def test_a_log_outlives_the_engine(home: Home) -> None:
    async with home.engine() as engine:
        positions = await publish(engine, 3)
    async with home.engine() as engine:
        page = await engine.read("t", positions[1], 10)
        assert [message.position for message in page.messages] == positions[2:]
        assert await publish(engine, 1) == [Position(positions[0].epoch, 4)]


def test_pages_give_every_message_once_from_any_position(home: Home) -> None:
    async def run(counts: list[int], limit: int) -> None:
        async with home.engine() as engine:
            topic = f"topic/{operation().id}"
            for count in counts:
                await publish(engine, count, topic)
            total = sum(counts)
            everything = await whole_log(engine, topic, None, limit)
            first = everything[0].position.offset
            assert offsets(everything) == list(range(first, first + total))
            assert await whole_log(engine, topic, BEGINNING, limit) == everything
            for index, message in enumerate(everything):
                rest = await whole_log(engine, topic, message.position, limit)
                assert rest == everything[index + 1 :]

    @settings(max_examples=some(home, examples(20), 2), deadline=None)
    @given(counts=st.lists(st.integers(1, 9), min_size=1, max_size=5), limit=st.integers(1, 30))
    def holds(counts: list[int], limit: int) -> None:
        asyncio.run(run(counts, limit))

    holds()


async def test_a_page_has_no_more_than_asked_for(engine: FullEngine) -> None:
    await publish(engine, 5)
    page = await engine.read("t", None, 2)
    assert (offsets(page.messages), page.position.offset, page.gap) == ([1, 2], 2, False)


async def test_large_messages_come_in_smaller_pages(engine: FullEngine) -> None:
    large = b'"' + b"x" * 300_000 + b'"'
    await engine.publish([Publication("t", large)] * 10, NOW)
    page = await engine.read("t", None, 10)
    assert 0 < len(page.messages) < 10
    assert offsets(await whole_log(engine, "t", None, 10)) == list(range(1, 11))


async def test_at_the_end_there_is_nothing_and_the_position_stays(engine: FullEngine) -> None:
    positions = await publish(engine, 2)
    page = await engine.read("t", positions[-1], 10)
    assert (page.messages, page.position, page.gap) == ((), positions[-1], False)
    await publish(engine, 1)
    assert offsets((await engine.read("t", page.position, 10)).messages) == [3]


async def test_an_empty_topic(engine: FullEngine) -> None:
    (other,) = await publish(engine, 1)
    for after in (None, BEGINNING, other):
        page = await engine.read("nothing/here", after, 10)
        assert (page.messages, page.position, page.gap) == ((), other, False)
    assert (await engine.read("nothing/here", Position("other", 3), 10)).gap
    await publish(engine, 2, "nothing/here")
    for after in (BEGINNING, other):
        page = await engine.read("nothing/here", after, 10)
        assert (offsets(page.messages), page.gap) == ([2, 3], False)


@pytest.mark.parametrize("offset", [0, 1, 5])
async def test_a_position_of_another_life_is_a_gap(engine: FullEngine, offset: int) -> None:
    await publish(engine, 3)
    page = await engine.read("t", Position("elsewhere", offset), 10)
    assert (offsets(page.messages), page.gap) == ([1, 2, 3], True)
    again = await engine.read("t", page.position, 10)
    assert (again.messages, again.gap) == ((), False), "a gap is told once"


async def test_a_position_behind_the_end_is_a_gap(engine: FullEngine) -> None:
    """The store was restored from a copy: what the reader knows has not happened."""
    (position,) = await publish(engine, 1)
    page = await engine.read("t", Position(position.epoch, 9), 10)
    assert (offsets(page.messages), page.gap, page.position) == ([1], True, position)


BRIEF = Keep(age=100.0)


async def test_what_was_swept_is_a_gap(engine: FullEngine) -> None:
    old = await publish(engine, 5, keep=BRIEF)
    new = await publish(engine, 2, now=NOW + 50, keep=BRIEF)
    await sweep(engine, NOW + 100)
    for after in (BEGINNING, old[0], old[3]):
        page = await engine.read("t", after, 10)
        assert ([m.position for m in page.messages], page.gap) == (new, True)
        assert page.missed == ("t",)
    for whole in (None, old[4]):
        page = await engine.read("t", whole, 10)
        assert ([m.position for m in page.messages], page.gap, page.missed) == (new, False, ())


async def test_a_log_that_was_swept_empty_keeps_its_offsets(engine: FullEngine) -> None:
    old = await publish(engine, 3, keep=BRIEF)
    await sweep(engine, NOW + 100)
    page = await engine.read("t", old[0], 10)
    assert (page.messages, page.position, page.gap) == ((), old[2], True)
    for after in (None, old[2]):
        page = await engine.read("t", after, 10)
        assert (page.messages, page.position, page.gap) == ((), old[2], False)
    assert await publish(engine, 1) == [Position(old[0].epoch, 4)]
    page = await engine.read("t", old[2], 10)
    assert (offsets(page.messages), page.gap) == ([4], False)


async def test_topics_are_swept_on_their_own(engine: FullEngine) -> None:
    await publish(engine, 3, "brief", keep=BRIEF)
    await publish(engine, 3, "long", keep=Keep(age=1000.0))
    assert await sweep(engine, NOW + 500) == 3
    assert offsets(await whole_log(engine, "long")) == [4, 5, 6]
    assert await whole_log(engine, "brief") == []


async def test_a_topic_that_is_to_be_kept_for_less_is(engine: FullEngine) -> None:
    await publish(engine, 1, keep=Keep(age=1000.0))
    await publish(engine, 1, now=NOW + 50, keep=BRIEF)
    await sweep(engine, NOW + 120)
    assert offsets(await whole_log(engine, "t")) == [2]
    await publish(engine, 1, now=NOW + 120, keep=Keep(age=1000.0))
    await sweep(engine, NOW + 300)
    assert offsets(await whole_log(engine, "t")) == [2, 3]


@pytest.mark.parametrize("keep", [Keep(count=40), Keep(bytes=100)])
async def test_a_log_is_cut_to_its_bounds(home: Home, engine: FullEngine, keep: Keep) -> None:
    """Within one part in eight; and what went is a gap for whoever had not read it."""
    kept: list[Message] = []
    for number in range(10, 90):
        await engine.publish([Publication("t", b"%d" % number, keep=keep)], NOW)
        await publish(engine, 1, "other")
        if number % 10 and home.share < 1:
            continue
        kept = await whole_log(engine, "t", limit=100)
        if keep.count is not None:
            assert min(number - 9, 40) <= len(kept) <= 45
        else:
            assert sum(len(message.data) for message in kept) <= 112
        assert kept[-1].data == b"%d" % number
    kept = await whole_log(engine, "t")
    assert (await engine.read("t", BEGINNING, 10)).gap
    assert not (await engine.read("t", kept[0].position, 10)).gap
    assert len(await whole_log(engine, "other")) == 80


async def test_the_newest_message_is_never_cut(engine: FullEngine) -> None:
    large = Publication("t", b'"' + b"x" * 500 + b'"', keep=Keep(bytes=100))
    await engine.publish([large, large], NOW)
    (only,) = await whole_log(engine, "t")
    assert only.position.offset == 2


async def test_a_topic_that_was_silent_for_long_is_no_more(engine: FullEngine) -> None:
    """Or the names of all topics there ever were would fill the disk."""
    old = await publish(engine, 2)
    (other,) = await publish(engine, 1, "other", NOW + DAY)
    await sweep(engine, NOW + 29.9 * DAY)
    assert not (await engine.read("t", other, 10)).gap
    await sweep(engine, NOW + 30 * DAY)
    assert (await engine.read("t", old[0], 10)).gap, "what was lost is not forgotten with it"
    assert not (await engine.read("t", old[1], 10)).gap
    (new,) = await publish(engine, 1)
    assert new == Position(other.epoch, 4)
    page = await engine.read("t", old[0], 10)
    assert ([message.position for message in page.messages], page.gap) == ([new], True)


async def test_the_log_of_an_operation(engine: FullEngine) -> None:
    state = await submit(engine)
    for after in (None, BEGINNING, Position(engine.epoch, 0)):
        page = await engine.read(state.topic, after, 10)
        assert (page.messages, page.position, page.gap) == ((), Position(engine.epoch, 0), False)
    running = await start(engine)
    done = await finish(engine, running)
    log = await whole_log(engine, running.topic)
    assert [message.position for message in log] == [
        Position(engine.epoch, 1),
        Position(engine.epoch, 2),
    ]
    assert done.version == 2
    assert (await engine.read(running.topic, Position("other", 1), 10)).gap
    assert (await engine.read(running.topic, Position(engine.epoch, 3), 10)).gap


async def test_the_log_of_no_operation(engine: FullEngine) -> None:
    with pytest.raises(UnknownOperation):
        await engine.read(operation().topic, None, 10)


async def test_a_long_log_loses_old_progress_and_nothing_else(
    home: Home, engine: FullEngine
) -> None:
    """Wherever a reader stands: it is told of every hole, and gets every part and state."""
    state = await start(engine)
    reports = some(home, 3000, 100)
    # With fewer, some bring many parts each, for a log as long.
    bulk = (b"1",) if reports == 3000 else (b"1",) * 60
    every, told = (500, 0) if reports == 3000 else (2, 0)
    for number in range(reports):
        parts = bulk if number % every == 0 else ()
        told += len(parts)
        state = await apply(engine, state, Report(attempt=1, progress=0.5, parts=parts))
    state = await finish(engine, state)
    gaps, after = 0, Position(engine.epoch, 0)
    read: list[Message] = []
    while after.offset < state.version:
        page = await engine.read(state.topic, after, 100)
        first = page.messages[0].position.offset
        assert page.gap == (first != after.offset + 1)
        assert offsets(page.messages) == list(range(first, first + len(page.messages)))
        gaps += page.gap
        read += page.messages
        after = page.position
    assert gaps > 0, "a log of any length would fill the disk"
    assert len([m for m in read if m.kind is Kind.PART]) == told
    assert len([m for m in read if m.kind is Kind.STATUS]) == 2
    assert offsets(read)[-1000:] == list(range(state.version - 999, state.version + 1))
    assert not (await engine.read(state.topic, None, 1)).gap
