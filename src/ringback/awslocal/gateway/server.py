"""HTTP/1.1 for a gateway: whole requests in, whole answers out, and connections that become
WebSockets.

API Gateway buffers both ways, so nothing streams here. Spelling and order of headers stay as they
came: events show them.
"""

from __future__ import annotations

import asyncio
import http
import ipaddress
import logging
import os
import ssl
from collections import deque
from collections.abc import Awaitable
from email.utils import formatdate
from typing import Protocol, TypeVar, cast

import httptools

from ringback.awslocal.gateway.limits import Limits
from ringback.awslocal.gateway.messages import Request, Response, told
from ringback.errors import ConfigurationError

MOST_HEAD = 128 * 1024
"""Bytes of a head beyond which nobody waits for its end."""
DRAINED = 4
"""How many times over a body may be too long and still be read to its end: an answer that meets a
client still sending is often lost."""

log = logging.getLogger("ringback.aws.gateway")

_Answer = TypeVar("_Answer")


class Site(Protocol):
    """What is served at one address."""

    limits: Limits
    sockets: bool
    """Whether an upgrade to WebSocket is for it."""

    async def answer(self, request: Request) -> Response: ...

    async def open(self, request: Request) -> Response | asyncio.Protocol:
        """Answer a handshake: with a refusal, or with who goes on with the connection (and has
        still to write the 101)."""
        ...

    async def close(self) -> None:
        """End what is open."""
        ...


class Server:
    """Listens for one site, on loopback only."""

    def __init__(
        self,
        site: Site,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.site = site
        self.host = host
        self.port = port
        """Zero until ``start`` has chosen one."""
        self.tls = tls
        self._server: asyncio.Server | None = None
        self.connections: set[Connection] = set()

    async def start(self) -> None:
        """Raises ``ConfigurationError`` if the address cannot be had, or others could reach it."""
        if self.host != "localhost" and not _is_loopback(self.host):
            raise ConfigurationError(
                f"The local gateway does not listen on {self.host}: it runs functions for whoever "
                "asks, with credentials that are public. Use 127.0.0.1."
            )
        try:
            self._server = await asyncio.get_running_loop().create_server(
                lambda: Connection(self), self.host, self.port, ssl=self.tls, backlog=1024
            )
        except OSError as error:
            raise ConfigurationError(
                f"Port {self.port} of {self.host} cannot be listened on "
                f"({os.strerror(error.errno or 0)}). Choose another (0: any free one)."
            ) from None
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Take no more connections, and end those that are open."""
        if self._server is not None:
            self._server.close()
        await self.site.close()
        for connection in list(self.connections):
            connection.end()


class Connection(asyncio.Protocol):
    """One connection: requests in turn, each answered before the next is looked at."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._site = server.site
        self._transport: asyncio.Transport
        self._parser = httptools.HttpRequestParser(self)
        self._waiting: deque[tuple[Request, bool, Response | None]] = deque()
        """Requests, whether the connection goes on behind each, and the refusal if it is one."""
        self._task: asyncio.Task[None] | None = None
        self._handshake: tuple[Request, bytes] | None = None
        self._begin()

    def _begin(self) -> None:
        self._target = b""
        self._headers: list[tuple[str, str]] = []
        self._body = bytearray()
        self._size = 0
        """Bytes of the body that came, kept or not."""
        self._head = 0
        self._in_head = True

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._server.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._server.connections.discard(self)

    def data_received(self, data: bytes) -> None:
        while data and not self._transport.is_closing():
            data = self._feed(data)

    def _feed(self, data: bytes) -> bytes:
        """Returns what is to be fed next."""
        if self._in_head:
            self._head += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            rest = data[upgrade.args[0] :]
            if not self._is_handshake():
                return self._stay(rest)
            self._handshake = (self._request(), rest)
            self._go_on()
        except httptools.HttpParserError:
            self._refuse(told(400, "Bad Request"))
        else:
            if self._in_head and self._head > MOST_HEAD:
                self._refuse(told(431, "Request Header Fields Too Large"))
        return b""

    # httptools

    def on_url(self, url: bytes) -> None:
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name.decode("latin-1"), value.decode("latin-1")))

    def on_headers_complete(self) -> None:
        self._in_head = False
        expects = any(
            name.lower() == "expect" and value.lower() == "100-continue"
            for name, value in self._headers
        )
        if expects and self._task is None and not self._waiting:
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        self._size += len(body)
        most = self._site.limits.http_body
        if self._size <= most:
            self._body += body
        elif self._size > DRAINED * most:
            self._refuse(told(413, "Request Entity Too Large"))

    def on_message_complete(self) -> None:
        if self._parser.should_upgrade():
            return  # feed_data tells by its exception what is behind the head
        refusal = None
        if self._size > self._site.limits.http_body:
            refusal = told(413, "Request Entity Too Large")
        self._waiting.append((self._request(), self._parser.should_keep_alive(), refusal))
        self._begin()
        self._go_on()

    # Ours

    def _is_handshake(self) -> bool:
        return self._site.sockets and any(
            name.lower() == "upgrade" and value.lower() == "websocket"
            for name, value in self._headers
        )

    def _stay(self, rest: bytes) -> bytes:
        """Begin a request anew that asks for an upgrade to something we do not speak, as HTTP/2:
        it is to be answered as if it did not ask, and may have a body. Returns its bytes."""
        method, version = self._parser.get_method(), self._parser.get_http_version()
        head = [method + b" " + self._target + b" HTTP/" + version.encode()]
        head += [
            f"{name}: {value}".encode("latin-1")
            for name, value in self._headers
            if name.lower() != "upgrade"
        ]
        self._parser = httptools.HttpRequestParser(self)
        self._begin()
        return b"\r\n".join([*head, b"", rest])

    def _request(self) -> Request:
        peer = self._transport.get_extra_info("peername")
        return Request(
            method=self._parser.get_method().decode("latin-1"),
            target=self._target.decode("latin-1"),
            headers=tuple(self._headers),
            body=bytes(self._body),
            version=self._parser.get_http_version(),
            peer=peer[0] if peer else "127.0.0.1",
            port=self._server.port,
            secure=self._server.tls is not None,
        )

    def _go_on(self) -> None:
        if self._task is None:
            # What comes meanwhile waits in the kernel, which tells the client to.
            self._transport.pause_reading()
            self._task = asyncio.get_running_loop().create_task(self._work())

    async def _work(self) -> None:
        goes_on = True
        while self._waiting and goes_on:
            request, goes_on, refusal = self._waiting.popleft()
            self._write(request, refusal or await self._answer(request), goes_on=goes_on)
        if not goes_on:
            self._transport.close()
        elif self._handshake is not None:
            await self._upgrade(*self._handshake)
        else:
            self._task = None
            if not self._transport.is_closing():
                self._transport.resume_reading()

    async def _upgrade(self, request: Request, rest: bytes) -> None:
        taker = await self._guarded(self._site.open(request))
        if isinstance(taker, Response):
            self._write(request, taker, goes_on=False)
            self._transport.close()
            return
        self._server.connections.discard(self)
        lost = self._transport.is_closing()
        self._transport.set_protocol(taker)
        taker.connection_made(self._transport)
        if lost:
            taker.connection_lost(None)
            return
        if rest:
            taker.data_received(rest)
        if not self._transport.is_closing():
            self._transport.resume_reading()

    async def _answer(self, request: Request) -> Response:
        return await self._guarded(self._site.answer(request))

    async def _guarded(self, answer: Awaitable[_Answer]) -> _Answer | Response:
        try:
            return await answer
        except Exception:
            log.exception("The gateway failed; this is a mistake of its own")
            return told(500, "Internal Server Error")

    def _write(self, request: Request, response: Response, *, goes_on: bool) -> None:
        if self._transport.is_closing():
            return
        try:
            phrase = http.HTTPStatus(response.status).phrase
        except ValueError:
            phrase = "Unknown"
        lines = [f"HTTP/1.1 {response.status} {phrase}", f"date: {formatdate(usegmt=True)}"]
        lines += [f"{name}: {value}" for name, value in response.headers if _is_clean(name, value)]
        if response.status != http.HTTPStatus.NO_CONTENT:
            lines.append(f"content-length: {len(response.body)}")
        if not goes_on:
            lines.append("connection: close")
        head = "\r\n".join(lines).encode("latin-1", "replace") + b"\r\n\r\n"
        bodiless = request.method == "HEAD" or response.status in (204, 304)
        self._transport.write(head if bodiless else head + response.body)

    def _refuse(self, response: Response) -> None:
        """An answer to something that is no whole request, and the end."""
        request = Request(method="GET", target="/", headers=())
        self._write(request, response, goes_on=False)
        self._transport.close()

    def end(self) -> None:
        if self._task is not None:
            self._task.cancel()
        self._transport.abort()


def _is_clean(name: str, value: str) -> bool:
    """What would break the head of an answer is left out of it."""
    return not any(each in name + value for each in "\r\n\0")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
