"""Requests that do not come, or have no end: nobody holds what others need for next to nothing."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.routing import Mount
from websockets.asyncio.client import connect

from ringback import Claims, Operation, Ringback
from ringback.serve import protocol
from ringback.serve.protocol import speaking_for
from tests.edges.application import Gates, application
from tests.serving import serve

SUBMISSION = b"POST /tasks/double HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 8\r\n\r\n"
HEALTH = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
CHUNKED = SUBMISSION.replace(b"Content-Length: 8", b"Transfer-Encoding: chunked")
SPELL = 0.4


@pytest.fixture(params=["alone", "in a host"])
async def port(
    request: pytest.FixtureRequest, data: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[int]:
    monkeypatch.setattr(protocol, "BODY_SPELL", SPELL)
    monkeypatch.setattr(protocol, "BODY_LEAST", 100)
    rb = application(data, Gates(), workers=0)
    served: Any = rb.asgi
    http = speaking_for(rb.asgi)
    if request.param == "in a host":
        served = Starlette(routes=[Mount("/", app=rb.asgi)], lifespan=rb.lifespan)
        http = speaking_for(None)
    async with serve(served, http=http, timeout_keep_alive=1) as url:
        yield int(url.rpartition(":")[2])


async def ended(port: int, *pieces: bytes, every: float = 0.05) -> bytes:
    """What is answered until the server ends the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)

    async def send() -> None:
        with contextlib.suppress(ConnectionError):
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(every)

    sending = asyncio.ensure_future(send())
    answer = b""
    with contextlib.suppress(ConnectionError):
        async with asyncio.timeout(60):
            while found := await reader.read(65536):
                answer += found
    sending.cancel()
    writer.close()
    return answer


@pytest.mark.parametrize(
    "pieces",
    [
        (SUBMISSION,),
        (SUBMISSION, b'{"n"'),
        (SUBMISSION.replace(b": 8", b": 1000000"), *[b" "] * 1000),
        (SUBMISSION.replace(b"/double", b"/nothing"), b'{"n"'),
        (SUBMISSION.replace(b"Content-Length: 8", b"Transfer-Encoding: chunked"), b"4\r\n"),
        (HEALTH.replace(b"\r\n\r\n", b"\r\nContent-Length: 8\r\n\r\n"), b"."),
        (HEALTH, SUBMISSION),
    ],
    ids=["nothing", "a part", "trickling", "refused", "chunked", "of a GET", "the second"],
)
async def test_a_body_that_does_not_come(port: int, pieces: tuple[bytes, ...]) -> None:
    await ended(port, *pieces)


async def test_a_body_that_comes_slowly_enough(port: int) -> None:
    body = b'{"n": 1' + b" " * 999 + b"}"
    head = SUBMISSION.replace(b": 8", b": %d" % len(body))
    pieces = [body[at : at + 50] for at in range(0, len(body), 50)]
    answer = await ended(port, head, *pieces, every=0.1)
    assert answer.startswith(b"HTTP/1.1 202 ")


async def test_empty_lines_are_no_request(port: int) -> None:
    """A connection that is idle is closed, also if something came that means nothing."""
    answer = await ended(port, HEALTH, b"\r\n", b"\r\n", every=0.2)
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.count(b"HTTP/1.1") == 1


ENDLESS = {
    "a field": (HEALTH[:-2] + b"X: ", b"x" * 60_000),
    "fields": (HEALTH[:-2], b"X: x\r\n" * 10_000),
    "the address": (b"GET /", b"x" * 60_000),
    "of the second": (HEALTH + HEALTH[:-2] + b"X: ", b"x" * 60_000),
    "fields behind the body": (CHUNKED + b"2\r\n{}\r\n0\r\n", b"X: x\r\n" * 10_000),
    "a field behind the body": (CHUNKED + b"2\r\n{}\r\n0\r\nX: ", b"x" * 60_000),
    "a chunk's extension": (CHUNKED + b"2;", b"x" * 60_000),
}


@pytest.mark.parametrize("case", ENDLESS)
async def test_what_has_no_end_is_cut(port: int, case: str) -> None:
    """Held in memory, with all that is made of it, it was twenty times what was sent."""
    beginning, more = ENDLESS[case]
    answer = await ended(port, beginning, *[more] * 100, every=0)
    whole = case == "of the second"  # which is the one before, and may have its answer by then
    assert answer.count(b"HTTP/1.1 ") <= 1 + whole


async def test_a_long_head_is_answered_in_words(port: int) -> None:
    answer = await ended(port, HEALTH[:-2] + b"X: " + b"x" * 100_000, b"\r\n\r\n", every=0.1)
    assert b"application/problem+json" in answer


async def test_a_large_body_is_no_frame(port: int) -> None:
    body = b'{"n": 1' + b" " * 900_000 + b"}"
    whole = SUBMISSION.replace(b": 8", b": %d" % len(body)) + body + HEALTH
    answer = await ended(port, *[whole[at : at + 300_000] for at in range(0, len(whole), 300_000)])
    assert answer.startswith(b"HTTP/1.1 202 ")
    assert answer.count(b"HTTP/1.1 200 ") == 1


async def test_what_stands_behind_a_body_is_no_header(data: Path) -> None:
    """A proxy that takes a header away, to say it itself, does not look there."""

    def known(headers: Mapping[str, str]) -> Claims | None:
        return Claims(subject=headers["x-user"]) if "x-user" in headers else None

    rb = Ringback("trailers", data=data, authenticate=known, workers=0)

    @rb.task
    async def who(op: Operation) -> str | None:
        return op.subject

    sent = CHUNKED.replace(b"double", b"who") + b"2\r\n{}\r\n0\r\nX-User: ann\r\n\r\n"
    async with serve(rb, timeout_keep_alive=1) as url:
        port = int(url.rpartition(":")[2])
        for pieces in ([sent], [sent[:60], sent[60:]], [sent[:-20], sent[-20:]]):
            assert (await ended(port, *pieces)).startswith(b"HTTP/1.1 401 ")
        named = sent.replace(b"Host", b"X-User: bob\r\nHost")
        assert (await ended(port, named)).startswith(b"HTTP/1.1 202 ")


async def test_a_websocket_is_no_request(port: int) -> None:
    """It may be silent for longer than a connection between two requests."""
    async with connect(f"ws://127.0.0.1:{port}/ws") as socket:
        assert b"welcome" in await socket.recv(decode=False)
        await asyncio.sleep(2)
        await socket.send('{"action": "ping"}')
        assert b"pong" in await socket.recv(decode=False)


@pytest.mark.parametrize("reads", [True, False])
async def test_who_waits_to_be_told_to_send_is_not_cut(
    monkeypatch: pytest.MonkeyPatch, reads: bool
) -> None:
    """A host's application may read a body late, or answer without it (RFC 9110 §10.1.1)."""
    monkeypatch.setattr(protocol, "BODY_SPELL", SPELL)

    async def slow(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        await asyncio.sleep(3 * SPELL)
        if reads:
            await receive()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"done"})

    async with serve(slow, http=speaking_for(None), lifespan="off") as url:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
        writer.write(SUBMISSION.replace(b"Length: 8", b"Length: 8\r\nExpect: 100-continue"))
        async with asyncio.timeout(60):
            first = await reader.readline()
        assert first.startswith(b"HTTP/1.1 100" if reads else b"HTTP/1.1 200")
        writer.close()
