"""Event streams: what those of ``GET /topics`` and of Mercure have in common.

A stream that owns its connection sends each event as a chunk (RFC 9112 §7.1), the same bytes to
all. Without chunks, the body would end with the connection, and clients that read such a body in
blocks would hold events back until a block is full: those of Python's requests do. HTTP/1.0 knows
no chunks, and there it does.

What a stream brings, and how its events look, is its edge's.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import sys
from collections.abc import Callable, Coroutine, Sequence
from email.utils import formatdate
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol, TypeVar

from ringback.core.access import Claims
from ringback.core.model import Message, Position
from ringback.edges.cors import answer_fields
from ringback.edges.followers import CLOSE_WITHIN, Connection, Queued, Raw
from ringback.edges.handover import offered
from ringback.edges.http.message import Headers, Request, Send
from ringback.edges.places import TICK, Keeper, Places
from ringback.errors import CapacityError, StoreUnavailable
from ringback.hub import Format, Hub
from ringback.ids import Clock
from ringback.service.revocations import Revoked
from ringback.settings import Settings
from ringback.wire import sse

SPREAD = 3.0
"""Seconds over which those come back that all lost their streams for one cause."""
LAST_CHUNK = b"0\r\n\r\n"
HEADERS: Headers = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),  # nginx would hold the events back
]

log = logging.getLogger("ringback.streams")


def chunk(data: bytes) -> bytes:
    """Data as a chunk; there is some."""
    return b"%x\r\n%b\r\n" % (len(data), data)


class Chunks:
    """A format in chunks. Streams share their frames if they share one of these."""

    __slots__ = ("whole",)

    def __init__(self, whole: Format) -> None:
        self.whole = whole

    def message(self, message: Message) -> bytes:
        return chunk(self.whole.message(message))

    def gap(self, topics: Sequence[str], position: Position) -> bytes:
        return chunk(self.whole.gap(topics, position))


class Wanted(Protocol):
    """What one stream is to bring, as far as all streams need to know."""

    @property
    def claims(self) -> Claims: ...

    @property
    def expires_at(self) -> float | None:
        """When what allows it is over."""


W = TypeVar("W", bound=Wanted)


class Streams(Generic[W]):
    """Opens the streams of one process. A subclass says of which kind."""

    raw: type[RawStream[W]]
    queued: type[QueuedStream[W]]

    def __init__(
        self,
        settings: Settings,
        hub: Hub,
        clock: Clock,
        keeper: Keeper,
        places: Places,
        covers: Revoked,
    ) -> None:
        """``covers``: whether claims were revoked."""
        self.settings = settings
        self.hub = hub
        self.clock = clock
        self.keeper = keeper
        self.places = places
        self.covers = covers

    def format(self, wanted: W, *, chunked: bool) -> Format:
        """How the events look; the same object wherever they look the same."""
        raise NotImplementedError

    async def run(self, request: Request, send: Send, wanted: W, headers: Headers) -> None:
        """Answer with a stream, for as long as it lasts or until the server has no part in it."""
        if self.hub.closing:
            raise CapacityError("The server is being stopped; come back to the next.")
        if request.method == "HEAD":
            await _start(request, send, headers)
            await send({"type": "http.response.body", "body": b""})
            return
        await self.hub.start()
        client = request.scope.get("client")
        address = sys.intern(client[0]) if client else None
        self.places.take(address, wanted.claims.subject)
        handover = offered(request.scope)
        if handover is None:
            queued = self.queued(self, address, wanted, chunked=False)
            await queued.serve(request, send, wanted, headers)
            return
        chunked = request.scope["http_version"] == "1.1"
        stream = self.raw(self, address, wanted, chunked=chunked)
        taken = False
        try:
            stream.come(wanted)
            request.answered = True
            origins = self.settings.cors_origins
            fields = [*headers, *answer_fields(request.header(b"origin"), origins)]
            opening = stream.framed(stream.opening(wanted))
            taken = handover.take(stream, _head(fields, chunked=chunked) + opening)
        finally:
            if not taken:
                stream.give_back()
        try:
            if taken:
                stream.begin(request, wanted)
        except BaseException:
            stream.transport.abort()  # or it would be held open, and get nothing
            raise


class Stream(Connection, Generic[W]):
    """What raw and queued streams have in common. A subclass brings what is wanted."""

    if not TYPE_CHECKING:  # the slots are the subclasses': two bases cannot both have some
        __slots__ = ()

    reconnect: ClassVar[float]
    """Seconds after which a client comes back."""

    address: str | None
    all: Streams[W]
    claims: Claims
    expires_at: float | None
    expiry: asyncio.TimerHandle | None
    jobs: set[asyncio.Task[None]] | None

    def prepare(self, streams: Streams[W], address: str | None, wanted: W) -> None:
        """Before anything is sent."""
        self.all = streams
        self.address = address
        self.claims = wanted.claims
        self.subject = wanted.claims.subject
        self.expires_at = wanted.expires_at
        self.expiry = None
        self.jobs = None

    # What a subclass does

    def come(self, wanted: W) -> None:
        """The place is taken: say so, to whoever is told."""

    def opening(self, wanted: W) -> bytes:
        """What comes before the first event."""
        raise NotImplementedError

    def follow(self, request: Request, wanted: W) -> None:
        """Get what is wanted from now on."""
        raise NotImplementedError

    def heartbeat(self) -> bytes:
        """What keeps the connection alive."""
        return sse.COMMENT

    def give_back(self) -> None:
        """Give its place back."""
        self.all.places.leave(self.address, self.subject)

    # How it begins

    def begin(self, request: Request, wanted: W) -> None:
        """Follow what is wanted, once the keeper knows of the stream: it ends at once where the
        keeper told of its end before.
        """
        if self._hub.closing:
            self.farewell(self.reconnect)
        elif self.all.covers(self.claims):
            self.expire()
        else:
            self.follow(request, wanted)
            self._look_at_expiry()

    def work(self, job: Coroutine[Any, Any, None]) -> None:
        """Do something for it that takes its time; the stream ends if it fails."""
        task = asyncio.get_running_loop().create_task(job)
        self.jobs = self.jobs or set()
        self.jobs.add(task)
        task.add_done_callback(self._worked)

    def _worked(self, task: asyncio.Task[None]) -> None:
        if self.jobs is not None:
            self.jobs.discard(task)
            self.jobs = self.jobs or None  # an empty set for each stream would be memory
        error = None if task.cancelled() else task.exception()
        if isinstance(error, StoreUnavailable):
            log.warning("A stream is ended: %s", error)
        elif error is not None:
            log.error("A stream failed.", exc_info=error)
        if error is not None:
            self.come_back()

    # What is sent

    def framed(self, data: bytes) -> bytes:
        """Bytes of the stream as they are sent."""
        return chunk(data) if isinstance(self.format, Chunks) else data

    def say(self, data: bytes) -> None:
        """Send something to it alone."""
        self.write(self.framed(data))

    def tick(self, now: float) -> None:
        if not self.congested:
            self.say(self.heartbeat())
        self._look_at_expiry()

    # What ends it

    def _look_at_expiry(self) -> None:
        if self.expires_at is None or self.expiry is not None:
            return
        left = self.expires_at - self.all.clock()
        if left < TICK:
            self.expiry = asyncio.get_running_loop().call_later(max(left, 0.0), self._expired)

    def _expired(self) -> None:
        self.expiry = None
        if self.expires_at is not None and self.all.clock() < self.expires_at:
            self._look_at_expiry()  # the clock was set back
        else:
            self.expire()

    def expire(self) -> None:
        """What a token allowed ends with it; a client that comes back is told."""
        self.farewell(self.reconnect)

    def revoked(self, covers: Callable[[Claims], bool]) -> None:
        if covers(self.claims):
            self.expire()

    def overflow(self) -> None:
        """The client does not read fast enough: what it has missed, it gets when it is back."""
        log.debug("A stream that was not read fast enough is cut.")
        self.come_back()

    def come_back(self) -> None:
        """Nothing more for now: the client gets the rest when it is back."""
        self.farewell(self.reconnect + random.uniform(0.0, SPREAD))  # noqa: S311 - no secret

    def farewell(self, reconnect_after: float) -> None:
        self.finish(sse.retry(reconnect_after) + b"\n")

    def finish(self, last: bytes) -> None:
        """Send these bytes, and end."""
        raise NotImplementedError

    def stop(self) -> None:
        """Do no more for it."""
        for task in tuple(self.jobs or ()):
            if task is not asyncio.current_task():
                task.cancel()
        if self.expiry is not None:
            self.expiry.cancel()
        self.expires_at = None


_SLOTS = ("address", "all", "claims", "expires_at", "expiry", "jobs")


class RawStream(Raw, Stream[W]):
    """A stream that owns its connection."""

    __slots__ = _SLOTS

    def __init__(
        self, streams: Streams[W], address: str | None, wanted: W, *, chunked: bool
    ) -> None:
        format = streams.format(wanted, chunked=chunked)
        super().__init__(streams.hub, streams.keeper, format, streams.settings.send_buffer)
        self.prepare(streams, address, wanted)

    def finish(self, last: bytes) -> None:
        self.stop()
        end = LAST_CHUNK if isinstance(self.format, Chunks) else b""
        self.end(self.framed(last) + end)

    def gone(self) -> None:
        self.stop()
        self.give_back()


class QueuedStream(Queued, Stream[W]):
    """A stream behind an ASGI server."""

    __slots__ = (*_SLOTS, "_client_send", "_cut", "_serving")

    def __init__(
        self, streams: Streams[W], address: str | None, wanted: W, *, chunked: bool
    ) -> None:
        format = streams.format(wanted, chunked=chunked)
        super().__init__(streams.hub, streams.keeper, format, streams.settings.send_buffer)
        self.prepare(streams, address, wanted)
        self._cut: asyncio.TimerHandle | None = None
        self._serving: asyncio.Task[None] | None = None

    async def serve(self, request: Request, send: Send, wanted: W, headers: Headers) -> None:
        """Send until the stream has ended, or the client has gone."""
        self._client_send = send
        watching = asyncio.ensure_future(_until_gone(request))
        try:
            self.come(wanted)
            await _start(request, send, headers)
            self.keeper.add(self)
            self.put(self.opening(wanted))
            self._serving = asyncio.ensure_future(self.run())
            self.begin(request, wanted)
            await asyncio.wait({self._serving, watching}, return_when=asyncio.FIRST_COMPLETED)
            if self._serving.done() and not self._serving.cancelled():
                with contextlib.suppress(OSError):  # a server may raise it when the client went
                    self._serving.result()
                    await send({"type": "http.response.body", "body": b""})
        finally:
            self.stop()
            self._hub.leave(self)
            self.keeper.discard(self)  # which ``run`` does not where it was cancelled at once
            if self._cut is not None:
                self._cut.cancel()
            for task in (watching, self._serving):
                if task is not None:
                    task.cancel()
            self.give_back()

    async def send(self, data: bytes) -> None:
        await self._client_send({"type": "http.response.body", "body": data, "more_body": True})

    def finish(self, last: bytes) -> None:
        self.stop()
        self.put(last)
        self.end()
        if self._serving is not None and self._cut is None:
            loop = asyncio.get_running_loop()
            self._cut = loop.call_later(CLOSE_WITHIN, self._serving.cancel)


async def _start(request: Request, send: Send, headers: Headers) -> None:
    request.answered = True
    await send({"type": "http.response.start", "status": HTTPStatus.OK, "headers": list(headers)})


async def _until_gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass  # a body that nobody asked for


def _head(headers: Headers, *, chunked: bool) -> bytes:
    """The head of the answer, as a server would write it."""
    fields = [(b"date", formatdate(usegmt=True).encode()), *headers]  # RFC 9110 §6.6.1
    if chunked:
        fields.append((b"transfer-encoding", b"chunked"))
    fields.append((b"connection", b"close"))
    return b"HTTP/1.1 200 OK\r\n%b\r\n" % b"".join(b"%b: %b\r\n" % field for field in fields)
