"""Streams of updates: on a connection of their own where the server hands it over.

A stream that owns its connection sends each event as a chunk (RFC 9112 §7.1), the same bytes to
all. Without chunks, the body would end with the connection, and clients that read such a body in
blocks would hold events back until a block is full: those of Python's requests do.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import sys
from collections.abc import Callable, Mapping, Sequence
from email.utils import formatdate
from typing import TYPE_CHECKING

from ringback.core.access import Claims
from ringback.core.filters import Filter
from ringback.core.model import BEGINNING, Message, Position
from ringback.edges.cors import answer_fields
from ringback.edges.followers import CLOSE_WITHIN, Connection, Queued, Raw
from ringback.edges.handover import offered
from ringback.edges.http.message import Headers, Request, Send
from ringback.edges.places import TICK, Keeper, Places
from ringback.errors import StoreUnavailable
from ringback.hub import Guard, Hub
from ringback.ids import Clock
from ringback.service.revocations import Revoked
from ringback.settings import Settings
from ringback.wire import mercure, sse

RECONNECT = 1.0
"""Seconds after which a stream that is cut comes back."""
SPREAD = 3.0
"""Seconds over which those come back that all lost their streams for one cause."""

log = logging.getLogger("ringback.mercure")


class Updates:
    """The format of all streams."""

    def message(self, message: Message) -> bytes:
        return mercure.frame(message)

    def gap(self, topics: Sequence[str], position: Position) -> bytes:
        return mercure.gap(topics, position)


class Chunks(Updates):
    """The same in chunks."""

    def message(self, message: Message) -> bytes:
        return chunk(mercure.frame(message))

    def gap(self, topics: Sequence[str], position: Position) -> bytes:
        return chunk(mercure.gap(topics, position))


UPDATES, CHUNKS = Updates(), Chunks()
LAST_CHUNK = b"0\r\n\r\n"


def chunk(data: bytes) -> bytes:
    """Data as a chunk; there is some."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def _nothing() -> None:
    """What a stream is told of that nobody asks about."""


class Wanted:
    """What one stream is to bring."""

    __slots__ = (
        "after",
        "before",
        "begun",
        "claims",
        "ended",
        "filters",
        "lost",
        "replays",
        "takes",
    )

    def __init__(
        self,
        filters: Mapping[Filter, Guard | None],
        claims: Claims,
        takes: Callable[[Message], bool],
    ) -> None:
        self.filters = filters
        self.claims = claims
        self.takes = takes
        """Whether to bring a message that is ``particular``."""
        self.begun: Callable[[], None] = _nothing
        self.ended: Callable[[], None] = _nothing
        """To be called when the stream begins, and when it is over."""
        self.replays = False
        """Whether it begins with the past: what came ``after`` a position."""
        self.after: Position | None = None
        """None: from the oldest that is kept."""
        self.before = mercure.EARLIEST
        """The id before the first event, for one that replays."""
        self.lost = False
        """Whether nobody knows what came before: the cursor was none of ours."""


class Streaming:
    """Runs the streams of one process."""

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
        self.covers = covers
        self._places = places

    async def run(self, request: Request, send: Send, wanted: Wanted, headers: Headers) -> None:
        """Answer with a stream; returns when it is over, or the server has no part in it."""
        client = request.scope.get("client")
        address = sys.intern(client[0]) if client else None
        # HTTP/1.0 knows no chunks.
        handover = offered(request.scope) if request.scope["http_version"] == "1.1" else None
        self._places.take(address, wanted.claims.subject)
        left = _Once(lambda: self._leave(address, wanted))
        try:
            wanted.begun()
            if handover is None:
                await QueuedStream(self, wanted, left).serve(request, send, headers)
            else:
                request.answered = True
                stream = RawStream(self, wanted, left)
                origins = self.settings.cors_origins
                allowed = answer_fields(request.header(b"origin"), origins)
                if handover.take(stream, _head([*headers, *allowed]) + chunk(stream.opening())):
                    stream.begin()
                    return
        except BaseException:
            left()
            raise
        left()

    def _leave(self, address: str | None, wanted: Wanted) -> None:
        self._places.leave(address, wanted.claims.subject)
        wanted.ended()


class _Once:
    """Does it the first time it is called."""

    __slots__ = ("_act",)

    def __init__(self, act: Callable[[], None]) -> None:
        self._act: Callable[[], None] | None = act

    def __call__(self) -> None:
        act, self._act = self._act, None
        if act is not None:
            act()


class _Stream(Connection):
    """What both kinds have in common."""

    if not TYPE_CHECKING:  # the slots are the subclasses': two bases cannot both have some
        __slots__ = ()

    all: Streaming
    wanted: Wanted
    left: _Once
    expiry: asyncio.TimerHandle | None
    joining: asyncio.Task[None] | None

    def prepare(self, streaming: Streaming, wanted: Wanted, left: _Once) -> None:
        self.all = streaming
        self.wanted = wanted
        self.left = left
        self.subject = wanted.claims.subject
        self.expiry = None
        self.joining = None

    def takes(self, message: Message) -> bool:
        return self.wanted.takes(message)

    def opening(self) -> bytes:
        """What comes before the first event."""
        if not self.wanted.replays:
            return mercure.standing(self._hub.position)
        return mercure.gap((), BEGINNING) if self.wanted.lost else sse.COMMENT

    def begin(self) -> None:
        """Follow what is wanted, once the keeper knows of the stream: it ends at once where the
        keeper told of its end before.
        """
        if self._hub.closing:
            self.farewell(RECONNECT)
        elif self.all.covers(self.wanted.claims):
            self.finish(b"")
        else:
            self.follow()

    def follow(self) -> None:
        """Get what is wanted from now on."""
        wanted = self.wanted
        if wanted.replays:
            self.joining = asyncio.get_running_loop().create_task(self._join())
        else:
            for filter, guard in wanted.filters.items():
                self._hub.attach(self, filter, guard)
        self._look_at_expiry()

    async def _join(self) -> None:
        try:
            await self._hub.join_all(
                self,
                self.wanted.filters,
                self.wanted.after,
                room=self.room,
                limit=self.all.settings.max_replay,
            )
        except StoreUnavailable as error:
            log.warning("A stream is ended: %s", error)
            self.overflow()
        except Exception:
            log.exception("A stream failed.")
            self.overflow()

    def tick(self, now: float) -> None:
        if not self.congested:
            self.put(self.framed(sse.COMMENT))
        self._look_at_expiry()

    def _look_at_expiry(self) -> None:
        expires_at = self.wanted.claims.expires_at
        if expires_at is None or self.expiry is not None:
            return
        left = expires_at - self.all.clock()
        if left < TICK:
            self.expiry = asyncio.get_running_loop().call_later(max(left, 0.0), self._expired)

    def _expired(self) -> None:
        self.expiry = None
        expires_at = self.wanted.claims.expires_at
        if expires_at is not None and self.all.clock() < expires_at:
            self._look_at_expiry()  # the clock was set back
        else:
            self.finish(b"")

    def overflow(self) -> None:
        """Nothing more for now: what was missed, a client gets when it is back."""
        self.finish(sse.retry(RECONNECT + random.uniform(0.0, SPREAD)) + b"\n")  # noqa: S311 - no secret

    def farewell(self, reconnect_after: float) -> None:
        self.finish(sse.retry(reconnect_after) + b"\n")

    def revoked(self, covers: Callable[[Claims], bool]) -> None:
        if covers(self.wanted.claims):
            self.finish(b"")

    def framed(self, data: bytes) -> bytes:
        """Bytes of the stream as they are sent."""
        return data

    def finish(self, last: bytes) -> None:
        """Send these bytes, and end."""
        raise NotImplementedError

    def stop(self) -> None:
        """Do no more for it."""
        if self.joining is not None and self.joining is not asyncio.current_task():
            self.joining.cancel()
        if self.expiry is not None:
            self.expiry.cancel()


_SLOTS = ("all", "expiry", "joining", "left", "wanted")


class RawStream(Raw, _Stream):
    """A stream that owns its connection."""

    __slots__ = _SLOTS

    def __init__(self, streaming: Streaming, wanted: Wanted, left: _Once) -> None:
        budget = streaming.settings.send_buffer
        super().__init__(streaming.hub, streaming.keeper, CHUNKS, budget)
        self.prepare(streaming, wanted, left)

    def framed(self, data: bytes) -> bytes:
        return chunk(data)

    def finish(self, last: bytes) -> None:
        self.stop()
        self.end((chunk(last) if last else b"") + LAST_CHUNK)

    def gone(self) -> None:
        self.stop()
        self.left()


class QueuedStream(Queued, _Stream):
    """A stream behind an ASGI server."""

    __slots__ = (*_SLOTS, "_cut", "_hand_on", "_serving")

    def __init__(self, streaming: Streaming, wanted: Wanted, left: _Once) -> None:
        budget = streaming.settings.send_buffer
        super().__init__(streaming.hub, streaming.keeper, UPDATES, budget)
        self.prepare(streaming, wanted, left)
        self._cut: asyncio.TimerHandle | None = None
        self._serving: asyncio.Task[None] | None = None

    async def serve(self, request: Request, send: Send, headers: Headers) -> None:
        """Send until the stream has ended, or the client has gone."""
        self._hand_on = send
        request.answered = True
        watching = asyncio.ensure_future(_until_gone(request))
        try:
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            self.keeper.add(self)
            self.put(self.opening())
            self._serving = asyncio.ensure_future(self.run())
            self.begin()
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

    async def send(self, data: bytes) -> None:
        await self._hand_on({"type": "http.response.body", "body": data, "more_body": True})

    def finish(self, last: bytes) -> None:
        self.stop()
        if last:
            self.put(last)
        self.end()
        if self._serving is not None and self._cut is None:
            loop = asyncio.get_running_loop()
            self._cut = loop.call_later(CLOSE_WITHIN, self._serving.cancel)


async def _until_gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass  # a body that nobody asked for


def _head(headers: Headers) -> bytes:
    """The head of the answer, as a server would write it."""
    date = (b"date", formatdate(usegmt=True).encode())  # RFC 9110 §6.6.1
    fields = [date, *headers, (b"transfer-encoding", b"chunked"), (b"connection", b"close")]
    return b"HTTP/1.1 200 OK\r\n%b\r\n" % b"".join(b"%b: %b\r\n" % field for field in fields)
