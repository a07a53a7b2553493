"""A million messages, over every transport, with connections cut wherever it happens."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import msgspec
import pytest
from websockets.asyncio.client import connect

from tests.ports import free_port
from tests.serving import until

TOPICS = 10
UNACKNOWLEDGED = 256
"""Publishes under way at once."""
CUTS = 10
"""Times that each connection is cut, at least."""
ROOT = Path(__file__).resolve().parents[2]


class Data(msgspec.Struct):
    n: int


class Frame(msgspec.Struct):
    """What matters of a message, over WebSocket and in the data of an event."""

    type: str = ""
    position: str = ""
    data: Data | None = None


FRAMES = msgspec.json.Decoder(Frame)
BARE = msgspec.json.Decoder(Data)


class Subscriber:
    """Follows over one transport, is cut at random, and comes back with its position."""

    def __init__(self, name: str, port: int, seed: int, messages: int) -> None:
        self.name = name
        self.port = port
        self.messages = messages
        self.random = random.Random(seed)
        self.next = 0
        self.cuts = 0
        self.position = ""

    def take(self, number: int, position: str) -> None:
        assert number == self.next, f"{self.name}: {number} came where {self.next} was due"
        self.next += 1
        self.position = position

    async def run(self, follow: Callable[[Subscriber, int], AsyncIterator[None]]) -> None:
        while self.next < self.messages:
            left = self.random.randint(1, self.messages // CUTS)
            with contextlib.suppress(ConnectionError):
                async for _ in follow(self, left):
                    left -= 1
                    if left <= 0 or self.next >= self.messages:
                        break
            self.cuts += 1


async def over_websocket(subscriber: Subscriber, _: int) -> AsyncIterator[None]:
    url = f"ws://127.0.0.1:{subscriber.port}/ws"
    connection = await connect(url, subprotocols=["ringback.v1"], max_size=None, max_queue=None)  # type: ignore[list-item]
    try:
        after = {"after": subscriber.position or "earliest"}
        subscribe = {"action": "subscribe", "id": "s", "filter": "soak/+", **after}
        await connection.send(msgspec.json.encode(subscribe).decode())
        while True:
            frame = FRAMES.decode(await connection.recv(decode=False))
            assert frame.type not in ("gap", "error"), frame
            if frame.type == "message" and frame.data is not None:
                subscriber.take(frame.data.n, frame.position)
                yield
    finally:
        connection.transport.abort()


async def events(subscriber: Subscriber, path: str, *headers: str) -> AsyncIterator[dict[str, str]]:
    """Events of a stream, read without any library: what comes may end at any byte."""
    reader, writer = await asyncio.open_connection("127.0.0.1", subscriber.port, limit=2**20)
    try:
        head = "".join(f"{header}\r\n" for header in ("Accept: text/event-stream", *headers))
        writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{head}\r\n".encode())
        status = await reader.readuntil(b"\r\n\r\n")
        assert status.startswith(b"HTTP/1.1 200"), status
        event: dict[str, str] = {}
        while line := await reader.readline():
            name, _, value = line.decode().rstrip("\n").partition(":")
            if name:
                event[name] = value.removeprefix(" ")
            elif event:
                yield event
                event = {}
        raise ConnectionResetError
    finally:
        writer.transport.abort()


async def over_sse(subscriber: Subscriber, _: int) -> AsyncIterator[None]:
    path = "/topics?filter=soak/%2B&after=earliest"
    last = f"Last-Event-ID: {subscriber.position}"
    async for event in events(subscriber, path, *([last] if subscriber.position else [])):
        assert event.get("event", "message") == "message", event
        if "data" in event:
            frame = FRAMES.decode(event["data"])
            assert frame.data is not None
            subscriber.take(frame.data.n, event["id"])
            yield


async def over_mercure(subscriber: Subscriber, _: int) -> AsyncIterator[None]:
    path = "/.well-known/mercure?topic=soak/%7Bn%7D"
    last = f"Last-Event-ID: {subscriber.position or 'earliest'}"
    async for event in events(subscriber, path, last):
        if "data" in event:
            subscriber.take(BARE.decode(event["data"]).n, event["id"])
            yield


@contextlib.asynccontextmanager
async def server(data: Path, guarded: bool) -> AsyncIterator[int]:
    port = free_port()
    command = ["-m", "ringback", "run", "tests.fanout.application:rb", "--workers", "0"]
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *command,
        *("--port", str(port), "--data", str(data)),
        cwd=ROOT,
        env={
            **os.environ,
            "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'src'}",
            **({"GUARDED": "1"} if guarded else {}),
        },
        stdout=asyncio.subprocess.DEVNULL,
    )
    try:

        async def listens() -> bool:
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                return True
            return False

        await until(listens)
        yield port
    finally:
        process.terminate()
        assert await asyncio.wait_for(process.wait(), 60) == 0


async def publish(port: int, messages: int) -> None:
    """All the messages, in order, over one connection."""
    url = f"ws://127.0.0.1:{port}/ws"
    async with connect(url, subprotocols=["ringback.v1"], max_queue=None) as connection:  # type: ignore[list-item]
        assert b"welcome" in await connection.recv(decode=False)
        room = asyncio.Semaphore(UNACKNOWLEDGED)

        async def acknowledge() -> None:
            for _ in range(messages):
                answer = await connection.recv(decode=False)
                assert b'"type":"reply"' in answer, answer
                room.release()

        acknowledging = asyncio.create_task(acknowledge())
        for number in range(messages):
            await room.acquire()
            await connection.send(
                f'{{"action":"publish","id":"p","topic":"soak/{number % TOPICS}",'
                f'"data":{{"n":{number}}}}}'
            )
        await acknowledging


@pytest.mark.timeout(1500)
@pytest.mark.parametrize(
    ("messages", "guarded"),
    [
        (15_000, False),
        (15_000, True),
        pytest.param(1_000_000, False, marks=pytest.mark.soak, id="million"),
    ],
)
async def test_every_message_comes_once_through_cut_connections(
    data: Path, messages: int, guarded: bool
) -> None:
    """In order, for each subscriber, over each transport; also where a predicate decides."""
    async with server(data, guarded) as port:
        transports = {"WebSocket": over_websocket, "SSE": over_sse, "Mercure": over_mercure}
        subscribers = [
            Subscriber(name, port, seed, messages) for seed, name in enumerate(transports)
        ]
        await asyncio.gather(
            publish(port, messages),
            *[each.run(transports[each.name]) for each in subscribers],
        )
        assert [each.next for each in subscribers] == [messages] * 3
        assert all(each.cuts >= CUTS for each in subscribers)
