"""What a client sends behind a request that is not answered yet (RFC 9112 §9.3.2)."""

from __future__ import annotations

import asyncio
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.edges.topics.application import served

HEALTH = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
STREAM = (
    b"GET /topics?filter=log/%2B HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/event-stream\r\n\r\n"
)
HANDSHAKE = (
    b"GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
SUBMISSION = b'POST /tasks/count HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9\r\n\r\n{"to": 0}'


@pytest.mark.parametrize("behind", [HEALTH, SUBMISSION, STREAM, HANDSHAKE], ids="hpsw")
async def test_what_stands_behind_a_stream_gets_no_answer(
    data: Path, behind: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """It would be among the events."""
    async with served(data, workers=0) as (rb, http):
        reader, writer = await asyncio.open_connection("127.0.0.1", _port(http.base_url))
        writer.write(STREAM + behind)
        async with asyncio.timeout(60):
            head = await reader.readuntil(b"\r\n\r\n")
            await reader.readuntil(b"\n\n\r\n")
            await rb.publish("log/a", "here")
            event = await reader.readuntil(b'"here"}\n\n\r\n')
        assert b"connection: close" in head
        assert b"HTTP/1.1" not in event
        assert not reader.at_eof()
        writer.close()
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


@pytest.mark.parametrize("before", [1, 3])
async def test_a_handshake_waits_for_the_answers_before_it(data: Path, before: int) -> None:
    """Taken at once, those would be among its frames, or never come."""
    async with served(data, workers=0) as (_, http):
        for request, status in ((SUBMISSION, b"202"), (HEALTH, b"200")):
            reader, writer = await asyncio.open_connection("127.0.0.1", _port(http.base_url))
            writer.write(request * before + HANDSHAKE + b"\x81\x80\0\0\0\0")
            async with asyncio.timeout(60):
                answer = await reader.read()
            writer.close()
            assert answer.startswith(b"HTTP/1.1 " + status)
            assert answer.count(b"HTTP/1.1 " + status) == before
            assert b"101" not in answer.partition(b"\r\n")[0]
            assert b"Switching" not in answer


async def test_a_handshake_behind_an_answer_is_one(data: Path) -> None:
    async with served(data, workers=0) as (_, http):
        reader, writer = await asyncio.open_connection("127.0.0.1", _port(http.base_url))
        writer.write(HEALTH)
        async with asyncio.timeout(60):
            await reader.readuntil(b"}")
            writer.write(HANDSHAKE)
            assert b" 101 " in await reader.readuntil(b"welcome")
        writer.close()


def _port(url: object) -> int:
    port = urlsplit(str(url)).port
    assert port is not None
    return port


UPGRADES = {
    "h2c": b"Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AA\r\n",
    "two fields": b"Upgrade: websocket\r\nConnection: Upgrade\r\nConnection: keep-alive\r\n",
    "closing": b"Upgrade: h2c\r\nConnection: close, upgrade\r\n",
}


@pytest.mark.parametrize("pieces", [1, 2, 3])
@pytest.mark.parametrize("fields", UPGRADES)
async def test_a_body_beside_an_upgrade_that_we_do_not_know_is_one(
    data: Path, fields: str, pieces: int
) -> None:
    """Taken for the next request, it would be answered to whoever else a proxy has behind us."""
    hidden = b'{"to":\n\n0}' if pieces == 3 else b"GET /topics/hidden HTTP/1.1\r\nHost: x\r\n\r\n"
    async with served(data, workers=0) as (_, http):
        reader, writer = await asyncio.open_connection("127.0.0.1", _port(http.base_url))
        head = SUBMISSION.partition(b"Content-Length")[0] + UPGRADES[fields]
        sent = head + b"Content-Length: %d\r\n\r\n" % len(hidden) + hidden
        for piece in (sent,) if pieces == 1 else (sent[:40], sent[40 : -len(hidden)], hidden):
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.05)
        if fields != "closing":
            writer.write(HEALTH.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        async with asyncio.timeout(60):
            answer = await reader.read()
        writer.close()
        assert answer.startswith(b"HTTP/1.1 202 " if pieces == 3 else b"HTTP/1.1 400 ")
        assert answer.count(b"HTTP/1.1 ") == 1 + (fields != "closing")
        assert b"/topics/hidden" not in answer


async def test_a_tunnel_is_refused(data: Path) -> None:
    async with served(data, workers=0) as (_, http):
        reader, writer = await asyncio.open_connection("127.0.0.1", _port(http.base_url))
        writer.write(b"CONNECT /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" + HEALTH)
        async with asyncio.timeout(60):
            answer = await reader.read()
        writer.close()
        assert answer.startswith(b"HTTP/1.1 400 ")
        assert answer.count(b"HTTP/1.1 ") == 1
