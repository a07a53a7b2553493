"""The client against servers that are not ours, or not well."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from ringback.client import Refused, Unreachable
from ringback.client.connection import Connection
from ringback.errors import ConfigurationError, RateLimited, UnknownOperation, UnknownTask

ID = "01890000-0000-7000-8000-000000000000"


@contextlib.asynccontextmanager
async def answering(*answers: bytes) -> AsyncIterator[tuple[str, list[bytes]]]:
    """A server with an answer for each request to come; the last goes on."""
    requests: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        requests.append(head)
        length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
        await reader.readexactly(int(length or 0))
        writer.write(answers[min(len(requests), len(answers)) - 1])
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", requests


def reply(status: str, body: bytes, kind: str = "application/json", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"content-type: {kind}", f"content-length: {len(body)}"]
    return "\r\n".join([*lines, "connection: close", *headers, "", ""]).encode() + body


def problem(status: str, code: str, *headers: str) -> bytes:
    body = b'{"type":"urn:ringback:problem:%s","status":%s,"detail":"Said so.","near":["a"]}' % (
        code.encode(),
        status.split()[0].encode(),
    )
    return reply(status, body, "application/problem+json", *headers)


STREAM = reply(
    "200 OK",
    b'event: snapshot\nid: e-1\ndata: {"id":"x","status":"running"}\n\n',
    "text/event-stream; charset=utf-8",
)
END = reply(
    "200 OK",
    b'event: status\nid: e-2\ndata: {"id":"x","status":"succeeded"}\n\n',
    "text/event-stream; charset=utf-8",
)


async def test_a_problem_is_raised_as_the_error_it_was() -> None:
    async with (
        answering(problem("404 Not Found", "unknown-task")) as (url, _),
        Connection(url) as client,
    ):
        with pytest.raises(UnknownTask, match="Said so") as caught:
            await client.submit("x", b"{}", key="k")
        assert caught.value.fields["near"] == ["a"]


async def test_a_problem_of_a_newer_server_is_told_as_it_is() -> None:
    async with answering(problem("418 Teapot", "teapot")) as (url, _), Connection(url) as client:
        with pytest.raises(Refused, match="Said so") as caught:
            await client.show(ID)
        assert caught.value.http_status == 418
        assert caught.value.problem()["type"] == "urn:ringback:problem:teapot"


@pytest.mark.parametrize(
    "answer",
    [
        reply("200 OK", b"<html>", "text/html"),
        reply("200 OK", b'{"hello":"world"}'),
        reply("200 OK", b"[]"),
        reply("404 Not Found", b"<html>", "text/html"),
    ],
)
async def test_another_server_is_recognized(answer: bytes) -> None:
    async with answering(answer) as (url, _), Connection(url) as client:
        for request in (
            client.submit("x", b"{}", key="k"),
            client.show(ID),
            client.find({}),
            anext(client.follow(ID)),
        ):
            with pytest.raises(Refused, match="not as Ringback does"):
                await request


async def test_a_server_that_is_busy_is_asked_again_with_the_same_key() -> None:
    busy = problem("503 Service Unavailable", "queue-full", "retry-after: 0")
    proxy = reply("502 Bad Gateway", b"<html>", "text/html")
    good = reply("202 Accepted", b'{"id":"x"}')
    said: list[str] = []
    async with (
        answering(busy, proxy, good) as (url, requests),
        Connection(url, notice=said.append) as client,
    ):
        assert await client.submit("x", b"{}", key="once") == {"id": "x"}
    assert len(requests) == 3
    assert all(b'idempotency-key: "once"' in head for head in requests)
    assert len(said) == 2


async def test_a_server_that_stays_busy_is_given_up() -> None:
    busy = problem("429 Too Many Requests", "rate-limited", "retry-after: 60")
    async with answering(busy) as (url, requests), Connection(url, patience=1) as client:
        with pytest.raises(RateLimited) as caught:
            await client.submit("x", b"{}", key="once")
        assert caught.value.retry_after == 60
    assert len(requests) == 1, "it said when to come again, and that is too late"


async def test_following_resumes_after_the_last_event() -> None:
    away = reply("503 Service Unavailable", b"<html>", "text/html")
    async with answering(STREAM, away, END) as (url, requests), Connection(url) as client:
        events = [event async for event in client.follow(ID)]
    assert [event.kind for event in events] == ["snapshot", "status"]
    assert b"last-event-id" not in requests[0]
    assert b"last-event-id: e-1" in requests[1]
    assert b"last-event-id: e-1" in requests[2]


async def test_following_ends_where_there_is_nothing_more() -> None:
    nothing = b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n"
    async with answering(STREAM, nothing) as (url, requests), Connection(url) as client:
        assert [event.kind async for event in client.follow(ID)] == ["snapshot"]
    assert len(requests) == 2


async def test_what_will_not_get_better_is_not_tried_again() -> None:
    gone = problem("404 Not Found", "unknown-operation")
    async with answering(STREAM, gone) as (url, requests), Connection(url) as client:
        with pytest.raises(UnknownOperation, match="Said so"):
            [event async for event in client.follow(ID)]
    assert len(requests) == 2


async def test_a_stream_that_breaks_off_for_good() -> None:
    async with answering(STREAM) as (url, _):
        client = Connection(url, patience=0.5)
        events = client.follow(ID)
        assert (await anext(events)).kind == "snapshot"
    async with client:
        with pytest.raises(Unreachable):
            [event async for event in events]


async def test_tokens_go_into_the_header_alone() -> None:
    good = reply("200 OK", b'{"id":"x"}')
    async with answering(good) as (url, requests):
        async with Connection(url) as client:
            await client.show(ID, token="rbo_own")
            await client.show(ID)
        async with Connection(url, token="jwt") as client:
            await client.show(ID, token="rbo_own")
            await client.show(ID)
    assert b"authorization: Bearer rbo_own" in requests[0]
    assert b"authorization" not in requests[1]
    assert b"authorization: Bearer rbo_own" in requests[2], "which opens it whoever has the JWT"
    assert b"authorization: Bearer jwt" in requests[3]
    assert not any(b"token" in head.split(b"\r\n")[0] for head in requests)


@pytest.mark.parametrize("url", ["localhost:8000", "ftp://h", "http://", "", "8000"])
def test_an_address_that_is_none(url: str) -> None:
    with pytest.raises(ConfigurationError, match="http://"):
        Connection(url)
