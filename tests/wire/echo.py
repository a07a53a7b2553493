"""A WebSocket echo server over raw asyncio: the codec alone, for peers that put it to the test.

Nothing here is meant to be copied into an edge: it has no time-outs and no bounds but the codec's.
`python -m tests.wire.echo` says its address and serves until it is stopped.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import cast

from ringback.wire import deflate, handshake
from ringback.wire import websocket as ws

MAX_MESSAGE = 32 * 1024 * 1024
"""Bytes; Autobahn's largest message has 16 MiB."""
PROTOCOL = b"echo"


class Echo(asyncio.Protocol):
    """One connection."""

    def __init__(self, max_message: int) -> None:
        self._max_message = max_message
        self._head = b""
        self._decoder: ws.Decoder | None = None
        self._deflates = False
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        assert self._transport is not None
        if self._decoder is None:
            self._head += data
            head, end, data = self._head.partition(b"\r\n\r\n")
            if not end:
                return
            self._decoder = self._open(self._transport, head)
        if self._decoder is None:
            return
        try:
            self._reply(self._transport, self._decoder.feed(data))
        except ws.ProtocolError as error:
            self._reply(self._transport, error.events)
            self._transport.write(ws.close(error.code, error.reason))
            self._transport.close()

    def _open(self, transport: asyncio.Transport, head: bytes) -> ws.Decoder | None:
        first, *lines = head.split(b"\r\n")
        method, _, version = first.split(b" ")
        headers = [(name.lower(), value) for name, _, value in (x.partition(b":") for x in lines)]
        try:
            asked = handshake.check(method, version.decode().removeprefix("HTTP/"), headers)
        except handshake.Refused as refused:
            fields = b"".join(b"%s: %s\r\n" % field for field in refused.headers)
            body = refused.detail.encode()
            transport.write(
                b"HTTP/1.1 %d Refused\r\n%scontent-length: %d\r\nconnection: close\r\n\r\n%s"
                % (refused.status, fields, len(body), body)
            )
            transport.close()
            return None
        extension = deflate.choose(asked.extensions)
        self._deflates = extension is not None
        protocol = handshake.choose_protocol(asked.protocols, [PROTOCOL])
        transport.write(handshake.answer(asked.key, protocol=protocol, extension=extension))
        return ws.Decoder(max_message=self._max_message, deflate=self._deflates)

    def _reply(self, transport: asyncio.Transport, events: list[ws.Event]) -> None:
        for event in events:
            match event:
                case ws.Text(data) if self._deflates:
                    transport.write(ws.deflated(data))
                case ws.Text(data):
                    transport.write(ws.text(data))
                case ws.Binary(data) if self._deflates:
                    transport.write(ws.deflated(data, binary=True))
                case ws.Binary(data):
                    transport.write(ws.binary(data))
                case ws.Ping(data):
                    transport.write(ws.pong(data))
                case ws.Pong():
                    pass
                case ws.Close(code):
                    transport.write(ws.close(code))
                    transport.close()


@contextlib.asynccontextmanager
async def serving(*, max_message: int = MAX_MESSAGE) -> AsyncIterator[str]:
    """The server on a free port of the loopback; its address."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Echo(max_message), "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        yield f"ws://127.0.0.1:{port}"


async def main() -> None:
    async with serving() as address:
        print(address, flush=True)  # noqa: T201 - whoever started the program reads it
        await asyncio.Event().wait()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main())
