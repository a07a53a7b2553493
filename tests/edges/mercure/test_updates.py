"""Updates reach whoever follows their topics, through Mercure and through the rest of the hub."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import pytest

from ringback.core.policies import MAX_ATTRIBUTES, MAX_MESSAGE
from ringback.errors import UnknownTopic
from tests.edges.mercure.hub import BOOK, EVERYTHING, HUB, bearer, hub
from tests.edges.topics.application import Source
from tests.serving import until


async def test_an_update_reaches_who_follows_its_topic(data: Path, path: str) -> None:
    async with (
        hub(data, path) as served,
        served.follow(BOOK) as exact,
        served.follow("https://example.com/books/{id}") as template,
        served.follow("*") as everything,
        served.follow("https://example.com/books/2") as other,
        served.match({"match": BOOK}) as newer,
        served.match({"match_urlpattern": "https://example.com/:kind/:id"}) as pattern,
    ):
        first = await served.publish(data='{"a": 1}', type="new", retry="7000")
        second = await served.publish("https://example.com/books/2", "two\nlines", id="urn:b")
        assert first == f"urn:ringback:{served.rb.started.hub.position.epoch}-1"
        assert second == "urn:b"
        for subscriber in (template, everything, pattern):
            events = await subscriber.got('{"a": 1}', "two\nlines")
            assert [event.id for event in events] == [first, second]
            assert [event.kind for event in events] == ["new", "message"]
            assert subscriber.stream.retry == 7000
        for subscriber in (exact, newer):
            await subscriber.got('{"a": 1}')
        await other.got("two\nlines")


async def test_an_update_of_several_topics_comes_once(data: Path, path: str) -> None:
    topics = [BOOK, "https://example.com/authors/7", "https://example.com/a+b#c"]
    async with hub(data, path) as served:
        async with (
            served.follow(*topics) as all_of_them,
            served.follow("*") as everything,
            served.follow(topics[1]) as second,
            served.follow(topics[2]) as third,
            served.follow("https://example.com/authors/{id}", topics[2]) as two,
        ):
            id = await served.publish(topics, "x")
            await served.publish(topics[1], "y")
            await served.publish(topics[2], "z")
            for subscriber in (all_of_them, everything, two):
                await subscriber.got("x", "y", "z")
            await second.got("x", "y")
            await third.got("x", "z")
            assert {s.events[0].id for s in (all_of_them, second, third)} == {id}
        # Whoever resumes after it has had all of it.
        for filter in (topics[1], topics[2], "*"):
            async with served.follow(filter, last_id=id) as later:
                assert later.before == id
                await until(lambda s=later: s.events)
                assert "x" not in later.data
        async with served.follow(*topics, last_id="earliest") as replayed:
            await replayed.got("x", "y", "z")


async def test_what_is_published_otherwise_reaches_subscribers(data: Path, path: str) -> None:
    async with hub(data, path) as served, served.follow(BOOK) as subscriber:
        published = await served.rb.publish(BOOK, {"title": "Ü"})
        assert published.listeners == 1
        posted = await served.client.post(
            f"/topics/{BOOK}", json=[1], headers=bearer(subject="ann", topics={"publish": ["#"]})
        )
        assert posted.status_code == 201, posted.text
        events = await subscriber.got('{"title":"Ü"}', "[1]")
        assert events[0].id == f"urn:ringback:{published.position}"
        assert events[1].id == f"urn:ringback:{posted.json()['position']}"


async def test_updates_reach_who_follows_otherwise(data: Path, path: str) -> None:
    allowed = bearer(subject="ann", topics={"subscribe": ["https://example.com/#"]})
    async with (
        hub(data, path) as served,
        Source(served.client.base_url, BOOK, headers=allowed) as source,
    ):
        await source.opened.wait()
        await served.publish(data='{ "a": 1 }')
        await served.publish(data="no JSON")
        await until(lambda: len(source.events) == 2)
        assert [event.data["data"] for event in source.events] == [{"a": 1}, "no JSON"]


async def test_ephemeral_topics(data: Path, path: str) -> None:
    topic = "https://example.com/passing/1"
    async with hub(data, path) as served, served.follow(topic) as subscriber:
        id = await served.publish(topic, "x")
        assert id.startswith("urn:uuid:")
        await served.rb.publish(topic, 2)
        events = await subscriber.got("x", "2")
        assert events[0].id == id
        large = await served.client.post(
            HUB, data={"topic": topic, "data": "x" * 65536}, headers=EVERYTHING
        )
        assert large.status_code == 413


async def test_declared_topics_are_as_declared(data: Path) -> None:
    async with hub(data, open_topics=False) as served:
        answer = await served.client.post(HUB, data={"topic": BOOK}, headers=EVERYTHING)
        assert answer.status_code == UnknownTopic.status
        answer = await served.client.get(HUB, params={"topic": BOOK}, headers=EVERYTHING)
        assert answer.status_code == UnknownTopic.status
        declared = "https://example.com/declared/1"
        async with served.follow(declared) as subscriber:
            await served.publish(declared, "x")
            await subscriber.got("x")


async def test_query_asks_by_a_form(data: Path, path: str) -> None:
    async with hub(data, path) as served:
        query = {"match": [BOOK, "https://example.com/books/2"]}
        async with served.match(query, method="QUERY") as subscriber:
            await served.publish(data="x")
            await subscriber.got("x")


@pytest.mark.parametrize("method", ["GET", "QUERY"])
async def test_topics_of_the_wildest_kind(data: Path, path: str, method: str) -> None:
    topics = [
        "/books/1",
        "a b",
        "c++",
        "#top",
        "{x}",
        "日本",
        "a//b/",
        "../x",
        "$own",
        "a%2Bb",
        "1:",
    ]
    async with hub(data, path) as served:
        for topic in topics:
            query = {"match": topic}
            async with served.match(query, method=method) as subscriber:
                await served.publish(topic, topic)
                await subscriber.got(topic)
        async with served.follow("*", last_id="earliest") as everything:
            await everything.got(*topics)


async def test_many_followers_and_the_order_of_updates(data: Path, path: str) -> None:
    """Public and private ones, of one topic and of several, all in one order."""
    async with hub(data, path) as served:
        followers = [served.follow("*") for _ in range(5)]
        async with contextlib.AsyncExitStack() as stack:
            for follower in followers:
                await stack.enter_async_context(follower)
            for number in range(20):
                topics = [BOOK] if number % 3 else [BOOK, "https://example.com/x"]
                if number % 2:
                    await served.publish(topics, str(number), private="on")
                else:
                    await served.publish(topics, str(number))
            for follower in followers:
                await follower.got(*[str(number) for number in range(20)])


async def test_what_an_update_says_beside_its_data_is_bounded(data: Path) -> None:
    async with hub(data) as served, served.follow(BOOK) as subscriber:
        for blanks in ("\n" * 300_000, " " * 400_000):  # one byte of data, and how it was written
            answer = await served.client.post(
                HUB, data={"topic": BOOK, "data": f"1{blanks}"}, headers=EVERYTHING
            )
            assert answer.status_code == 413, answer.text
            assert answer.json()["type"] == "urn:ringback:problem:payload-too-large"
            assert answer.json()["limit"] == MAX_MESSAGE + MAX_ATTRIBUTES
        pretty = json.dumps(list(range(20_000)), indent=1)  # as much as a message has, and the like
        assert MAX_MESSAGE // 2 < len(pretty) < MAX_MESSAGE
        await served.publish(data=pretty)
        await subscriber.got(pretty)
        topics = [f"https://example.com/{number}/{'é' * 130}" for number in range(50)]
        await served.publish(topics, pretty, type="t" * 255, id="i" * 255)
