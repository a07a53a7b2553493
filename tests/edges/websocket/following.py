"""A client as docs/protocol.md describes it: it comes back, resumes, and keeps what it had."""

import asyncio
import contextlib
import json
import random
from typing import Any

import websockets
from websockets.asyncio.client import ClientConnection, connect

from ringback.core.filters import parse
from ringback.wire.channel_client import (
    Bye,
    Current,
    End,
    Gap,
    Message,
    Refusal,
    Reply,
    Resume,
    decode,
)
from ringback.wire.close_codes import may_reconnect


class Follower:
    """A client as the protocol describes it, with a connection that is cut now and then."""

    def __init__(self, url: str, filters: list[str], compression: str | None = "deflate") -> None:
        self.compression = compression
        self.url = url
        self.filters = filters
        self.resume = Resume()
        self.had: dict[str, list[Any]] = {filter: [] for filter in filters}
        self.began: set[str] = set()
        self.gaps = 0
        self.byes: list[float] = []
        self.cuts = 0
        self.codes: set[int | None] = set()
        self.connection: ClientConnection | None = None
        self.reads = asyncio.Event()
        """Cleared, it reads no more, and the connection fills up."""
        self.reads.set()

    async def run(self) -> None:
        """Follow until cancelled."""
        while True:
            with contextlib.suppress(OSError, websockets.WebSocketException):
                async with connect(
                    self.url, max_size=None, close_timeout=1, compression=self.compression
                ) as connection:
                    self.connection = connection
                    await self._follow(connection)
            if self.connection is not None:
                code = self.connection.close_code
                self.codes.add(code)
                assert code is None or may_reconnect(code) or code == 1000
            self.resume.lost()
            self.cuts += 1
            await asyncio.sleep(0.01)

    async def _follow(self, connection: ClientConnection) -> None:
        live: set[str] = set()
        asked: dict[str, tuple[str, str | None]] = {}
        for number, filter in enumerate(random.sample(self.filters, len(self.filters))):
            after = self.resume.after(filter)
            if after is None:
                after = "earliest"
            asked[str(number)] = (filter, after)
            await connection.send(
                json.dumps(
                    {"action": "subscribe", "id": str(number), "filter": filter, "after": after}
                )
            )
        async for text in connection:
            await self.reads.wait()
            received = decode(text)
            match received:
                case Reply(id=own):
                    filter, after = asked[own]
                    position = json.loads(bytes(received.result))["position"]
                    self.resume.subscribed(filter, after, position)
                    continue
                case Refusal() | End():
                    raise AssertionError(text)
                case None:
                    continue
            new = self.resume.take(received)
            match received:
                case Current(filter=filter):
                    live.add(filter)
                case Gap():
                    self.gaps += 1
                case Bye():
                    self.byes.append(received.reconnect_after)
                case Message() if new:
                    told = [received.filter] if received.filter else sorted(live)
                    for filter in told:
                        if parse(filter).matches(received.topic):
                            self.had[filter].append(json.loads(bytes(received.data)))

    def cut(self) -> None:
        if self.connection is not None:
            self.connection.transport.abort()
