"""`Journal`: all topics in one order."""

from __future__ import annotations

import asyncio

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from ringback.core.commands import Report
from ringback.core.filters import AnyOf, Filter, parse
from ringback.core.model import BEGINNING, Keep, Message, Position, Publication
from ringback.ports import FullEngine
from tests.contract.acts import apply, offsets, start, sweep
from tests.contract.homes import Home, some
from tests.core.states import NOW
from tests.thorough import examples

NAMES = ("a", "a/b", "a/c", "a/b/c", "ab", "b", "rooms/room-1", "rooms/room-2", "$own")
FILTERS = ("a", "a/#", "a/+", "+", "#", "*", "rooms/room-{id}", "{+all}", "nothing/+", "$own")


async def publish(engine: FullEngine, *topics: str, keep: Keep | None = None) -> list[Position]:
    made = [Publication(topic, b"1", keep=keep or Keep()) for topic in topics]
    return list(await engine.publish(made, NOW))


async def replayed(
    engine: FullEngine, filter: Filter, after: Position | None, limit: int
) -> list[Message]:
    """Page after page, to the end; no gap among them."""
    found: list[Message] = []
    while True:
        page = await engine.replay(filter, after, limit)
        assert not page.gap
        if not page.messages:
            return found
        found += page.messages
        after = page.position


async def test_followed_from_now(engine: FullEngine, neighbour: FullEngine) -> None:
    await publish(engine, "a", "b")
    page = await engine.follow(None, 10)
    assert (page.messages, page.position, page.gap) == ((), Position(engine.epoch, 2), False)
    await publish(neighbour, "c", "a")
    page = await engine.follow(page.position, 10)
    assert [(m.topic, m.position.offset) for m in page.messages] == [("c", 3), ("a", 4)]
    assert (await engine.follow(page.position, 10)).messages == ()


def test_a_replay_is_what_of_the_journal_matches(home: Home) -> None:
    async def run(topics: list[str], limit: int, at: int, filter: str) -> None:
        async with home.engine() as engine:
            start = (await engine.follow(None, 1)).position
            positions = await publish(engine, *topics)
            parsed = parse(filter)
            after = ([start, *positions])[min(at, len(topics))]
            page = await engine.follow(after, 100)
            wanted = [message for message in page.messages if parsed.matches(message.topic)]
            assert await replayed(engine, parsed, after, limit) == wanted

    @settings(max_examples=some(home, examples(30), 10), deadline=None)
    @given(
        topics=st.lists(st.sampled_from(NAMES), max_size=25),
        limit=st.integers(1, 7),
        at=st.integers(0, 25),
        filter=st.sampled_from(FILTERS),
    )
    def holds(topics: list[str], limit: int, at: int, filter: str) -> None:
        asyncio.run(run(topics, limit, at, filter))

    holds()


@pytest.mark.parametrize("rooms", [10, 300])
async def test_many_topics_and_a_long_journal(home: Home, engine: FullEngine, rooms: int) -> None:
    """Whichever way the messages are looked for."""
    rooms = some(home, rooms, 180)
    for first in range(0, rooms, home.topics):
        names = range(first, min(rooms, first + home.topics))
        await publish(engine, *[f"room/{number}" for number in names])
    await publish(engine, *["other"] * 3000)
    await publish(engine, "room/7", "other", "room/9")
    end = rooms + 3000
    every = await replayed(engine, parse("room/+"), None, 1000)
    assert offsets(every) == [*range(1, rooms + 1), end + 1, end + 3]
    for at in (0, rooms - 5, rooms, end - 300, end + 1):
        after = Position(engine.epoch, at)
        found = await replayed(engine, parse("room/+"), after, 100)
        assert offsets(found) == [number for number in offsets(every) if number > at]


async def test_a_replay_names_the_topics_that_lost_something(engine: FullEngine) -> None:
    brief, long = Keep(age=10.0), Keep(age=1000.0)
    old = await publish(engine, "a/1", "a/2", "b", keep=brief)
    await publish(engine, "a/3", keep=long)
    await sweep(engine, NOW + 100)
    page = await engine.replay(parse("a/+"), BEGINNING, 10)
    assert (offsets(page.messages), page.gap, sorted(page.missed)) == ([4], True, ["a/1", "a/2"])
    page = await engine.replay(parse("a/+"), old[0], 10)
    assert (offsets(page.messages), page.gap, page.missed) == ([4], True, ("a/2",))
    page = await engine.replay(parse("a/+"), old[1], 10)
    assert (offsets(page.messages), page.gap, page.missed) == ([4], False, ())
    page = await engine.replay(parse("a/+"), None, 10)
    assert (offsets(page.messages), page.gap) == ([4], False), "whoever asks for what is kept"


async def test_several_filters_are_replayed_as_one(engine: FullEngine) -> None:
    await publish(engine, "a/1", "b", "other", "a/2", "b", "a/1", keep=Keep(retained=True))
    several = AnyOf((parse("a/1"), parse("a/+"), parse("b"), parse("never/heard/of")))
    page = await engine.replay(several, BEGINNING, 3)
    assert (offsets(page.messages), page.gap) == ([1, 2, 4], False)
    page = await engine.replay(several, page.position, 10)
    assert offsets(page.messages) == [5, 6]
    page = await engine.replay(several, page.position, 10)
    assert (page.messages, page.position.offset) == ((), 6)
    newest = await engine.retained(several, page.position, 10)
    assert [(m.topic, m.position.offset) for m in newest] == [("a/1", 6), ("a/2", 4), ("b", 5)]


async def test_several_filters_name_the_topics_that_lost_something(engine: FullEngine) -> None:
    """Also one that is here no more, if it is asked for by its name."""
    old = await publish(engine, "gone", "a/1", "b", keep=Keep(age=10.0))
    await publish(engine, "b", keep=Keep(age=1e9))
    await sweep(engine, NOW + 100)
    several = AnyOf((parse("gone"), parse("a/+"), parse("b")))
    page = await engine.replay(several, old[0], 10)
    assert (offsets(page.messages), page.gap, page.missed) == ([3, 4], True, ("a/1",))
    page = await engine.replay(several, BEGINNING, 10)
    assert sorted(page.missed) == ["a/1", "gone"]
    page = await engine.replay(several, old[2], 10)
    assert (offsets(page.messages), page.gap) == ([4], False)


async def test_up_to_where_topics_lost_messages(engine: FullEngine) -> None:
    positions = await publish(engine, "a/1", "a/2", "b", keep=Keep(age=10.0))
    await publish(engine, "a/2", "c", keep=Keep(age=1e9))
    every = AnyOf((parse("a/+"), parse("b"), parse("c"), parse("never")))
    assert await engine.trimmed(every) == {}
    await sweep(engine, NOW + 100)
    assert await engine.trimmed(every) == {"a/1": positions[0].offset, "b": positions[2].offset}
    assert await engine.trimmed(parse("a/+")) == {"a/1": positions[0].offset}
    assert await engine.trimmed(parse("b")) == {"b": positions[2].offset}
    assert await engine.trimmed(parse("c")) == {}


@pytest.mark.parametrize("text", ["a/+", "a/1", "*"])
async def test_a_foreign_position_is_a_gap(engine: FullEngine, text: str) -> None:
    await publish(engine, "a/1", "a/2")
    for foreign in (Position("elsewhere", 1), Position(engine.epoch, 99)):
        page = await engine.replay(parse(text), foreign, 10)
        assert page.gap
        assert page.messages[0].position.offset == 1
        assert (await engine.follow(foreign, 10)).gap


async def test_a_foreign_position_is_one_of_any_topic(engine: FullEngine) -> None:
    """What was removed of this store says nothing about what was lost with another."""
    await publish(engine, *["a/1"] * 50, keep=Keep(count=10))
    await publish(engine, "a/2", "b")
    for foreign in (Position("elsewhere", 1), Position(engine.epoch, 99)):
        for filter in (parse("a/+"), AnyOf((parse("a/+"), parse("b")))):
            page = await engine.replay(filter, foreign, 100)
            assert (page.gap, page.missed) == (True, ())
        page = await engine.follow(foreign, 100)
        assert (page.gap, page.missed) == (True, ())


async def test_all_topics_are_named_that_lost_something(home: Home, engine: FullEngine) -> None:
    """Were they many: whoever may see only one of them looks for that."""
    start = (await publish(engine, "begun"))[0]
    names = [f"a/{number:03}" for number in range(some(home, 150, 120))]
    for first in range(0, len(names), home.topics):
        for _ in range(3):
            await publish(engine, *names[first : first + home.topics], keep=Keep(count=1))
    page = await engine.replay(parse("a/+"), start, 1000)
    assert (page.gap, sorted(page.missed)) == (True, names)
    page = await engine.follow(start, 1000)
    assert (page.gap, sorted(page.missed)) == (True, names)


async def test_whoever_follows_is_told_what_went_before_it_was_read(engine: FullEngine) -> None:
    start = (await engine.follow(None, 1)).position
    await publish(engine, *["t"] * 50, "u", keep=Keep(count=10))
    page = await engine.follow(start, 1000)
    assert (page.gap, page.missed) == (True, ("t",))
    assert offsets(page.messages)[-1] == 51
    page = await engine.follow(page.position, 10)
    assert (page.messages, page.gap) == ((), False)


@pytest.mark.parametrize("text", ["t/a", "t/+"])
async def test_what_goes_while_it_is_read_is_no_silent_loss(
    home: Home, engine: FullEngine, text: str
) -> None:
    """A log that is cut all the time, read as fast as can be: each page goes on, or is a gap."""
    filter, keep = parse(text), Keep(count=8)
    counts = iter(range(10**6))

    async def publish_all() -> None:
        for _ in range(some(home, 200)):
            batch = [Publication("t/a", b"%d" % next(counts), keep=keep) for _ in range(20)]
            await engine.publish(batch, NOW)

    after = (await publish(engine, "t/b"))[0]
    publishing = asyncio.create_task(publish_all())
    expected = 0
    while not publishing.done():
        page = await engine.replay(filter, after, 100)
        found = [int(message.data) for message in page.messages]
        if found and not page.gap:
            assert found[0] == expected
        assert found == list(range(found[0], found[0] + len(found))) if found else True
        if found:
            after, expected = page.position, found[-1] + 1
        await asyncio.sleep(0)
    await publishing


async def test_the_newest_of_retained_topics(engine: FullEngine) -> None:
    kept = Keep(age=10.0, retained=True)
    positions = await publish(engine, "a/2", "a/1", "a/1", "b", keep=kept)
    await publish(engine, "a/3", keep=Keep(age=10.0))
    for text, wanted in (("a/+", [3, 1]), ("a/1", [3]), ("#", [3, 1, 4]), ("a/3", []), ("z", [])):
        found = await engine.retained(parse(text), (await engine.follow(None, 1)).position, 10)
        assert offsets(found) == wanted
    assert offsets(await engine.retained(parse("a/1"), positions[1], 10)) == [2]
    assert len(await engine.retained(parse("#"), positions[3], 2)) == 2
    await sweep(engine, NOW + 100)
    assert offsets(await engine.retained(parse("#"), positions[3], 10)) == [3, 1, 4]
    assert not (await engine.read("a/1", None, 10)).gap
    assert (await engine.read("a/1", BEGINNING, 10)).gap


@pytest.mark.parametrize("text", ["#", "+/x", "é/+", "a/{id}", "several", "a/7"])
async def test_retained_topics_are_paged_by_their_names(engine: FullEngine, text: str) -> None:
    names = [f"a/{number}" for number in range(25)] + [
        "a/x",
        "é/x",
        "é/y",
        "\U0001f600/x",
        "\uffff",
    ]
    positions = await publish(engine, *names, keep=Keep(retained=True))
    await publish(engine, "a/other", "zz")
    several = AnyOf((parse("a/+"), parse("a/7"), parse("+/x"), parse("#")))
    filter = several if text == "several" else parse(text)
    found: list[Message] = []
    beyond = ""
    while page := await engine.retained(filter, positions[-1], 4, beyond=beyond):
        assert len(page) <= 4
        found += page
        beyond = page[-1].topic
    assert [m.topic for m in found] == sorted(name for name in names if filter.matches(name))


async def test_a_page_of_last_values_fits_in_memory(engine: FullEngine) -> None:
    large = b'"' + b"x" * 250_000 + b'"'
    made = [Publication(f"t/{n}", large, keep=Keep(retained=True)) for n in range(8)]
    positions = await engine.publish(made, NOW)
    page = await engine.retained(parse("#"), positions[-1], 100)
    assert 0 < len(page) < 8


async def test_a_message_is_found_by_the_id_its_publisher_gave(
    engine: FullEngine, neighbour: FullEngine
) -> None:
    def message(attributes: bytes | None, keep: Keep | None = None) -> Publication:
        return Publication("t", b"1", attributes, keep or Keep())

    positions = await engine.publish(
        [
            message(b'{"id":"urn:a"}', Keep(age=10.0)),
            message(b'{"id":"same","type":"x"}'),
            message(b'{"id":"same"}'),
            message(b'{"type":"none"}'),
            message('{"id":"ü\\""}'.encode()),
            message(None),
        ],
        NOW,
    )
    assert await neighbour.find("urn:a") == positions[0]
    assert await engine.find("same") == positions[2], "the newest"
    assert await engine.find('ü"') == positions[4]
    assert await engine.find("none") is None
    assert await engine.find("") is None
    await engine.publish([message(None, Keep(age=10.0))], NOW)
    await sweep(engine, NOW + 100)
    assert await engine.find("urn:a") is None, "what is gone is not found"


async def test_what_is_ephemeral_is_not_stored(engine: FullEngine) -> None:
    state = await start(engine)
    report = Report(
        attempt=1, publications=(Publication("t", b"1", keep=None), Publication("u", b"2"))
    )
    await apply(engine, state, report)
    assert [m.topic for m in (await engine.follow(BEGINNING, 10)).messages] == ["u"]
