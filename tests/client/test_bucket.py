"""Files that go into a bucket, where the server names one."""

import asyncio
import io
import logging
from collections.abc import AsyncIterator

import httpx
import pytest

from ringback.client.bucket import put
from ringback.client.connection import Connection
from ringback.client.uploads import Sending


async def test_a_signature_is_for_the_bucket_alone(caplog: pytest.LogCaptureFixture) -> None:
    asked: list[str] = []

    async def bucket(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        asked.append(head.decode() + (await reader.readexactly(3)).decode())
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        writer.close()

    async def content() -> AsyncIterator[bytes]:
        yield b"abc"

    async with await asyncio.start_server(bucket, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        url = f"http://127.0.0.1:{port}/uploads/1/put?X-Amz-Signature=5ec2e7"
        for name in ("httpx", "httpcore"):
            caplog.set_level(logging.DEBUG, name)
        assert await put(url, content(), 3)
    (request,) = asked
    assert request.startswith("PUT /uploads/1/put?X-Amz-Signature=5ec2e7 ")
    assert request.endswith("\r\n\r\nabc")
    assert "/uploads/1/put" in caplog.text, "httpx says what it does"
    assert "5ec2e7" not in caplog.text


async def test_pieces_end_where_the_bucket_had_all_of_it() -> None:
    asked: list[tuple[str, int]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append((request.method, len(request.content)))
        if len(asked) == 1:
            return httpx.Response(413)
        if request.method == "GET":
            return httpx.Response(200, json={"offset": 0, "complete": False})
        return httpx.Response(202, json={"id": "1", "status": "running"})

    async with Connection("http://server.example") as connection:
        await connection._http.aclose()
        connection._http = httpx.AsyncClient(transport=httpx.MockTransport(answer))
        sending = Sending(connection, io.BytesIO(bytes(300_000)), None)
        found = await sending.send({"id": "1", "token": "t", "upload": {"offset": 0}})
    assert found["status"] == "running"
    assert asked == [("PATCH", 300_000), ("GET", 0), ("PATCH", 150_000)]
