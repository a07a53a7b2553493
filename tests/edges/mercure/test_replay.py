"""Coming back: after which update, and what is said where some are lost."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import httpx
import pytest

from ringback.core.model import Position
from tests.edges.mercure.hub import BOOK, EVERYTHING, HUB, hub
from tests.serving import until

OTHER = "https://example.com/books/2"
SHORT = "https://example.com/short/1"


async def test_whoever_comes_back_gets_what_it_missed(data: Path, path: str) -> None:
    async with hub(data, path) as served:
        ids = [await served.publish(data=str(number)) for number in range(3)]
        await served.publish(OTHER, "other")
        ids.append(await served.publish(data="3", id="urn:mine"))
        ids.append(await served.publish(data="4"))
        for number, id in enumerate(ids):
            async with served.follow(BOOK, last_id=id) as subscriber:
                assert subscriber.before == id
                await served.publish(data="5", headers=EVERYTHING)
                expected = [str(n) for n in range(number + 1, 5)] + ["5"] * (number + 1)
                await subscriber.got(*expected)


@pytest.mark.parametrize("name", ["last_event_id", "lastEventID", "Last-Event-ID"])
async def test_the_id_may_stand_in_the_url(data: Path, path: str, name: str) -> None:
    async with hub(data, path) as served:
        first = await served.publish(data="1")
        second = await served.publish(data="2")
        async with served.match({"topic": BOOK, name: first}) as subscriber:
            assert subscriber.before == first
            await subscriber.got("2")
        async with served.match({"topic": BOOK, name: first}, last_id=second) as subscriber:
            assert subscriber.before == second, "the header is the newer word"
            await served.publish(data="3")
            await subscriber.got("3")


async def test_all_that_is_kept(data: Path, path: str) -> None:
    async with hub(data, path) as served:
        for number in range(3):
            await served.publish(data=str(number))
        async with served.follow(BOOK, last_id="earliest") as subscriber:
            assert subscriber.before == "earliest"
            await subscriber.got("0", "1", "2")
        async with served.follow(BOOK) as subscriber:
            assert subscriber.before is None
            await served.publish(data="3")
            await subscriber.got("3")


@pytest.mark.parametrize("id", ["urn:unknown", "urn:ringback:other-1", "urn:ringback:x", "é" * 9])
async def test_an_unknown_id_is_answered_at_once(data: Path, path: str, id: str) -> None:
    async with hub(data, path) as served:
        await served.publish(data="1")
        async with served.match({"topic": BOOK, "last_event_id": id}) as subscriber:
            assert subscriber.before == "earliest"
            await until(lambda: len(subscriber.events) == 2)
            assert [event.kind for event in subscriber.events] == ["gap", "message"]


async def test_what_is_kept_no_more_is_said_to_be_lost(data: Path, path: str) -> None:
    async with hub(data, path) as served:
        ids = [await served.publish(SHORT, str(number)) for number in range(3)]
        await served.publish(BOOK, "x")
        async with served.follow(SHORT, last_id=ids[0]) as subscriber:
            assert subscriber.before == ids[0]
        for number in range(3, 20):
            ids.append(await served.publish(SHORT, str(number)))
        async with served.follow(SHORT, last_id=ids[0]) as subscriber:
            assert subscriber.before == "earliest"
            await until(lambda: subscriber.data[-1:] == ["19"])
            assert subscriber.events[0].kind == "gap"
        async with served.follow(BOOK, last_id=ids[0]) as subscriber:
            assert subscriber.before == ids[0], "of this topic nothing is lost"
            await subscriber.got("x")


async def test_whoever_is_cut_before_the_first_event_misses_nothing(data: Path, path: str) -> None:
    async with hub(data, path) as served:
        async with served.follow(BOOK) as subscriber:
            await until(lambda: subscriber.stream.last_id)
            stands = subscriber.stream.last_id
        await served.publish(data="1")
        async with served.follow(BOOK, last_id=stands) as subscriber:
            assert subscriber.before == stands
            await subscriber.got("1")


async def test_each_update_once_over_cuts_at_random(data: Path, path: str) -> None:
    """By any topic of it, with ids of both kinds, while others are published."""
    pick = random.Random(7)
    count = 300
    async with hub(data, path) as served:

        async def publish() -> None:
            for number in range(count):
                topics = pick.sample([BOOK, OTHER, "https://example.com/x"], pick.randint(1, 3))
                if not {BOOK, OTHER} & set(topics):
                    topics.append(BOOK)
                if pick.random() < 0.3:
                    await served.publish(topics, str(number), id=f"urn:mine:{number}")
                else:
                    await served.publish(topics, str(number))

        publishing = asyncio.ensure_future(publish())
        got: list[str] = []
        last_id, cuts = "earliest", 0
        while len(got) < count:
            async with served.follow(BOOK, OTHER, last_id=last_id) as subscriber:
                enough = min(pick.randint(0, 20), count - len(got))
                await until(lambda s=subscriber, n=enough: len(s.events) >= n)
            cuts += 1
            assert "gap" not in [event.kind for event in subscriber.events]
            got += subscriber.data
            if subscriber.events:
                last_id = subscriber.events[-1].id
        await publishing
        assert got == [str(number) for number in range(count)]
        assert cuts > 10


async def test_a_slow_reader_is_cut_and_comes_back(data: Path, path: str) -> None:
    async with hub(data, path, send_buffer=64 * 1024) as served:
        url = httpx.URL(str(served.client.base_url))
        reader, writer = await asyncio.open_connection(url.host, url.port, limit=1024)
        head = f"GET {HUB}?topic=* HTTP/1.1\r\nHost: {url.host}:{url.port}\r\n"
        writer.write(f"{head}Authorization: {EVERYTHING['Authorization']}\r\n\r\n".encode())
        assert b"200 OK" in await reader.readline()
        await until(lambda: served.rb.started.hub.followers)
        while served.rb.started.hub.followers:
            await served.publish(data="x" * 100_000)
        async with served.follow("*") as another:
            await served.publish(data="y")
            await another.got("y")
        writer.close()


async def test_a_stopping_server_sends_streams_elsewhere(data: Path, path: str) -> None:
    async with hub(data, path) as served, served.follow(BOOK) as subscriber:
        served.rb.started.hub.close()
        await until(lambda: subscriber.ended)
        assert subscriber.stream.retry is not None
        answer = await served.client.get(HUB, params={"topic": BOOK}, headers=EVERYTHING)
        assert answer.status_code == 503


async def test_long_replays_begin_with_a_gap(data: Path, path: str) -> None:
    async with hub(data, path, max_replay=10) as served:
        await served.rb.started.service.publisher.publish(
            [served.rb.started.service.publisher.publication(BOOK, n) for n in range(1200)]
        )
        async with served.follow(BOOK, last_id="earliest") as subscriber:
            await until(lambda: any(event.kind == "gap" for event in subscriber.events))
            await served.publish(data="now")
            await until(lambda: subscriber.data[-1] == "now")
            assert len(subscriber.events) < 1000
            position = Position.parse(subscriber.events[-1].id.removeprefix("urn:ringback:"))
            assert position is not None
            assert position.offset == 1201


async def test_a_last_value_is_no_history(data: Path, path: str) -> None:
    """It comes to who asks for what was before, as any other update, and not to who begins."""
    async with hub(data, path) as served:
        await served.publish("https://example.com/gauges/1", "kept")
        async with served.follow("https://example.com/gauges/{id}") as fresh:
            await served.publish("https://example.com/gauges/2", "new")
            await fresh.got("new")
        async with served.follow("https://example.com/gauges/{id}", last_id="earliest") as back:
            await back.got("kept", "new")
