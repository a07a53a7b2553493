"""The bytes of event streams that own their connections: a chunk for each event (RFC 9112 §7.1)."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from urllib.parse import quote, urlsplit

import h11
import pytest
import requests

from ringback import Ringback
from tests.serving import serve, until

TOPICS = "/topics?filter=now/1"
MERCURE = f"/.well-known/mercure?topic={quote('now/1')}"
EDGES = pytest.mark.parametrize("target", [TOPICS, MERCURE], ids=["topics", "mercure"])
PATHS = pytest.mark.parametrize("path", ["raw", "queued"])


@contextlib.asynccontextmanager
async def served(data: Path, path: str = "raw") -> AsyncIterator[tuple[Ringback, str]]:
    app = Ringback("chunks", data=data, grace=1, mercure=True, mercure_anonymous=True)
    app.topic("now/{id}", durable=False, subscribe="anyone")
    app.topic("log/{id}", subscribe="anyone")
    options = {"http": "httptools"} if path == "queued" else {}
    async with serve(app, **options) as url:
        yield app, url


class Socket:
    """What comes on a connection, byte for byte."""

    def __init__(self, url: str, target: str, version: str = "1.1") -> None:
        self._at = urlsplit(url)
        self._request = (
            f"GET {target} HTTP/{version}\r\nHost: {self._at.netloc}\r\n"
            "Accept: text/event-stream\r\n\r\n"
        ).encode()
        self.data = b""
        self.ended = False

    async def __aenter__(self) -> Socket:
        self._reader, self._writer = await asyncio.open_connection(self._at.hostname, self._at.port)
        self._writer.write(self._request)
        self._reading = asyncio.ensure_future(self._read())
        await until(lambda: b"\r\n\r\n" in self.data)
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._reading.cancel()
        self._writer.transport.abort()

    async def _read(self) -> None:
        while data := await self._reader.read(65536):
            self.data += data
        self.ended = True

    @property
    def head(self) -> list[str]:
        return self.data.partition(b"\r\n\r\n")[0].decode().split("\r\n")

    @property
    def body(self) -> bytes:
        return self.data.partition(b"\r\n\r\n")[2]


def chunks(body: bytes) -> Iterator[bytes]:
    """The chunks of a whole body, read strictly: no extensions, no trailers."""
    while True:
        size, _, body = body.partition(b"\r\n")
        length = int(size, 16)
        assert body[length : length + 2] == b"\r\n"
        if not length:
            assert body == b"\r\n"
            return
        yield body[:length]
        body = body[length + 2 :]


def body_of(received: list[bytes]) -> tuple[bytes, bool]:
    """What a client makes of the bytes as they come, and whether they are whole."""
    reader, body = h11.Connection(h11.CLIENT), b""
    reader.send(h11.Request(method="GET", target="/", headers=[("Host", "x")]))
    reader.send(h11.EndOfMessage())
    for data in received:
        reader.receive_data(data)
        while (event := reader.next_event()) is not h11.NEED_DATA:
            if isinstance(event, h11.Data):
                body += event.data
            elif isinstance(event, h11.EndOfMessage):
                return body, True
    return body, False


@EDGES
async def test_each_event_is_a_chunk(data: Path, target: str) -> None:
    async with served(data) as (rb, url), Socket(url, target) as stream:
        assert "transfer-encoding: chunked" in stream.head
        assert "connection: close" in stream.head
        assert not any(line.startswith("content-length") for line in stream.head)
        await until(lambda: rb.started.hub.followers == 1)
        # Of one turn of the event loop: they leave together.
        await asyncio.gather(*(rb.publish("now/1", number) for number in range(3)))
        await until(lambda: stream.body.count(b"data: ") == 3)
        rb.started.hub.close()
        await until(lambda: stream.ended)
        opening, *events, farewell = chunks(stream.body)
        assert opening.endswith(b"\n\n")
        assert len(events) == 3
        assert all(each.count(b"data: ") == 1 and each.endswith(b"\n\n") for each in events)
        assert farewell.startswith(b"retry: ")
        whole = b"".join([opening, *events, farewell])
        for cut in range(len(stream.data)):
            parts = [stream.data[:cut], stream.data[cut:]]
            assert body_of([part for part in parts if part]) == (whole, True)
        one_by_one = [stream.data[at : at + 1] for at in range(len(stream.data))]
        assert body_of(one_by_one) == (whole, True)


@pytest.mark.parametrize(
    "target",
    [
        "/topics?filter=log/1&after=earliest",
        "/.well-known/mercure?topic=log/1&last_event_id=earliest",
    ],
    ids=["topics", "mercure"],
)
async def test_what_is_of_the_past_comes_in_chunks_too(data: Path, target: str) -> None:
    async with served(data) as (rb, url):
        for number in range(3):
            await rb.publish("log/1", number)
        async with Socket(url, target) as stream:
            await until(lambda: stream.body.count(b"data: ") == 3)
            for connection in rb.started.http.keeper._all():
                connection.tick(0.0)
            rb.started.hub.close()
            await until(lambda: stream.ended)
        opening, *events, heartbeat, _farewell = chunks(stream.body)
        assert [each.count(b"data: ") for each in events] == [1, 1, 1]
        assert heartbeat.startswith(b":")
        assert b"data: " not in opening


@EDGES
async def test_http_1_0_knows_no_chunks(data: Path, target: str) -> None:
    async with served(data) as (rb, url), Socket(url, target, version="1.0") as stream:
        assert not any(line.startswith("transfer-encoding") for line in stream.head)
        assert "connection: close" in stream.head
        await until(lambda: rb.started.hub.followers == 1)
        await rb.publish("now/1", "a message")
        await until(lambda: b'"a message"' in stream.body)
        rb.started.hub.close()
        await until(lambda: stream.ended)
        *events, end = stream.body.split(b"\n\n")
        assert end == b""
        lines = [line for event in events for line in event.split(b"\n")]
        assert {line.partition(b":")[0] for line in lines} <= {b"", b"id", b"data", b"retry"}


def by_requests(url: str) -> Iterator[bytes]:
    """Reads blocks of 512 bytes of what is not in chunks, as far as it is let."""
    accept = {"Accept": "text/event-stream"}
    with requests.get(url, headers=accept, stream=True, timeout=60) as answer:
        yield from answer.iter_lines()


def by_http_client(url: str) -> Iterator[bytes]:
    at = urlsplit(url)
    connection = http.client.HTTPConnection(at.netloc, timeout=60)
    connection.request("GET", f"{at.path}?{at.query}", headers={"Accept": "text/event-stream"})
    with contextlib.closing(connection), connection.getresponse() as answer:
        assert answer.getheader("Transfer-Encoding") == "chunked"
        while data := answer.read1():
            yield data


@PATHS
@EDGES
@pytest.mark.parametrize("read", [by_requests, by_http_client])
async def test_a_client_that_blocks_gets_an_event_at_once(
    data: Path, path: str, target: str, read: Callable[[str], Iterator[bytes]]
) -> None:
    """While the stream stays open: nothing has to fill up first."""
    got: list[bytes] = []

    def follow() -> None:
        for piece in read(url + target):
            got.append(piece)

    async with served(data, path) as (rb, url):
        following = asyncio.create_task(asyncio.to_thread(follow))
        await until(lambda: following.done() or rb.started.hub.followers == 1)
        for number in range(2):
            await rb.publish("now/1", f"message {number}")
            said = f"message {number}".encode()
            await until(lambda said=said: following.done() or any(said in each for each in got))
            assert not following.done()
        rb.started.hub.close()
        await following
