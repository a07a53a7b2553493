"""Streams of topics: connections that follow, raw where the server hands them over.

The body of a raw stream ends with its connection (RFC 9112 §6.3): without chunks around them, the
same bytes go to all streams.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import sys
from collections.abc import Callable, Coroutine
from email.utils import formatdate
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from ringback.core.access import Claims
from ringback.core.model import Message
from ringback.edges.cors import answer_fields
from ringback.edges.followers import CLOSE_WITHIN, Connection, Queued, Raw
from ringback.edges.handover import offered
from ringback.edges.http.message import Headers, Request, Send
from ringback.edges.http.subscription import Followed, Subscription
from ringback.edges.http.topic_events import EVENTS, Beginning, Events, PackedEvents, mark
from ringback.edges.http.topic_operations import OperationStreams
from ringback.edges.places import TICK, Keeper, Places
from ringback.errors import CapacityError, StoreUnavailable
from ringback.hub import Hub
from ringback.service import Service
from ringback.wire import sse

RECONNECT = 2.0
"""Seconds an EventSource waits before it comes back."""
SPREAD = 3.0
"""Seconds over which those come back that all lost their streams for one cause."""
HEADERS: Headers = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),  # nginx would hold the events back
]

log = logging.getLogger("ringback.http")


class Streaming:
    """What the streams of one process share."""

    def __init__(self, service: Service, hub: Hub, keeper: Keeper, places: Places) -> None:
        self.service = service
        self.hub = hub
        self.keeper = keeper
        self.places = places
        self.topics = service.publisher.topics
        self.operations = OperationStreams(service, hub)

    async def run(self, request: Request, send: Send, wanted: Subscription) -> None:
        """Answer with a stream, for as long as it lasts or until the server has no part in it."""
        if self.hub.closing:
            raise CapacityError("The server is being stopped; come back to the next.")
        if request.method == "HEAD":
            await _start(request, send)
            await send({"type": "http.response.body", "body": b""})
            return
        await self.hub.start()
        client = request.scope.get("client")
        address = sys.intern(client[0]) if client else None
        handover = offered(request.scope)
        kind: type[_RawStream | _QueuedStream] = _QueuedStream if handover is None else _RawStream
        self.places.take(address, wanted.claims.subject)
        stream = kind(self, wanted, address)
        if isinstance(stream, _QueuedStream):
            await stream.serve(request, send, wanted)
        elif handover is not None:
            request.answered = True
            origins = self.service.settings.cors_origins
            head = _head(answer_fields(request.header(b"origin"), origins))
            if handover.take(stream, head + stream.opening(wanted)):
                stream.begin(request, wanted)
            else:
                stream.give_back()


class _Stream(Connection):
    """What raw and queued streams have in common."""

    if not TYPE_CHECKING:  # the slots are the subclasses': two bases cannot both have some
        __slots__ = ()

    address: str | None
    all: Streaming
    claims: Claims
    expires_at: float | None
    expiry: asyncio.TimerHandle | None
    format: Events
    jobs: set[asyncio.Task[None]] | None
    level: bool

    def prepare(self, streaming: Streaming, wanted: Subscription, address: str | None) -> None:
        """Before anything is sent."""
        self.all = streaming
        self.address = address
        self.subject = wanted.claims.subject
        self.claims = wanted.claims
        self.expires_at = wanted.expires_at
        self.expiry = None
        self.jobs = None
        self.level = False

    def opening(self, wanted: Subscription) -> bytes:
        """What comes before the first event: where the stream begins, for whoever is cut before
        there is one.
        """
        opening = sse.retry(RECONNECT)
        if not wanted.begins:
            return opening + b"\n"
        if isinstance(self.format, PackedEvents):
            return opening + mark(self.format.id)
        return opening + mark(str(self._hub.position))

    def begin(self, request: Request, wanted: Subscription) -> None:
        """Follow what is wanted, once the keeper knows of the stream: it ends at once where the
        keeper told of its end before.
        """
        if self._hub.closing:
            self.farewell(RECONNECT)
        elif self.all.service.revocations.covers(self.claims):
            self.expire()
        else:
            self.follow(request, wanted)

    def follow(self, request: Request, wanted: Subscription) -> None:
        """Get what is wanted from now on."""
        retained = wanted.retains(self.all.topics)
        if wanted.begins and not retained:
            for filter, guard in wanted.filters.items():
                self._hub.attach(self, filter, guard)
            self.level = True
        elif wanted.filters:
            self._begin(self._join(wanted, retained))
        else:
            self.level = True
        if wanted.forgotten:
            self.write(self.format.lost(wanted.forgotten))
        for each in wanted.operations:
            self._begin(self._follow_operation(request, each))
        self._look_at_expiry()

    def _begin(self, job: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(job)
        self.jobs = self.jobs or set()
        self.jobs.add(task)
        task.add_done_callback(self.jobs.discard)

    async def _join(self, wanted: Subscription, retained: bool) -> None:
        position = self._hub.position
        format: Events | None = None
        if retained and not isinstance(self.format, PackedEvents):
            format = Beginning(position)
        try:
            await self._hub.join_all(
                self,
                wanted.filters,
                position if wanted.begins else wanted.after,
                retained=retained,
                room=self.room,
                limit=self.all.service.settings.max_replay,
                format=format,
            )
        except Exception as error:
            self._interrupt(error)
        else:
            self.level = True

    async def _follow_operation(self, request: Request, followed: Followed) -> None:
        try:
            if await self.all.operations.follow(self, request, followed):
                self.expire()
        except Exception as error:
            self._interrupt(error)

    def _interrupt(self, error: Exception) -> None:
        """Nothing more can be read for now: let the client come back for the rest."""
        if isinstance(error, StoreUnavailable):
            log.warning("A stream is ended: %s", error)
        else:
            log.error("A stream failed.", exc_info=error)
        self.finish(_come_back())

    # What ends it

    def tick(self, now: float) -> None:
        if not self.congested:
            self.put(self.format.heartbeat(self._hub.position) if self.level else sse.COMMENT)
        self._look_at_expiry()

    def _look_at_expiry(self) -> None:
        if self.expires_at is None or self.expiry is not None:
            return
        left = self.expires_at - self.all.service.clock()
        if left < TICK:
            self.expiry = asyncio.get_running_loop().call_later(max(left, 0.0), self._expired)

    def _expired(self) -> None:
        self.expiry = None
        if self.expires_at is not None and self.all.service.clock() < self.expires_at:
            self._look_at_expiry()  # the clock was set back
        else:
            self.expire()

    def expire(self) -> None:
        """What a token allowed ends with it; a client that comes back is told."""
        self.finish(sse.retry(RECONNECT) + b"\n")

    def overflow(self) -> None:
        """The client does not read fast enough: what it has missed, it gets when it is back."""
        log.debug("A stream that was not read fast enough is cut.")
        self.finish(_come_back())

    def farewell(self, reconnect_after: float) -> None:
        self.finish(sse.retry(reconnect_after) + b"\n")

    def revoked(self, covers: Callable[[Claims], bool]) -> None:
        if covers(self.claims):
            self.expire()

    def takes(self, message: Message) -> bool:
        return not message.private or self.all.topics.grants(self.claims, message.topic)

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

    def give_back(self) -> None:
        """Give its place back."""
        self.all.places.leave(self.address, self.subject)


_SLOTS = ("address", "all", "claims", "expires_at", "expiry", "jobs", "level")


class _RawStream(Raw, _Stream):
    """A stream that owns its connection."""

    __slots__ = _SLOTS

    def __init__(self, streaming: Streaming, wanted: Subscription, address: str | None) -> None:
        budget = streaming.service.settings.send_buffer
        super().__init__(streaming.hub, streaming.keeper, _format(streaming, wanted), budget)
        self.prepare(streaming, wanted, address)

    def finish(self, last: bytes) -> None:
        self.stop()
        self.end(last)

    def gone(self) -> None:
        self.stop()
        self.give_back()


class _QueuedStream(Queued, _Stream):
    """A stream behind an ASGI server."""

    __slots__ = (*_SLOTS, "_client_send", "_cut", "_serving")

    def __init__(self, streaming: Streaming, wanted: Subscription, address: str | None) -> None:
        budget = streaming.service.settings.send_buffer
        super().__init__(streaming.hub, streaming.keeper, _format(streaming, wanted), budget)
        self.prepare(streaming, wanted, address)
        self._cut: asyncio.TimerHandle | None = None
        self._serving: asyncio.Task[None] | None = None

    async def serve(self, request: Request, send: Send, wanted: Subscription) -> None:
        """Send until the stream has ended, or the client has gone."""
        self._client_send = send
        watching = asyncio.ensure_future(_until_gone(request))
        try:
            await _start(request, send)
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


def _format(streaming: Streaming, wanted: Subscription) -> Events:
    if not wanted.operations:
        return EVENTS
    position = streaming.hub.position if wanted.begins else wanted.after
    format = PackedEvents(position, retained=wanted.retains(streaming.topics))
    for each in wanted.operations:
        if each.after is not None:
            format.operations[each.state.topic] = each.after
    return format


def _come_back() -> bytes:
    return sse.retry(RECONNECT + random.uniform(0.0, SPREAD)) + b"\n"  # noqa: S311 - no secret


async def _start(request: Request, send: Send) -> None:
    request.answered = True
    await send({"type": "http.response.start", "status": HTTPStatus.OK, "headers": list(HEADERS)})


async def _until_gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass  # a body that nobody asked for


def _head(more: Headers) -> bytes:
    """The head of the answer, as a server would write it."""
    date = (b"date", formatdate(usegmt=True).encode())  # RFC 9110 §6.6.1
    fields = [date, *HEADERS, *more, (b"connection", b"close")]
    return b"HTTP/1.1 200 OK\r\n%b\r\n" % b"".join(b"%b: %b\r\n" % field for field in fields)
