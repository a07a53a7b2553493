"""HTTP/1.1 as the gateway speaks it, byte by byte."""

import asyncio
import base64
import json
import os
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ringback.awslocal.gateway import Limits, Server
from ringback.awslocal.gateway.messages import Request, Response
from ringback.errors import ConfigurationError
from tests.awslocal.gateway.functions import PATIENCE, Functions, Stand, route


def echo(event: dict[str, Any]) -> dict[str, Any]:
    body = event.get("body", "")
    if event["isBase64Encoded"]:
        body = base64.b64decode(body).decode("latin-1")
    return {"statusCode": 200, "body": f"{event['requestContext']['http']['method']} {body}"}


async def talk(base: str, *pieces: bytes) -> bytes:
    """Everything a server says to these bytes, until it hangs up."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(base.rpartition(":")[2]))
    try:
        async with asyncio.timeout(PATIENCE):
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0)
            return await reader.read()
    finally:
        writer.close()


@pytest.fixture
async def base(stand: Stand) -> str:
    return await stand.http(Functions(fn=echo), route("$default"), limits=Limits(http_body=1000))


LAST = b"GET /last HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


async def test_requests_in_a_row_are_answered_in_turn(base: str) -> None:
    post = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\none"
    chunked = (
        b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"2\r\ntw\r\n1\r\no\r\n0\r\n\r\n"
    )
    whole = post + chunked + LAST
    said = await talk(base, whole)
    assert said.count(b"HTTP/1.1 200 OK") == 3
    assert said.index(b"POST one") < said.index(b"POST two") < said.index(b"GET ")
    pieces = [whole[at : at + 1] for at in range(len(whole))]
    assert (await talk(base, *pieces)).count(b"HTTP/1.1 200 OK") == 3


async def test_head_has_no_body(base: str, client: httpx.AsyncClient) -> None:
    answer = await client.head(base)
    assert answer.headers["content-length"] == "5"
    assert answer.content == b""


async def test_a_client_may_wait_until_its_body_is_wanted(base: str) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", int(base.rpartition(":")[2]))
    async with asyncio.timeout(PATIENCE):
        writer.write(
            b"POST / HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n"
            b"Content-Length: 2\r\n\r\n"
        )
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(b"hi")
        assert b"200 OK" in await reader.readuntil(b"\r\n\r\n")
    writer.close()


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"nonsense\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nbad header\r\n\r\n", b"400"),
        (b"GET /" + b"x" * 200_000, b"431"),
        (b"GET / HTTP/1.1\r\nA: " + b"x" * 200_000, b"431"),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nA: " + b"x" * 11_000 + b"\r\n\r\n" + LAST, b"431"),
        (b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1001\r\n\r\n" + b"x" * 1001 + LAST,
         b"413"),
        (b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 999999\r\n\r\n" + b"x" * 9999,
         b"413"),
    ],
)  # fmt: skip
async def test_refuses(base: str, sent: bytes, status: bytes) -> None:
    assert (await talk(base, sent)).startswith(b"HTTP/1.1 " + status)


async def test_an_upgrade_to_something_else_is_no_matter(base: str) -> None:
    said = await talk(
        base,
        b"POST / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n"
        b"Content-Length: 3\r\n\r\none"
        b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
        + LAST,
    )
    assert b"400" not in said
    assert said.count(b"HTTP/1.1 200 OK") == 3
    assert b"POST one" in said


async def test_what_would_break_the_head_of_an_answer_is_left_out(
    stand: Stand, client: httpx.AsyncClient
) -> None:
    payload = {"statusCode": 200, "headers": {"x-bad": "a\r\nx-evil: 1", "x-good": "2"}}
    base = await stand.http(Functions(fn=lambda _: payload), route("GET /"))
    answer = await client.get(base)
    assert "x-evil" not in answer.headers
    assert "x-bad" not in answer.headers
    assert answer.headers["x-good"] == "2"


async def test_a_mistake_of_ours_is_an_answer_too(stand: Stand, client: httpx.AsyncClient) -> None:
    class Broken:
        limits = Limits()
        sockets = True

        async def answer(self, request: Request) -> Response:
            raise ZeroDivisionError

        async def open(self, request: Request) -> Response:
            raise ZeroDivisionError

        async def close(self) -> None: ...

    server = await stand.serve(Broken())
    answer = await client.get(f"http://127.0.0.1:{server.port}")
    assert (answer.status_code, answer.json()) == (500, {"message": "Internal Server Error"})


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "example.com"])
async def test_listens_for_this_machine_alone(host: str) -> None:
    with pytest.raises(ConfigurationError, match=r"127\.0\.0\.1"):
        await Server(Quiet(), host=host).start()


async def test_a_port_that_is_taken(stand: Stand) -> None:
    first = await stand.serve(Quiet())
    with pytest.raises(ConfigurationError, match="another"):
        await Server(Quiet(), port=first.port).start()


class Quiet:
    limits = Limits()
    sockets = True

    async def answer(self, request: Request) -> Response:
        return Response(status=200, body=json.dumps(len(request.body)).encode())

    async def open(self, request: Request) -> Response:
        return Response(status=403)

    async def close(self) -> None: ...


PARTS = st.sampled_from(
    [
        b"GET / HTTP/1.1\r\n", b"POST /x?y HTTP/1.1\r\n", b"Host: localhost\r\n", b"\r\n",
        b"Content-Length: 3\r\n", b"Transfer-Encoding: chunked\r\n", b"Expect: 100-continue\r\n",
        b"Connection: Upgrade\r\n", b"Upgrade: websocket\r\n", b"Connection: close\r\n",
        b"3\r\nabc\r\n", b"0\r\n\r\n", b"abc",
    ]
)  # fmt: skip


class Wire(asyncio.Transport):
    """What a connection does with its transport."""

    def __init__(self) -> None:
        super().__init__()
        self.closed = False
        self.written = b""

    def write(self, data: Any) -> None:
        assert not self.closed
        self.written += data

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(PARTS | st.binary(max_size=20), max_size=12), st.integers(1, 50))
def test_no_bytes_confuse_it(parts: list[bytes], step: int) -> None:
    """Whatever comes, in whatever pieces, nothing is raised, and all that goes out are answers."""

    async def run() -> bytes:
        from ringback.awslocal.gateway.server import Connection

        connection, wire = Connection(Server(Quiet())), Wire()
        connection.connection_made(wire)
        data = b"".join(parts)
        for at in range(0, len(data), step):
            connection.data_received(data[at : at + step])
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        connection.connection_lost(None)
        return wire.written

    said = asyncio.run(run())
    assert said == b"" or said.startswith(b"HTTP/1.1 ")


async def test_chunks_of_any_size_carry_a_body_unchanged(
    stand: Stand, client: httpx.AsyncClient
) -> None:
    server = await stand.serve(Quiet())
    body = os.urandom(300_000)

    async def pieces() -> Any:
        for at in range(0, len(body), 50_000):
            yield body[at : at + 50_000]

    answer = await client.post(f"http://127.0.0.1:{server.port}", content=pieces())
    assert answer.json() == len(body)
