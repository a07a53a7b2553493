"""An HTTP API's requests: answered by any ASGI application, within what a function may give."""

import asyncio
import base64
import json
import threading
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import BackgroundTasks, FastAPI, Request, Response
from fastapi.responses import StreamingResponse

from ringback import Ringback
from ringback.lambdas.handler import LambdaHandler
from ringback.lambdas.http import scope_of
from ringback.lambdas.triggers import time_for
from tests.lambdas.cloud import Context
from tests.lambdas.events import http

LARGE = 5 * 1024 * 1024


def made(folder: Path) -> tuple[Ringback, FastAPI]:
    rb = Ringback(data=folder, open_topics=True, workers=0)

    @rb.task
    async def double(x: int) -> int:
        return 2 * x

    host = FastAPI(lifespan=rb.lifespan)

    @host.get("/host")
    def plain(request: Request) -> Response:
        answer = Response(b"\xff\x00", media_type="image/png")
        answer.set_cookie("one", request.cookies.get("a", ""))
        answer.set_cookie("two", "2")
        return answer

    @host.post("/echo")
    async def echo(request: Request) -> Response:
        return Response(await request.body(), media_type=request.headers["content-type"])

    @host.get("/large")
    def large(size: int) -> Response:
        return Response(b"\xff" * size, media_type="application/octet-stream")

    @host.get("/fails")
    def fails() -> None:
        raise ValueError("a secret")

    @host.get("/waits")
    async def waits() -> None:
        await asyncio.Event().wait()

    @host.get("/blocks")
    def blocks() -> None:
        host.state.blocked.wait()

    @host.get("/half")
    async def half() -> StreamingResponse:
        async def parts() -> AsyncIterator[bytes]:
            yield b"[1,"
            await asyncio.Event().wait()

        return StreamingResponse(parts(), media_type="application/json")

    @host.get("/after")
    async def afterwards(background: BackgroundTasks) -> str:
        background.add_task(waits)
        return "done"

    host.mount("/api", rb.asgi)
    return rb, host


@pytest.fixture
def handler(tmp_path: Path) -> Iterator[LambdaHandler]:
    rb, host = made(tmp_path)
    handler = rb.lambda_handler(host)
    yield handler
    handler.close()


def call(handler: LambdaHandler, event: dict[str, Any], seconds: float = 30.0) -> dict[str, Any]:
    answer: dict[str, Any] = handler(event, Context(seconds))
    json.dumps(answer)
    return answer


def test_routes_of_the_host(handler: LambdaHandler) -> None:
    answer = call(handler, http("GET", "/host") | {"cookies": ["a=1", "b=2"]})
    assert answer["statusCode"] == 200
    assert answer["isBase64Encoded"]
    assert base64.b64decode(answer["body"]) == b"\xff\x00"
    assert [each.partition(";")[0] for each in answer["cookies"]] == ["one=1", "two=2"]
    assert "set-cookie" not in answer["headers"]


def test_bodies_of_bytes(handler: LambdaHandler) -> None:
    data = bytes(range(256))
    event = http("POST", "/echo", base64.b64encode(data).decode(), **{"content-type": "x/y"})
    answer = call(handler, event | {"isBase64Encoded": True})
    assert base64.b64decode(answer["body"]) == data


def test_text_stays_text(handler: LambdaHandler) -> None:
    answer = call(handler, http("POST", "/echo", "Größe", **{"content-type": "text/plain"}))
    assert (answer["body"], answer["isBase64Encoded"]) == ("Größe", False)


def test_what_is_too_large_is_said(handler: LambdaHandler) -> None:
    assert call(handler, http("GET", "/large") | {"rawQueryString": "size=4000000"})["body"]
    answer = call(handler, http("GET", "/large") | {"rawQueryString": f"size={LARGE}"})
    assert answer["statusCode"] == 413
    assert str(LARGE) in json.loads(answer["body"])["detail"]


def test_a_fault_of_the_host_shows_no_secret(handler: LambdaHandler) -> None:
    answer = call(handler, http("GET", "/fails"))
    assert answer["statusCode"] == 500
    assert "secret" not in answer["body"]


def test_accepts_below_a_prefix_and_a_stage(handler: LambdaHandler) -> None:
    event = http("POST", "/live/api/tasks/double", '{"x": 2}')
    event["requestContext"]["stage"] = "live"
    answer = call(handler, event)
    assert answer["statusCode"] == 202, answer
    assert answer["headers"]["location"].startswith("/live/api/operations/")


@pytest.mark.parametrize(
    ("host", "sent", "path", "raw"),
    [
        # A client asked for "/a%2520b%2Fc%C3%A9": an HTTP API decodes it, a function URL does not.
        (
            "abc123.execute-api.eu-central-1.amazonaws.com",
            "/a%20b/cé",
            "/a%20b/cé",
            b"/a%2520b/c%C3%A9",
        ),
        (
            "xyz.lambda-url.eu-central-1.on.aws",
            "/a%2520b%2Fc%C3%A9",
            "/a%20b/cé",
            b"/a%2520b%2Fc%C3%A9",
        ),
    ],
)
def test_a_path_is_decoded_once(host: str, sent: str, path: str, raw: bytes) -> None:
    event = http("GET", sent)
    event["requestContext"]["domainName"] = host
    scope = scope_of(event, None, 1.0)
    assert (scope["path"], scope["raw_path"]) == (path, raw)


def test_waits_no_longer_than_there_is_time(handler: LambdaHandler) -> None:
    accepted = call(handler, http("POST", "/api/tasks/double", '{"x": 2}', **STRONG))
    path = accepted["headers"]["location"]
    token = json.loads(accepted["body"])["token"]
    event = http("GET", path, authorization=f"Bearer {token}", prefer="wait=25")
    event["headers"]["if-none-match"] = '"0"'
    answer = call(handler, event, seconds=4.0)
    assert answer["statusCode"] == 304
    assert answer["headers"]["preference-applied"] == "wait=1"


def test_an_event_stream_is_a_long_poll(handler: LambdaHandler) -> None:
    accepted = call(handler, http("POST", "/api/tasks/double", '{"x": 2}', **STRONG))
    path = accepted["headers"]["location"] + "/events"
    token = json.loads(accepted["body"])["token"]
    event = http("GET", path, authorization=f"Bearer {token}", accept="text/event-stream")
    answer = call(handler, event)
    assert answer["headers"]["content-type"].startswith("text/event-stream")
    assert "event: snapshot" in answer["body"]
    assert "retry:" in answer["body"]
    event["headers"]["last-event-id"] = answer["body"].partition("id: ")[2].partition("\n")[0]
    again = call(handler, event, seconds=4.0)
    assert again["statusCode"] == 200
    assert "data:" not in again["body"]


def test_so_is_a_stream_of_mercure(tmp_path: Path) -> None:
    handler = Ringback(data=tmp_path, open_topics=True, mercure=True, workers=0).lambda_handler()
    try:
        hub = "/.well-known/mercure"
        form = "application/x-www-form-urlencoded"
        for id in ("urn:one", "urn:two"):
            sent = http("POST", hub, f"topic=a&data=1&id={id}")
            sent["headers"]["content-type"] = form
            assert call(handler, sent)["body"] == id
        event = http("GET", hub) | {"rawQueryString": "topic=a"}
        event["headers"]["last-event-id"] = "urn:one"
        answer = call(handler, event)
        assert answer["headers"]["content-type"].startswith("text/event-stream")
        assert "id: urn:two" in answer["body"]
        assert "urn:one" not in answer["body"]
    finally:
        handler.close()


@pytest.mark.parametrize("path", ["/waits", "/blocks", "/half"])
def test_what_takes_too_long_is_answered_in_time(tmp_path: Path, path: str) -> None:
    rb, host = made(tmp_path)
    host.state.blocked = threading.Event()
    handler = rb.lambda_handler(host)
    try:
        answer = call(handler, http("GET", path), seconds=1.0)
        assert answer["statusCode"] == 503
        assert answer["headers"]["content-type"] == "application/problem+json"
        assert "respond-async" in json.loads(answer["body"])["detail"]
        assert call(handler, http("GET", "/host"))["statusCode"] == 200
    finally:
        host.state.blocked.set()
        handler.close()


def test_what_is_done_after_the_answer_does_not_keep_it_back(handler: LambdaHandler) -> None:
    answer = call(handler, http("GET", "/after"), seconds=1.0)
    assert (answer["statusCode"], answer["body"]) == (200, '"done"')


def test_the_time_of_an_answer_is_the_gateways() -> None:
    event = http("GET", "/")
    assert time_for(event, 900.0) == 30.0
    event["requestContext"]["timeEpoch"] = int((time.time() - 20) * 1000)
    assert 0 < time_for(event, 900.0) <= 10.0
    event["requestContext"]["timeEpoch"] = 1428582896000
    assert time_for(event, 900.0) == 30.0, "the time of an example"
    event["requestContext"]["domainName"] = "xyz.lambda-url.eu-central-1.on.aws"
    assert time_for(event, 900.0) == 900.0


def test_follows_topics_by_polls(handler: LambdaHandler) -> None:
    call(handler, http("POST", "/api/topics/a", "1"))
    answer = call(handler, http("GET", "/api/topics/a") | {"rawQueryString": "after=earliest"})
    assert [each["data"] for each in json.loads(answer["body"])["messages"]] == [1]


STRONG = {"idempotency-key": "0198a5c2-7a6b-7c3e-9d1f-2b4c6d8e0f12"}
