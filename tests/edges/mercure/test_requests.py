"""What is refused and how, discovery, and pages of other origins."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from tests.edges.mercure.hub import BOOK, EVERYTHING, HUB, bearer, hub
from tests.serving import serve

METADATA = f"/.well-known/oauth-protected-resource{HUB}"
PAGE = "https://app.example"


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({}, 400),
        ({"topic": ""}, 400),
        ({"match": "a\u200bb"}, 400),
        ({"match_regexp": "a"}, 400),
        ({"match_urlpattern": "https://example.com/("}, 400),
        ({"topic": "operations/1"}, 403),
        ({"topic": "x" * 33_000}, 400),
    ],
)
async def test_what_cannot_be_followed(data: Path, query: dict[str, str], status: int) -> None:
    async with hub(data) as served:
        answer = await served.client.get(HUB, params=query, headers=EVERYTHING)
        assert answer.status_code == status, answer.text
        assert len(answer.json()["detail"]) > 20


async def test_what_cannot_be_published(data: Path) -> None:
    async with hub(data) as served:
        for form, status in (
            ({"data": "x"}, 400),
            ({"topic": "*"}, 400),
            ({"topic": f"{HUB}/x"}, 400),
            ({"topic": BOOK, "id": "#1"}, 400),
            ({"topic": BOOK, "type": "mercure"}, 400),
            ({"topic": BOOK, "retry": "soon"}, 400),
            ({"topic": "operations/1"}, 400),
            ({"topic": "a" * 257}, 413),
            ({"topic": [str(number) for number in range(51)]}, 413),
            ({"topic": BOOK, "data": "x" * (256 * 1024 + 1)}, 413),
        ):
            answer = await served.client.post(HUB, data=form, headers=EVERYTHING)
            assert answer.status_code == status, (form, answer.text)
            assert answer.headers["content-type"] == "application/problem+json"
        answer = await served.client.post(HUB, json={"topic": BOOK}, headers=EVERYTHING)
        assert answer.status_code == 415
        answer = await served.client.post(HUB, content=b"topic=%ff", headers=EVERYTHING)
        assert answer.status_code == 400


async def test_a_value_that_its_model_does_not_fit_is_the_callers_mistake(data: Path) -> None:
    from pydantic import BaseModel

    from ringback import Ringback

    class Price(BaseModel):
        cents: int

    app = Ringback("m", data=data, mercure=True)
    app.topic("prices/{id}", model=Price)
    async with serve(app) as url, httpx.AsyncClient(base_url=url) as client:
        good = await client.post(HUB, data={"topic": "prices/1", "data": '{ "cents": 3 }'})
        assert good.status_code == 200
        bad = await client.post(HUB, data={"topic": "prices/1", "data": "free"})
        assert bad.status_code == 400, bad.text
        async with client.stream(
            "GET", HUB, params={"topic": "prices/1", "last_event_id": "earliest"}
        ) as stream:
            async for line in stream.aiter_lines():
                if line.startswith("data:"):
                    assert line == 'data: { "cents": 3 }'
                    break


async def test_methods(data: Path, path: str) -> None:
    async with hub(data, path) as served:
        answer = await served.client.options(HUB)
        assert (answer.status_code, answer.headers["allow"]) == (
            204,
            "GET, HEAD, OPTIONS, POST, QUERY",
        )
        answer = await served.client.delete(HUB)
        assert answer.status_code == 405
        assert "QUERY" in answer.headers["allow"]
        answer = await served.client.head(HUB, params={"topic": BOOK}, headers=EVERYTHING)
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert (await served.client.get(f"{HUB}/x")).status_code == 404
        assert (await served.client.get("/.well-known/other")).status_code == 404


async def test_discovery(data: Path) -> None:
    async with hub(data, jwt_issuer="https://id.example") as served:
        url = str(served.client.base_url).rstrip("/")
        answer = await served.client.get(METADATA)
        assert answer.headers["content-type"] == "application/json"
        described = answer.json()
        assert described["resource"] == f"{url}{HUB}"
        assert described["authorization_servers"] == ["https://id.example"]
        assert described["authorization_details_types_supported"]
        allowed = bearer(None, ["*"], iss="https://id.example")
        async with served.follow(BOOK, headers=allowed) as subscriber:
            assert subscriber.answer is not None
            assert f'<{HUB}>; rel="mercure"' in subscriber.answer.headers["link"]
        refused = await served.client.get(HUB, params={"topic": BOOK})
        assert f"{url}{METADATA}" in refused.headers["www-authenticate"]


async def test_pages_of_other_origins(data: Path, path: str) -> None:
    async with hub(data, path, cors_origins=(PAGE,)) as served:
        page = {"Origin": PAGE}
        preflight = await served.client.options(
            HUB,
            headers=page
            | {
                "Access-Control-Request-Method": "POST",
                "Access-Control-Request-Headers": "authorization",
            },
        )
        assert preflight.status_code == 200
        assert preflight.headers["access-control-allow-origin"] == PAGE
        async with served.follow(BOOK, headers=EVERYTHING | page) as subscriber:
            assert subscriber.answer is not None
            headers = subscriber.answer.headers
            assert headers["access-control-allow-origin"] == PAGE
            assert headers["access-control-allow-credentials"] == "true"
            exposed = headers["access-control-expose-headers"]
            assert {"Link", "Last-Event-ID", "Mercure-Last-Event-ID"} <= set(exposed.split(", "))
            await served.publish(data="x", headers=EVERYTHING | page)
            await subscriber.got("x")
        evil = {"Origin": "https://evil.example"}
        answer = await served.client.post(HUB, data={"topic": BOOK}, headers=EVERYTHING | evil)
        assert answer.status_code == 403
        async with served.follow(BOOK, headers=EVERYTHING | evil) as subscriber:
            assert subscriber.answer is not None
            assert "access-control-allow-origin" not in subscriber.answer.headers


async def test_mounted_below_a_prefix(data: Path) -> None:
    from fastapi import FastAPI

    from ringback import Ringback

    app = Ringback("m", data=data, mercure=True, open_topics=True)
    host = FastAPI(lifespan=app.lifespan)
    host.mount("/hub", app.asgi)
    async with serve(host) as url, httpx.AsyncClient(base_url=url) as client:
        assert (await client.get(f"/hub{METADATA}")).json()["resource"] == f"{url}/hub{HUB}"
        published = await client.post(f"/hub{HUB}", data={"topic": BOOK, "data": "x"})
        assert published.status_code == 200
        query = {"match_urlpattern": "https://example.com/*", "last_event_id": "earliest"}
        async with client.stream("GET", f"/hub{HUB}", params=query) as stream:
            async for line in stream.aiter_lines():
                if line.startswith("data:"):
                    assert line == "data: x"
                    break


async def test_it_is_not_there_unless_that_is_set(data: Path) -> None:
    async with hub(data, mercure=False) as served:
        assert (await served.client.get(HUB, params={"topic": BOOK})).status_code == 404
        assert (await served.client.get(METADATA)).status_code == 404
