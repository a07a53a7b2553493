"""Active subscriptions: told as they come and go, and listed, in the form of either draft."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx

from tests.edges.mercure.hub import BOOK, HUB, Subscriber, bearer, hub
from tests.serving import until

ROOT = f"{HUB}/subscriptions"
OLDER = f"{ROOT}/{{topic}}/{{subscriber}}"
NEWER = f"{ROOT}/{{match_type}}/{{match}}/{{subscriber}}"
WATCHER = bearer(None, [OLDER, NEWER, ROOT, f"{ROOT}/{{topic}}", f"{ROOT}/{{type}}/{{match}}"])
TEMPLATE = "https://example.com/books/{id}"


def told(subscriber: Subscriber) -> list[dict[str, Any]]:
    """What it was told of who follows books."""
    shown = [json.loads(event.data) for event in subscriber.events]
    return [each for each in shown if each.get("topic", each.get("match")) in (BOOK, TEMPLATE)]


async def test_they_are_told(data: Path, path: str) -> None:
    reader = bearer(None, ["*"], payload={"name": "Ann"})
    async with (
        hub(data, path, mercure_subscriptions=True) as served,
        served.follow(OLDER, headers=WATCHER) as older,
        served.match({"match_uritemplate": NEWER}, headers=WATCHER) as newer,
        served.follow("*", headers=bearer(None, [BOOK])) as other,
    ):
        async with served.follow(BOOK, TEMPLATE, headers=reader):
            await until(lambda: len(told(older)) == len(told(newer)) == 2)
        await until(lambda: len(told(older)) == len(told(newer)) == 4)
        one, two, *over = told(older)
        subscriber = one["subscriber"]
        assert subscriber.startswith("urn:uuid:")
        assert one == {
            "@context": "https://mercure.rocks/",
            "id": f"{ROOT}/{quote(BOOK, safe='')}/{quote(subscriber, safe='')}",
            "type": "Subscription",
            "topic": BOOK,
            "subscriber": subscriber,
            "active": True,
            "payload": {"name": "Ann"},
        }
        assert two["topic"] == TEMPLATE
        assert [(each["id"], each["active"]) for each in over] == [
            (one["id"], False),
            (two["id"], False),
        ]
        assert {event.kind for event in older.events} == {"message"}
        match = quote(TEMPLATE, safe="")
        assert told(newer)[1] == {
            "id": f"{ROOT}/uritemplate/{match}/{quote(subscriber, safe='')}",
            "type": "subscription",
            "match_type": "uritemplate",
            "match": TEMPLATE,
            "subscriber": subscriber,
            "active": True,
            "payload": {"name": "Ann"},
        }
        assert {event.kind for event in newer.events} == {"mercure"}
        assert other.events == []


async def test_they_are_listed(data: Path, path: str) -> None:
    async with hub(data, path, mercure_subscriptions=True) as served:

        async def get(
            url: str, accept: str = "*/*", headers: dict[str, str] = WATCHER
        ) -> httpx.Response:
            return await served.client.get(url, headers=headers | {"Accept": accept})

        async with served.follow(BOOK), served.match({"match": "a/b"}):
            answer = await get(ROOT)
            assert answer.headers["content-type"] == "application/ld+json"
            listed = answer.json()
            last = listed["lastEventID"]
            assert listed["id"] == ROOT
            assert listed["type"] == "Subscriptions"
            assert [each["topic"] for each in listed["subscriptions"]] == [BOOK, "a/b"]
            assert f'last-event-id="{last}"' in answer.headers["link"]
            first = listed["subscriptions"][0]
            newer = await get(ROOT, "application/json")
            assert newer.headers["content-type"] == "application/json"
            shown = newer.json()["subscriptions"]
            assert [each["match"] for each in shown] == [BOOK, "a/b"]
            (only,) = (await get(f"{ROOT}/{quote(BOOK, safe='')}")).json()["subscriptions"]
            assert only == first
            (only,) = (await get(f"{ROOT}/exact/a%2Fb")).json()["subscriptions"]
            assert only == shown[1]
            found = (await get(first["id"])).json()
            assert {name: found[name] for name in first} == first
            assert (await get(shown[1]["id"])).json() == shown[1]
            assert (await get(f"{ROOT}/exact/none/x")).status_code == 404
            assert (await get(f"{ROOT}/a/b/c/d")).status_code == 404
            assert (await get(ROOT, headers={})).status_code == 401
            refused = await get(ROOT, headers=bearer(None, [BOOK]))
            assert refused.status_code == 403
            assert (await served.client.post(ROOT)).status_code == 405
            # The id of the list resumes a stream: what was told since, and what was published.
            await served.publish(data="x")
            async with served.follow(BOOK, last_id=last) as subscriber:
                assert subscriber.before == last
                await subscriber.got("x")
        await until(lambda: not served.rb.started.hub.followers)
        assert (await get(ROOT)).json()["subscriptions"] == []


async def test_they_are_not_there_unless_that_is_set(data: Path) -> None:
    async with hub(data) as served, served.follow("*") as everything:
        async with served.follow(BOOK):
            await served.publish(data="x")
        await everything.got("x")
        assert (await served.client.get(ROOT, headers=WATCHER)).status_code == 404


async def test_a_refused_subscriber_was_never_there(data: Path) -> None:
    async with (
        hub(data, mercure_subscriptions=True, max_connections=1) as served,
        served.follow(BOOK),
    ):
        refused = await served.client.get(HUB, params={"topic": "x"}, headers=WATCHER)
        assert refused.status_code in (403, 503)
        listed = (await served.client.get(ROOT, headers=WATCHER)).json()["subscriptions"]
        assert [each["topic"] for each in listed] == [BOOK]
