"""Who may publish and follow: tokens of both drafts wherever they stand, and private updates."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.edges.mercure.hub import BOOK, HUB, bearer, hub, token
from tests.serving import until

DETAIL = "https://mercure.rocks/authorization-detail"
OTHER = "https://example.com/books/2"
OPEN = "https://example.com/open/1"
DECLARED = "https://example.com/declared/1"


def detailed(*actions: str, match: str = BOOK, **topic: str) -> dict[str, str]:
    """The header of a token of draft 08."""
    detail = {"type": DETAIL, "actions": actions, "topics": [{"match": match, **topic}]}
    return bearer(kind="at+jwt", authorization_details=[detail], subject="ann")


def challenge(answer: httpx.Response, status: int) -> str:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    said: str = answer.headers["www-authenticate"]
    where = f"{answer.request.url.scheme}://{answer.request.url.netloc.decode()}/.well-known/"
    metadata = f'resource_metadata="{where}oauth-protected-resource{HUB}"'
    assert said.endswith(metadata)
    return said.removesuffix(metadata).removeprefix("Bearer ").rstrip(", ")


async def test_private_updates_are_for_those_with_a_grant(data: Path, path: str) -> None:
    async with hub(data, path, mercure_anonymous=True) as served:
        async with (
            served.follow("*", headers={}) as anonymous,
            served.follow(BOOK, headers=bearer(None, [BOOK])) as exact,
            served.follow("*", headers=bearer(None, ["https://example.com/books/{id}"])) as some,
            served.follow("*", headers=bearer(None, [])) as signed_in,
            served.follow("*", headers=detailed("subscribe")) as newer,
            served.follow("*", headers=detailed("subscribe", match="/x/*")) as elsewhere,
        ):
            await served.publish(BOOK, "private", private="on")
            await served.publish([OTHER, BOOK], "both", private="")
            await served.publish(OTHER, "other", private="on")
            await served.publish(OTHER, "public")
            for subscriber in (anonymous, signed_in, elsewhere):
                await subscriber.got("public")
            await exact.got("private", "both")
            await some.got("private", "both", "other", "public")
            await newer.got("private", "both", "public")
        # What is replayed is looked at again.
        async with served.follow("*", headers={}, last_id="earliest") as replayed:
            await replayed.got("public")
        async with served.follow("*", headers=detailed("subscribe"), last_id="earliest") as found:
            await found.got("private", "both", "public")


async def test_without_a_token_nothing_unless_that_is_set(data: Path, path: str) -> None:
    async with hub(data, path) as served:
        answer = await served.client.get(HUB, params={"topic": BOOK})
        assert challenge(answer, 401) == ""
        answer = await served.client.get(HUB, params={"topic": BOOK}, headers={"Cookie": "a=b"})
        assert challenge(answer, 401) == ""
        async with served.follow(BOOK, headers=bearer(None, [])) as signed_in:
            async with served.follow("*", OPEN, headers={}) as anonymous:
                await served.publish(BOOK, "x")
                await served.publish(OPEN, "open", private="on")
                await served.publish(OPEN, "open")
                await anonymous.got("open")
            await signed_in.got("x")


async def test_a_declared_topic_says_itself_who_follows(data: Path) -> None:
    async with hub(data, mercure_anonymous=True) as served:
        for headers in ({}, bearer(None, []), bearer(None, [OTHER])):
            async with served.follow("*", headers=headers) as everything:
                answer = await served.client.get(HUB, params={"topic": DECLARED}, headers=headers)
                assert answer.status_code == (403 if headers else 401)
                await served.publish(DECLARED, "x")
                await served.publish(BOOK, "y")
                await everything.got("y")
        async with served.follow(DECLARED, headers=bearer(None, [DECLARED])) as granted:
            await served.publish(DECLARED, "x")
            await granted.got("x")


async def test_a_private_update_is_private_to_everybody_else(data: Path) -> None:
    """However it is followed, by whom a topic lets in because it is open."""
    from tests.edges.topics.application import Source

    named = bearer(subject="ann", topics={"subscribe": [OPEN]})
    async with (
        hub(data) as served,
        Source(served.client.base_url, OPEN) as source,
        Source(served.client.base_url, OPEN, headers=named) as granted,
    ):
        await source.opened.wait()
        await granted.opened.wait()
        await served.publish(OPEN, "1", private="on")
        await served.publish(OPEN, "2")
        await until(lambda: source.events and len(granted.events) == 2)
        assert [event.data["data"] for event in source.events] == [2]
        assert [event.data["data"] for event in granted.events] == [1, 2]
        page = await served.client.get(f"/topics/{OPEN}", params={"after": "earliest"})
        assert [each["data"] for each in page.json()["messages"]] == [2]
        page = await served.client.get(
            f"/topics/{OPEN}", params={"after": "earliest"}, headers=named
        )
        assert [each["data"] for each in page.json()["messages"]] == [1, 2]


async def test_to_publish_takes_a_grant_of_all_topics(data: Path) -> None:
    async with hub(data) as served:

        async def publish(headers: dict[str, str], *topics: str) -> httpx.Response:
            return await served.client.post(
                HUB, data={"topic": topics or (BOOK,), "data": "x"}, headers=headers
            )

        for good in (
            bearer([BOOK]),
            bearer(["https://example.com/books/{id}"]),
            bearer(["*"]),
            detailed("publish"),
            detailed("publish", match="https://example.com/:a/:b", match_type="urlpattern"),
            bearer(subject="ann", topics={"publish": ["https://example.com/#"]}),
        ):
            assert (await publish(good)).status_code == 200
        assert (await publish(bearer([BOOK, OTHER]), BOOK, OTHER)).status_code == 200
        for bad in (bearer([BOOK]), bearer([], ["*"]), detailed("publish"), bearer(["{a}"])):
            answer = await publish(bad, BOOK, OTHER)
            assert challenge(answer, 403) == 'error="insufficient_scope"'
            assert "mercure" in answer.json()["detail"]
        assert challenge(await publish({}), 401) == ""


async def test_where_a_token_may_stand(data: Path, path: str, caplog: Any) -> None:
    good, none = token(["*"], [BOOK]), token([], ["x"])
    async with hub(data, path) as served:
        query = {"topic": BOOK}
        for headers, more in (
            ({"Authorization": f"bearer {good}"}, {}),
            ({"Cookie": f"a=b; mercureAuthorization={good}"}, {}),
            ({"Cookie": f"bad[]=1; __Secure-mercure_access_token={good}"}, {}),
            (
                {"Cookie": f"mercureAuthorization=x; __Secure-mercure_access_token={good}"},
                {},
            ),
            ({}, {"authorization": good}),
            ({"Authorization": f"Bearer {good}", "Cookie": "mercureAuthorization=x"}, {}),
        ):
            async with served.match(query | more, headers=headers) as subscriber:
                await served.publish(BOOK, "x", private="on")
                await subscriber.got("x")
        for headers, more in (
            ({"Authorization": f"Bearer {none}", "Cookie": f"mercureAuthorization={good}"}, {}),
            ({"Authorization": f"Bearer {none}"}, {"authorization": good}),
        ):
            async with served.match(query | more, headers=headers) as subscriber:
                await served.publish(BOOK, "y", private="on")
                await served.publish(BOOK, "z")
                await subscriber.got("z")
    assert good not in caplog.text


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Authorization": "Bearer x"}, 401),
        ({"Authorization": "Bearer"}, 400),
        ({"Authorization": "Basic eDp5"}, 401),
        ({"Authorization": f"Bearer {token(['*'], exp=1)}"}, 401),
        ({"Authorization": f"Bearer {token(['*'], nbf=time.time() + 100)}"}, 401),
        ({"Authorization": f"Bearer {token(['*'], iss='b')}"}, 401),
        ({"Authorization": f"Bearer {token(['*'], iss='a', aud='b')}"}, 401),
        ({"Authorization": "Bearer eyJhbGciOiJub25lIn0.eyJtZXJjdXJlIjp7fX0."}, 401),
        (bearer(iss="a", aud="hub", mercure=1), 401),
        (bearer(iss="a", aud="hub", authorization_details=[{"type": DETAIL}]), 401),
        (bearer(["*"], iss="a", aud=["x", "hub"]), 200),
    ],
)
async def test_what_is_no_token(data: Path, headers: dict[str, str], status: int) -> None:
    async with hub(data, jwt_issuer="a", jwt_audience="hub") as served:
        answer = await served.client.post(HUB, data={"topic": BOOK}, headers=headers)
        assert answer.status_code == status, answer.text
        if status == 401:
            assert challenge(answer, 401) == 'error="invalid_token"'


async def test_a_page_elsewhere_cannot_publish_with_the_cookie(data: Path) -> None:
    cookie = {"Cookie": f"mercureAuthorization={token(['*'])}"}
    async with hub(data, cors_origins=("https://good.example",)) as served:
        own = str(served.client.base_url).rstrip("/")
        for said, status in (
            ({}, 403),
            ({"Origin": "https://evil.example"}, 403),
            ({"Origin": "null"}, 403),
            ({"Referer": "https://evil.example/x"}, 403),
            ({"Referer": "https://good.example.evil.example/"}, 403),
            ({"Origin": "https://good.example"}, 200),
            ({"Origin": own}, 200),
            ({"Referer": "https://good.example/page"}, 200),
            ({"Referer": f"{own}/page"}, 200),
        ):
            answer = await served.client.post(HUB, data={"topic": BOOK}, headers=cookie | said)
            assert answer.status_code == status, (said, answer.text)


async def test_where_every_page_may_none_elsewhere_publishes_with_the_cookie(data: Path) -> None:
    """A form is sent without asking first, and the cookie with it."""
    cookie = {"Cookie": f"mercureAuthorization={token(['*'])}"}
    async with hub(data, cors_origins=("*", "https://good.example")) as served:
        own = str(served.client.base_url).rstrip("/")
        for page, status in (
            ("https://evil.example", 403),
            ("null", 403),
            ("https://good.example", 200),
            (own, 200),
        ):
            said = {"Origin": page}
            answer = await served.client.post(HUB, data={"topic": BOOK}, headers=cookie | said)
            assert answer.status_code == status, (page, answer.text)
            answer = await served.client.post(
                HUB, data={"topic": BOOK}, headers=bearer(["*"]) | said
            )
            assert answer.status_code == 200, (page, answer.text)


async def test_a_stream_ends_with_its_token(data: Path, path: str) -> None:
    soon = bearer(None, ["*"], exp=time.time() + 1.5)
    async with hub(data, path) as served, served.follow(BOOK, headers=soon) as subscriber:
        await served.publish(BOOK, "x")
        await subscriber.got("x")
        await until(lambda: subscriber.ended)
        assert not served.rb.started.hub.followers


async def test_a_revoked_subject_is_cut(data: Path, path: str) -> None:
    allowed = bearer(None, ["*"], subject="ann")
    async with hub(data, path) as served, served.follow(BOOK, headers=allowed) as subscriber:
        await served.rb.revoke(subject="ann")
        await until(lambda: subscriber.ended)
        answer = await served.client.get(HUB, params={"topic": BOOK}, headers=allowed)
        assert challenge(answer, 401) == 'error="invalid_token"'


async def test_the_application_itself_may_say_who_asks(data: Path) -> None:
    from ringback import Claims, Ringback
    from tests.serving import serve

    def known(headers: Any) -> Claims | None:
        name = headers.get("x-user")
        return Claims(subject=name, publish=("#",), subscribe=(BOOK,)) if name else None

    app = Ringback("m", data=data, mercure=True, open_topics=True, authenticate=known)
    async with serve(app) as url, httpx.AsyncClient(base_url=url) as client:
        answer = await client.post(HUB, data={"topic": BOOK}, headers={"X-User": "ann"})
        assert answer.status_code == 200
        assert (await client.post(HUB, data={"topic": BOOK})).status_code == 401
        async with client.stream(
            "GET", HUB, params={"topic": BOOK}, headers={"X-User": "ann"}
        ) as stream:
            assert stream.status_code == 200


async def test_patterns_are_limited(data: Path) -> None:
    async with hub(data, max_patterns=2) as served:
        client, headers = served.client, bearer(None, ["*"])
        for query in (
            {"topic": ["a/{x}", "b/{x}", "c/{x}"]},
            {"topic": "a/{x}", "match_uritemplate": "b{x}", "match_urlpattern": "/c/:x"},
        ):
            answer = await client.get(HUB, params=query, headers=headers)
            assert answer.status_code == 400, answer.text
            assert answer.json()["limit"] == 2
            answer = await client.request("QUERY", HUB, data=query, headers=headers)
            assert answer.status_code == 400, answer.text
        async with served.follow("a/{x}", "b/{x}", "c", "d", "*", headers=headers) as subscriber:
            assert subscriber.answer is not None
            assert subscriber.answer.status_code == 200


async def test_a_name_of_the_hub_that_is_none(data: Path) -> None:
    async with hub(data) as served:
        headers = bearer(["*"], ["*"])
        for host in ("x" * 400, "x" * 60_000):
            asked = {**headers, "Host": host}
            answer = await served.client.get(HUB, params={"topic": "a"}, headers=asked)
            assert answer.status_code == 400
            answer = await served.client.post(HUB, data={"topic": "a"}, headers=asked)
            assert answer.status_code == 400


async def test_limits(data: Path) -> None:
    settings: dict[str, Any] = {"max_connections": 1, "publish_rate": 0.001, "publish_burst": 1}
    async with hub(data, max_subscriptions=2, max_body=200, **settings) as served:
        many = await served.client.get(HUB, params={"topic": ["a", "b", "c"]})
        assert many.status_code == 400
        async with served.follow("a", "b"):
            full = await served.client.get(HUB, params={"topic": "a"}, headers=bearer(None, ["*"]))
            assert full.status_code == 503
            assert "retry-after" in full.headers
        await served.publish("a")
        fast = await served.client.post(HUB, data={"topic": "a"}, headers=bearer(["*"]))
        assert fast.status_code == 429
        large = await served.client.post(
            HUB, data={"topic": "a", "data": "x" * 200}, headers=bearer(["*"], subject="bob")
        )
        assert large.status_code == 413
