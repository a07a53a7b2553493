"""Mounted anywhere, with or without a lifespan, under a server or in a test client."""

import asyncio
import contextlib
import warnings
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route

from ringback import Ringback
from ringback.edges.http.describe import MAX_DOCUMENTS, Describe
from tests.edges.application import Gates, application
from tests.edges.eventsource import Connection, Parser
from tests.serving import serve

with warnings.catch_warnings():
    # Newer versions prefer a client library that is not ours to choose for their users.
    warnings.simplefilter("ignore")
    from starlette.testclient import TestClient

PREFIXES = ["", "/x", "/api/v1", "/operations", "/tasks", "/ü ber/100%", "/o"]


def starlette_host(rb: Ringback, prefix: str, **options: Any) -> Starlette:
    return Starlette(
        routes=[
            Route("/own", lambda request: PlainTextResponse("own")),
            Mount(prefix or "/", app=rb.asgi),
        ],
        **options,
    )


def fastapi_host(rb: Ringback, prefix: str, **options: Any) -> FastAPI:
    host = FastAPI(**options)

    @host.get("/own")
    async def own() -> str:
        return "own"

    host.mount(prefix or "/", rb.asgi)
    return host


HOSTS: list[Callable[..., Any]] = [starlette_host, fastapi_host]


@contextlib.asynccontextmanager
async def mounted(
    data: Path, host: Callable[..., Any], prefix: str, **options: Any
) -> AsyncIterator[tuple[str, httpx.AsyncClient]]:
    rb = application(data, Gates(), grace=0)
    async with (
        serve(host(rb, prefix, lifespan=rb.lifespan), **options) as url,
        httpx.AsyncClient(base_url=url, timeout=60) as client,
    ):
        yield url, client


async def works_under(client: httpx.AsyncClient, posted: str, prefix: str) -> None:
    """What is posted below one prefix has links below the one that clients see."""
    accepted = await client.post(f"{posted}/tasks/ask", json={"text": "where?", "cell": 1})
    assert accepted.status_code == 202, accepted.text
    body = accepted.json()
    assert body["links"]["self"] == f"{prefix}/operations/{body['id']}"
    assert accepted.headers["location"] == body["links"]["self"]
    assert accepted.headers["link"] == f'<{body["links"]["events"]}>; rel="monitor"'


async def follows(client: httpx.AsyncClient, url: str, links: dict[str, str], token: str) -> None:
    query = {"token": token}
    result = await client.get(links["result"], params=query, headers={"Prefer": "wait=20"})
    assert result.json() == {"text": "where?", "length": 6}
    shown = await client.get(links["self"], params=query)
    assert shown.json()["links"] == links
    parser = Parser()
    connection = Connection(url, links["events"], query)
    events = [event async for data in connection.body() for event in parser.feed(data)]
    assert events[0].data["links"] == links
    cancelled = await client.post(links["cancel"], params=query)
    assert cancelled.status_code == 200


@pytest.mark.parametrize("host", HOSTS)
async def test_under_any_prefix_every_link_leads_there(
    tmp_path: Path, host: Callable[..., Any]
) -> None:
    for index, prefix in enumerate(PREFIXES):
        async with mounted(tmp_path / str(index), host, prefix) as (url, client):
            shown = quote(prefix)
            await works_under(client, shown, shown)
            answer = await client.post(f"{shown}/tasks/ask", json={"text": "where?", "cell": 1})
            await follows(client, url, answer.json()["links"], answer.json()["token"])
            problem = await client.get(f"{shown}/nothing%2Fat/all")
            assert problem.status_code == 404
            assert problem.json()["instance"] == f"{shown}/nothing%2Fat/all"
            escaped = await client.post(f"{shown}/tasks/dou%62le", json={"n": 1})
            assert escaped.status_code == 202
            assert (await client.get("/own")).text.strip('"') == "own"


@pytest.mark.parametrize("host", HOSTS)
async def test_behind_a_proxy_that_takes_a_prefix_away(
    data: Path, host: Callable[..., Any]
) -> None:
    """uvicorn --root-path: links begin with what the proxy takes away."""
    async with mounted(data, host, "/x", root_path="/proxy") as (_, client):
        await works_under(client, "/x", "/proxy/x")


async def test_behind_a_proxy_that_a_framework_knows_of(data: Path) -> None:
    rb = application(data, Gates(), grace=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # newer versions would rather have the server know it
        host = FastAPI(root_path="/proxy", lifespan=rb.lifespan)
    host.mount("/x", rb.asgi)
    async with serve(host) as url, httpx.AsyncClient(base_url=url) as client:
        await works_under(client, "/x", "/proxy/x")
        await works_under(client, "/proxy/x", "/proxy/x")


async def test_alone_behind_a_proxy(data: Path) -> None:
    rb = application(data, Gates(), grace=0)
    async with serve(rb, root_path="/proxy") as url, httpx.AsyncClient(base_url=url) as client:
        await works_under(client, "", "/proxy")


@pytest.mark.parametrize("host", HOSTS)
async def test_without_a_lifespan_it_starts_at_its_first_request(
    data: Path, host: Callable[..., Any]
) -> None:
    rb = application(data, Gates(), grace=0)
    async with serve(host(rb, "/x")) as url, httpx.AsyncClient(base_url=url, timeout=60) as client:
        assert not data.exists()  # noqa: ASYNC240
        answers = await asyncio.gather(
            *(
                client.post("/x/tasks/double", json={"n": 4}, headers={"Prefer": "wait=20"})
                for _ in range(10)
            )
        )
        assert {answer.json()["result"] for answer in answers} == {8}
    await rb.asgi.stop()


async def test_a_host_that_was_started_by_somebody_else_is_left_alone(data: Path) -> None:
    rb = application(data, Gates(), grace=0)
    async with (
        rb.running(),
        serve(fastapi_host(rb, "/x", lifespan=rb.lifespan)) as url,
        httpx.AsyncClient(base_url=url, timeout=60) as client,
    ):
        assert (await client.get("/x/healthz")).status_code == 200


async def test_what_cannot_start_answers_503_and_may_start_later(tmp_path: Path) -> None:
    blocked = tmp_path / "data"
    blocked.write_text("a file where the folder should be")
    rb = application(blocked, Gates(), grace=0)
    async with serve(starlette_host(rb, "/x")) as url, httpx.AsyncClient(base_url=url) as client:
        answer = await client.get("/x/healthz")
        assert answer.status_code == 503
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.headers["retry-after"]
        assert str(tmp_path) not in answer.text
        blocked.unlink()
        assert (await client.get("/x/healthz")).status_code == 200
    await rb.asgi.stop()


async def test_a_lifespan_that_cannot_start_fails_the_server(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file where the folder should be")
    rb = application(tmp_path / "data", Gates())
    with pytest.raises(RuntimeError):
        async with serve(rb):
            pass


async def test_under_a_framework_with_middleware(data: Path) -> None:
    """Starlette's base middleware wraps receive and send; streams have to pass it."""

    class Passing(BaseHTTPMiddleware):
        async def dispatch(self, request: Request, call_next: RequestResponseEndpoint) -> Response:
            return await call_next(request)

    rb = application(data, Gates(), grace=0)
    host = starlette_host(rb, "/x", lifespan=rb.lifespan, middleware=[Middleware(Passing)])
    async with serve(host) as url, httpx.AsyncClient(base_url=url, timeout=60) as client:
        answer = await client.post("/x/tasks/ask", json={"text": "where?", "cell": 1})
        await follows(client, url, answer.json()["links"], answer.json()["token"])


# Test clients


def test_starlettes_test_client(data: Path) -> None:
    rb = application(data, Gates(), grace=0)
    with TestClient(rb.asgi) as client:
        answer = client.post("/tasks/double", json={"n": 4}, headers={"Prefer": "wait=20"})
        assert answer.json()["result"] == 8
    with TestClient(rb.asgi) as client:  # and once more
        query = {"token": answer.json()["token"]}
        again = client.get(answer.json()["links"]["self"], params=query)
        assert again.json()["result"] == 8


@pytest.mark.parametrize("host", HOSTS)
def test_a_mounted_application_in_the_test_client(data: Path, host: Callable[..., Any]) -> None:
    rb = application(data, Gates(), grace=0)
    with TestClient(host(rb, "/x", lifespan=rb.lifespan)) as client:
        answer = client.post("/x/tasks/double", json={"n": 4}, headers={"Prefer": "wait=20"})
        assert answer.json()["result"] == 8


def test_the_test_client_without_a_context(data: Path) -> None:
    """Each request then has an event loop of its own; what was stored is there for the next."""
    rb = application(data, Gates(), grace=0)
    client = TestClient(rb.asgi)
    answer = client.post("/tasks/double", json={"n": 4}, headers={"Prefer": "wait=20"})
    assert answer.json()["result"] == 8
    query = {"token": answer.json()["token"]}
    assert client.get(answer.json()["links"]["self"], params=query).json()["result"] == 8


async def test_httpxs_transport(data: Path) -> None:
    rb = application(data, Gates(), grace=0)
    async with rb.running():
        transport = httpx.ASGITransport(rb.asgi)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            answer = await client.post("/tasks/double", json={"n": 4}, headers={"Prefer": "wait=9"})
            assert answer.json()["result"] == 8
            query = {"token": answer.json()["token"]}
            events = await client.get(answer.json()["links"]["events"], params=query)
            assert events.text.count("event: snapshot") == 1


def test_one_loop_after_another(data: Path) -> None:
    rb = application(data, Gates(), grace=0)

    async def ask() -> set[int]:
        transport = httpx.ASGITransport(rb.asgi)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            answers = await asyncio.gather(
                *(
                    client.post("/tasks/double", json={"n": 4}, headers={"Prefer": "wait=20"})
                    for _ in range(5)
                )
            )
            return {answer.json()["result"] for answer in answers}

    for _ in range(3):
        assert asyncio.run(ask()) == {8}


async def test_prefixes_that_callers_choose_take_no_memory(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []
    make = Describe._make_document

    def counted(self: Describe, prefix: str) -> bytes:
        made.append(prefix)
        return make(self, prefix)

    monkeypatch.setattr(Describe, "_make_document", counted)
    many = [f"/t{number}" for number in range(MAX_DOCUMENTS + 1)]
    async with mounted(data, starlette_host, "/{tenant}") as (_, client):
        for prefix in (many[0], *many, many[-1], many[0]):
            described = (await client.get(f"{prefix}/openapi.json")).json()
            assert described["servers"] == [{"url": prefix}]
    assert made == [*many, many[0]], "the last ones are kept, and no more"
